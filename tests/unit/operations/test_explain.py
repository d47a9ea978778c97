"""Why did she say that: found in the journal, explained, and the same when asked again."""

from __future__ import annotations

import pytest

from ganggpt.domain.companion import rules as companion
from ganggpt.domain.ids import ActorId
from ganggpt.domain.mind.commands import Conclude, Utter
from ganggpt.domain.mind.utterance import Provenance
from ganggpt.domain.npc.commands import Give, Talk
from ganggpt.errors import InvalidInput, UnknownUtterance
from ganggpt.operations.explain import explain, place_of
from tests.support.builders import WORLD
from tests.support.journaled import Journaled, with_dice


@pytest.fixture
def mara() -> Journaled:
    npc = Journaled()
    npc.do(Give("silver watch", 300))
    npc.do(Talk("I will be at the pier tomorrow"))
    return npc


def test_what_the_scripted_mind_said_is_explained_by_memories_and_is_the_same_again(mara: Journaled) -> None:
    reply = mara.do(Talk("What do you remember of the silver watch?"))
    mara.do(Talk("Goodbye"))
    found = explain(reply["utterance"], mara.turns, WORLD)
    assert found.said == reply["say"]
    assert found.same is True
    assert found.provenance.model == "scripted"
    assert found.recalled[0].no == reply["cites"] == found.cites
    assert "silver watch" in found.recalled[0].text
    assert found.recalled[0].relevance > 0.3


def test_a_world_with_other_dice_says_other_words(mara: Journaled) -> None:
    reply = mara.do(Talk("What do you remember of the silver watch?"))
    differ = [explain(reply["utterance"], mara.turns, with_dice(seed)).same for seed in range(8)]
    assert False in differ


@pytest.fixture
def rex() -> Journaled:
    dog = Journaled(ActorId("companion:rex"))
    dog.do(companion.Recruit("player:ava", "Rex", "bodyguard", {"courage": 100, "loyalty": 100}))
    dog.do(companion.GainExperience(500, "held off three bikers at the pier"))
    return dog


def test_what_a_companion_said_is_explained_like_what_anybody_said(rex: Journaled) -> None:
    reply = rex.do(companion.Talk("Do you remember the bikers at the pier?"))
    assert reply["utterance"] == "companion:rex#3"
    found = explain(reply["utterance"], rex.turns, WORLD)
    assert (found.said, found.player, found.same) == (reply["say"], "player:ava", True)
    assert found.recalled[0].no == found.cites == 1
    order = rex.do(companion.Order("wait"))
    assert explain(order["utterance"], rex.turns, WORLD).said == order["say"]


def test_what_a_companion_said_by_a_model_shows_what_it_did_and_what_it_cost(rex: Journaled) -> None:
    utterance = rex.do(companion.Talk("Come with me"), has_model=True)["utterance"]
    rex.do(Utter(utterance, 0, "Right behind you."), by="model:gateway")
    made = Provenance("gpt-x", "large", ((1, 0.8),), "the prompt", "abc", nano_usd=7_000)
    rex.do(Conclude(utterance, (("follow", ""),), made), by="model:gateway")
    found = explain(utterance, rex.turns, WORLD)
    assert found.said == "Right behind you."
    assert found.provenance.actions == (("follow", "allowed"),)
    assert (found.provenance.nano_usd, found.again) == (7_000, None)


def test_what_a_model_said_shows_what_it_was_asked_and_what_it_cost(mara: Journaled) -> None:
    reply = mara.do(Talk("What do you remember of the silver watch?"), has_model=True)
    utterance = reply["utterance"]
    mara.do(Utter(utterance, 0, "It still ticks."), by="model:gateway")
    made = Provenance("gpt-x", "large", ((1, 0.8),), "the prompt", "abc", tokens_in=90, tokens_out=12, nano_usd=7_000)
    mara.do(Conclude(utterance, (("fly", ""), ("follow", "")), made), by="model:gateway")
    found = explain(utterance, mara.turns, WORLD)
    assert found.said.startswith("It still ticks.")
    assert (found.provenance.model, found.provenance.tokens_in, found.provenance.prompt) == ("gpt-x", 90, "the prompt")
    assert [action for action, _ in found.provenance.actions] == ["follow"]
    assert found.again is None
    assert found.same is None


def test_an_utterance_that_is_still_being_said_is_found(mara: Journaled) -> None:
    reply = mara.do(Talk("Do you still live here?"), has_model=True)
    found = explain(reply["utterance"], mara.turns, WORLD)
    assert (found.said, found.heard) == ("", "Do you still live here?")


def test_where_the_journal_no_longer_reaches_back_the_words_are_still_there(mara: Journaled) -> None:
    reply = mara.do(Talk("What do you remember of the silver watch?"))
    found = explain(reply["utterance"], mara.turns[2:], WORLD)
    assert found.said == reply["say"]
    assert found.recalled == ()
    assert found.same is None


def test_what_was_never_said_is_an_error(mara: Journaled) -> None:
    with pytest.raises(UnknownUtterance):
        explain("npc:mara#999", mara.turns, WORLD)
    with pytest.raises(UnknownUtterance):
        explain("npc:mara#1", mara.turns, WORLD)


@pytest.mark.parametrize(
    "bad", ["", "mara", "npc:mara#", "npc:mara#x", "npc:mara#-1", "Npc:Mara#1", "#3", "npc:mara#" + "9" * 30]
)
def test_what_is_no_id_is_said_so(bad: str) -> None:
    with pytest.raises(InvalidInput):
        place_of(bad)
