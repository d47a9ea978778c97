"""The registry of kinds, and how their states, turns and commands become bytes.

Everything stored begins with the version of its layout. Appending a field with a default needs nothing; whatever else
changes a layout (a rename, a new order) raises VERSION and gets an upcaster, which turns what an older version wrote
into what the next one would have written, on plain lists and maps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain.companion import rules as companion
from ganggpt.domain.faction import rules as faction
from ganggpt.domain.ids import kind_of
from ganggpt.domain.mission import rules as mission
from ganggpt.domain.npc import rules as npc
from ganggpt.domain.player import rules as player
from ganggpt.domain.turn import Command, Decision, Kind, Remind
from ganggpt.domain.upcasters import UPCASTERS, Upcaster
from ganggpt.errors import GangGPTError, UnknownCommand

VERSION: Final = 2
"""Version of the layout that is written now; at most 127, so that it is one byte."""

KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind for kind in (npc.KIND, faction.KIND, companion.KIND, player.KIND, mission.KIND)
}

E = TypeVar("E")
S = TypeVar("S")


class Effects(Struct, frozen=True, gc=False, array_like=True):
    """What a turn has to cause besides its events, with every command encoded once.

    ``messages``: receiver, command, body; a message's place is the ``n`` of its outbox message. ``reminders`` in the
    order of the turn: name, due time, command, body; a due time of None cancels the reminder of that name.
    """

    messages: tuple[tuple[str, str, bytes], ...] = ()
    reminders: tuple[tuple[str, float | None, str, bytes], ...] = ()


class TurnRecord(Struct, Generic[E], frozen=True, gc=False, array_like=True):
    """The journal body of one turn: when it was, what happened, the finished reply map, and its effects (None: none).
    ``first``: the actor did not exist before it, so nothing before it matters, if there is anything.

    Messages and reminders have tables of their own, which change as they are delivered. They are repeated here so that
    a world can be put back to any time from a snapshot and the journal. Pushes are only for screens and are not.
    """

    version: int
    at_s: float
    events: tuple[E, ...]
    reply: bytes
    effects: Effects | None = None
    first: bool = False


class StateRecord(Struct, Generic[S], frozen=True, gc=False, array_like=True):
    """A state in a snapshot."""

    version: int
    state: S


class NewerLayout(GangGPTError):
    """Something stored was written by a newer GangGPT than this one, which therefore cannot read it."""

    code = "newer_layout"

    def __init__(self, kind: str, stored: int, known: int) -> None:
        super().__init__(kind, stored, known)
        self.kind, self.stored, self.known = kind, stored, known

    def __str__(self) -> str:
        return f"The {self.kind} was stored in layout {self.stored}; this version reads up to {self.known}."


_ENCODER: Final = msgspec.msgpack.Encoder()


class Layouts:
    """Reads and writes the records of some kinds at one version. The module's functions use the one of KINDS."""

    def __init__(self, kinds: Mapping[str, Kind], version: int, upcasters: Mapping[tuple[str, int], Upcaster]) -> None:
        self.version = version
        self._upcasters = upcasters
        self._turn_types: dict[str, Any] = {k.name: TurnRecord[k.events] for k in kinds.values()}  # type: ignore[name-defined]
        self._state_types: dict[str, Any] = {k.name: StateRecord[k.state] for k in kinds.values()}  # type: ignore[name-defined]
        self._turns = {name: msgspec.msgpack.Decoder(shape) for name, shape in self._turn_types.items()}
        self._states = {name: msgspec.msgpack.Decoder(shape) for name, shape in self._state_types.items()}

    def encode_state(self, state: Struct) -> bytes:
        """A state for a snapshot."""
        return _ENCODER.encode((self.version, state))

    def decode_state(self, kind: Kind, stored: bytes) -> Any:
        """The reverse of ``encode_state``. Raises NewerLayout."""
        lifts = [step.state for step in self._steps(kind.name, stored[1]) if step.state is not None]
        if not lifts:
            return self._states[kind.name].decode(stored).state
        _, state = msgspec.msgpack.decode(stored)
        for lift in lifts:
            state = lift(state)
        record: StateRecord[Any] = msgspec.convert((self.version, state), self._state_types[kind.name])
        return record.state

    def decode_turn(self, kind: Kind, stored: bytes) -> TurnRecord[Any]:
        """The reverse of ``encode_turn``, its events lifted to the layout of now. Raises NewerLayout."""
        record: TurnRecord[Any]
        lifts = [step.event for step in self._steps(kind.name, stored[1]) if step.event is not None]
        if not lifts:
            record = self._turns[kind.name].decode(stored)
            return record if record.version == self.version else replace(record, version=self.version)
        _, at_s, events, *rest = msgspec.msgpack.decode(stored)
        for lift in lifts:
            events = [lift(event) for event in events]
        record = msgspec.convert((self.version, at_s, events, *rest), self._turn_types[kind.name])
        return record

    def _steps(self, kind: str, version: int) -> Sequence[Upcaster]:
        if version == self.version:
            return ()
        if version > self.version:
            raise NewerLayout(kind, version, self.version)
        steps = (self._upcasters.get((kind, older)) for older in range(version, self.version))
        return [step for step in steps if step is not None]


