"""The scripted mind: sentences by grammar and dice, with real memories, mood, standing and politics in them.

It needs no model, no network and no state: the same brief and dice give the same words. It makes the game playable
offline, and every other mind falls back to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from ganggpt.ai.minds.lines import (
    ACCOUNTS,
    CAUSES,
    ENEMY,
    FRIEND,
    HAILS,
    LINES,
    MEMORIES,
    MOOD,
    REASONS,
    STANDING,
)
from ganggpt.ai.minds.voices import ALIASES, PLAIN, VOICES
from ganggpt.domain.language.words import clipped
from ganggpt.domain.mind.brief import (
    SAID_MAX,
    STRANGER,
    Brief,
    Cited,
    opener_of,
    phrase_of,
    sentences_of,
)
from ganggpt.domain.turn import Dice

_DEED_VERBS: Final[Mapping[str, str]] = {
    "gift": "gave me ",
    "threat": "threatened me",
    "talk": "told me: ",
    "met": "first spoke to me",
    "work": "asked me for work",
    "order": "ordered me ",
}
_LIKE: Final[Mapping[str, str]] = {"delight": "thank", "flattered": "welcome"}
"""Acts for which a voice may use its lines of another act."""
_REMARKABLE: Final = frozenset({"greet", "answer", "remember", "no_memory", "introduce", "how_are_you", "wonder"})
_WARM: Final = frozenset({"friendly", "trusted", "family"})
_COLD: Final = frozenset({"hostile", "enemy"})
_WITH_YOU: Final[Mapping[str, str]] = {"was": "were", "has": "have", "is": "are"}
_DRAWS: Final = 8
"""How many utterances are drawn before the openings are tried one by one."""


class ScriptedMind:
    """Implements ``domain.turn.Mind`` for the briefs of ``domain.mind.brief``."""

    __slots__ = ()

    def say(self, brief: Brief, dice: Dice) -> str:
        """Words for a brief: at most 500 characters, never empty, and no opening of ``brief.avoid`` if there is any
        other; where there is none, the one that was used longest ago. Of openings that will do, one whose first line
        is not in ``brief.stale`` is preferred."""
        chosen, fallback, oldest = "", "", len(brief.avoid)
        for said, is_stale in _drafts(brief, dice):
            opener = opener_of(said)
            if opener in brief.avoid:
                used = len(brief.avoid) - 1 - brief.avoid[::-1].index(opener)
                if used < oldest:
                    fallback, oldest = said, used
            elif not is_stale:
                return said
            elif not chosen:
                chosen = said
        return chosen or fallback


def _drafts(brief: Brief, dice: Dice) -> Iterator[tuple[str, bool]]:
    """Utterances for a brief, and whether the line in each was said lately: some by chance, then every way to begin."""
    tone = _tone(brief)
    voice = VOICES[_style(brief.style)]
    slots = _slots(brief, voice["you"][tone], dice)
    rest = _rest(brief, voice, tone, slots, dice)
    own = (voice.get(brief.act) or voice.get(_LIKE.get(brief.act, ""), {})).get(tone, ())
    common = LINES[brief.act][tone]
    openings = HAILS[brief.act][tone] if brief.act in HAILS else voice["open"][tone]
    for _ in range(_DRAWS):
        opening = dice.pick(openings) if openings and dice.chance(0.6) else ""
        lines = own if own and dice.chance(0.7) else common
        line = _filled(dice.pick(lines), slots)
        yield _composed(opening, line, rest), _is_stale(line, brief)
    filled = [_filled(line, slots) for line in _turned((*own, *common), dice)]
    for opening in ("", *_turned(openings, dice)):
        for line in filled:
            yield _composed(opening, line, rest), _is_stale(line, brief)


def _is_stale(line: str, brief: Brief) -> bool:
    """Whether a sentence of the line was said lately."""
    return bool(brief.stale) and not _phrases_in(line).isdisjoint(brief.stale)


@lru_cache(maxsize=8192)
def _phrases_in(line: str) -> frozenset[int]:
    return frozenset(map(phrase_of, sentences_of(line))) - {0}


def _fresh(options: Sequence[str], slots: Mapping[str, str], brief: Brief, dice: Dice) -> str:
    """One of the options, filled; one that was not said lately, if the dice find any in three draws."""
    said = ""
    for _ in range(3):
        said = _filled(dice.pick(options), slots)
        if not _is_stale(said, brief):
            break
    return said


def _turned(options: Sequence[str], dice: Dice) -> Sequence[str]:
    """All options, starting at a random one."""
    start = dice.between(0, len(options) - 1) if options else 0
    return (*options[start:], *options[:start])


def _composed(opening: str, line: str, rest: Sequence[str]) -> str:
    """The sentences as one text; the last ones are left out where it gets too long."""
    said = f"{opening} {line}" if opening else line
    for part in rest:
        if len(said) + 1 + len(part) <= SAID_MAX:
            said = f"{said} {part}"
    return clipped(said, SAID_MAX)


def _rest(
    brief: Brief, voice: Mapping[str, Mapping[str, tuple[str, ...]]], tone: str, slots: Mapping[str, str], dice: Dice
) -> list[str]:
    """What follows the line: the memory, politics, reasons, a word on standing or mood, a closing."""
    parts: list[str] = []
    if brief.memory is not None:
        parts.append(_recollection(brief, brief.memory, dice))
    politics = brief.politics
    if politics is not None:
        if politics.friend is not None:
            parts.append(_fresh(FRIEND, slots, brief, dice))
        if politics.enemy is not None:
            parts.append(_fresh(ENEMY, slots, brief, dice))
    parts += _reasons(brief, slots, dice)
    if brief.act in _REMARKABLE:
        if brief.standing in STANDING and dice.chance(0.1 if brief.standing == "neutral" else 0.4):
            parts.append(_fresh(STANDING[brief.standing], slots, brief, dice))
        elif brief.mood in MOOD and (brief.act == "how_are_you" or dice.chance(0.2)):
            parts.append(_fresh(MOOD[brief.mood], slots, brief, dice))
    if dice.chance(0.25) and brief.act not in HAILS:
        parts.append(_fresh(voice["tail"][tone], slots, brief, dice))
    return parts


def _reasons(brief: Brief, slots: Mapping[str, str], dice: Dice) -> Iterator[str]:
    """The sentences for a refusal: its reason, the speaker's grievance, and the standing of the listener."""
    facts = brief.facts
    if "reason" in facts:
        yield _fresh(REASONS.get(facts["reason"], REASONS["unknown"]), slots, brief, dice)
    if facts.get("cause"):
        yield _fresh(CAUSES, slots, brief, dice)
    if brief.act == "account":
        sides = [side for side in ("for", "against") if facts.get(side)]
        for side in sides or ["nothing"]:
            yield _fresh(ACCOUNTS[side], slots, brief, dice)


