"""Letters a mind writes to its own tail: the host answers them from the database, and the outbox keeps them until then.

So what a mind lets go of is durable with the turn that let it go, a question survives the host that was asked, and the
answer is a command like any other: waiting for it is no turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ganggpt.actors.envelope import Envelope, reply_error, reply_ok
from ganggpt.domain.ids import kind_of
from ganggpt.domain.kinds import decode_command, encode_command
from ganggpt.domain.mind.commands import ArchiveMemories, Recollect, SearchArchive
from ganggpt.errors import Fenced, GangGPTError, Unavailable
from ganggpt.persistence.journal.journal import Letter
from ganggpt.persistence.projections.memory_archive import TailQuestion, TailStore

if TYPE_CHECKING:
    from ganggpt.actors.host.host import Host

TAIL_LETTERS: Final = frozenset((SearchArchive.tag, ArchiveMemories.tag))
"""Names of the commands that are for the tail and not for an actor."""
AT_ONCE: Final = 4
"""Questions and writings of one host that are under way in the database at the same time; the others wait."""

Answered = Callable[[bytes, bytes], None]


class TailLetters:
    """Owns the tasks that take letters to the tail; at most as many as the outbox has letters under way."""

    def __init__(self, host: Host, store: TailStore) -> None:
        self._host = host
        self._store = store
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, letter: Letter, answered: Answered) -> None:
        """Take a letter to the tail; ``answered`` hears once, as for a letter to an actor."""
        work = self._keep if letter.name == ArchiveMemories.tag else self._ask
        task = asyncio.get_running_loop().create_task(self._answer(letter, answered, work(letter, answered)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def give_up(self) -> None:
        """The incarnation ended; its successor finds the letters in the outbox."""
        for task in self._tasks:
            task.cancel()

    async def _answer(self, letter: Letter, answered: Answered, work: Coroutine[Any, Any, None]) -> None:
        try:
            async with self._places:
                await work
        except Fenced:
            # Somebody else owns the sender: the letter stays in the outbox, and the next heartbeat ends this host.
            answered(letter.id, reply_error(letter.id, Unavailable("the tail")))
        except GangGPTError as error:
            answered(letter.id, reply_error(letter.id, error))
        finally:
            work.close()

    async def _keep(self, letter: Letter, answered: Answered) -> None:
        wish = decode_command(kind_of(letter.sender), letter.name, letter.body)
        assert isinstance(wish, ArchiveMemories)
        await self._store.keep(self._host.epoch, letter.sender, wish.memories, wish.held)
        self._host.counts.tail_kept += len(wish.memories)
        answered(letter.id, reply_ok(letter.id, 0, {}))

    async def _ask(self, letter: Letter, answered: Answered) -> None:
        wish = decode_command(kind_of(letter.sender), letter.name, letter.body)
        assert isinstance(wish, SearchArchive)
        embedding, model = wish.embedding, self._host.ports.model
        if embedding is None and model.embeds:
            embedding = await model.meaning(wish.query, wish.listener, letter.sender)
        question = TailQuestion(
            npc=letter.sender,
            query=wish.query,
            listener=wish.listener,
            now_s=self._host.now_s(),
            held=wish.held,
            embedding=embedding,
        )
        found = await self._store.search(question)
        self._host.counts.tail_asked += 1
        answer = Recollect(wish.query, wish.listener, wish.asked_s, tuple(found))
        body = msgspec.Raw(encode_command(answer))
        envelope = Envelope(letter.id, letter.target, letter.sender, Recollect.tag, body, inner=True)
        self._host.ports.peers.submit([envelope], answered)
