"""The scripted mind: sentences by grammar and dice, with real facts, memories, mood, standing and politics in them.

It needs no model, no network and no state: the same brief and dice give the same words. It makes the game playable
offline, and every other mind falls back to it. English is said in the speaker's voice and own lines, other languages
plainly.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec.structs import replace

from ganggpt.ai.minds.texts import ALIASES, ENGLISH, PLAIN, VOICES, Toned, Tongue, languages, tongue
from ganggpt.domain.language.words import clipped, with_article
from ganggpt.domain.mind.brief import (
    SAID_MAX,
    STRANGER,
    Brief,
    Cited,
    opener_of,
    phrase_of,
    sentences_of,
    words_in,
)
from ganggpt.domain.mind.spoken_answer import LIST_MARK, PRICE_MARK
from ganggpt.domain.turn import Dice

_DEED_VERBS: Final[Mapping[str, str]] = {
    "gift": "gave me ",
    "threat": "threatened me",
    "talk": "told me: ",
    "promise": "told me: ",
    "debt": "told me: ",
    "met": "first spoke to me",
    "work": "asked me for work",
    "order": "ordered me ",
}
_LIKE: Final[Mapping[str, str]] = {"delight": "thank", "flattered": "welcome"}
"""Acts for which a voice may use its lines of another act."""
_ASKED: Final = ", when I asked "
_OWN: Final[Mapping[str, str]] = {
    "welcome": "thanked",
    "robbed_afraid": "robbed",
    "robbed_defiant": "robbed",
    "confided_friend": "confided",
    "confided_noted": "confided",
    "repeated_again": "repeated",
    "own_business": "unsure",
    "wonder": "unsure",
    "told_plain": "listening",
    "told": "listening",
    "told_job": "listening",
    "told_home": "listening",
    "complained_back": "complained",
    "flattered": "praised",
    "forgive": "forgiven",
    "help_offer": "help",
    "told_new": "newcomer",
    "why_plain": "why",
    "why_self": "why",
    "why_refused": "why",
    "really_yes": "really",
    "planned_back": "planned",
    "help_hurt": "hurt",
    "ask_on": "asked_back",
}
"""Lines that stand under another word among a person's own."""
_REMARKABLE: Final = frozenset({"greet", "how_are_you", "introduce"})
_WARM: Final = frozenset({"friendly", "trusted", "family"})
_COLD: Final = frozenset({"hostile", "enemy"})
_WITH_YOU: Final[Mapping[str, str]] = {"was": "were", "has": "have", "is": "are"}
_DRAWS: Final = 8
"""How many utterances are drawn before the openings are tried one by one."""
_OWN_CHANCE: Final = 0.75
_OPENS: Final = 0.5
_OPENS_ANSWER: Final = 0.1
"""How often an utterance begins with an opening of the voice: an answer to a question less often."""
_TAIL: Final = 0.12
_SAYS_YES_OR_NO: Final = frozenset(
    (
        *("Yes!", "Yes.", "Yep.", "Yeah.", "Sure.", "Bet.", "True.", "Facts.", "Correct.", "Incorrect.", "Granted."),
        *("Approved.", "Denied.", "Negative.", "No.", "Nah.", "No, no.", "Yes, yes.", "Certainly.", "Of course."),
        *("But yes.", "Sure thing!", "No doubt.", "Mm, no.", "Darling, no.", "Naturally.", "Yeah, yeah.", "Mm-hm."),
        *("Indeed.", "Is that so?", "What.", "Okay.", "Great!", "Great.", "Good.", "Lovely.", "Straight up."),
    )
)
"""Openings that say yes or no, or that what was said is good."""
_INTERJECTION_WORDS_MAX: Final = 2
_BLANKS: Final = re.compile(r" {2,}")


