"""What other actors leave in a mind names players as that mind does, and never by their ids."""

from __future__ import annotations

from ganggpt.domain.mind.commands import Remember
from ganggpt.domain.npc.commands import Talk
from tests.support.played import mara

BOB = "player:license:1a2b"


def test_a_memory_from_a_mission_names_the_player_by_the_name_the_giver_knows() -> None:
    giver = mara()
    giver.do(Talk("Good evening.", "Bob"), BOB)
    giver.do(Remember('{who} gave up on the job "Late Rent"', "work", 45, BOB), "mission:m1")
    assert giver.state.mind.memories[-1].text == 'Bob gave up on the job "Late Rent"'


def test_who_is_not_known_by_name_is_a_stranger() -> None:
    giver = mara()
    giver.do(Remember('{who} gave up on the job "Late Rent"', "work", 45, BOB), "mission:m1")
    giver.do(Remember('there was no money to pay {who} for the job "Nine Blocks"', "work", 45, BOB), "mission:m2")
    texts = [memory.text for memory in giver.state.mind.memories]
    assert texts == [
        'A stranger gave up on the job "Late Rent"',
        'there was no money to pay a stranger for the job "Nine Blocks"',
    ]
