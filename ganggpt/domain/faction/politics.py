"""The political turn of a faction: which moves are legal, what each is worth to it, and which one it takes.

Worth depends on traits, relations, strength and money (the formulas are in docs/RULES.md). Factions drift back to
what they always thought of each other: the further a relation fell under its rest, the more a truce is worth; the
further it rose above, the more an insult is. So rivals stay rivals without a war that never ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from ganggpt.domain.faction.relation import Relation, value_now
from ganggpt.domain.faction.state import TERRITORIES_MAX, Faction, bond_now, strength_now, wars_now
from ganggpt.domain.numbers import clamped
from ganggpt.domain.turn import Dice
from ganggpt.domain.world import World

MoveName = Literal["trade", "pact", "insult", "raid", "war", "truce", "tribute", "recruit", "expand", "betray", "rest"]

TURN_EVERY_S: Final = 300.0
"""Time between two political turns of a faction, ± TURN_JITTER of it."""
TURN_JITTER: Final = 0.2
EXPAND_EVERY_S: Final = 12 * 3600.0
ASK_EVERY_S: Final = 3600.0
"""Least time between two offers (deal, pact, truce, tribute) to the same faction, and between two deals with it."""
PACT_S: Final = 24 * 3600.0
WAR_S: Final = 6 * 3600.0
WARS_MAX: Final = 2
INCOME_PER_HOUR: Final = 120
INCOME_PER_DISTRICT: Final = 40
"""Dollars an hour for each district, on top of INCOME_PER_HOUR."""
INCOME_HOURS_MAX: Final = 24.0
TREASURY_HALF_LIFE_H: Final = 96.0
"""In so many hours half of the difference between a treasury and that of the sheet is spent or comes in: the rich live
well, and the poor have backers. So no faction stays rich or poor for ever."""
RAID_COST: Final = 200
RAID_LOOT_MAX: Final = 600
BETRAYAL_LOOT_MAX: Final = 4_000
RECRUIT_COST: Final = 300
WAR_COST: Final = 1_000
TRADE_PROFIT: Final = 100
TRIBUTE_MAX: Final = 400
CLAIM_COST: Final = 2_000
CLAIM_COST_STEP: Final = 1_500
_REST_WORTH: Final = 0.75
_AGAIN: Final = 0.5


class PoliticalMove(Struct, frozen=True, gc=False):
    """One legal move and what it is worth to this faction (about 0..1)."""

    name: MoveName
    worth: float
    other: str | None = None
    district: str | None = None


class Character(Struct, frozen=True, gc=False):
    """How a faction tends to decide: its traits as shares of 1."""

    aggression: float
    greed: float
    loyalty: float
    cunning: float


def character_of(state: Faction) -> Character:
    """The traits of a faction; a missing one counts as average."""
    traits = state.sheet.traits
    return Character(*(traits.get(name, 50) / 100 for name in ("aggression", "greed", "loyalty", "cunning")))


def income(state: Faction, now_s: float) -> int:
    """Dollars that came in since the last turn; at most those of a day."""
    hours = _hours(state, now_s)
    return int(
        hours * (INCOME_PER_HOUR + INCOME_PER_DISTRICT * len(state.territories)) + max(0.0, _drift(state, hours))
    )


def upkeep(state: Faction, now_s: float) -> int:
    """Dollars that people and places cost since the last turn, where the treasury is above that of the sheet."""
    return int(max(0.0, -_drift(state, _hours(state, now_s))))


def _drift(state: Faction, hours: float) -> float:
    """How far the treasury moves towards that of the sheet: ``(sheet − treasury) · (1 − 2^(−hours/96))``."""
    return (state.sheet.treasury - state.treasury) * (1 - 2 ** (-hours / TREASURY_HALF_LIFE_H))


def _hours(state: Faction, now_s: float) -> float:
    return min(INCOME_HOURS_MAX, max(0.0, now_s - state.turned_s) / 3600)


def claim_cost(state: Faction, world: World, district: str) -> int:
    """Dollars to claim a district: more for a faction that holds many, twice as much for ground of another faction."""
    cost = CLAIM_COST + CLAIM_COST_STEP * len(state.territories)
    return cost * 2 if native_holder(world, district) not in (None, state.sheet.id) else cost


def tribute_of(treasury: int) -> int:
    """The tribute of a faction: a hundredth of its treasury, at most TRIBUTE_MAX dollars."""
    return min(TRIBUTE_MAX, treasury // 100)


def cost_of(move: MoveName, funds: int) -> int:
    """Dollars a move costs at once. The cost of a claim is computed by ``claim_cost``."""
    fixed = {"raid": RAID_COST, "recruit": RECRUIT_COST, "war": WAR_COST}
    return tribute_of(funds) if move == "tribute" else fixed.get(move, 0)


def loot(treasury: int, dollars_max: int, theirs: float, ours: float) -> int:
    """Dollars a raid takes from us: at most a twentieth of the treasury, more for a side stronger than ours.

    ``min(treasury/20, dollars_max) · 2 · theirs/(theirs + ours)``, at most the first factor; strengths 0..100.
    """
    share = min(1.0, 2 * theirs / max(1.0, theirs + ours))
    return int(min(treasury // 20, dollars_max) * share)


def native_holder(world: World, district: str) -> str | None:
    """The faction that held a district when the world began."""
    return next((sheet.id for sheet in world.factions.values() if district in sheet.territories), None)


def is_reachable(state: Faction, world: World, district: str) -> bool:
    """Whether a district is next to the faction's ground; where it has none left, whether it is its home."""
    if not state.territories:
        return district == state.sheet.home
    return any(neighbour in state.territories for neighbour in world.districts[district].neighbours)


