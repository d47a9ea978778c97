"""Prompts: instructions come from the world and our files, data from players, and the types keep the two apart.

System messages are made of ``WorldText`` alone, and only this module makes one: from prompt files and from the world's
sheets, by id. Text that a player can influence enters as a ``DataPart``, which is normalised, bounded, inspected, and
written as one quoted line between marks that nobody can guess. A plain text in the place of a WorldText fails the type
check, and raises TypeError at run time.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, final, get_args

from ganggpt.ai.guards.input import SCRIPTED_FROM, Inspected, Trust, inspect, inspect_all, trust_of
from ganggpt.ai.minds.prompt_files import Prompts
from ganggpt.ai.minds.texts import sample_lines
from ganggpt.ai.minds.world_text import world_in_words
from ganggpt.domain.ids import ActorId, name_of
from ganggpt.domain.mind.actions import ACTION_WORDS
from ganggpt.domain.mind.background import traits_in_words
from ganggpt.domain.mind.brief import Act
from ganggpt.domain.world import World

Rating = Literal["teen", "mature"]
DataKind = Literal[
    "name", "heard", "persona", "about you", "place", "time", "near", "memory", "rumour", "thing", "holds", "offer",
    "order", "topic", "known", "title", "task", "cause", "politics", "note", "they said", "you said",
]  # fmt: skip
"""The kind of a part of data."""
Block = Literal["who you are", "now", "memories", "talk so far", "heard now"]
_BLOCKS: Final[tuple[Block, ...]] = get_args(Block)
_BLOCK_OF: Final[dict[DataKind, Block]] = {
    "persona": "who you are", "about you": "who you are", "memory": "memories", "rumour": "memories",
    "they said": "talk so far", "you said": "talk so far", "name": "heard now", "heard": "heard now",
}  # fmt: skip
"""The block of a kind of data; every other kind stands in ``now``."""
CHARS_MAX: Final = {"heard": 500, "name": 60, "thing": 110, "title": 110, "persona": 1_500, "note": 1_000}
"""Longest text of a kind, in characters; 260 for every other kind."""
_OTHER_CHARS_MAX: Final = 260
PARTS_MAX: Final = 64
PROMPT_CHARS_MAX: Final = 16_000
"""Characters of all data together; parts are left out from the end until it fits."""
MARK_CHARS: Final = 8
_MADE_HERE: Final = object()
_MOODS: Final = frozenset({"dark", "sour", "calm", "good", "elated"})
_STANDINGS: Final = frozenset({"enemy", "hostile", "wary", "neutral", "friendly", "trusted", "family"})
_ACTS: Final = frozenset(get_args(Act))
_FROM_SPEAKER: Final = frozenset({"name", "heard", "thing", "order", "topic", "note"})
"""Kinds of data that come from the speaker: these decide who may answer."""


@final
class WorldText:
    """Text that may instruct a model. It is not a ``str``, so that the two are never concatenated by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str, made_by: object = None) -> None:
        if made_by is not _MADE_HERE:
            raise TypeError("a WorldText is made from prompt files and world sheets by ganggpt.ai.minds.prompt only")
        self._text = text

    @property
    def text(self) -> str:
        """The words."""
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WorldText) and other.text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return f"WorldText({self._text[:40]!r}…)"


