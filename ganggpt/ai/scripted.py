"""The scripted mind: words by grammar and dice, with real memories, mood, standing and politics in them.

No model, no network, no state: the same brief and dice give the same words. It makes the game playable offline and is
what every other mind falls back to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from ganggpt.ai.lines import ENEMY, FRIEND, LINES, MEMORIES, MOOD, STANDING
from ganggpt.ai.voices import ALIASES, PLAIN, VOICES
from ganggpt.domain.speech import SAID_MAX, STRANGER, Brief, Cited, opener_of
from ganggpt.domain.turn import Dice
from ganggpt.domain.words import clipped

_DEED_VERBS: Final[Mapping[str, str]] = {
    "gift": "gave me ",
    "threat": "threatened me",
    "talk": "told me: ",
    "met": "first spoke to me",
    "work": "asked me for work",
    "order": "ordered me ",
}
_LIKE: Final[Mapping[str, str]] = {"delight": "thank", "flattered": "welcome"}
"""Acts for which a voice may use its lines of another one."""
_NO_OPENING: Final = frozenset({"greet", "bye", "afraid"})
_REMARKABLE: Final = frozenset({"greet", "answer", "remember", "no_memory", "introduce", "how_are_you", "wonder"})
_WARM: Final = frozenset({"friendly", "trusted", "family"})
_COLD: Final = frozenset({"hostile", "enemy"})
_WITH_YOU: Final[Mapping[str, str]] = {"was": "were", "has": "have", "is": "are"}
_DRAWS: Final = 8
"""How many utterances are drawn before the openings are tried one by one."""


class ScriptedMind:
    """Implements ``domain.turn.Mind`` for the briefs of ``domain.speech``."""

    __slots__ = ()

    def say(self, brief: Brief, dice: Dice) -> str:
        """Words for a brief: at most 500 characters, never empty, and no opening of ``brief.avoid`` if there is any
        other."""
        said = ""
        for said in _drafts(brief, dice):
            if opener_of(said) not in brief.avoid:
                return said
        return said


def _drafts(brief: Brief, dice: Dice) -> Iterator[str]:
    """Utterances for a brief: some by chance, then one for every way to begin."""
    tone = _tone(brief)
    voice = VOICES[_style(brief.style)]
    slots = _slots(brief, voice["you"][tone], dice)
    rest = _rest(brief, voice, tone, slots, dice)
    own = (voice.get(brief.act) or voice.get(_LIKE.get(brief.act, ""), {})).get(tone, ())
    common = LINES[brief.act][tone]
    openings = () if brief.act in _NO_OPENING else voice["open"][tone]
    for _ in range(_DRAWS):
        opening = dice.pick(openings) if openings and dice.chance(0.6) else ""
        lines = own if own and dice.chance(0.8) else common
        yield _composed((opening, dice.pick(lines)), rest, slots)
    for line in _turned((*own, *common), dice):
        yield _composed((line,), rest, slots)
    for opening in _turned(openings, dice):
        yield _composed((opening, dice.pick(common)), rest, slots)


def _turned(options: Sequence[str], dice: Dice) -> Sequence[str]:
    """All options, beginning at any of them."""
    start = dice.between(0, len(options) - 1) if options else 0
    return (*options[start:], *options[:start])


def _composed(head: tuple[str, ...], rest: Sequence[str], slots: Mapping[str, str]) -> str:
    """Filled sentences in a row; what comes last is left out first where it gets too long."""
    said = " ".join(_filled(part, slots) for part in head if part)
    for part in rest:
        if len(said) + 1 + len(part) <= SAID_MAX:
            said = f"{said} {part}"
    return clipped(said, SAID_MAX)


def _rest(
    brief: Brief, voice: Mapping[str, Mapping[str, tuple[str, ...]]], tone: str, slots: Mapping[str, str], dice: Dice
) -> list[str]:
    """What follows the line: the memory, politics, a word on standing or mood, a closing."""
    parts: list[str] = []
    if brief.memory is not None:
        parts.append(_recollection(brief.memory, brief.listener, dice))
    politics = brief.politics
    if politics is not None:
        if politics.friend is not None:
            parts.append(_filled(dice.pick(FRIEND), slots))
        if politics.enemy is not None:
            parts.append(_filled(dice.pick(ENEMY), slots))
    if brief.act in _REMARKABLE:
        if brief.standing in STANDING and dice.chance(0.1 if brief.standing == "neutral" else 0.4):
            parts.append(dice.pick(STANDING[brief.standing]))
        elif brief.mood in MOOD and (brief.act == "how_are_you" or dice.chance(0.2)):
            parts.append(_filled(dice.pick(MOOD[brief.mood]), slots))
    if dice.chance(0.25) and brief.act not in _NO_OPENING:
        parts.append(_filled(dice.pick(voice["tail"][tone]), slots))
    return parts


def _tone(brief: Brief) -> str:
    """warm, even or cold: standing decides, and where it is undecided the mood does."""
    if brief.standing in _WARM:
        return "even" if brief.mood == "dark" else "warm"
    if brief.standing in _COLD or brief.mood == "dark":
        return "cold"
    if brief.standing == "wary":
        return "cold" if brief.mood == "sour" else "even"
    # Strangers are not welcomed back, however good the day.
    return "warm" if brief.mood in ("good", "elated") and brief.act != "greet" else "even"


def _style(style: str) -> str:
    """The voice of a style; people of an unknown style talk plainly."""
    key = style.strip().lower().replace("_", "-").replace(" ", "-")
    key = ALIASES.get(key, key)
    return key if key in VOICES else PLAIN


def _slots(brief: Brief, addresses: Sequence[str], dice: Dice) -> dict[str, str]:
    """What the slots of a line stand for. Names and facts are data: they are put in once and never read as lines."""
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
    }
    return {**slots, **{name.capitalize(): _upper(slots[name]) for name in ("item", "known", "order", "task")}}


def _recollection(memory: Cited, listener: str, dice: Dice) -> str:
    """A memory in the speaker's own words."""
    deed = _deed(memory, listener) if memory.own else None
    frames: Sequence[str]
    if deed is not None or (memory.own and memory.kind == "deed"):
        frames = MEMORIES[f"own {memory.kind}"]
    elif memory.own and memory.kind not in MEMORIES:
        frames = MEMORIES[f"own {memory.source}"]
    else:
        frames = MEMORIES.get(memory.kind) or MEMORIES[memory.source]
    slots = {"age": memory.age, "Age": _upper(memory.age), "text": memory.text.rstrip(" .!?"), "deed": deed or ""}
    return _filled(dice.pick(frames), slots)


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
