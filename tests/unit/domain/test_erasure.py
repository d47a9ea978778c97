"""A player is forgotten by whoever knew them, their own things cease, and a journal keeps its shape without them."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.ai.minds.scripted import ScriptedMind
from ganggpt.domain import erasure, player_export
from ganggpt.domain.companion import rules as companion
from ganggpt.domain.companion.commands import Recruit
from ganggpt.domain.erasure import ForgetPlayer, PlayerForgotten, Subject, Trail
from ganggpt.domain.faction import rules as faction
from ganggpt.domain.kinds import KINDS, VERSION, TurnRecord, decode_turn, encode_turn
from ganggpt.domain.messages import Offer
from ganggpt.domain.mind.commands import Reflect
from ganggpt.domain.mission import rules as mission
from ganggpt.domain.mission.rules import Accept
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.npc.commands import AskForWork, Give, Hear, Observe, Talk, Threaten
from ganggpt.domain.npc.events import Spoke
from ganggpt.domain.player import rules as player
from ganggpt.domain.player.rules import Join
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.world import ThingSheet
from ganggpt.errors import GangGPTError, UnknownActor
from tests.support.builders import NOW_S, Played, a_world, an_npc_sheet
from tests.support.explained import why_related
from tests.support.played import a_faction
from tests.support.town import AVA, HARBOUR, MAIN, a_town, offered

ALIAS = "player:forgotten-1"
NAMES = ("Zephyr",)
SUBJECT = Subject("player:zephyr", NAMES, ALIAS)
FORGET = ForgetPlayer("player:zephyr", NAMES, ALIAS, ())
ZEPHYR, BEN = "player:zephyr", "player:ben"


def an_npc(name: str = "mara") -> Played:
    played = Played(npc.KIND, f"npc:{name}", mind=ScriptedMind())
    sheet = an_npc_sheet(name)
    fields = {n: getattr(sheet, n) for n in sheet.__struct_fields__ if n != "id"}
    fields["name"] = "Mara Voss" if name == "mara" else name.title()
    played.do(npc.Spawn(**fields), "server:main")
    return played


def who_knows_zephyr() -> Played:
    mara = an_npc()
    mara.do(Talk("I am Zephyr, and I promise you a quetzal tomorrow.", "Zephyr"), ZEPHYR)
    mara.do(Give("quetzal feather", 400, "Zephyr"), ZEPHYR)
    mara.do(Threaten("Tell nobody about the quetzal!", name="Zephyr"), ZEPHYR)
    mara.do(Talk("I owe you a coffee, and I hate Zephyr.", "Ben"), BEN)
    mara.do(Observe("Ben fed the seagulls at the pier", 60, BEN), "server:main")
    return mara


def test_a_mind_forgets_a_player_and_keeps_everybody_else() -> None:
    mara = who_knows_zephyr()
    before = mara.state
    decision = mara.do(FORGET, "world")
    assert decision.reply["forgot"] >= 2
    assert not erasure.mentions(mara.state, SUBJECT)
    assert "quetzal" not in msgspec.json.encode(player_export.shown(mara.state)).decode()
    assert BEN in mara.state.standings
    assert mara.state.standings[BEN] == before.standings[BEN]
    kept = [memory.text for memory in mara.state.mind.memories]
    assert any("seagulls" in text for text in kept)
    assert any("somebody" in text for text in kept), kept
    assert mara.state.mind.next_no == before.mind.next_no


def test_who_stood_near_and_where_is_forgotten_too_in_what_is_being_said_and_what_waits() -> None:
    mara = an_npc()
    mara.has_model = True
    scene = TalkScene("at Zephyr's bar", 600, "rain", ("Otis", "Zephyr"))
    mara.do(Talk("Any news?", "Ben", scene), BEN)
    mara.do(Talk("And for me?", "Ida", scene), "player:ida")
    speaking = mara.state.mind.speaking
    assert [one.scene for one in (speaking.utterance, *speaking.waiting)] == [scene, scene]
    assert erasure.mentions(mara.state, SUBJECT)
    events = tuple(mara.journal)
    mara.do(FORGET, "world")
    assert not erasure.mentions(mara.state, SUBJECT)
    kept = mara.state.mind.speaking.utterance.scene
    assert (kept.near[0], kept.weather) == ("Otis", "rain")
    left = erasure.rewritten(events, SUBJECT, blank=False)
    assert not erasure.mentions(left, SUBJECT)
    assert "Zephyr" not in json.dumps([player_export.shown(turn) for turn in left])


def test_who_never_knew_the_player_has_nothing_to_forget() -> None:
    mara = an_npc()
    mara.do(Talk("Hello, I am Ben", "Ben"), BEN)
    seq, state = mara.seq, mara.state
    decision = mara.do(FORGET, "world")
    assert decision.events == ()
    assert mara.state == state
    assert mara.seq == seq + 1


def test_forgetting_one_player_leaves_another_whose_id_begins_alike() -> None:
    mara = an_npc()
    mara.do(Talk("I promise to come back tomorrow", "Lon"), "player:zephyr-lon")
    state = mara.state
    mara.do(FORGET, "world")
    assert mara.state == state


def test_a_rumour_that_lost_the_name_on_the_way_goes_by_where_it_began() -> None:
    otis = an_npc("otis")
    rumour = ("npc:mara#7", ("npc:mara",), NOW_S, NOW_S + 9e6)
    otis.do(Hear("Somebody keeps a quetzal", 60, None, *rumour), "npc:mara")
    otis.do(Hear("Somebody robbed the bank", 60, None, "npc:mara#8", *rumour[1:]), "npc:mara")
    otis.do(dataclasses.replace(FORGET, origins=("npc:mara#7",)), "world")
    assert [memory.text for memory in otis.state.mind.memories] == ["Somebody robbed the bank"]


def test_a_word_of_the_rules_stays_whatever_a_player_is_called() -> None:
    mara = who_knows_zephyr()
    before = [memory.kind for memory in mara.state.mind.memories if memory.about != ZEPHYR]
    mara.do(dataclasses.replace(FORGET, names=(*NAMES, "seen", "talk", "follow", "witnessed", "temper")), "world")
    assert [memory.kind for memory in mara.state.mind.memories] == before
    record = TurnRecord(VERSION, NOW_S, tuple(mara.journal), b"\x80")
    subject = dataclasses.replace(SUBJECT, names=("seen", "talk", "witnessed"))
    left = erasure.rewritten(record.events, subject, blank=True)
    assert decode_turn(npc.KIND, encode_turn(TurnRecord(VERSION, NOW_S, left, b"\x80"))).events == left


def test_word_of_a_deed_goes_by_whose_deed_it_was() -> None:
    harbour = a_faction()
    heard = faction.HearOfDeed("zephyr.17.0", ZEPHYR, "sabotage", "vipers", 5)
    harbour.do(heard, "npc:mara")
    harbour.do(dataclasses.replace(heard, deed="ben.4.1", player=BEN), "npc:mara")
    assert "zephyr.17.0" in harbour.state.deeds
    harbour.do(FORGET, "world")
    assert harbour.state.deeds == ("ben.4.1",)
    assert list(harbour.state.talk_of) == [BEN]


WILL = Subject("player:will", ("will", "Will"), ALIAS, words=("will", "Will"))
FORGET_WILL = ForgetPlayer("player:will", ("will", "Will"), ALIAS, (), ("will", "Will"))


def who_knows_will() -> Played:
    """Ben and the server speak of Will, who once called himself "watch", and of things that are called alike."""
    mara = an_npc()
    mara.do(Talk("I am back.", "watch"), "player:will")
    mara.do(Give("silver watch", 400, "Ben"), BEN)
    mara.do(Observe("I will bring it, and will watch the pier with Ben", 60, BEN), "server:main")
    mara.do(Observe("Ben saw Will at the pier, and Watch stole the watch", 60, BEN), "server:main")
    return mara


def test_a_name_that_is_a_word_takes_no_word_and_no_item_from_anybody() -> None:
    mara = who_knows_will()
    mara.do(FORGET_WILL, "world")
    texts = [memory.text for memory in mara.state.mind.memories]
    assert "I will bring it, and will watch the pier with Ben" in texts
    assert "Ben saw somebody at the pier, and somebody stole the watch" in texts
    assert [item.name for item in mara.state.items] == ["silver watch"]
    assert not any("silver somebody" in text for text in texts)
    assert not erasure.mentions(mara.state, WILL)


def test_a_nickname_counts_only_in_the_mind_that_was_told_it() -> None:
    otis = an_npc("otis")
    otis.do(Observe("Ben saw Will at the pier, and Watch stole the watch", 60, BEN), "server:main")
    otis.do(FORGET_WILL, "world")
    (memory,) = otis.state.mind.memories
    assert memory.text == "Ben saw somebody at the pier, and Watch stole the watch"


def test_what_was_forgotten_is_folded_from_the_event_alone() -> None:
    mara = who_knows_will()
    before = mara.state
    count = len(mara.journal)
    mara.do(FORGET_WILL, "world")
    (event,) = mara.journal[count:]
    assert {"will", "Will", "watch"} == set(event.names) == set(event.words)
    assert npc.KIND.evolve(before, event) == mara.state


def test_an_erasure_is_shown_text_by_text_before() -> None:
    mara = who_knows_will()
    subject = WILL.called(["watch"], a_world())
    changed = list(player_export.changes(mara.state, erasure.forgotten(mara.state, subject)))
    assert ("memories.text", "Ben saw Will at the pier, and Watch stole the watch",
            "Ben saw somebody at the pier, and somebody stole the watch") in changed  # fmt: skip
    assert any(after is None for _, _, after in changed)
    assert not any("I will bring it" in before for where, before, _ in changed if where == "memories.text")
    assert list(player_export.changes(mara.state, mara.state)) == []


def test_the_words_and_names_of_a_world_are_no_names_of_a_player() -> None:
    world = a_world(things={"gasket": ThingSheet(id="gasket", name="rubber gasket", kind="item")})
    mara = next(iter(world.npcs.values())).name.split()[0]
    subject = Subject("player:x").called(["Gasket", mara, mara.upper(), "somebody", "Player", "Quill", "x"], world)
    assert subject.names == ("Gasket", "Quill")
    assert subject.words == ("Gasket",), "the world writes it small, so it is a word"
    assert (
        erasure.nameless("I sold a gasket to Gasket and Quill", subject) == "I sold a gasket to somebody and somebody"
    )
    assert subject.called(["QUILL", "gasket"], world) is subject


def test_an_item_keeps_its_name_whoever_is_called_so() -> None:
    mara = an_npc()
    mara.do(Give("watch", 400, "Ben"), BEN)
    mara.do(Give("zephyr", 400, "Ben"), BEN)
    subject = Subject(ZEPHYR, ("Zephyr", "watch"), ALIAS, words=("watch",))
    after = erasure.forgotten(mara.state, subject)
    assert [item.name for item in after.items] == [item.name for item in mara.state.items]
    left = erasure.rewritten(tuple(mara.journal), subject, blank=False)
    assert [item.name for item in npc_of(left).items] == [item.name for item in mara.state.items]


def npc_of(events: tuple[Any, ...]) -> Any:
    state: Any = None
    for event in events:
        state = npc.KIND.evolve(state, event)
    return state


def test_a_cache_entry_goes_by_the_same_rule_as_a_text() -> None:
    inside = msgspec.json.encode({"prompt": '{"say": "I will bring it"}'})
    assert not erasure.mentions_anywhere(inside, WILL)
    assert not erasure.mentions_anywhere(msgspec.msgpack.encode(["I will", {"text": "will do"}]), WILL)
    assert erasure.mentions_anywhere(msgspec.msgpack.encode(["x", {"text": "I saw Will."}]), WILL)
    assert erasure.mentions_anywhere(msgspec.json.encode({"a": '["Ben saw Will at the pier"]'}).decode(), WILL)


def test_what_the_world_s_authors_wrote_stays_as_it_is() -> None:
    mara = who_knows_zephyr()
    mara.do(dataclasses.replace(FORGET, names=(*NAMES, "cranes")), "world")
    assert "cranes" in mara.state.sheet.backstory


def test_a_player_ceases_and_may_come_back_as_somebody_new() -> None:
    zephyr = Played(player.KIND, ZEPHYR)
    zephyr.do(Join("Zephyr", "main", "z@example.org"), "server:main")
    zephyr.do(FORGET, "world")
    assert zephyr.state is None
    with pytest.raises(UnknownActor):
        zephyr.do(player.Quit(), ZEPHYR)
    assert zephyr.do(Join("Zephyr", "main"), "server:main").reply["new"] is True
    assert zephyr.state.email is None


def test_an_own_companion_ceases_and_one_that_moved_on_forgets() -> None:
    rex = Played(companion.KIND, "companion:rex", mind=ScriptedMind())
    rex.do(Recruit(ZEPHYR, "Rex", "dog", {"loyalty": 60}), "server:main")
    rex.do(companion.Talk("I promise you a quetzal, I love you", "Zephyr"), ZEPHYR)
    moved_on = Played(companion.KIND, "companion:rex", mind=ScriptedMind())
    for event in rex.journal:
        moved_on.state = companion.KIND.evolve(moved_on.state, event)
    rex.do(FORGET, "world")
    assert rex.state is None
    moved_on.do(companion.Dismiss(), ZEPHYR)
    moved_on.do(Recruit(BEN, "Rex", "dog", {"loyalty": 60}), "server:main")
    moved_on.do(FORGET, "world")
    assert moved_on.state.owner == BEN
    assert not erasure.mentions(moved_on.state, SUBJECT)


def test_money_kept_for_a_forgotten_player_s_mission_is_the_faction_s_again() -> None:
    town = a_town()
    before = town[HARBOUR].treasury
    ref = offered(town)
    town.do(ref, Accept(), AVA)
    assert town[HARBOUR].treasury < before
    town.do(ref, ForgetPlayer(AVA, ("Ava",), ALIAS, ()), "world")
    assert town[ref] is None
    assert town[HARBOUR].treasury == before
    again = offered(town, "mission:m2")
    town.do(again, Accept(), AVA)
    town.do(HARBOUR, ForgetPlayer(AVA, ("Ava",), ALIAS, ()), "world")
    assert town[HARBOUR].treasury == before
    assert not erasure.mentions(town[HARBOUR], Subject(AVA))


def test_a_faction_s_relations_still_add_up_to_their_causes() -> None:
    harbour = a_faction()
    harbour.do(faction.ShiftRelation("vipers", 30, "Zephyr made peace"), MAIN)
    harbour.do(faction.ShiftRelation("vipers", -10, "an insult"), MAIN)
    value, causes = why_related(harbour.state, "vipers", harbour.now_s)
    harbour.do(FORGET, "world")
    after, kept = why_related(harbour.state, "vipers", harbour.now_s)
    assert after == pytest.approx(value)
    assert len(kept) == len(causes)
    assert not erasure.mentions(harbour.state, SUBJECT)


def test_an_own_mission_ceases_without_its_faction_too() -> None:
    lonely = Played(mission.KIND, "mission:m1")
    lonely.do(Offer("parcel", "npc:mara", ZEPHYR), "npc:mara")
    assert lonely.do(FORGET, "world").messages == ()
    assert lonely.state is None


# ------------------------------------------------------------------------------------------------- the journal


def rewritten(played: Played, by: list[str], turns: list[tuple[Any, ...]], subject: Subject) -> list[tuple[Any, ...]]:
    """A journal, turn by turn, as an erasure leaves it: through the bytes of the store."""
    trail = Trail(subject)
    left = []
    for who, events in zip(by, turns, strict=True):
        theirs = trail.holds(events, who)
        changed = erasure.rewritten(events, subject, blank=theirs)
        stored = encode_turn(TurnRecord(VERSION, NOW_S, changed, b"\x80"))
        left.append(decode_turn(played.kind, stored).events)
    return left


_hers = ["I promise you a quetzal", "I hid the quetzal", "where is my quetzal?", "do you remember me?"]
_theirs = ["Zephyr lied to me", "zephyr again", "do you remember me?", "any news?", "I owe you", "is there a bird?"]


def _said_by(who: str, lines: list[str]) -> st.SearchStrategy[tuple[Any, str]]:
    commands: list[st.SearchStrategy[Any]] = [
        st.builds(Talk, st.sampled_from(lines), st.sampled_from([None, who.partition(":")[2].title()])),
        st.builds(Threaten, st.sampled_from(lines)),
        st.builds(Give, st.sampled_from(["quetzal" if who == ZEPHYR else "watch"]), st.integers(0, 900)),
        st.builds(AskForWork),
    ]
    return st.tuples(st.one_of(commands), st.just(who))


_commands = st.one_of(
    _said_by(ZEPHYR, _hers),
    _said_by(BEN, _theirs),
    _said_by("player:zephyr-lon", _theirs),
    st.tuples(st.builds(Observe, st.sampled_from(_hers), st.integers(0, 100), st.just(ZEPHYR)), st.just("server:main")),
    st.tuples(st.builds(Observe, st.sampled_from(_theirs), st.integers(0, 100), st.none()), st.just("server:main")),
    st.tuples(st.builds(Reflect), st.just("npc:mara")),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_commands, st.integers(0, 4000)), max_size=25))
def test_a_rewritten_journal_has_nothing_of_the_player_and_still_makes_the_same_mind(script: list[Any]) -> None:
    mara = an_npc()
    by, turns = ["server:main"], [tuple(mara.journal)]
    for (command, who), pause_s in script:
        mara.wait(pause_s)
        count = len(mara.journal)
        try:
            mara.do(command, who)
        except GangGPTError:
            continue
        by.append(who)
        turns.append(tuple(mara.journal[count:]))
    count = len(mara.journal)
    mara.do(FORGET, "world")
    by.append("world")
    turns.append(tuple(mara.journal[count:]))

    left = rewritten(mara, by, turns, SUBJECT)
    shown = json.dumps([player_export.shown(turn) for turn in left])
    assert not erasure.mentions(left, SUBJECT)
    assert "quetzal" not in shown
    state: Any = None
    for event in (event for turn in left for event in turn):
        state = npc.KIND.evolve(state, event)
    if any(isinstance(event, PlayerForgotten) for event in turns[-1]):
        assert sorted(state.standings) == sorted(mara.state.standings)
        assert {m.no for m in state.mind.memories} == {m.no for m in mara.state.mind.memories}
        assert (state.mind.next_no, state.mood, state.mind.reflects_s) == (
            mara.state.mind.next_no,
            mara.state.mood,
            mara.state.mind.reflects_s,
        )


def test_what_somebody_else_was_told_about_the_player_s_memory_is_blank_too() -> None:
    mara = an_npc()
    mara.do(Observe("Zephyr hid a quetzal on the roof", 70, ZEPHYR), "server:main")
    (memory,) = mara.state.mind.memories
    said = Spoke(BEN, "say", "what is up there?", "Somebody hid a bird up there", memory.no, NOW_S)
    trail = Trail(SUBJECT)
    assert trail.holds(mara.journal, "server:main")
    assert trail.holds((said,), BEN)
    assert erasure.rewritten(said, SUBJECT, blank=True).said == erasure.BLANK
    assert not Trail(SUBJECT).holds((said,), BEN)
    assert Trail(SUBJECT, [memory.no]).holds((said,), BEN)


def test_a_mind_is_exported_as_part_of_whose_it_is_and_under_the_names_it_has_outside() -> None:
    rex = Played(companion.KIND, "companion:rex", mind=ScriptedMind())
    rex.do(Recruit(ZEPHYR, "Rex", "dog", {}), ZEPHYR)
    rex.do(companion.Talk("I promise you a quetzal tomorrow.", "Zephyr"), ZEPHYR)
    exported = player_export.shown(rex.state)
    assert {"memories", "next_no", "openers", "talks", "mull_s", "let_go", "asked_s", "phrases"} <= exported.keys()
    assert exported.keys().isdisjoint({"mind", "reflects_s"})
    assert exported["talks"][ZEPHYR]["is"] == "Conversation"
    mara = who_knows_zephyr()
    ways = {way for way, _ in player_export.about(mara.state, SUBJECT)}
    assert {"memories", "talks.player:zephyr", "standings.player:zephyr", "items"} <= ways


# ------------------------------------------------------------------------------------- every text is known as one

WORDS = frozenset(
    (
        *(
            "about",
            "act",
            "action",
            "actions",
            "active",
            "against",
            "alias",
            "asked",
            "audience",
            "bonds",
            "by",
            "chain",
        ),
        *("companion_type", "deed", "noes", "prepared", "reserves", "standings", "talk_of", "talks", "traded", "work"),
        *(
            "deeds",
            "district",
            "dropped",
            "faction",
            "frame",
            "enemies",
            "friends",
            "places",
            "wars",
            "frictions",
            "giver",
            "gone",
            "guards",
            "heir",
            "home",
            "id",
        ),
        *("impact", "key", "kind", "listener", "mission", "missions", "model", "move", "moved_on", "order", "origin"),
        *("origins", "other", "owner", "payer", "personality", "player", "prompt_hash", "raider", "relations", "rung"),
        *(
            "needed",
            "server",
            "target",
            "template",
            "territories",
            "tier",
            "to",
            "told_by",
            "traits",
            "type",
            "utterance",
        ),
        *("needed", "vector", "verb"),
    )
)
"""Fields whose strings are ids or words of the rules: they stay, the player's id becomes an alias."""


