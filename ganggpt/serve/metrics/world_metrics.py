"""What /metrics of every bridge shows: the values of the whole world, the same whichever replica is asked.

A scrape asks every process for its values, adds them to the totals in the database, and shows the result. So no scrape
shows less than one before it, of whatever replica, and what has ended stays counted. Without the database it shows the
values of the living together with the totals it read last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol, get_args

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from ganggpt.actors.clock import loop_s
from ganggpt.domain.mission.state import Status
from ganggpt.errors import Unavailable
from ganggpt.observability.metrics import SEPARATOR, Metrics, ProcessReport
from ganggpt.persistence.metric_totals import StoredTotals, WorldCounts
from ganggpt.serve.metrics.totals import LIVE_S, Totals, decode_totals, encode_totals, families_of

log = logging.getLogger(__name__)

POLL_S: Final = 2.0
"""How often other processes are asked. Also how soon a bridge has a connection to a new host, before that gets
shards."""
STORE_S: Final = 15.0
"""How often the totals are written where nobody scrapes."""
SCRAPE_S: Final = 0.25
"""Scrapes are answered together, at most one answer in that time: /metrics is open to everybody."""
COUNT_S: Final = 10.0
"""How old what the tables hold may be; counting it costs the database milliseconds."""
_TRIES: Final = 8
_EXCHANGE_S: Final = 3.0
"""Less than a scrape may take, so that an outage of the database is no outage of metrics."""
_COUNTS: Final = "world"
"""The source of what the tables hold."""

Ask = Callable[[], Awaitable[Sequence[ProcessReport]]]


class AskPeers(Protocol):
    """Asks the other replicas for their ``reports``."""

    async def __call__(self, *, everything: bool) -> Sequence[ProcessReport]:
        """What all that answer say."""
        ...


class TotalsStore(Protocol):
    """Where the totals are kept; see ``PostgresMetricTotals``."""

    async def read(self, *, count: bool) -> StoredTotals:
        """The totals. Raises Unavailable."""
        ...

    async def write(self, version: int | None, body: bytes) -> bool:
        """Write them where nobody was faster. Raises Unavailable."""
        ...


class WorldMetrics:
    """Owns what one replica knows of the world's metrics. ``own``: of this process; ``others``: ask hosts, gateways and
    the supervisor, at every scrape and every ``POLL_S``; ``peers``: asks the other replicas, at every scrape."""

    def __init__(self, own: Metrics, others: Sequence[Ask], peers: AskPeers, store: TotalsStore) -> None:
        self._own, self._others, self._peers, self._store = own, others, peers, store
        self._heard: dict[str, tuple[ProcessReport, float]] = {}
        self._answering: frozenset[str] = frozenset()
        self._totals = Totals()
        self.is_behind = False
        self._leaving = False
        self._ahead_s = 0.0
        self._counted_s = float("-inf")
        self._exchanging = asyncio.Lock()
        self._shown_s = float("-inf")
        self._scrape: asyncio.Task[bytes] | None = None
        self._next: asyncio.Task[bytes] | None = None

    async def run(self) -> None:
        """Ask the others again and again, and write the totals now and then."""
        stored_s = float("-inf")
        while True:
            await self.poll()
            if loop_s() - stored_s >= STORE_S:
                stored_s = loop_s()
                await self._exchanged()
            await asyncio.sleep(POLL_S)

    async def poll(self) -> None:
        """Ask hosts, gateways and the supervisor once. One that does not answer has no gauges until it does; what it
        counted stays."""
        found = await asyncio.gather(*(ask() for ask in self._others))
        reports = {report.source: report for each in found for report in each}
        for silent in self._answering - reports.keys():
            self._hear([self._heard[silent][0]._replace(gauges={})])
        self._answering = frozenset(reports)
        self._hear(reports.values())

    async def exposition(self) -> bytes:
        """The values of the world in the Prometheus text format, as they are after this was called."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._scrape))
        return await asyncio.shield(self._next)

    def reports(self, *, everything: bool) -> Sequence[ProcessReport]:
        """What another replica must know to show no less than this one: the values of this process, and what all others
        have counted where that is not stored (``is_behind``), or cannot be read there (``everything``)."""
        known = {}
        if everything:
            known = {source: ProcessReport(source, last.counters, {}) for source, last in self._totals.sources.items()}
        if everything or self.is_behind:
            for source, (report, _) in self._heard.items():
                told = report._replace(gauges={})
                known[source] = _larger(told, known[source]) if source in known else told
        return [*known.values(), self._own.report()]

    async def close(self) -> None:
        """Write down what this process has counted, and that its gauges are over."""
        self._leaving = True
        await self._exchanged()

    async def _after(self, before: asyncio.Task[bytes] | None) -> bytes:
        """The next answer. Everybody who asks until it is begun gets it."""
        if before is not None:
            await asyncio.wait([before])
        await asyncio.sleep(max(0.0, self._shown_s + SCRAPE_S - loop_s()))
        self._scrape, self._next = self._next, None
        self._shown_s = loop_s()
        # Everybody is asked anew: what another replica showed a moment ago may not be stored, if that failed there.
        _, peers = await asyncio.gather(self.poll(), self._peers(everything=False))
        self._hear_of_peers(peers)
        self.is_behind = not await self._exchanged()
        if self.is_behind:
            self._hear_of_peers(await self._peers(everything=True))
            self._totals.add(self._newest())
        registry = CollectorRegistry()
        registry.register(_Shown(families_of(self._totals.joined(loop_s() + self._ahead_s))))
        return generate_latest(registry)

    async def _exchanged(self) -> bool:
        """Add everything that is known here to the totals in the database; False where that fails."""
        try:
            async with self._exchanging, asyncio.timeout(_EXCHANGE_S):
                for _ in range(_TRIES):
                    stored = await self._store.read(count=loop_s() - self._counted_s >= COUNT_S)
                    if await self._write(stored):
                        return True
        except (Unavailable, TimeoutError) as outage:
            log.debug("the totals of metrics are not stored: %s", outage)
            return False
        log.warning("the totals of metrics were not stored: others wrote at the same time, %d times", _TRIES)
        return False

    async def _write(self, stored: StoredTotals) -> bool:
        self._ahead_s = stored.now_s - loop_s()
        if stored.counts is not None:
            self._counted_s = loop_s()
            self._hear([_report_of(stored.counts)])
        totals = _read(stored.body)
        totals.add(self._newest())
        totals.fold(stored.now_s)
        if not await self._store.write(stored.version, encode_totals(totals)):
            return False
        self._totals, self.is_behind = totals, False
        now_s = loop_s()
        self._heard = {source: heard for source, heard in self._heard.items() if now_s - heard[1] <= LIVE_S}
        return True

    def _hear(self, reports: Iterable[ProcessReport]) -> None:
        at_s = loop_s()
        self._heard.update({report.source: (report, at_s) for report in reports})

    def _hear_of_peers(self, reports: Iterable[ProcessReport]) -> None:
        """Of what is known here too, the gauges stay: the other replica tells none."""
        for report in reports:
            known = self._heard.get(report.source)
            if report.gauges or known is None:
                self._hear([report])
            else:
                self._hear([_larger(report, known[0])])

    def _newest(self) -> list[tuple[ProcessReport, float]]:
        """Everything that is known here, with its time by the database's clock."""
        own = self._own.report()
        self._hear([own._replace(gauges={}) if self._leaving else own])
        return [(report, at_s + self._ahead_s) for report, at_s in self._heard.values()]


