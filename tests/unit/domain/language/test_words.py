"""Tone, intent and salience go by whole words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganggpt.domain.language.intent import SALIENCE_MAX, intent, salience, topic
from ganggpt.domain.language.words import VALENCE_MAX, clipped, stem, tokens, valence, with_article
from ganggpt.domain.mind.memory import SALIENCE_MIN


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


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Do you remember me?", "ask_memory"),
        ("remember what I gave you?", "ask_memory"),
        ("You haven't forgotten me, have you?", "ask_memory"),
        ("What do you know about the Vipers?", "ask_about"),
        ("who's Otis", "ask_about"),
        ("any news?", "ask_about"),
        ("got any work for me?", "ask_work"),
        ("who do you work for?", "ask_politics"),
        ("how are you today", "ask_mood"),
        ("who are you?", "ask_who"),
        ("I'm sorry about that", "apology"),
        ("thanks a lot", "thanks"),
        ("goodbye", "bye"),
        ("Hey Mara", "greet"),
        ("you are a liar", "insult"),
        ("you are wonderful", "praise"),
        ("is the bridge open?", "question"),
        ("the bridge is closed", "tell"),
        ("???", "question"),
        ("...", "tell"),
    ],
)
def test_a_sentence_is_taken_for_what_it_asks(text: str, wanted: str) -> None:
    assert intent(text) == wanted


def test_the_topic_is_what_stands_after_the_question_words() -> None:
    assert topic("What do you know about the Vipers?") == "the vipers"
    assert topic("do you remember the fire on the pier?") == "the fire on the pier"
    assert topic("hello") == "hello"


@pytest.mark.parametrize("text", ["hello", "ok", "how are you?", "what do you know about the pier?"])
def test_small_talk_and_plain_questions_are_not_worth_remembering(text: str) -> None:
    assert salience(text) < SALIENCE_MIN


@pytest.mark.parametrize("text", ["I lost my brother in the docks", "I will pay you tomorrow", "I'll kill you"])
def test_a_confidence_a_promise_and_a_threat_are_worth_remembering(text: str) -> None:
    assert salience(text) >= SALIENCE_MIN


@given(st.text(max_size=500))
def test_any_text_has_a_bounded_tone_intent_topic_and_salience(text: str) -> None:
    assert -VALENCE_MAX <= valence(text) <= VALENCE_MAX
    assert 0 <= salience(text) <= SALIENCE_MAX
    assert intent(text)
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
