"""What one player hears of an actor's turns: who was answered how, sentence by sentence, to the end of an utterance.

Pure. What is heard are the letters of a turn to the player (``Notify``), as they stand in the journal with it, whether
or not a game server shows them to anybody. A place in the stream is the turn and the letter in it, so it can be gone on
from.
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


class Point(NamedTuple):
    """A place in a stream: a turn of the actor, and which letter of it; 0 is its reply, one after the last the end."""

    seq: int
    n: int = 0

    def __str__(self) -> str:
        return f"{self.seq}.{self.n}"


def point_of(text: str) -> Point:
    """The reverse of ``str(point)``. Raises InvalidInput."""
    seq, _, n = text.partition(".")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (seq, n)):
        raise InvalidInput("Last-Event-ID", "it is the id of an event of this stream, such as 17.0")
    return Point(int(seq), int(n))


class Heard(NamedTuple):
    """One event of a stream."""

    at: Point
    name: str
    data: Mapping[str, Any]


class Ear:
    """Follows the answer to one player through the turns of one actor.

    ``utterance`` None: the player waits for their turn. ``ended``: empty while more may come; ``said``, ``hushed``
    (broken off) or ``unanswered`` (another line took the place of this one). ``at``: the last event that went out to
    the listener, ``across``: how many sentences did; ``seen``: the last turn looked at.
    """

    def __init__(self, actor: str, player: str, utterance: str | None, seen: int, at: Point) -> None:
        self.actor, self.player, self.utterance = actor, player, utterance
        self.seen, self.at, self.across = seen, at, 0
        self.ended = ""
        self._sentences = 0

    def hears(self, seq: int, record: TurnRecord[Any]) -> list[Heard]:
        """What is new for the listener in a turn."""
        if self.ended or seq <= self.seen:
            return []
        self.seen = seq
        if self.utterance is None:
            self._turned_to(record.events, record.reply)
        heard = self._letters(seq, record)
        if not self.ended and _ends(record.events, self.utterance):
            self.ended = "hushed" if any(one.name == "hush" for one in heard) else "said"
        if self.ended:
            letters = () if record.effects is None else record.effects.messages
            heard.append(self.end(Point(seq, len(letters) + 1)))
        for one in heard:
            if one.at <= self.at:
                self.took(one)
        return [one for one in heard if one.at > self.at]

    def end(self, at: Point, ended: str = "") -> Heard:
        """The last event. ``ended``: why the stream ends before what is said does."""
        sentences = max(self.across, self._sentences)
        return Heard(at, "done", {"utterance": self.utterance, "ended": ended or self.ended, "sentences": sentences})

    def took(self, one: Heard) -> None:
        """An event went out to the listener."""
        self.at = max(self.at, one.at)
        self.across = max(self.across, _sentences_upto(one))

    def _turned_to(self, events: Sequence[Event], reply: bytes) -> None:
        """Whether the actor turned to this player, or does not mean to any more."""
        for event in events:
            if isinstance(event, Began) and event.utterance.player == self.player:
                if reply_in(reply).get("reply", {}).get("utterance") == event.utterance.id:
                    self.ended = "unanswered"  # somebody said something new, and hears this as the answer to it
                self.utterance = event.utterance.id
                return
            if isinstance(event, Waits) and event.line.player == self.player:
                self.ended = "unanswered"
        turned = any(isinstance(event, Turned) and event.player == self.player for event in events)
        if turned and not self.ended:
            self.ended = "hushed"

    def _letters(self, seq: int, record: TurnRecord[Any]) -> list[Heard]:
        if self.ended or self.utterance is None or record.effects is None:
            return []
        ends = _ends(record.events, self.utterance)
        heard: list[Heard] = []
        for n, (to, name, body) in enumerate(record.effects.messages, 1):
            if to != self.player or name != Notify.tag:
                continue
            told = decode_command("player", name, body)
            assert isinstance(told, Notify)
            word = told.type.rpartition(".")[2]
            # What an actor says by itself has no such id; in the turn that ends an utterance it belongs to it.
            if told.body.get("utterance") != self.utterance and not (ends and word == "said"):
                continue
            heard.append(Heard(Point(seq, n), word, told.body))
            self._sentences = max(self._sentences, _sentences_upto(heard[-1]))
        return heard


def reply_in(reply: bytes) -> dict[str, Any]:
    """A finished reply map as it stands in the journal, with its id as text; empty where there is none."""
    return reply_as_json(reply) if reply else {}


def _ends(events: Sequence[Event], utterance: str | None) -> bool:
    return any(isinstance(event, ProvenanceRecorded) and event.id == utterance for event in events)


def _sentences_upto(one: Heard) -> int:
    """How many sentences there are with this one, where it is one."""
    return int(one.data["no"]) + 1 if one.name == "says" and one.data["say"] else 0
