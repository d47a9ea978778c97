"""What somebody is saying: one utterance at a time, sentence by sentence, and who waits for an answer meanwhile.

Words come from a model, one sentence a command. A sentence counts as said when it went out, and as heard
unless it was cut off.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ganggpt.domain.mind.background import Background
from ganggpt.domain.mind.brief import Brief, Cited
from ganggpt.domain.scene import TalkScene
from ganggpt.domain.turn import Event

WAITING_MAX: Final = 4
"""Players that may wait for an answer at one time."""
SENTENCES_MAX: Final = 8
"""Sentences an utterance has at most."""


class Utterance(Struct, frozen=True, gc=False, array_like=True):
    """Something that is being said to a player. ``id``: the actor and the turn it began in, ``npc:mara#17``. ``heard``:
    what it answers. ``cites``: the memory it brings up. ``said``: the sentences so far. ``learned``: the memory
    that what was heard left; ``name``: what the player calls themselves, where the speaker keeps no names; ``scene``:
    where it is said; ``because``: what the answer of the rules was taken from."""

    id: str
    player: str
    act: str
    heard: str
    cites: int | None
    at_s: float
    said: tuple[str, ...] = ()
    learned: int | None = None
    name: str = ""
    scene: TalkScene | None = None
    because: str = ""


class Line(Struct, frozen=True, gc=False, array_like=True):
    """What a player said while the speaker was talking to somebody else. ``absent_s``: since they last talked;
    ``learned``: the memory it left; ``name`` and ``scene`` as in an utterance."""

    player: str
    heard: str
    absent_s: float
    learned: int | None = None
    name: str = ""
    scene: TalkScene | None = None


class Speaking(Struct, frozen=True, gc=False, array_like=True):
    """What is being said, and who waits, the first first."""

    utterance: Utterance | None = None
    waiting: tuple[Line, ...] = ()


SILENT: Final = Speaking()


class Provenance(Struct, frozen=True, gc=False, array_like=True):
    """How the words of an utterance came about. ``memories``: number and score of what was recalled for it; ``prompt``:
    its text, and ``prompt_hash`` its hash; ``key``: of the recorded exchange; ``guards``: what they found; ``actions``:
    each with the verdict of the rules. Money in nano-dollars. ``model`` "scripted": nobody was asked."""

    model: str = "scripted"
    rung: str = ""
    memories: tuple[tuple[int, float], ...] = ()
    prompt: str = ""
    prompt_hash: str = ""
    key: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    nano_usd: int = 0
    guards: tuple[str, ...] = ()
    actions: tuple[tuple[str, str], ...] = ()


SCRIPTED: Final = Provenance()
"""The provenance of what was said without a model."""


class TalkBrief(Struct, frozen=True, gc=False):
    """What a model is asked for an utterance: the brief any mind gets, and further memories with their scores.
    ``by_embedding``: some of its memories have vectors, so the meaning of what was heard may find better ones."""

    utterance: str
    player: str
    brief: Brief
    memories: tuple[tuple[Cited, float], ...]
    by_embedding: bool = False
    background: Background = Background()


class Began(Event, frozen=True, tag="Began"):
    """An utterance to a player began."""

    utterance: Utterance


class Uttered(Event, frozen=True, tag="Uttered"):
    """The next sentence went out."""

    id: str
    text: str


class BrokeOff(Event, frozen=True, tag="BrokeOff"):
    """An utterance ended before anything of it was heard."""

    id: str
    at_s: float


class Waits(Event, frozen=True, tag="Waits"):
    """A player waits for an answer; what they said earlier while waiting is dropped."""

    line: Line


class Turned(Event, frozen=True, tag="Turned"):
    """The speaker turns to a player who waited, or the player no longer wants an answer."""

    player: str


class ProvenanceRecorded(Event, frozen=True, tag="Explained"):
    """How the words of an utterance came about."""

    id: str
    provenance: Provenance


SpeakingEvent = Began | Uttered | BrokeOff | Waits | Turned


def fold(speaking: Speaking, event: SpeakingEvent) -> Speaking:
    """What is being said after the event."""
    match event:
        case Began():
            return replace(speaking, utterance=event.utterance)
        case Uttered():
            now = speaking.utterance
            if now is None or now.id != event.id:
                return speaking
            return replace(speaking, utterance=replace(now, said=(*now.said, event.text)))
        case BrokeOff():
            return over(speaking, event.id)
        case Waits():
            others = [line for line in speaking.waiting if line.player != event.line.player]
            return replace(speaking, waiting=(*others, event.line)[-WAITING_MAX:])
        case Turned():
            return replace(speaking, waiting=tuple(line for line in speaking.waiting if line.player != event.player))


def over(speaking: Speaking, utterance: str) -> Speaking:
    """An utterance is over."""
    now = speaking.utterance
    return replace(speaking, utterance=None) if now is not None and now.id == utterance else speaking
