"""The output guard: what is about to be said passes, is softened, or is blocked and replaced by a deflection.

It works on whole texts and on single sentences, so that a stream can be guarded sentence by sentence. Every verdict
names its reasons; a reason names the kind of thing that was found and never repeats it.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, Literal

from msgspec import Struct

from ganggpt.ai.guards.personal import PERSONAL
from ganggpt.ai.guards.profiles import GORE, MILDER, PROFILES, SUGGESTIVE, Profile, Rating
from ganggpt.ai.guards.text import plain, visible
from ganggpt.ai.guards.word_filter import brands, folded, sexual, slurs, starred_slur
from ganggpt.domain.language.words import words_of
from ganggpt.domain.mind.brief import SAID_MAX, sentences_of
from ganggpt.domain.world import World

Category = Literal[
    "slur", "sexual", "minors", "self_harm", "instructions", "leak", "off_stage", "personal", "brand", "swearing", "gore",
    "suggestive", "format",
]  # fmt: skip
VerdictName = Literal["pass", "softened", "deflect"]

LEAK_WORDS: Final = 8
"""So many consecutive words of our instructions in a text are a leak."""


class Reason(Struct, frozen=True, gc=False):
    """Why a text did not pass unchanged: the category, the rule in it, and a sentence for people."""

    category: Category
    rule: str
    why: str


class Passed(Struct, frozen=True, gc=False):
    """The text may be said as it is."""

    text: str
    reasons: tuple[Reason, ...] = ()
    outcome: VerdictName = "pass"


class Softened(Struct, frozen=True, gc=False):
    """The text may be said with changes: ``text`` is the changed one."""

    text: str
    reasons: tuple[Reason, ...]
    outcome: VerdictName = "softened"


class Blocked(Struct, frozen=True, gc=False):
    """The text is not said. The character changes the subject instead (act ``deflect``), and nothing of it is
    remembered."""

    reasons: tuple[Reason, ...]
    outcome: VerdictName = "deflect"
    text: str = ""


Verdict = Passed | Softened | Blocked


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


_MINORS: Final = _any(
    r"\b(?:child|children|kid|kids|minor|minors|underage|preteen|toddler|schoolgirl|schoolboy|little (?:girl|boy))s?\b",
    r"\b(?:[1-9]|1[0-7])[- ]?(?:years?[- ]old|yo|y/o)\b|\b(?:twelve|thirteen|fourteen|fifteen|sixteen) years? old\b",
)
_SELF_HARM: Final = _any(
    r"\b(?:go |just |should |better |please )?(?:kill|hang|shoot|cut|drown|off) yourself\b(?!,? (?:a|some|into|in on|slack))",
    r"\bk+y+s\b(?!\w)",
    r"\b(?:end|take) your own life\b|\bslit your (?:own )?wrists\b|\bcommit suicide\b|\b(?:nobody|no one) would miss you\b.{0,40}\bdie\b",
)
_CHEMICALS: Final = _any(
    r"pseudoephedrine|ephedrine|red phosphorus|hydriodic|methylamine|anhydrous ammonia|ammonium nitrate|acetone|hydrogen peroxide|"
    r"sulfuric acid|nitric acid|hydrochloric acid|potassium (?:nitrate|chlorate|cyanide)|sodium hydroxide|lye|lithium strips|"
    r"nitroglycerin|nitromethane|hexamine|rdx|tatp|petn|thermite|aluminium powder|aluminum powder|iron oxide|fertilizer|diesel fuel|ricin|sarin"
)
_RECIPE: Final = _any(
    r"\b(?:mix|combine|dissolve|heat|boil|add|stir|filter|react|grind|distill|soak|pour)\b",
    r"\b\d+\s?(?:g|grams?|ml|millilit\w+|l|lit(?:er|re)s?|°|degrees|ounces?|oz|parts?|percent|%)\b",
)
_OFF_STAGE: Final = _any(
    r"\bas an? (?:a\.?i\.?|artificial intelligence|(?:large )?language model|chat ?bot|virtual assistant|npc|machine learning)\b",
    r"\bi(?:'m| am) (?:just |only |really |actually |merely )?(?:an? )?(?:a\.?i\.?(?: (?:model|assistant|language model))?|(?:large )?language model|virtual assistant|chat ?bot|computer program|npc)\b",
    r"\b(?:chat ?gpt|openai|anthropic|gpt-?[345]\w*|azure openai|llm)\b",
    r"\bi(?:'m| am)? (?:sorry,? but i )?(?:cannot|can't|can not|am unable to|won't be able to|'m not able to) (?:assist|help|comply|fulfil+|provide|continue|engage|generate)\b.{0,40}\b(?:request|that|this|conversation|content)\b",
    r"\b(?:my|these|the) (?:system |initial |hidden )?(?:programming|training data|system prompt|system message|content polic(?:y|ies)|usage polic(?:y|ies)|safety guidelines)\b",
    r"\bagainst my (?:guidelines|programming|policy|policies)\b|\b(?:role-?play(?:ing)? (?:game|scenario)|fictional character|in this scenario|player character)\b",
    r"\bals (?:ki|künstliche intelligenz|sprachmodell|ki-sprachmodell)\b|\ben tant qu[e'] ?(?:ia|intelligence artificielle|modèle de langage)\b",
    r"\bcomo (?:una? )?(?:ia|inteligencia artificial|inteligência artificial|modelo de (?:lenguaje|linguagem))\b",
    r"(?:как (?:языковая модель|искусственный интеллект|ии)\b|作为(?:一个)?(?:ai|人工智能|语言模型)|aiとして|言語モデル)",
)
_MACHINE: Final = _any(
    r"\bsystem ?prompt\b|<\|[\w ]+\|>|\[/?INST\]|<</?SYS>>|</?(?:system|assistant|user|instructions?)>",
    r"\"(?:role|content|actions|say|do|tool_calls?|function_call)\"\s*:|```|\bmark of (?:this|the) request\b",
)
_EMOTE: Final = re.compile(
    r"(?<!\*)\*(?!\*)[^*\n]{1,120}(?<!\*)\*(?!\*)"
    r"|(?:(?<=\s)|^)\((?=[^()]*[^\W\d]{3})[^()\n]{1,120}\)(?=\s|$)"
    r"|(?:(?<=\s)|^)\[(?=[^\[\]]*[^\W\d]{3})[^\[\]\n]{1,120}\](?=\s|$)"
)
_SPEAKER: Final = re.compile(r"^\s*([^:\n]{1,60}?)\s*:\s+(?=\S)")
_MARKDOWN: Final = re.compile(r"[*_`#>]{1,3}(?=\w)|(?<=\w)[*_`]{1,3}|^\s*[-*#>]+\s+", re.MULTILINE)


class OutputGuard:
    """Guards what the people of one world say under one rating. Pure: no state, the same text gets the same verdict.

    ``world``: its own names are no brands. ``instructions``: our prompt texts, which nobody may recite.
    """

    def __init__(self, rating: Rating, world: World | None = None, instructions: Iterable[str] = ()) -> None:
        self.profile: Profile = PROFILES[rating]
        self._own = _names_of(world)
        self._shingles = frozenset(shingle for text in instructions for shingle in _shingles(text))

    def check(
        self, text: str, *, speaker: str = "", mark: str = "", before: str = "", chars_max: int = SAID_MAX
    ) -> Verdict:
        """Judge a text or a sentence. ``speaker``: whose name does not stand before their own words. ``mark``: of the
        request it answers, which must not be said. ``before``: what was said just before it, so that a leak in pieces
        is one."""
        made, shown = plain(text, chars_max).text, visible(text, chars_max)
        if mark and mark.casefold() in re.sub(r"\W", "", text).casefold():
            return Blocked((Reason("leak", "mark", "it says the mark of the request"),))
        forbidden = tuple(self._forbidden(made, before))
        if forbidden:
            return Blocked(forbidden)
        reasons: list[Reason] = []
        disguised = any(kind.looks.search(made) and not kind.looks.search(shown) for kind in PERSONAL)
        said = self._on_stage(made if disguised else shown, speaker, reasons)
        if not said:
            return Blocked(tuple(reasons) or (Reason("format", "empty", "nothing is left to say"),))
        said = self._without_personal(said, reasons)
        said = self._without_brands(said, reasons)
        said = self._rated(said, reasons)
        if not said:
            return Blocked(tuple(reasons))
        return Softened(said, tuple(reasons)) if reasons else Passed(said)

    def _forbidden(self, text: str, before: str) -> Iterator[Reason]:
        """The reasons to block a text in every profile."""
        low = folded(text)
        if slurs().search(low) or starred_slur(text):
            yield Reason("slur", "word", "it holds a slur")
        explicit = sexual().search(low) is not None
        if _MINORS.search(text) and (explicit or SUGGESTIVE.search(text)):
            yield Reason("minors", "near", "it speaks of somebody under age in a suggestive way")
        if explicit:
            yield Reason("sexual", "word", "it is sexually explicit")
        if _SELF_HARM.search(text):
            yield Reason("self_harm", "urges", "it urges somebody to hurt themselves")
        if len({found.group().lower() for found in _CHEMICALS.finditer(text)}) >= 2 and _RECIPE.search(text):
            yield Reason("instructions", "recipe", "it gives instructions that would work outside of the game")
        if self._shingles and not self._shingles.isdisjoint(_shingles(f"{before} {text}")):
            yield Reason("leak", "recites", "it recites our instructions")
        if _MACHINE.search(text):
            yield Reason("leak", "protocol", "it carries marks of the protocol with the model")

    def _on_stage(self, text: str, speaker: str, reasons: list[Reason]) -> str:
        """The text without stage directions, markup and sentences that only a machine would say."""
        bare = _EMOTE.sub(" ", text)
        named = _SPEAKER.match(bare)
        if named is not None and _is_speaker(named.group(1), speaker):
            bare = bare[named.end() :]
        bare = " ".join(_MARKDOWN.sub("", bare).split())
        if len(bare) > 2 and bare[0] == bare[-1] == '"' and bare.count('"') == 2:
            bare = bare[1:-1]
        if bare != " ".join(text.split()):
            reasons.append(Reason("format", "stage", "it held stage directions or markup"))
        if not _OFF_STAGE.search(bare):
            return bare
        reasons.append(Reason("off_stage", "machine", "it spoke as a machine and not as a person of the world"))
        return _sentences_without(_OFF_STAGE, bare)

    def _without_personal(self, text: str, reasons: list[Reason]) -> str:
        for kind in PERSONAL:
            found = [match for match in kind.looks.finditer(text) if kind.is_real(match.group())]
            if kind.rule == "address":
                found = [match for match in found if not self._is_own_place(match.group())]
            for match in reversed(found):
                text = f"{text[: match.start()]}{kind.instead}{text[match.end() :]}"
            if found:
                reasons.append(Reason("personal", kind.rule, f"it held personal data ({kind.rule})"))
        return text

    def _without_brands(self, text: str, reasons: list[Reason]) -> str:
        for brand in brands():
            for match in reversed(list(brand.looks.finditer(text))):
                if match.group().casefold().removesuffix("'s") in self._own:
                    continue
                if brand.is_word_too and (match.start() == 0 or text[: match.start()].rstrip()[-1:] in '.!?:…"'):
                    continue
                start, instead = _in_place(text, match.start(), brand.instead)
                text = f"{text[:start]}{instead}{text[match.end() :]}"
                if not any(reason.rule == brand.instead for reason in reasons):
                    reasons.append(Reason("brand", brand.instead, f"it named a real brand ({brand.instead})"))
        return text

    def _rated(self, text: str, reasons: list[Reason]) -> str:
        if not self.profile.gore and GORE.search(text):
            text = _sentences_without(GORE, text)
            reasons.append(Reason("gore", "detail", "it went into blood and injury beyond the rating"))
        if not self.profile.suggestive and SUGGESTIVE.search(text):
            text = _sentences_without(SUGGESTIVE, text)
            reasons.append(Reason("suggestive", "beyond", "it was suggestive beyond the rating"))
        if not self.profile.swearing:
            milder = text
            for looks, instead in MILDER:
                milder = looks.sub(lambda found, instead=instead: _cased(found.group(), instead), milder)  # type: ignore[misc]
            if milder != text:
                reasons.append(Reason("swearing", "rough", "it was rougher than the rating"))
                text = milder
        return text

    def _is_own_place(self, text: str) -> bool:
        low = text.casefold()
        return any(name in low for name in self._own if " " in name or len(name) > 5)


def _is_speaker(name: str, speaker: str) -> bool:
    """Whether what stands before a colon is the speaker's name, or a part of it, or a role of the protocol."""
    words = name.casefold().strip(" *\"'").split()
    return bool(words) and (words in (["assistant"], ["npc"]) or set(words) <= set(speaker.casefold().split()))


