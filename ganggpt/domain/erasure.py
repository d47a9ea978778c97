"""Erasure of one player: what a state, a turn or a message says of them, and the same without them.

Two rules hold everywhere. A record that has the player's id in it is about them: it leaves the collection that holds
it. A text that only has their name in it loses the name (``language.naming``: where a word can be a name, if the name
is a word). A journal keeps its shape instead, so that it still replays: ids become an alias that stands for nobody, and
every text of a turn the player had a part in is blank.

Everything walks the records of the domain by their types; which fields hold what people wrote is one list, TEXTS.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import NoneType
from typing import Any, ClassVar, Final, TypeVar, cast, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import fields, replace

from ganggpt.domain.ids import PLAYER_ID_END, name_of
from ganggpt.domain.language import naming
from ganggpt.domain.language.world_knowledge import vocabulary
from ganggpt.domain.mind.memory_record import Memories
from ganggpt.domain.turn import Command, Decision, Event, Turn
from ganggpt.domain.world import FactionSheet, NpcSheet, World

T = TypeVar("T")

SOMEBODY: Final = "somebody"
"""What stands in a text where the player's name was."""
BLANK: Final = "…"
"""What is left of a text of the player's."""
TEXTS: Final = frozenset(
    (
        "aims",
        "backstory",
        "because",
        "body",
        "cause",
        "description",
        "email",
        "heard",
        "item",
        "likes",
        "motto",
        "name",
        "names",
        "near",
        "notes",
        "openers",
        "owner_name",
        "place",
        "prompt",
        "query",
        "reason",
        "role",
        "said",
        "say",
        "style",
        "task",
        "text",
        "title",
        "username",
        "what",
        "why",
        "words",
    )
)
"""Fields with words of people or models; every other string is an id, or a word of the rules."""
_NAMES: Final = frozenset(("name", "names", "near", "owner_name", "username"))
"""Texts that are a name: whoever is called like the player there is the player, also where the name is a word."""
_NAMELESS: Final = frozenset(("aims", "backstory", "item", "likes", "motto", "role", "style"))
"""Texts about things, or of the world's authors: no name is looked for in them."""
NAMES_MAX: Final = 16
"""The most names of a player that are looked for."""
_COMMON_NAMES: Final = frozenset(
    ("player", "guest", "admin", "none", "null", "test", "unknown", "you", "the", "and", SOMEBODY)
)
_NUMBERS: Final = frozenset(("no", "cites", "evidence", "memories", "was"))
"""Fields with numbers of memories."""
_OF_THE_WORLD: Final = (NpcSheet, FactionSheet)
"""Records that the world's authors wrote: they are never about a player."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom it is about: the player's actor, the names they go by, and the alias that stands where one must."""

    player: str
    names: tuple[str, ...] = ()
    alias: str = ""
    origins: frozenset[str] = frozenset()
    """Memories that were about them, ``npc:mara#7``: what became of them on the way from mouth to mouth is too."""
    words: tuple[str, ...] = ()
    """Those of the names that are words as well."""

    def called(self, names: Iterable[str], world: World) -> Subject:
        """The same where the player goes by these names too. What is no name to look for is left out: short ones, words
        like "player", and the world's own names."""
        known = set(map(naming.folded_name, self.names))
        more = {key: name for name in names if (key := naming.folded_name(name).strip()) not in known}
        if not more:
            return self
        of_world = vocabulary(world)
        taken = _COMMON_NAMES | of_world.names
        sought = [name for key, name in more.items() if key not in taken and naming.is_sought(name)]
        sought = sought[: NAMES_MAX - len(self.names)]
        words = [name for name in sought if naming.is_word(name, of_world.words)]
        return dataclasses.replace(self, names=(*self.names, *sought), words=(*self.words, *words))


@dataclass(frozen=True, slots=True)
class ForgetPlayer(Command, tag="ForgetPlayer"):
    """Forget everything about a player. Their own companions, missions and the player cease to exist. ``names``: their
    id and their user names; ``words``: names of theirs that are words as well."""

    player: str
    names: tuple[str, ...]
    alias: str
    origins: tuple[str, ...]
    words: tuple[str, ...] = ()
    internal: ClassVar[bool] = True


