"""The journal as its users see it: batches of turns, and the messages, reminders and pushes that leave with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from msgspec import Struct


class Letter(Struct, frozen=True, gc=False):
    """One message on its way to another actor; ``(sender, seq, n)`` is its identity, ``id`` is derived from it."""

    sender: str
    seq: int
    n: int
    target: str
    id: bytes
    name: str
    body: bytes


class PushRow(Struct, frozen=True, gc=False):
    """One push as it was committed; ``body`` is a msgpack map."""

    no: int
    server: str
    epoch: int
    actor: str
    seq: int
    type: str
    body: bytes


class DueReminder(Struct, frozen=True, gc=False):
    """One reminder whose time has come."""

    actor: str
    name: str
    due_s: float
    command: str
    body: bytes


class StoredTurn(Struct, frozen=True, gc=False):
    """One row of the journal as a wake reads it."""

    seq: int
    command_id: bytes
    body: bytes


class StoredActor(Struct, frozen=True, gc=False):
    """What the store knows of an actor: its last snapshot (seq 0 and None without one) and the turns after it."""

    snapshot_seq: int
    snapshot: bytes | None
    turns: tuple[StoredTurn, ...]


class Place(NamedTuple):
    """The last turn of an actor that somebody has seen."""

    actor: str
    seq: int


class Batch:
    """One group commit, filled turn by turn. Turns and pushes are kept in columns, as a statement takes them.

    ``filed``: for each letter the sender's shard, whose owner delivers it, and its Unix time.
    """

    __slots__ = ("filed", "letters", "pushes", "reminders", "turns")

    def __init__(self) -> None:
        self.turns: tuple[list[Any], ...] = ([], [], [], [], [], [], [])
        self.letters: list[Letter] = []
        self.filed: list[tuple[str, float]] = []
        self.reminders: dict[tuple[str, str], tuple[str, float, str, bytes] | None] = {}
        self.pushes: tuple[list[Any], ...] = ([], [], [], [], [], [], [])

    def __len__(self) -> int:
        return len(self.turns[0])

    def add_turn(self, actor: str, seq: int, at_s: float, command_id: bytes, by: str, name: str, body: bytes) -> None:
        """Add one turn."""
        actors, seqs, ats, ids, bys, names, bodies = self.turns
        actors.append(actor)
        seqs.append(seq)
        ats.append(at_s)
        ids.append(command_id)
        bys.append(by)
        names.append(name)
        bodies.append(body)

    def add_letter(self, letter: Letter, sender_shard: str, at_s: float) -> None:
        """Add one letter of a turn."""
        self.letters.append(letter)
        self.filed.append((sender_shard, at_s))

    def add_push(self, row: tuple[str, str, int, int, str, bytes, float]) -> None:
        """Add one push: server or ``*``, actor, seq, n, type, body, at_s."""
        for column, value in zip(self.pushes, row, strict=True):
            column.append(value)

    def arm(self, actor: str, name: str, shard: str, due_s: float, command: str, body: bytes) -> None:
        """Set a reminder. The last one set for a name in a batch is kept."""
        self.reminders[actor, name] = (shard, due_s, command, body)

    def forget(self, actor: str, name: str) -> None:
        """Clear a reminder."""
        self.reminders[actor, name] = None

    @property
    def has_effects(self) -> bool:
        """Whether anything but turns is in the batch."""
        return bool(self.letters or self.reminders or self.pushes[0])


class Journal(Protocol):
    """The port; ``PostgresJournal`` is the real adapter, ``testing.stores.MemoryJournal`` the one for simulations."""

    async def append(self, epoch: int, batch: Batch) -> Sequence[PushRow]:
        """Commit a batch; returns the pushes it made. Raises Fenced, CommitUnknown."""
        ...

    async def load(self, actors: Sequence[str]) -> Mapping[str, StoredActor]:
        """Snapshots and suffixes of many actors in one query; an unknown one is left out."""
        ...

    async def turn(self, actor: str, seq: int) -> bytes | None:
        """The body of one turn."""
        ...

    async def turn_by_command(self, actor: str, command_id: bytes) -> bytes | None:
        """The body of the turn a command made, found by scanning the actor's own rows; for the rare late retry."""
        ...

    async def is_owed(self, by: str, actor: str, command_id: bytes) -> bool:
        """Whether a letter of ``by`` or a reminder with this derived id still waits to be answered by ``actor``.

        While it does, no day that could hold its turn is dropped: not in the journal then means not applied."""
        ...

    async def save_snapshots(self, epoch: int, schema: int, rows: Sequence[tuple[str, int, bytes]]) -> None:
        """Store ``(actor, seq, body)``; an older seq never replaces a newer one. A fenced host stores nothing."""
        ...

    async def letters(self, shards: Sequence[str], older_than_s: float, limit: int) -> Sequence[Letter]:
        """Unsettled letters of senders in these shards."""
        ...

    async def settle(self, letters: Sequence[Letter]) -> None:
        """Forget letters their receivers have answered durably."""
        ...

    async def due(self, shards: Sequence[str], now_s: float, limit: int) -> Sequence[DueReminder]:
        """Reminders of these shards whose time has come, oldest first."""
        ...

    async def drop_reminder(self, reminder: DueReminder) -> None:
        """Forget a reminder whose actor refused it for good."""
        ...
