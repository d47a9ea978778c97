"""Writes the golden file of the layout of now: from real worlds (``worlds``) and from lives in memory (``scenes``, the
simulation), never from records made by hand.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from backports import zstd

from ganggpt.domain.ids import kind_of
from ganggpt.domain.kinds import (
    KINDS,
    VERSION,
    decode_effects,
    decode_turn,
    kind_for,
)
from ganggpt.simulation.run import Trial, history
from ganggpt.simulation.scenario import SCENARIOS
from tests.support.frozen import scenes, worlds
from tests.support.frozen.golden import (
    Golden,
    Life,
    Sent,
    Snapshot,
    path_of,
    state_in,
    view_of,
)
from tests.support.frozen.harvest import Harvest

_SNAPSHOTS_MAX: Final = 3
_LATER_S: Final = 60.0
"""A view is recorded for a moment so long after the turn."""
_PLAYED: Final = {"evening": worlds.evening, "model": worlds.evening_with_model, "faults": worlds.faults}
_OF_EACH_KIND: Final = 2
_WHOLE: Final = ("evening", "model")
_SIMULATED: Final = (("mixed", 7), ("clusters", 3))


def write() -> None:
    """Play everything and write down the bytes of the layout of now. A file that is there is never written again: it
    says what was stored by the program of its day."""
    if path_of(VERSION).exists():
        raise SystemExit(f"{path_of(VERSION)} is there already")
    harvests: dict[str, Harvest] = {}
    with tempfile.TemporaryDirectory(prefix="ganggpt-golden-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)  # Postgres does not run as root and has to get through
        for name, play in _PLAYED.items():
            harvests[name] = asyncio.run(play(Path(home) / name))
    harvests |= {"days": scenes.days(), "hours": scenes.hours(), **_simulated()}
    path_of(VERSION).write_bytes(packed(harvests))


def packed(harvests: Mapping[str, Harvest]) -> bytes:
    """What is chosen of these worlds, as a golden file."""
    golden = Golden(VERSION, tuple(_lives(harvests)), tuple(_sent(harvests.values())))
    return zstd.compress(msgspec.msgpack.encode(golden), level=19)


def _simulated() -> dict[str, Harvest]:
    """What simulated worlds leave in their tables. They keep no names of commands."""
    logging.getLogger("ganggpt.actors").setLevel(logging.CRITICAL)
    found = {}
    for scenario, seed in _SIMULATED:
        trial = Trial(seed, SCENARIOS[scenario], history())
        trial.play()
        tables = trial.database.tables
        found[f"{scenario} {seed}"] = Harvest(
            {actor: [(seq, id_, "", "", body) for seq, id_, body, _ in rows] for actor, rows in tables.turns.items()},
            {actor: [snapshot] for actor, snapshot in tables.snapshots.items()},
        )
    return found


# ------------------------------------------------------------------------------------------------------ what is chosen


def _lives(harvests: Mapping[str, Harvest]) -> Iterator[Life]:
    """Whole worlds where they are small; of the others who shows what was not seen yet, and some of each kind."""
    known: set[Any] = set()
    for world, harvest in harvests.items():
        shown: Counter[str] = Counter()
        for actor in _by_worth(harvest, known):
            news = _features(actor, harvest) - known
            if news or shown[kind_of(actor)] < _OF_EACH_KIND or world in _WHOLE:
                known |= news
                shown[kind_of(actor)] += 1
                yield _life(world, actor, harvest)


def _by_worth(harvest: Harvest, known: set[Any]) -> list[str]:
    """Actors that show most first; of equals the shorter journal. Only whole journals."""

    def worth(actor: str) -> tuple[int, int, str]:
        return -len(_features(actor, harvest) - known), len(harvest.turns[actor]), actor

    return sorted((actor for actor, rows in harvest.turns.items() if decode_effects(rows[0][-1])[2]), key=worth)


def _features(actor: str, harvest: Harvest) -> set[Any]:
    kind = kind_of(actor)
    found: set[Any] = {(kind, "snapshot")} if actor in harvest.snapshots else set()
    for _, _, _, name, body in harvest.turns[actor]:
        _, _, events, _, effects, first, *_ = msgspec.msgpack.decode(body)
        found |= {(kind, event[0], *map(type, event[1:])) for event in events} | {(kind, "command", name)}
        found |= {(kind, "effects", effects is not None), (kind, "first", first)}
    return found


def _life(world: str, actor: str, harvest: Harvest) -> Life:
    rows = harvest.turns[actor]
    state, now_s, views = None, 0.0, {}
    wanted = {seq for seq, _ in harvest.snapshots.get(actor, ())}
    kind = kind_for(actor)
    for seq, _, _, _, body in rows:
        turn = decode_turn(kind, body)
        state = None if turn.first else state
        for event in turn.events:
            state = kind.evolve(state, event)
        now_s = turn.at_s + _LATER_S
        if seq in wanted:
            views[seq] = (now_s, view_of(actor, state, now_s))
    snapshots = [
        Snapshot(seq, body, *views[seq])
        for seq, body in harvest.snapshots.get(actor, ())
        # Where a player was erased, the journal is blank in places of which snapshots still say more.
        if seq in views and view_of(actor, state_in(actor, body), views[seq][0]) == views[seq][1]
    ]
    step = max(1, -(-len(snapshots) // _SNAPSHOTS_MAX))
    turns = tuple((seq, name, body) for seq, _, _, name, body in rows)
    return Life(world, actor, turns, now_s, view_of(actor, state, now_s), tuple(snapshots[::-1][::step]))


def _sent(harvests: Iterable[Harvest]) -> Iterator[Sent]:
    """The shortest and the longest body of each command, by how it was on its way."""
    bodies: dict[tuple[str, str, str], set[bytes]] = {}
    for harvest in harvests:
        ways = {"letter": harvest.messages, "reminder": harvest.reminders, "command": harvest.commands}
        for how, rows in ways.items():
            for to, name, body in rows:
                if name in KINDS[kind_of(to)].commands:
                    bodies.setdefault((kind_of(to), name, how), set()).add(body)
    for (kind, name, how), found in sorted(bodies.items()):
        by_length = sorted(found, key=lambda body: (len(body), body))
        for body in dict.fromkeys((by_length[0], by_length[-1])):
            yield Sent(kind, name, how, body)