class PlayerForgotten(Event, frozen=True, tag="PlayerForgotten"):
    """Everything about a player was forgotten; ``memories``: the numbers of those that went; ``names``: also what they
    called themselves here."""

    player: str
    names: tuple[str, ...]
    alias: str
    origins: tuple[str, ...]
    memories: tuple[int, ...]
    at_s: float
    words: tuple[str, ...] = ()


class Ceased(Event, frozen=True, tag="Ceased"):
    """The actor was a player's own, who is forgotten: it does not exist any more."""

    at_s: float


def forget(state: Any, command: ForgetPlayer, turn: Turn) -> Decision:
    """The erasure rule of a kind that is not a player's own. Nothing is journaled if the state does not know the
    player."""
    event = forgetting(state, command, turn)
    if event is None:
        return Decision(reply={"forgot": 0})
    return Decision((event,), {"forgot": len(event.memories)})


def forgetting(state: Any, command: ForgetPlayer, turn: Turn) -> PlayerForgotten | None:
    """What happens to a state that knows the player; None where it does not."""
    subject = subject_of(command).called(names_in(turn.actor, state, command.player), turn.world)
    after = forgotten(state, subject)
    if after == state:
        return None
    kept = {memory.no for memory in _memories(after)}
    gone = tuple(memory.no for memory in _memories(state) if memory.no not in kept)
    told = (command.player, subject.names, command.alias, command.origins)
    return PlayerForgotten(*told, gone, turn.now_s, subject.words)


def _memories(state: Any) -> Memories:
    return state.mind.memories if hasattr(state, "mind") else ()


def cease(turn: Turn) -> Decision:
    """The rule of what was the player's own."""
    return Decision((Ceased(turn.now_s),), {"ceased": True})


def fold(state: T, event: PlayerForgotten) -> T:
    """The state after it: a kind's fold for PlayerForgotten."""
    return forgotten(state, subject_of(event))


def ceased(_: Any, __: Ceased) -> Any:
    """There is no state after it: a kind's fold for Ceased."""
    return None


def subject_of(told: ForgetPlayer | PlayerForgotten) -> Subject:
    """Whom a command or an event is about."""
    return Subject(told.player, tuple(told.names), told.alias, frozenset(told.origins), tuple(told.words))


def names_in(actor: str, state: Any, player: str) -> Iterable[str]:
    """What an actor's state says the player is called."""
    if actor == player:
        yield state.username
    elif isinstance(standings := getattr(state, "standings", None), Mapping) and player in standings:
        yield getattr(standings[player], "name", "")
    elif getattr(state, "owner", None) == player:
        yield state.owner_name


# ------------------------------------------------------------------------------------------------------ to be about one


@lru_cache(maxsize=64)
def _id_in(player: str) -> Callable[[str], object]:
    """Whether a string has the player's id in it, or is that of a deed of theirs (``witnesses``)."""
    name = re.escape(name_of(player))
    return re.compile(rf"player:{name}{PLAYER_ID_END}|^{name}\.\d+\.\d+$").search


def is_named(text: str, subject: Subject, field: str) -> bool:
    """Whether a text of a field has a name of the player in it."""
    if field in _NAMELESS:
        return False
    return naming.is_named(text, subject.names, subject.words) or (
        field in _NAMES and naming.is_name(text, subject.names)
    )


def nameless(text: str, subject: Subject, field: str = "text") -> str:
    """What somebody wrote without the player's name and id. ``field``: where it stands."""
    text = re.sub(re.escape(subject.player) + PLAYER_ID_END, SOMEBODY, text) if subject.player in text else text
    if field in _NAMELESS or not text:
        return text
    if field in _NAMES and naming.is_name(text, subject.names):
        return SOMEBODY
    return naming.unnamed(text, subject.names, subject.words, SOMEBODY)


