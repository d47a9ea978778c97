"""Letters a mind writes to its own tail: the host answers them from the database, and the outbox keeps them until then.

So what a mind lets go of is durable with the turn that let it go, a question survives the host that was asked, and the
answer is a command like any other: waiting for it is no turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from ganggpt.actors.envelope import Envelope, reply_error, reply_ok
from ganggpt.actors.host.identity import Identity
from ganggpt.actors.ports import CommandPort, ModelPort
from ganggpt.domain.ids import kind_of
from ganggpt.domain.kinds import decode_command, encode_command
from ganggpt.domain.mind.commands import AskTail, KeepInTail, Recollect
from ganggpt.errors import Fenced, GangGPTError, Unavailable
from ganggpt.persistence.ports.journal import Letter
from ganggpt.persistence.ports.projections import TailQuestion, TailStore

TAIL_LETTERS: Final = frozenset((AskTail.tag, KeepInTail.tag))
"""Names of the commands that are for the tail and not for an actor."""
AT_ONCE: Final = 4
"""Questions and writings of one host that are under way in the database at the same time; the others wait."""

Answered = Callable[[bytes, bytes], None]


class TailLetters:
    """Owns the tasks that take letters to the tail; at most as many as the outbox has letters under way."""

    def __init__(self, identity: Identity, store: TailStore, model: ModelPort, peers: CommandPort) -> None:
        self._identity = identity
        self._store = store
        self._model = model
        self._peers = peers
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self.kept = 0
        self.searches = 0

    def send(self, letter: Letter, answered: Answered) -> None:
        """Take a letter to the tail; ``answered`` hears once, as for a letter to an actor."""
        work = self._keep if letter.name == KeepInTail.tag else self._ask
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
            answered(letter.id, reply_error(letter.id, Unavailable("the memory archive")))
        except GangGPTError as error:
            answered(letter.id, reply_error(letter.id, error))
        finally:
            work.close()

    async def _keep(self, letter: Letter, answered: Answered) -> None:
        wish = decode_command(kind_of(letter.sender), letter.name, letter.body)
        assert isinstance(wish, KeepInTail)
        await self._store.keep(self._identity.epoch, letter.sender, wish.memories, wish.held)
        self.kept += len(wish.memories)
        answered(letter.id, reply_ok(letter.id, 0, {}))

    async def _ask(self, letter: Letter, answered: Answered) -> None:
        wish = decode_command(kind_of(letter.sender), letter.name, letter.body)
        assert isinstance(wish, AskTail)
        embedding = wish.embedding
        if embedding is None and self._model.embeds:
            embedding = await self._model.meaning(wish.query, wish.listener, letter.sender)
        question = TailQuestion(
            npc=letter.sender,
            query=wish.query,
            listener=wish.listener,
            now_s=self._identity.clock.now_s(),
            held=wish.held,
            embedding=embedding,
        )
        found = await self._store.search(question)
        self.searches += 1
        answer = Recollect(wish.query, wish.listener, wish.asked_s, tuple(found))
        body = msgspec.Raw(encode_command(answer))
        envelope = Envelope(letter.id, letter.target, letter.sender, Recollect.tag, body, inner=True)
        self._peers.submit([envelope], answered)
