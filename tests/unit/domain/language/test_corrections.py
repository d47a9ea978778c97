"""A change ends what it is a change of, about the same person, and nothing else."""

from __future__ import annotations

import pytest

from ganggpt.domain.language.corrections import corrects, ends, restates, updates


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("I live in Mirror Park.", "I got evicted, found a new place by the docks."),
        ("I work at the diner.", "They fired me, so I drive a cab these days."),
        ("My brother works for a plumber.", "My brother quit, he is a guard downtown."),
        ("I drive a green car.", "Sold the car, I ride a bike."),
        ("my gate code is 5520", "changed it after the break-in, you need 8134"),
        ("Ich arbeite als Koch.", "Hab gekündigt, bin jetzt Taxifahrer."),
        ("Moro em Davis.", "Me mudei, agora fico na praia."),
        ("Я живу в Дэвисе.", "Я переехал к морю."),
    ],
)
def test_a_change_ends_what_was_told_of_its_kind(earlier: str, later: str) -> None:
    assert ends(later, earlier)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("My sister works at the clinic.", "They fired me yesterday."),
        ("I work at the diner.", "My brother quit."),
        ("I live in Mirror Park.", "They fired me yesterday."),
        ("I drive a green car.", "Sold the watch, got 300 for it."),
        ("My mother lives in Paleto.", "I moved out."),
        ("I like jazz.", "I left early, it was loud."),
    ],
)
def test_a_change_of_another_kind_or_person_ends_nothing(earlier: str, later: str) -> None:
    assert not ends(later, earlier)


def test_a_short_line_is_restated_where_both_name_the_same() -> None:
    assert restates("the password switched, it's buttercup", "The password is swordfish.")
    assert not restates("I have a new dog now", "The password is swordfish.")
    assert not restates("the password is long", "The password is swordfish.")


def test_what_corrects_outright_also_updates() -> None:
    assert corrects("no wait, I meant saturday")
    assert updates("no wait, I meant saturday")
    assert updates("I'm no longer with them")
    assert not updates("I like saturday")
