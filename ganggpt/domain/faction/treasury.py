"""The money of a faction for missions: a reward is reserved when a mission is taken, then paid once or released.

Nothing here creates money: what is reserved leaves the treasury, and either a player gets it or it comes back. Messages
of one mission arrive in their order, each once, so a reward is reserved before it is paid or released.
"""

from __future__ import annotations

from typing import Final

from ganggpt.domain.erasure import ForgetPlayer, forgetting
from ganggpt.domain.faction.draft import Draft
from ganggpt.domain.faction.events import RewardPaid, RewardReleased, RewardReserved
from ganggpt.domain.faction.state import RESERVES_MAX, Faction
from ganggpt.domain.messages import (
    EndMission,
    FundMission,
    HearOfMissionFunds,
    PayReward,
    ReleaseReward,
    TakeFunding,
)
from ganggpt.domain.mission_design.difficulty import mission_funds_of
from ganggpt.domain.turn import Decision, Turn

GRACE_S: Final = 86_400.0
"""How long after the latest end of a mission its reservation is released without being asked."""


def fund_mission(state: Faction, command: FundMission, turn: Turn) -> Decision:
    """Reserve the reward, as much of it as the mission funds allow, or refuse. Where that is less than the reward,
    the giver gets a message with the mission funds."""
    draft = Draft(state, turn)
    funds = mission_funds_of(state.treasury)
    dollars = min(command.dollars, funds)
    if command.mission in state.reserves or len(state.reserves) >= RESERVES_MAX or dollars < command.dollars_min:
        dollars = 0
    if dollars:
        until_s = command.until_s + GRACE_S
        draft.add(RewardReserved(command.mission, command.player, dollars, until_s, turn.now_s))
    if dollars < command.dollars:
        draft.send(command.giver, HearOfMissionFunds(min(funds, 1_000_000)))
    draft.send(command.mission, TakeFunding(dollars))
    return draft.done({"kept": dollars})


def pay_reward(state: Faction, command: PayReward, turn: Turn) -> Decision:
    """Pay what was reserved. Where nothing is (it was released long ago), pay as much as the treasury has."""
    draft = Draft(state, turn)
    kept = state.reserves.get(command.mission)
    reserved = 0 if kept is None else kept.dollars
    dollars = min(command.dollars, reserved + state.treasury)
    if dollars or reserved:
        draft.add(RewardPaid(command.mission, command.player, dollars, reserved, turn.now_s))
    draft.send(command.player, EndMission(command.mission, "completed", dollars, command.difficulty))
    return draft.done({"paid": dollars})


def release_reward(state: Faction, command: ReleaseReward, turn: Turn) -> Decision:
    """Release what was reserved for a mission that was not completed."""
    draft = Draft(state, turn)
    kept = state.reserves.get(command.mission)
    if kept is not None:
        draft.add(RewardReleased(command.mission, kept.dollars, command.reason, turn.now_s))
    return draft.done({"released": 0 if kept is None else kept.dollars})


def forget_player(state: Faction, command: ForgetPlayer, turn: Turn) -> Decision:
    """Forget a player; what is reserved for their missions is released first."""
    draft = Draft(state, turn)
    for mission, kept in sorted(state.reserves.items()):
        if kept.player == command.player:
            draft.add(RewardReleased(mission, kept.dollars, "erased", turn.now_s))
    forgotten = forgetting(draft.state, command, turn)
    if forgotten is not None:
        draft.add(forgotten)
    return draft.done({"forgot": forgotten is not None})


def release_overdue(draft: Draft) -> None:
    """Release what is reserved for missions that must have ended long ago."""
    now_s = draft.turn.now_s
    overdue = [(mission, kept.dollars) for mission, kept in draft.state.reserves.items() if kept.until_s <= now_s]
    for mission, dollars in sorted(overdue):
        draft.add(RewardReleased(mission, dollars, "overdue", now_s))
