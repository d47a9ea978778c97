"""What the hosts count, on the bridge's /metrics: asked now and then, kept as it was last told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ganggpt.errors import GangGPTError
from ganggpt.serve.metrics.expositions import families, together

LOOK_S: Final = 2.0
"""Also how soon a bridge knows the way to a new host, before it is given shards."""
_ASK_S: Final = 2.0
OWN: Final = "own"
"""The label all hosts of one actor share, so that the number of series stays small."""

SHOWN: Final[Mapping[str, str]] = {
    "hot": "Activations in memory.",
    "waking": "Actors that wake right now.",
    "letters_waiting": "Letters between actors that are on their way.",
    "turns": "Turns run since the incarnation began.",
    "commits": "Group commits since the incarnation began.",
    "refused": "Commands the rules refused since the incarnation began.",
    "repeated": "Commands answered again from the dedupe window since the incarnation began.",
    "wakes": "Actors woken since the incarnation began.",
    "passivated": "Actors put to sleep since the incarnation began.",
    "unanswered": "Asks for which no model had an answer since the incarnation began.",
    "stale_answers": "Answers of a model that nobody listened to any more since the incarnation began.",
    "meant": "Memories that a model gave a meaning since the incarnation began.",
    "unmeant": "Memories worth a meaning that got none since the incarnation began; words find them.",
    "mistakes": "Turns that failed by a mistake of ours since the incarnation began.",
    "shards": "Shards held.",
    "turns_per_s": "Turns a second, over the last seconds.",
    "cpu": "Share of one CPU the process used over the last seconds.",
    "memory_bytes": "Resident memory of the process.",
    "lag_s": "How long a command waits before its host looks at it, in seconds: the mean of the last seconds.",
    "delay_p99_s": "From the arrival of a batch to its durable answer, in seconds: 99 of 100 were faster.",
    "loss_window_s": "Longest recent time from a turn to its commit: what a relaxed command may lose, in seconds.",
}
"""Fields of a host's stats that become ``ganggpt_host_<field>``."""
_LONGEST: Final = frozenset({"lag_s", "delay_p99_s", "loss_window_s"})
"""Of these, hosts of one actor show the longest instead of the sum."""

Names = Callable[[], Awaitable[Iterable[str]]]
Ask = Callable[[str], Awaitable[Mapping[str, Any]]]


class HostWatch(Collector):
    """Owns the last stats of every host. ``run`` looks for ever; a scrape shows what was seen last."""

    def __init__(self, names: Names, ask: Ask) -> None:
        self._names = names
        self._ask = ask
        self._seen: dict[str, Mapping[str, Any]] = {}

    async def run(self) -> None:
        """Look at all hosts, again and again. A host that does not answer is left out until it does."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Look once."""
        try:
            names = list(await self._names())
        except GangGPTError:
            return
        answers = await asyncio.gather(*map(self._stats_of, names))
        self._seen = {name: stats for name, stats in zip(names, answers, strict=True) if stats is not None}

    def collect(self) -> Iterable[Metric]:
        """What a scrape gets: shared hosts by name, hosts of one actor summed (of times, the longest)."""
        for name, tells in SHOWN.items():
            family = GaugeMetricFamily(f"ganggpt_host_{name}", tells, labels=("host",))
            values: dict[str, list[float]] = {}
            for host, stats in self._seen.items():
                label = host if host.startswith("host:") else OWN
                values.setdefault(label, []).append(float(stats[name]))
            for label, found in sorted(values.items()):
                family.add_metric((label,), max(found) if name in _LONGEST else sum(found))
            yield family
        up = GaugeMetricFamily("ganggpt_hosts", "Hosts that answer, by residence.", labels=("residence",))
        shared = sum(host.startswith("host:") for host in self._seen)
        up.add_metric(("shared",), shared)
        up.add_metric((OWN,), len(self._seen) - shared)
        yield up
        yield from families(together((stats["guards"].encode() for stats in self._seen.values()), "ganggpt_guard_"))

    async def _stats_of(self, host: str) -> Mapping[str, Any] | None:
        try:
            return await asyncio.wait_for(self._ask(host), _ASK_S)
        except (GangGPTError, TimeoutError):
            return None
