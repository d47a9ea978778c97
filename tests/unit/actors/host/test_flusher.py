"""The user's tables show committed states only, and in the end all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Any

import pytest

from ganggpt.actors.host.activation import Activation
from ganggpt.actors.host.flusher import Flusher, Tables
from ganggpt.actors.routing.shards import shared_shard
from ganggpt.errors import Unavailable
from tests.support.builders import NOW_S
from tests.support.eventually import eventually
from tests.support.host_parts import SHARDS, Rig, a_rig

MARA = "npc:mara"
HERS = shared_shard(MARA, SHARDS)


class Shown:
    """The tables: ``rows`` by actor, ``through_s`` what was said of completeness; ``away`` refuses."""

    def __init__(self) -> None:
        self.rows: dict[str, Any] = {}
        self.through_s: list[float | None] = []
        self.outage = False

    async def flush(
        self, epoch: int, changes: Sequence[tuple[str, Any, Any]], through_s: float | None, held: Collection[str]
    ) -> int:
        if self.outage:
            raise Unavailable("the database")
        self.rows.update({actor: new for actor, _, new in changes})
        self.through_s.append(through_s)
        return len(changes)


class Cold:
    """The activator: wakes those it can."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.can_wake = True
        self.busy = False

    async def activate(self, actors: Sequence[str]) -> None:
        for actor in actors if self.can_wake else ():
            self._rig.awake(actor).state = "as stored"

    def may_wake(self, actor: str) -> bool:
        return self.busy


class Scene:
    """A flusher and what stands around it."""

    def __init__(self, rig: Rig, unflushed: Sequence[str] = ()) -> None:
        self.rig, self.shown, self.cold = rig, Shown(), Cold(rig)
        self.forgotten: list[str] = []

        async def forget(actors: Sequence[str]) -> None:
            self.forgotten.extend(actors)

        async def owed(epoch: int) -> Sequence[str]:
            return unflushed

        tables = Tables(self.shown, forget, owed)
        self.part = Flusher(rig.identity, rig.shards, rig.activations, rig.commits, self.cold, tables)  # type: ignore[arg-type]

    def changed(self, actor: str, state: object) -> Activation:
        activation = self.rig.awake(actor)
        activation.state, activation.written = state, 4
        self.rig.activations.mark_dirty(activation)
        return activation


async def test_a_changed_state_is_shown_once_it_is_committed_and_caches_forget_the_old_one() -> None:
    scene = Scene(await a_rig())
    scene.rig.commits.held.clear()
    activation = scene.changed(MARA, "new")
    flushing = asyncio.create_task(scene.part.flush())
    await eventually(lambda: scene.rig.commits.waited == [4])
    assert scene.shown.rows == {}
    assert scene.part.owes(MARA)
    scene.rig.commits.held.set()
    await asyncio.wait_for(flushing, 1)
    assert scene.shown.rows == {MARA: "new"}
    assert scene.forgotten == [MARA]
    assert activation.flushed == "new"
    assert not scene.part.owes(MARA)
    assert scene.part.flushed_rows == 1


async def test_what_could_not_be_shown_is_still_owed() -> None:
    scene = Scene(await a_rig())
    scene.changed(MARA, "new")
    scene.shown.outage = True
    with pytest.raises(Unavailable):
        await scene.part.flush()
    assert scene.part.owes(MARA)
    scene.shown.outage = False
    await scene.part.flush()
    assert scene.shown.rows == {MARA: "new"}


async def test_a_flush_of_some_does_not_say_that_the_tables_lack_nothing() -> None:
    scene = Scene(await a_rig())
    some = scene.changed(MARA, "new")
    scene.changed("npc:otis", "new")
    await scene.part.flush([some])
    assert scene.shown.rows == {MARA: "new"}
    assert scene.shown.through_s == [None]
    await scene.part.flush()
    assert scene.shown.through_s[-1] == pytest.approx(NOW_S, abs=60)


async def test_what_a_dead_owner_did_not_flush_is_woken_and_shown_whole() -> None:
    scene = Scene(await a_rig(), unflushed=[MARA])
    scene.part.catch_up([HERS])
    await scene.part.show_all_of([HERS])
    await scene.part.flush()
    assert scene.shown.rows == {MARA: "as stored"}


async def test_while_an_actor_of_a_dead_owner_cannot_be_woken_its_shard_does_not_move_on() -> None:
    scene = Scene(await a_rig(), unflushed=[MARA])
    scene.cold.can_wake, scene.cold.busy = False, True
    scene.part.catch_up([HERS])
    with pytest.raises(Unavailable):
        await scene.part.show_all_of([HERS])
    assert scene.part.owes(MARA)
    scene.changed("npc:otis", "new")
    await scene.part.flush()
    assert scene.shown.through_s == [None]
    scene.cold.can_wake, scene.cold.busy = True, False
    await scene.part.show_all_of([HERS])


async def test_an_actor_of_somebody_elses_shard_is_left_to_its_own_host() -> None:
    scene = Scene(await a_rig(), unflushed=[MARA])
    other = next(shard for shard in scene.rig.database.shards if shard != HERS)
    scene.part.catch_up([other])
    await scene.part.show_all_of([other])
    assert MARA not in scene.rig.activations


async def test_during_a_pause_only_the_holder_of_it_flushes() -> None:
    scene = Scene(await a_rig())
    scene.changed(MARA, "new")
    async with scene.part.paused():
        waiting = asyncio.create_task(scene.part.flush())
        await asyncio.sleep(0)
        assert scene.shown.rows == {}
        await scene.part.flush_now()
        assert scene.shown.rows == {MARA: "new"}
    await asyncio.wait_for(waiting, 1)
