"""What somebody may do because a model wants it: the actions, and whether rights and means allow them.

A model proposes, this disposes. An action that passes becomes a Wish: events of the actor's own, a command the actor
then gives itself (so that it passes the same rules as anybody's), and what to tell the game server. One that does not
becomes a Refusal with a reason word, and the actor says so. No action moves money, loyalty, standing or a relation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from msgspec import Struct

from ganggpt.domain.companion.commands import Order
from ganggpt.domain.companion.state import Companion
from ganggpt.domain.fields import Name100, OptionalText500
from ganggpt.domain.mind.affect import HOSTILE_AT
from ganggpt.domain.mind.memory_record import last_s
from ganggpt.domain.mind.response import Answer
from ganggpt.domain.npc import state as npc_state
from ganggpt.domain.npc.commands import AskForWork
from ganggpt.domain.npc.state import Acted, Item, ItemGiven, Npc, standing_now
from ganggpt.domain.turn import Command, Event, Turn

ACTIONS_MAX: Final = 3
"""So many of an answer's actions are looked at; the rest is refused unread."""
FOLLOW_FROM: Final = 12.0
"""Standing from which an NPC goes along with somebody (friendly)."""
GIVE_FROM: Final = 35.0
"""Standing from which an NPC gives something away (trusted)."""
FIGHT_FROM: Final = 30
"""Courage from which an NPC attacks."""
THREAT_FRESH_S: Final = 900.0
"""A threat justifies defence, flight or a call to the police for so long."""
GIVE_PAUSE_S: Final = 86_400.0
"""A player gets at most one thing in this time from one NPC."""
CALL_PAUSE_S: Final = 600.0
LASTS_S: Final[Mapping[str, float]] = {"follow": 600.0, "attack": 60.0, "flee": 60.0, "call_police": 120.0}
"""How long an act goes on, unless the game server ends it."""
CRIMINAL_KINDS: Final = frozenset({"gang", "mafia", "cartel", "bikers", "syndicate", "clan", "racers"})
"""Kinds of factions whose people do not call the police."""
_MONEY: Final = re.compile(r"[$€£]|\b(money|cash|dollars?|bucks|grand|bills?|coins?|savings|wallet|treasury)\b")

