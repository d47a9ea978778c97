"""What an NPC is: persona, mood, memories, its standing with each player, and how events change them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain import erasure
from ganggpt.domain.erasure import PlayerForgotten
from ganggpt.domain.messages import Origin
from ganggpt.domain.mind.affect import (
    MOOD_HALF_LIFE_S,
    STANDING_HALF_LIFE_S,
    drained,
    faded,
    mood_at_rest,
)
from ganggpt.domain.mind.events import ArchiveSearched, ReflectionPlanned, TalkEnded
from ganggpt.domain.mind.memory import (
    Embedded,
    Reinforced,
    Remembered,
    Reworded,
    Unlearned,
)
from ganggpt.domain.mind.mind import (
    FOLDS,
    Mind,
    fold,
    spoke,
)
from ganggpt.domain.mind.utterance import ProvenanceRecorded, SpeakingEvent
from ganggpt.domain.numbers import clamped
from ganggpt.domain.turn import Event
from ganggpt.domain.world import MissionTemplate, NpcSheet

STANDINGS_MAX: Final = 256
WORK_MAX: Final = 32
PREPARED_MAX: Final = 8
WORK_COOLDOWN_S: Final = 120.0
ITEMS_MAX: Final = 24
ACTED_MAX: Final = 32
GIFT_HALF_LIFE_S: Final = 7 * 86_400.0
GIFT_MAX: Final = 15.0
_GIFT_STEP: Final = 1.2
_GIFT_UNIT: Final = 50.0


class Standing(Struct, frozen=True, gc=False, array_like=True):
    """How an NPC stands with one player as of ``at_s``: value −100..100, fading towards 0.

    ``sway``: how much of the day's allowance words have used up. ``given``: worth of gifts still felt, in dollars.
    ``name``: what the player calls themselves. ``talks``: how often they talked. ``skill``: how good at jobs the NPC
    heard they are as of ``skill_s``, 0..100; −1: it has not heard.
    """

    value: float
    at_s: float
    sway: float = 0.0
    given: float = 0.0
    name: str = ""
    talks: int = 0
    skill: int = -1
    skill_s: float = 0.0


class WorkOffer(Struct, frozen=True, gc=False, array_like=True):
    """The last mission offered to a player. An offer of an older version has no title and is one of the world's."""

    mission: str
    template: str
    at_s: float
    title: str = ""
    reward: int = 0
    task: str = ""


class Prepared(Struct, frozen=True, gc=False, array_like=True):
    """A mission that a model thought up for a player and the compiler let through, or what there is instead of one that
    it did not; offered when they ask next."""

    mission: MissionTemplate
    why: tuple[str, ...]
    at_s: float
    origin: Origin = "model"


class Item(Struct, frozen=True, gc=False, array_like=True):
    """A thing an NPC holds: what it is, its worth in dollars, the player who gave it, and when."""

    name: str
    value: int
    giver: str
    at_s: float


class Did(Struct, frozen=True, gc=False, array_like=True):
    """Something an NPC did to or for a player because a talk came to it; it goes on until ``until_s``."""

    action: str
    player: str
    at_s: float
    until_s: float


class Npc(Struct, frozen=True, gc=False, array_like=True):
    """One NPC. ``mood`` −100..100 as of ``mood_s``; standings and work offers by player; ``noticed`` counts trivia.

    ``told``: how often it told which memory on. ``gathered``: weight of what it learned since it last thought about
    it. ``items``: what it holds, at most ITEMS_MAX, the oldest is let go; ``acted``: its last ACTED_MAX acts.
    ``mission_funds``: what its faction can spend on one mission, in dollars, as it heard at ``mission_funds_s``; −1: it
    has not heard. ``prepared``: missions thought up for players, by player.
    """

    sheet: NpcSheet
    born_s: float
    mood: float
    mood_s: float
    mind: Mind = Mind()
    standings: Mapping[str, Standing] = {}
    work: Mapping[str, WorkOffer] = {}
    noticed: int = 0
    told: Mapping[int, int] = {}
    gathered: int = 0
    items: tuple[Item, ...] = ()
    acted: tuple[Did, ...] = ()
    mission_funds: int = -1
    mission_funds_s: float = 0.0
    prepared: Mapping[str, Prepared] = {}


class Spawned(Event, frozen=True, tag="Spawned"):
    """An NPC came into the world."""

    sheet: NpcSheet
    mood: float
    at_s: float


class Noticed(Event, frozen=True, tag="Noticed"):
    """Something too small to remember happened; the mood is this now."""

    at_s: float
    mood: float


class Swayed(Event, frozen=True, tag="Swayed"):
    """Standing with a player and mood are these now. ``dropped``: the player whose standing was let go for it."""

    player: str
    standing: Standing
    mood: float
    cause: str
    dropped: str | None = None