def choose(state: Faction, world: World, now_s: float, dice: Dice) -> PoliticalMove:
    """One of the legal moves: the best after each one's worth was multiplied by a die of 0.5..1.5."""
    moves = legal_moves(state, world, now_s)
    scored = [(move.worth * (0.5 + dice.unit()), -place) for place, move in enumerate(moves)]
    return moves[-max(scored)[1]]


def legal_moves(state: Faction, world: World, now_s: float) -> list[PoliticalMove]:
    """All legal moves now, always in the same order, ``rest`` first."""
    return [
        PoliticalMove("rest", _REST_WORTH),
        *_recruiting(state, now_s),
        *_towards_others(state, world, now_s),
        *_expansions(state, world, now_s),
    ]


def _recruiting(state: Faction, now_s: float) -> Iterator[PoliticalMove]:
    strength = strength_now(state, now_s)
    if strength >= 90.0 or _funds(state, now_s) < 4 * RECRUIT_COST:
        return
    worth = 0.25 + 0.2 * character_of(state).aggression - 0.6 * (strength - 50) / 50
    yield PoliticalMove("recruit", worth + (0.25 if wars_now(state, now_s) else 0.0))


def _funds(state: Faction, now_s: float) -> int:
    return state.treasury + income(state, now_s) - upkeep(state, now_s)


def _towards_others(state: Faction, world: World, now_s: float) -> Iterator[PoliticalMove]:
    who = character_of(state)
    for other in sorted(state.relations):
        if other not in world.factions:
            continue
        side = _Side(state, other, state.relations[other], who, now_s)
        for move in (*_friendly(side), *_hostile(side)):
            yield PoliticalMove(move.name, move.worth * _AGAIN, other) if other == state.moved_on else move


class _Side:
    """The situation towards one other faction. ``above``: how far the relation is above its rest, in units of 50;
    ``heat``: −1 (love) to 1 (hate); ``power``: own strength, −1 to 1; ``bond``: pact, war or None."""

    __slots__ = ("above", "bond", "funds", "heat", "may_ask", "may_declare", "other", "power", "value", "who")

    def __init__(self, state: Faction, other: str, relation: Relation, who: Character, now_s: float) -> None:
        self.other, self.who = other, who
        self.value = value_now(relation, now_s)
        self.above, self.heat = (self.value - relation.rest) / 50, -self.value / 100
        self.power = (strength_now(state, now_s) - 50) / 50
        self.bond = bond_now(state, other, now_s)
        self.funds = _funds(state, now_s)
        self.may_ask = now_s - state.asked.get(other, 0.0) >= ASK_EVERY_S
        self.may_declare = len(wars_now(state, now_s)) < WARS_MAX


