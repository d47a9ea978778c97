"""The commands a companion takes, with the bounds of every field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

from annotated_types import Ge, Le

from ganggpt.domain.companion.replies import (
    CompanionSpoken,
    ExperienceReply,
    OrderReply,
    RecruitReply,
    SufferReply,
)
from ganggpt.domain.described import Senders
from ganggpt.domain.fields import Count1000, Name50, PlayerRef, Target, Text200, Text500, Traits
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.turn import Command

OrderName = Literal["follow", "wait", "guard", "scout", "drive", "fetch", "attack", "hide", "heal", "hack", "pick_lock"]

Harm = Annotated[int, Ge(1), Le(100)]


@dataclass(frozen=True, slots=True)
class Recruit(Command, tag="Recruit"):
    """A player takes a companion on, or one that went away. By the owner themselves or a server."""

    owner: PlayerRef
    name: Name50
    companion_type: Name50
    personality: Traits
    style: Name50 = "plain"
    creates: ClassVar[bool] = True
    senders: ClassVar[Senders] = Senders.FOR_THEMSELVES
    reply: ClassVar[Any] = RecruitReply
    refuses: ClassVar[tuple[str, ...]] = ("not_owner", "grudge")


@dataclass(frozen=True, slots=True)
class Talk(Command, tag="Talk"):
    """A player says something to it. Only the owner's words move its loyalty. ``scene``: where they stand."""

    text: Text500
    name: Name50 | None = None
    scene: TalkScene | None = None
    senders: ClassVar[Senders] = Senders.PLAYER
    reply: ClassVar[Any] = CompanionSpoken
    refuses: ClassVar[tuple[str, ...]] = ("not_a_player",)


@dataclass(frozen=True, slots=True)
class Order(Command, tag="Order"):
    """The owner orders something."""

    order: OrderName
    target: Target | None = None
    senders: ClassVar[Senders] = Senders.OWNER
    reply: ClassVar[Any] = OrderReply
    refuses: ClassVar[tuple[str, ...]] = ("not_owner", "gone")


@dataclass(frozen=True, slots=True)
class GainExperience(Command, tag="GainExperience"):
    """Owner and companion did something together. By the owner or a server."""

    amount: Count1000
    cause: Text200
    senders: ClassVar[Senders] = Senders.OWNER_OR_SERVER
    reply: ClassVar[Any] = ExperienceReply
    refuses: ClassVar[tuple[str, ...]] = ("not_owner", "gone")


@dataclass(frozen=True, slots=True)
class Suffer(Command, tag="Suffer"):
    """The owner did the companion harm: shot it, left it behind. By a server; ``harm`` 1 (a slight) to 100."""

    harm: Harm
    cause: Text200
    senders: ClassVar[Senders] = Senders.SERVER
    reply: ClassVar[Any] = SufferReply
    refuses: ClassVar[tuple[str, ...]] = ("not_allowed", "gone")


@dataclass(frozen=True, slots=True)
class Dismiss(Command, tag="Dismiss"):
    """The owner lets the companion go. By the owner or a server."""

    senders: ClassVar[Senders] = Senders.OWNER_OR_SERVER
    reply: ClassVar[Any] = CompanionSpoken
    refuses: ClassVar[tuple[str, ...]] = ("not_owner", "gone")


def order_in_words(order: str, target: str | None, owner: str = "you") -> str:
    """What an order says is to be done."""
    bare, aimed = _DOINGS[order]
    return bare.replace("you", owner) if target is None else aimed.replace("{}", target)


_DOINGS: Final[Mapping[str, tuple[str, str]]] = {
    "follow": ("follow you", "follow {}"), "wait": ("wait here", "wait at {}"), "guard": ("stand guard", "guard {}"),
    "scout": ("scout ahead", "scout {}"), "drive": ("drive", "drive to {}"), "fetch": ("fetch it", "fetch {}"),
    "attack": ("attack", "attack {}"), "hide": ("hide", "hide at {}"), "heal": ("patch you up", "patch up {}"),
    "hack": ("hack it", "hack {}"), "pick_lock": ("pick the lock", "pick the lock of {}"),
}  # fmt: skip
"""An order in words, without and with a target."""