class _Shown(Collector):
    """Metrics that were joined already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """All of them."""
        return self._families


def _larger(report: ProcessReport, known: ProcessReport) -> ProcessReport:
    """What a source has counted by both, with the gauges known here."""
    counters = {**known.counters}
    for series, value in report.counters.items():
        counters[series] = max(value, counters.get(series, 0.0))
    return ProcessReport(report.source, counters, known.gauges)


def _read(body: bytes | None) -> Totals:
    """Stored totals. Damaged ones are given up: counters begin anew, which Prometheus takes for a restart."""
    if body is None:
        return Totals()
    try:
        return decode_totals(body)
    except ValueError as broken:
        log.warning("the stored totals of metrics cannot be read, counters begin anew: %s", broken)
        return Totals()


def _report_of(counts: WorldCounts) -> ProcessReport:
    missions = {**dict.fromkeys(get_args(Status), 0), **counts.missions}
    gauges = {
        _series("ganggpt_players_online"): counts.players_online,
        _series("ganggpt_pushes_unacked"): counts.pushes_unacked,
        **{_series("ganggpt_missions", "state", state): number for state, number in missions.items()},
    }
    return ProcessReport(_COUNTS, {}, {series: float(number) for series, number in gauges.items()})


def _series(name: str, *labels: str) -> str:
    return SEPARATOR.join((name, name, *labels))