@final
@dataclass(frozen=True, slots=True)
class Fence:
    """The mark of one request. Nobody outside can guess it; the same request always gets the same mark."""

    mark: str

    @classmethod
    def of(cls, secret: bytes, request: str) -> Fence:
        """The mark of a request by its id: HMAC-SHA256 under a secret of the server, so that a replay is exact."""
        return cls(hmac.new(secret, request.encode(), hashlib.sha256).hexdigest()[:MARK_CHARS])

    @classmethod
    def fresh(cls) -> Fence:
        """A random mark."""
        return cls(secrets.token_hex(MARK_CHARS // 2))


@final
@dataclass(frozen=True, slots=True)
class DataPart:
    """A piece of data in a prompt, which is never an instruction. Provenance by ``data``. ``note``: words of the rules
    before it."""

    kind: DataKind
    inspected: Inspected
    note: str = ""

    @property
    def text(self) -> str:
        """The words, with their note."""
        return f"{self.note} {self.inspected.text}" if self.note else self.inspected.text

    def line(self, fence: Fence) -> str:
        """The part as one line, its kind and JSON text, that cannot contain the mark."""
        text = self.text
        at = text.casefold().find(fence.mark.casefold())
        while at >= 0:
            text = f"{text[:at]}…{text[at + len(fence.mark) :]}"
            at = text.casefold().find(fence.mark.casefold())
        return f"{self.kind}: {json.dumps(text, ensure_ascii=False)}"

    @property
    def block(self) -> Block:
        """Where it stands in the message."""
        return _BLOCK_OF.get(self.kind, "now")


def data(kind: DataKind, text: str, note: str = "") -> DataPart:
    """A text from outside as a part of a prompt: normalised, bounded and inspected. ``note``: words of the rules that
    change with time, so that the same text is inspected once."""
    return DataPart(kind, inspect(text, CHARS_MAX.get(kind, _OTHER_CHARS_MAX)), note)


def rules(prompts: Prompts, *names: str) -> WorldText:
    """Several prompt files as one text."""
    return WorldText("\n".join(prompts.text(name) for name in names), _MADE_HERE)


def persona(prompts: Prompts, world: World, actor: ActorId) -> WorldText | None:
    """Who an actor is, by the world's sheets; None for an actor without a sheet (companions, people created in
    play)."""
    sheet = world.npcs.get(name_of(actor)) if actor.startswith("npc:") else None
    if sheet is None:
        return None
    home = world.districts.get(sheet.home)
    side = world.factions.get(sheet.faction) if sheet.faction is not None else None
    text = prompts.text(
        "persona",
        who=sheet.name,
        role=sheet.role,
        home=home.name if home is not None else sheet.home,
        faction=side.name if side is not None else "none",
        style=sheet.style,
        backstory=sheet.backstory.strip() or "unknown.",
        likes=", ".join(sheet.likes) or "nothing in particular",
        aims="; ".join(sheet.aims) or "nothing you would tell",
        missions=", ".join(sheet.missions) or "none",
        traits=", ".join(traits_in_words(sheet.traits)) or "neither this nor that",
        examples=" / ".join(sample_lines(sheet.style)),
    )
    return WorldText(text, _MADE_HERE)


def of_world(prompts: Prompts, world: World) -> WorldText:
    """The world as everybody in it knows it: the same words for all of its people, so that a provider keeps them."""
    return WorldText(prompts.text("world", **world_in_words(world)), _MADE_HERE)


def blocks(parts: Iterable[DataPart], fence: Fence) -> str:
    """Parts of data as blocks between marks, in the order in which a message has them."""
    by_block: dict[Block, list[str]] = {}
    for part in sorted(parts, key=lambda part: part.kind == "heard"):
        # What is answered comes last.
        by_block.setdefault(part.block, []).append(part.line(fence))
    return "\n".join(
        "\n".join((f"{fence.mark} {block}", *by_block[block], f"{fence.mark} end"))
        for block in _BLOCKS
        if block in by_block
    )


def joined(*texts: WorldText | None) -> WorldText:
    """Several texts as one."""
    return WorldText("\n".join(text.text for text in texts if text is not None), _MADE_HERE)


_DECIDED: Final[dict[str, str]] = {
    "offer_work": "offer them the work in the part offer",
    "repeat_work": "repeat the work you offered, in the part offer",
    "refuse_work": "you give them no work",
    "no_work": "you have no work for them",
    "obey": "you do what was ordered",
    "refuse_order": "you do not do what was ordered",
    "refuse_action": "you do not do what they want of you",
    "deflect": "change the subject",
    "forgive": "they say they are sorry; answer to that by how you stand with them",
    "brush_off": "you want nothing to do with them",
    "account": "say how loyal you are to them, and why",
    "warn_owner": "warn them that you are about to leave",
    "leave_owner": "tell them that you leave",
    "betray_owner": "tell them that you have turned against them",
}
"""What the rules decided, for a model; where they decided nothing the line alone says what to answer."""


@final
@dataclass(frozen=True, slots=True)
class Situation:
    """The part of a prompt that changes with every line; each word is from a fixed list. ``actions``: what may be done
    now. Raises ValueError for other words."""

    act: str
    mood: str
    standing: str
    knows_itself: bool
    actions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lists = ((self.act, _ACTS), (self.mood, _MOODS), (self.standing, _STANDINGS))
        for word, known in (*lists, *((action, ACTION_WORDS) for action in self.actions)):
            if word not in known:
                raise ValueError(f"{word[:40]!r} is no word for a situation")

    def text(self, prompts: Prompts, fence: Fence, trust: Trust) -> str:
        """The head of the user's message."""
        decided = _DECIDED.get(self.act)
        text = prompts.text(
            "situation",
            mark=fence.mark,
            whose="above" if self.knows_itself else "in the block who you are",
            mood=self.mood,
            standing=self.standing,
            actions=", ".join(self.actions) or "nothing else",
            decided="" if decided is None else f"Decided, to be said in your words: {decided}.",
            caution=prompts.text("caution") if trust != "model" else "",
        )
        return "\n".join(line for line in text.splitlines() if line.strip())


@final
@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt of a request. ``system`` is the same for every request to one actor, whatever players say;
    ``left_out`` counts parts that did not fit or looked like earlier attacks. Raises TypeError, ValueError."""

    system: WorldText
    situation: Situation
    parts: tuple[DataPart, ...]
    fence: Fence
    prompts: Prompts
    left_out: int = 0

    def __post_init__(self) -> None:
        wanted: tuple[tuple[Any, type], ...] = (
            (self.system, WorldText),
            (self.situation, Situation),
            (self.fence, Fence),
            *((part, DataPart) for part in self.parts),
        )
        for part, kind in wanted:
            if not isinstance(part, kind):
                raise TypeError(f"a prompt takes a {kind.__name__} there, not a {type(part).__name__}")
        if len(self.parts) > PARTS_MAX:
            raise ValueError(f"{len(self.parts)} parts of data, at most {PARTS_MAX}")

    @property
    def score(self) -> int:
        """How suspicious the speaker's fields are together, 0..100."""
        return inspect_all((part.inspected.text, len(part.text) + 1) for part in self._from_speaker())

    @property
    def trust(self) -> Trust:
        """Who may answer this prompt."""
        return trust_of(max((self.score, *(part.inspected.score for part in self._from_speaker()))))

    def messages(self) -> tuple[tuple[Literal["system", "user"], str], ...]:
        """Role and text of each message: the instructions, then the data."""
        return ("system", self.system.text), ("user", self._user(self.fence))

    @property
    def digest(self) -> str:
        """SHA-256 of the prompt without its mark, in hex: equal for equal questions."""
        blank = Fence("0" * MARK_CHARS)
        whole = json.dumps([self.system.text, self._user(blank)], ensure_ascii=False)
        return hashlib.sha256(whole.encode()).hexdigest()

    def explained(self) -> list[str]:
        """What was suspicious about each part, for ``ganggpt why``."""
        return [f"{part.kind}: {part.inspected.explained()}" for part in self.parts if part.inspected.reasons]

    def _from_speaker(self) -> Iterable[DataPart]:
        return (part for part in self.parts if part.kind in _FROM_SPEAKER)

    def _user(self, fence: Fence) -> str:
        return f"{self.situation.text(self.prompts, fence, self.trust)}\n{blocks(self.parts, fence)}"


def assembled(
    system: WorldText, situation: Situation, parts: Sequence[DataPart], fence: Fence, prompts: Prompts
) -> Prompt:
    """A prompt of bounded size. What the speaker sent always stays; of the rest, parts that look like attacks (a
    poisoned memory) and what does not fit are left out, from the end."""
    kept: list[DataPart] = []
    spent = sum(len(part.text) for part in parts if part.kind in _FROM_SPEAKER)
    for part in parts:
        if part.kind not in _FROM_SPEAKER:
            spent += len(part.text)
            if part.inspected.score >= SCRIPTED_FROM or spent > PROMPT_CHARS_MAX:
                spent -= len(part.text)
                continue
        if len(kept) < PARTS_MAX:
            kept.append(part)
    return Prompt(system, situation, tuple(kept), fence, prompts, len(parts) - len(kept))
