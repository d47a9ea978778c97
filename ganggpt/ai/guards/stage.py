"""What a person says out loud, taken out of what a model wrote: without thinking, stage directions, markup, narration, and
without the lines of anybody else.

A model's words come sentence by sentence, and what opens in one may close in another. ``Open`` is what is open at the end
of a sentence; the same text with the same ``Open`` before it always gives the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from msgspec import Struct

from ganggpt.ai.guards.machine import only_a_machine_says

DIRECTION_SENTENCES_MAX: Final = 4
"""Sentences that a stage direction without an end takes with it; after them it counts as a slip."""
THINKING_SENTENCES_MAX: Final = 60
_LABEL_CHARS_MAX: Final = 80


_THOUGHT: Final = "/think"


class Open(Struct, frozen=True, gc=False):
    """What is open at the end of a sentence. ``closer``: the text that ends a stage direction or thinking; ``taken``: the
    sentences it took so far; ``foreign``: whether somebody else's line goes on."""

    closer: str = ""
    taken: int = 0
    foreign: bool = False


class Voices(Struct, frozen=True, gc=False):
    """Whose words are told apart. ``speaker``: who speaks; ``listener``: what the other one is called; ``others``: the
    other people of the world, in lower case."""

    speaker: str = ""
    listener: str = ""
    others: frozenset[str] = frozenset()


_NAMES: Final = "think|thinking|thought|thoughts|reason|reasoning|reflection|analysis|scratchpad"
_THINKING: Final = re.compile(rf"[<\[](/?)({_NAMES})[>\]]", re.IGNORECASE)
_STAR: Final = re.compile(r"(?<![\w*])(?<!\d )\*\s?(?=\(?[^\W\d])([^*]{1,400})\*(?![\w*])")
_LINE: Final = re.compile(r"(?<!\w)_(?=[^\W\d_])([^_]{1,300})_(?!\w)")
_ROUND: Final = re.compile(r"(?<!\S)\((?=[^\W\d])([^()]{3,400})\)(?=[\s.,!?:]|$)")
_SQUARE: Final = re.compile(r"(?<!\S)\[(?=[^\W\d])([^\[\]]{3,400})\](?=[\s.,!?]|$)")
_OPENED: Final = re.compile(r"(?<![\w*])([*(\[])(?=[^\W\d])([^*()\[\]]*)$")
_CLOSERS: Final = {"*": "*", "(": ")", "[": "]"}
_STRUCK: Final = re.compile(r"~~[^~]{1,200}~~\s?")
_WAVED: Final = re.compile(r"(?<![\w~])~([^\W\d][^~]{1,200})~(?![\w~])")
_BOLD: Final = re.compile(r"\*{2,}|(?<!\w)_{2,}|_{2,}(?!\w)|`+|~~")
_LONE: Final = re.compile(
    r"(?<!\w)[*_](?!\s)|(?<!\s)[*_](?!\w)|^\s*(?:[*>•-]|#{1,6})\s+|^\s*[#>]+(?=[^\W\d])|[#>]+\s*$"
)
_SENTENCE: Final = re.compile(r"[^.!?…。！？]*[.!?…。！？]+[\"'”’»*)]*\s*|[^.!?…。！？]+$")
_ENDS: Final = '.!?…。！？"”»*)]}>'


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NARRATOR: Final = frozenset(("she", "he", "they", "the", "her", "his", "their", "a", "an", "it"))
_NO_DEED: Final = _set(
    """
    was is his this has always us yes does ours yours hers its theirs as less unless perhaps sometimes besides
    across boss cops guns grass pass bless miss kiss thing nothing something everything anything bring king sing
    ring string evening morning family only really early friendly lonely actually exactly finally
    """
)
_ASIDES: Final = _set(
    """
    sigh laugh smile wink nod shrug silence pause beat grin smirk chuckle ooc sighing softly quietly whisper
    offscreen
    """
)
_I_DO: Final = _set(
    """
    lean look smile nod sigh shrug laugh turn glance step pause raise shake stare grin point
    """
)
_DOES: Final = (
    r"(?:leans|looks|smiles|nods|sighs|laughs|grins|shrugs|glances|pauses|turns|steps|stares|raises|lowers|shakes|crosses|takes an?|"
    r"lights|exhales|whispers|mutters|says|replies|asks|answers|growls|chuckles|smirks|frowns|winks|gestures|points|reaches|walks|sits|"
    r"stands|puts|wipes|pours|narrows|rolls|snorts|scoffs|studies|hesitates|speaks|tilts|folds|rubs|taps|squints|eyes|blinks|responds)"
)
_TELLS: Final = r"(?:says|said|replies|replied|mutters|whispers|asks|asked|answers|growls|adds|responds|sighs|laughs)"
_NARRATED: Final = re.compile(
    r"^(?:she|he|they) (?:\w+ly )?(?:leans? (?:back|in|forward|against|over|closer)|crosses (?:her|his) arms|raises (?:an?|her|his) (?:eye)?brows?|"
    r"takes an? (?:long |slow |deep )*(?:drag|breath|sip|puff)|lets out an? |narrows (?:her|his) eyes|shakes (?:her|his) head|"
    r"rolls (?:her|his) eyes|clears (?:her|his) throat|exhales|smirks|chuckles)\b(?!.*(?:, (?:you|we|i|that)\b|\b(?:every|each|always|never|when|whenever)\b))"
    r"|^(?:her|his|their) (?:eyes|gaze|voice|lips|expression|face|jaw) (?:narrow|drop|soften|harden|dart|flick|curl|tighten|lower|clench)s?\b",
    re.IGNORECASE,
)
_SELF: Final = re.compile(r"\b(?:i|i'm|i'd|i'll|i've|we)\b", re.IGNORECASE)
_ASIDE: Final = re.compile(r"\([^()]*\)")
_TAG_FIRST: Final = re.compile(rf"^([^\"“]{{1,60}}?) {_TELLS}[,:]? [\"“]([^\"“”]+)[\"”]$")
_TAGGED: Final = re.compile(r"^([\"“])([^\"“”]+)[\"”],? (.{1,60}?)\b", re.DOTALL)
_SAYS: Final = re.compile(
    r"^(?:she|he|they) (?:says?|repl(?:ies|y)|mutters?|whispers?|asks?|answers?|growls?|sighs?)(?: \w+ly)?(?:[.]?$|, \w+ing\b)",
    re.IGNORECASE,
)
"""Says in the present, and does nothing else in the sentence: a narrator's tag behind the speaker's own words."""
_OWN_LABELS: Final = frozenset((
    "assistant", "npc", "response", "reply", "answer", "final answer", "output", "character", "dialogue", "say", "spoken", "antwort",
    "respuesta", "resposta", "réponse", "ответ", "回答",
))  # fmt: skip
_FOREIGN_LABELS: Final = frozenset((
    "player", "user", "human", "listener", "narrator", "narration", "scene", "setting", "system", "thinking", "thought", "thoughts", "reasoning",
    "analysis", "stage directions", "action", "actions", "ooc", "spieler", "benutzer", "erzähler", "jugador", "narrador", "jogador",
    "joueur", "narrateur", "игрок", "рассказчик", "giocatore", "narratore", "gracz", "narrator", "oyuncu", "玩家", "旁白", "プレイヤー",
    "用户", "اللاعب",
))  # fmt: skip
_FOREIGN_BEFORE_A_CAPITAL: Final = frozenset(("you", "stranger", "customer", "a stranger"))
_OPENER: Final = re.compile(
    r"^\s*[¡]?(?:sure|certainly|of course|okay|ok|absolutely|hello|hi|gern|gerne|klar|claro|bien sûr|конечно|certo|hallo|hola)\b[^.!?]{0,20}[.!]\s*$",
    re.IGNORECASE,
)
"""A courtesy with which a machine begins; with what follows it, it is left out."""
_MARKS: Final = " *_\"'“([])"
_COLON: Final = re.compile(r"[:：][*_]*\s*")