class ScriptedMind:
    """Implements ``domain.turn.Wording`` for the briefs of ``domain.mind.brief``."""

    __slots__ = ()

    def say(self, brief: Brief, dice: Dice) -> str:
        """Words for a brief: at most 500 characters, never empty, and no opening of ``brief.avoid`` if there is any
        other; where there is none, the one that was used longest ago. Of openings that will do, one whose first line
        is not in ``brief.stale`` is preferred."""
        chosen: _Draft | None = None
        fallback: _Draft | None = None
        oldest = len(brief.avoid)
        for draft in _drafts(brief, dice):
            if not draft.begins:
                continue
            # A short beginning opens together with what follows.
            opener = opener_of(" ".join((draft.begins, *draft.rest[:1])))
            if opener in brief.avoid:
                used = len(brief.avoid) - 1 - brief.avoid[::-1].index(opener)
                if used < oldest:
                    fallback, oldest = draft, used
            elif draft.is_stale:
                chosen = chosen or draft
            else:
                chosen = draft
                break
        said = chosen or fallback
        return "" if said is None else _composed(said)


class _Draft(NamedTuple):
    """An utterance that may be said: how it begins, what follows, and whether a better one may be found because it was
    said lately."""

    begins: str
    rest: Sequence[str]
    is_stale: bool


class _Slots(dict[str, str]):
    """The values of the slots of a line; ``{Item}`` is ``{item}`` with a capital letter, what is missing is nothing.
    Names and facts are data: they are filled in once and never read as templates."""

    def __missing__(self, key: str) -> str:
        if key[:1].isupper():
            return _upper(self[key[0].lower() + key[1:]])
        return ""


def _drafts(brief: Brief, dice: Dice) -> Iterator[_Draft]:
    """Utterances for a brief: some by chance, then every way to begin."""
    tone = _tone(brief)
    texts = tongue(brief.language if brief.language in languages() else ENGLISH)
    voice = VOICES[_style(brief.style)] if texts is tongue(ENGLISH) else texts.lines
    slots = _slots(brief, texts, _you(voice, tone), dice)
    rest = _rest(brief, texts, voice, tone, slots, dice)
    own, common = _own_lines(brief, texts, voice, tone), _common_lines(brief, texts, tone)
    openings = _openings(brief, texts, voice, tone)
    opens = _OPENS_ANSWER if brief.line else _OPENS
    # A line of one's own is whole: no interjection goes before it, and after it only what is told, no question.
    told = tuple(part for part in brief.then if part[1])
    after_own = _rest(replace(brief, then=told), texts, voice, tone, slots, dice) if told != brief.then else rest
    after_own = after_own if told else after_own[: brief.memory is not None]
    for _ in range(_DRAWS):
        lines = own if own and (not common or dice.chance(_OWN_CHANCE)) else common
        is_whole = lines is own and bool(brief.own)
        opening = dice.pick(openings) if openings and not is_whole and dice.chance(opens) else ""
        line = _filled(dice.pick(lines), slots)
        yield _Draft(_opened(opening, line), after_own if is_whole else rest, _is_stale(line, brief))
    wonder = tongue(ENGLISH).lines["wonder"][tone]
    filled = [said for line in _turned((*own, *common), dice) if (said := _filled(line, slots))] or list(wonder)
    fresh = [line for line in filled if not _is_stale(line, brief)]
    turned = _turned(openings, dice)
    for lines in (fresh, filled):
        for opening in ("", *turned):
            for line in lines:
                yield _Draft(_opened(opening, line), rest, lines is not fresh)
    # Rather two interjections than the same words again.
    yield from (_Draft(f"{opening} {line}", rest, True) for opening in turned for line in filled)


def _opened(opening: str, line: str) -> str:
    """A line after an opening; alone where it begins with a word of its own: "Right. What is it?"."""
    first, *others = sentences_of(line) or [line]
    has_own = bool(others) and len(first.split()) <= _INTERJECTION_WORDS_MAX
    return line if has_own or not opening else f"{opening} {line}"


def _own_lines(brief: Brief, texts: Tongue, voice: Toned, tone: str) -> Sequence[str]:
    """A person's own lines for this, else those of their voice."""
    if texts is not tongue(ENGLISH):
        return ()
    key = brief.line or brief.act
    mine = brief.own.get(_OWN.get(key, key), ())
    # Own lines are written for people one has nothing against.
    if mine and (tone != "cold" or key not in ("greet", "bye", "how_are_you", "welcome")):
        return mine
    if brief.line and brief.line != brief.act:
        return ()
    return (voice.get(brief.act) or voice.get(_LIKE.get(brief.act, ""), {})).get(tone, ())


