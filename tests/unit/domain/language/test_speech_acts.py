"""A line is heard by what it does; the lines it is judged on were written by others than those it was learned from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganggpt.domain.language.speech_acts import ACTS, QUESTIONS, hear

DATA = Path(__file__).parents[3] / "data" / "speech_acts"
AT_LEAST = {"en": 0.90, "de": 0.80, "es": 0.80, "fr": 0.80, "pt": 0.80, "ru": 0.80}


def rows(name: str) -> list[tuple[str, str]]:
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()
    return [(first, text) for first, _, text in (line.partition("\t") for line in lines)]


@pytest.mark.parametrize("language", AT_LEAST)
def test_lines_that_were_never_learned_from_are_heard_right(language: str) -> None:
    lines = rows(f"held-{language}.tsv")
    right = sum(hear(text).main.act in acts.split("+") for acts, text in lines)
    print(f"{language}: {right} of {len(lines)} lines of {len(ACTS)} acts are heard right ({right / len(lines):.3f})")  # noqa: T201 - figures to look at
    assert len(lines) >= 400
    assert right / len(lines) >= AT_LEAST[language]


def test_nothing_of_what_it_is_judged_on_was_learned() -> None:
    learned = {
        text for kind in ("lines", "menace") for path in DATA.glob(f"{kind}-*.tsv") for _, text in rows(path.name)
    }
    apart = [*(f"held-{language}.tsv" for language in AT_LEAST), "threats.tsv", "harmless.tsv"]
    judged = [text for name in apart for _, text in rows(name) if len(text.split()) > 4]
    assert sum(text in learned for text in judged) <= len(judged) // 100


def test_spoken_threats_are_found_and_few_harmless_lines_are_taken_for_one() -> None:
    found = sum(hear(text).is_menace for _, text in rows("threats.tsv"))
    false = sum(hear(text).is_menace for _, text in rows("harmless.tsv"))
    print(f"{found} of {len(rows('threats.tsv'))} threats found, {false} of {len(rows('harmless.tsv'))} false ones")  # noqa: T201 - figures to look at
    assert found >= 0.66 * len(rows("threats.tsv"))
    assert false <= 0.01 * len(rows("harmless.tsv"))


@pytest.mark.parametrize(
    ("text", "act"),
    [
        ("You hiring?", "ask_work"),
        ("Do you know who stole my car?", "ask_person"),
        ("Who runs this block?", "ask_faction"),
        ("Hey, where's my money?", "demand"),
        ("They shot my brother last night.", "bad_news"),
        ("I never touched your bike", "deny"),
        ("How much for the pistol?", "ask_price"),
        ("Mara, what time is it?", "ask_time"),
        ("are you a bot?", "out_of_world"),
        ("thanks", "thanks"),
        ("Ich suche Arbeit, habt ihr was?", "ask_work"),
        ("¿quién manda en este barrio?", "ask_faction"),
        ("Zabiję cię", "threat"),
        ("我要杀了你", "threat"),
    ],
)
def test_what_it_does_is_heard(text: str, act: str) -> None:
    assert hear(text).main.act == act


def test_a_line_may_do_two_things_and_a_courtesy_is_none_where_more_is_said() -> None:
    both = hear("Hi there. I need a job.")
    assert {heard.act for heard in both.acts} >= {"ask_work"}
    assert not both.is_courtesy
    assert hear("Hi there!").is_courtesy


def test_words_about_others_move_no_feelings_for_the_listener() -> None:
    assert hear("You are an idiot.").tone < 0
    assert hear("Otis is a liar, he told everybody").tone == 0
    assert hear("You're the best mechanic in town").tone > 0


@given(st.text(max_size=400))
def test_any_text_is_heard_as_something_with_a_confidence(text: str) -> None:
    heard = hear(text)
    assert heard.main.act in ACTS
    assert all(0 <= one.confidence <= 1.0000001 for one in heard.acts)
    assert heard.main in heard.acts
    assert heard.tone == 0 or not heard.main.act.startswith("ask_") or len(heard.sentences) > 1
    assert QUESTIONS


def test_acts_with_consequences_are_heard_in_five_more_languages() -> None:
    lines = [row.split("\t") for row in (DATA / "five.tsv").read_text(encoding="utf-8").splitlines()]
    right = sum(_is_heard_as(label, text) for _, label, text in lines)
    print(f"{right} of {len(lines)} lines in Polish, Turkish, Italian, Chinese, Arabic are heard right")  # noqa: T201 - figures to look at
    assert right >= 0.75 * len(lines)
    assert sum(hear(text).is_menace for _, label, text in lines if label != "threat") <= 8


def _is_heard_as(label: str, text: str) -> bool:
    heard = hear(text)
    if label == "threat":
        return heard.is_menace
    if label == "question":
        return heard.main.act in QUESTIONS
    if label == "other":
        return not heard.is_menace and heard.main.act not in ("insult", "ask_work", "promise", "farewell")
    return heard.main.act == label
