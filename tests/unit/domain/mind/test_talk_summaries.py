"""The summary that is left of a talk without any model: what it was about, and nothing else."""

from __future__ import annotations

import pytest

from ganggpt.domain.language.stop_words import GREETINGS, STOP_WORDS, language_of
from ganggpt.domain.language.words import folded, words_of
from ganggpt.domain.mind.transcript import Transcript, carried_on, condensed
from tests.support.builders import NOW_S


def a_talk(*lines: str) -> Transcript:
    talk = None
    for at, line in enumerate(lines):
        talk = carried_on(talk, line, "I see.", NOW_S + 10 * at)
    assert talk is not None
    return talk


def summary_of(talk: Transcript, name: str, speaker: str) -> str | None:
    found = condensed(talk, name, speaker)
    return None if found is None else found[0]


def test_greetings_and_the_names_of_both_are_no_topics() -> None:
    talk = a_talk("Hey Mara", "Hey Mara, it's Ava", "Hey, Mara, it is me, Ava!", "Mara, Ava here, hey hey")
    assert condensed(talk, "Ava", "Mara Voss") is None


def test_what_a_talk_came_back_to_is_what_it_was_about() -> None:
    talk = a_talk(
        "Hey Mara, Ava here.",
        "Hey, where's my money? The money for the van.",
        "Otis has the van now, Mara.",
        "So the money is gone, and I want it.",
    )
    assert summary_of(talk, "Ava", "Mara Voss") == "Ava and I talked about money, van and otis"


TALKS = {
    "en": (
        (
            "Hello Mara, how are you doing?",
            "I lost the shipment yesterday",
            "The police took the shipment",
            "Well, that was the shipment",
        ),
        "shipment",
    ),
    "de": (
        (
            "Hallo Mara, wie geht es dir?",
            "Ich habe die Lieferung verloren",
            "Die Polizei hat die Lieferung",
            "Das war es mit der Lieferung",
        ),
        "lieferung",
    ),
    "es": (
        (
            "Hola Mara, ¿cómo estás?",
            "Ayer perdí el cargamento",
            "La policía tiene el cargamento",
            "Eso es todo sobre el cargamento",
        ),
        "cargamento",
    ),
    "pt": (
        (
            "Olá Mara, como você está?",
            "Eu perdi a carga ontem",
            "A polícia está com a carga",
            "Então é isso, a carga já era",
        ),
        "carga",
    ),
    "fr": (
        (
            "Salut Mara, comment ça va ?",
            "J'ai perdu la cargaison hier",
            "La police a la cargaison",
            "Voilà, c'est tout pour la cargaison",
        ),
        "cargaison",
    ),
    "ru": (
        ("Привет, Мара, как ты?", "Я вчера потерял груз", "Полиция забрала груз, Мара", "Скажи Маре, это был мой груз"),
        "груз",
    ),
}


@pytest.mark.parametrize("language", TALKS)
def test_in_six_languages_no_greeting_no_stop_word_and_no_speaker_is_named(language: str) -> None:
    lines, topic = TALKS[language]
    ava, mara = ("Ава", "Мара") if language == "ru" else ("Ava", "Mara")
    found = summary_of(a_talk(*lines), ava, mara)
    assert found is not None
    about = [word for word in words_of(found.partition("talked about ")[2]) if word != "and"]
    assert about[0] == topic
    assert not {folded(word) for word in about} & (GREETINGS | STOP_WORDS[language])
    assert not {word for word in about if word[:2] in ("av", "ав") or word[:3] in ("mar", "мар")}
    assert language_of(lines) == language


@pytest.mark.parametrize("language", TALKS)
def test_small_talk_leaves_nothing_in_any_of_them(language: str) -> None:
    small = {
        "en": ("Hey!", "How are you?", "I'm okay, you?", "Well, see you then, Mara"),
        "de": ("Hallo!", "Wie geht's dir denn?", "Mir geht es gut, und dir?", "Na dann, bis morgen, Mara"),
        "es": ("¡Hola!", "¿Cómo estás?", "Yo bien, ¿y tú?", "Bueno, pues hasta mañana, Mara"),
        "pt": ("Oi!", "Como você está?", "Eu estou bem, e você?", "Então até mais, Mara"),
        "fr": ("Salut !", "Comment vas-tu ?", "Moi ça va bien, et toi ?", "Bon alors, à demain, Mara"),
        "ru": ("Привет!", "Как ты?", "Да хорошо, а ты как?", "Ну давай, пока, Мара"),
    }[language]
    assert condensed(a_talk(*small), "Ava", "Мара" if language == "ru" else "Mara") is None


def test_a_stop_word_of_one_language_is_a_topic_in_another() -> None:
    talk = a_talk("the war is coming", "this war is bad for us", "you know about the war", "it is the end of the war")
    assert summary_of(talk, "Ava", "Mara") == "Ava and I talked about war, coming and bad"
