"""Whatever happens to people in whatever order: bounds hold, journals replay, seeds reproduce, only known errors."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain.companion import rules as companion
from ganggpt.domain.companion.state import EXPERIENCE_MAX, LEDGER_MAX
from ganggpt.domain.mind.brief import OPENERS_MAX, SAID_MAX
from ganggpt.domain.mind.commands import Remember
from ganggpt.domain.mind.memory import MEMORIES_MAX
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.npc.state import STANDINGS_MAX, WORK_MAX
from ganggpt.domain.turn import Kind
from ganggpt.errors import GangGPTError
from tests.support.builders import Played

_said = st.sampled_from(
    [
        "hello",
        "you wonderful friend",
        "you disgusting liar",
        "do you remember me?",
        "what do you know about the Vipers?",
        "I will pay you back tomorrow, I promise",
        "any news?",
        "{you} %s {0}",
        "who do you work for?",
    ]
)
_texts = st.one_of(_said, st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=500))
_names = st.one_of(st.none(), st.sampled_from(["Ava", "Bo told me: x", "O'Neil", "x" * 50]))
_players = st.sampled_from(["player:ava", "player:bob", "player:" + "z" * 63])
_percent = st.integers(0, 100)
_traits = st.dictionaries(st.sampled_from(["friendliness", "temper", "greed", "courage", "loyalty"]), _percent)
_kinds = st.sampled_from(["note", "rumour", "promise", "identity", "deed", "order", "gift", "talk"])
_sources = st.sampled_from(["witnessed", "told", "rumour", "inferred"])
_by = st.one_of(_players, st.sampled_from(["server:main", "npc:otis"]))

_npc_commands = st.one_of(
    st.builds(npc.Talk, _texts, _names),
    st.builds(npc.Observe, _texts, _percent, st.one_of(st.none(), _players)),
    st.builds(npc.Give, _texts.map(lambda text: text[:100]), st.integers(0, 1_000_000), _names),
    st.builds(npc.Threaten, st.one_of(st.just(""), _texts), st.booleans(), _names),
    st.builds(npc.AskForWork, _names),
    st.builds(Remember, _texts, _kinds, _percent, st.one_of(st.none(), _players), _sources),
    st.builds(
        npc.Spawn,
        name=st.just("Mara"),
        role=st.just("fixer"),
        home=st.sampled_from(["docks", "nowhere"]),
        faction=st.sampled_from([None, "harbour", "ghosts"]),
        traits=_traits,
        style=st.sampled_from(["street", "polite", "unheard-of", "oldtimer"]),
        likes=st.just(("watches",)),
        missions=st.sampled_from([(), ("parcel", "gone")]),
    ),
)
_orders = st.sampled_from(["follow", "wait", "guard", "scout", "drive", "fetch", "attack", "hide"])
_companion_commands = st.one_of(
    st.builds(companion.Talk, _texts, _names),
    st.builds(companion.Order, _orders, st.one_of(st.none(), st.just("the bridge {x}"))),
    st.builds(companion.GainExperience, st.integers(1, 1000), _texts.map(lambda text: text[:200])),
    st.builds(Remember, _texts, _kinds, _percent, st.one_of(st.none(), _players), _sources),
    st.builds(
        companion.Recruit, _players, st.just("Rex"), st.sampled_from(["driver", "odd"]), _traits, st.just("gruff")
    ),
)
_waits = st.sampled_from([0.0, 0.5, 60.0, 3600.0, 86_400.0, 9e6, -5.0])


def steps(commands: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[Any, str, float]]]:
    return st.lists(st.tuples(commands, _by, _waits), max_size=25)


def played(kind: Kind, actor: str, first: Any, run: list[tuple[Any, str, float]]) -> Played:
    actor_played = Played(kind, actor, mind=ScriptedMind())
    actor_played.do(first, by="server:main")
    for command, by, wait_s in run:
        actor_played.wait(wait_s)
        try:
            reply = actor_played.do(command, by).reply
        except GangGPTError:
            continue
        said = reply.get("say")
        assert said is None or 0 < len(said) <= SAID_MAX
        assert msgspec.json.encode(reply)
    return actor_played


def replays(actor_played: Played) -> None:
    """The journal, through its codec, makes the same state; and so does the snapshot."""
    kind = actor_played.kind
    journal = msgspec.msgpack.decode(msgspec.msgpack.encode(actor_played.journal), type=list[kind.events])  # type: ignore[name-defined]
    state = None
    for event in journal:
        state = kind.evolve(state, event)
    assert state == actor_played.state
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=kind.state) == state
    assert msgspec.json.encode(actor_played.view())


MARA = npc.Spawn("Mara", "fixer", "docks", "harbour", {"courage": 50}, "street", missions=("parcel",), likes=("tea",))
REX = companion.Recruit("player:ava", "Rex", "driver", {"courage": 40}, "cheerful")


@given(steps(_npc_commands))
@settings(max_examples=60, deadline=None)
def test_an_npc_stays_within_bounds_and_replays(run: list[tuple[Any, str, float]]) -> None:
    mara = played(npc.KIND, "npc:mara", MARA, run)
    state = mara.state
    assert len(state.mind.memories) <= MEMORIES_MAX
    assert len(state.standings) <= STANDINGS_MAX
    assert len(state.work) <= WORK_MAX
    assert len(state.mind.openers) <= OPENERS_MAX
    assert -100 <= state.mood <= 100
    assert all(-100 <= standing.value <= 100 for standing in state.standings.values())
    assert all(0 <= memory.weight <= 100 for memory in state.mind.memories)
    replays(mara)


@given(steps(_companion_commands))
@settings(max_examples=60, deadline=None)
def test_a_companion_stays_within_bounds_and_replays(run: list[tuple[Any, str, float]]) -> None:
    rex = played(companion.KIND, "companion:rex", REX, run)
    state = rex.state
    assert 0 <= state.loyalty <= 100
    assert -100 <= state.mood <= 100
    assert 0 <= state.experience <= EXPERIENCE_MAX
    assert len(state.ledger) <= LEDGER_MAX
    assert len(state.mind.memories) <= MEMORIES_MAX
    assert state.refusals <= state.orders
    replays(rex)


@given(steps(_npc_commands))
@settings(max_examples=25, deadline=None)
def test_the_same_commands_and_dice_make_the_same_npc(run: list[tuple[Any, str, float]]) -> None:
    first, second = (played(npc.KIND, "npc:mara", MARA, run) for _ in range(2))
    assert first.journal == second.journal
    assert first.state == second.state


@given(steps(_companion_commands))
@settings(max_examples=25, deadline=None)
def test_the_same_commands_and_dice_make_the_same_companion(run: list[tuple[Any, str, float]]) -> None:
    first, second = (played(companion.KIND, "companion:rex", REX, run) for _ in range(2))
    assert first.journal == second.journal
    assert first.state == second.state
