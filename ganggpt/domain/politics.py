"""What a faction makes of its political turn: every legal move is weighed by traits and relations, then dice decide.

Factions drift back to what they always thought of each other: the further a relation fell under its rest, the more a
truce is worth; the further it rose above, the more an insult is. So rivals stay rivals without a war that never ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from ganggpt.domain.faction_state import TERRITORIES_MAX, Faction
from ganggpt.domain.relation import value_now
from ganggpt.domain.turn import Dice
from ganggpt.domain.world import World

MoveName = Literal["pact", "insult", "tribute", "raid", "truce", "expand", "rest"]

TURN_EVERY_S: Final = 300.0
"""Between two political turns of a faction, ± TURN_JITTER of it."""
TURN_JITTER: Final = 0.2
EXPAND_EVERY_S: Final = 12 * 3600.0
INCOME_PER_HOUR: Final = 120
INCOME_PER_DISTRICT: Final = 40
"""Dollars an hour, whatever a faction holds, and those a district adds."""
INCOME_HOURS_MAX: Final = 24.0
RAID_COST: Final = 400
RAID_LOOT_MAX: Final = 1_000
CLAIM_COST: Final = 2_000
CLAIM_COST_STEP: Final = 1_500
_REST_WORTH: Final = 0.75
_AGAIN: Final = 0.5


class Move(Struct, frozen=True, gc=False):
    """One legal move and what it is worth to this faction (about 0..1)."""

    name: MoveName
    worth: float
    other: str | None = None
    district: str | None = None


def income(state: Faction, now_s: float) -> int:
    """Dollars that came in since the last turn; at most a day's worth, however long nobody looked."""
    hours = min(INCOME_HOURS_MAX, max(0.0, now_s - state.turned_s) / 3600)
    return int(hours * (INCOME_PER_HOUR + INCOME_PER_DISTRICT * len(state.territories)))


def claim_cost(state: Faction, world: World, district: str) -> int:
    """Dollars to claim a district: dearer for those who hold many, twice as dear on what was another's ground."""
    cost = CLAIM_COST + CLAIM_COST_STEP * len(state.territories)
    return cost * 2 if native_holder(world, district) not in (None, state.sheet.id) else cost


def tribute_of(treasury: int) -> int:
    """What a faction pays to be left alone: a twentieth of what it has, at most 2,000 dollars."""
    return min(2_000, treasury // 20)


def native_holder(world: World, district: str) -> str | None:
    """Whose ground a district was when the world began."""
    return next((sheet.id for sheet in world.factions.values() if district in sheet.territories), None)


def is_reachable(state: Faction, world: World, district: str) -> bool:
    """Next to what the faction holds; with no ground left, only its home."""
    if not state.territories:
        return district == state.sheet.home
    return any(neighbour in state.territories for neighbour in world.districts[district].neighbours)


def choose(state: Faction, world: World, now_s: float, dice: Dice) -> Move:
    """One of the legal moves: the best after each one's worth was multiplied by a die of 0.5..1.5."""
    moves = [Move("rest", _REST_WORTH), *_towards_others(state, world, now_s), *_expansions(state, world, now_s)]
    scored = [(move.worth * (0.5 + dice.unit()), -place) for place, move in enumerate(moves)]
    return moves[-max(scored)[1]]


def _towards_others(state: Faction, world: World, now_s: float) -> Iterator[Move]:
    funds = state.treasury + income(state, now_s)
    for other in sorted(state.relations):
        if other not in world.factions:
            continue
        relation = state.relations[other]
        for move in _moves(state, other, value_now(relation, now_s), relation.rest, funds):
            yield Move(move.name, move.worth * _AGAIN, other) if other == state.moved_on else move


def _moves(state: Faction, other: str, value: float, rest: float, funds: int) -> Iterator[Move]:
    """``above``: how far the relation is over its rest, in units of 50."""
    traits = state.sheet.traits
    aggression = traits.get("aggression", 50) / 100
    greed = traits.get("greed", 50) / 100
    loyalty = traits.get("loyalty", 50) / 100
    cunning = traits.get("cunning", 50) / 100
    above, heat = (value - rest) / 50, -value / 100
    if value >= 15:
        yield Move("pact", 0.25 + 0.25 * loyalty + 0.1 * cunning - 0.8 * above, other)
    if value < 15:
        yield Move("insult", 0.2 + 0.3 * aggression - 0.1 * cunning + 0.8 * above, other)
    if value <= -15 and tribute_of(funds) > 0:
        yield Move("tribute", 0.15 + 0.3 * (1 - aggression) * heat - 0.2 * greed - 0.5 * above, other)
    if value <= -25:
        yield Move("truce", 0.15 + 0.2 * (1 - aggression) + 0.1 * cunning - 0.9 * above, other)
    if value <= -35 and funds >= RAID_COST:
        yield Move("raid", 0.1 + 0.35 * aggression * heat + 0.2 * greed + 0.8 * above, other)


def _expansions(state: Faction, world: World, now_s: float) -> Iterator[Move]:
    if now_s - state.expanded_s < EXPAND_EVERY_S or len(state.territories) >= TERRITORIES_MAX:
        return
    traits = state.sheet.traits
    drive = (traits.get("greed", 50) + traits.get("aggression", 50)) / 200
    near = {n for held in state.territories if held in world.districts for n in world.districts[held].neighbours}
    for district in sorted(near or {state.sheet.home}):
        if district in state.territories or district not in world.districts:
            continue
        if claim_cost(state, world, district) * 2 > state.treasury:
            continue
        holder = native_holder(world, district)
        if holder is None or holder == state.sheet.id:
            yield Move("expand", 0.4 + 0.4 * drive, None, district)
            continue
        known = state.relations.get(holder)
        value = 0.0 if known is None else value_now(known, now_s)
        # A home is left to its faction: politics alone never wipes one off the map.
        if value <= -40 and district != world.factions[holder].home:
            yield Move("expand", 0.2 + 0.3 * drive - 0.2 * value / 100, holder, district)
