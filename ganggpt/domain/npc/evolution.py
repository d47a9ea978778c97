"""How events change an NPC: one fold for each, and ``evolve``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from ganggpt.domain import erasure
from ganggpt.domain.erasure import PlayerForgotten
from ganggpt.domain.mind.memory import (
    Reinforced,
    Remembered,
    Unlearned,
)
from ganggpt.domain.mind.mind import (
    FOLDS,
    fold,
    spoke,
)
from ganggpt.domain.mind.utterance import ProvenanceRecorded
from ganggpt.domain.npc.events import (
    Acted,
    ItemGiven,
    ItemReceived,
    MissionFundsHeard,
    Needed,
    Noticed,
    NpcEvent,
    Pondered,
    RecordHeard,
    Returned,
    Revised,
    RumourTold,
    SceneSeen,
    SidesHeard,
    Spawned,
    Spoke,
    Swayed,
    WorkOffered,
    WorkPrepared,
)
from ganggpt.domain.npc.state import (
    ACTED_MAX,
    ITEMS_MAX,
    NEEDED_MAX,
    PREPARED_MAX,
    WORK_MAX,
    Did,
    Npc,
    Prepared,
    WorkOffer,
)
from ganggpt.domain.retirement import Absence, Retired
from ganggpt.domain.turn import Event


def _spawned(_: Npc | None, event: Spawned) -> Npc:
    return Npc(event.sheet, event.at_s, event.mood, event.at_s)


def _returned(state: Npc, event: Returned) -> Npc:
    return replace(_revised(state, event), absence=None)


def _revised(state: Npc, event: Revised | Returned) -> Npc:
    sides = state.sides if event.sheet.faction == state.sheet.faction else None
    return replace(state, sheet=event.sheet, mood=event.mood, mood_s=event.at_s, sides=sides)


def _retired(state: Npc, event: Retired) -> Npc:
    """Open offers and what it was doing are over; whom it knows and what it remembers stays."""
    return replace(state, absence=Absence(event.at_s, event.reason), work={}, prepared={}, needed={}, acted=())


def _needed(state: Npc, event: Needed) -> Npc:
    needed = {mission: until_s for mission, until_s in state.needed.items() if until_s > event.at_s}
    needed[event.mission] = event.until_s
    if len(needed) > NEEDED_MAX:
        del needed[min(needed, key=lambda mission: (needed[mission], mission))]
    return replace(state, needed=needed)


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
    # Who asks again weeks later is still told what the job was.
    others = [item for item in state.work.items() if item[0] != event.player]
    work = dict(sorted(others, key=lambda item: item[1].at_s)[1 - WORK_MAX :])
    work[event.player] = WorkOffer(*(getattr(event, name) for name in WorkOffer.__struct_fields__))
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


def _scene_seen(state: Npc, event: SceneSeen) -> Npc:
    return replace(state, around=event.scene, around_s=event.at_s)


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
    SidesHeard: lambda state, event: replace(state, sides=event.sides),
    SceneSeen: _scene_seen,
    WorkPrepared: _work_prepared,
    PlayerForgotten: erasure.fold,
    Returned: _returned,
    Revised: _revised,
    Retired: _retired,
    Needed: _needed,
}


def evolve(state: Npc | None, event: NpcEvent) -> Npc:
    """The state after an event."""
    return _FOLDS[type(event)](state, event)
