"""Who sees what players do.

Factions learn of a deed only through NPCs and their messages. NPCs that are where it was done, and awake, may see it,
by dice and by how loud it was. Each of them decides what to do about it (``npc.witness``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from ganggpt.domain.daily_life import people_in
from ganggpt.domain.ids import ActorId, name_of
from ganggpt.domain.messages import Witness
from ganggpt.domain.mission_design.deeds import Deed
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.turn import Message, Turn
from ganggpt.domain.world import DeedVerb, NpcSheet, World

WITNESSES_MAX: Final = 2
LOUDNESS: Final[Mapping[DeedVerb, tuple[float, int]]] = {
    "eliminate": (0.9, 8),
    "sabotage": (0.6, 5),
    "defend": (0.7, 5),
    "steal_vehicle": (0.6, 4),
    "threaten": (0.5, 4),
    "escort": (0.4, 3),
    "hack": (0.15, 4),
    "pay": (0.15, 2),
    "deliver": (0.1, 2),
}
"""By verb: the probability that an NPC of the district sees the deed, and its weight (1..10). Other verbs are never
seen."""


def seen_by(deeds: Iterable[Deed], district: str | None, turn: Turn, scene: TalkScene | None = None) -> list[Message]:
    """The messages to those who see a player's deeds; the player acts in ``turn``. At most WITNESSES_MAX a report.
    ``scene``: what is around the player."""
    messages: list[Message] = []
    for place, deed in enumerate(deeds):
        where = deed.district or district
        loud = LOUDNESS.get(deed.verb)
        against = None if loud is None or where is None else concerned(turn.world, deed, where)
        if loud is None or where is None or against is None:
            continue
        ref = f"{name_of(turn.actor)}.{turn.seq}.{place}"
        for witness in _there(turn, where, deed, None if scene is None else scene.minute):
            if len(messages) < WITNESSES_MAX and turn.dice.chance(loud[0]):
                done = Deed(deed.verb, deed.target, where, deed.count)
                told = Witness(ref, turn.actor, done, against, loud[1], scene=scene)
                messages.append(Message(ActorId(f"npc:{witness.id}"), told))
    return messages


def _there(turn: Turn, district: str, deed: Deed, minute: int | None) -> list[NpcSheet]:
    """The people who are where the deed was done, and are not its target, by id."""
    around = people_in(turn.world, district, turn.now_s, minute)
    return [turn.world.npcs[one.npc] for one in around if one.posture != "sleep" and deed.target != f"npc:{one.npc}"]


def concerned(world: World, deed: Deed, district: str) -> str | None:
    """The faction a deed hurts or helps: that of its target, else the one whose ground it was done on."""
    kind, _, name = deed.target.partition(":")
    if kind == "faction" and name in world.factions:
        return name
    if kind == "npc" and name in world.npcs:
        faction = world.npcs[name].faction
        return faction if faction in world.factions else None
    return next((sheet.id for sheet in world.factions.values() if district in sheet.territories), None)
