"""Metrics of other processes on the bridge's /metrics: their expositions are read, merged and shown as its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from ganggpt.observability.metrics import TABLE

_LEAST: Final = frozenset({"ganggpt_ai_on"})
"""Of these the smallest value of all processes is shown, of ``_MOST`` the largest; all others are summed."""
_MOST: Final = frozenset({"ganggpt_ai_breaker"})
_FAMILIES: Final[Mapping[str, type[Metric]]] = {
    "counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily
}  # fmt: skip

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def together(told: Iterable[bytes], prefix: str) -> dict[str, Samples]:
    """The merged samples of all processes, for the metrics of the table whose names begin with ``prefix``."""
    found: dict[str, Samples] = {}
    for exposition in told:
        for family in text_string_to_metric_families(exposition.decode()):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            if not name.startswith(prefix) or name not in TABLE:
                continue
            samples = found.setdefault(name, {})
            for sample in family.samples:
                if sample.name.endswith("_created"):
                    continue
                key = (sample.name, tuple(sorted(sample.labels.items())))
                before = samples.get(key)
                samples[key] = sample.value if before is None else _joined(name, before, sample.value)
    return found


def families(seen: Mapping[str, Samples]) -> Sequence[Metric]:
    """The samples as metrics for a scrape."""
    shown = []
    for name, samples in seen.items():
        row = TABLE[name]
        family: Metric = _FAMILIES[row.type](row.name, row.help_text, labels=row.labels)  # type: ignore[call-arg]
        for (sample, labels), value in samples.items():
            family.add_sample(sample, dict(labels), value)
        shown.append(family)
    return shown


def _joined(name: str, one: float, other: float) -> float:
    if name in _LEAST:
        return min(one, other)
    return max(one, other) if name in _MOST else one + other
