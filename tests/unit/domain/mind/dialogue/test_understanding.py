"""He, she, there, them and the other one are who and what the talk spoke of."""

from __future__ import annotations

import pytest

from ganggpt.domain.language.spoken_of import What
from ganggpt.domain.mind.dialogue.references import subject
from ganggpt.domain.mind.dialogue.understanding import ASKED_MAX, asked_in
from ganggpt.domain.mind.transcript import Exchange
from tests.support.talks import los_santos

TOWN = los_santos()


def meant(heard: str, then: str, what: What, *, but: str = "") -> str | None:
    """Whom or what the second line is about, after the first was answered with nothing."""
    before = (Exchange(heard, "Well."),) if heard else ()
    return subject(asked_in(then, before, TOWN)[-1], before, TOWN, what, but=but)


@pytest.mark.parametrize(
    ("heard", "then", "what", "who"),
    [
        ("who is Redd?", "where is he now?", "npc", "redd"),
        ("who is Delphine?", "where is she now?", "npc", "delphine"),
        ("what do you think of Redd and Delphine?", "where is he?", "npc", "redd"),
        ("what do you think of Redd and Delphine?", "where is she?", "npc", "delphine"),
        ("where is Ferris Pier?", "is it dangerous there?", "district", "ferris-pier"),
        ("who are the Ansel Nine?", "who leads them?", "faction", "ansel-nine"),
        ("who is Redd?", "where is Kofi?", "npc", "kofi"),
        ("what about Redd and Delphine?", "and the other one?", "npc", "delphine"),
        ("nice day", "where is he?", "npc", None),
        ("", "where is he?", "npc", None),
    ],
)
def test_a_word_that_points_back_means_what_was_spoken_of(heard: str, then: str, what: What, who: str | None) -> None:
    assert meant(heard, then, what) == who


def test_who_speaks_is_not_meant_by_he() -> None:
    assert meant("what do you think of Redd and Kofi?", "where is he?", "npc", but="redd") == "kofi"
    assert meant("who is Redd?", "where is he?", "npc", but="redd") is None


def test_what_was_spoken_of_last_is_meant() -> None:
    talk = (Exchange("who is Redd?", "Trouble."), Exchange("and Kofi?", "A driver."))
    assert subject(asked_in("where is he?", talk, TOWN)[-1], talk, TOWN, "npc") == "kofi"
    told = (Exchange("who is Redd?", "Ask Tobias about him."),)
    assert subject(asked_in("where is he?", told, TOWN)[-1], told, TOWN, "npc") == "redd", (
        "the player's word goes first"
    )


def test_what_was_left_out_is_taken_from_the_line_before() -> None:
    before = (Exchange("what do you think of Redd?", "Trouble."),)
    asked = asked_in("and Delphine?", before, TOWN)[-1]
    assert (asked.topic, asked.is_left_open) == ("opinion_person", True)
    assert subject(asked, before, TOWN, "npc") == "delphine"


def test_no_more_than_two_questions_of_a_line_are_answered() -> None:
    line = "What time is it? What's your name? Where is Ferris Pier? Got any work for me?"
    assert len(asked_in(line, (), TOWN)) == ASKED_MAX
