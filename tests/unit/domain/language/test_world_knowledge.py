"""What people say of the world they live in."""

from __future__ import annotations

import pytest

from ganggpt.domain.language.world_knowledge import said_of
from ganggpt.domain.mind.brief import age_label, opener_of, politics_of, quoted
from tests.support.builders import a_district, a_faction_sheet, a_world, an_npc_sheet

DAY_S = 86_400.0


def named(*names: str) -> dict[str, str]:
    return {name.lower().replace(" ", "-"): name for name in names}


WORLD = a_world(
    factions={
        key: a_faction_sheet(key, name=name, relations={}, home="salt-terminal", territories=("lantern-court",))
        for key, name in named("Salt Cartel", "Lantern Society").items()
    },
    districts={
        key: a_district(key, name=name) for key, name in named("Salt Terminal", "Lantern Court", "Regent Hills").items()
    },
    npcs={
        "mara": an_npc_sheet(home="lantern-court", faction="salt-cartel"),
        "otis": an_npc_sheet("otis", name="Otis Bell"),
    },
)


@pytest.mark.parametrize(
    ("topic", "begins"),
    [
        ("the salt terminal", "Salt Terminal belongs to nobody"),
        ("the salt cartel", "you find Salt Cartel in Salt Terminal"),
        ("lantern court", "Lantern Court is Salt Cartel ground"),
        ("Mara", "Mara Voss, fixer from Lantern Court, runs with Salt Cartel"),
        ("mr bell", "Otis Bell, fixer"),
        ("regent", "Regent Hills"),
    ],
)
def test_the_name_that_fits_best_is_spoken_of(topic: str, begins: str) -> None:
    assert (said_of(WORLD, topic, None) or "").startswith(begins)


@pytest.mark.parametrize("topic", ["the hills", "a court", "", "nothing at all"])
def test_a_word_that_tells_nothing_names_nobody(topic: str) -> None:
    assert said_of(WORLD, topic, None) is None


def test_a_full_name_can_be_asked_for() -> None:
    assert said_of(WORLD, "how much salt is that", None, by_full_name=True) is None
    assert said_of(WORLD, "is the salt cartel strong", None, by_full_name=True)


def test_ones_own_faction_is_us_and_others_stand_where_the_sheet_says() -> None:
    world = a_world()
    assert said_of(world, "harbour crew", "harbour") == "Harbour Crew is us"
    assert said_of(world, "vipers", "harbour") == "you find Vipers in Market; Harbour Crew would bury them if it could"
    politics = politics_of(world, "harbour")
    assert politics is not None
    assert (politics.own, politics.friend, politics.enemy) == ("Harbour Crew", "City Council", "Vipers")
    assert politics_of(world, None) is None
    assert politics_of(world, "no-such-faction") is None


def test_the_past_has_names_in_order() -> None:
    ages = [age_label(days * DAY_S) for days in (0, 0.5, 1, 3, 8, 20, 60, 200, 1000)]
    assert len(set(ages)) == len(ages)
    assert ages[4] == "last week"
    assert age_label(-5) == "a moment ago"


def test_an_opening_is_its_first_three_words_and_a_quotation_ends_like_a_sentence() -> None:
    assert opener_of("Yo, what's UP, Ava? Long time.") == "yo what's up"
    assert quoted('he said "no"') == "\"he said 'no'.\""
    assert len(quoted("word " * 100)) <= 163
