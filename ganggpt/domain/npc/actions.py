"""What an NPC may do because a model wants it: by its standing with the player, its courage, its things and threats."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ganggpt.domain.mind import actions
from ganggpt.domain.mind.actions import (
    LASTS_S,
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
from ganggpt.domain.mind.affect import HOSTILE_AT
from ganggpt.domain.mind.memory_record import last_s
from ganggpt.domain.npc.commands import AskForWork
from ganggpt.domain.npc.events import Acted, ItemGiven
from ganggpt.domain.npc.evolution import evolve
from ganggpt.domain.npc.state import Item, Npc, standing_now
from ganggpt.domain.turn import Turn

FOLLOW_FROM: Final = 12.0
"""Least standing (friendly) at which an NPC follows a player."""
GIVE_FROM: Final = 35.0
"""Least standing (trusted) at which an NPC gives an item to a player."""
FIGHT_FROM: Final = 30
"""Courage from which an NPC attacks."""
THREAT_FRESH_S: Final = 900.0
"""A threat justifies defence, flight or a call to the police for so long."""
GIVE_PAUSE_S: Final = 86_400.0
"""A player gets at most one thing in this time from one NPC."""
CALL_PAUSE_S: Final = 600.0
CRIMINAL_KINDS: Final = frozenset({"gang", "mafia", "cartel", "bikers", "syndicate", "clan", "racers"})
"""Kinds of factions whose people do not call the police."""
_MONEY: Final = re.compile(r"[$€£]|\b(money|cash|dollars?|bucks|grand|bills?|coins?|savings|wallet|treasury)\b")


def judged(wanted: Sequence[Action], state: Npc, turn: Turn) -> Judged:
    """The verdicts on all actions of one answer (``actions.judged``)."""
    return actions.judged(wanted, state, turn, allowed, evolve)


def allowed(action: Action, state: Npc, turn: Turn) -> AllowedAction | Refusal:
    """Whether an NPC may do that now, to or for the player ``turn.by``. Pure; rolls no dice."""
    if isinstance(action, Decline):
        return AllowedAction("refuse")
    if not turn.by.startswith("player:"):
        return Refusal(action.do, "not_present")
    return _RULES[type(action)](action, state, turn)


def open_actions(state: Npc, turn: Turn) -> Mapping[str, tuple[str, ...]]:
    """What an NPC may do now to or for the player ``turn.by``: each action's word with what may be chosen for it."""
    things = tuple(dict.fromkeys(item.name for item in state.items))
    jobs = tuple(name for name in state.sheet.missions if name in turn.world.missions)
    tried: Mapping[Action, tuple[str, ...]] = {
        Follow(): (),
        Attack(): ("player",),
        Flee(): (),
        CallPolice(): (),
        OfferMission(): ("", *jobs),
    }
    found: dict[str, tuple[str, ...]] = {
        one.do: choices for one, choices in tried.items() if isinstance(allowed(one, state, turn), AllowedAction)
    }
    given = tuple(name for name in things if isinstance(allowed(GiveItem(name), state, turn), AllowedAction))
    return {**found, **({"give": given} if given else {}), "refuse": ()}


def _follow(_: Follow, state: Npc, turn: Turn) -> AllowedAction | Refusal:
    value = standing_now(state, turn.by, turn.now_s).value
    if value < FOLLOW_FROM:
        return Refusal("follow", "hated" if value <= HOSTILE_AT else "stranger")
    return _acted("follow", turn)


def _attack(action: Attack, state: Npc, turn: Turn) -> AllowedAction | Refusal:
    standing = standing_now(state, turn.by, turn.now_s)
    meant = action.target.strip().casefold()
    if meant not in {"player", "you", turn.by.casefold(), standing.name.casefold() or "player"}:
        return Refusal("attack", "not_present")
    if standing.value > HOSTILE_AT and not _was_threatened(state, turn):
        return Refusal("attack", "no_cause")
    if state.sheet.traits.get("courage", 50) < FIGHT_FROM:
        return Refusal("attack", "afraid")
    return _acted("attack", turn)


def _flee(_: Flee, state: Npc, turn: Turn) -> AllowedAction | Refusal:
    hostile = standing_now(state, turn.by, turn.now_s).value <= HOSTILE_AT
    return _acted("flee", turn) if hostile or _was_threatened(state, turn) else Refusal("flee", "no_danger")


def _give(action: GiveItem, state: Npc, turn: Turn) -> AllowedAction | Refusal:
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
    return AllowedAction(
        "give", (given,), act={"verb": "give_item", "target": turn.by, "item": held.name, "ttl_s": 60.0}
    )


def _call_police(_: CallPolice, state: Npc, turn: Turn) -> AllowedAction | Refusal:
    faction = turn.world.factions.get(state.sheet.faction) if state.sheet.faction is not None else None
    if faction is not None and faction.kind in CRIMINAL_KINDS:
        return Refusal("call_police", "code")
    if not _was_threatened(state, turn):
        return Refusal("call_police", "no_cause")
    if _did_lately(state, "call_police", turn, CALL_PAUSE_S):
        return Refusal("call_police", "enough")
    return _acted("call_police", turn, verb="report_crime")


def _offer_mission(action: OfferMission, state: Npc, turn: Turn) -> AllowedAction | Refusal:
    known = [template for template in state.sheet.missions if template in turn.world.missions]
    if not known or (action.mission and action.mission not in known):
        return Refusal("offer_mission", "no_work")
    value = standing_now(state, turn.by, turn.now_s).value
    if value <= HOSTILE_AT:
        return Refusal("offer_mission", "hated")
    if value < FOLLOW_FROM:
        return Refusal("offer_mission", "not_asked")
    return AllowedAction("offer_mission", command=AskForWork())


_RULES: Final[Mapping[type, Callable[[Any, Npc, Turn], AllowedAction | Refusal]]] = {
    Follow: _follow,
    Attack: _attack,
    Flee: _flee,
    GiveItem: _give,
    CallPolice: _call_police,
    OfferMission: _offer_mission,
}


def _acted(action: str, turn: Turn, verb: str | None = None) -> AllowedAction:
    ttl_s = LASTS_S[action]
    acted = Acted(action, turn.by, turn.now_s, turn.now_s + ttl_s)
    return AllowedAction(action, (acted,), act={"verb": verb or action, "target": turn.by, "ttl_s": ttl_s})


def _was_threatened(state: Npc, turn: Turn) -> bool:
    """Whether this player threatened the NPC a moment ago, by more than words."""
    return any(
        memory.kind == "threat"
        and memory.source == "witnessed"
        and memory.about == turn.by
        and turn.now_s - last_s(memory) <= THREAT_FRESH_S
        for memory in state.mind.memories
    )


def _did_lately(state: Npc, action: str, turn: Turn, within_s: float) -> bool:
    return any(
        done.action == action and done.player == turn.by and turn.now_s - done.at_s < within_s for done in state.acted
    )
