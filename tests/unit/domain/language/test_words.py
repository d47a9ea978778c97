"""Tone goes by whole words, stems join their forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganggpt.domain.language.intent import topic
from ganggpt.domain.language.words import VALENCE_MAX, clipped, stem, tokens, valence, with_article


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("the ambassador entered the badminton hall", 0),  # 19: sad and bad inside other words
        ("you are great", 1),
        ("you are not great", -1),
        ("that is not bad", 1),
        ("you never were a loser", 1),
        ("YOU IDIOT!!!", -1),
        ("I don’t hate you", 1),
        ("a car passes", 0),
        ("", 0),
    ],
)
def test_tone_goes_by_whole_words_and_negation(text: str, sign: int) -> None:
    tone = valence(text)
    assert (tone > 0) - (tone < 0) == sign


def test_the_topic_is_what_stands_after_the_question_words() -> None:
    assert topic("What do you know about the Vipers?") == "the vipers"
    assert topic("do you remember the fire on the pier?") == "the fire on the pier"
    assert topic("hello") == "hello"


@given(st.text(max_size=500))
def test_any_text_has_a_bounded_tone_and_a_topic(text: str) -> None:
    assert -VALENCE_MAX <= valence(text) <= VALENCE_MAX
    assert topic(text) is not None
    assert tokens(text) == tokens(text)


def test_forms_of_a_word_share_a_stem() -> None:
    assert len({stem(word) for word in ("rob", "robs", "robbed", "robbing")}) == 1
    assert len({stem(word) for word in ("take", "takes", "taking", "took", "taken")}) == 1
    assert stem("watches") == stem("watch")
    assert stem("families") == stem("family")


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        ("silver watch", "a silver watch"),
        ("old radio", "an old radio"),
        ("cash", "some cash"),
        ("flowers", "some flowers"),
        ("two beers", "two beers"),
        ("my last cigarette", "my last cigarette"),
        ("$500", "$500"),
        ("!!!", "!!!"),
    ],
)
def test_a_thing_gets_its_article(thing: str, said: str) -> None:
    assert with_article(thing) == said


@given(st.text(min_size=1, max_size=400), st.integers(5, 300))
def test_a_clipped_text_is_never_longer_than_asked(text: str, length_max: int) -> None:
    assert len(clipped(text, length_max)) <= length_max
    assert clipped(text, 500) == text