def texts_in(shape: Any, field: str, seen: set[Any]) -> Iterator[str]:
    """The names of fields of a type, and of what it is made of, that hold strings or bytes."""
    shape = getattr(shape, "__value__", shape)
    origin = get_origin(shape)
    if shape in (str, bytes, Any):
        yield field
    elif origin is typing.Annotated:
        yield from texts_in(get_args(shape)[0], field, seen)
    elif origin not in (None, Literal):
        for part in get_args(shape):
            yield from texts_in(part, field, seen)
    elif (
        isinstance(shape, type)
        and shape not in seen
        and (issubclass(shape, msgspec.Struct) or dataclasses.is_dataclass(shape))
    ):
        seen.add(shape)
        for name, hint in get_type_hints(shape, include_extras=True).items():
            if not name.startswith("_") and get_origin(hint) is not typing.ClassVar:
                yield from texts_in(hint, name, seen)


def test_every_field_with_strings_is_known_to_hold_texts_or_ids() -> None:
    seen: set[Any] = set()
    found: set[str] = set()
    for kind in KINDS.values():
        shapes = [kind.state, *(get_args(kind.events) if isinstance(kind.events, UnionType) else [kind.events])]
        for shape in (*shapes, *kind.commands.values()):
            found |= set(texts_in(shape, "", seen))
    unknown = found - erasure.TEXTS - WORDS
    assert not unknown, (
        f"put these into erasure.TEXTS if people or models write them, else into WORDS: {sorted(unknown)}"
    )
