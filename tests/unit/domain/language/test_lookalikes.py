"""Names that look the same to a person are found, in whatever letters they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganggpt.domain.fields import is_name
from ganggpt.domain.language.lookalikes import shapes


def look_alike(one: str, other: str) -> bool:
    return not shapes(one).isdisjoint(shapes(other))


SAME = [
    ("Ava", "ava"),
    ("Ava", "Аvа"),
    ("Ava", "ＡＶＡ"),
    ("Ava", "𝕬𝖛𝖆"),
    ("Ava", "A\u200bva"),
    ("Ava", " Ava\u3164"),
    ("Ava", "A\u00adv\ufe0fa"),
    ("Bob", "B0b"),
    ("Ivan", "lvan"),
    ("Ivan", "1van"),
    ("AJ", "АЈ"),
    ("Max", "Мах"),
    ("Tom", "Torn"),
    ("Mara Voss", "Mara \u00a0 Voss"),
    ("Jose\u0301", "José"),
    ("张伟", "张\u200d伟"),
    ("scope", "ѕсоре"),
]
DIFFERENT = [
    ("Ava", "Eva"),
    ("张伟", "张明"),
    ("José", "Jose"),
    ("AJ", "JA"),
    ("Max", "Maxi"),
    ("Mara Voss", "MaraVoss"),
]
characters = st.characters(exclude_categories=("Cs", "Cc"))
texts = st.text(characters, min_size=1, max_size=50).filter(is_name)
unseen = st.sampled_from("\u200b\u200c\u200d\u2060\u00ad\u034f\ufe0f\u3164\u2800\U000e0061")


@pytest.mark.parametrize(("one", "other"), SAME)
def test_names_that_look_the_same_are_found(one: str, other: str) -> None:
    assert look_alike(one, other)
    assert look_alike(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_names_that_look_different_are_not(one: str, other: str) -> None:
    assert not look_alike(one, other)


@given(texts)
def test_every_name_looks_like_itself(name: str) -> None:
    assert shapes(name)
    assert look_alike(name, name)
    assert look_alike(name, f" {name} ")


@given(texts, unseen, st.integers(0, 50))
def test_what_nobody_sees_makes_no_other_name(name: str, mark: str, place: int) -> None:
    assert look_alike(name, name[:place] + mark + name[place:])


@given(st.text(st.characters(categories=("Lu", "Ll"), max_codepoint=0x24F), min_size=1, max_size=20))
def test_neither_does_another_case(name: str) -> None:
    assert look_alike(name, name.casefold())


@pytest.mark.parametrize(
    "name",
    ["AJ", "张伟", "A", "李", "Ünal", "Ολγα", "محمد", "علی\u200cرضا", "นิด", "नेहा", "O'Neill", "7", "😀", "x" * 50],
)
def test_a_name_may_be_short_and_of_any_script(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    [" ", "\u200b", "\u3164\u3164", "\u2800", "\u0301", "\u200d\ufe0f", "Ava\u202eavA", "\u200fAva", "A\u061c", "A\nB"],
)
def test_a_name_of_nothing_or_one_that_turns_around_is_none(name: str) -> None:
    assert not is_name(name)