def spoken(text: str, voices: Voices, before: Open) -> tuple[str, Open]:
    """The words of a text without thinking that are said out loud, and what is open after it."""
    if before.closer == _THOUGHT:
        return "", before
    text = _BOLD.sub("", _STRUCK.sub("", text)) if _any_of("*_`~", text) else text
    text, after = _without_directions(text, voices, before)
    text, after = _own_part(text, voices, after)
    text = _without_narration(text, voices)
    text = " ".join(_LONE.sub("", text).split())
    if len(text) > 2 and text[0] in '"“' and text[-1] in '"”' and not _any_of('"“”', text[1:-1]):
        text = text[1:-1].strip()
    return text, after


def without_machine(text: str) -> str:
    """A text without the sentences that only a machine would say; "" where only several together say it."""
    kept: list[str] = []
    for sentence in sentences(text):
        if not only_a_machine_says(sentence.strip()):
            kept.append(sentence)
        elif len(kept) == 1 and _OPENER.match(kept[0]):
            kept.clear()
    left = "".join(kept).strip()
    return "" if only_a_machine_says(left) else left


def sentences(text: str) -> Iterable[str]:
    """The sentences of a text with the space behind them: put together, they are the text."""
    return (found.group() for found in _SENTENCE.finditer(text))


def _any_of(chars: str, text: str) -> bool:
    return any(char in text for char in chars)