def _names_of(world: World | None) -> frozenset[str]:
    """Names and words of a world in lower case: what is called so there is no brand and no address of a real person."""
    if world is None:
        return frozenset({"los santos"})
    names = {district.name.casefold() for district in world.districts.values()}
    names |= {faction.name.casefold() for faction in world.factions.values()}
    names |= {person.name.casefold() for person in world.npcs.values()}
    names |= {"los santos", world.title.split(":")[0].casefold()}
    return frozenset(names | {word for name in names for word in name.split() if len(word) > 3})


def _in_place(text: str, start: int, instead: str) -> tuple[int, str]:
    """Where a replacement begins and how it reads there: an article before the brand is not said twice, and neither is
    one put after ``my`` or ``the``."""
    article = re.search(
        r"\b(?:an?|the|my|your|his|her|our|their|this|that|two|some|any|of|new|old)\s+$", text[:start], re.IGNORECASE
    )
    bare = re.sub(r"^(?:an?|the) ", "", instead)
    if article is None:
        return start, _cased(text[start : start + 1], instead) if start == 0 else instead
    word = article.group().strip().lower()
    return (article.start(), instead) if word in ("a", "an") else (start, bare)


def _sentences_without(looks: re.Pattern[str], text: str) -> str:
    """The sentences in which nothing is found; where it is found only across two of them, nothing is left."""
    said = "".join(sentence for sentence in sentences_of(text) if not looks.search(sentence)).strip()
    return "" if looks.search(said) else said


def _cased(like: str, word: str) -> str:
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


def _shingles(text: str) -> Iterator[tuple[str, ...]]:
    last: deque[str] = deque(maxlen=LEAK_WORDS)
    for word in words_of(text):
        last.append(word)
        if len(last) == LEAK_WORDS:
            yield tuple(last)
