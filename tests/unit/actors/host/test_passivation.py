"""Idle actors go to sleep, busy ones are snapshot, and neither runs ahead of the commits."""

from __future__ import annotations

import asyncio

from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.passivation import Passivation
from ganggpt.domain.npc.rules import KIND
from ganggpt.domain.npc.state import Npc
from ganggpt.errors import Unavailable
from tests.support.builders import NOW_S, Played
from tests.support.eventually import eventually
from tests.support.host_parts import Rig, a_rig, running
from tests.support.runtime import MARA as SPAWN

HOUR_S = 3600.0


def an_npc() -> Npc:
    played = Played(KIND, "npc:mara")
    played.do(SPAWN, by="server:one")
    state: Npc = played.state
    return state


def lived(rig: Rig, actor: str, seq: int = 3, touched_s: float = NOW_S) -> Activation:
    """An actor that is awake at turn ``seq``, without a snapshot."""
    activation = rig.awake(actor)
    activation.state, activation.seq, activation.written, activation.touched_s = an_npc(), seq, seq, touched_s
    return activation


def made(rig: Rig, owing: frozenset[str] = frozenset()) -> Passivation:
    return Passivation(rig.identity, rig.journal, rig.activations, rig.commits, owing.__contains__)  # type: ignore[arg-type]


async def test_who_goes_to_sleep_has_a_snapshot_of_its_last_turn() -> None:
    rig = await a_rig()
    part = made(rig)
    assert await part.passivate([lived(rig, "npc:a", seq=5)]) == 1
    assert "npc:a" not in rig.activations
    assert rig.database.snapshots["npc:a"][0] == 5
    assert part.passivated == 1


async def test_a_snapshot_waits_for_the_commit_of_its_turn() -> None:
    rig = await a_rig()
    rig.commits.held.clear()
    activation = lived(rig, "npc:a", seq=5)
    storing = asyncio.create_task(made(rig).snapshot([activation]))
    await eventually(lambda: rig.commits.waited == [5])
    assert not rig.database.snapshots
    assert activation.snapshot_seq == 0
    rig.commits.held.set()
    await asyncio.wait_for(storing, 1)
    assert activation.snapshot_seq == 5


async def test_who_has_a_turn_meanwhile_stays_awake() -> None:
    rig = await a_rig()
    rig.commits.held.clear()
    activation = lived(rig, "npc:a", seq=5)
    sleeping = asyncio.create_task(made(rig).passivate([activation]))
    await eventually(lambda: rig.commits.waited)
    activation.seq = 6
    rig.commits.held.set()
    assert await asyncio.wait_for(sleeping, 1) == 0
    assert "npc:a" in rig.activations
    assert activation.snapshot_seq == 5


async def test_who_owes_the_tables_something_stays_awake() -> None:
    rig = await a_rig()
    assert await made(rig, frozenset({"npc:a"})).passivate([lived(rig, "npc:a"), lived(rig, "npc:b")]) == 1
    assert "npc:a" in rig.activations
    assert "npc:b" not in rig.activations


async def test_who_ceased_to_exist_is_not_stored() -> None:
    rig = await a_rig()
    gone = lived(rig, "npc:a")
    gone.state = None
    await made(rig).snapshot([gone, lived(rig, "npc:b")])
    assert list(rig.database.snapshots) == ["npc:b"]


async def test_a_sweep_takes_the_idle_and_the_least_recently_touched_over_the_bound() -> None:
    rig = await a_rig()
    for n in range(4):
        lived(rig, f"npc:{n}", touched_s=NOW_S - n)
    lived(rig, "npc:idle", touched_s=NOW_S - HOUR_S)
    part = made(rig)
    async with running(part.run(0.001, idle_s=HOUR_S / 2, hot_max=2)):
        await eventually(lambda: part.passivated == 3)
    assert sorted(a.actor for a in rig.activations.values()) == ["npc:0", "npc:1"]


async def test_who_is_due_for_a_snapshot_gets_it_and_stays_awake_also_after_an_outage() -> None:
    rig = await a_rig()
    save, outage = rig.journal.save_snapshots, [True]

    async def shaky(*arguments: object) -> None:
        if outage:
            outage.pop()
            raise Unavailable("the database")
        await save(*arguments)  # type: ignore[arg-type]

    rig.journal.save_snapshots = shaky  # type: ignore[method-assign]
    activation = lived(rig, "npc:a")
    rig.activations.mark_ripe("npc:a")
    async with running(made(rig).run(0.001, idle_s=HOUR_S, hot_max=10)):
        await eventually(lambda: activation.snapshot_seq == 3)
        await eventually(lambda: not rig.activations.ripe())
    assert "npc:a" in rig.activations