def without_thinking(text: str, before: Open) -> tuple[str, Open]:
    """A text without what a model thought in tags, and what is open after it."""
    if not before.closer and "<" not in text and "[" not in text:
        return text, before
    if before.closer == _THOUGHT:
        closed = next((tag for tag in _THINKING.finditer(text) if tag.group(1)), None)
        if closed is None:
            return _taken(text, before, THINKING_SENTENCES_MAX)
        text, before = text[closed.end() :], Open(foreign=before.foreign)
    kept, at, is_open = "", 0, False
    for tag in _THINKING.finditer(text):
        if tag.group(1):
            # An end without a beginning: the server kept the beginning to itself, and all before it was thought.
            kept = kept if is_open else ""
            is_open = False
        elif not is_open:
            kept, is_open = f"{kept}{text[at : tag.start()]} ", True
        at = tag.end()
    if is_open:
        return kept, Open(_THOUGHT, 1, before.foreign)
    return kept + text[at:], before


def _taken(text: str, before: Open, sentences_max: int) -> tuple[str, Open]:
    if before.taken >= sentences_max:
        return text, Open(foreign=before.foreign)
    return "", Open(before.closer, before.taken + 1, before.foreign)


def _without_directions(text: str, voices: Voices, before: Open) -> tuple[str, Open]:
    if before.closer and before.closer != _THOUGHT:
        _, closer, rest = text.partition(before.closer)
        if not closer:
            return _taken(text, before, DIRECTION_SENTENCES_MAX)
        text, before = rest, Open(foreign=before.foreign)
    if not text or not _any_of("*_([~", text):
        return text, before
    for looks, keeps in ((_STAR, "{}"), (_LINE, "{}"), (_WAVED, "{}"), (_ROUND, "({})"), (_SQUARE, "[{}]")):
        text = _sifted(text, looks, keeps, voices)
    opened = _OPENED.search(text)
    if opened is None or not _is_direction(text[: opened.start()], opened.group(2), "", voices):
        return text, before
    if opened.group(1) != "*" or not opened.group(2)[:1].isupper() or _tells(opened.group(2), voices):
        return text[: opened.start()], Open(_CLOSERS[opened.group(1)], 1, before.foreign)
    return text, before


def _sifted(text: str, looks: re.Pattern[str], keeps: str, voices: Voices) -> str:
    """The text without the marked parts that are stage directions; of a stressed word the marks alone are taken off."""
    parts, at = [], 0
    for found in looks.finditer(text):
        inner, before, after = found.group(1), text[max(0, found.start() - 8) : found.start()], text[found.end() :]
        parts.append(text[at : found.start()])
        parts.append(" " if _is_direction(before, inner, after[:8], voices, keeps != "{}") else keeps.format(inner))
        at = found.end()
    return "".join((*parts, text[at:])) if parts else text


def _is_direction(before: str, inner: str, after: str, voices: Voices, bracketed: bool = False) -> bool:
    """Whether what stands between marks is done and not said."""
    before, after = before.rstrip(), after.lstrip()
    alone = (not before or before[-1] in _ENDS) and (not after or not after[0].isalnum() or not after[0].islower())
    alone = alone and after[:1] not in (",", ";")
    if _tells(inner, voices) or (bracketed and alone and not _SELF.search(inner)):
        return True
    if not alone or not inner:
        return False
    return inner[:1].islower() or not inner[:1].isalpha() or not inner[:1].isupper()


def _tells(inner: str, voices: Voices) -> bool:
    """Whether words read like the telling of a deed: "nods", "leans back", "She looks at the door"."""
    words = [word.strip(".,!?:;\"'…()") for word in inner.lower().split()]
    first = words[0] if words else ""
    if first in _NARRATOR or first in f"{voices.speaker} {voices.listener}".lower().split():
        return len(words) > 1
    if first == "i":
        return len(words) > 1 and words[1] in _I_DO
    if first in _ASIDES:
        return True
    return first not in _NO_DEED and len(first) > 3 and first.endswith(("s", "ing", "ly")) and "'" not in first


def _own_part(text: str, voices: Voices, before: Open) -> tuple[str, Open]:
    """The text without labels and without the lines that stand behind somebody else's."""
    if ":" not in text and "：" not in text:
        return ("", before) if before.foreign else (text, before)
    kept, at, foreign = [], 0, before.foreign
    for colon in _COLON.finditer(text):
        start = _label_start(text, max(at, colon.start() - _LABEL_CHARS_MAX), colon.start())
        if not text[start : colon.start()].strip(_MARKS):
            continue
        whose = _whose(text[start : colon.start()], text[colon.end() : colon.end() + 1], voices)
        if whose is None:
            continue
        if not foreign and not (whose == "announced" and _OPENER.match(text[at:start])):
            kept.append(text[at:start])
        at, foreign = colon.end(), whose == "other"
    if not foreign:
        kept.append(text[at:])
    return "".join(kept), Open(before.closer, before.taken, foreign)


