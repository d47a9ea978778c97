"""Amounts in a line: how much, how many, what share, in figures and in words of the languages NPCs answer in."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from ganggpt.domain.language.words import words_of

_FIGURES: Final = re.compile(r"\d[\d.,]*")
_SHARES: Final = {"half": 0.5, "halb": 0.5, "halfte": 0.5, "mitad": 0.5, "moitie": 0.5, "metade": 0.5, "половину": 0.5}
_COUNTS: Final = {
    "two": 2, "three": 3, "four": 4, "five": 5, "ten": 10, "couple": 2, "dozen": 12,
    "zwei": 2, "dos": 2, "deux": 2, "dois": 2,
}  # fmt: skip
_COUNT_MAX: Final = 20
_SMALL: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_OF_OTHERS: Final = {
    "cien": 100, "ciento": 100, "doscientos": 200, "trescientos": 300, "cuatrocientos": 400, "quinientos": 500,
    "seiscientos": 600, "setecientos": 700, "ochocientos": 800, "novecientos": 900, "veinte": 20, "treinta": 30,
    "cuarenta": 40, "cincuenta": 50, "sesenta": 60, "setenta": 70, "ochenta": 80, "noventa": 90, "cem": 100,
    "duzentos": 200, "trezentos": 300, "quatrocentos": 400, "quinhentos": 500, "seiscentos": 600, "vinte": 20,
    "trinta": 30, "quarenta": 40, "cinquenta": 50, "sessenta": 60, "oitenta": 80, "zwanzig": 20, "dreißig": 30,
    "vierzig": 40, "fünfzig": 50, "sechzig": 60, "siebzig": 70, "achtzig": 80, "zweihundert": 200,
    "dreihundert": 300, "vierhundert": 400, "fünfhundert": 500, "sechshundert": 600, "vingt": 20, "trente": 30,
    "quarante": 40, "cinquante": 50, "soixante": 60, "сто": 100, "двести": 200, "триста": 300, "четыреста": 400,
    "пятьсот": 500, "пятьдесят": 50, "двадцать": 20,
}  # fmt: skip
_SPELT: Final = {
    **{word: number for number, word in enumerate(_SMALL)},
    **{word: 10 * number for number, word in enumerate(_TENS, 2)},
    **_OF_OTHERS,
}
_POWERS: Final = {
    "hundred": 100, "thousand": 1000, "grand": 1000, "k": 1000, "hundert": 100, "tausend": 1000, "mil": 1000,
    "cent": 100, "cents": 100, "mille": 1000, "тысячи": 1000, "тысяч": 1000, "тысяча": 1000,
}  # fmt: skip


def share_in(text: str) -> float | None:
    """The share a text names: half of it is 0.5."""
    return next((share for word, share in _SHARES.items() if word in words_of(text)), None)


def count_in(text: str) -> int:
    """How many a text speaks of: 1 where it does not say, or says more than anybody carries. What stands before "for"
    is an amount, and so are figures before nothing that is counted: "here's five for the pie", "20 then"."""
    words = words_of(text)
    after = [*words[1:], ""]
    numbers = [word for word, one in zip(words, after, strict=True) if one not in _FOR]
    number = next((_COUNTS[word] for word in numbers if word in _COUNTS), None)
    if number is None:
        pairs = zip(words, after, strict=True)
        figures = [int(word) for word, one in pairs if word.isdigit() and one not in _NOT_COUNTED]
        number = next((figure for figure in figures if 1 < figure <= _COUNT_MAX), 1)
    return number


def bought_in(text: str) -> int:
    """How many an offer is for: "sixty for two", "two for sixty"; 1 where it does not say."""
    words = words_of(text)
    beside = [word for one, word in pairwise(words) if one in _FOR]
    beside += [word for word, one in pairwise(words) if one in _FOR]
    return next((_COUNTS[word] for word in beside if word in _COUNTS), 1)


_NOT_COUNTED: Final = frozenset(
    (
        "",
        "for",
        "für",
        "por",
        "pour",
        "за",
        "then",
        "ok",
        "okay",
        "and",
        "fine",
        "deal",
        "is",
        "bucks",
        "dollars",
        "max",
    )
)
_FOR: Final = frozenset(("for", "für", "por", "pour", "за"))


def amount_in(text: str) -> float | None:
    """The amount a text names: what is spelt out, else the highest of its figures; None where it names none."""
    spelt = _spelt(text)
    if spelt is not None:
        return float(spelt)
    amounts = [
        float(found.rstrip(".,").replace(",", ""))
        for found in _FIGURES.findall(text)
        if found.strip(".,") and found.rstrip(".,").replace(",", "").count(".") < 2
    ]
    return max(amounts) if amounts else None


def _spelt(text: str) -> int | None:
    """The last number of a text that is spelt out, "a hundred and thirty-two": 132; None where there is none. One to
    ten alone are counts, and no amounts."""
    total, found = 0, 0
    for word in words_of(text.replace("-", " ")):
        if word in _SPELT:
            total += _SPELT[word]
        elif word in _POWERS:
            total = max(1, total) * _POWERS[word]
        elif word != "and":
            found, total = (total or found), 0
    found = total or found
    return found if found > len(_SMALL) // 2 else None