_LAYOUTS: Final = Layouts(KINDS, VERSION, UPCASTERS)

encode_turn: Final[Callable[[TurnRecord[Any]], bytes]] = _ENCODER.encode
"""A TurnRecord as a journal body."""
decode_turn: Final = _LAYOUTS.decode_turn
encode_state: Final = _LAYOUTS.encode_state
decode_state: Final = _LAYOUTS.decode_state
encode_command: Final[Callable[[Command], bytes]] = _ENCODER.encode
"""The arguments of a command as the body of an envelope, outbox message or reminder; its name travels beside it."""

_WITHOUT_EFFECTS: Final = 0x94


def keeps_effects(stored: bytes) -> bool:
    """Whether a journal body was written by a version that records effects (a list of four has no place for them)."""
    return stored[0] != _WITHOUT_EFFECTS


class _Outline(Struct, frozen=True, gc=False, array_like=True):
    version: int
    at_s: float
    events: msgspec.Raw
    reply: msgspec.Raw
    effects: Effects | None = None
    first: bool = False


_decode_outline: Final = msgspec.msgpack.Decoder(_Outline).decode


def decode_effects(stored: bytes) -> tuple[float, Effects | None, bool]:
    """When a stored turn was, its effects, and whether it was the first, without reading its events."""
    outline = _decode_outline(stored)
    return outline.at_s, outline.effects, outline.first


def effects_of(decision: Decision) -> Effects | None:
    """The messages and reminders of a decision as they are stored, or None where it has neither."""
    if not (decision.messages or decision.reminders):
        return None
    return Effects(
        tuple([(m.to, m.command.tag, encode_command(m.command)) for m in decision.messages]),
        tuple(
            [
                (r.name, r.due_s, r.command.tag, encode_command(r.command))
                if isinstance(r, Remind)
                else (r.name, None, "", b"")
                for r in decision.reminders
            ]
        ),
    )


_COMMANDS: Final[Mapping[str, Mapping[str, msgspec.msgpack.Decoder[Command]]]] = {
    kind.name: {name: msgspec.msgpack.Decoder(command) for name, command in kind.commands.items()}
    for kind in KINDS.values()
}


def kind_for(actor: str) -> Kind:
    """The kind of an actor, by its id."""
    return KINDS[kind_of(actor)]


def decode_command(kind: str, name: str, body: bytes | msgspec.Raw) -> Command:
    """The reverse of ``encode_command``: types are checked, bounds were checked at the border.

    Raises UnknownCommand, or msgspec's ValidationError where the body is of another shape.
    """
    decoder = _COMMANDS[kind].get(name)
    if decoder is None:
        raise UnknownCommand(kind, name)
    return decoder.decode(body)
