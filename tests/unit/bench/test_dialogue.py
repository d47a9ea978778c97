"""The talks of the bench are many and long enough, and what is said in them keeps what was reached."""

from __future__ import annotations

from functools import lru_cache

from bench.dialogue import OWN, Figures, measured, played, talks_of
from ganggpt.ai.minds.texts import VOICES
from tests.support.talks import los_santos


@lru_cache(maxsize=1)
def figures() -> Figures:
    world = los_santos()
    return measured([played(row, world) for row in talks_of(OWN / "talks.jsonl")], world)


def test_there_are_sixty_talks_of_twelve_lines_in_every_voice() -> None:
    rows = talks_of(OWN / "talks.jsonl")
    assert len(rows) >= 60
    assert all(len(row["lines"]) == 12 for row in rows)
    assert {los_santos().npcs[row["npc"]].style for row in rows} <= set(VOICES) | {"oldtimer"}
    assert len({los_santos().npcs[row["npc"]].style for row in rows}) >= 8


def test_most_questions_get_a_real_answer_and_few_lines_none() -> None:
    found = figures()
    assert found.real >= 0.84
    assert found.reacted >= 0.66
    assert found.unknowing < 0.12
    assert found.wrong_language <= 6


def test_a_talk_does_not_repeat_itself() -> None:
    found = figures()
    assert found.sentences_twice < 0.02
    assert found.openers_twice == 0
