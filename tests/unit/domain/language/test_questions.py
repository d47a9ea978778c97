"""What a line asks is told on lines that others wrote than those it was learned from; so are menaces and languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganggpt.domain.language.questions import (
    COLUMNS,
    LANGUAGE_SURE,
    LANGUAGES,
    SURE,
    TOLD,
    TOPICS,
    language_shares,
    menaces,
    rows_of,
    tone_of,
    topics_of_line,
)
from ganggpt.domain.language.speech_acts import hear
from ganggpt.domain.language.spoken_of import masked, names_of
from tests.support.paths import ROOT
from tests.support.talks import los_santos

DATA = ROOT / "tests" / "data"
AT_LEAST = {"en": 0.75, "de": 0.75, "es": 0.75, "fr": 0.75, "pt": 0.65, "ru": 0.65}


def rows(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [(first, text) for first, _, text in (line.partition("\t") for line in lines)]


def held(language: str) -> list[tuple[str, str]]:
    """Topics and lines as they are asked in the world: what they name is masked."""
    names = names_of(los_santos())
    lines = rows(DATA / "questions" / f"held-{language}.tsv")
    return [(topic, masked(text, names.found(text))) for topic, text in lines]


@pytest.mark.parametrize("language", AT_LEAST)
def test_what_unseen_lines_are_about_is_told(language: str) -> None:
    lines = held(language)
    right = sum(topics_of_line(text)[0].topic == topic for topic, text in lines)
    assert len(lines) >= 150
    assert right / len(lines) >= AT_LEAST[language], f"{right} of {len(lines)}"


@pytest.mark.parametrize("language", ["en", "de"])
def test_what_is_sure_is_right_more_often(language: str) -> None:
    heard = [(topic, topics_of_line(text)[0]) for topic, text in held(language)]
    sure = [one.topic == topic for topic, one in heard if one.confidence >= SURE]
    unsure = [one.topic == topic for topic, one in heard if one.confidence < SURE]
    assert len(sure) >= 0.75 * len(heard)
    assert sum(sure) / len(sure) >= 0.85
    assert sum(sure) / len(sure) > sum(unsure) / len(unsure)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_language_of_a_line_is_told(language: str) -> None:
    heard = [language_shares(text) for _, text in rows(DATA / "questions" / f"held-{language}.tsv")]
    sure = [found == language for found, share in heard if share >= LANGUAGE_SURE]
    assert sum(sure) >= 0.9 * len(heard)


def test_every_line_of_the_data_has_a_topic_there_is_and_none_is_judged_on_that_was_learned() -> None:
    learned = [row for path in sorted((DATA / "questions").glob("lines-*.tsv")) for row in rows(path)]
    judged = [row for path in sorted((DATA / "questions").glob("held-*.tsv")) for row in rows(path)]
    assert {topic for topic, _ in (*learned, *judged)} == set(TOPICS)
    assert {text for _, text in learned if len(text.split()) > 4}.isdisjoint(text for _, text in judged)


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("what's your name?", "self_name"),
        ("Where can I find xperson?", "person_where"),
        ("how do I get to xplace?", "way"),
        ("what do you think of xperson?", "opinion_person"),
        ("how much is the xware?", "price"),
        ("who leads the xfaction?", "faction_boss"),
        ("got any work for me?", "work"),
        ("wie spät ist es?", "time"),
        ("¿cómo te llamas?", "self_name"),
        ("как тебя зовут?", "self_name"),
    ],
)
def test_a_plain_question_is_surely_about_its_topic(text: str, topic: str) -> None:
    likeliest = topics_of_line(text)[0]
    assert likeliest.topic == topic
    assert likeliest.confidence >= SURE


@given(st.text(max_size=120))
def test_any_text_has_topics_from_the_likeliest_on_and_a_language(text: str) -> None:
    told = topics_of_line(text)
    assert len({one.topic for one in told}) == TOLD
    shares = [one.confidence for one in told]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1.000001
    language, share = language_shares(text)
    assert language in COLUMNS[len(TOPICS) :]
    assert 0 < share <= 1.000001


def test_words_in_another_order_are_another_line() -> None:
    assert set(rows_of(["who", "are", "you"])) != set(rows_of(["you", "are", "who"]))


def test_most_threats_are_found_and_hardly_a_harmless_line_is_taken_for_one() -> None:
    threats = [text for _, text in rows(DATA / "speech_acts" / "threats.tsv")]
    harmless = [text for _, text in rows(DATA / "speech_acts" / "harmless.tsv")]
    assert sum(map(menaces, threats)) >= 0.6 * len(threats)
    assert sum(map(menaces, harmless)) <= 0.005 * len(harmless)


def test_a_menace_is_always_heard_as_one_and_only_a_menace_moves_feelings_so() -> None:
    lines = [text for name in ("threats", "harmless") for _, text in rows(DATA / "speech_acts" / f"{name}.tsv")]
    only_heard = [text for text in lines if hear(text).is_menace and not menaces(text)]
    assert [text for text in lines if menaces(text) and not hear(text).is_menace] == []
    assert only_heard, "the second model takes some back"
    assert {tone_of(text) for text in only_heard} == {0.0}


@pytest.mark.parametrize(
    "text", ["I'll kill you", "Give me all your money now or I'll shoot", "hand over the cash or die"]
)
def test_a_threat_menaces_and_hurts(text: str) -> None:
    assert menaces(text)
    assert tone_of(text) < 0


@pytest.mark.parametrize(
    "text", ["I bet you'd kill for a coffee", "I killed him last night", "the weather is nice", ""]
)
def test_a_bet_and_a_confession_menace_nobody(text: str) -> None:
    assert not menaces(text)
    assert tone_of(text) == 0.0
