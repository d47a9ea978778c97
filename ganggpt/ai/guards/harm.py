"""Harm outside of the game: urging somebody to hurt themselves, people under age in a suggestive light, recipes.

A word alone decides nothing, because people of the genre use them all: what counts is who is told to do what, and who
is spoken of.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ganggpt.ai.guards.profiles import SUGGESTIVE


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


_HURT: Final = _any(
    r"\b(?:kill|hang|shoot|cut|drown|off) yourself\b(?!,? (?:a |an |some|into|in the foot|in on|in (?:that |this |your |a |the )?(?:work|debt|whisk|rum|gin|booze|drink|bottle|sorrow|tears|grief|beer)|slack|out to dry|loose|off\b|shaving|over a|by accident))",
    r"\b(?:end|take) your own life\b|\bslit your (?:own )?wrists\b|\bcommit suicide\b",
    r"\b(?:bring dich (?:doch |endlich |einfach )?um|mátate|suic[ií]date|suicide-toi|tue-toi|убей себя|убейся|повесься|zabij się|kendini öldür|ucciditi)\b",
    r"自杀吧|اقتل نفسك",
)
_WARNED: Final = re.compile(
    r"\b(?:don't|do not|didn't|doesn't|never|you'll|you will|you'd|you'd have to|you would|going to|gonna|could|if you|before you|or you|without you|"
    r"not|tried to|trying to|try to|wanted to|almost|nearly|they say he|they say she|did you|no te|he|she|who)(?: only)?\s*$",
    re.IGNORECASE,
)
_URGES_ALONE: Final = _any(r"\bk+y+s\b(?!\w)", r"\b(?:nobody|no one) would miss you\b.{0,40}\bdie\b")
_WHY_NOT: Final = re.compile(r"\bwhy (?:don't you|not)\s*$", re.IGNORECASE)

_UNDER_AGE: Final = _any(
    r"\b(?:underage|preteen|toddler|schoolgirl|schoolboy)s?\b",
    r"\b(?:[1-9]|1[0-7])[- ]?(?:years?[- ]old|yo|y/o)\b|\b(?:twelve|thirteen|fourteen|fifteen|sixteen)[- ]years?[- ]old\b",
    r"\b(?:she|he)(?:'s| is) (?:only |just )?(?:twelve|thirteen|fourteen|fifteen|sixteen|1[0-7])\b",
)
_YOUNG: Final = re.compile(r"\b(?:child|children|kids?|minors?|little (?:girl|boy)s?)\b", re.IGNORECASE)
_ADDRESSED: Final = re.compile(
    r"(?:^|[,.!?]\s*)\b(?:kid|kids)\b(?=\s*[,.!?]|$)|\b(?:with|has|have|had|got|and) (?:\w+ )?(?:kids|children)\b|\bminor (?=charge|thing|problem|detail|matter|league)",
    re.IGNORECASE,
)
_TRADE: Final = re.compile(r"\b(?:stripper|hooker|lap ?dance|booty call|topless)\w*", re.IGNORECASE)
_IN_TRADE: Final = re.compile(
    r"\b(?:child|kid|girl|boy|minor)\b(?: (?:is|was|as|works as))?(?: an?)? (?:stripper|hooker)", re.IGNORECASE
)
_SENTENCE: Final = re.compile(r"[^.!?…。！？]*[.!?…。！？]+|[^.!?…。！？]+$")

_CHEMICALS: Final = re.compile(
    r"pseudoephedrine|ephedrine|red phosphorus|hydriodic|methylamine|anhydrous ammonia|ammonium nitrate|acetone|hydrogen peroxide|"
    r"sulfuric acid|nitric acid|hydrochloric acid|potassium (?:nitrate|chlorate|cyanide)|sodium hydroxide|lye|lithium strips|"
    r"nitroglycerin|nitromethane|hexamine|rdx|tatp|petn|thermite|aluminium powder|aluminum powder|iron oxide|fertilizer|diesel fuel|"
    r"ricin|sarin",
    re.IGNORECASE,
)
_DO: Final = r"(?:mix|combine|dissolve|heat|boil|add|stir|filter|react|grind|distill|soak|pour|(?:take|use|need|get)(?= (?:\w+ )?\d))"
_RECIPE: Final = re.compile(rf"(?:^|[.!?;:,]\s*|\b(?:then|you|and|now|first|next|just|to)\s+){_DO}\b", re.IGNORECASE)


def urges_self_harm(text: str) -> bool:
    """Whether somebody is told to hurt themselves; a warning of it or an idiom tells nobody to."""
    if _URGES_ALONE.search(text):
        return True
    for found in _HURT.finditer(text):
        before = text[max(0, found.start() - 40) : found.start()]
        before = re.split(r"[.!?;]", before)[-1]
        if _WHY_NOT.search(before) or not _WARNED.search(before):
            return True
    return False


def is_about_minors(text: str, before: str, explicit: bool) -> bool:
    """Whether somebody under age is spoken of in a suggestive way, within a sentence; a stated age also counts for the
    sentence beside it. ``before``: what was said just before."""
    if explicit and (_UNDER_AGE.search(text) or _YOUNG.search(text)):
        return True
    if _IN_TRADE.search(text):
        return True
    suggestive = [found for found in _sentences(f"{before} {text}") if _desires(found)]
    if not suggestive or not _desires(text):
        return False
    return bool(_UNDER_AGE.search(f"{before} {text}")) or any(
        _YOUNG.search(_ADDRESSED.sub(" ", sentence)) for sentence in suggestive
    )


def is_recipe(text: str) -> bool:
    """Whether somebody is told how to make something out of at least two substances that are dangerous together."""
    return len({found.group().lower() for found in _CHEMICALS.finditer(text)}) >= 2 and bool(_RECIPE.search(text))


def _desires(text: str) -> bool:
    """Whether it is suggestive by more than naming a trade."""
    return SUGGESTIVE.search(_TRADE.sub(" ", text)) is not None


def _sentences(text: str) -> Iterable[str]:
    return (found.group() for found in _SENTENCE.finditer(text))