def _friendly(side: _Side) -> Iterator[PoliticalMove]:
    who, value, bond = side.who, side.value, side.bond
    if value >= -15 and bond != "war" and side.may_ask:
        yield PoliticalMove("trade", 0.2 + 0.2 * who.greed + 0.1 * who.cunning - 0.15 * side.heat, side.other)
    if value >= 15 and bond is None and side.may_ask:
        yield PoliticalMove("pact", 0.35 + 0.25 * who.loyalty + 0.1 * who.cunning - 0.6 * side.above, side.other)
    if (value <= -15 or bond == "war") and side.may_ask and tribute_of(side.funds) > 0:
        worth = 0.25 + 0.4 * (1 - who.aggression) * side.heat - 0.2 * who.greed - 0.5 * side.above
        yield PoliticalMove("tribute", worth - 0.3 * side.power, side.other)
    if side.may_ask and (bond == "war" or (value <= -25 and side.above <= -0.1 and bond is None)):
        worth = 0.05 + 0.2 * (1 - who.aggression) + 0.1 * who.cunning - 0.9 * side.above
        yield PoliticalMove("truce", worth + (0.1 - 0.5 * side.power if bond == "war" else 0.0), side.other)


def _hostile(side: _Side) -> Iterator[PoliticalMove]:
    who, value, bond = side.who, side.value, side.bond
    if bond == "pact":
        worth = 0.35 + 0.45 * who.cunning + 0.35 * who.greed - 0.75 * who.loyalty + 0.5 * side.heat
        yield PoliticalMove("betray", worth + 0.2 * side.power, side.other)
        return
    if value < 15:
        yield PoliticalMove("insult", 0.2 + 0.3 * who.aggression - 0.1 * who.cunning + 0.8 * side.above, side.other)
    if (value <= -35 or bond == "war") and side.funds >= RAID_COST and side.power >= -0.6:
        worth = 0.2 + 0.35 * who.aggression * side.heat + 0.2 * who.greed + 0.8 * side.above
        yield PoliticalMove("raid", worth + 0.3 * side.power + (0.3 if bond == "war" else 0.0), side.other)
    if value <= -50 and bond is None and side.may_declare and side.power >= -0.1 and side.funds >= 4 * WAR_COST:
        worth = 0.2 + 0.6 * who.aggression * side.heat + 0.7 * side.above + 0.5 * side.power
        yield PoliticalMove("war", worth, side.other)


def _expansions(state: Faction, world: World, now_s: float) -> Iterator[PoliticalMove]:
    if now_s - state.expanded_s < EXPAND_EVERY_S or len(state.territories) >= TERRITORIES_MAX:
        return
    who = character_of(state)
    drive = (who.greed + who.aggression) / 2
    near = {n for held in state.territories if held in world.districts for n in world.districts[held].neighbours}
    for district in sorted(near or {state.sheet.home}):
        if district in state.territories or district not in world.districts:
            continue
        if claim_cost(state, world, district) * 2 > state.treasury:
            continue
        holder = native_holder(world, district)
        if holder is None or holder == state.sheet.id:
            yield PoliticalMove("expand", 0.4 + 0.4 * drive, None, district)
            continue
        known = state.relations.get(holder)
        value = 0.0 if known is None else value_now(known, now_s)
        bond = bond_now(state, holder, now_s)
        at_war = bond == "war"
        # The home of a faction cannot be claimed, so that politics alone never removes one from the map.
        if (value <= -40 or at_war) and bond != "pact" and district != world.factions[holder].home:
            worth = 0.2 + 0.3 * drive - 0.2 * value / 100 + (0.2 if at_war else 0.0)
            yield PoliticalMove("expand", worth, holder, district)


def consent(state: Faction, other: str, offer: Literal["pact", "truce", "trade"], now_s: float) -> float:
    """The chance that a faction accepts the offer of another one, 0..0.95."""
    known = state.relations.get(other)
    value, rest = (0.0, 0.0) if known is None else (value_now(known, now_s), known.rest)
    who, bond = character_of(state), bond_now(state, other, now_s)
    if offer == "pact":
        chance = 0.0 if value < 5 or bond == "war" else 0.3 + value / 100 + 0.3 * who.loyalty
    elif offer == "trade":
        chance = 0.0 if value < -25 or bond == "war" else 0.5 + value / 150 + 0.2 * who.greed
    else:
        weary = (50 - strength_now(state, now_s)) / 50
        chance = 0.3 + 0.3 * (1 - who.aggression) + 0.4 * weary - 0.4 * (value - rest) / 50
    return clamped(chance, 0.0, 0.95)
