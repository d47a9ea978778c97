"""Every metric of GangGPT by name, in one table, and the registry of one process that holds their values.

No label names a single NPC, player or session: the number of series depends on the program, not on the world.
"""

from __future__ import annotations

import platform
import uuid
from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from typing import Final, Literal, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]  # a series beside every counter, under a name that is not in the table

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
COMMAND_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency buckets, in seconds."""
MODEL_SECONDS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Upper bounds of the buckets of model calls, in seconds."""


class Row(NamedTuple):
    """One metric: its name, its type, its help text and its labels. ``joined``: how the values that several processes
    have of a gauge become the value of the world; counters and histograms are always summed."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help_text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = COMMAND_SECONDS
    joined: Literal["sum", "max", "min"] = "sum"


TABLE: Final[dict[str, Row]] = {
    row.name: row
    for row in (
        Row(
            "ganggpt_build_info",
            "gauge",
            "1 for every version that runs; two in a roll-out.",
            ("version", "python"),
            joined="max",
        ),
        Row(
            "ganggpt_start_timestamp_seconds",
            "gauge",
            "Unix time at which the youngest process of a kind started.",
            ("process",),
            joined="max",
        ),
        Row("ganggpt_players_online", "gauge", "Players in the game, as the table players shows them.", joined="max"),
        Row(
            "ganggpt_missions",
            "gauge",
            "Missions by state, as the table missions shows them.",
            ("state",),
            joined="max",
        ),
        Row("ganggpt_pushes_unacked", "gauge", "Pushes that game servers have not acked yet.", joined="max"),
        Row("ganggpt_conversations", "gauge", "Talks in which a player said something in the last two minutes."),
        Row("ganggpt_conversations_started_total", "counter", "Talks begun: first words, or words after two minutes."),
        Row("ganggpt_activations", "gauge", "Actors in memory, by kind.", ("kind",)),
        Row(
            "ganggpt_database_query_seconds",
            "histogram",
            "How long statements took in Postgres, failed ones too.",
            ("process",),
        ),
        Row(
            "ganggpt_database_errors_total",
            "counter",
            "Statements and connections that failed: connection, timeout, full, refused, conflict, canceled, other.",
            ("process", "kind"),
        ),
        Row(
            "ganggpt_redis_command_seconds",
            "histogram",
            "How long commands and pipelines took in Redis, failed ones too. Waiting for pushes is left out.",
            ("process",),
        ),
        Row(
            "ganggpt_redis_errors_total",
            "counter",
            "Commands and pipelines that failed: connection, timeout, full, refused, other.",
            ("process", "kind"),
        ),
        Row("ganggpt_bridge_frames_total", "counter", "Frames received, by what they were.", ("type",)),
        Row("ganggpt_bridge_bytes_total", "counter", "Bytes of frames, in and out.", ("direction",)),
        Row(
            "ganggpt_bridge_commands_total",
            "counter",
            "Commands answered; outcome is ok or an error code.",
            ("kind", "command", "outcome"),
        ),
        Row("ganggpt_bridge_command_seconds", "histogram", "From frame to reply.", ("kind",)),
        Row("ganggpt_bridge_refused_total", "counter", "Commands refused before any actor saw them.", ("code",)),
        Row("ganggpt_bridge_sessions", "gauge", "Game servers connected."),
        Row("ganggpt_bridge_in_flight", "gauge", "Commands waiting for their reply."),
        Row("ganggpt_bridge_closed_total", "counter", "Connections ended, by reason.", ("reason",)),
        Row("ganggpt_bridge_pushes_total", "counter", "Pushes sent and acked.", ("step",)),
        Row("ganggpt_bridge_push_errors_total", "counter", "Rounds of push delivery that failed and were retried."),
        Row(
            "ganggpt_router_shed_total",
            "counter",
            "Commands the router answered overloaded: the router is full (total), the host too slow (lane), the game "
            "server over its fair share (share), the actor's mailbox full (actor), waited too long to be sent (late).",
            ("reason",),
        ),
        Row("ganggpt_router_redirects_total", "counter", "Commands sent on to the host that got their actor just now."),
        Row("ganggpt_router_retries_total", "counter", "Commands sent again after a look at the routing table."),
        Row("ganggpt_router_wait_seconds", "histogram", "How long the first command of a call waited to be sent."),
        Row("ganggpt_router_outstanding", "gauge", "Commands on their way without an answer.", ("host",)),
        Row("ganggpt_router_limit", "gauge", "Commands on their way above which some are refused.", ("host",)),
        Row(
            "ganggpt_router_commands_per_second",
            "gauge",
            "Commands a second the host answered when it was last busy.",
            ("host",),
        ),
        Row("ganggpt_router_shedding", "gauge", "1 while commands to this host are refused.", ("host",), joined="max"),
        Row("ganggpt_hosts", "gauge", "Hosts that answer, by residence.", ("residence",)),
        Row("ganggpt_host_hot", "gauge", "Activations in memory.", ("host",)),
        Row("ganggpt_host_waking", "gauge", "Actors that wake right now.", ("host",)),
        Row("ganggpt_host_messages_waiting", "gauge", "Messages between actors that are on their way.", ("host",)),
        Row("ganggpt_host_shards", "gauge", "Shards held.", ("host",)),
        Row("ganggpt_host_turns_per_second", "gauge", "Turns a second, over the last seconds.", ("host",)),
        Row("ganggpt_host_cpu_ratio", "gauge", "Share of one CPU the process used over the last seconds.", ("host",)),
        Row("ganggpt_host_memory_bytes", "gauge", "Resident memory of the process.", ("host",)),
        Row(
            "ganggpt_host_lag_seconds",
            "gauge",
            "Mean wait of a command before its host looks at it.",
            ("host",),
            joined="max",
        ),
        Row(
            "ganggpt_host_delay_p99_seconds",
            "gauge",
            "From the arrival of a batch to its durable answer: 99 of 100 were faster.",
            ("host",),
            joined="max",
        ),
        Row(
            "ganggpt_host_loss_window_seconds",
            "gauge",
            "Longest recent time from a turn to its commit: what a relaxed command may lose.",
            ("host",),
            joined="max",
        ),
        Row("ganggpt_host_turns_total", "counter", "Turns run.", ("host",)),
        Row("ganggpt_host_commits_total", "counter", "Group commits.", ("host",)),
        Row("ganggpt_host_refused_total", "counter", "Commands the rules refused.", ("host",)),
        Row("ganggpt_host_repeated_total", "counter", "Commands answered again from the dedupe window.", ("host",)),
        Row("ganggpt_host_wakes_total", "counter", "Actors woken.", ("host",)),
        Row("ganggpt_host_wake_seconds_total", "counter", "Time that waking took, of all actors together.", ("host",)),
        Row("ganggpt_host_flushed_rows_total", "counter", "Rows written into the tables that people query.", ("host",)),
        Row("ganggpt_host_messages_total", "counter", "Messages between actors that were delivered.", ("host",)),
        Row("ganggpt_host_reminders_total", "counter", "Reminders that were due and given to their actors.", ("host",)),
        Row("ganggpt_host_archived_total", "counter", "Memories moved into the archive.", ("host",)),
        Row("ganggpt_host_archive_searches_total", "counter", "Searches of the memory archive.", ("host",)),
        Row("ganggpt_host_passivated_total", "counter", "Actors put to sleep.", ("host",)),
        Row("ganggpt_host_unanswered_total", "counter", "Requests that no model answered.", ("host",)),
        Row(
            "ganggpt_host_stale_answers_total",
            "counter",
            "Answers of a model that came too late to be used.",
            ("host",),
        ),
        Row("ganggpt_host_embedded_total", "counter", "Memories that got an embedding.", ("host",)),
        Row(
            "ganggpt_host_not_embedded_total",
            "counter",
            "Memories that should have an embedding and got none; only their words find them.",
            ("host",),
        ),
        Row(
            "ganggpt_host_internal_errors_total", "counter", "Turns that failed by an error of the program.", ("host",)
        ),
        Row("ganggpt_rest_requests_total", "counter", "REST answers by status class.", ("status",)),
        Row("ganggpt_streams_open", "gauge", "Server-sent event streams, with those whose client may come back."),
        Row(
            "ganggpt_streams_total",
            "counter",
            "Streams ended: said or hushed to its end, unanswered, late (too long), leaving (drained), gone (client).",
            ("ended",),
        ),
        Row("ganggpt_stream_read_errors_total", "counter", "Reads of new turns that failed and were repeated."),
        Row("ganggpt_view_cache_total", "counter", "Reads answered from the view cache or not.", ("outcome",)),
        Row(
            "ganggpt_guard_verdicts_total",
            "counter",
            "Texts by verdict. Input: who may answer (model, talk_only, scripted); output: pass, softened, deflect.",
            ("side", "verdict"),
        ),
        Row("ganggpt_guard_reasons_total", "counter", "Why guards were suspicious or objected.", ("side", "reason")),
        Row(
            "ganggpt_guard_actions_total",
            "counter",
            "Actions a model wanted: allowed, dropped by a guard, or the reason the rules refused them for.",
            ("action", "outcome"),
        ),
        Row(
            "ganggpt_ai_requests_total",
            "counter",
            "Requests to the model gateway by outcome: the rung that answered (large, small, cached), deflected, or "
            "why no model did.",
            ("slot", "outcome"),
        ),
        Row(
            "ganggpt_ai_request_seconds",
            "histogram",
            "From request to outcome.",
            ("slot",),
            MODEL_SECONDS,
        ),
        Row(
            "ganggpt_ai_first_sentence_seconds",
            "histogram",
            "From request to the first sentence of a stream.",
            ("slot",),
            MODEL_SECONDS,
        ),
        Row("ganggpt_ai_calls_total", "counter", "Calls to models; outcome is ok or why not.", ("model", "outcome")),
        Row("ganggpt_ai_call_seconds", "histogram", "How long calls to models took.", ("model",), MODEL_SECONDS),
        Row("ganggpt_ai_calls_under_way", "gauge", "Calls without an end yet.", ("model",)),
        Row(
            "ganggpt_ai_breaker", "gauge", "Breaker of a model: 0 closed, 0.5 trying, 1 open.", ("model",), joined="max"
        ),
        Row("ganggpt_ai_tokens_total", "counter", "Tokens: in, in from the provider's cache, out.", ("model", "part")),
        Row("ganggpt_ai_usd_total", "counter", "US dollars spent, by the price table.", ("model", "slot")),
        Row("ganggpt_ai_fallbacks_total", "counter", "Steps down the ladder and why.", ("slot", "reason")),
        Row("ganggpt_ai_over_budget_total", "counter", "Calls a budget refused, by its payer.", ("payer",)),
        Row(
            "ganggpt_ai_cache_total",
            "counter",
            "Cached answers: exact, meaning, shared or miss; away: Redis was.",
            ("outcome",),
        ),
        Row("ganggpt_ai_filtered_total", "counter", "Texts that content filters refused.", ("where", "category")),
        Row(
            "ganggpt_ai_repairs_total",
            "counter",
            "Answers of a wrong shape, and whether one more try helped.",
            ("outcome",),
        ),
        Row(
            "ganggpt_ai_embeddings_total",
            "counter",
            "Embeddings of memories and questions, or why not.",
            ("of", "outcome"),
        ),
        Row(
            "ganggpt_ai_summaries_total",
            "counter",
            "Summaries of talks a model was asked for: ok, or why not.",
            ("outcome",),
        ),
        Row("ganggpt_ai_unsettled_total", "counter", "Reservations that could not be settled; they count as spent."),
        Row(
            "ganggpt_ai_lost_notes_total",
            "counter",
            "Notes of spending, exchanges or cached answers that were lost.",
            ("of",),
        ),
        Row("ganggpt_ai_on", "gauge", "1 while model calls are enabled, 0 while they are disabled.", joined="min"),
        Row("ganggpt_health_probe_failures_total", "counter", "Health probes that failed.", ("probe",)),
    )
}


class ProcessReport(NamedTuple):
    """The values of one process at one moment. ``source``: as of ``Metrics``. Each value stands under its series: the
    name in the table, the name of the sample, then names and values of labels, joined by ``SEPARATOR``."""

    source: str
    counters: dict[str, float]
    gauges: dict[str, float]


SEPARATOR: Final = "\x1f"


def report_of(source: str, metrics: Iterable[Metric]) -> ProcessReport:
    """What these metrics tell. A name that is not in the table is a KeyError."""
    report = ProcessReport(source, {}, {})
    for metric in metrics:
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        values = report.gauges if TABLE[name].type == "gauge" else report.counters
        for sample in metric.samples:
            labels = (part for pair in sorted(sample.labels.items()) for part in pair)
            values[SEPARATOR.join((name, sample.name, *labels))] = sample.value
    return report


class Metrics:
    """The metrics of one process. A name that is not in the table, or of another type, is a KeyError.

    ``process``: what kind of process it is: bridge, host, own, gateway, supervisor. ``source`` tells it from every
    other process, before it and beside it.
    """

    def __init__(self, process: str = "command") -> None:
        self.registry = CollectorRegistry()
        self.process = process
        self.source = f"{process}/{uuid.uuid4().hex}"
        self._made: dict[str, Counter | Gauge | Histogram] = {}
        self.commands = CommandTally()
        self.registry.register(self.commands)
        self.gauge("ganggpt_build_info").labels(_version(), platform.python_version()).set(1)
        self.gauge("ganggpt_start_timestamp_seconds").labels(process).set_to_current_time()

    def counter(self, name: str) -> Counter:
        """The counter of that name."""
        row = _row(name, "counter")
        made = self._made.get(name)
        if not isinstance(made, Counter):
            made = self._made[name] = Counter(row.name, row.help_text, row.labels, registry=self.registry)
        return made

    def gauge(self, name: str) -> Gauge:
        """The gauge of that name."""
        row = _row(name, "gauge")
        made = self._made.get(name)
        if not isinstance(made, Gauge):
            made = self._made[name] = Gauge(row.name, row.help_text, row.labels, registry=self.registry)
        return made

    def histogram(self, name: str) -> Histogram:
        """The histogram of that name."""
        row = _row(name, "histogram")
        made = self._made.get(name)
        if not isinstance(made, Histogram):
            made = Histogram(row.name, row.help_text, row.labels, buckets=row.buckets, registry=self.registry)
            self._made[name] = made
        return made

    def exposition(self) -> bytes:
        """All values in the Prometheus text format."""
        return generate_latest(self.registry)

    def report(self) -> ProcessReport:
        """All values, for the process that joins them with those of others."""
        return report_of(self.source, self.registry.collect())


class CommandTally(Collector):
    """Counts commands by kind, name and outcome, and their latency; plain integers, because every command is counted.

    Used on one event loop; a scrape reads while nothing is being added.
    """

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, str, str], int] = {}
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}

    def add(self, kind: str, command: str, outcome: str, seconds: float) -> None:
        """Count one answered command."""
        key = (kind, command, outcome)
        self._outcomes[key] = self._outcomes.get(key, 0) + 1
        buckets = self._buckets.get(kind)
        if buckets is None:
            buckets = self._buckets[kind] = [0] * (len(COMMAND_SECONDS) + 1)
            self._seconds[kind] = 0.0
        buckets[bisect_left(COMMAND_SECONDS, seconds)] += 1
        self._seconds[kind] += seconds

    def collect(self) -> Iterable[Metric]:
        """The metrics for a scrape."""
        row = TABLE["ganggpt_bridge_commands_total"]
        counts = CounterMetricFamily(row.name, row.help_text, labels=row.labels)
        for key, count in self._outcomes.items():
            counts.add_metric(key, count)
        yield counts
        row = TABLE["ganggpt_bridge_command_seconds"]
        times = HistogramMetricFamily(row.name, row.help_text, labels=row.labels)
        for kind, buckets in self._buckets.items():
            upto, cumulative = 0, []
            for bound, count in zip((*map(str, COMMAND_SECONDS), "+Inf"), buckets, strict=True):
                upto += count
                cumulative.append((bound, upto))
            times.add_metric((kind,), cumulative, self._seconds[kind])
        yield times


@cache
def _version() -> str:
    return version("ganggpt")


def _row(name: str, type_: str) -> Row:
    row = TABLE[name]
    if row.type != type_:
        raise KeyError(f"{name} is a {row.type}, not a {type_}")
    return row
