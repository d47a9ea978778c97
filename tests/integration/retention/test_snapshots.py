"""Retention and the snapshots of whole worlds go together."""

from __future__ import annotations

import pytest

from ganggpt.actors.maintenance.housekeeping import Housekeeping
from ganggpt.actors.routing.shards import shared_shard
from ganggpt.persistence.journal import partitions
from ganggpt.persistence.world_snapshot.cut import plan_cut, readers
from tests.support.past import Past, npc

pytestmark = pytest.mark.integration


def _group(actor: str, shards: int, groups: int) -> int:
    return int(shared_shard(actor, shards)[2:]) % groups


async def _world(past: Past) -> None:
    await past.pool.execute("INSERT INTO world (name, title, seed, shards, sheet) VALUES ('w', 'w', 1, 4, '')")
    await past.pool.execute(
        "INSERT INTO shards (shard, residence) SELECT 's:' || n, 'shared' FROM generate_series(0, 3) n"
    )


async def test_a_cut_reads_no_sealed_day_and_every_other(past: Past, keeping: Housekeeping) -> None:
    await _world(past)
    await past.make_days(9, 3, 1)
    mara = npc("mara")
    for days_ago in (9, 3, 1, 0):
        await past.live(mara, days_ago, turns=2)
    async with readers(past.pool, 1) as (reader,):
        before = await plan_cut(reader, _group)
    await keeping.round()
    await past.live(npc("kyle"), 1)
    async with readers(past.pool, 2) as (reader, _):
        after = await plan_cut(reader, _group)
    days = [past.name(n).removeprefix("journal_") for n in (9, 3, 1, 0)]
    assert list(before.days) == days
    assert list(after.days) == days[2:]
    assert {piece.table for piece in after.pieces} >= {"snapshots", "journal"}


async def test_no_day_goes_while_a_cut_is_read(
    past: Past, keeping: Housekeeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "LOCK_TRIES", 2)
    await _world(past)
    await past.make_days(20)
    await past.live(npc("mara"), 20)
    async with readers(past.pool, 1) as (reader,):
        done = await keeping.round()
        assert done.dropped == []
        cut = await plan_cut(reader, _group)
        assert list(cut.days) == [past.name(20).removeprefix("journal_")]
    assert (await keeping.round()).dropped == [past.name(20)]
