"""The hosts of this cluster as sources of metrics: what each incarnation counts, and what its process does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from ganggpt.errors import GangGPTError
from ganggpt.observability.metrics import SEPARATOR, TABLE, ProcessReport

_ASK_S: Final = 2.0
OWN: Final = "own"
"""The label all hosts of one actor share, so that the number of series stays small."""

SHOWN: Final[Mapping[str, str]] = {
    "hot": "ganggpt_host_hot",
    "waking": "ganggpt_host_waking",
    "messages_waiting": "ganggpt_host_messages_waiting",
    "shards": "ganggpt_host_shards",
    "turns_per_s": "ganggpt_host_turns_per_second",
    "cpu": "ganggpt_host_cpu_ratio",
    "memory_bytes": "ganggpt_host_memory_bytes",
    "lag_s": "ganggpt_host_lag_seconds",
    "delay_p99_s": "ganggpt_host_delay_p99_seconds",
    "loss_window_s": "ganggpt_host_loss_window_seconds",
    "turns": "ganggpt_host_turns_total",
    "commits": "ganggpt_host_commits_total",
    "refused": "ganggpt_host_refused_total",
    "repeated": "ganggpt_host_repeated_total",
    "wakes": "ganggpt_host_wakes_total",
    "wake_s": "ganggpt_host_wake_seconds_total",
    "flushed_rows": "ganggpt_host_flushed_rows_total",
    "passivated": "ganggpt_host_passivated_total",
    "messages": "ganggpt_host_messages_total",
    "reminders": "ganggpt_host_reminders_total",
    "archive_kept": "ganggpt_host_archived_total",
    "archive_searches": "ganggpt_host_archive_searches_total",
    "unanswered": "ganggpt_host_unanswered_total",
    "stale_answers": "ganggpt_host_stale_answers_total",
    "embedded": "ganggpt_host_embedded_total",
    "not_embedded": "ganggpt_host_not_embedded_total",
    "mistakes": "ganggpt_host_internal_errors_total",
    "conversations": "ganggpt_conversations",
    "conversations_started": "ganggpt_conversations_started_total",
}
"""The metric of the table that each field of a host's stats is shown as."""

Names = Callable[[], Awaitable[Iterable[str]]]
Ask = Callable[[str], Awaitable[Mapping[str, Any]]]


class HostWatch:
    """Asks every host of the cluster for its stats. Where the names cannot be had, those of before are asked."""

    def __init__(self, names: Names, ask: Ask) -> None:
        self._names = names
        self._ask = ask
        self._known: Sequence[str] = ()

    async def reports(self) -> Sequence[ProcessReport]:
        """What every host that answers tells: of its incarnation and of its process."""
        with suppress(GangGPTError):  # an outage of the database, in which hosts go on
            self._known = list(await self._names())
        answers = await asyncio.gather(*map(self._stats_of, self._known))
        return [
            report
            for host, stats in zip(self._known, answers, strict=True)
            if stats is not None
            for report in reports_of_host(host, stats)
        ]

    async def _stats_of(self, host: str) -> Mapping[str, Any] | None:
        try:
            return await asyncio.wait_for(self._ask(host), _ASK_S)
        except (GangGPTError, TimeoutError):
            return None


def reports_of_host(host: str, stats: Mapping[str, Any]) -> Sequence[ProcessReport]:
    """The stats of a host as values of metrics. Shared hosts stand alone, hosts of one actor under one label. What an
    incarnation counts begins at zero with each, so each is a source; so is the process, which outlives it."""
    label = host_label(host)
    residence = OWN if label == OWN else "shared"
    report = ProcessReport(f"{host}#{stats['epoch']}", {}, {_series("ganggpt_hosts", residence): 1.0})
    for field, name in SHOWN.items():
        row = TABLE[name]
        values = report.counters if row.type == "counter" else report.gauges
        values[_series(name, label)] = float(stats[field])
    for kind, count in stats["activations"].items():
        report.gauges[_series("ganggpt_activations", kind)] = float(count)
    return report, ProcessReport(**stats["process"])


def host_label(host: str) -> str:
    """The label of a host in metrics."""
    return host if host.startswith("host:") else OWN


def _series(name: str, value: str) -> str:
    """The one series of a metric with at most one label."""
    labels = TABLE[name].labels
    return SEPARATOR.join((name, name, *(part for label in labels for part in (label, value))))
