"""The metrics of the hosts on the bridge's /metrics: polled every few seconds, shown as they were last seen."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ganggpt.errors import GangGPTError
from ganggpt.observability.metrics import TABLE
from ganggpt.serve.metrics.expositions import families, together

POLL_S: Final = 2.0
"""Also how soon a bridge has a connection to a new host, before that gets shards."""
_ASK_S: Final = 2.0
OWN: Final = "own"
"""The label all hosts of one actor share, so that the number of series stays small."""

SHOWN: Final[Mapping[str, str]] = {
    "hot": "ganggpt_host_hot",
    "waking": "ganggpt_host_waking",
    "messages_waiting": "ganggpt_host_messages_waiting",
    "shards": "ganggpt_host_shards",
    "turns_per_s": "ganggpt_host_turns_per_s",
    "cpu": "ganggpt_host_cpu",
    "memory_bytes": "ganggpt_host_memory_bytes",
    "lag_s": "ganggpt_host_lag_s",
    "delay_p99_s": "ganggpt_host_delay_p99_s",
    "loss_window_s": "ganggpt_host_loss_window_s",
    "turns": "ganggpt_host_turns_total",
    "commits": "ganggpt_host_commits_total",
    "refused": "ganggpt_host_refused_total",
    "repeated": "ganggpt_host_repeated_total",
    "wakes": "ganggpt_host_wakes_total",
    "passivated": "ganggpt_host_passivated_total",
    "unanswered": "ganggpt_host_unanswered_total",
    "stale_answers": "ganggpt_host_stale_answers_total",
    "embedded": "ganggpt_host_embedded_total",
    "not_embedded": "ganggpt_host_not_embedded_total",
    "mistakes": "ganggpt_host_internal_errors_total",
}
"""The metric of the table that each field of a host's stats is shown as."""
_LONGEST: Final = frozenset({"lag_s", "delay_p99_s", "loss_window_s"})
"""Of these, hosts of one actor show the longest instead of the sum."""
_COUNTED: Final = tuple(field for field, name in SHOWN.items() if TABLE[name].type == "counter")

Names = Callable[[], Awaitable[Iterable[str]]]
Ask = Callable[[str], Awaitable[Mapping[str, Any]]]


class HostWatch(Collector):
    """Owns the last stats of every host, and what all their incarnations counted since this watch began. ``run`` polls
    for ever; a scrape shows what was seen last."""

    def __init__(self, names: Names, ask: Ask) -> None:
        self._names = names
        self._ask = ask
        self._seen: dict[str, Mapping[str, Any]] = {}
        self._counted: dict[str, Mapping[str, Any]] = {}
        self._totals: dict[str, Counter[str]] = {field: Counter() for field in _COUNTED}

    async def run(self) -> None:
        """Poll all hosts, again and again. A host that does not answer is left out until it does."""
        while True:
            await self.poll()
            await asyncio.sleep(POLL_S)

    async def poll(self) -> None:
        """Ask every host once."""
        try:
            names = list(await self._names())
        except GangGPTError:
            return
        answers = await asyncio.gather(*map(self._stats_of, names))
        self._seen = {name: stats for name, stats in zip(names, answers, strict=True) if stats is not None}
        for host, stats in self._seen.items():
            self._count(host, stats)
        for host in self._counted.keys() - set(names):
            del self._counted[host]
            if _label(host) != OWN:
                for totals in self._totals.values():
                    del totals[host]

    def collect(self) -> Iterable[Metric]:
        """The metrics for a scrape: shared hosts by name, hosts of one actor summed (of times, the longest)."""
        for field, name in SHOWN.items():
            row = TABLE[name]
            family = (CounterMetricFamily if field in _COUNTED else GaugeMetricFamily)(
                row.name, row.help_text, None, row.labels
            )
            values = self._totals[field] if field in _COUNTED else self._values(field)
            for label, value in sorted(values.items()):
                family.add_metric((label,), value)
            yield family
        row = TABLE["ganggpt_hosts"]
        up = GaugeMetricFamily(row.name, row.help_text, labels=row.labels)
        shared = sum(host.startswith("host:") for host in self._seen)
        up.add_metric(("shared",), shared)
        up.add_metric((OWN,), len(self._seen) - shared)
        yield up
        yield from families(together((stats["guards"].encode() for stats in self._seen.values()), "ganggpt_guard_"))

    def _values(self, field: str) -> dict[str, float]:
        """The values of a gauge by label."""
        values: dict[str, list[float]] = {}
        for host, stats in self._seen.items():
            values.setdefault(_label(host), []).append(float(stats[field]))
        return {label: max(found) if field in _LONGEST else sum(found) for label, found in values.items()}

    def _count(self, host: str, stats: Mapping[str, Any]) -> None:
        """Add what a host counted since it was last seen. A counter must not fall when an incarnation ends."""
        before = self._counted.get(host)
        if before is not None and before["epoch"] != stats["epoch"]:
            before = None
        for field, totals in self._totals.items():
            totals[_label(host)] += stats[field] - (0 if before is None else before[field])
        self._counted[host] = stats

    async def _stats_of(self, host: str) -> Mapping[str, Any] | None:
        try:
            return await asyncio.wait_for(self._ask(host), _ASK_S)
        except (GangGPTError, TimeoutError):
            return None


def _label(host: str) -> str:
    return host if host.startswith("host:") else OWN
