"""A whole world that is asked for far more than it can do: it says so with hints, loses nothing, and recovers."""

from __future__ import annotations

import pytest

from bench.flood import Flood
from bench.overload import run
from bench.systems import Address, spawn
from ganggpt.persistence.audit import turns_by
from ganggpt.runtime.world_process import token_of
from tests.support.live_world import LiveWorld

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

CROWD = tuple(f"npc:flooded-{n:04d}" for n in range(64))


async def test_a_flooded_world_answers_overloaded_with_hints_loses_nothing_and_recovers(world: LiveWorld) -> None:
    address = Address(world.run.bridge, token=token_of(world.run))
    await spawn(address, CROWD)
    flood = Flood(
        url=address.url, token=address.token, name="deluge", servers=2, per_s=400_000.0, seconds=2.0, to=CROWD
    )
    flooded = await run(flood)
    assert set(flooded.refused) == {"overloaded"}
    assert (flooded.unhinted, flooded.lost, flooded.doubled) == (0, 0, 0)
    assert flooded.ok > 0
    assert await turns_by(world.pool, [f"server:deluge-{n}" for n in range(2)]) == flooded.ok
    trickle = Flood(url=address.url, token=address.token, name="trickle", servers=2, per_s=200.0, seconds=6.0, to=CROWD)
    after = await run(trickle)
    assert after.lost == 0
    assert not any(bucket.refused for bucket in after.buckets[-6:]), "nobody is turned away five seconds later"
    assert await turns_by(world.pool, [f"server:trickle-{n}" for n in range(2)]) == after.ok
