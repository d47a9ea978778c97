"""What one player hears of an actor's turns, as a stream of events: the reply, each sentence, the end of the utterance.

Pure. The events are the messages of a turn to the player (``Notify``), as the journal has them; whether a game server
shows them to anybody makes no difference. The id of an event is its turn and its place in the turn, so that a stream
can be resumed after any event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ganggpt.domain.kinds import TurnRecord, decode_command
from ganggpt.domain.messages import Notify
from ganggpt.domain.mind.utterance import Began, ProvenanceRecorded, Turned, Waits
from ganggpt.domain.turn import Event
from ganggpt.errors import InvalidInput
from ganggpt.protocol.codec import reply_as_json


class EventId(NamedTuple):
    """A turn of the actor and a message of it: 0 is the reply, one after the last message the end of the stream."""

    seq: int
    n: int = 0

    def __str__(self) -> str:
        return f"{self.seq}.{self.n}"


def event_id_of(text: str) -> EventId:
    """The reverse of ``str(event_id)``. Raises InvalidInput."""
    seq, _, n = text.partition(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (seq, n)):
        raise InvalidInput("Last-Event-ID", "it is the id of an event of this stream, such as 17.0")
    return EventId(int(seq), int(n))


class StreamEvent(NamedTuple):
    """One event of a stream."""

    id: EventId
    name: str
    data: Mapping[str, Any]


class Follower:
    """Follows the answer to one player through the turns of one actor.

    ``utterance`` None: the player waits for their turn. ``ended``: empty while more may come; ``said``, ``hushed``
    (interrupted) or ``unanswered`` (another line took the place of this one). ``at``: the last event that was
    delivered to the listener; ``sentences_out``: how many sentences were; ``seen``: the last turn that was read.
    """

    def __init__(self, actor: str, player: str, utterance: str | None, seen: int, at: EventId) -> None:
        self.actor, self.player, self.utterance = actor, player, utterance
        self.seen, self.at, self.sentences_out = seen, at, 0
        self.ended = ""
        self._sentences = 0

    def events_of(self, seq: int, record: TurnRecord[Any]) -> list[StreamEvent]:
        """The events of a turn that are new for the listener."""
        if self.ended or seq <= self.seen:
            return []
        self.seen = seq
        if self.utterance is None:
            self._turned_to(record.events, record.reply)
        events = self._messages(seq, record)
        if not self.ended and _ends(record.events, self.utterance):
            self.ended = "hushed" if any(event.name == "hush" for event in events) else "said"
        if self.ended:
            messages = () if record.effects is None else record.effects.messages
            events.append(self.end(EventId(seq, len(messages) + 1)))
        for event in events:
            if event.id <= self.at:
                self.delivered(event)
        return [event for event in events if event.id > self.at]

    def end(self, event_id: EventId, ended: str = "") -> StreamEvent:
        """The last event of the stream. ``ended``: why it ends before the utterance does."""
        sentences = max(self.sentences_out, self._sentences)
        return StreamEvent(
            event_id, "done", {"utterance": self.utterance, "ended": ended or self.ended, "sentences": sentences}
        )

    def delivered(self, event: StreamEvent) -> None:
        """Note that the listener got an event."""
        self.at = max(self.at, event.id)
        self.sentences_out = max(self.sentences_out, _sentences_upto(event))

    def _turned_to(self, events: Sequence[Event], reply: bytes) -> None:
        """Note whether the actor turned to this player, or will not do so any more."""
        for event in events:
            if isinstance(event, Began) and event.utterance.player == self.player:
                if reply_in(reply).get("reply", {}).get("utterance") == event.utterance.id:
                    self.ended = "unanswered"  # a newer line of the player has this as its answer
                self.utterance = event.utterance.id
                return
            if isinstance(event, Waits) and event.line.player == self.player:
                self.ended = "unanswered"
        turned = any(isinstance(event, Turned) and event.player == self.player for event in events)
        if turned and not self.ended:
            self.ended = "hushed"

    def _messages(self, seq: int, record: TurnRecord[Any]) -> list[StreamEvent]:
        if self.ended or self.utterance is None or record.effects is None:
            return []
        ends = _ends(record.events, self.utterance)
        events: list[StreamEvent] = []
        for n, (to, name, body) in enumerate(record.effects.messages, 1):
            if to != self.player or name != Notify.tag:
                continue
            told = decode_command("player", name, body)
            assert isinstance(told, Notify)
            word = told.type.rpartition(".")[2]
            # A line that an actor says by itself has no such id; in the turn that ends an utterance it belongs to it.
            if told.body.get("utterance") != self.utterance and not (ends and word == "said"):
                continue
            events.append(StreamEvent(EventId(seq, n), word, told.body))
            self._sentences = max(self._sentences, _sentences_upto(events[-1]))
        return events


def reply_in(reply: bytes) -> dict[str, Any]:
    """A finished reply map as it stands in the journal, with its id as text; empty where there is none."""
    return reply_as_json(reply) if reply else {}


def _ends(events: Sequence[Event], utterance: str | None) -> bool:
    return any(isinstance(event, ProvenanceRecorded) and event.id == utterance for event in events)


def _sentences_upto(event: StreamEvent) -> int:
    """How many sentences the utterance has up to this event, or 0 where it is no sentence."""
    return int(event.data["no"]) + 1 if event.name == "says" and event.data["say"] else 0
