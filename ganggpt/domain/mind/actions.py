"""What somebody may do because a model wants it: the actions, and whether rights and means allow them.

A model proposes, the rules decide. An action that passes becomes an AllowedAction: events of the actor's own, a command
the actor then gives itself (so that it passes the same rules as anybody's), and what to tell the game server. One that
does not becomes a Refusal with a reason word, and the actor says so. No action moves money, loyalty, standing or a
relation. Which actions a kind allows is a table of the kind (``npc.actions``, ``companion.actions``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from msgspec import Struct

from ganggpt.domain.fields import Name100, OptionalText500
from ganggpt.domain.language.speech_acts import SpeechAct, hear
from ganggpt.domain.mind.spoken_answer import Answer
from ganggpt.domain.turn import Command, Event, Turn

ACTIONS_MAX: Final = 3
"""So many of an answer's actions are looked at; the rest is refused unread."""
LASTS_S: Final[Mapping[str, float]] = {"follow": 600.0, "attack": 60.0, "flee": 60.0, "call_police": 120.0}
"""How long an act goes on, unless the game server ends it."""

RefusalReason = Literal[
    "hated", "stranger", "not_present", "no_cause", "no_danger", "afraid", "not_mine", "money", "keepsake", "enough",
    "code", "no_work", "not_asked", "not_owner", "gone", "unknown", "repeated",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Follow:
    """Go along with the player who is talked to."""

    do: Literal["follow"] = "follow"


@dataclass(frozen=True, slots=True)
class Attack:
    """Attack; an NPC only the player who is talked to (``player``, or what they call themselves)."""

    target: Name100 = "player"
    do: Literal["attack"] = "attack"


@dataclass(frozen=True, slots=True)
class Flee:
    """Run from the player who is talked to."""

    do: Literal["flee"] = "flee"


@dataclass(frozen=True, slots=True)
class GiveItem:
    """Hand a thing one holds to the player who is talked to."""

    item: Name100
    do: Literal["give"] = "give"


@dataclass(frozen=True, slots=True)
class CallPolice:
    """Call the police on the player who is talked to."""

    do: Literal["call_police"] = "call_police"


@dataclass(frozen=True, slots=True)
class OfferMission:
    """Offer work; which mission it is and what it pays is up to the rules. ``mission``: a template's id, or ""."""

    mission: OptionalText500 = ""
    do: Literal["offer_mission"] = "offer_mission"


@dataclass(frozen=True, slots=True)
class Decline:
    """Do nothing of what was asked."""

    do: Literal["refuse"] = "refuse"


Action = Follow | Attack | Flee | GiveItem | CallPolice | OfferMission | Decline


_KNOWN: Final[dict[str, Callable[[str], Action]]] = {
    "follow": lambda _: Follow(),
    "attack": Attack,
    "flee": lambda _: Flee(),
    "give": GiveItem,
    "call_police": lambda _: CallPolice(),
    "offer_mission": OfferMission,
    "refuse": lambda _: Decline(),
}


_REQUESTS: Final[frozenset[SpeechAct]] = frozenset({"order", "demand", "robbery", "report_crime", "offer", "ask_other"})
_REQUESTS_FOR: Final[Mapping[str, frozenset[SpeechAct]]] = {"offer_mission": _REQUESTS | {"ask_work"}}


def is_asked_for(action: str, line: str) -> bool:
    """Whether a line asks the one who hears it to do something like this. What nobody asked for is not refused in
    words: it is just not done."""
    return hear(line).does(*_REQUESTS_FOR.get(action, _REQUESTS))


ACTION_WORDS: Final = frozenset(_KNOWN)
"""The word of every action."""


def actions_of(wanted: Sequence[tuple[str, str]]) -> tuple[Action, ...]:
    """Actions from their words and texts; what no rule knows is left out."""
    return tuple(_KNOWN[do](text) for do, text in wanted if do in _KNOWN)


class AllowedAction(Struct, frozen=True, gc=False):
    """An action that is allowed. ``events`` fold into the actor's state; ``command`` is what the actor tells itself, by
    the same player, next; ``act`` is for the game server: verb, target (an actor id), ttl_s and more, JSON-able."""

    action: str
    events: tuple[Event, ...] = ()
    command: Command | None = None
    act: Mapping[str, Any] | None = None


class Refusal(Struct, frozen=True, gc=False):
    """An action that is not allowed, and why: ``reason`` is a stable word the scripted mind has lines for."""

    action: str
    reason: RefusalReason

    def is_told(self, line: str) -> bool:
        """Whether the actor says so to whoever said that line: only where they asked for it. A model that repeats
        itself is no matter of theirs."""
        return self.reason != "repeated" and is_asked_for(self.action, line)

    def answer(self) -> Answer:
        """How the actor says so."""
        return Answer("refuse_action", facts={"reason": self.reason})


class Judged(Struct, frozen=True, gc=False):
    """The verdicts on all actions of one answer, in order, and the state with the events of the allowed ones folded."""

    verdicts: tuple[AllowedAction | Refusal, ...]
    state: Any

    @property
    def allowed(self) -> tuple[AllowedAction, ...]:
        """What is allowed."""
        return tuple(verdict for verdict in self.verdicts if isinstance(verdict, AllowedAction))

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What is not."""
        return tuple(verdict for verdict in self.verdicts if isinstance(verdict, Refusal))

    @property
    def events(self) -> tuple[Event, ...]:
        """What the allowed actions change in the actor."""
        return tuple(event for one in self.allowed for event in one.events)


Allowed = Callable[[Action, Any, Turn], AllowedAction | Refusal]
"""Whether an actor of one kind may do something now, to or for the player ``turn.by``. Pure; rolls no dice."""


def judged(
    actions: Sequence[Action], state: Any, turn: Turn, allowed: Allowed, evolve: Callable[[Any, Any], Any]
) -> Judged:
    """Judge the actions of one answer one after the other, each in the state the ones before it leave; the same thing
    twice, and what is beyond ACTIONS_MAX, is refused. ``allowed`` and ``evolve`` are those of the actor's kind."""
    verdicts: list[AllowedAction | Refusal] = []
    seen: list[Action] = []
    for at, action in enumerate(actions):
        if at >= ACTIONS_MAX or action in seen:
            verdicts.append(Refusal(action.do, "repeated"))
            continue
        seen.append(action)
        verdict = allowed(action, state, turn)
        verdicts.append(verdict)
        if isinstance(verdict, AllowedAction):
            for event in verdict.events:
                state = evolve(state, event)
    return Judged(tuple(verdicts), state)