RefusalReason = Literal[
    "hated", "stranger", "not_present", "no_cause", "no_danger", "afraid", "not_mine", "money", "keepsake", "enough",
    "code", "no_work", "not_asked", "not_owner", "gone", "unknown",
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


def actions_of(wanted: Sequence[tuple[str, str]]) -> tuple[Action, ...]:
    """Actions from their words and texts; what no rule knows is left out."""
    return tuple(_KNOWN[do](text) for do, text in wanted if do in _KNOWN)


class Wish(Struct, frozen=True, gc=False):
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

    def answer(self) -> Answer:
        """How the actor says so."""
        return Answer("refuse_action", facts={"reason": self.reason})


class Judged(Struct, frozen=True, gc=False):
    """The verdicts on all actions of one answer, in order, and the state with the events of the allowed ones folded."""

    verdicts: tuple[Wish | Refusal, ...]
    state: Any

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """What is allowed."""
        return tuple(verdict for verdict in self.verdicts if isinstance(verdict, Wish))

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """What is not."""
        return tuple(verdict for verdict in self.verdicts if isinstance(verdict, Refusal))

    @property
    def events(self) -> tuple[Event, ...]:
        """What the allowed actions change in the actor."""
        return tuple(event for wish in self.wishes for event in wish.events)


def allowed(action: Action, state: Npc | Companion, turn: Turn) -> Wish | Refusal:
    """Whether an actor may do that now, to or for the player ``turn.by``. Pure; rolls no dice."""
    if isinstance(action, Decline):
        return Wish("refuse")
    if isinstance(state, Companion):
        return _companion_may(action, state, turn)
    if not turn.by.startswith("player:"):
        return Refusal(action.do, "not_present")
    return _NPC_RULES[type(action)](action, state, turn)


def judged(actions: Sequence[Action], state: Npc | Companion, turn: Turn) -> Judged:
    """Judge the actions of one answer one after the other, each in the state the ones before it leave; the same thing
    twice, and what is beyond ACTIONS_MAX, is refused."""
    verdicts: list[Wish | Refusal] = []
    seen: list[Action] = []
    for at, action in enumerate(actions):
        if at >= ACTIONS_MAX or action in seen:
            verdicts.append(Refusal(action.do, "enough"))
            continue
        seen.append(action)
        verdict = allowed(action, state, turn)
        verdicts.append(verdict)
        if isinstance(verdict, Wish) and isinstance(state, Npc):
            for event in verdict.events:
                state = npc_state.evolve(state, event)  # type: ignore[arg-type]
    return Judged(tuple(verdicts), state)


def _follow(_: Follow, state: Npc, turn: Turn) -> Wish | Refusal:
    value = standing_now(state, turn.by, turn.now_s).value
    if value < FOLLOW_FROM:
        return Refusal("follow", "hated" if value <= HOSTILE_AT else "stranger")
    return _acted("follow", turn)


def _attack(action: Attack, state: Npc, turn: Turn) -> Wish | Refusal:
    standing = standing_now(state, turn.by, turn.now_s)
    meant = action.target.strip().casefold()
    if meant not in {"player", "you", turn.by.casefold(), standing.name.casefold() or "player"}:
        return Refusal("attack", "not_present")
    if standing.value > HOSTILE_AT and not _was_threatened(state, turn):
        return Refusal("attack", "no_cause")
    if state.sheet.traits.get("courage", 50) < FIGHT_FROM:
        return Refusal("attack", "afraid")
    return _acted("attack", turn)


def _flee(_: Flee, state: Npc, turn: Turn) -> Wish | Refusal:
    hostile = standing_now(state, turn.by, turn.now_s).value <= HOSTILE_AT
    return _acted("flee", turn) if hostile or _was_threatened(state, turn) else Refusal("flee", "no_danger")


def _give(action: GiveItem, state: Npc, turn: Turn) -> Wish | Refusal:
    wanted = " ".join(action.item.casefold().split())
    if _MONEY.search(wanted):
        return Refusal("give", "money")
    held = next((item for item in state.items if wanted == item.name.casefold()), None)
    if held is None:
        return Refusal("give", "not_mine")
    value = standing_now(state, turn.by, turn.now_s).value
    if value < GIVE_FROM:
        return Refusal("give", "hated" if value <= HOSTILE_AT else "stranger")
    if held.giver == turn.by:
        return Refusal("give", "keepsake")
    if _did_lately(state, "give", turn, GIVE_PAUSE_S):
        return Refusal("give", "enough")
    given = ItemGiven(Item(held.name, held.value, held.giver, held.at_s), turn.by, turn.now_s)
    return Wish("give", (given,), act={"verb": "give_item", "target": turn.by, "item": held.name, "ttl_s": 60.0})


def _call_police(_: CallPolice, state: Npc, turn: Turn) -> Wish | Refusal:
    faction = turn.world.factions.get(state.sheet.faction) if state.sheet.faction is not None else None
    if faction is not None and faction.kind in CRIMINAL_KINDS:
        return Refusal("call_police", "code")
    if not _was_threatened(state, turn):
        return Refusal("call_police", "no_cause")
    if _did_lately(state, "call_police", turn, CALL_PAUSE_S):
        return Refusal("call_police", "enough")
    return _acted("call_police", turn, verb="report_crime")


def _offer_mission(action: OfferMission, state: Npc, turn: Turn) -> Wish | Refusal:
    known = [template for template in state.sheet.missions if template in turn.world.missions]
    if not known or (action.mission and action.mission not in known):
        return Refusal("offer_mission", "no_work")
    value = standing_now(state, turn.by, turn.now_s).value
    if value <= HOSTILE_AT:
        return Refusal("offer_mission", "hated")
    if value < FOLLOW_FROM:
        return Refusal("offer_mission", "not_asked")
    return Wish("offer_mission", command=AskForWork())


_NPC_RULES: Final[Mapping[type, Callable[[Any, Npc, Turn], Wish | Refusal]]] = {
    Follow: _follow,
    Attack: _attack,
    Flee: _flee,
    GiveItem: _give,
    CallPolice: _call_police,
    OfferMission: _offer_mission,
}


def _companion_may(action: Action, state: Companion, turn: Turn) -> Wish | Refusal:
    """A companion acts for its owner, and what it does by talk is an order like any other: with its risk and dice."""
    if turn.by != state.owner:
        return Refusal(action.do, "not_owner")
    if state.gone:
        return Refusal(action.do, "gone")
    if isinstance(action, Follow):
        return Wish("follow", command=Order("follow"))
    if isinstance(action, Flee):
        return Wish("flee", command=Order("hide"))
    if isinstance(action, Attack):
        meant = action.target.strip().casefold()
        mine = {"player", "you", state.owner.casefold(), state.owner_name.casefold() or "player"}
        return (
            Refusal("attack", "no_cause") if meant in mine else Wish("attack", command=Order("attack", action.target))
        )
    reasons: Mapping[str, RefusalReason] = {"give": "not_mine", "offer_mission": "no_work"}
    return Refusal(action.do, reasons.get(action.do, "unknown"))


def _acted(action: str, turn: Turn, verb: str | None = None) -> Wish:
    ttl_s = LASTS_S[action]
    acted = Acted(action, turn.by, turn.now_s, turn.now_s + ttl_s)
    return Wish(action, (acted,), act={"verb": verb or action, "target": turn.by, "ttl_s": ttl_s})


def _was_threatened(state: Npc, turn: Turn) -> bool:
    """Whether this player threatened the NPC a moment ago."""
    return any(
        memory.kind == "threat" and memory.about == turn.by and turn.now_s - last_s(memory) <= THREAT_FRESH_S
        for memory in state.memories
    )


def _did_lately(state: Npc, action: str, turn: Turn, within_s: float) -> bool:
    return any(
        done.action == action and done.player == turn.by and turn.now_s - done.at_s < within_s for done in state.acted
    )
