"""Sessions are told of pushes in the order of their commits, and nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from ganggpt.actors.host import push_notifier
from ganggpt.actors.host.push_notifier import PushNotifier
from ganggpt.persistence.ports.journal import PushRow
from tests.support.eventually import eventually
from tests.support.host_parts import running


def a_push(n: int) -> list[PushRow]:
    return [PushRow(n, "one", 1, "npc:mara", n, "npc.said", b"")]


async def test_commits_are_told_of_in_their_order() -> None:
    heard: list[int] = []

    async def notify(rows: Sequence[PushRow]) -> None:
        heard.extend(row.seq for row in rows)

    notifier = PushNotifier(notify)
    for n in range(3):
        notifier.post(a_push(n))
    async with running(notifier.run()):
        await eventually(lambda: len(heard) == 3)
    assert heard == [0, 1, 2]


async def test_a_session_store_that_hangs_costs_no_more_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_notifier, "COMMITS_MAX", 2)
    heard: list[int] = []
    go = asyncio.Event()

    async def notify(rows: Sequence[PushRow]) -> None:
        await go.wait()
        heard.extend(row.seq for row in rows)

    notifier = PushNotifier(notify)
    async with running(notifier.run()):
        notifier.post(a_push(0))
        await asyncio.sleep(0)
        for n in range(1, 6):
            notifier.post(a_push(n))
        go.set()
        await eventually(lambda: len(heard) == 3)
    assert heard == [0, 1, 2]
