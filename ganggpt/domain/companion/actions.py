"""What a companion may do because a model wants it: orders of its owner, each with its own risk and dice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ganggpt.domain.companion.commands import Order
from ganggpt.domain.companion.state import Companion, evolve
from ganggpt.domain.language.speech_acts import hear
from ganggpt.domain.mind import actions
from ganggpt.domain.mind.actions import (
    Action,
    AllowedAction,
    Attack,
    CallPolice,
    Decline,
    Flee,
    Follow,
    GiveItem,
    Judged,
    OfferMission,
    Refusal,
)
from ganggpt.domain.turn import Turn


def judged(wanted: Sequence[Action], state: Companion, turn: Turn) -> Judged:
    """The verdicts on all actions of one answer (``actions.judged``)."""
    return actions.judged(wanted, state, turn, allowed, evolve)


def allowed(action: Action, state: Companion, turn: Turn) -> AllowedAction | Refusal:
    """Whether a companion may do that now for the player ``turn.by``, who has to be its owner. Pure; rolls no dice."""
    if isinstance(action, Decline):
        return AllowedAction("refuse")
    if turn.by != state.owner:
        return Refusal(action.do, "not_owner")
    if state.gone:
        return Refusal(action.do, "gone")
    return _RULES[type(action)](action, state)


def is_attack_ordered(heard: str) -> bool:
    """Whether a line asks for an attack: a companion attacks nobody because a model feels like it."""
    return hear(heard).does("order", "demand", "report_crime")


def open_actions(state: Companion, turn: Turn, heard: str) -> Mapping[str, tuple[str, ...]]:
    """What a companion may do now for the player ``turn.by``, who said ``heard``; any name may stand for whom it
    attacks."""
    tried: tuple[Action, ...] = (Follow(), Attack("them"), Flee())
    found: dict[str, tuple[str, ...]] = {
        one.do: () for one in tried if isinstance(allowed(one, state, turn), AllowedAction)
    }
    if not is_attack_ordered(heard):
        found.pop("attack", None)
    return {**found, "refuse": ()}


def _attack(action: Attack, state: Companion) -> AllowedAction | Refusal:
    meant = action.target.strip().casefold()
    mine = {"player", "you", state.owner.casefold(), state.owner_name.casefold() or "player"}
    return (
        Refusal("attack", "no_cause")
        if meant in mine
        else AllowedAction("attack", command=Order("attack", action.target))
    )


_RULES: Final[Mapping[type, Callable[[Any, Companion], AllowedAction | Refusal]]] = {
    Follow: lambda *_: AllowedAction("follow", command=Order("follow")),
    Attack: _attack,
    Flee: lambda *_: AllowedAction("flee", command=Order("hide")),
    GiveItem: lambda *_: Refusal("give", "not_mine"),
    CallPolice: lambda *_: Refusal("call_police", "unknown"),
    OfferMission: lambda *_: Refusal("offer_mission", "no_work"),
}
