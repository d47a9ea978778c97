"""What an NPC knows of its own faction: who leads it, and how it stands with the others.

Friends, enemies and wars change, so it asks the faction by message when it talks, and goes by what it heard last; until
it heard anything, by the world's sheets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ganggpt.domain.ids import ActorId
from ganggpt.domain.messages import HearOfSides, ShowSides
from ganggpt.domain.mind.background import SIDES_TOLD, TIE_FROM, bosses
from ganggpt.domain.npc.events import SidesHeard
from ganggpt.domain.npc.state import SIDES_FRESH_S, Npc, Sides
from ganggpt.domain.turn import Decision, Message, Turn


def side_in_words(state: Npc, turn: Turn) -> tuple[str, ...]:
    """What an NPC knows of its own side: who leads it, with whom it is friends and enemies, and its wars."""
    side = _side_of(state, turn)
    if side is None:
        return ()
    boss, own = bosses(turn.world).get(side), f"your side: {turn.world.factions[side].name}"
    if boss is not None:
        own = f"{own}; you are its boss" if boss == state.sheet.name else f"{own}; its boss: {boss}"
    return (own, *_ties(state, side, turn))


def _ties(state: Npc, side: str, turn: Turn) -> Iterator[str]:
    """How the side stands with the others: as the NPC heard of it last, before that as the world's files say."""
    world, sides = turn.world, state.sides
    if sides is None:
        rest = world.factions[side].relations
        by_tie = sorted(rest, key=lambda other: (-rest[other], other))
        friends = [other for other in by_tie if rest[other] >= TIE_FROM]
        sides = Sides(tuple(friends), tuple(o for o in reversed(by_tie) if rest[o] <= -TIE_FROM), {}, 0.0)
    wars = [other for other, until_s in sides.wars.items() if until_s > turn.now_s]
    told = (("at war with", wars), ("friends of your side:", sides.friends), ("its enemies:", sides.enemies))
    for word, others in told:
        names = [world.factions[other].name for other in others if other in world.factions]
        if names:
            yield f"{word} {', '.join(names[:SIDES_TOLD])}"


def asking_side(state: Npc, turn: Turn) -> Iterable[Message]:
    """A message to the NPC's faction where the NPC does not know how that stands with the others, or heard of it a
    while ago. Only a model is told."""
    side, known = _side_of(state, turn), state.sides
    if turn.has_model and side is not None and (known is None or turn.now_s - known.at_s > SIDES_FRESH_S):
        yield Message(ActorId(f"faction:{side}"), ShowSides())


def hear_of_sides(state: Npc, command: HearOfSides, turn: Turn) -> Decision:
    """Its faction answers; one that it left meanwhile is not heard."""
    if turn.by != f"faction:{state.sheet.faction}":
        return Decision(reply={"heard": False})
    sides = Sides(tuple(command.friends), tuple(command.enemies), command.wars, turn.now_s)
    return Decision((SidesHeard(sides),), {"heard": True})


def _side_of(state: Npc, turn: Turn) -> str | None:
    return state.sheet.faction if state.sheet.faction in turn.world.factions else None