def _renamed(value: str, subject: Subject, field: str) -> str:
    if field in TEXTS:
        return nameless(value, subject, field)
    return subject.alias if is_about(value, subject) else value


def _as_field(record: Any, name: str) -> str:
    """What a record's field holds, by name: the name of an item is no name of anybody."""
    return "item" if name == "name" and type(record).__name__ == "Item" else name


def is_about(value: Any, subject: Subject) -> bool:
    """Whether a record, or a string, has the player's id in itself: not only in a collection it holds."""
    if isinstance(value, str):
        return _id_in(subject.player)(value) is not None
    if isinstance(value, Struct):
        for name in value.__struct_fields__:
            part = getattr(value, name)
            if name == "origin" and part in subject.origins:
                return True
            if isinstance(part, str | Struct) and is_about(part, subject):
                return True
    return False


def mentions(value: Any, subject: Subject, field: str = "") -> bool:
    """Whether the player's id stands anywhere in a value of the domain, or in what msgpack holds; or in a text their
    name. ``field``: where the value stands."""
    if isinstance(value, str):
        if is_about(value, subject) or (field == "origin" and value in subject.origins):
            return True
        return field in TEXTS and is_named(value, subject, field)
    return any(mentions(part, subject, name) for name, part in _parts(value, field))


def mentions_anywhere(value: Any, subject: Subject) -> bool:
    """Whether the player's id or a name of theirs stands in a value whose fields nobody knows: every string counts as a
    text, and JSON in it and msgpack are opened."""
    if isinstance(value, bytes):
        value = _opened(value)
    if isinstance(value, str):
        if value[:1] in ("{", "[") and (inner := _json(value)) is not None:
            return mentions_anywhere(inner, subject)
        return is_about(value, subject) or is_named(value, subject, "text")
    if isinstance(value, Mapping):
        return any(mentions_anywhere(part, subject) for pair in value.items() for part in pair)
    return isinstance(value, list | tuple) and any(mentions_anywhere(part, subject) for part in value)


def _opened(value: bytes) -> Any:
    inner = unpacked(value)
    return value.decode(errors="replace") if inner is None else inner


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def fields_of(value: Any) -> tuple[str, ...]:
    """The names of a record's fields; none where it is no record."""
    if isinstance(value, Struct):
        return value.__struct_fields__
    return tuple(field.name for field in dataclasses.fields(value)) if dataclasses.is_dataclass(value) else ()


def _parts(value: Any, field: str) -> Iterable[tuple[str, Any]]:
    """What a value is made of, each part with the name of the field it stands in; bytes are looked into."""
    if isinstance(value, _OF_THE_WORLD):
        return
    if names := fields_of(value):
        for name in names:
            yield _as_field(value, name), getattr(value, name)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield "", key
            yield key if isinstance(key, str) else field, part
    elif isinstance(value, tuple | list):
        for part in value:
            yield field, part
    elif isinstance(value, bytes) and field != "vector" and (inner := unpacked(value)) is not None:
        yield field, inner


