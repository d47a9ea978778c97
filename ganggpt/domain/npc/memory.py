"""Memory and reflection of an NPC: what it keeps of what it hears, its conclusions, and the rumours it tells."""

from __future__ import annotations

from collections import Counter
from typing import Final

from ganggpt.domain.daily_life import together_with
from ganggpt.domain.ids import ActorId
from ganggpt.domain.language.words import tokens
from ganggpt.domain.mind.affect import HOSTILE_AT
from ganggpt.domain.mind.archive import to_archive
from ganggpt.domain.mind.brief import STRANGER
from ganggpt.domain.mind.memory_record import (
    Memories,
    Memory,
    Trace,
    is_expired,
    last_s,
)
from ganggpt.domain.mind.memory_writer import MemoryWriter
from ganggpt.domain.mind.reflection import plan_reflection
from ganggpt.domain.npc.commands import Hear
from ganggpt.domain.npc.events import Pondered, RumourTold
from ganggpt.domain.npc.rumour import (
    HOPS_MAX,
    Tale,
    distorted,
    hottest,
    is_nameless,
    lifetime_s,
    listener_of,
    neighbours,
)
from ganggpt.domain.npc.state import Npc, standing_now
from ganggpt.domain.turn import (
    Decision,
    Dice,
    Event,
    Message,
    Turn,
)

PONDER_AT: Final = 120
"""Weight of what was learned from which on an NPC draws a conclusion: some ten ordinary encounters."""
_KNOWS_BETTER: Final = 0.6
_DAY_S: Final = 86_400.0


def writer_of(state: Npc, turn: Turn) -> MemoryWriter:
    """What writes into an NPC's mind in one turn."""
    return MemoryWriter(state.mind, turn.now_s, state.sheet.room)


def hear(state: Npc, command: Hear, turn: Turn) -> Decision:
    """A neighbour tells something. What the NPC told itself, saw itself, or what is over, is not kept."""
    own = command.origin.startswith(f"{turn.actor}#") or turn.actor in command.chain
    if own or command.expires_s <= turn.now_s or not command.chain or len(command.chain) > HOPS_MAX:
        return Decision((), {"heard": False})
    if _knows_better(state.mind.memories, command, turn.now_s):
        return Decision((), {"heard": False})
    writer = writer_of(state, turn)
    trace = Trace(command.origin, tuple(command.chain), command.born_s)
    rumour = Memory(
        0,
        "rumour",
        command.text,
        command.weight,
        command.about,
        "rumour",
        turn.now_s,
        command.expires_s,
        trace=trace,
    )
    no = writer.keep(rumour)
    if no is None:
        return Decision((), {"heard": False})
    planned, reminders = plan_reflection(state.mind, turn)
    return Decision(
        (*writer.events, *planned), {"heard": True, "memory": no}, to_archive(state.mind, writer, turn), (), reminders
    )


def _knows_better(memories: Memories, command: Hear, now_s: float) -> bool:
    """Whether the NPC itself saw what it is told."""
    wanted = tokens(command.text)
    for memory in memories:
        if memory.source != "witnessed" or memory.about != command.about or is_expired(memory, now_s):
            continue
        known = tokens(memory.text)
        if len(known & wanted) >= _KNOWS_BETTER * max(1, len(known | wanted)):
            return True
    return False


def rumour_by(player: str, no: int, turn: Turn, weight: int) -> tuple[Trace, float]:
    """The trace and the date of what a player tells of another: a rumour that was born here and came from them."""
    return Trace(f"{turn.actor}#{no}", (player,), turn.now_s), turn.now_s + lifetime_s(weight)


def reflects(state: Npc, writer: MemoryWriter, turn: Turn) -> Decision:
    """While it reflects, an NPC draws a conclusion where enough has gathered, and tells one piece of news to one
    neighbour."""
    events: list[Event] = []
    if state.gathered >= PONDER_AT:
        events.append(_ponder(state, writer, turn))
    tale, listener = _news(state, turn)
    if tale is None or listener is None:
        return Decision(tuple(events))
    told = _told_on(tale, turn.dice)
    events.append(RumourTold(tale.no, listener, told.text, turn.now_s))
    return Decision(tuple(events), messages=(Message(ActorId(listener), told),))


def _ponder(state: Npc, writer: MemoryWriter, turn: Turn) -> Pondered:
    """One conclusion about the person with the most weight in recent memories, drawn from what they did."""
    recent = [m for m in state.mind.memories if m.about is not None and turn.now_s - last_s(m) < 7 * _DAY_S]
    recent = [m for m in recent if m.source in ("witnessed", "told") and m.kind != "summary"]
    weights: Counter[str] = Counter()
    for memory in recent:
        weights[memory.about or ""] += memory.weight
    if not weights:
        return Pondered(None, (), turn.now_s)
    player = max(weights, key=lambda who: (weights[who], who))
    evidence = [m for m in recent if m.about == player]
    standing = standing_now(state, player, turn.now_s)
    text = f"{standing.name or STRANGER} {_conclusion(evidence, standing.value)}"
    weight = min(70, 30 + weights[player] // 20)
    no = writer.keep(Memory(0, "note", text, weight, player, "inferred", turn.now_s, audience=player))
    return Pondered(no, tuple(m.no for m in evidence[-16:]), turn.now_s)


def _conclusion(evidence: list[Memory], standing: float) -> str:
    kinds = Counter(memory.kind for memory in evidence)
    if kinds["threat"] or standing <= HOSTILE_AT:
        return "means me harm, and I had better watch out"
    if kinds["promise"] + kinds["debt"] >= 2:
        return "promises a lot, and I will see what comes of it"
    if kinds["gift"] >= 2:
        return "keeps bringing me things, and wants to be on my good side"
    if kinds["work"] >= 2:
        return "keeps coming back for work, and may be of use"
    return "is around a lot these days, and I begin to know what to expect"


def _news(state: Npc, turn: Turn) -> tuple[Tale | None, str | None]:
    """The hottest tale for which there is a listener."""
    usual = neighbours(turn.world, turn.actor, state.sheet.home, state.sheet.faction)
    met = (f"npc:{other}" for other in together_with(turn.world, state.sheet.id, turn.now_s))
    around = [other for other in dict.fromkeys((*met, *usual)) if other != turn.actor]
    if not around:
        return None, None

    def bears_grudge(player: str) -> bool:
        return standing_now(state, player, turn.now_s).value <= HOSTILE_AT

    tale = hottest(state.mind.memories, state.told, turn.actor, state.sheet.name, turn.now_s, bears_grudge)
    if tale is None:
        return None, None
    return tale, listener_of(tale, around, state.told.get(tale.no, 0))


def _told_on(tale: Tale, dice: Dice) -> Hear:
    text = distorted(tale.text, len(tale.trace.chain), dice)
    about = None if is_nameless(text) else tale.about
    trace = tale.trace
    return Hear(text, int(tale.heat), about, trace.origin, trace.chain, trace.born_s, tale.expires_s)
