"""What is said of somebody in their own words, and what they say of themselves said back to them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganggpt.domain.language.person import in_first_person, own_words, said_back
from tests.support.talks import los_santos


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("Ran numbers for two crews.", "I ran numbers for two crews."),
        ("Knows what everybody owes.", "I know what everybody owes."),
        ("Has a law degree and her grandfather's patience.", "I have a law degree and my grandfather's patience."),
        ("Was banned from four riverboats.", "I was banned from four riverboats."),
        ("Carries bolts of cloth.", "I carry bolts of cloth."),
        ("Watches the boats.", "I watch the boats."),
        ("Goes to church.", "I go to church."),
        ("Now does the books.", "Now I do the books."),
        ("Fell off a crane. Says he was pushed.", "I fell off a crane. I say I was pushed."),
        ("Knows every rock because he has hit most of them.", "I know every rock because I have hit most of them."),
        ("Hopes it ends before it costs him his boat.", "I hope it ends before it costs me my boat."),
        ("", ""),
    ],
)
def test_a_backstory_is_told_by_the_one_it_is_about(written: str, told: str) -> None:
    assert in_first_person(written) == told


def test_every_sentence_of_every_backstory_of_the_shipped_world_speaks_of_an_i() -> None:
    for sheet in los_santos().npcs.values():
        sentences = re.split(r"(?<=[.!?])\s+", in_first_person(sheet.backstory))
        assert all(re.search(r"\bI\b", sentence) for sentence in sentences), sheet.id


@pytest.mark.parametrize(
    ("phrase", "own"),
    [
        ("to keep his mother from finding out", "to keep my mother from finding out"),
        ("to collect every old debt before he retires", "to collect every old debt before I retire"),
        ("to be paid what the Row owes him", "to be paid what the Row owes me"),
        ("to owe none herself", "to owe none myself"),
        ("to win back the house he lost", "to win back the house I lost"),
        ("what is hers", "what is mine"),
        ("because she's tired", "because I'm tired"),
        ("because she doesn\u2019t sleep", "because I don't sleep"),
        ("what she never says", "what I never say"),
        ("to buy a faster boat", "to buy a faster boat"),
    ],
)
def test_a_phrase_about_somebody_is_put_in_their_own_words(phrase: str, own: str) -> None:
    assert own_words(phrase) == own


@given(st.text(max_size=80))
def test_no_he_is_left_in_ones_own_words(text: str) -> None:
    words = re.findall(r"[A-Za-z]+(?:['\u2019][A-Za-z]+)?", own_words(text))
    assert {"he", "she", "him", "his"}.isdisjoint(word.lower() for word in words)


@pytest.mark.parametrize(
    ("said", "back"),
    [
        ("I lost my job", "you lost your job"),
        ("I was robbed by you", "you were robbed by me"),
        ("we are leaving town", "you are leaving town"),
        ("Well, I'm your friend", "you're my friend"),
        ("You know I like you", "you like me"),
        ("my brother was shot", "your brother was shot"),
        ("I gave you $1,500 yesterday!", "you gave me $1,500 yesterday"),
        ("I\u2019ll call you, man", "you'll call me, man"),
    ],
)
def test_what_somebody_says_of_themselves_is_said_back_to_them(said: str, back: str) -> None:
    assert said_back(said) == back


@pytest.mark.parametrize(
    "said",
    ["is it me?", "I lost my job?", "I", "he left the town", "I lost\nmy job", "I " + "and then " * 8 + "left", ""],
)
def test_a_question_a_stranger_and_a_speech_are_not_said_back(said: str) -> None:
    assert said_back(said) is None


@given(st.sampled_from(["I", "we", "my brother", "I'm"]), st.text(max_size=60))
def test_what_is_said_back_speaks_to_you(begins: str, rest: str) -> None:
    back = said_back(f"{begins} {rest}")
    if back is not None:
        assert back.startswith("you")
        assert "?" not in back
