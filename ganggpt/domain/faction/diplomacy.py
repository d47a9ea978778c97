"""How a faction reacts to others: raids, wars, pacts, deals, payments, and what its people tell of players."""

from __future__ import annotations

from typing import Final

from ganggpt.domain.faction import politics
from ganggpt.domain.faction.draft import Draft, is_known, shift
from ganggpt.domain.faction.events import (
    BondEnded,
    BondMade,
    DeedHeard,
    MissionImpactApplied,
    PaymentTaken,
    RaidSuffered,
    TerritoryLost,
    TradeMade,
)
from ganggpt.domain.faction.moves import INFLUENCE_PER_DISTRICT
from ganggpt.domain.faction.state import (
    Faction,
    bond_now,
    influence_after,
    relation_now,
    strength_after,
    strength_now,
    sway_now,
    wars_now,
)
from ganggpt.domain.language.words import clipped
from ganggpt.domain.messages import (
    AnswerBond,
    ApplyMissionImpact,
    DeclareWar,
    HearOfDeed,
    HearOfSides,
    LoseTerritory,
    OfferBond,
    OfferTrade,
    SettleTrade,
    ShiftStanding,
    ShowSides,
    SufferRaid,
    TakePayment,
)
from ganggpt.domain.mind.affect import swayed
from ganggpt.domain.mind.background import TIE_FROM
from ganggpt.domain.mission_design.deeds import HELPING
from ganggpt.domain.turn import Decision, Turn

INFLUENCE_PER_STANDING: Final = 0.2
INFLUENCE_PER_RAID: Final = 0.25
STRENGTH_PER_RAID: Final = 2.0
SIDES_MAX: Final = 16
SIDE_SHARE: Final = 0.4
"""The share of a deed that a faction feels when it is done to its best friend; the opposite for its worst enemy."""


def apply_mission_impact(state: Faction, command: ApplyMissionImpact, turn: Turn) -> Decision:
    """A player completed a mission that concerns the faction."""
    draft = Draft(state, turn)
    influence = influence_after(state, command.standing * INFLUENCE_PER_STANDING, turn.now_s)
    draft.add(MissionImpactApplied(command.mission, command.player, command.standing, influence, turn.now_s))
    cause = "a job that was done"
    applied: dict[str, float] = {}
    for other, delta in sorted(command.frictions.items()):
        if is_known(draft.state, other, turn):
            applied[other] = round(shift(draft, other, float(delta), cause), 2)
    return draft.done({"influence": round(influence), "applied": applied})


def lose_territory(state: Faction, command: LoseTerritory, turn: Turn) -> Decision:
    """Another faction claims a district. The later claim wins; every faction orders the claims alike, so exactly one of
    them keeps the district."""
    since_s = state.territories.get(command.district)
    me = state.sheet.id
    if since_s is None or command.to == me or (command.at_s, command.to) < (since_s, me):
        return Decision(reply={"district": command.district, "lost": False})
    draft = Draft(state, turn)
    influence = influence_after(state, -INFLUENCE_PER_DISTRICT, turn.now_s)
    draft.add(TerritoryLost(command.district, command.to, influence, turn.now_s))
    draft.news("faction.territory", {"district": command.district, "from": me, "to": command.to})
    if is_known(state, command.to, turn):
        shift(draft, command.to, -15.0, f"they took {command.district} from us")
    return draft.done({"district": command.district, "lost": True})


_ATTACKS: Final = {"raid": (-7.0, "they raided us"), "betrayal": (-30.0, "they broke our pact")}


def suffer_raid(state: Faction, command: SufferRaid, turn: Turn) -> Decision:
    """Lose money and strength to another faction; the money goes to the raider. A betrayal ends the pact."""
    draft, now_s = Draft(state, turn), turn.now_s
    dollars = politics.loot(state.treasury, command.dollars_max, command.strength, strength_now(state, now_s))
    influence = influence_after(state, -INFLUENCE_PER_RAID, now_s)
    strength = strength_after(state, -STRENGTH_PER_RAID, now_s)
    draft.add(RaidSuffered(command.raider, dollars, influence, now_s, strength))
    step, cause = _ATTACKS[command.kind]
    if dollars:
        how = "in a raid" if command.kind == "raid" else "by breaking a pact"
        draft.tell(command.raider, TakePayment(state.sheet.id, dollars, f"taken from {state.sheet.name} {how}"))
    if command.kind == "betrayal" and bond_now(state, command.raider, now_s) == "pact":
        draft.add(BondEnded(command.raider, "pact", cause, now_s))
    if is_known(state, command.raider, turn):
        shift(draft, command.raider, step, cause)
    return draft.done({"lost": dollars})


def take_payment(state: Faction, command: TakePayment, turn: Turn) -> Decision:
    """Take money from another faction into the treasury."""
    draft = Draft(state, turn)
    draft.add(PaymentTaken(command.payer, command.dollars, command.cause, turn.now_s))
    return draft.done({"treasury": draft.state.treasury})


def declare_war(state: Faction, command: DeclareWar, turn: Turn) -> Decision:
    """Another faction declared war. War needs one side only, and ends any pact."""
    draft = Draft(state, turn)
    if not is_known(state, command.other, turn):
        return draft.done({"war": False})
    draft.add(BondMade(command.other, "war", command.until_s, turn.now_s))
    shift(draft, command.other, -10.0, "they went to war with us")
    return draft.done({"war": True})


