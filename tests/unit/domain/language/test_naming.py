"""A name is found in every spelling and script; a name that is a word only where it can be one."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganggpt.domain.language import naming

NAMES = [
    "José",
    "Zephyr",
    "İbrahim",
    "Strauß",
    "Ольга",
    "Ζέφυρος",
    "张伟明",
    "さくら",
    "สมชาย",
    "민수",
    "محمد",
    "Will",
    "Zoe Fix",
]


def without(text: str, *names: str) -> str:
    words = tuple(name for name in names if naming.is_word(name))
    return naming.unnamed(text, names, words, "#")


@pytest.mark.parametrize(
    "text",
    [
        "I will bring it",
        "Will you come?",
        "will it rain?",
        "Where there is a will there is a way.",
        "I WILL do it.",
        "The Will was read.",
        "WILL YOU COME",
        "Willow and goodwill",
        "Yes. Will do.",
    ],
)
def test_a_name_that_is_a_word_stays_a_word(text: str) -> None:
    assert without(text, "Will") == text


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("I saw Will at the pier.", "I saw # at the pier."),
        ("Will is a thief, and Will's car is red.", "# is a thief, and #'s car is red."),
        ("They call me will.", "They call me #."),
        ("My name is will", "My name is #"),
        ("He is named Will", "He is named #"),
        ("I'm will", "I'm #"),
        ("Hey will!", "Hey #!"),
        ("Will, come here.", "#, come here."),
        ("Thanks, Will.", "Thanks, #."),
        ("Ask Will.", "Ask #."),
        ("Ask Old Will, he will know.", "Ask Old #, he will know."),
        ("@will look", "@# look"),
        ("Ich heiße will", "Ich heiße #"),
    ],
)
def test_a_name_that_is_a_word_goes_where_it_can_be_a_name(text: str, after: str) -> None:
    assert without(text, "Will") == after


def test_what_is_called_like_a_thing_leaves_the_thing() -> None:
    kept = ["silver watch", "Silver Watch", "Watch the docks", "The Silver Watch", "I will watch you", "Watch out!"]
    assert [without(text, "watch") for text in kept] == kept
    assert without("I think Watch took the watch", "watch") == "I think # took the watch"


@pytest.mark.parametrize(
    ("name", "text", "after"),
    [
        ("José", "Jose, JOSÉ and Jose\u0301", "#, # and #"),
        ("Jose", "José lied", "# lied"),
        ("İbrahim", "ibrahim, IBRAHIM, ıbrahim, İbrahim'in", "#, #, #, #'in"),
        ("张伟明", "我认识张伟明吗?", "我认识#吗?"),
        ("张 伟明", "张伟明来了", "#来了"),
        ("さくら", "昨日さくらさんに会った", "昨日#さんに会った"),
        ("สมชาย", "ฉันรู้จักสมชายนะ", "ฉันรู้จัก#นะ"),
        ("민수", "민수가 왔다", "#가 왔다"),
        ("محمد", "قال مُحَمَّد", "قال #"),
        ("Ольга", "ОЛЬГА и ольга", "# и #"),
        ("Strauß", "STRAUSS", "#"),
        ("Zephyr", "Ｚｅｐｈｙｒ, Zep\u200bhyr, Zephyr™", "#, #, #™"),
        ("Zephyr", "zephyrs zephyr2 xzephyr", "zephyrs zephyr2 xzephyr"),
        ("Jose", "我是Jose你好", "我是#你好"),
        ("ガク", "カク", "カク"),
    ],
)
def test_names_are_compared_folded_and_in_scripts_without_blanks(name: str, text: str, after: str) -> None:
    assert without(text, name) == after


def spelt(name: str) -> st.SearchStrategy[str]:
    forms = [name, name.lower(), name.upper(), name.title(), *(unicodedata.normalize(f, name) for f in ("NFD", "NFKD"))]
    return st.sampled_from(forms)


_texts = st.lists(
    st.one_of(
        st.sampled_from(NAMES).flatmap(spelt),
        st.sampled_from(
            [" ", ", ", ". ", "\n", "I ", "the ", "is", "我", "\u0301", "\u200b", "ß", "ﬁ", "İ", "called "]
        ),
        st.text(max_size=4),
    ),
    max_size=12,
).map("".join)


@settings(deadline=None)
@given(_texts, st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
def test_a_text_without_a_name_has_none_and_one_that_has_none_stays_as_it_is(text: str, names: list[str]) -> None:
    words = tuple(name for name in names if naming.is_word(name))
    after = naming.unnamed(text, tuple(names), words, "somebody")
    assert not naming.is_named(after, tuple(names), words)
    assert (after is text) == (not naming.is_named(text, tuple(names), words))


def escaped(text: str) -> str:
    """As ``encode(…, 'escape')`` of Postgres."""
    return "".join(
        f"\\{byte:03o}" if byte > 127 or byte == 0 else "\\\\" if byte == 92 else chr(byte) for byte in text.encode()
    )


@settings(deadline=None)
@given(_texts, st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
def test_the_search_in_the_database_misses_no_name(text: str, names: list[str]) -> None:
    found = naming.search_of(names)
    assert found is not None
    if naming.is_named(text, tuple(names)):
        assert re.search(found, escaped(text)) is not None


def test_short_names_are_looked_for_only_where_two_letters_are_a_name() -> None:
    assert [name for name in ("AJ", "张伟", "Ann", "李", "é") if naming.is_sought(name)] == ["张伟", "Ann"]
    assert naming.search_of(["AJ"]) is None
