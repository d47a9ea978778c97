"""The commands an NPC takes, with the bounds of every field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ganggpt.domain.fields import (
    Money,
    Name50,
    Name100,
    Names16,
    OptionalText500,
    OptionalText1000,
    Percent,
    PlayerRef,
    Slug,
    Slugs16,
    Text500,
    Traits,
    UnixSeconds,
)
from ganggpt.domain.memory import MemoryKind, Source
from ganggpt.domain.turn import Command


@dataclass(frozen=True, slots=True)
class Spawn(Command):
    """Bring an NPC into the world; the fields of its sheet. Not for players."""

    name: Name100
    role: Name100
    home: Slug
    faction: Slug | None
    traits: Traits
    style: Name50
    backstory: OptionalText1000 = ""
    likes: Names16 = ()
    missions: Slugs16 = ()
    creates: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Talk(Command):
    """A player says something to the NPC. ``name``: what the player calls themselves."""

    text: Text500
    name: Name50 | None = None


@dataclass(frozen=True, slots=True)
class Observe(Command):
    """Something happens before the NPC's eyes. ``about``: the player who did it."""

    what: Text500
    weight: Percent
    about: PlayerRef | None = None


@dataclass(frozen=True, slots=True)
class Give(Command):
    """A player hands over an item worth ``value`` dollars."""

    item: Name100
    value: Money = 0
    name: Name50 | None = None


@dataclass(frozen=True, slots=True)
class Threaten(Command):
    """A player threatens the NPC."""

    text: OptionalText500 = ""
    armed: bool = False
    name: Name50 | None = None


@dataclass(frozen=True, slots=True)
class AskForWork(Command):
    """A player asks for a mission."""

    name: Name50 | None = None


@dataclass(frozen=True, slots=True)
class Remember(Command):
    """Another actor tells the NPC something to keep."""

    text: Text500
    kind: MemoryKind = "note"
    weight: Percent = 50
    about: PlayerRef | None = None
    source: Source = "told"
    expires_s: UnixSeconds | None = None
    internal: ClassVar[bool] = True