def _common_lines(brief: Brief, texts: Tongue, tone: str) -> Sequence[str]:
    """What everybody says: by the line, else by the act, else that one cannot tell."""
    for key in (brief.line, brief.act, "wonder"):
        if key and key in texts.lines and tone in texts.lines[key]:
            return texts.lines[key][tone]
    return tongue(ENGLISH).lines["wonder"][tone]


def _openings(brief: Brief, texts: Tongue, voice: Toned, tone: str) -> Sequence[str]:
    if brief.act in texts.hails:
        return texts.hails[brief.act][tone]
    every = voice.get("open", {}).get(tone, ())
    # Before an answer they would be one: "Is he going to die?" "Yep. …"
    return [one for one in every if one not in _SAYS_YES_OR_NO] if brief.line else every


def _you(voice: Toned, tone: str) -> Sequence[str]:
    return voice.get("you", {}).get(tone, ()) or ("",)


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


def _composed(draft: _Draft) -> str:
    """The sentences as one text; the last ones are left out where it gets too long."""
    said = draft.begins
    for part in draft.rest:
        if part and len(said) + 1 + len(part) <= SAID_MAX:
            said = f"{said} {part}"
    return clipped(said, SAID_MAX)


def _rest(brief: Brief, texts: Tongue, voice: Toned, tone: str, slots: _Slots, dice: Dice) -> list[str]:
    """What follows the line: the memory, politics, reasons, what was added, a word on standing or mood, a closing."""
    parts: list[str] = []
    if brief.memory is not None:
        parts.append(_recollection(brief, brief.memory, texts, dice))
    parts += _politics(brief, texts, slots, dice)
    parts += _reasons(brief, texts, slots, dice)
    for line, facts in brief.then:
        options = texts.lines.get(line, {}).get(tone, ())
        if texts is tongue(ENGLISH):
            options = brief.own.get(_OWN.get(line, line), ()) or options
        if options:
            parts.append(_fresh(options, _with_facts(slots, facts, texts), brief, dice))
    if brief.then or brief.line:
        return parts
    standing, mood = texts.more.get(f"standing {brief.standing}"), texts.more.get(f"mood {brief.mood}")
    if brief.act in _REMARKABLE:
        if standing and dice.chance(0.1 if brief.standing == "neutral" else 0.4):
            parts.append(_fresh(standing, slots, brief, dice))
        elif mood and (brief.act == "how_are_you" or dice.chance(0.2)):
            parts.append(_fresh(mood, slots, brief, dice))
    tails = voice.get("tail", {}).get(tone, ())
    if tails and dice.chance(_TAIL) and brief.act not in texts.hails:
        parts.append(_fresh(tails, slots, brief, dice))
    return parts


def _politics(brief: Brief, texts: Tongue, slots: _Slots, dice: Dice) -> Iterator[str]:
    politics = brief.politics
    if politics is None:
        return
    if politics.friend is not None and "friend" in texts.more:
        yield _fresh(texts.more["friend"], slots, brief, dice)
    if politics.enemy is not None and "enemy" in texts.more:
        yield _fresh(texts.more["enemy"], slots, brief, dice)


def _reasons(brief: Brief, texts: Tongue, slots: _Slots, dice: Dice) -> Iterator[str]:
    """The sentences for a refusal: its reason, the speaker's grievance, and the standing of the listener."""
    facts, english = brief.facts, texts is tongue(ENGLISH)
    if "reason" in facts and not brief.line:
        reasons = texts.reasons.get(facts["reason"]) or texts.reasons.get("unknown")
        if reasons:
            yield _fresh(reasons, slots, brief, dice)
    if facts.get("cause") and english:
        yield _fresh(texts.more["cause"], slots, brief, dice)
    if brief.act == "account" and english:
        sides = [side for side in ("for", "against") if facts.get(side)]
        for side in sides or ["nothing"]:
            yield _fresh(texts.more[f"account {side}"], slots, brief, dice)


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


