"""Group commit: nothing is waited for, nothing is told before it holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from ganggpt.actors.host.committer import Committer
from ganggpt.domain.ids import new_command_id
from ganggpt.errors import CommitUnknown, Fenced
from ganggpt.persistence.ports.journal import Batch, OutboxMessage, PushRow
from tests.support.virtual_time import run_virtual


class SlowJournal:
    """An append that takes until it is let go; only the committer's part of the Journal port."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.entered = asyncio.Event()
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def append(self, epoch: int, batch: Batch) -> Sequence[PushRow]:
        self.sizes.append(len(batch))
        self.entered.set()
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return []


def add(committer: Committer, durable: bool = True) -> int:
    committer.batch(durable).add_turn("npc:a", 1, 0.0, new_command_id(), "player:p", "Talk", b"")
    return committer.ticket


@pytest.fixture
async def slow() -> AsyncIterator[tuple[SlowJournal, Committer, asyncio.Task[None]]]:
    journal = SlowJournal()
    committer = Committer(
        journal,  # type: ignore[arg-type]
        1,
        relaxed_s=3600,
        on_pushes=lambda _: None,
        on_messages=lambda _: None,
    )
    task = asyncio.create_task(committer.run())
    yield journal, committer, task
    task.cancel()
    await asyncio.wait([task])


async def test_what_gathers_during_a_commit_goes_with_the_next_one(
    slow: tuple[SlowJournal, Committer, asyncio.Task[None]],
) -> None:
    journal, committer, _ = slow
    add(committer)
    await asyncio.wait_for(journal.entered.wait(), 1)
    tickets = [add(committer) for _ in range(50)]
    journal.go.set()
    await asyncio.wait_for(committer.durable(tickets[-1]), 1)
    assert journal.sizes == [1, 50]


async def test_nobody_hears_of_durability_before_the_commit_held(
    slow: tuple[SlowJournal, Committer, asyncio.Task[None]],
) -> None:
    journal, committer, _ = slow
    waiting = asyncio.create_task(committer.durable(add(committer)))
    await asyncio.wait_for(journal.entered.wait(), 1)
    assert not waiting.done()
    journal.go.set()
    await asyncio.wait_for(waiting, 1)


async def test_a_relaxed_turn_alone_forces_no_commit_but_rides_along(
    slow: tuple[SlowJournal, Committer, asyncio.Task[None]],
) -> None:
    journal, committer, _ = slow
    journal.go.set()
    add(committer, durable=False)
    await asyncio.sleep(0)
    assert journal.sizes == []
    await asyncio.wait_for(committer.durable(add(committer)), 1)
    assert journal.sizes == [2]


async def test_draining_an_idle_committer_returns_at_once(
    slow: tuple[SlowJournal, Committer, asyncio.Task[None]],
) -> None:
    journal, committer, _ = slow
    await asyncio.wait_for(committer.drain(), 1)
    journal.go.set()
    await asyncio.wait_for(committer.durable(add(committer)), 1)
    await asyncio.wait_for(committer.drain(), 1)
    assert journal.sizes == [1]


@pytest.mark.parametrize("error", [Fenced("h", 1), CommitUnknown("h", 1, "gone")])
async def test_a_failed_commit_ends_everything_that_waits_and_takes_nothing_more(
    slow: tuple[SlowJournal, Committer, asyncio.Task[None]], error: Exception
) -> None:
    journal, committer, task = slow
    journal.error = error
    first = asyncio.create_task(committer.durable(add(committer)))
    await asyncio.wait_for(journal.entered.wait(), 1)
    second = asyncio.create_task(committer.durable(add(committer)))
    await asyncio.sleep(0)
    journal.go.set()
    for waiting in (first, second):
        with pytest.raises(type(error)):
            await asyncio.wait_for(waiting, 1)
    with pytest.raises(type(error)):
        add(committer)
    with pytest.raises(type(error)):
        await asyncio.wait_for(task, 1)


async def test_messages_are_posted_when_their_commit_held_and_not_before() -> None:
    journal, posted = SlowJournal(), []
    committer = Committer(
        journal,  # type: ignore[arg-type]
        1,
        relaxed_s=3600,
        on_pushes=lambda _: None,
        on_messages=posted.extend,
    )
    message = OutboxMessage("npc:a", 1, 0, "npc:b", new_command_id(), "Hear", b"")
    committer.batch(True).add_message(message, "s:0", 0.0)
    committer.batch(True).add_turn("npc:a", 1, 0.0, new_command_id(), "player:p", "Talk", b"")
    task = asyncio.create_task(committer.run())
    await asyncio.wait_for(journal.entered.wait(), 1)
    assert posted == []
    journal.go.set()
    await asyncio.wait_for(committer.durable(1), 1)
    assert posted == [message]
    task.cancel()
    await asyncio.wait([task])


def test_what_a_crash_may_lose_is_the_time_from_a_relaxed_turn_to_its_commit() -> None:
    async def scene() -> None:
        journal = SlowJournal()
        journal.go.set()
        committer = Committer(
            journal,  # type: ignore[arg-type]
            1,
            relaxed_s=0.5,
            on_pushes=lambda _: None,
            on_messages=lambda _: None,
        )
        task = asyncio.create_task(committer.run())
        add(committer, durable=False)
        await asyncio.sleep(1)
        assert committer.loss_window_s == pytest.approx(0.5)
        task.cancel()

    run_virtual(scene())