def _label_start(text: str, low: int, stop: int) -> int:
    """Where the sentence begins that a colon stands in, or the word before the colon, if that is the name of a role."""
    start = max((text.rfind(end, low, stop) for end in '.!?…。！？:："”»'), default=-1)
    start = start + 1 if start >= 0 else low
    last = text.rfind(" ", low, stop) + 1
    if last > start and text[last : last + 1].isupper() and text[last:stop].lower() in _FOREIGN_LABELS:
        return last
    return start


def _whose(label: str, following: str, voices: Voices) -> str | None:
    """Whose line a label begins: "own", "announced" (own, behind a machine's announcement), "other", or None where it is no
    label."""
    if len(label) > len("Final answer") and only_a_machine_says(f"{label.strip()}:"):
        return "announced"
    words = _ASIDE.sub(" ", label).lower().strip(_MARKS).split()
    if words and re.fullmatch(_TELLS, words[-1]) and len(words) > 1:
        words = words[:-1]
    if not words or len(words) > 4:
        return None
    if len(words) > 1 and words[-1] in _OWN_LABELS and words[-2].endswith(("'s", "\u2019s")):
        words = [*words[:-2], words[-2][:-2]]
    name = " ".join(words)
    begins = following.isupper() or following in ('"', "“", "'", "*")
    if name in _OWN_LABELS or (voices.speaker and set(words) <= set(voices.speaker.lower().split())):
        return "own"
    if name in _FOREIGN_LABELS:
        return "other"
    is_other = name == voices.listener.lower() or name in voices.others or name in _FOREIGN_BEFORE_A_CAPITAL
    return "other" if is_other and begins else None


def _without_narration(text: str, voices: Voices) -> str:
    """The text without the sentences that tell what somebody does; of what is quoted in them, the quotation is kept."""
    found = list(_told(text, voices))
    return text if found == [text] else "".join(found)


def _told(text: str, voices: Voices) -> Iterator[str]:
    own, other, theirs = _deeds_of(voices.speaker), _tag_of(voices.listener), False
    for sentence in sentences(text):
        bare = sentence.strip()
        tag_first = _TAG_FIRST.match(bare)
        if tag_first is not None and set(tag_first.group(1).lower().split()) <= set(voices.speaker.lower().split()):
            yield tag_first.group(2)
            continue
        tagged = _TAGGED.match(bare)
        if tagged is not None and (
            whose := _teller(bare[tagged.end(2) + 1 :].lstrip(" ,"), voices, is_first=text.startswith(bare))
        ):
            if whose == "own":
                quoted = tagged.group(2).strip()
                yield f"{quoted[:-1]}." if quoted.endswith(",") else quoted
        elif (other is not None and other.match(bare)) or (theirs and bare[:1] in ('"', "“")):
            theirs = True
            continue
        elif (own is not None and own.match(bare)) or _NARRATED.match(bare):
            continue
        else:
            theirs = False
            yield sentence


def _teller(tag: str, voices: Voices, *, is_first: bool) -> str:
    """Whose words a quotation is, by what stands behind it: "own", "other" or ""."""
    words = tag.split()
    names = {"own": set(voices.speaker.lower().split()), "other": set(voices.listener.lower().split())}
    for whose, known in names.items():
        for at in (1, 2):
            if (
                len(words) > at
                and {word.lower() for word in words[:at]} <= known
                and re.match(_TELLS, words[at].lower())
            ):
                return whose
        if len(words) > 1 and re.fullmatch(_TELLS, words[0].lower()) and words[1].lower().strip(".,") in known:
            return whose
    return "own" if is_first and _SAYS.match(tag) else ""


@lru_cache(maxsize=256)
def _deeds_of(speaker: str) -> re.Pattern[str] | None:
    """Finds a sentence that tells what the speaker does, by their name."""
    names = [re.escape(name) for name in (speaker, *speaker.split()) if len(name) > 2]
    if not names:
        return None
    name = f"(?:{'|'.join(names)})"
    return re.compile(
        rf"^(?:with an? (?:\w+ )?(?:sigh|smile|grin|shrug|nod|laugh|smirk|wink|frown), )?{name}"
        rf"(?:'s (?:eyes|voice|face|gaze|expression|hands?|lips|smile|tone)\b| (?:\w+ly )?{_DOES}\b)",
        re.IGNORECASE,
    )


@lru_cache(maxsize=256)
def _tag_of(listener: str) -> re.Pattern[str] | None:
    """Finds a sentence that tells what the listener says."""
    if len(listener) < 3:
        return None
    return re.compile(
        rf"^{re.escape(listener)} (?:{_TELLS}\s*[,:]|{_DOES}(?<!says)(?<!asks)(?<!speaks)(?:[.!,]| (?:and|at|back|away|down|up|in|out)\b))",
        re.IGNORECASE,
    )
