"""What exactly a line asks for or brings up: a name, a way, a price, what is thought of somebody … and its language.

A second linear model over the features of ``speech_acts``, for everything a talk can be about. What the line names is
masked first (``spoken_of.masked``), so that only its form counts. Trained by ``tools/train_questions.py`` on the lines
of ``tests/data/questions`` and shipped as ``questions.npz``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from ganggpt.domain.language.linear_model import LinearModel, made_of, shipped
from ganggpt.domain.language.speech_acts import features, hear, tokens_of

Topic = Literal[
    "self_name", "self_role", "self_past", "self_story", "self_home", "self_likes", "self_family", "self_friends",
    "self_crew", "self_boss", "self_aims", "self_secret", "self_day", "self_feel", "self_why_mood", "self_other",
    "here", "place_where", "way", "distance", "danger", "owner", "place_about", "sights", "hours", "shop",
    "who", "person_where", "opinion_person", "relation",
    "faction", "faction_boss", "faction_rules", "faction_war", "faction_join",
    "opinion_faction", "opinion_police", "opinion_town", "opinion_other",
    "wares", "price", "haggle", "buy",
    "work", "work_what", "work_where", "work_pay", "work_hard", "work_who", "work_when", "work_again",
    "me_known", "me_did", "me_said", "me_owe", "me_promised", "me_trust", "talked_about", "again", "why", "really",
    "news", "source", "time", "weather", "advice", "help", "politics", "joke", "event", "more", "accuse",
    "order", "confess", "threat_other", "flirt", "boast", "complain", "plan", "agree", "refuse", "leave", "hello",
    "thanks", "sorry", "praise", "insult", "threat", "nonsense", "silence", "tell",
]  # fmt: skip
TOPICS: Final[tuple[Topic, ...]] = get_args(Topic)
LANGUAGES: Final = ("en", "de", "es", "fr", "pt", "ru")
"""The languages NPCs answer in."""
OTHER_LANGUAGE: Final = "other"
COLUMNS: Final[tuple[str, ...]] = (*TOPICS, *LANGUAGES, OTHER_LANGUAGE)
ROWS: Final = 1 << 15
"""Rows of the model."""
SURE: Final = 0.45
"""Confidence from which a line is about a topic, as lines show that were not learned from."""
_MAY_MENACE: Final[frozenset[Topic]] = frozenset(("threat", "insult", "order"))
_NO_MENACE_FROM: Final = 0.6
"""Confidence in another topic from which a line is no menace."""
LANGUAGE_SURE: Final = 0.55
"""Share from which the language of a line is certain by itself."""
TOLD: Final = 4
"""How many of the likeliest topics are told."""
_CACHED: Final = 4096


class HeardTopic(NamedTuple):
    """A topic with its confidence, 0..1."""

    topic: Topic
    confidence: float


_model: LinearModel | None = None


def use(parts: Mapping[str, Any] | None) -> None:
    """Hear with this model from now on; None: the shipped one."""
    global _model  # noqa: PLW0603 - one model a process
    _model = None if parts is None else made_of(parts)
    topics_of_line.cache_clear()
    language_shares.cache_clear()


def _shipped() -> LinearModel:
    global _model  # noqa: PLW0603 - read when the first line is heard
    if _model is None:
        _model = shipped("questions.npz")
    return _model


def rows_of(words: Sequence[str]) -> list[int]:
    """The rows of this model for a text as ``tokens_of`` writes it."""
    return list({row % ROWS for row in features(words)})


def _shares(text: str, first: int, last: int) -> NDArray[np.float64]:
    model = _model or _shipped()
    rows = rows_of(tokens_of(text))
    sums = model.rows[rows, first:last].sum(axis=0, dtype=np.int32)
    scores = sums * (model.scale / len(rows) ** 0.5) + model.bias[first:last]
    shares: NDArray[np.float64] = np.exp(scores - scores.max())
    shares /= shares.sum()
    return shares


@lru_cache(maxsize=_CACHED)
def topics_of_line(text: str) -> tuple[HeardTopic, ...]:
    """The likeliest topics of a sentence whose names are masked, the likeliest first."""
    shares = _shares(text, 0, len(TOPICS))
    return tuple(HeardTopic(TOPICS[place], float(shares[place])) for place in np.argsort(-shares)[:TOLD])


@lru_cache(maxsize=_CACHED)
def menaces(text: str) -> bool:
    """Whether a line threatens the listener or robs them: it is heard so, and is not plainly about something else, a
    confession, a bet, somebody who is not there."""
    if not hear(text).is_menace:
        return False
    likeliest = topics_of_line(text)[0]
    return likeliest.topic in _MAY_MENACE or likeliest.confidence < _NO_MENACE_FROM


def tone_of(text: str) -> float:
    """How a line moves the feelings of the listener (``speech_acts.TONES``)."""
    heard = hear(text)
    return 0.0 if heard.is_menace and not menaces(text) else heard.tone


@lru_cache(maxsize=_CACHED)
def language_shares(text: str) -> tuple[str, float]:
    """The likeliest language of a text, one of LANGUAGES or ``other``, and how sure that is."""
    shares = _shares(text, len(TOPICS), len(COLUMNS))
    best = int(shares.argmax())
    return COLUMNS[len(TOPICS) + best], float(shares[best])
