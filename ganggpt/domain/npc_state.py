"""What an NPC is: persona, mood, memories, its standing with each player, and how events change them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain import memory
from ganggpt.domain.feeling import MOOD_HALF_LIFE_S, STANDING_HALF_LIFE_S, clamped, drained, faded, mood_at_rest
from ganggpt.domain.memory import Memories, Reinforced, Remembered
from ganggpt.domain.speech import with_opener
from ganggpt.domain.turn import Event
from ganggpt.domain.world import NpcSheet

STANDINGS_MAX: Final = 256
WORK_MAX: Final = 32
CITED_MAX: Final = 4
WORK_COOLDOWN_S: Final = 120.0
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


class Npc(Struct, frozen=True, gc=False, array_like=True):
    """One NPC. ``mood`` −100..100 as of ``mood_s``; standings and work offers by player; ``noticed`` counts trivia.

    ``purse``: what its faction can spend on one mission, as it heard at ``purse_s``; −1: it has not heard.
    """

    sheet: NpcSheet
    born_s: float
    mood: float
    mood_s: float
    memories: Memories = ()
    standings: Mapping[str, Standing] = {}
    next_no: int = 1
    openers: tuple[str, ...] = ()
    cited: tuple[int, ...] = ()
    work: Mapping[str, WorkOffer] = {}
    noticed: int = 0
    purse: int = -1
    purse_s: float = 0.0


class Spawned(Event, frozen=True):
    """An NPC came into the world."""

    sheet: NpcSheet
    mood: float
    at_s: float


class Noticed(Event, frozen=True):
    """Something too small to remember happened; the mood is this now."""

    at_s: float
    mood: float


class Swayed(Event, frozen=True):
    """Standing with a player and mood are these now. ``dropped``: the player whose standing was let go for it."""

    player: str
    standing: Standing
    mood: float
    cause: str
    dropped: str | None = None


class Spoke(Event, frozen=True):
    """The NPC said something to a player. ``cites``: the memory it brought up."""

    player: str
    act: str
    heard: str
    said: str
    cites: int | None
    at_s: float


class WorkOffered(Event, frozen=True):
    """The NPC offered a player a mission."""

    player: str
    mission: str
    template: str
    at_s: float
    title: str = ""
    reward: int = 0
    task: str = ""


class RecordHeard(Event, frozen=True):
    """The NPC heard how good at jobs a player is."""

    player: str
    skill: int
    at_s: float


class PurseHeard(Event, frozen=True):
    """The NPC heard what its faction can spend on one mission."""

    dollars: int
    at_s: float


NpcEvent = Spawned | Noticed | Swayed | Spoke | WorkOffered | Remembered | Reinforced | RecordHeard | PurseHeard


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


def _spoke(state: Npc, event: Spoke) -> Npc:
    openers = with_opener(state.openers, event.said)
    if event.cites is None:
        return replace(state, openers=openers)
    cited = (*state.cited, event.cites)[-CITED_MAX:]
    return replace(state, openers=openers, cited=cited, memories=memory.told(state.memories, event.cites))


def _work_offered(state: Npc, event: WorkOffered) -> Npc:
    open_still = [item for item in state.work.items() if event.at_s - item[1].at_s < WORK_COOLDOWN_S]
    work = dict(open_still[1 - WORK_MAX :])
    work[event.player] = WorkOffer(event.mission, event.template, event.at_s, event.title, event.reward, event.task)
    return replace(state, work=work)


def _record_heard(state: Npc, event: RecordHeard) -> Npc:
    heard = replace(state.standings[event.player], skill=event.skill, skill_s=event.at_s)
    return replace(state, standings={**state.standings, event.player: heard})


def _purse_heard(state: Npc, event: PurseHeard) -> Npc:
    return replace(state, purse=event.dollars, purse_s=event.at_s)


def _learned(state: Npc, event: Remembered | Reinforced) -> Npc:
    memories = memory.fold(state.memories, event)
    if isinstance(event, Remembered):
        return replace(state, memories=memories, next_no=event.memory.no + 1)
    return replace(state, memories=memories)


_FOLDS: Final[Mapping[type[Event], Callable[[Any, Any], Npc]]] = {
    Spawned: _spawned,
    Noticed: _noticed,
    Swayed: _swayed,
    Spoke: _spoke,
    WorkOffered: _work_offered,
    Remembered: _learned,
    Reinforced: _learned,
    RecordHeard: _record_heard,
    PurseHeard: _purse_heard,
}


def evolve(state: Npc | None, event: NpcEvent) -> Npc:
    """The state after an event."""
    return _FOLDS[type(event)](state, event)
