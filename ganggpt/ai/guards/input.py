"""The input guard: text that a player can influence is normalised, bounded and inspected before it enters a prompt.

It never refuses a text. It rates how suspicious the text is and why, and that decides who answers: a model, a model
that may only talk, or the scripted mind. The guarantee against injection is elsewhere: in ``minds.prompt`` (the types
keep data and instructions apart) and in ``domain.mind.actions`` (a model's action passes the rules). This guard saves
money and embarrassment.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct

from ganggpt.ai.guards.decode import hidden_in
from ganggpt.ai.guards.patterns import SIGNS, Sign
from ganggpt.ai.guards.text import Plain, plain, skeleton

Trust = Literal["model", "talk_only", "scripted"]
"""Who may answer: a model with actions, a model whose actions are not read, or the scripted mind with no request."""

TALK_ONLY_FROM: Final = 25
SCRIPTED_FROM: Final = 60
SCORE_MAX: Final = 100
HIDDEN_POINTS: Final = 25
INVISIBLE_POINTS: Final = 10
INVISIBLE_MANY: Final = 4
MIXED_POINTS: Final = 20
WARY_HALF_LIFE_S: Final = 600.0
"""Suspicion about a player halves in this time: it adds up over several lines, and an hour later it is gone."""
WARY_MAX: Final = 200.0


class Suspicion(Struct, frozen=True, gc=False):
    """One reason to suspect a text: a stable word, its points, and what it means. It never repeats the text."""

    reason: str
    points: int
    why: str


class Inspected(Struct, frozen=True, gc=False):
    """A normalised text from outside, with its score 0..100 and the reasons for it."""

    text: str
    score: int
    reasons: tuple[Suspicion, ...] = ()

    @property
    def trust(self) -> Trust:
        """Who may answer to this text alone."""
        return trust_of(self.score)

    def explained(self) -> str:
        """The verdict in a sentence for logs and ``ganggpt why``."""
        if not self.reasons:
            return "nothing suspicious"
        parts = "; ".join(f"{found.why} ({found.reason} +{found.points})" for found in self.reasons)
        return f"suspicion {self.score} of {SCORE_MAX}, answered by {self.trust}: {parts}"


class Wariness(Struct, frozen=True, gc=False):
    """The suspicion about one player, as of ``at_s`` (Unix seconds); it halves every WARY_HALF_LIFE_S."""

    value: float = 0.0
    at_s: float = 0.0

    def after(self, score: int, now_s: float) -> Wariness:
        """The suspicion after one more text."""
        return Wariness(min(WARY_MAX, self.now(now_s) + score), now_s)

    def now(self, now_s: float) -> float:
        """The suspicion now."""
        return self.value * math.exp2(-max(0.0, now_s - self.at_s) / WARY_HALF_LIFE_S)

    def trust(self, now_s: float) -> Trust:
        """Who may answer this player."""
        return trust_of(self.now(now_s))


def trust_of(score: float) -> Trust:
    """Who may answer at this suspicion; more suspicion never gives more trust."""
    if score >= SCRIPTED_FROM:
        return "scripted"
    return "talk_only" if score >= TALK_ONLY_FROM else "model"


@lru_cache(maxsize=2048)
def inspect(text: str, chars_max: int = 500) -> Inspected:
    """Normalise and rate one text. Pure: the same text gets the same verdict."""
    made = plain(text, chars_max)
    found: dict[str, Suspicion] = {}
    for sign in _signs_in(made.text):
        found.setdefault(sign.reason, Suspicion(sign.reason, sign.points, sign.why))
    for hidden in hidden_in(made.text):
        inner = [sign for sign in _signs_in(hidden) if sign.reason not in ("off_stage", "tool_call")]
        if inner:
            why = f"hides a text that {inner[0].why}"
            found.setdefault("hidden", Suspicion("hidden", inner[0].points + HIDDEN_POINTS, why))
            break
    for suspicion in _disguises(made):
        found.setdefault(suspicion.reason, suspicion)
    reasons = tuple(found.values())
    return Inspected(made.text, min(SCORE_MAX, sum(reason.points for reason in reasons)), reasons)


def inspect_all(texts: Iterable[tuple[str, int]]) -> int:
    """The score of several fields together (text, its bound): an attack in two halves is one attack."""
    read = list(texts)
    alone = sum(inspect(text, chars_max).score for text, chars_max in read)
    together = inspect(" ".join(text for text, _ in read), sum(chars_max for _, chars_max in read) + len(read)).score
    return min(SCORE_MAX, max(alone, together))


def _signs_in(text: str) -> Iterable[Sign]:
    bare = skeleton(text)
    for sign in SIGNS:
        if sign.looks.search(text) or sign.looks.search(bare):
            yield sign


def _disguises(made: Plain) -> Iterable[Suspicion]:
    if made.removed:
        many = made.removed >= INVISIBLE_MANY
        yield Suspicion("invisible", INVISIBLE_POINTS * (3 if many else 1), "holds invisible characters")
    if made.mixed:
        yield Suspicion("mixed_script", MIXED_POINTS, "mixes alphabets inside a word")