def _slots(brief: Brief, texts: Tongue, addresses: Sequence[str], dice: Dice) -> _Slots:
    """The values of the slots of a line."""
    called = brief.listener if brief.listener and dice.chance(0.7) else dice.pick(addresses)
    politics = brief.politics
    slots = _Slots(
        {
            "you": called,
            "speaker": brief.speaker,
            "role": texts.words.get(f"role {brief.role}", brief.role),
            "role_a": with_article(brief.role),
            "place": brief.place or texts.words.get("here", ""),
            "own": politics.own if politics is not None else texts.words.get("own", ""),
            "friend": (politics.friend if politics is not None else None) or texts.words.get("friend", ""),
            "enemy": (politics.enemy if politics is not None else None) or texts.words.get("enemy", ""),
            **{name: texts.words.get(name, "") for name in ("title", "reward", "item", "known", "order")},
            **dict.fromkeys(("cause", "for", "against"), texts.words.get("nothing", "")),
        }
    )
    return _with_facts(slots, brief.facts, texts)


_AS_THEY_ARE: Final = frozenset(("task", "text", "about", "hint", "motto"))
"""Facts that are whole sentences."""


def _with_facts(slots: Mapping[str, str], facts: Mapping[str, str], texts: Tongue) -> _Slots:
    found = _Slots(slots)
    for name, fact in facts.items():
        if name in _AS_THEY_ARE:
            found[name] = _sentence(fact)
        elif name == "role":
            found[name] = texts.words.get(f"role {fact}", fact)
        elif name == "way":
            found[name] = _way(fact, texts)
        elif name in ("cause", "for", "against", "back"):
            found[name] = fact.rstrip(" .!?")
        else:
            found[name] = _list(fact, texts)
    return found


def _list(fact: str, texts: Tongue) -> str:
    """A fact as it is said: a list with the "and" of the language, a word of its own in it."""
    items = [_word(item, texts) for item in fact.split(LIST_MARK)]
    if len(items) < 2:
        return items[0]
    return f"{', '.join(items[:-1])} {texts.words.get('and', 'and')} {items[-1]}"


def _word(item: str, texts: Tongue) -> str:
    name, mark, price = item.partition(PRICE_MARK)
    if mark:
        return texts.words.get("ware", "{name} {price}").format_map({"name": name, "price": price})
    return texts.words.get(item, item)


def _way(fact: str, texts: Tongue) -> str:
    """The legs of a way as one sentence."""
    parts: list[str] = []
    for leg in filter(None, fact.split("|")):
        road, _, place = leg.partition(">")
        key = f"way {'next' if parts else 'first'}{'' if road else ' plain'}"
        parts.append(texts.words.get(key, "{place}").format_map({"road": road, "place": place}))
    return f"{', '.join(parts)}." if parts else ""


def _recollection(brief: Brief, memory: Cited, texts: Tongue, dice: Dice) -> str:
    """A memory in the speaker's own words."""
    english = texts is tongue(ENGLISH)
    deed = _deed(memory, brief.listener) if memory.own and english else None
    frames: Sequence[str]
    if deed is not None or (memory.own and memory.kind == "deed"):
        frames = texts.memories.get(f"own {memory.kind}", ())
    elif memory.own and memory.kind not in texts.memories:
        frames = texts.memories.get(f"own {memory.kind}", ()) if not english else ()
        frames = frames or texts.memories.get(f"own {memory.source}", ())
    else:
        frames = texts.memories.get(memory.kind) or texts.memories.get(memory.source, ())
    quote = words_in(memory.text)
    if not english and quote == memory.text:
        frames = [frame for frame in frames if "{quote}" not in frame]
    if not frames:
        return ""
    text = memory.text.rstrip(" .!?")
    if deed is None and english and memory.own and _ASKED in memory.text:
        deed, frames = f'told me: "{quote}"', texts.memories["own talk"]
    slots = _Slots({"age": texts.words.get(memory.age, memory.age), "text": text, "quote": quote, "deed": deed or ""})
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


def _filled(line: str, slots: Mapping[str, str]) -> str:
    """A line with its slots filled, beginning upper case."""
    return _upper(_BLANKS.sub(" ", line.format_map(slots)).strip())


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    """A text that ends as a sentence does."""
    text = clipped(text.strip(), 400)
    return text if not text or text[-1] in ".!?…\"'" else text + "."