class Spoke(Event, frozen=True, tag="Spoke"):
    """The NPC said something to a player. ``cites``: the memory it brought up. ``utterance``: the one that is over with
    this, where it came sentence by sentence; ``said`` is then what was heard of it."""

    player: str
    act: str
    heard: str
    said: str
    cites: int | None
    at_s: float
    utterance: str = ""


class WorkOffered(Event, frozen=True, tag="WorkOffered"):
    """The NPC offered a player a mission."""

    player: str
    mission: str
    template: str
    at_s: float
    title: str = ""
    reward: int = 0
    task: str = ""


class RumourTold(Event, frozen=True, tag="RumourTold"):
    """The memory ``no`` was told on to another NPC, in these words."""

    no: int
    to: str
    text: str
    at_s: float


class Pondered(Event, frozen=True, tag="Pondered"):
    """The NPC drew its own conclusion ``no`` from these memories."""

    no: int | None
    evidence: tuple[int, ...]
    at_s: float


class ItemReceived(Event, frozen=True, tag="ItemReceived"):
    """A player handed the NPC a thing, which it holds now."""

    item: Item


class ItemGiven(Event, frozen=True, tag="ItemGiven"):
    """The NPC handed a thing it held to a player."""

    item: Item
    player: str
    at_s: float


class Acted(Event, frozen=True, tag="Acted"):
    """The NPC follows, attacks, flees from or reports a player, until ``until_s`` or the game server ends it."""

    action: str
    player: str
    at_s: float
    until_s: float


class RecordHeard(Event, frozen=True, tag="RecordHeard"):
    """The NPC heard how good at jobs a player is."""

    player: str
    skill: int
    at_s: float


class WorkPrepared(Event, frozen=True, tag="WorkPrepared"):
    """A mission was thought up for a player."""

    player: str
    mission: MissionTemplate
    why: tuple[str, ...]
    at_s: float
    origin: Origin = "model"


class MissionFundsHeard(Event, frozen=True, tag="PurseHeard"):
    """The NPC heard what its faction can spend on one mission."""

    dollars: int
    at_s: float


NpcEvent = (
    Spawned
    | Noticed
    | Swayed
    | Spoke
    | WorkOffered
    | Remembered
    | Reinforced
    | Reworded
    | Embedded
    | Unlearned
    | ReflectionPlanned
    | TalkEnded
    | RumourTold
    | Pondered
    | ArchiveSearched
    | ItemReceived
    | ItemGiven
    | Acted
    | SpeakingEvent
    | ProvenanceRecorded
    | RecordHeard
    | MissionFundsHeard
    | WorkPrepared
    | PlayerForgotten
)


def mood_now(state: Npc, now_s: float) -> float:
    """The mood on its way back to rest."""
    return faded(state.mood, mood_at_rest(state.sheet.traits), now_s - state.mood_s, MOOD_HALF_LIFE_S)


def standing_now(state: Npc, player: str, now_s: float) -> Standing:
    """How the NPC stands with a player now; neutral with one it does not know (any more)."""
    known = state.standings.get(player)
    if known is None:
        return Standing(0.0, now_s)
    elapsed_s = now_s - known.at_s
    if elapsed_s <= 0.0:
        return known
    return Standing(
        faded(known.value, 0.0, elapsed_s, STANDING_HALF_LIFE_S),
        now_s,
        drained(known.sway, elapsed_s),
        faded(known.given, 0.0, elapsed_s, GIFT_HALF_LIFE_S),
        known.name,
        known.talks,
        known.skill,
        known.skill_s,
    )


def gift_gain(value: float, given: float, greed: int) -> float:
    """What a gift worth ``value`` dollars adds to a standing after ``given`` dollars still felt, 0..GIFT_MAX.

    ``(1 + greed/200) · 1.2 · [log2(1 + (given + value)/50) − log2(1 + given/50)]``: it telescopes, so that many small
    gifts are worth no more than one large one.
    """
    gain = _GIFT_STEP * (math.log2(1 + (given + value) / _GIFT_UNIT) - math.log2(1 + given / _GIFT_UNIT))
    return clamped(gain * (1 + greed / 200), 0.0, GIFT_MAX)


def one_too_many(state: Npc, player: str, now_s: float) -> str | None:
    """Whose standing to let go of so that one with ``player`` fits: the weakest, of equals the longest untouched."""
    if player in state.standings or len(state.standings) < STANDINGS_MAX:
        return None

    def worth(other: str) -> tuple[float, float, str]:
        standing = state.standings[other]
        faint = abs(faded(standing.value, 0.0, now_s - standing.at_s, STANDING_HALF_LIFE_S))
        return round(faint, 3), standing.at_s, other

    return min(state.standings, key=worth)


