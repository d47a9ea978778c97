"""/metrics of every replica: the world's values, the same whoever is asked, and counters that never fall."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from ganggpt.observability.metrics import Metrics, ProcessReport
from ganggpt.persistence.metric_totals import WorldCounts
from ganggpt.serve.metrics.world_metrics import SCRAPE_S, WorldMetrics
from tests.support.metric_totals import OneTotals
from tests.support.virtual_time import run_virtual

FRAMES = "ganggpt_bridge_frames_total"
VERDICTS = "ganggpt_guard_verdicts_total"
COUNTS = WorldCounts(players_online=3, pushes_unacked=4, missions={"offered": 2})


class World:
    """Processes that count, and replicas that tell about all of them."""

    def __init__(self) -> None:
        self.store = OneTotals(COUNTS)
        self.hosts: list[Metrics] = []
        self.replicas: list[tuple[Metrics, WorldMetrics]] = []
        self.counted = 0
        self.start_host()
        self.start_replica()

    def start_host(self) -> None:
        self.hosts.append(Metrics("host"))

    def start_replica(self) -> None:
        metrics = Metrics("bridge")
        metrics.gauge("ganggpt_bridge_sessions").set(1)
        self.replicas.append((metrics, WorldMetrics(metrics, [self._of_hosts], self._of_replicas, self.store)))

    async def _of_hosts(self) -> Sequence[ProcessReport]:
        return [host.report() for host in self.hosts]

    async def _of_replicas(self, *, everything: bool) -> Sequence[ProcessReport]:
        return [report for _, told in self.replicas for report in told.reports(everything=everything)]

    def count(self, n: int) -> None:
        """A host and a replica count something."""
        self.hosts[n % len(self.hosts)].counter(VERDICTS).labels("output", "pass").inc()
        self.replicas[n % len(self.replicas)][0].counter(FRAMES).labels("commands").inc(2)
        self.counted += 1

    async def change(self, step: str, n: int) -> None:
        """Something starts or ends. Without the database nothing does."""
        replica = n % len(self.replicas)
        if step == "outage":
            self.store.away = not self.store.away
        elif step == "poll":
            await self.replicas[replica][1].poll()
        elif self.store.away:
            return
        elif step.endswith("+"):
            self.start_host() if step == "host+" else self.start_replica()
        elif step == "host-" and len(self.hosts) > 1:
            del self.hosts[n % len(self.hosts)]
        elif step == "leave" and len(self.replicas) > 1:
            await self.replicas.pop(replica)[1].close()
        elif step == "replica-" and len(self.replicas) > 1 and not self.replicas[replica][1].is_behind:
            del self.replicas[replica]  # of one that is behind, nobody else may know what it showed

    async def asked(self, n: int) -> dict[str, float]:
        """What a replica shows, by name: all series of a metric summed."""
        return values_of((await self.replicas[n % len(self.replicas)][1].exposition()).decode())


def values_of(text: str) -> dict[str, float]:
    shown: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            shown[sample.name] = shown.get(sample.name, 0.0) + sample.value
    return shown


steps = st.tuples(
    st.sampled_from(
        ("count", "count", "host+", "host-", "replica+", "replica-", "leave", "wait", "outage", "poll", "ask")
    ),
    st.integers(0, 7),
)


@given(st.lists(steps, max_size=60))
@settings(max_examples=300, deadline=None)
def test_counters_never_fall_whatever_starts_and_ends_and_whoever_is_asked(taken: list[tuple[str, int]]) -> None:
    run_virtual(_lived(taken))


async def _lived(taken: list[tuple[str, int]]) -> None:
    world, shown = World(), dict[str, float]()
    for step, n in taken:
        if step == "wait":
            await asyncio.sleep(n**4)
        elif step == "count":
            world.count(n)
        else:
            await world.change(step, n)
        now = await world.asked(n)
        for name, times in ((FRAMES, 2), (VERDICTS, 1)):
            assert shown.get(name, 0) <= now.get(name, 0) <= times * world.counted, (step, name)
        shown = now


def test_every_replica_shows_the_values_of_the_whole_world() -> None:
    async def scene() -> None:
        world = World()
        world.start_host()
        world.start_replica()
        world.start_replica()
        for n in range(12):
            world.count(n)
        for metrics, told in world.replicas:
            await told.poll()
            await told.exposition()
            metrics.gauge("ganggpt_bridge_sessions").set(2)
        seen = [await world.asked(n) for n in (0, 1, 2, 0)]
        assert [(each[FRAMES], each[VERDICTS]) for each in seen] == [(24, 12)] * 4
        assert seen[3]["ganggpt_bridge_sessions"] == 6
        assert seen[0]["ganggpt_build_info"] == 1
        assert (seen[1]["ganggpt_players_online"], seen[1]["ganggpt_pushes_unacked"]) == (3, 4)
        text = (await world.replicas[0][1].exposition()).decode()
        assert 'ganggpt_missions{state="offered"} 2.0' in text
        assert 'ganggpt_missions{state="failed"} 0.0' in text

    run_virtual(scene())


def test_what_a_killed_replica_and_a_dead_host_counted_stays_and_their_gauges_go() -> None:
    async def scene() -> None:
        world = World()
        world.start_replica()
        world.hosts[0].counter(VERDICTS).labels("output", "deflect").inc(5)
        world.replicas[0][0].counter(FRAMES).labels("ack").inc(7)
        await world.replicas[0][1].poll()
        await world.asked(0)
        world.start_host()
        del world.hosts[0], world.replicas[0]
        await world.replicas[0][1].poll()
        await asyncio.sleep(60)
        seen = await world.asked(0)
        assert (seen[VERDICTS], seen[FRAMES], seen["ganggpt_bridge_sessions"]) == (5, 7, 1)

    run_virtual(scene())


def test_a_replica_that_leaves_takes_its_gauges_with_it_at_once() -> None:
    async def scene() -> None:
        world = World()
        world.start_replica()
        assert (await world.asked(0))["ganggpt_bridge_sessions"] == 2
        assert (await world.asked(1))["ganggpt_bridge_sessions"] == 2
        world.replicas[0][0].counter(FRAMES).labels("ack").inc(7)
        await asyncio.sleep(1)
        await world.replicas.pop(0)[1].close()
        seen = await world.asked(0)
        assert (seen["ganggpt_bridge_sessions"], seen[FRAMES]) == (1, 7)

    run_virtual(scene())


def test_without_the_database_the_living_are_asked_and_the_dead_stay_counted() -> None:
    async def scene() -> None:
        world = World()
        world.start_replica()
        world.count(0)
        await world.asked(0)
        await world.asked(1)
        world.store.away = True
        world.replicas[1][0].counter(FRAMES).labels("ack").inc(5)
        world.hosts[0].counter(VERDICTS).labels("output", "pass").inc()
        during = await world.asked(0)
        assert (during[FRAMES], during[VERDICTS]) == (7, 2)
        world.store.away = False
        after = await world.asked(0)
        assert (after[FRAMES], after[VERDICTS]) == (7, 2)

    run_virtual(scene())


def test_a_flood_of_scrapes_is_answered_together() -> None:
    async def scene() -> None:
        world = World()
        one = world.replicas[0][1]
        began_s = asyncio.get_running_loop().time()
        await asyncio.gather(*(one.exposition() for _ in range(500)))
        for _ in range(4):
            await asyncio.gather(*(one.exposition() for _ in range(500)))
        assert world.store.version == 5
        assert asyncio.get_running_loop().time() - began_s >= 4 * SCRAPE_S

    run_virtual(scene())


def test_two_replicas_that_write_at_once_lose_nothing() -> None:
    async def scene() -> None:
        world = World()
        for _ in range(3):
            world.start_replica()
        for metrics, _ in world.replicas:
            metrics.counter(FRAMES).labels("ack").inc()
        await asyncio.gather(*(told.exposition() for _, told in world.replicas))
        assert (await world.asked(0))[FRAMES] == 4

    run_virtual(scene())


def test_damaged_totals_begin_anew_instead_of_ending_the_metrics() -> None:
    async def scene() -> None:
        world = World()
        world.count(0)
        world.store.version, world.store.body = 3, b"damaged"
        assert (await world.asked(0))[FRAMES] == 2

    run_virtual(scene())


def test_the_totals_are_written_where_nobody_scrapes() -> None:
    async def scene() -> None:
        world = World()
        world.count(0)
        running = asyncio.create_task(world.replicas[0][1].run())
        await asyncio.sleep(60)
        running.cancel()
        world.start_replica()
        world.replicas.pop(0)
        world.hosts = [Metrics("host")]
        seen = await world.asked(0)
        assert (seen[FRAMES], seen[VERDICTS]) == (2, 1)

    run_virtual(scene())
