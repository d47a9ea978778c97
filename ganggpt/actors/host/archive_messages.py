"""Messages of a mind to its own memory archive. The host answers them from the database.

The outbox keeps such a message until it is answered. A memory that no longer fits is therefore durable with the turn
that dropped it, a question survives a crash of the host, and the answer arrives as an ordinary command.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

import msgspec

from ganggpt.actors.envelope import Envelope, reply_error, reply_ok
from ganggpt.actors.host.identity import Identity
from ganggpt.actors.ports import CommandPort, ModelPort
from ganggpt.domain.ids import kind_of
from ganggpt.domain.kinds import decode_command, encode_command
from ganggpt.domain.mind.commands import ArchiveMemories, Recollect, SearchArchive
from ganggpt.domain.mind.memory_record import Embedding
from ganggpt.errors import Fenced, GangGPTError, Unavailable
from ganggpt.persistence.ports.journal import OutboxMessage
from ganggpt.persistence.ports.projections import ArchiveQuestion, Found, MemoryArchive

ARCHIVE_MESSAGES: Final = frozenset((SearchArchive.tag, ArchiveMemories.tag))
"""Names of the commands that go to the archive instead of an actor."""
AT_ONCE: Final = 4
"""Requests of one host that run in the database at the same time; further ones wait."""

Answered = Callable[[bytes, bytes], None]


class ArchiveMessages:
    """Owns one task per message on its way to the archive; the outbox bounds their number."""

    def __init__(self, identity: Identity, store: MemoryArchive, model: ModelPort, peers: CommandPort) -> None:
        self._identity = identity
        self._store = store
        self._model = model
        self._peers = peers
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self.kept = 0
        self.searches = 0

    def send(self, message: OutboxMessage, answered: Answered) -> None:
        """Carry out a message in the background. ``answered`` is called once, as for a message to an actor."""
        work = self._keep if message.name == ArchiveMemories.tag else self._ask
        # A task that is cancelled before it began never makes its work, which would otherwise be awaited by nobody.
        task = asyncio.get_running_loop().create_task(self._answer(message, answered, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self) -> None:
        """The incarnation ended. Its successor finds the messages in the outbox."""
        for task in self._tasks:
            task.cancel()

    async def _answer(
        self,
        message: OutboxMessage,
        answered: Answered,
        work: Callable[[OutboxMessage, Answered], Coroutine[Any, Any, None]],
    ) -> None:
        try:
            async with self._places:
                await work(message, answered)
        except Fenced:
            # Another host owns the sender now. The message stays in the outbox, and the next heartbeat ends this host.
            answered(message.id, reply_error(message.id, Unavailable("the memory archive")))
        except GangGPTError as error:
            answered(message.id, reply_error(message.id, error))

    async def _keep(self, message: OutboxMessage, answered: Answered) -> None:
        command = decode_command(kind_of(message.sender), message.name, message.body)
        assert isinstance(command, ArchiveMemories)
        await self._store.keep(self._identity.epoch, message.sender, command.memories, command.held)
        self.kept += len(command.memories)
        answered(message.id, reply_ok(message.id, 0, {}))

    async def _ask(self, message: OutboxMessage, answered: Answered) -> None:
        command = decode_command(kind_of(message.sender), message.name, message.body)
        assert isinstance(command, SearchArchive)
        embedding = command.embedding
        if embedding is None and self._model.embeds:
            embedding = await self._model.embedding(command.query, command.listener, message.sender)
        found = await self._found(message.sender, command, embedding) if command.held else ()
        answer = Recollect(command.query, command.listener, command.asked_s, tuple(found), embedding)
        body = msgspec.Raw(encode_command(answer))
        envelope = Envelope(message.id, message.target, message.sender, Recollect.tag, body, inner=True)
        self._peers.submit([envelope], answered)

    async def _found(self, npc: str, command: SearchArchive, embedding: Embedding | None) -> Sequence[Found]:
        question = ArchiveQuestion(
            npc=npc,
            query=command.query,
            listener=command.listener,
            now_s=self._identity.clock.now_s(),
            held=command.held,
            embedding=embedding,
        )
        self.searches += 1
        return await self._store.search(question)
