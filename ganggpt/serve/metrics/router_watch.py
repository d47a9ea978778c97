"""The metrics of the router on the bridge's /metrics: refused commands, waiting times, rates of hosts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ganggpt.actors.overload import Shed
from ganggpt.actors.routing.router import Router
from ganggpt.actors.routing.shards import RemoteCluster
from ganggpt.observability.metrics import COMMAND_SECONDS, TABLE
from ganggpt.serve.metrics.host_watch import host_label

_LANES: Final = {
    "outstanding": "ganggpt_router_outstanding",
    "limit": "ganggpt_router_limit",
    "rate_per_s": "ganggpt_router_commands_per_second",
    "shedding": "ganggpt_router_shedding",
}
"""The metric that each value of a lane's admission is shown as."""


class RouterWatch(Collector):
    """Reads one router when it is scraped; used on the router's own event loop."""

    def __init__(self, router: Router) -> None:
        self._router = router

    def collect(self) -> Iterable[Metric]:
        """The metrics for a scrape. Lanes to hosts of one actor are summed under one label."""
        router = self._router
        shed = router.shed
        row = TABLE["ganggpt_router_shed_total"]
        turned_away = CounterMetricFamily(row.name, row.help_text, labels=row.labels)
        for why in Shed:
            if why is not Shed.IN_FLIGHT:  # counted by the sessions
                turned_away.add_metric((why.value,), shed[why])
        yield turned_away
        for name, count in (("redirects", router.redirects), ("retries", router.retries)):
            row = TABLE[f"ganggpt_router_{name}_total"]
            yield CounterMetricFamily(row.name, row.help_text, value=count)
        row = TABLE["ganggpt_router_wait_seconds"]
        waits = HistogramMetricFamily(row.name, row.help_text)
        upto, cumulative = 0, []
        for bound, calls in zip((*map(str, COMMAND_SECONDS), "+Inf"), router.waits.calls, strict=True):
            upto += calls
            cumulative.append((bound, upto))
        waits.add_metric((), cumulative, router.waits.seconds)
        yield waits
        yield from self._lanes()

    def _lanes(self) -> Iterable[Metric]:
        sums: dict[str, dict[str, float]] = {name: {} for name in _LANES}
        for lane in self._router.lanes:
            label = _label(lane.way)
            for name, values in sums.items():
                values[label] = values.get(label, 0.0) + getattr(lane.admission, name)
        for name, values in sums.items():
            row = TABLE[_LANES[name]]
            family = GaugeMetricFamily(row.name, row.help_text, labels=row.labels)
            for label, value in sorted(values.items()):
                family.add_metric((label,), value)
            yield family


def _label(way: str | RemoteCluster | None) -> str:
    """The label of a lane; hosts of one actor share one, and so do other clusters."""
    if way is None:
        return "nobody"
    if isinstance(way, RemoteCluster):
        return "away"
    return host_label(way)
