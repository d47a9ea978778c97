"""Requests of actors to the model. No turn waits for them: the answer comes back as commands, like a player's.

A request is sent when the turn that made it is durable. Each part of the answer runs as a command with a derived id.
The rules may refuse such a command as stale; that ends the request. Where the model fails, is late or busy, or where
there is none, the fallback command that the actor named runs instead. After a crash the actor's own reminder does that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from itertools import count
from typing import Any, Final

import msgspec
from msgspec import Raw

from ganggpt.actors.envelope import Envelope, error_of
from ganggpt.actors.host.identity import DatabaseClock
from ganggpt.actors.ports import CommandPort, ModelPort
from ganggpt.domain.ids import ActorId, derived_command_id
from ganggpt.domain.kinds import encode_command
from ganggpt.domain.turn import CancelRequest, Command, ModelRequest
from ganggpt.errors import GangGPTError, Unavailable

log = logging.getLogger(__name__)

OPEN_MAX: Final = 256
"""Open requests of one host; over it the fallback runs at once."""
IDLE_MAX: Final = 64
"""The same bound for requests that no player waits for; it leaves room for the others."""
MODEL: Final = "model:gateway"
"""The sender of the commands that make up an answer."""


class _Stale(Exception):
    """The rules refused a part of the answer: the actor has moved on."""


class ModelRequests:
    """Owns every open request of this host, by actor and name. ``durable`` waits until a commit succeeded."""

    def __init__(
        self,
        model: ModelPort,
        peers: CommandPort,
        clock: DatabaseClock,
        durable: Callable[[int], Awaitable[None]],
    ) -> None:
        self._model = model
        self._peers = peers
        self._clock = clock
        self._durable = durable
        self._open: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.unanswered = 0
        self.stale = 0

    def __len__(self) -> int:
        return len(self._tasks)

    def post(self, actor: ActorId, seq: int, requests: Sequence[ModelRequest | CancelRequest], ticket: int) -> None:
        """Start or cancel the requests of turn ``seq`` of an actor, which is durable with commit ``ticket``."""
        for request in requests:
            before = self._open.pop((actor, request.name), None)
            if before is not None:
                before.cancel()
            if isinstance(request, ModelRequest):
                task = asyncio.get_running_loop().create_task(self._carry_out(actor, seq, request, ticket))
                self._open[actor, request.name] = task
                self._tasks.add(task)
                task.add_done_callback(partial(self._done, (actor, request.name)))

    def cancel(self) -> None:
        """The incarnation ended: cancel every request."""
        for task in self._tasks:
            task.cancel()

    def _done(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._open.get(key) is task:
            del self._open[key]

    async def _carry_out(self, actor: ActorId, seq: int, request: ModelRequest, ticket: int) -> None:
        try:
            await self._durable(ticket)
            try:
                if len(self._tasks) > (OPEN_MAX if request.waited_for else IDLE_MAX):
                    raise Unavailable("the model", "too many requests are under way")
                async with asyncio.timeout(request.within_s), aclosing(self._model.answer(actor, request)) as parts:
                    await self._listen(actor, seq, parts)
            except (GangGPTError, TimeoutError) as failed:
                self.unanswered += 1
                log.info("the fallback runs for %s, without the model: %s", actor, failed or "no answer in time")
                await self._tell(actor, seq, "otherwise", request.fallback)
        except _Stale:
            self.stale += 1
        except GangGPTError as error:
            log.info("no answer of the model reached %s; its reminder will run the fallback: %s", actor, error)

    async def _listen(self, actor: ActorId, seq: int, parts: AsyncGenerator[Command, Mapping[str, Any] | None]) -> None:
        reply: Mapping[str, Any] | None = None
        try:
            for n in count():
                reply = await self._tell(actor, seq, n, await parts.asend(reply))
        except StopAsyncIteration:
            return

    async def _tell(self, actor: ActorId, seq: int, part: object, command: Command) -> Mapping[str, Any]:
        """Run one command, wherever the actor is by now, and return its reply. Raises _Stale where the rules refused
        it, Unavailable where the outcome is unknown."""
        command_id = derived_command_id(self._clock.now_s(), actor, seq, "ask", part)
        envelope = Envelope(command_id, actor, MODEL, command.tag, Raw(encode_command(command)), inner=True)
        answer = await self._peers.ask(envelope, MODEL)
        error = error_of(answer)
        if error is not None:
            if error["code"] == "refused":
                raise _Stale
            raise Unavailable(f"an answer of {actor}", f"its error is {error['code']}")
        reply: Mapping[str, Any] = msgspec.msgpack.decode(answer)["reply"]
        return reply
