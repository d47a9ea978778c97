"""Words of time in a line, in the languages of ``stop_words``: when something is due, and what time is asked about."""

from __future__ import annotations

import re
from typing import Final

from ganggpt.domain.language.words import folded

DUE_S: Final = 7 * 86_400.0
"""When a promise without a date is due."""
_DAY_S: Final = 86_400.0
_SPANS: Final = (
    (60.0, r"minutes?|minuten?|minutos?|минуту?ы?"),
    (3600.0, r"hours?|stunden?|horas?|heures?|часа?о?в?"),
    (_DAY_S, r"days?|tagen?|dias?|jours?|день|дня|дней"),
    (7 * _DAY_S, r"weeks?|wochen?|semanas?|semaines?|недел[юияь]+"),
    (30 * _DAY_S, r"months?|monat(?:en?)?|mes(?:es)?|mois|месяца?е?в?"),
)
_COUNTS: Final = {
    word: count
    for count, words in {
        1: "a an one einer einem eine ein un una uno um uma une один одну",
        2: "two zwei dos dois duas deux два две couple paar",
        3: "three drei tres trois три",
        4: "four vier cuatro quatro quatre четыре",
        5: "five funf cinco cinq пять",
        6: "six sechs seis шесть",
        7: "seven sieben siete sete sept семь",
        10: "ten zehn diez dez dix десять",
    }.items()
    for word in words.split()
}
_COUNT: Final = rf"(?P<count>\d{{1,3}}|{'|'.join(_COUNTS)})"
_IN: Final = tuple(
    (span_s, re.compile(rf"\b(?:in|en|em|dans|через|dentro de|daqui a)\s+(?:a\s+)?{_COUNT}?\s*(?:of\s+)?(?:{unit})\b"))
    for span_s, unit in _SPANS
)
_AGO: Final = tuple(
    (
        span_s,
        re.compile(
            rf"(?:\b{_COUNT}?\s*(?:{unit})\s+(?:ago|earlier|atras|назад)\b"
            rf"|\b(?:vor|hace|ha|il y a|faz)\s+{_COUNT.replace('count', 'before')}?\s*(?:{unit})\b)"
        ),
    )
    for span_s, unit in _SPANS
)
_DUE: Final = (
    (
        re.compile(r"\b(right away|right now|now|sofort|jetzt|ahora|ya mismo|agora|maintenant|tout de suite|сеичас)\b"),
        3600.0,
    ),
    (
        re.compile(
            r"\b(today|tonight|this evening|heute|heut|hoy|esta noche|hoje|hoje a noite|aujourd'hui|ce soir|сегодня|"
            r"вечером)\b"
        ),
        0.5 * _DAY_S,
    ),
    (re.compile(r"\b(tomorrow|morgen|manana|amanha|demain|завтра)\b"), 1.5 * _DAY_S),
    (
        re.compile(
            r"\b(next month|nachsten monat|el mes que viene|el proximo mes|mes que vem|proximo mes|le mois prochain|"
            r"в следующем месяце)\b"
        ),
        31 * _DAY_S,
    ),
)
_PAST: Final = (
    (re.compile(r"\b(just now|a moment ago|gerade eben|ahora mismo|agora ha pouco|a l'instant|только что)\b"), 0, 1800),
    (re.compile(r"\b(today|heute|hoy|hoje|aujourd'hui|сегодня)\b"), 0, _DAY_S),
    (
        re.compile(r"\b(last night|gestern abend|anoche|ontem a noite|hier soir|вчера вечером)\b"),
        0.15 * _DAY_S,
        1.6 * _DAY_S,
    ),
    (re.compile(r"\b(yesterday|gestern|ayer|ontem|hier|вчера)\b"), 0.2 * _DAY_S, 2.0 * _DAY_S),
    (
        re.compile(
            r"\b(last week|letzte woche|la semana pasada|semana passada|la semaine derniere|на прошлой неделе)\b"
        ),
        2 * _DAY_S,
        14 * _DAY_S,
    ),
    (
        re.compile(r"\b(last month|letzten monat|el mes pasado|mes passado|le mois dernier|в прошлом месяце)\b"),
        14 * _DAY_S,
        62 * _DAY_S,
    ),
)


def due_in_s(text: str) -> float:
    """In how many seconds what a line promises is due: by its words, else DUE_S."""
    low = folded(text.lower())
    for span_s, pattern in _IN:
        if found := pattern.search(low):
            return max(1, _count(found["count"])) * span_s
    return next((after_s for pattern, after_s in _DUE if pattern.search(low)), DUE_S)


def asked_span_s(text: str) -> tuple[float, float] | None:
    """The time a question asks about, as seconds before now (the least, the most); None where it names none."""
    low = folded(text.lower())
    for span_s, pattern in _AGO:
        if found := pattern.search(low):
            ago_s = max(1, _count(found["count"] or found["before"])) * span_s
            return 0.6 * ago_s - 3600.0, 1.5 * ago_s + 3600.0
    return next(((least_s, most_s) for pattern, least_s, most_s in _PAST if pattern.search(low)), None)


def _count(word: str | None) -> int:
    if not word:
        return 1
    return _COUNTS.get(word) or (int(word) if word.isdigit() else 1)