def _tone(brief: Brief) -> str:
    """warm, even or cold: by standing, and where that is neutral by mood."""
    if brief.standing in _WARM:
        return "even" if brief.mood == "dark" else "warm"
    if brief.standing in _COLD or brief.mood == "dark":
        return "cold"
    if brief.standing == "wary":
        return "cold" if brief.mood == "sour" else "even"
    # Strangers are not welcomed back, however good the day.
    return "warm" if brief.mood in ("good", "elated") and brief.act != "greet" else "even"


def _style(style: str) -> str:
    """The voice of a style; the plain voice for an unknown one."""
    key = style.strip().lower().replace("_", "-").replace(" ", "-")
    key = ALIASES.get(key, key)
    return key if key in VOICES else PLAIN


def _slots(brief: Brief, addresses: Sequence[str], dice: Dice) -> dict[str, str]:
    """The values of the slots of a line. Names and facts are data: they are filled in once and never read as
    templates."""
    called = brief.listener if brief.listener and dice.chance(0.7) else dice.pick(addresses)
    politics = brief.politics
    slots = {
        "you": called,
        "Speaker": brief.speaker,
        "role": brief.role,
        "place": brief.place or "this town",
        "own": politics.own if politics is not None else "my people",
        "friend": (politics.friend if politics is not None else None) or "our friends",
        "enemy": (politics.enemy if politics is not None else None) or "our enemies",
        "title": brief.facts.get("title", "the job"),
        "reward": brief.facts.get("reward", "good money"),
        "task": _sentence(brief.facts.get("task", "")),
        "item": brief.facts.get("item", "this"),
        "known": brief.facts.get("known", "not much"),
        "order": brief.facts.get("order", "that"),
        **{name: brief.facts.get(name, "nothing").rstrip(" .!?") for name in ("cause", "for", "against")},
    }
    return {**slots, **{name.capitalize(): _upper(slots[name]) for name in ("item", "known", "order", "task")}}


def _recollection(brief: Brief, memory: Cited, dice: Dice) -> str:
    """A memory in the speaker's own words."""
    deed = _deed(memory, brief.listener) if memory.own else None
    frames: Sequence[str]
    if deed is not None or (memory.own and memory.kind == "deed"):
        frames = MEMORIES[f"own {memory.kind}"]
    elif memory.own and memory.kind not in MEMORIES:
        frames = MEMORIES[f"own {memory.source}"]
    else:
        frames = MEMORIES.get(memory.kind) or MEMORIES[memory.source]
    slots = {"age": memory.age, "Age": _upper(memory.age), "text": memory.text.rstrip(" .!?"), "deed": deed or ""}
    return _fresh(frames, slots, brief, dice)


def _deed(memory: Cited, listener: str) -> str | None:
    """What the listener did, to follow "you": gave me a watch; None where the text does not say it that way."""
    if memory.kind == "seen":
        who = next((name for name in (listener, STRANGER) if name and memory.text.startswith(f"{name} ")), None)
        if who is None:
            return None
        verb, _, what = memory.text[len(who) + 1 :].partition(" ")
        return f"{_WITH_YOU.get(verb, verb)} {what}".rstrip(" .!?")
    verb = _DEED_VERBS.get(memory.kind, "")
    _, found, what = memory.text.partition(f" {verb}")
    if not verb or not found:
        return None
    return verb + (what if what.endswith('"') else what.rstrip(" .!?"))


def _filled(line: str, slots: Mapping[str, Any]) -> str:
    """A line with its slots filled, beginning upper case."""
    return _upper(line.format_map(slots))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    """A text that ends as a sentence does."""
    text = clipped(text.strip(), 160)
    return text if not text or text[-1] in ".!?…" else text + "."
