"""What a faction does with money for missions: keep it when one is taken, pay it once, take it back.

Nothing here makes money: what is kept leaves the treasury, and either a player gets it or it comes back. Letters of one
mission arrive in their order, each once, so a reward is kept before it is paid or released.
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
    HearOfPurse,
    PayReward,
    ReleaseReward,
    TakeFunding,
)
from ganggpt.domain.mission_design.difficulty import mission_funds_of
from ganggpt.domain.turn import Decision, Turn

GRACE_S: Final = 86_400.0
"""What is kept for a mission comes back by itself so long after the mission had to be over."""


def fund_mission(state: Faction, command: FundMission, turn: Turn) -> Decision:
    """Keep the reward, as much of it as the mission funds allow, or say no. Where that is less than the reward, the
    giver is told what the mission funds are."""
    draft = Draft(state, turn)
    funds = mission_funds_of(state.treasury)
    dollars = min(command.dollars, funds)
    if command.mission in state.reserves or len(state.reserves) >= RESERVES_MAX or dollars < command.dollars_min:
        dollars = 0
    if dollars:
        until_s = command.until_s + GRACE_S
        draft.add(RewardReserved(command.mission, command.player, dollars, until_s, turn.now_s))
    if dollars < command.dollars:
        draft.send(command.giver, HearOfPurse(min(funds, 1_000_000)))
    draft.send(command.mission, TakeFunding(dollars))
    return draft.done({"kept": dollars})


def pay_reward(state: Faction, command: PayReward, turn: Turn) -> Decision:
    """Pay what was kept. Where nothing was (it came back long ago), pay what the treasury still has of it."""
    draft = Draft(state, turn)
    kept = state.reserves.get(command.mission)
    reserved = 0 if kept is None else kept.dollars
    dollars = min(command.dollars, reserved + state.treasury)
    if dollars or reserved:
        draft.add(RewardPaid(command.mission, command.player, dollars, reserved, turn.now_s))
    draft.send(command.player, EndMission(command.mission, "completed", dollars, command.difficulty))
    return draft.done({"paid": dollars})


def release_reward(state: Faction, command: ReleaseReward, turn: Turn) -> Decision:
    """Take back what was kept for a mission that was not done."""
    draft = Draft(state, turn)
    kept = state.reserves.get(command.mission)
    if kept is not None:
        draft.add(RewardReleased(command.mission, kept.dollars, command.reason, turn.now_s))
    return draft.done({"released": 0 if kept is None else kept.dollars})


def forget_player(state: Faction, command: ForgetPlayer, turn: Turn) -> Decision:
    """Forget a player; what is kept for missions of theirs comes back first."""
    draft = Draft(state, turn)
    for mission, kept in sorted(state.reserves.items()):
        if kept.player == command.player:
            draft.add(RewardReleased(mission, kept.dollars, "erased", turn.now_s))
    forgotten = forgetting(draft.state, command, turn)
    if forgotten is not None:
        draft.add(forgotten)
    return draft.done({"forgot": forgotten is not None})


def release_overdue(draft: Draft) -> None:
    """Take back what is kept for missions that must have ended long ago."""
    now_s = draft.turn.now_s
    overdue = [(mission, kept.dollars) for mission, kept in draft.state.reserves.items() if kept.until_s <= now_s]
    for mission, dollars in sorted(overdue):
        draft.add(RewardReleased(mission, dollars, "overdue", now_s))