def _spawned(_: Npc | None, event: Spawned) -> Npc:
    return Npc(event.sheet, event.at_s, event.mood, event.at_s)


def _noticed(state: Npc, event: Noticed) -> Npc:
    return replace(state, mood=event.mood, mood_s=event.at_s, noticed=state.noticed + 1)


def _swayed(state: Npc, event: Swayed) -> Npc:
    standings = {**state.standings, event.player: event.standing}
    if event.dropped is not None:
        del standings[event.dropped]
    return replace(state, standings=standings, mood=event.mood, mood_s=event.standing.at_s)


def _in_mind(state: Npc, event: Any) -> Npc:
    return replace(state, mind=fold(state.mind, event))


def _spoke(state: Npc, event: Spoke) -> Npc:
    return replace(state, mind=spoke(state.mind, event, event.player))


def _work_offered(state: Npc, event: WorkOffered) -> Npc:
    open_still = [item for item in state.work.items() if event.at_s - item[1].at_s < WORK_COOLDOWN_S]
    work = dict(open_still[1 - WORK_MAX :])
    work[event.player] = WorkOffer(event.mission, event.template, event.at_s, event.title, event.reward, event.task)
    if event.player not in state.prepared:
        return replace(state, work=work)
    prepared = {player: job for player, job in state.prepared.items() if player != event.player}
    return replace(state, work=work, prepared=prepared)


def _record_heard(state: Npc, event: RecordHeard) -> Npc:
    heard = replace(state.standings[event.player], skill=event.skill, skill_s=event.at_s)
    return replace(state, standings={**state.standings, event.player: heard})


def _work_prepared(state: Npc, event: WorkPrepared) -> Npc:
    prepared = {player: job for player, job in state.prepared.items() if player != event.player}
    prepared[event.player] = Prepared(event.mission, event.why, event.at_s, event.origin)
    if len(prepared) > PREPARED_MAX:
        del prepared[next(iter(prepared))]
    return replace(state, prepared=prepared)


def _mission_funds_heard(state: Npc, event: MissionFundsHeard) -> Npc:
    return replace(state, mission_funds=event.dollars, mission_funds_s=event.at_s)


def _remembered(state: Npc, event: Remembered) -> Npc:
    told = state.told
    if told and event.forgot:
        told = {no: times for no, times in told.items() if no not in event.forgot}
    gathered = state.gathered + event.memory.weight
    return replace(state, mind=fold(state.mind, event), gathered=gathered, told=told)


def _reinforced(state: Npc, event: Reinforced) -> Npc:
    return replace(state, mind=fold(state.mind, event), gathered=state.gathered + event.weight // 4)


def _unlearned(state: Npc, event: Unlearned) -> Npc:
    told = {no: times for no, times in state.told.items() if no not in event.nos}
    return replace(state, mind=fold(state.mind, event), told=told)


def _rumour_told(state: Npc, event: RumourTold) -> Npc:
    held = {held.no for held in state.mind.memories}
    told = {no: times for no, times in state.told.items() if no in held}
    return replace(state, told={**told, event.no: told.get(event.no, 0) + 1})


def _pondered(state: Npc, _: Pondered) -> Npc:
    return replace(state, gathered=0)


def _item_received(state: Npc, event: ItemReceived) -> Npc:
    return replace(state, items=(*state.items, event.item)[-ITEMS_MAX:])


def _item_given(state: Npc, event: ItemGiven) -> Npc:
    items = list(state.items)
    if event.item in items:
        items.remove(event.item)
    return _acted(replace(state, items=tuple(items)), Acted("give", event.player, event.at_s, event.at_s))


def _acted(state: Npc, event: Acted) -> Npc:
    done = Did(event.action, event.player, event.at_s, event.until_s)
    return replace(state, acted=(*state.acted, done)[-ACTED_MAX:])


_FOLDS: Final[Mapping[type[Event], Callable[[Any, Any], Npc]]] = {
    **dict.fromkeys(FOLDS, _in_mind),
    Spawned: _spawned,
    Noticed: _noticed,
    Swayed: _swayed,
    Spoke: _spoke,
    WorkOffered: _work_offered,
    Remembered: _remembered,
    Reinforced: _reinforced,
    Unlearned: _unlearned,
    RumourTold: _rumour_told,
    Pondered: _pondered,
    ItemReceived: _item_received,
    ItemGiven: _item_given,
    Acted: _acted,
    ProvenanceRecorded: lambda state, _: state,
    RecordHeard: _record_heard,
    MissionFundsHeard: _mission_funds_heard,
    WorkPrepared: _work_prepared,
    PlayerForgotten: erasure.fold,
}


def evolve(state: Npc | None, event: NpcEvent) -> Npc:
    """The state after an event."""
    return _FOLDS[type(event)](state, event)
