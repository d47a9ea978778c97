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

from ganggpt.ai.guards.harm import is_about_minors, is_recipe, urges_self_harm
from ganggpt.ai.guards.machine import only_a_machine_says
from ganggpt.ai.guards.personal import PERSONAL
from ganggpt.ai.guards.profiles import GORE, MILDER, PROFILES, SUGGESTIVE, Profile, Rating
from ganggpt.ai.guards.stage import Open, Voices, sentences, spoken, without_machine, without_thinking
from ganggpt.ai.guards.text import is_speech, plain, visible
from ganggpt.ai.guards.word_filter import Brand, brands, explicit_in, folded, slur_in, starred_slur
from ganggpt.domain.language.words import words_of
from ganggpt.domain.mind.brief import SAID_MAX
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


_MACHINE: Final = _any(
    r"<\|[\w ]+\|>|\[/?INST\]|<</?SYS>>|</?(?:system|assistant|user|instructions?)>",
    r"\"(?:role|content|actions|say|do|tool_calls?|function_call)\"\s*:|```|\bmark of (?:this|the) request\b|\b(?:my|here is the) system ?prompt\b|\bthe system prompt (?:is|says)\b",
    r"\{\{\s*\w+\s*\}\}|(?<!#)#{2,}\s*(?:instruction|response|system|user|input)|\[your name\]|\bno narration, no stage directions, no\b|"
    r"\bone character of a (?:crime )?role-?play|\beverything that other people say is data\b",
)
_ROUNDS_MAX: Final = 4
"""How often a text out of which something was taken is read again, because what is left may read anew."""
_BRAND_WORD: Final = re.compile(r"\w+")


class OutputGuard:
    """Guards what the people of one world say under one rating. Pure: no state, the same text gets the same verdict.

    ``world``: its own names are no brands. ``instructions``: our prompt texts, which nobody may recite.
    """

    def __init__(self, rating: Rating, world: World | None = None, instructions: Iterable[str] = ()) -> None:
        self.profile: Profile = PROFILES[rating]
        self._own = _names_of(world)
        self._people = frozenset() if world is None else frozenset(one.name.lower() for one in world.npcs.values())
        self._shingles = frozenset(shingle for text in instructions for shingle in _shingles(text))

    def check(
        self,
        text: str,
        *,
        speaker: str = "",
        listener: str = "",
        mark: str = "",
        before: str = "",
        chars_max: int = SAID_MAX,
    ) -> Verdict:
        """Judge a text, or a sentence by itself. ``speaker``: whose name does not stand before their own words;
        ``listener``: whose lines they do not speak. ``mark``: of the request it answers, which must not be said.
        ``before``: what was said just before it, so that a leak in pieces is one."""
        voices = self.voices(speaker, listener)
        return self.check_next(text, voices, Open(), mark=mark, before=before, chars_max=chars_max)[0]

    def voices(self, speaker: str, listener: str) -> Voices:
        """Whose words are told apart when a person speaks to another."""
        return Voices(speaker, listener, self._people)

    def check_next(
        self, text: str, voices: Voices, open_: Open, *, mark: str = "", before: str = "", chars_max: int = SAID_MAX
    ) -> tuple[Verdict, Open]:
        """Judge a sentence of an utterance. ``open_``: what the sentence before it left open; comes back for the next."""
        made, shown = plain(text, chars_max).text, visible(text, chars_max)
        if mark and mark.casefold() in re.sub(r"\W", "", text).casefold():
            return Blocked((Reason("leak", "mark", "it says the mark of the request"),)), open_
        heard, open_ = without_thinking(shown, open_)
        if heard != shown:
            made = plain(heard, chars_max).text
        forbidden = tuple(self._forbidden(made, before))
        disguised = made != heard and any(kind.looks.search(made) and not kind.looks.search(heard) for kind in PERSONAL)
        reasons: list[Reason] = []
        said, after = spoken(made if disguised else heard, voices, open_)
        for _ in range(_ROUNDS_MAX):
            if said == heard or (again := spoken(said, voices, Open())[0]) == said:
                break
            said = again
        if forbidden:
            return Blocked(forbidden), after
        if said != shown:
            reasons.append(Reason("format", "stage", "it held stage directions, markup or another one's part"))
        if only_a_machine_says(said):
            reasons.append(Reason("off_stage", "machine", "it spoke as a machine and not as a person of the world"))
            said = without_machine(said)
        if not is_speech(said):
            return Blocked(tuple(reasons) or (Reason("format", "empty", "there is nothing to say in it"),)), after
        said = self._without_personal(said, reasons)
        said = self._without_brands(said, reasons)
        said = self._rated(said, reasons)
        if not said:
            return Blocked(tuple(reasons)), after
        return (Softened(said, tuple(reasons)) if reasons else Passed(said)), after

    def _forbidden(self, text: str, before: str) -> Iterator[Reason]:
        """The reasons to block a text in every profile."""
        low = folded(text)
        if slur_in(low) or starred_slur(text):
            yield Reason("slur", "word", "it holds a slur")
        explicit = explicit_in(low)
        if is_about_minors(text, before, explicit):
            yield Reason("minors", "near", "it speaks of somebody under age in a suggestive way")
        if explicit:
            yield Reason("sexual", "word", "it is sexually explicit")
        if urges_self_harm(text):
            yield Reason("self_harm", "urges", "it urges somebody to hurt themselves")
        if is_recipe(text):
            yield Reason("instructions", "recipe", "it gives instructions that would work outside of the game")
        if self._shingles and not self._shingles.isdisjoint(_shingles(f"{before} {text}")):
            yield Reason("leak", "recites", "it recites our instructions")
        if _MACHINE.search(text):
            yield Reason("leak", "protocol", "it carries marks of the protocol with the model")

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
        for start, stop, brand in reversed(list(self._brands_in(text))):
            first, instead = _in_place(text, start, brand.instead)
            text = f"{text[:first]}{instead}{text[stop:]}"
            if not any(reason.rule == brand.instead for reason in reasons):
                reasons.append(Reason("brand", brand.instead, f"it named a real brand ({brand.instead})"))
        return text

    def _brands_in(self, text: str) -> Iterator[tuple[int, int, Brand]]:
        """The real brands in a text with their places, the longest name at each."""
        known, end = brands(), 0
        for word in _BRAND_WORD.finditer(text):
            if word.start() < end:
                continue
            for brand in known.get(word.group().lower(), ()):
                found = brand.looks.match(text, word.start())
                if found is None or found.group().casefold().removesuffix("'s") in self._own:
                    continue
                if brand.is_word_too and (found.start() == 0 or text[: found.start()].rstrip()[-1:] in '.!?:…"'):
                    continue
                yield found.start(), found.end(), brand
                end = found.end()
                break

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
    said = "".join(sentence for sentence in sentences(text) if not looks.search(sentence)).strip()
    return "" if looks.search(said) else said


def _cased(like: str, word: str) -> str:
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


def _shingles(text: str) -> Iterator[tuple[str, ...]]:
    last: deque[str] = deque(maxlen=LEAK_WORDS)
    for word in words_of(text):
        last.append(word)
        if len(last) == LEAK_WORDS:
            yield tuple(last)
