"""Retirement: how people and factions leave the world without being lost. They keep their state and can come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from msgspec import Struct
from typing_extensions import TypedDict

from ganggpt.domain.described import Doc, Senders
from ganggpt.domain.fields import OptionalText200
from ganggpt.domain.turn import Command, Event, Turn
from ganggpt.errors import Refused


class RetireReply(TypedDict):
    """It has left the world."""

    retired: Annotated[str | None, Doc("its id; null where it never lived")]
    since_s: float | None


class AbsenceShown(TypedDict):
    """Since when an actor is retired, and why."""

    since_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Retire(Command, tag="Retire"):
    """Leave the world: an NPC or a faction that is retired refuses what people want of it, and keeps what it knows.
    ``Spawn`` or ``Found`` brings it back. By a server."""

    reason: OptionalText200 = ""
    senders: ClassVar[Senders] = Senders.SERVER
    reply: ClassVar[Any] = RetireReply
    refuses: ClassVar[tuple[str, ...]] = ("not_allowed",)


class Absence(Struct, frozen=True, gc=False, array_like=True):
    """Since when an actor is retired, and why."""

    since_s: float
    reason: str = ""


class Retired(Event, frozen=True, tag="Retired"):
    """The actor left the world."""

    reason: str
    at_s: float


def refusal(name: str, absence: Absence) -> Refused:
    """The answer to whoever wants something of a retired actor."""
    why = f" ({absence.reason})" if absence.reason else ""
    return Refused("retired", f"{name} has left the world{why}; nobody can reach them until they come back")


def shown(absence: Absence | None) -> dict[str, object] | None:
    """What a read shows of it; None for an actor that is there."""
    return None if absence is None else {"since_s": absence.since_s, "reason": absence.reason}


def for_servers(turn: Turn, what: str) -> None:
    """Raises Refused where a player gives a command that is for game servers."""
    if turn.by.startswith("player:"):
        raise Refused("not_allowed", f"a player cannot {what}; a game server can")
