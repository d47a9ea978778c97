"""What an NPC replies, and what a read of one shows."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict

from ganggpt.domain.described import Doc
from ganggpt.domain.messages import Origin
from ganggpt.domain.mind.replies import Label, MemoryShown, Mood, Saying, Spoken, StandingLabel
from ganggpt.domain.retirement import AbsenceShown


class SpawnReply(TypedDict):
    """The NPC lives."""

    spawned: Annotated[str, Doc("its id")]
    mood: Mood
    returned: NotRequired[Annotated[bool, Doc("true: it was retired, and is back with all it knew")]]


class NpcReviseReply(TypedDict):
    """What is different now."""

    npc: Annotated[str, Doc("its id")]
    changed: Annotated[list[str], Doc("the fields of the sheet that changed")]


class NpcSpoken(Spoken):
    """What the NPC says, and how it regards the player now."""

    standing: Annotated[int, Doc("how it regards this player, −100 to 100")]
    standing_label: StandingLabel


class NoticedReply(TypedDict):
    """What became of what the NPC saw."""

    noticed: bool
    memory: Annotated[int | None, Doc("the number of the memory; null where it was too slight or is known already")]


class WorkReply(NpcSpoken):
    """What the NPC says; with an offer, the mission. Wait for the push `mission.offered` before it is accepted."""

    mission: NotRequired[
        Annotated[str, Doc("the id of the mission, which exists when the push `mission.offered` comes")]
    ]
    template: NotRequired[Annotated[str, Doc("the mission of the world file, or `grown` by the grammar")]]
    title: NotRequired[str]
    reward: NotRequired[Annotated[int, Doc("dollars")]]


class LeastAndMost(TypedDict):
    """The least and the most."""

    least: int
    best: NotRequired[Annotated[int, Doc("what fits the player")]]
    most: int


class PlaceOutlined(TypedDict):
    """A district within reach."""

    id: str
    name: str
    kind: str
    metres: Annotated[int, Doc("by road from the giver's home")]
    held_by: Annotated[str | None, Doc("a faction")]
    people: Annotated[list[str], Doc("ids of NPCs")]
    things: Annotated[list[str], Doc("ids of things that are found there")]


class VerbOutlined(TypedDict):
    """What may stand in an objective of a verb."""

    targets: Annotated[list[str], Doc("kinds of targets")]
    most: Annotated[int, Doc("the largest count")]


class OutlineReply(TypedDict):
    """What a mission for this player is made of."""

    giver: Annotated[dict[str, str], Doc("the NPC: id, name, role")]
    faction: Annotated[dict[str, Any] | None, Doc("who pays: id, name and relations; null: the giver")]
    player: str
    party: int
    difficulty: LeastAndMost
    reward: Annotated[LeastAndMost | None, Doc("dollars; null where nobody can pay")]
    impact_max: Annotated[int, Doc("the largest effect on a standing")]
    objectives_max: int
    places: Annotated[list[PlaceOutlined], Doc("the nearest, at most 12")]
    things_anywhere: Annotated[list[str], Doc("ids of things that have no place")]
    verbs: dict[str, VerbOutlined]
    asked_s: Annotated[float, Doc("send it with `ProposeMission`")]


class ProblemShown(TypedDict):
    """Something that was wrong with a proposal."""

    code: str
    where: Annotated[str, Doc("the part of the mission")]
    said: Annotated[str, Doc("what is wrong, in a sentence")]
    fixed: Annotated[str | None, Doc("how it was repaired; null: it was not")]


class ProposeReply(TypedDict):
    """What became of the proposal: offered at once, or (`origin` model) kept for when the player asks next."""

    origin: Annotated[Origin, Doc("where the mission comes from that is offered, perhaps instead")]
    problems: list[ProblemShown]
    mission: NotRequired[Annotated[str, Doc("the id of the mission")]]
    title: NotRequired[str]
    reward: NotRequired[Annotated[int, Doc("dollars")]]
    difficulty: NotRequired[int]
    prepared: NotRequired[Annotated[str, Doc("the title of the mission that is kept")]]


class StandingShown(TypedDict):
    """How it regards one player."""

    player: str
    name: Annotated[str, Doc("what the player calls themselves")]
    value: Annotated[float, Doc("−100 to 100")]
    label: StandingLabel
    talks: Annotated[int, Doc("how often they have talked")]


ItemShown = TypedDict(
    "ItemShown",
    {
        "name": str,
        "value": Annotated[int, Doc("dollars")],
        "from": Annotated[str, Doc("who gave it")],
    },
)


class Doing(TypedDict):
    """What it is doing because of a talk."""

    action: str
    player: str
    until_s: float


class WorkShown(TypedDict):
    """The last offer to a player."""

    player: str
    mission: str
    template: str


class NpcView(TypedDict):
    """An NPC as it is now."""

    retired: Annotated[AbsenceShown | None, Doc("null: it is there")]
    name: str
    role: str
    home: Annotated[str, Doc("a district")]
    faction: str | None
    traits: dict[str, int]
    style: str
    backstory: str
    likes: list[str]
    missions: Annotated[list[str], Doc("the jobs it has from the world file")]
    aims: Annotated[list[str], Doc("what it is after")]
    born_s: float
    mood: Label
    standing: list[StandingShown]
    memories: Annotated[list[MemoryShown], Doc("the newest 256")]
    let_go: Annotated[int, Doc("memories that went to the archive")]
    noticed: Annotated[int, Doc("what it ever noticed")]
    saying: Saying | None
    items: Annotated[list[ItemShown], Doc("what it was given")]
    doing: list[Doing]
    work: list[WorkShown]
