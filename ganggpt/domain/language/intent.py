"""The intent of a sentence, by patterns over its words; the first match wins.

It decides how an NPC answers and whether a sentence is worth remembering, and nothing else.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from ganggpt.domain.language.words import valence, words_of

Intent = Literal[
    "ask_memory",
    "ask_about",
    "ask_work",
    "ask_politics",
    "ask_mood",
    "ask_who",
    "apology",
    "thanks",
    "bye",
    "greet",
    "insult",
    "praise",
    "question",
    "tell",
]

SALIENCE_MAX: Final = 80
COURTESY_WORDS_MAX: Final = 4


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_PATTERNS: Final[tuple[tuple[Intent, re.Pattern[str]], ...]] = (
    (
        "ask_memory",
        _any(
            r"\b(do|did|don't|can|still|you)( you)?( still| even)? (remember|recall)\b",
            r"\bremember (me|when|that|my|what|how)\b",
            r"\bforg[eo]t(ten)? (me|about|what|that)\b",
            r"\bhave we met\b",
            r"\bknow (who i am|me)\b",
        ),
    ),
    (
        "ask_about",
        _any(
            r"\bwhat (do|did|can|have) you (know|hear|heard|think|tell me)\b",
            r"\btell me (about|of)\b",
            r"\b(heard|know) ((anything|something) )?(about|of)\b",
            r"\bwho (is|are|runs|was)\b(?! you\b)",
            r"\bwho's\b",
            r"\bwhat about\b",
            r"\bwhat('s| is) (happening|going on|the news|the word)\b",
            r"\bany news\b",
        ),
    ),
    (
        "ask_work",
        _any(
            r"\b(any|some|got|have|need|give me|looking for|want)( a| any| more| some)? "
            r"(work|jobs?|gigs?|missions?|contracts?)\b",
            r"\bneed (a hand|help with)\b",
        ),
    ),
    (
        "ask_politics",
        _any(
            r"\bwho do you (work|run|roll) (for|with)\b",
            r"\bwhat (gang|crew|faction|side)\b",
            r"\b(your|which) (crew|gang|faction|people|side)\b",
        ),
    ),
    (
        "ask_mood",
        _any(
            r"\bhow('s| is| are|'re) (it|you|things|life|business|your day)\b",
            r"\bhow you doing\b",
            r"\bwhat's up\b",
            r"\byou (ok|okay|alright)\b",
        ),
    ),
    (
        "ask_who",
        _any(
            r"\bwho (the hell |exactly )?are you\b",
            r"\bwhat('s| is) your name\b",
            r"\bwhat do you do\b",
            r"\bdo i know you\b",
        ),
    ),
    ("apology", _any(r"\bsorry\b", r"\bapologi[sz]e\b", r"\bmy (bad|fault)\b", r"\bforgive me\b", r"\bdidn't mean\b")),
    ("thanks", _any(r"\bthanks?( you)?\b", r"\bcheers\b", r"\bmuch obliged\b", r"\bappreciate (it|that|you)\b")),
    ("bye", _any(r"\b(good)?bye\b", r"\bsee (you|ya)\b", r"\btake care\b", r"\bgood night\b", r"\bgotta go\b")),
    ("greet", _any(r"^(hello|hi|hey|yo|hiya|sup|greetings|howdy|(good )?(morning|evening|afternoon))\b")),
)
_TOPIC: Final = _any(
    r"\b(?:about|of|remember(?: when| that| what| how)?|recall|who is|who's|who are|who runs)\s+(.{2,80}?)[?!.]*$"
)
_ADDRESSED: Final = _any(r"\b(you|you're|your|u|ya)\b")
_FIRST_PERSON: Final = _any(r"\b(i|i'm|i've|i'll|my|me|we|our)\b")
_PROMISED: Final = _any(r"\b(promise|swear|owe|i'll|i will|we will|tomorrow|tonight|deal)\b")
_CONFIDED: Final = _any(
    r"\b(secret|between us|don't tell|trust|brother|sister|mother|father|daughter|son|wife|husband|name is|call me)\b",
    r"\b(born|family|money|cops?|police|prison|jail|gun|kill(ed)?|dead|died|love|afraid|scared|hid(den)?|buried|stole)\b",
)


_OWED: Final = _any(r"\b(i|we) (still )?owe\b", r"\bowe you\b", r"\bpay (you|it|that) back\b", r"\b(lend|lent|loan)\b")
_GIVEN: Final = _any(r"\b(promise|swear|you have my word|my word)\b", r"\b(i'll|i will|we'll|we will)\b")
_MENACE: Final = _any(r"\b(kill|hurt|shoot|stab|burn|bury|break|beat|regret|dead|die|pay for)\b")
_DAY_S: Final = 86_400.0
_SPANS: Final = {"minute": 60.0, "hour": 3600.0, "day": _DAY_S, "week": 7 * _DAY_S, "month": 30 * _DAY_S}
_IN_A_WHILE: Final = re.compile(
    r"\bin (an?|one|two|three|four|five|six|seven|ten|\d{1,3}) (minute|hour|day|week|month)s?\b"
)
_COUNTS: Final = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "ten": 10,
}
_WHEN: Final = (
    (re.compile(r"\b(now|right away)\b"), 3600.0),
    (re.compile(r"\b(today|tonight|this evening)\b"), 0.5 * _DAY_S),
    (re.compile(r"\btomorrow\b"), 1.5 * _DAY_S),
    (re.compile(r"\bnext month\b"), 31 * _DAY_S),
)
DUE_S: Final = 7 * _DAY_S
"""When a promise without a date is due."""


def pledge(text: str) -> tuple[Literal["promise", "debt"], float] | None:
    """Whether a sentence makes a promise or names a debt, and in how many seconds it is due; None where it does not."""
    low = " ".join(words_of(text))
    if text.rstrip().endswith("?") or _MENACE.search(low):
        return None
    if _OWED.search(low):
        return "debt", _due_in_s(low)
    return ("promise", _due_in_s(low)) if _GIVEN.search(low) and low.count(" ") >= 2 else None


def _due_in_s(low: str) -> float:
    span = _IN_A_WHILE.search(low)
    if span is not None:
        count = _COUNTS.get(span[1]) or int(span[1])
        return max(1, count) * _SPANS[span[2]]
    return next((after_s for pattern, after_s in _WHEN if pattern.search(low)), DUE_S)


def intent(text: str) -> Intent:
    """The intent of a sentence. Where no pattern matches, it is an insult, praise, a question or a statement."""
    low = " ".join(words_of(text))
    for name, pattern in _PATTERNS:
        if pattern.search(low):
            return name
    tone = valence(text)
    personal = _ADDRESSED.search(low) is not None or low.count(" ") < 3
    if tone and personal:
        return "praise" if tone > 0 else "insult"
    return "question" if text.rstrip().endswith("?") else "tell"


def is_courtesy(text: str) -> bool:
    """Whether a line is only a greeting, a goodbye or thanks, which no model is asked about."""
    return len(words_of(text)) <= COURTESY_WORDS_MAX and intent(text) in ("greet", "bye", "thanks")


def topic(text: str) -> str:
    """The topic of a question: the words after about, of, remember…; the whole text where there are none."""
    found = _TOPIC.search(" ".join(text.replace("\u2019", "'").lower().split()))
    return found.group(1) if found else text


def salience(text: str) -> int:
    """How much a sentence said to an NPC is worth remembering, 0..80; small talk and plain questions under 10. It
    depends on the content of the sentence alone, so a short threat is remembered."""
    low = " ".join(words_of(text))
    length = low.count(" ") + 1
    promised = _PROMISED.search(low) is not None
    if (text.rstrip().endswith("?") and not promised) or length < 3:
        return min(9, abs(valence(text)) * 4)
    score = 10 * abs(valence(text)) + (25 if promised else 0) + (25 if _CONFIDED.search(low) else 0)
    if length >= 5 and _FIRST_PERSON.search(low):
        score += 20
    return min(SALIENCE_MAX, score + (10 if length >= 12 else 0))
