"""Deeds and what is wanted."""

from __future__ import annotations

import pytest

from ganggpt.domain.mission_design.deeds import Deed, Want, matches, wanted


@pytest.mark.parametrize(
    ("deed", "same"),
    [
        (Deed("deliver", "parcel", "hills"), True),
        (Deed("deliver", "Parcel", "hills", 3), True),
        (Deed("deliver", "parcel", "docks"), False),
        (Deed("deliver", "parcel"), False),
        (Deed("collect", "parcel", "hills"), False),
        (Deed("deliver", "letter", "hills"), False),
    ],
)
def test_a_deed_matches_by_verb_target_and_district(deed: Deed, same: bool) -> None:
    assert matches(Want("deliver", "parcel", "hills"), deed) is same


def test_where_no_district_is_asked_for_any_will_do() -> None:
    assert matches(Want("talk_to", "npc:mara"), Deed("talk_to", "npc:mara", "docks"))


def test_only_wanted_deeds_are_kept_in_their_order() -> None:
    deeds = (Deed("pay", "npc:otis"), Deed("race", "boat"), Deed("scout", "market"))
    assert wanted(deeds, iter([Want("scout", "market"), Want("pay", "npc:otis")])) == (deeds[0], deeds[2])
