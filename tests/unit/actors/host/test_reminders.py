"""What is due is sent as a command, and is there until it was answered for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from ganggpt.actors.envelope import Envelope, reply_error, reply_ok
from ganggpt.actors.host import reminders
from ganggpt.actors.host.reminders import Reminders
from ganggpt.actors.routing.shards import shared_shard
from ganggpt.domain.ids import derived_command_id
from ganggpt.errors import GangGPTError, Refused, Unavailable
from ganggpt.persistence.ports.journal import DueReminder
from tests.support.builders import NOW_S
from tests.support.eventually import eventually
from tests.support.host_parts import SHARDS, Rig, a_rig, running

MARA = "npc:mara"


def armed(rig: Rig, name: str, due_s: float = NOW_S - 1, actor: str = MARA) -> DueReminder:
    reminder = DueReminder(actor, name, due_s, "Mull", b"\x80")
    rig.database.reminders[actor, name] = (shared_shard(actor, SHARDS), reminder)
    return reminder


def made(
    rig: Rig, answer: Callable[[Envelope], GangGPTError | None] = lambda _: None
) -> tuple[Reminders, list[Envelope]]:
    delivered: list[Envelope] = []

    async def deliver(envelopes: Sequence[Envelope]) -> list[bytes]:
        delivered.extend(envelopes)
        errors = [(envelope, answer(envelope)) for envelope in envelopes]
        return [reply_ok(e.id, 1, {}) if error is None else reply_error(e.id, error) for e, error in errors]

    return Reminders(rig.identity, rig.journal, rig.shards, deliver), delivered


async def test_what_is_due_is_delivered_under_an_id_of_its_own_and_dropped() -> None:
    rig = await a_rig()
    due = armed(rig, "quiet")
    armed(rig, "later", NOW_S + 3600)
    part, delivered = made(rig)
    async with running(part.run(0.001)):
        await eventually(lambda: part.fired)
    assert [(e.to, e.by, e.name, e.inner) for e in delivered] == [(MARA, MARA, "Mull", True)]
    assert delivered[0].id == derived_command_id(due.due_s, MARA, "quiet", due.due_s)
    assert list(rig.database.reminders) == [(MARA, "later")]


async def test_one_that_could_not_be_answered_fires_again_under_the_same_id() -> None:
    rig = await a_rig()
    armed(rig, "quiet")
    errors: list[GangGPTError | None] = [Unavailable("the host"), None]
    part, delivered = made(rig, lambda _: errors.pop(0))
    async with running(part.run(0.001)):
        await eventually(lambda: part.fired)
    assert len(delivered) == 2
    assert delivered[0].id == delivered[1].id
    assert not rig.database.reminders


async def test_one_that_the_rules_refused_is_over() -> None:
    rig = await a_rig()
    armed(rig, "quiet")
    part, _ = made(rig, lambda _: Refused("too_late", "it is too late"))
    async with running(part.run(0.001)):
        await eventually(lambda: part.fired)
    assert not rig.database.reminders


async def test_reminders_of_shards_that_stand_still_wait() -> None:
    rig = await a_rig()
    armed(rig, "quiet")
    neighbour = next(f"npc:{n}" for n in range(100) if shared_shard(f"npc:{n}", SHARDS) != shared_shard(MARA, SHARDS))
    armed(rig, "quiet", actor=neighbour)
    rig.shards.freeze([shared_shard(MARA, SHARDS)])
    part, delivered = made(rig)
    async with running(part.run(0.001)):
        await eventually(lambda: part.fired)
    assert [e.to for e in delivered] == [neighbour]


async def test_a_full_scan_is_followed_by_the_next_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reminders, "FIRE_MAX", 2)
    rig = await a_rig()
    for n in range(5):
        armed(rig, f"due {n}")
    part, _ = made(rig)
    async with running(part.run(3600)):
        await eventually(lambda: part.fired == 5)
