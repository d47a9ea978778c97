"""Changes of a companion: loyalty moves, memories are added, and it may leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from ganggpt.domain.companion.fate import Fate, weightiest
from ganggpt.domain.companion.state import (
    Cause,
    Companion,
    Departed,
    Going,
    LoyaltyMoved,
    Warned,
    loyalty_now,
    mood_now,
    sway_now,
)
from ganggpt.domain.companion.talk import TALKER, said
from ganggpt.domain.ids import ActorId
from ganggpt.domain.messages import Notify
from ganggpt.domain.mind.affect import swayed
from ganggpt.domain.mind.archive import to_archive
from ganggpt.domain.mind.brief import STRANGER, Act
from ganggpt.domain.mind.memory_record import Memory
from ganggpt.domain.mind.memory_writer import MemoryWriter
from ganggpt.domain.mind.spoken_answer import Answer
from ganggpt.domain.mind.talker import folded
from ganggpt.domain.mind.utterance import Line
from ganggpt.domain.numbers import clamped
from ganggpt.domain.turn import (
    Decision,
    Event,
    Message,
    Turn,
)
from ganggpt.errors import Refused

WENT: Final[Mapping[str, str]] = {"left": "left", "betrayed": "betrayed", "dismissed": "was let go by"}
"""The verb for how a companion left, put between its name and its owner's."""
_FATED_ACTS: Final[Mapping[Fate, Act]] = {"warns": "warn_owner", "leaves": "leave_owner", "betrays": "betray_owner"}


def there(state: Companion) -> None:
    """Raises Refused where the companion is gone."""
    if state.gone:
        raise Refused("gone", f"{state.name} {WENT[state.gone]} {state.owner} and takes no orders")


def moved(state: Companion, wanted: float, what: str, mood_change: float, turn: Turn) -> LoyaltyMoved:
    """A change of loyalty within what the day still allows; the mood goes along in the same measure."""
    sway = sway_now(state, turn.now_s)
    change = swayed(sway, wanted)
    before = loyalty_now(state, turn.now_s)
    loyalty = clamped(before + change, 0.0)
    mood = clamped(mood_now(state, turn.now_s) + mood_change * change / wanted)
    return LoyaltyMoved(Cause(turn.now_s, what, loyalty - before, loyalty), sway + change, mood)


def fated(
    state: Companion,
    turn: Turn,
    fate: Fate,
    line: Line,
    events: Sequence[Event] = (),
    writer: MemoryWriter | None = None,
) -> Decision:
    """What follows from a loyalty under a threshold: a warning or the departure. It is said, remembered and reported
    to the owner. ``events`` and the memories in ``writer`` are those of this turn so far."""
    writer = MemoryWriter(state.mind, turn.now_s) if writer is None else writer
    now_s, felt = turn.now_s, folded(TALKER, state, events)
    loyalty = loyalty_now(felt, now_s)
    because = (weightiest(felt, now_s, against=True) or "").replace(": ", ", ")
    if fate == "warns":
        over: Event = Warned(loyalty, now_s)
    else:
        how: Going = "betrayed" if fate == "betrays" else "left"
        fact = f"I {WENT[how]} {line.name or state.owner_name or STRANGER}" + (f" over {because}" if because else "")
        writer.keep(Memory(0, "identity", fact, 90, state.owner, "witnessed", now_s))
        over = Departed(how, because, loyalty, now_s)
    answer = Answer(_FATED_ACTS[fate], facts={"cause": because})
    decision = said(felt, turn, line, answer, (*events, *writer.events, over))
    body = {"companion": turn.actor, "name": state.name, "fate": fate, "because": because, "say": decision.reply["say"]}
    told = Message(ActorId(state.owner), Notify(f"companion.{fate}", body))
    reply = {**decision.reply, "fate": fate, "because": because}
    return replace(decision, reply=reply, messages=(told, *to_archive(state.mind, writer, turn)))
