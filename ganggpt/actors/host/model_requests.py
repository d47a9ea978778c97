"""What actors ask the model: waiting for it is not a turn, and its answer comes back as commands like a player's.

An ask leaves when the turn that made it is durable. Each part of the answer runs as a command with a derived id; the
rules may refuse it as stale, and then nobody listens any more. Over the bound, without a model, and where the model
fails or is late, the command the actor named for that case comes instead. After a crash its own reminder does that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Raw

from ganggpt.actors.envelope import Envelope, error_of
from ganggpt.domain.ids import ActorId, derived_command_id
from ganggpt.domain.kinds import encode_command
from ganggpt.domain.turn import CancelRequest, Command, ModelRequest
from ganggpt.errors import GangGPTError, Unavailable

if TYPE_CHECKING:
    from ganggpt.actors.host.host import Host

log = logging.getLogger(__name__)

OPEN_MAX: Final = 256
"""Asks of one host that may wait for the model; what comes over it is answered without one."""
IDLE_MAX: Final = 64
"""The same for an ask that nobody waits for: it leaves the others room."""
MODEL: Final = "model:gateway"
"""Who sends the commands a model's answer is made of."""


class _Stale(Exception):
    """The actor does not listen any more."""


class Asks:
    """Owns every open ask of this host, by actor and name."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._open: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def post(self, actor: ActorId, seq: int, wishes: Sequence[ModelRequest | CancelRequest], ticket: int) -> None:
        """What turn ``seq`` of an actor wants to ask or not to hear any more, once commit ``ticket`` held."""
        for wish in wishes:
            before = self._open.pop((actor, wish.name), None)
            if before is not None:
                before.cancel()
            if isinstance(wish, ModelRequest):
                task = asyncio.get_running_loop().create_task(self._carry_out(actor, seq, wish, ticket))
                self._open[actor, wish.name] = task
                self._tasks.add(task)
                task.add_done_callback(partial(self._done, (actor, wish.name)))

    def give_up(self) -> None:
        """The incarnation ends."""
        for task in self._tasks:
            task.cancel()

    def _done(self, key: tuple[str, str], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._open.get(key) is task:
            del self._open[key]

    async def _carry_out(self, actor: ActorId, seq: int, ask: ModelRequest, ticket: int) -> None:
        host = self._host
        try:
            await host.committer.durable(ticket)
            try:
                if len(self._tasks) > (OPEN_MAX if ask.waited_for else IDLE_MAX):
                    raise Unavailable("the model (too many ask it)")
                async with asyncio.timeout(ask.within_s), aclosing(host.ports.model.answer(actor, ask)) as parts:
                    await self._listen(actor, seq, parts)
            except (GangGPTError, TimeoutError) as failed:
                host.counts.unanswered += 1
                log.info("%s goes on without the model: %s", actor, failed or "no answer in time")
                await self._tell(actor, seq, "otherwise", ask.fallback)
        except _Stale:
            host.counts.stale_answers += 1
        except GangGPTError as error:
            log.info("an answer of the model to %s is left to its reminder: %s", actor, error)

    async def _listen(self, actor: ActorId, seq: int, parts: AsyncGenerator[Command, Mapping[str, Any] | None]) -> None:
        reply: Mapping[str, Any] | None = None
        try:
            for n in count():
                reply = await self._tell(actor, seq, n, await parts.asend(reply))
        except StopAsyncIteration:
            return

    async def _tell(self, actor: ActorId, seq: int, part: object, command: Command) -> Mapping[str, Any]:
        """Run one command, wherever the actor lives by now; its reply. Raises _Stale where the rules refused it,
        Unavailable where nobody knows."""
        host = self._host
        command_id = derived_command_id(host.now_s(), actor, seq, "ask", part)
        envelope = Envelope(command_id, actor, MODEL, command.tag, Raw(encode_command(command)), inner=True)
        answer = await host.ports.peers.ask(envelope, MODEL)
        error = error_of(answer)
        if error is not None:
            if error["code"] == "refused":
                raise _Stale
            raise Unavailable(f"{actor} ({error['code']})")
        reply: Mapping[str, Any] = msgspec.msgpack.decode(answer)["reply"]
        return reply
