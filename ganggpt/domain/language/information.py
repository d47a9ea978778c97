"""What of a line is worth remembering, in any language: the sentences that tell something, and how much.

A sentence counts by what it carries: names, numbers, words this mind has not heard before, and by what it does
(``speech_acts``): a statement, a confidence or a promise tells something by itself, small talk only where much stands
in it, and a question nothing but what it presupposes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from ganggpt.domain.language.speech_acts import HeardLine, SpeechAct, hear, looks_asking, tokens_of
from ganggpt.domain.language.stop_words import language_of, says_nothing
from ganggpt.domain.language.words import clipped, folded, terms, words_of

WEIGHT_MAX: Final = 80
"""What words alone weigh at most."""
KEPT_LENGTH_MAX: Final = 200
"""Characters of a line that are kept: those of its sentences that tell most."""
_BY_ACT: Final[dict[SpeechAct, int]] = {
    "threat": 50, "robbery": 50, "confide": 34, "promise": 34, "report_crime": 30, "bad_news": 28, "correct": 26,
    "good_news": 24, "deny": 24, "tell": 18, "demand": 10, "offer": 4, "order": 0, "insult": 6,
    "apology": -2, "accept": -6, "decline": -6, "praise": -8, "flirt": -8, "thanks": -8, "small_talk": -12,
    "greet": -14, "farewell": -14, "out_of_world": -200, "nonsense": -200,
}  # fmt: skip
"""What a sentence weighs by what it does; a question otherwise."""
_QUESTION: Final = -60
_SURE_FROM: Final = 0.35
"""Confidence under which an act counts as a plain statement of little weight."""
_HALF_HEARD, _SURE = 0.35, 0.6
"""Confidence from which an act counts at all, and from which it counts wholly."""
_PLAIN: Final = 10
"""What a plain statement weighs before what it carries."""
_UNSURE: Final = 4
_REPEATED: Final = 40
_ASKS_FROM: Final = 0.7
"""Confidence from which a sentence asks although it has not the form of a question."""
_WORD, _NAME, _NUMBER, _FRESH = 2, 4, 5, 2
_WORDS_MAX, _NAMES_MAX, _NUMBERS_MAX, _FRESH_MAX = 8, 3, 2, 5
_LAUGHS: Final = re.compile(
    r"\b(lol|lmao|rofl|(?:ha){2,}h?|haha\w*|k{3,}|(?:ja){2,}j?|(?:he){2,}|mdr|ptdr|[аx]?(?:ха){2,}х?|лол)\b",
    re.IGNORECASE,
)
_LAUGHED: Final = 16
"""What laughter takes from a sentence: a joke is seldom a fact."""
_DIGITS: Final = re.compile(r"\d+")
_WRITTEN: Final = re.compile(r"[^\W\d_]+")
_PRESUPPOSED: Final = re.compile(
    r"^\W*(?:(?:hey|so|and|but|hör mal|oye|ei|dis)\W+)?(?:did you (?:know|hear)(?: that)?|have you heard(?: that)?"
    r"|you know(?: that)?|wusstest du(?: schon)?,? dass|weißt du(?: schon)?,? dass|hast du gehört,? dass"
    r"|sab[ií]as que|sabes que|te enteraste de que|voc[eê] sabia que|c[eê] sabia que|sabia que|sabes que"
    r"|tu savais que|savais-tu que|t'as su que|saviez-vous que|tu sais que"
    r"|ты знал[аи]?,? что|вы знали,? что|ты в курсе,? что|слышал[аи]?,? что)\s+(?P<fact>.{8,}?)\s*\?*$",
    re.IGNORECASE,
)


class Told(NamedTuple):
    """What is kept of a line: its telling sentences, and their weight 0..80."""

    text: str
    weight: int


def told(text: str, is_known: Callable[[str], bool], line: HeardLine | None = None) -> Told:
    """What a line tells. ``is_known``: whether a word (a term of ``words.terms``) is known to the mind already."""
    heard = hear(text) if line is None else line
    language = language_of([text])
    weighed: list[tuple[int, int, str]] = []
    for place, (sentence, act) in enumerate(heard.sentences):
        presupposed = _PRESUPPOSED.match(sentence)
        fact = sentence if presupposed is None else presupposed["fact"]
        base = _BY_ACT["tell"] if presupposed is not None else _base(act.act, act.confidence, sentence)
        weighed.append((base + _carried(fact, language, is_known), place, fact))
    telling = [one for one in weighed if one[0] > 0]
    if not telling:
        return Told("", 0)
    kept: list[tuple[int, str]] = []
    length = 0
    for _, place, sentence in sorted(telling, reverse=True):
        if not kept or length + len(sentence) < KEPT_LENGTH_MAX:
            kept.append((place, sentence))
            length += len(sentence) + 1
    words = " ".join(sentence for _, sentence in sorted(kept))
    return Told(clipped(words, KEPT_LENGTH_MAX), min(WEIGHT_MAX, max(one[0] for one in telling)))


def _base(act: SpeechAct, confidence: float, sentence: str) -> int:
    if looks_asking(tokens_of(sentence)) or (act.startswith("ask_") and confidence >= _ASKS_FROM):
        return _QUESTION
    base = _BY_ACT.get(act, _BY_ACT["offer"])
    if base > _PLAIN:
        # What an act weighs beyond a plain statement counts as far as it was surely heard.
        base = round(_PLAIN + (base - _PLAIN) * max(0.0, min(1.0, (confidence - _HALF_HEARD) / (_SURE - _HALF_HEARD))))
    elif confidence < _SURE_FROM:
        base = min(base, _UNSURE)
    if _LAUGHS.search(sentence):
        base -= _LAUGHED
    return base - _REPEATED * _repeats(sentence)


def _repeats(sentence: str) -> bool:
    """Whether a sentence says the same word again and again: a game with words, and no fact."""
    words = [word for word in words_of(sentence) if len(word) > 2]
    return len(words) >= 3 and len(set(words)) <= 0.7 * len(words)


def _carried(sentence: str, language: str, is_known: Callable[[str], bool]) -> int:
    """How much a sentence carries: content words, names, numbers, and what is new of them."""
    found, worth = _content_of(sentence, language)
    return worth + _FRESH * min(_FRESH_MAX, sum(not is_known(term) for term in found))


@lru_cache(maxsize=2048)
def _content_of(sentence: str, language: str) -> tuple[frozenset[str], int]:
    """The terms of the words that say something, and what they, names and numbers are worth."""
    words = [word for word in words_of(sentence) if not says_nothing(word, language)]
    found = frozenset(term for word in words for term in terms(word))
    written = _WRITTEN.findall(folded(sentence))[1:]
    names = {word for word in written if word[0].isupper() and not word.isupper()}
    numbers = len(_DIGITS.findall(sentence))
    worth = _WORD * min(_WORDS_MAX, len(found)) + _NAME * min(_NAMES_MAX, len(names))
    return found, worth + _NUMBER * min(_NUMBERS_MAX, numbers)
