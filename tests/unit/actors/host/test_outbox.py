"""Messages leave in the order they were written, at least once, and are forgotten when they were answered for good."""

from __future__ import annotations

import asyncio

import pytest

from ganggpt.actors.host import outbox
from ganggpt.actors.host.outbox import Outbox
from ganggpt.actors.routing.shards import shared_shard
from ganggpt.domain.ids import new_command_id
from ganggpt.domain.mind.commands import SearchArchive
from ganggpt.errors import Refused, Unavailable
from ganggpt.persistence.ports.journal import OutboxMessage
from tests.support.builders import NOW_S
from tests.support.eventually import eventually
from tests.support.host_parts import SHARDS, Rig, a_rig, running

MARA, OTIS = "npc:mara", "npc:otis"


def written(rig: Rig, seq: int, to: str = OTIS, name: str = "Hear") -> OutboxMessage:
    """A message of Mara's whose commit held."""
    message = OutboxMessage(MARA, seq, 0, to, new_command_id(NOW_S - 60 + seq), name, b"\x80")
    rig.database.outbox[MARA, seq, 0] = (shared_shard(MARA, SHARDS), message)
    return message


def made(rig: Rig, archive: object = None) -> Outbox:
    """An outbox of a host that was just given its shards."""
    part = Outbox(rig.identity, rig.journal, rig.shards, rig.peers, archive)  # type: ignore[arg-type]
    part.rescan()
    return part


def sent(rig: Rig) -> list[bytes]:
    return [envelope.id for envelope in rig.peers.sent]


async def test_the_next_message_of_a_lane_leaves_when_the_one_before_was_answered() -> None:
    rig = await a_rig()
    first, second, other = written(rig, 1), written(rig, 2), written(rig, 3, to="npc:rosa")
    part = made(rig)
    async with running(part.run(1)):
        await eventually(lambda: len(sent(rig)) == 2)
        assert sent(rig) == [first.id, other.id]
        rig.peers.answer(first.id)
        assert sent(rig)[-1] == second.id
        rig.peers.answer(second.id)
        rig.peers.answer(other.id)
        await eventually(lambda: not rig.database.outbox)
    assert part.delivered == 3
    assert len(part) == 0


async def test_new_messages_stay_behind_the_older_ones_of_the_table() -> None:
    rig = await a_rig()
    old = written(rig, 1)
    part = made(rig)
    part.post([written(rig, 2)])
    assert sent(rig) == []
    async with running(part.run(1)):
        await eventually(lambda: sent(rig))
        assert sent(rig) == [old.id]
        new = written(rig, 3, to="npc:rosa")
        part.post([new])
        assert sent(rig)[-1] == new.id


async def test_where_a_receiver_cannot_be_reached_its_lane_comes_back_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "RESCAN_S", 0.01)
    rig = await a_rig()
    first, second = written(rig, 1), written(rig, 2)
    part = made(rig)
    async with running(part.run(1)):
        await eventually(lambda: sent(rig))
        rig.peers.answer(first.id, Unavailable("the host"))
        await eventually(lambda: len(sent(rig)) == 2)
        assert sent(rig) == [first.id, first.id]
        rig.peers.answer(first.id)
        assert sent(rig)[-1] == second.id


async def test_a_refused_message_is_over() -> None:
    rig = await a_rig()
    message = written(rig, 1)
    async with running(made(rig).run(1)):
        await eventually(lambda: sent(rig))
        rig.peers.answer(message.id, Refused("no", "no"))
        await eventually(lambda: not rig.database.outbox)


async def test_messages_of_shards_that_were_given_away_are_the_new_holders() -> None:
    rig = await a_rig()
    message = written(rig, 1)
    part = made(rig)
    async with running(part.run(1)):
        await eventually(lambda: sent(rig))
        part.forget([shared_shard(MARA, SHARDS)])
        rig.peers.answer(message.id)
        await asyncio.sleep(0)
    assert len(part) == 0
    assert part.delivered == 0
    assert rig.database.outbox


async def test_what_does_not_fit_stays_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MESSAGES_MAX", 1)
    rig = await a_rig()
    first = written(rig, 1)
    part = made(rig)
    async with running(part.run(1)):
        await eventually(lambda: sent(rig))
        part.post([written(rig, 2, to="npc:rosa")])
        assert sent(rig) == [first.id]
        assert len(part) == 1


async def test_an_outage_keeps_what_is_settled_until_it_is_over() -> None:
    rig = await a_rig()
    message, settle, outage = written(rig, 1), rig.journal.settle, [True]

    async def shaky(messages: list[OutboxMessage]) -> None:
        if outage.pop() if outage else False:
            raise Unavailable("the database")
        await settle(messages)

    rig.journal.settle = shaky  # type: ignore[assignment,method-assign]
    async with running(made(rig).run(0.001)):
        await eventually(lambda: sent(rig))
        rig.peers.answer(message.id)
        await eventually(lambda: not outage)
        assert rig.database.outbox


async def test_messages_to_the_archive_do_not_go_to_an_actor() -> None:
    class Archive:
        def __init__(self) -> None:
            self.got: list[OutboxMessage] = []

        def send(self, message: OutboxMessage, answered: object) -> None:
            self.got.append(message)

    rig, archive = await a_rig(), Archive()
    message = written(rig, 1, to=MARA, name=SearchArchive.tag)
    async with running(made(rig, archive).run(1)):
        await eventually(lambda: archive.got)
    assert archive.got == [message]
    assert sent(rig) == []
