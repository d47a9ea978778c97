"""No two players who are there at once look the same: ``Join`` is refused while somebody who is there has such a name.

A replica knows who is online from the table of players, which it reads every two seconds, and from the ``Join`` it let
pass itself. Two players of one look who join within two seconds by two replicas may both get in; nothing depends on
names but what people believe.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from time import monotonic
from typing import Final

import msgspec

from ganggpt.actors.envelope import Envelope, reply_error
from ganggpt.actors.ports import CommandPort, Gate, ReplySink
from ganggpt.domain.language.lookalikes import shapes
from ganggpt.domain.player.rules import Join, Quit
from ganggpt.errors import Refused, Unavailable

POLL_S: Final = 2.0
LATELY_S: Final = 10.0
"""Until then a Join that passed here is in the table."""

log = logging.getLogger(__name__)


class _Named(msgspec.Struct):
    username: str


_body_of_join: Final = msgspec.msgpack.Decoder(_Named)


class PresentNames:
    """Who is there, by how their names look. ``read``: the names of who is online, by actor; raises Unavailable."""

    def __init__(
        self, read: Callable[[], Awaitable[Mapping[str, str]]], clock: Callable[[], float] = monotonic
    ) -> None:
        self._read, self._clock = read, clock
        self._lately: dict[str, float] = {}
        self._names: dict[str, str] = {}
        self._by_shape: dict[str, set[str]] = {}
        self._is_known = True

    async def run(self) -> None:
        """Read who is online, again and again. While the table cannot be read, what was last seen counts."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_S)

    async def poll(self) -> None:
        """Read who is online, once."""
        try:
            online = await self._read()
        except Unavailable as failed:
            if self._is_known:
                log.warning("names of players who are online are not compared with new ones: %s", failed)
            self._is_known = False
            return
        self._is_known = True
        now_s = self._clock()
        self._lately = {player: until_s for player, until_s in self._lately.items() if until_s > now_s}
        here = {**online, **{player: self._names[player] for player in self._lately}}
        self._names, self._by_shape = {}, {}
        for player, name in here.items():
            self._add(player, name)

    def join(self, player: str, name: str) -> None:
        """A player joins. Raises Refused where another one who is there looks the same."""
        if any(self._by_shape.get(shape, set()) - {player} for shape in shapes(name)):
            raise Refused(
                "name_taken", f"somebody who is there has a name that looks like {name!r}; choose another one"
            )
        self.leave(player)
        self._lately[player] = self._clock() + LATELY_S
        self._add(player, name)

    def leave(self, player: str) -> None:
        """A player leaves."""
        self._lately.pop(player, None)
        for shape in shapes(self._names.pop(player, "")):
            self._by_shape[shape].discard(player)

    def _add(self, player: str, name: str) -> None:
        self._names[player] = name
        for shape in shapes(name):
            self._by_shape.setdefault(shape, set()).add(player)


class NamesCompared:
    """Commands to all actors, but for a Join under a name that looks taken. Implements CommandPort."""

    def __init__(self, port: CommandPort, names: PresentNames) -> None:
        self._port, self._names = port, names

    def gate(self, source: str) -> Gate | None:
        """See CommandPort."""
        return self._port.gate(source)

    def submit(
        self, envelopes: Sequence[Envelope], sink: ReplySink, source: str = "", gate: Gate | None = None
    ) -> None:
        """See CommandPort."""
        passed = [envelope for envelope in envelopes if not self._is_refused(envelope, sink)]
        if passed:
            self._port.submit(passed, sink, source, gate)

    async def ask(self, envelope: Envelope, source: str = "") -> bytes:
        """See CommandPort."""
        refusals: list[bytes] = []
        if self._is_refused(envelope, lambda _, reply: refusals.append(reply)):
            return refusals[0]
        return await self._port.ask(envelope, source)

    def _is_refused(self, envelope: Envelope, sink: ReplySink) -> bool:
        if envelope.name == Quit.tag and envelope.to.startswith("player:"):
            self._names.leave(envelope.to)
        if envelope.name != Join.tag:
            return False
        try:
            self._names.join(envelope.to, _body_of_join.decode(envelope.body).username)
        except Refused as refused:
            sink(envelope.id, reply_error(envelope.id, refused))
            return True
        return False
