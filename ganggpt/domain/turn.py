"""One turn of an actor: what goes in, what comes out, and what a kind of actor has to provide.

The rules are pure. ``decide(state, command, turn)`` reads time, dice, world and wording from the turn and returns a
Decision; ``evolve(state, event)`` folds one event into the state. Effects on the outside (tell another actor, tell the
game server, wake me later) are data in the Decision and leave together with the events, in one commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, TypeVar

from msgspec import Struct

from ganggpt.domain.described import Senders
from ganggpt.domain.ids import ActorId
from ganggpt.domain.world import World

T = TypeVar("T")
_MASK = (1 << 64) - 1


class Command:
    """Base of all commands: frozen slotted dataclasses, imperative names, bounded fields (annotated-types).

    ``tag`` is the command's name on the wire and in the journal, given as a class keyword: a class may be renamed, its
    tag stays. ``creates`` marks a command that may meet an actor which does not exist yet (state None).
    ``internal`` marks one that only actors send; the bridge refuses it from outside.

    The others say what their senders have to know: ``senders``, who may send it; ``reply``, the shape of its reply (a
    TypedDict); ``refuses``, the reasons of Refused it can meet. ``again``: one that ``creates`` may also meet an actor
    that exists.
    """

    __slots__ = ()
    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid"}
    tag: ClassVar[str]
    creates: ClassVar[bool] = False
    internal: ClassVar[bool] = False
    senders: ClassVar[Senders] = Senders.ANYBODY
    reply: ClassVar[Any] = None
    refuses: ClassVar[tuple[str, ...]] = ()
    again: ClassVar[bool] = False

    def __init_subclass__(cls, *, tag: str = "") -> None:
        # A slotted dataclass is made twice; the copy already has the tag among its attributes.
        cls.tag = tag or cls.__dict__["tag"]

    def is_durable(self) -> bool:
        """True where the reply must wait for the commit; False where a player would not miss the last second."""
        return True


class Event(Struct, frozen=True, gc=False, array_like=True):
    """Base of all events: facts in the past tense. Array-like: append fields with defaults, never reorder. ``tag`` is
    the name in the journal, given as a class keyword: a class may be renamed, its tag stays."""


class Message(Struct, frozen=True, gc=False):
    """A command for another actor; leaves through the durable outbox and is applied once."""

    to: ActorId
    command: Any


class Push(Struct, frozen=True, gc=False):
    """A message to game servers: ``server`` is a server name, or ``*`` for all; ``body`` is JSON-able and small."""

    server: str
    type: str
    body: Mapping[str, Any]


class Remind(Struct, frozen=True, gc=False):
    """Send me ``command`` at Unix time ``due_s``; a reminder of the same name is replaced."""

    name: str
    due_s: float
    command: Any


class Forget(Struct, frozen=True, gc=False):
    """Cancel the reminder of that name."""

    name: str


class ModelRequest(Struct, frozen=True, gc=False):
    """Ask the model about ``brief`` (a record of the domain). Every part of its answer comes back as a command to this
    actor, judged by the rules like a player's. ``fallback`` is the command that comes where it does not answer within
    ``within_s`` seconds.

    Nothing of this is journaled: an actor that must not wait in vain after a crash sets a reminder as well. A request
    replaces an earlier one of the same ``name``, whose answer is then ignored. ``waited_for`` False: nobody waits for
    the answer, so it gives way to requests that somebody waits for.
    """

    name: str
    brief: Any
    fallback: Any
    within_s: float
    waited_for: bool = True


class CancelRequest(Struct, frozen=True, gc=False):
    """Ignore whatever the model answers to the request of that name."""

    name: str


class Decision(Struct, frozen=True, gc=False):
    """What a turn decided. ``reply`` is JSON-able. With no events and no effects, nothing is journaled."""

    events: tuple[Event, ...] = ()
    reply: Mapping[str, Any] = {}
    messages: tuple[Message, ...] = ()
    pushes: tuple[Push, ...] = ()
    reminders: tuple[Remind | Forget, ...] = ()
    model_requests: tuple[ModelRequest | CancelRequest, ...] = ()


class Dice:
    """A small reproducible stream of chance (splitmix64, Steele et al. 2014), seeded by actor, seq and world."""

    __slots__ = ("_x",)

    def __init__(self, seed: int) -> None:
        self._x = seed & _MASK

    def bits(self) -> int:
        """64 random bits."""
        self._x = (self._x + 0x9E3779B97F4A7C15) & _MASK
        z = self._x
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return z ^ (z >> 31)

    def unit(self) -> float:
        """A float in [0, 1)."""
        return (self.bits() >> 11) * 2.0**-53

    def chance(self, probability: float) -> bool:
        """True with that probability."""
        return self.unit() < probability

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + self.bits() % (high - low + 1)

    def pick(self, options: Sequence[T]) -> T:
        """One of a non-empty sequence."""
        return options[self.bits() % len(options)]


class Wording(Protocol):
    """Puts into words what the rules decided to say. Pure: same brief and dice, same words."""

    def say(self, brief: Any, dice: Dice) -> str:
        """Words for a brief (``domain.mind.brief``): at most 500 characters, never empty."""
        ...


MODEL_WAIT_S: Final = 12.0
"""Longest wait for all of a model's answer to somebody, unless GANGGPT_AI_WAIT says otherwise."""


@dataclass(slots=True)
class Turn:
    """Everything a rule may know besides state and command.

    ``now_s``: Unix seconds. ``actor``: whose turn. ``seq``: the number this turn gets in the journal. ``by``: who sent
    the command (an actor id, or ``server:<name>``). ``has_model``: whether it makes sense to ask one; ``model_wait_s``:
    longest wait for its answer where somebody waits for it. ``tail``: what the archive of a mind found for this command
    (memories, each with how well it fits, 0..1), where it was asked before; None where it was not, or too slow.
    """

    actor: ActorId
    seq: int
    now_s: float
    by: str
    dice: Dice
    world: World
    wording: Wording
    has_model: bool = False
    model_wait_s: float = MODEL_WAIT_S
    tail: tuple[tuple[Any, float], ...] | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of actor: its pure state machine and the shapes it is made of.

    ``commands``: command name to class. ``events``: the union type of its events. ``state``: a frozen msgspec Struct.
    ``decide(state | None, command, turn) -> Decision`` raises Refused, UnknownActor or AlreadyExists.
    ``evolve(state | None, event) -> state``. ``view(state, now_s) -> dict`` is what a read shows (JSON-able),
    and ``shows`` its shape (a TypedDict). ``ahead(state, command, turn)``: the message to its archive whose answer a
    talk should wait for, None where it is sure by itself.
    """

    name: str
    state: type[Struct]
    events: Any
    commands: Mapping[str, type[Command]]
    decide: Callable[[Any, Any, Turn], Decision]
    evolve: Callable[[Any, Any], Any]
    view: Callable[[Any, float], dict[str, Any]]
    shows: Any = None
    ahead: Callable[[Any, Any, Turn], Any] | None = None