def unpacked(value: bytes) -> Any:
    """What bytes hold where they are msgpack of more than a number; else None."""
    try:
        inner = msgspec.msgpack.decode(value, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return inner if isinstance(inner, list | dict | str) else None


# -------------------------------------------------------------------------------------------------------- to be without


def forgotten(state: T, subject: Subject) -> T:
    """A state without the player. The beginnings of its last sentences may quote the player, so all of them are
    dropped."""
    after = _without(state, subject)
    if after != state and hasattr(after, "mind"):
        after = replace(after, mind=replace(after.mind, openers=()))
    return cast(T, after)


def _without(value: Any, subject: Subject, field: str = "") -> Any:
    if isinstance(value, str):
        return _renamed(value, subject, field)
    if isinstance(value, tuple):
        kept = tuple(_without(part, subject, field) for part in value if not is_about(part, subject))
        return value if len(kept) == len(value) and all(a is b for a, b in zip(kept, value, strict=True)) else kept
    if isinstance(value, Mapping):
        left = {
            key: _without(part, subject, field)
            for key, part in value.items()
            if not (is_about(key, subject) or is_about(part, subject))
        }
        return value if len(left) == len(value) and all(left[key] is value[key] for key in left) else left
    if isinstance(value, Struct) and not isinstance(value, _OF_THE_WORLD):
        changed = {}
        for name, optional in _optional(type(value)).items():
            part = getattr(value, name)
            gone = optional and isinstance(part, Struct | str) and is_about(part, subject)
            after = None if gone else _without(part, subject, _as_field(value, name))
            if after is not part:
                changed[name] = after
        return replace(value, **changed) if changed else value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        after_all = {name: _without(getattr(value, name), subject, _as_field(value, name)) for name in fields_of(value)}
        is_same = all(part is getattr(value, name) for name, part in after_all.items())
        return value if is_same else dataclasses.replace(value, **after_all)
    return value


@lru_cache(maxsize=256)
def _optional(shape: type[Struct]) -> dict[str, bool]:
    """The fields of a record, and which of them may be None."""
    return {field.name: NoneType in get_args(field.type) for field in fields(shape)}


# ------------------------------------------------------------------------------------------- to stay, as nobody's words


class Trail:
    """What of one actor's journal is the player's, gathered turn by turn: their memories and their utterances.

    ``memories``: numbers known beforehand, because the journal may not reach back to where they were learned."""

    def __init__(self, subject: Subject, memories: Iterable[int] = ()) -> None:
        self._subject = subject
        self._memories = set(memories)
        self._utterances: set[str] = set()

    def holds(self, events: Iterable[Any], by: str) -> bool:
        """Whether the player had a part in a turn; its memories and utterances are theirs from now on."""
        events = tuple(events)
        theirs = by == self._subject.player or any(self._touches(event, "") for event in events)
        if theirs:
            for event in events:
                self._note(event)
        return theirs

    def _touches(self, value: Any, field: str) -> bool:
        if isinstance(value, str):
            return is_about(value, self._subject) or value in self._utterances
        if isinstance(value, int):
            return field in _NUMBERS and value in self._memories
        return any(self._touches(part, name) for name, part in _parts(value, field))

    def _note(self, event: Any) -> None:
        for part in (event, *(getattr(event, name) for name in getattr(event, "__struct_fields__", ()))):
            shape = type(part).__name__
            if shape == "Memory":
                self._memories.add(part.no)
            elif shape == "Utterance":
                self._utterances.add(part.id)


def rewritten(value: T, subject: Subject, *, blank: bool, field: str = "") -> T:
    """An event, effects or what msgpack holds, with the same shape and nothing of the player. ``blank``: nothing of
    what anybody said in it either."""
    return cast(T, _rewritten(value, subject, blank, field))


def _rewritten(value: Any, subject: Subject, blank: bool, field: str) -> Any:
    if isinstance(value, str):
        return value and BLANK if blank and field in TEXTS else _renamed(value, subject, field)
    if (names := fields_of(value)) and not isinstance(value, _OF_THE_WORLD):
        changed = {name: _rewritten(getattr(value, name), subject, blank, _as_field(value, name)) for name in names}
        return replace(value, **changed) if isinstance(value, Struct) else dataclasses.replace(value, **changed)
    if isinstance(value, Mapping):
        named = ((key, key if isinstance(key, str) else field, part) for key, part in value.items())
        return {_rewritten(k, subject, False, ""): _rewritten(part, subject, blank, name) for k, name, part in named}
    if isinstance(value, tuple | list):
        return type(value)(_rewritten(part, subject, blank, field) for part in value)
    return _repacked(value, subject, blank, field) if isinstance(value, bytes) else value


def _repacked(value: bytes, subject: Subject, blank: bool, field: str) -> bytes:
    """Bytes with what they hold rewritten; a vector says what a text says, and goes with it."""
    if field == "vector":
        return bytes(len(value)) if blank else value
    inner = unpacked(value)
    after = None if inner is None else _rewritten(inner, subject, blank, field)
    return value if after == inner else msgspec.msgpack.encode(after)
