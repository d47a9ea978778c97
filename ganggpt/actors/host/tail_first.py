"""Asks the memory archive before a talk where the actor is unsure by itself: an answer should not come a line late.

The talk waits for the archive no longer than WITHIN_S. Whatever else is for this actor waits behind it, in order.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final, NamedTuple, Protocol

from ganggpt.actors.envelope import Envelope, reply_error
from ganggpt.actors.host.delivery import Delivery, ParkedCommand
from ganggpt.domain.mind.commands import SearchArchive
from ganggpt.errors import GangGPTError, Moved, Overloaded
from ganggpt.persistence.ports.projections import ArchiveQuestion, Found, MemoryArchive

log = logging.getLogger(__name__)

WITHIN_S: Final = 0.03
"""Longest wait for the archive before a talk. What it finds later comes by itself, a line late."""
WAITING_MAX: Final = 64
"""The most commands that wait behind one search."""
SEARCHES_MAX: Final = 256
"""The most searches at once; above it a talk is answered without."""


class Searched(NamedTuple):
    """That the archive was asked for a command, and what it found; None where it did not answer in time."""

    found: tuple[Found, ...] | None


class Turns(Protocol):
    """What runs commands once the archive answered."""

    def accept(self, envelope: Envelope, delivery: Delivery, slot: int, searched: Searched | None = None) -> None:
        """Run a command; ``searched``: what the archive found for it, where it was asked."""
        ...


class TailFirst:
    """Owns the searches that talks wait for, a task each, and the commands behind them."""

    def __init__(self, archive: MemoryArchive, turns: Turns) -> None:
        self._archive = archive
        self._turns = turns
        self._waiting: dict[str, deque[ParkedCommand]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.searches = 0

    def keeps(self, envelope: Envelope, delivery: Delivery, slot: int) -> bool:
        """Whether a command has to wait behind a search of its actor; then it is kept here."""
        waiting = self._waiting.get(envelope.to)
        if waiting is None:
            return False
        if len(waiting) >= WAITING_MAX:
            full = Overloaded(f"what waits for the memory of {envelope.to}", WAITING_MAX)
            delivery.settle(slot, reply_error(envelope.id, full))
        else:
            waiting.append((envelope, delivery, slot))
        return True

    def ask(self, question: SearchArchive, envelope: Envelope, delivery: Delivery, slot: int) -> bool:
        """Search for a talk and run it then. False, and nothing is done, where too many searches run."""
        if len(self._tasks) >= SEARCHES_MAX:
            return False
        self._waiting[envelope.to] = deque([(envelope, delivery, slot)])
        self.searches += 1
        task = asyncio.get_running_loop().create_task(self._answer(question, envelope.to))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def cancel(self) -> None:
        """The incarnation ended: send every waiting command back to its router."""
        for task in self._tasks:
            task.cancel()
        for actor in list(self._waiting):
            for envelope, delivery, slot in self._waiting.pop(actor):
                delivery.settle(slot, reply_error(envelope.id, Moved(actor)))

    async def _answer(self, question: SearchArchive, actor: str) -> None:
        found = await self._found(question, actor)
        talk, *behind = self._waiting.pop(actor)
        self._turns.accept(*talk, Searched(found))
        for parked in behind:
            self._turns.accept(*parked)

    async def _found(self, question: SearchArchive, actor: str) -> tuple[Found, ...] | None:
        asked = ArchiveQuestion(
            npc=actor, query=question.query, listener=question.listener, now_s=question.asked_s, held=question.held
        )
        try:
            async with asyncio.timeout(WITHIN_S):
                return tuple(await self._archive.search(asked))
        except TimeoutError:
            log.debug("the memory archive did not answer %s in time", actor)
        except GangGPTError as outage:
            # The talk is answered from what is in mind; the search is made again behind it.
            log.warning("the memory archive did not answer before a talk: %s", outage)
        except Exception:
            # Whatever is wrong with a search, what waits for it has to go on.
            log.exception("a search in the memory archive for %s failed", actor)
        return None
