"""The data of a player in a world: where to find it, and how it is deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from msgspec import Struct

from ganggpt.domain.ids import name_of
from ganggpt.domain.language.naming import search_of

IsAbout = Callable[[bytes], bool]

TABLES: Final = (
    "outbox",
    "reminders",
    "pushes",
    "npc_memories",
    "faction_relationships",
    "missions",
    "companions",
    "ai_exchanges",
    "ai_spend",
    "players",
)
"""Tables besides snapshots and journal in which a player may be found, in the order in which their rows can be deleted:
players last, because others point at them."""
LOOSE: Final = frozenset(("ai_exchanges",))
"""Tables of records, texts within texts: every string in them counts as a text."""
REWORDED: Final[Mapping[str, tuple[str, ...]]] = {"missions": ("title", "description")}
"""Tables whose rows stay, and their texts that lose the name."""


class ErasureOrder(Struct, frozen=True):
    """An order to erase a player. ``player`` is None once it is fulfilled. ``erased``: how many of what were erased."""

    no: int
    player: str | None
    names: tuple[str, ...]
    alias: str
    salt: bytes
    mark: bytes
    asked_at: datetime
    step: str
    rounds: int
    erased: dict[str, int]
    done_at: datetime | None


class Words(Struct, frozen=True):
    """What to search for: the actor, and the names it goes by, in every spelling."""

    player: str
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The actor, and how the ids of its deeds begin: the bare name and a dot."""
        return (self.player, f"{name_of(self.player)}.")

    @property
    def patterns(self) -> list[str]:
        """Every id as a pattern of LIKE."""
        return [f"%{_escaped(word)}%" for word in self.ids]

    @property
    def search(self) -> str | None:
        """A regular expression that finds the names, and more, in escaped bytes (``naming.search_of``)."""
        return search_of(self.names)


class TurnRow(Struct, frozen=True):
    """A turn in the journal, and the part of the journal that holds it."""

    part: str
    seq: int
    day: Any
    command_id: Any
    by: str
    name: str
    body: bytes
    at_s: float


class FoundRow(Struct, frozen=True):
    """A row of another table that may be about the player."""

    key: str
    theirs: bool
    text: str
    body: bytes


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


class PlayerDataStore(Protocol):
    """Players in the tables of a world; ``PostgresPlayerData`` is the real adapter. Every method raises Unavailable."""

    async def open_orders(self) -> Sequence[ErasureOrder]:
        """Orders that are not fulfilled, oldest first."""
        ...

    async def note(self, no: int, step: str, rounds: int, names: Sequence[str], erased: Mapping[str, int]) -> None:
        """Keep how far an order is."""
        ...

    async def fulfil(self, no: int) -> None:
        """Mark an order as fulfilled; whom it was about is deleted from it."""
        ...

    async def names(self, player: str) -> Sequence[str]:
        """The name in the player's own row."""
        ...

    async def origins(self, player: str) -> Sequence[str]:
        """Memories about the player that rumours came from, ``npc:mara#7``."""
        ...

    async def actors(self, words: Words) -> Sequence[str]:
        """Actors whose snapshot or turns may contain one of the words."""
        ...

    async def forget_turns(self, actor: str) -> Sequence[tuple[int, bytes]]:
        """Numbers and bodies of the turns in which an actor forgot a player."""
        ...

    def turns(self, actor: str, words: Words | None = None) -> AsyncIterator[TurnRow]:
        """Turns of an actor in order: all, or those that may contain one of the words."""
        ...

    async def rows_about(self, table: str, words: Words) -> Sequence[FoundRow]:
        """Rows of one of TABLES that may be about the player."""
        ...

    async def send(self, order: ErasureOrder, round_: int, body: bytes, targets: Mapping[str, str]) -> Sequence[bytes]:
        """Send messages to actors (by the shard that delivers them), once a round; the ids of the commands."""
        ...

    async def undelivered(self, order: ErasureOrder, round_: int) -> Sequence[str]:
        """Actors that have not answered the messages of a round."""
        ...

    async def unshown(self, ids: Sequence[bytes]) -> int:
        """How many turns of these commands the user's tables do not show yet."""
        ...

    async def rewrite(self, actor: str, part: str, rows: Sequence[tuple[int, Any, str, bytes]]) -> None:
        """Replace the bodies of turns: (seq, day, by, body), all of one part of the journal."""
        ...

    async def delete_actor(self, actor: str) -> bool:
        """Delete what is left of an actor that ceased to exist; False where it did not."""
        ...

    async def clean(self, table: str, keys: Sequence[str], player: str) -> int:
        """Delete the player from rows of one of TABLES; returns from how many."""
        ...

    async def reword(self, table: str, rows: Sequence[tuple[str, ...]]) -> int:
        """Replace the texts in rows of one of REWORDED: (key, texts in their order); returns how many."""
        ...


class PlayerDataCache(Protocol):
    """Players in a cache; ``RedisPlayerData`` is the real adapter."""

    async def forget(self, is_about: IsAbout) -> int:
        """Delete every entry in whose name or value ``is_about`` finds the player; how many. Raises Unavailable."""
        ...
