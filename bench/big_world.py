"""A world of many actors, written straight into a database: for benchmarks and tests that need one at once.

Some hundreds of lives are played by the real rules; every actor has lived one of them. So journal, snapshots and tables
agree as they would after weeks of play, and a hundred thousand actors take seconds, not hours.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct

from ganggpt.actors.host.activation import SnapshotBody
from ganggpt.actors.routing.shards import shared_shards
from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.ids import ActorId, derived_command_id, kind_of
from ganggpt.domain.kinds import KINDS, VERSION, TurnRecord, encode_state, encode_turn
from ganggpt.domain.npc.commands import Observe, Spawn, Talk
from ganggpt.domain.player.rules import Join, Quit, Report
from ganggpt.domain.turn import Command, Dice, Turn, Wording
from ganggpt.domain.world import World
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal.partitions import ensure_days
from ganggpt.persistence.projections.writer import PostgresFlush
from ganggpt.persistence.world_store import create_world

_LIVES: Final = 1500
_SPAN_S: Final = 2 * 86_400.0
_RECENT_SHARE: Final = 0.05
"""Share of lives whose last turns lie within the dedupe window."""
_RECENT_S: Final = 300.0
_PLAYER_SHARE: Final = 0.15
_CHUNK: Final = 2000
_WORDS: Final = """
harbour pier crane rope lantern market baker tram ticket shutter chandlery church coin engine puddle yard laundry phone
letter barrel motorway bridge van boat master sailor mechanic courier nurse twins stranger roof alley canal bottle debt
whisper promise favour knife dog radio window curtain smoke oil paint number ledger stamp glove argued carried counted
dropped followed hid painted sold stole swapped waited watched wept wrote ran laughed paid before after under behind
towards without until twice never always quietly slowly early late red blue old young
""".split()  # noqa: SIM905 - a list of words reads best as words


class BigWorld(Struct, frozen=True):
    """What was written: how many actors and rows, how long it took in seconds, and the ids of the NPCs."""

    actors: int
    turns: int
    rows: int
    seconds: float
    npcs: tuple[str, ...]


class _Life(Struct, frozen=True):
    """One life: per turn the command's name, time, body and the state's bytes after it; and the state at its end."""

    names: list[str]
    ats_s: list[float]
    bodies: list[bytes]
    states: list[bytes]
    end: Any


async def make_big_world(
    pool: Any, world: World, actors: int, *, turns_kept: int = 4, shards: int = 256, tables: bool = True
) -> BigWorld:
    """Write a world with that many NPCs and players into a migrated database that holds none. ``pool`` is asyncpg's.

    The journal keeps the last ``turns_kept`` turns of each actor, as after a while of retention; a third of the actors
    have a snapshot at their last turn, the others one or two turns before it. ``tables``: fill the user's tables too.
    """
    began_s, now_s = time.monotonic(), time.time()
    await create_world(pool, world, {}, list(shared_shards(shards)))
    dice = random.Random(7)
    lives = {kind: [_live(kind, world, now_s, dice) for _ in range(min(_LIVES, actors))] for kind in ("npc", "player")}
    players = int(actors * _PLAYER_SHARE)
    members = [f"npc:big-{n:06d}" for n in range(actors - players)] + [f"player:big-{n:06d}" for n in range(players)]
    lived = {actor: dice.choice(lives[kind_of(actor)]) for actor in members}
    async with pool.acquire() as connection:
        await ensure_days(connection, [now_s - _SPAN_S, now_s - 86_400.0, now_s])
    turns = 0
    for start in range(0, actors, _CHUNK):
        part = members[start : start + _CHUNK]
        rows = [row for n, actor in enumerate(part) for row in _turns(actor, lived[actor], turns_kept)]
        turns += len(rows)
        async with pool.acquire() as connection:
            await connection.copy_records_to_table("journal", records=rows, timeout=120)
            await connection.copy_records_to_table(
                "snapshots", records=_snapshots(part, lived, turns_kept), timeout=120
            )
    written = await _fill_tables(pool, {actor: life.end for actor, life in lived.items()}) if tables else 0
    await pool.execute("ANALYZE", timeout=300)
    return BigWorld(actors, turns, written, time.monotonic() - began_s, tuple(members[: actors - players]))


def _live(kind: str, world: World, now_s: float, dice: random.Random) -> _Life:
    """Play one life that ends some time before now."""
    commands = list(_npc_commands(world, dice) if kind == "npc" else _player_commands(world, dice))
    last_s = now_s - (dice.random() * _RECENT_S if dice.random() < _RECENT_SHARE else 1200 + dice.random() * 80_000)
    life = _Life([], [], [], [], None)
    state: Any = None
    for seq, (command, by) in enumerate(commands, 1):
        at_s = round(last_s - (len(commands) - seq) * 30.0, 3)
        turn = Turn(ActorId(f"{kind}:big-life"), seq, at_s, by, Dice(seq), world, _MIND)
        decision = KINDS[kind].decide(state, command, turn)
        for event in decision.events:
            state = KINDS[kind].evolve(state, event)
        life.names.append(command.tag)
        life.ats_s.append(at_s)
        life.bodies.append(encode_turn(TurnRecord(VERSION, at_s, decision.events, _reply(decision.reply))))
        life.states.append(encode_state(state))
    return msgspec.structs.replace(life, end=state)


_MIND: Final[Wording] = ScriptedMind()


def _reply(reply: Mapping[str, Any]) -> bytes:
    return msgspec.msgpack.encode({"ok": True, "reply": reply})


def _npc_commands(world: World, dice: random.Random) -> Iterator[tuple[Command, str]]:
    sheet = dice.choice(list(world.npcs.values()))
    fields = {name: getattr(sheet, name) for name in sheet.__struct_fields__ if name != "id"}
    yield Spawn(**{**fields, "backstory": _sentence(dice, 30)}), "world"
    for _ in range(dice.randint(4, 14)):
        player = f"player:big-{dice.randrange(200):06d}"
        if dice.random() < 0.3:
            yield Talk(f"I remember {_sentence(dice, 8)}, and I promise {_sentence(dice, 5)}"), player
        else:
            yield Observe(_sentence(dice, 14), 20 + dice.randrange(70), dice.choice([None, player])), "server:big"


def _player_commands(world: World, dice: random.Random) -> Iterator[tuple[Command, str]]:
    yield Join(" ".join(dice.sample(_WORDS, 2))[:20], "big"), "server:big"
    for _ in range(dice.randint(2, 6)):
        place = (dice.uniform(-3000, 3000), dice.uniform(-3000, 3000), 30.0)
        yield Report(place, dice.choice(list(world.districts))), "server:big"
    yield Quit(), "server:big"


def _sentence(dice: random.Random, words: int) -> str:
    return " ".join(dice.choices(_WORDS, k=words))


def _ids(actor: str, life: _Life) -> list[bytes]:
    return [derived_command_id(at_s, actor, seq, "life") for seq, at_s in enumerate(life.ats_s, 1)]


def _turns(actor: str, life: _Life, kept: int) -> Iterator[tuple[Any, ...]]:
    ids = _ids(actor, life)
    for seq in range(max(1, len(ids) - kept + 1), len(ids) + 1):
        at = datetime.fromtimestamp(life.ats_s[seq - 1], UTC)
        name, body = life.names[seq - 1], life.bodies[seq - 1]
        yield actor, seq, at.date(), at, 1, UUID(bytes=ids[seq - 1]), "server:big", name, body


def _snapshots(part: Sequence[str], lived: Mapping[str, _Life], kept: int) -> Iterator[tuple[Any, ...]]:
    recent_s = time.time() - 600.0
    for n, actor in enumerate(part):
        life = lived[actor]
        seq = max(1, len(life.ats_s) - min(n % 3, kept - 1))
        ids = _ids(actor, life)[:seq]
        window = [(i, s) for s, i in enumerate(ids, 1) if life.ats_s[s - 1] > recent_s]
        floor_s = max((at_s for at_s in life.ats_s[:seq] if at_s <= recent_s), default=0.0)
        body = msgspec.msgpack.encode(SnapshotBody(life.states[seq - 1], window, floor_s))
        yield actor, seq, datetime.fromtimestamp(life.ats_s[seq - 1], UTC), VERSION, body


async def _fill_tables(pool: Any, states: Mapping[str, Any]) -> int:
    """Write the user's tables as a host of its own would. Returns how many rows."""
    hosts, flush = PostgresHosts(pool), PostgresFlush(pool)
    epoch = (await hosts.register("big-world", "own")).epoch
    shards = [row.shard for row in await hosts.routes()]
    await hosts.assign(dict.fromkeys(shards, "big-world"))
    written = 0
    changes = [(actor, None, state) for actor, state in states.items()]
    for start in range(0, len(changes), _CHUNK):
        written += await flush.flush(epoch, changes[start : start + _CHUNK], time.time(), shards)
    await hosts.retire(epoch)
    return written