def offer_bond(state: Faction, command: OfferBond, turn: Turn) -> Decision:
    """Answer an offer of a pact or a truce. Either way both relations move a little."""
    draft, other = Draft(state, turn), command.other
    known = is_known(state, other, turn)
    accepted = known and turn.dice.chance(politics.consent(state, other, command.wish, turn.now_s))
    if accepted:
        _bind(draft, other, command.wish, command.until_s)
        shift(draft, other, *_AGREED[command.wish])
    elif known:
        shift(draft, other, 0.5, f"they asked us for a {command.wish}")
    draft.tell(other, AnswerBond(draft.me, command.wish, command.until_s, accepted))
    return draft.done({"accepted": accepted})


def answer_bond(state: Faction, command: AnswerBond, turn: Turn) -> Decision:
    """The answer to an offer of ours. A pact is void if we went to war with them in the meantime."""
    draft, other = Draft(state, turn), command.other
    if not is_known(state, other, turn):
        return draft.done({"accepted": False})
    if not command.accepted:
        shift(draft, other, -1.0, f"they turned down our {command.wish}")
    elif command.wish == "truce" or bond_now(state, other, turn.now_s) is None:
        _bind(draft, other, command.wish, command.until_s)
        shift(draft, other, *_AGREED[command.wish])
    return draft.done({"accepted": command.accepted})


_AGREED: Final = {"pact": (6.0, "we made a pact"), "truce": (5.0, "we made a truce")}


def _bind(draft: Draft, other: str, kind: str, until_s: float) -> None:
    now_s = draft.turn.now_s
    if kind == "pact":
        draft.add(BondMade(other, "pact", until_s, now_s))
    elif bond_now(draft.state, other, now_s) == "war":
        draft.add(BondEnded(other, "war", "a truce", now_s))


def offer_trade(state: Faction, command: OfferTrade, turn: Turn) -> Decision:
    """Answer an offer of a deal. It brings both sides the same; the dollars come from the city, not from the other
    side."""
    draft, other = Draft(state, turn), command.other
    rested = turn.now_s - state.traded.get(other, 0.0) >= politics.ASK_EVERY_S
    known = is_known(state, other, turn)
    made = known and rested and turn.dice.chance(politics.consent(state, other, "trade", turn.now_s))
    if made:
        _deal(draft, other, command.dollars)
    draft.tell(other, SettleTrade(draft.me, command.dollars if made else 0))
    return draft.done({"made": made})


def settle_trade(state: Faction, command: SettleTrade, turn: Turn) -> Decision:
    """The answer to a deal that we offered."""
    draft = Draft(state, turn)
    if not is_known(state, command.other, turn):
        return draft.done({"made": False})
    if command.dollars:
        _deal(draft, command.other, command.dollars)
    else:
        shift(draft, command.other, -0.5, "they turned down our deal")
    return draft.done({"made": command.dollars > 0})


def _deal(draft: Draft, other: str, dollars: int) -> None:
    draft.add(TradeMade(other, dollars, draft.turn.now_s))
    shift(draft, other, 1.5, "we did business")


def show_sides(state: Faction, _: ShowSides, turn: Turn) -> Decision:
    """One of our people asks how we stand with the others: it is asked by players."""
    now_s = turn.now_s
    tie = {other: relation_now(state, other, now_s) for other in state.relations if other in turn.world.factions}
    bonds = {other: bond_now(state, other, now_s) for other in state.bonds if other in turn.world.factions}
    wars = {other: state.bonds[other].until_s for other in wars_now(state, now_s) if other in bonds}
    friends = [o for o in sorted(tie, key=lambda o: (-tie[o], o)) if tie[o] >= TIE_FROM or bonds.get(o) == "pact"]
    enemies = [o for o in sorted(tie, key=lambda o: (tie[o], o)) if tie[o] <= -TIE_FROM or o in wars]
    draft = Draft(state, turn)
    told = tuple(o for o in friends if o not in wars)[:SIDES_MAX], tuple(enemies)[:SIDES_MAX]
    draft.send(turn.by, HearOfSides(*told, dict(list(wars.items())[:SIDES_MAX])))
    return draft.done({"wars": len(wars)})


def hear_of_deed(state: Faction, command: HearOfDeed, turn: Turn) -> Decision:
    """One of our people tells what a player did. A deed counts once, however many tell it, and within the day's
    allowance.

    Done to us, it counts ``±weight``; done to another faction, ``±weight · SIDE_SHARE · relation/100``. The player
    notices it as a change of standing.
    """
    if command.deed in state.deeds:
        return Decision(reply={"known": True})
    felt = float(command.weight if command.verb in HELPING else -command.weight)
    if command.against != state.sheet.id:
        felt *= SIDE_SHARE * relation_now(state, command.against, turn.now_s) / 100
    before = sway_now(state, command.player, turn.now_s)
    delta = round(swayed(before, felt))
    if delta == 0:
        return Decision(reply={"known": False, "delta": 0})
    draft = Draft(state, turn)
    player, verb = command.player, command.verb
    heard = DeedHeard(command.deed, player, verb, delta, before + delta, turn.by, turn.now_s)
    draft.add(heard)
    who = "us" if command.against == state.sheet.id else command.against
    cause = f"word of what you did to {who}: {verb.replace('_', ' ')}"
    draft.send(player, ShiftStanding(state.sheet.id, delta, clipped(cause, 200)))
    return draft.done({"known": False, "delta": delta})
