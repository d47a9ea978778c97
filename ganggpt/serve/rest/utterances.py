"""Utterances over REST: the explanation of one, and listening to one by its id."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from starlette.responses import Response

from ganggpt.domain.kinds import decode_turn, kind_for
from ganggpt.domain.mind.utterance import Began
from ganggpt.domain.world import World
from ganggpt.errors import Refused, UnknownUtterance
from ganggpt.operations.explain import explain, place_of, read_turns
from ganggpt.serve.rest.streams import EventStream, Listener, Streams
from ganggpt.serve.rest.utterance_events import EventId, Follower, StreamEvent, reply_in

_TURNS_MAX: Final = 10_000
"""Turns a replica reads at most to explain an utterance; the command line reads more."""
_FIRST_READ: Final = 256
"""Turns of an utterance that are read at once; one that is still being said needs some dozens."""


class Utterances:
    """Explains utterances, and lets clients listen to those that are being said."""

    def __init__(self, streams: Streams, world: Callable[[], World]) -> None:
        self.streams = streams
        self._world = world
        self._explaining = asyncio.Lock()

    async def why(self, utterance: str) -> dict[str, Any]:
        """The explanation that ``ganggpt why --json`` shows. Raises InvalidInput, UnknownUtterance, Unavailable."""
        actor, seq = place_of(utterance)
        async with self._explaining:
            turns, snapshot = await read_turns(self.streams.turns, actor, seq, _TURNS_MAX)
            # Folding a long life takes CPU time: do it in a thread, one at a time.
            explanation = await asyncio.to_thread(explain, utterance, turns, self._world(), snapshot)
            return explanation.to_reply()

    async def listen(self, utterance: str, player: str | None, at: EventId | None) -> Response:
        """The events of an utterance after ``at``, from its reply on; 204 where there are no more.

        ``player``: the listener, where it is the one spoken to; with None it only watches, and may leave.
        Raises InvalidInput, UnknownUtterance, Refused, Overloaded, Unavailable.
        """
        streams = self.streams
        actor, seq = place_of(utterance)
        streams.admit()
        try:
            turns = await streams.turns.since(actor, seq, _FIRST_READ)
            listener, first = _listener(utterance, actor, seq, turns, EventId(0) if at is None else at)
            spoken_to = listener.follower.player
            if player is not None and spoken_to and player != spoken_to:
                raise Refused("not_yours", f"this is said to {spoken_to}, not to {player}")
        except BaseException:
            streams.leave()
            raise
        listener.player = player is not None
        if listener.follower.ended and not first:
            streams.leave()
            return Response(status_code=204)
        return EventStream(streams, listener, first)


def _listener(
    utterance: str, actor: str, seq: int, turns: list[tuple[int, bytes]], at: EventId
) -> tuple[Listener, list[StreamEvent]]:
    """A listener at a place of an utterance, and the events that are known at once. Raises UnknownUtterance."""
    if not turns or turns[0][0] != seq:
        raise UnknownUtterance(utterance)
    kind = kind_for(actor)
    record = decode_turn(kind, turns[0][1])
    answer = reply_in(record.reply)
    is_reply = answer.get("reply", {}).get("utterance") == utterance
    began = next((e for e in record.events if isinstance(e, Began) and e.utterance.id == utterance), None)
    if began is None and not is_reply:
        raise UnknownUtterance(utterance)
    follower = Follower(actor, "" if began is None else began.utterance.player, utterance, seq - 1, at)
    first = [StreamEvent(EventId(seq), "reply", answer)] if is_reply and at < EventId(seq) else []
    if began is None:
        follower.ended, last = "said", EventId(seq, 1)
        first += [follower.end(last)] if at < last else []
    for number, body in turns:
        first += follower.events_of(number, decode_turn(kind, body))
    return Listener(follower, player=False), first
