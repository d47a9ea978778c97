"""The values of a whole world: those of every process, also of those that have ended, joined so that no counter falls.

A process counts from zero. Its last values are kept by its source, and of two reports of one source the larger value
holds, so it does not matter who heard the newer one. What the world has counted is the sum over all sources; what the
oldest of the ended ones counted is kept as one sum. Of a gauge only those who were heard of lately have a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from backports import zstd
from msgspec import Struct, field
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from ganggpt.observability.metrics import SEPARATOR, TABLE, ProcessReport

LIVE_S: Final = 40.0
"""For so long after it was last heard of, the gauges of a process count. A bridge that ends without
a word is missed that late; hosts and gateways at once."""
KEPT: Final = 64
"""So many ended processes are kept apart, because one that was only stopped may come back. Of more, those that were
silent for an hour become part of one sum; so do the oldest beyond ``KEPT_MAX``."""
KEPT_MAX: Final = 1024
FOLD_S: Final = 3600.0
STORED_BYTES_MAX: Final = 64 << 20
"""The most that stored totals may unpack to."""
_FAMILIES: Final[Mapping[str, type[Metric]]] = {
    "counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily
}  # fmt: skip
_JOIN: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {"sum": sum, "max": max, "min": min}
_ALWAYS: Final = tuple(
    SEPARATOR.join(("ganggpt_hosts", "ganggpt_hosts", "residence", kind)) for kind in ("own", "shared")
)
"""Shown as 0 where nobody has a value: an alert about what is missing must have something to compare with."""


class Source(Struct, array_like=True):
    """The last values of one process. ``at_s``: Unix time, by the database's clock."""

    at_s: float
    counters: dict[str, float]
    gauges: dict[str, float]


class Totals(Struct):
    """Everything the world has counted."""

    sources: dict[str, Source] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)

    def add(self, reports: Iterable[tuple[ProcessReport, float]]) -> None:
        """Take in reports, each with the time at which it was made."""
        for (source, counters, gauges), at_s in reports:
            before = self.sources.get(source)
            if before is None:
                self.sources[source] = Source(at_s, dict(counters), dict(gauges))
                continue
            for series, value in counters.items():
                if value > before.counters.get(series, 0.0) or series not in before.counters:
                    before.counters[series] = value
            if at_s >= before.at_s:
                before.at_s, before.gauges = at_s, dict(gauges)

    def fold(self, now_s: float) -> None:
        """Make one sum of the oldest of the ended processes."""
        silent = sorted(
            (source for source, last in self.sources.items() if now_s - last.at_s > LIVE_S),
            key=lambda source: self.sources[source].at_s,
            reverse=True,
        )
        for n, source in enumerate(silent):
            last = self.sources[source]
            last.gauges = {}
            if n >= KEPT_MAX or (n >= KEPT and now_s - last.at_s > FOLD_S):
                for series, value in last.counters.items():
                    self.ended[series] = self.ended.get(series, 0.0) + value
                del self.sources[source]

    def joined(self, now_s: float) -> dict[str, float]:
        """The world's value of every series."""
        values = dict(self.ended)
        gauges: dict[str, list[float]] = {}
        for last in self.sources.values():
            for series, value in last.counters.items():
                values[series] = values.get(series, 0.0) + value
            if now_s - last.at_s <= LIVE_S:
                for series, value in last.gauges.items():
                    gauges.setdefault(series, []).append(value)
        for series, found in gauges.items():
            row = TABLE.get(series.partition(SEPARATOR)[0])
            if row is not None:
                values[series] = _JOIN[row.joined](found)
        return values


def families_of(values: Mapping[str, float]) -> Sequence[Metric]:
    """Joined values as metrics for a scrape. Those that this version does not know are left out."""
    found: dict[str, list[tuple[tuple[str, ...], str, float]]] = {}
    for series, value in {**dict.fromkeys(_ALWAYS, 0.0), **values}.items():
        name, sample, *parts = series.split(SEPARATOR)
        if name in TABLE:
            found.setdefault(name, []).append((tuple(parts), sample, value))
    shown = []
    for name, row in TABLE.items():
        if name not in found:
            continue
        family: Metric = _FAMILIES[row.type](row.name, row.help_text, labels=row.labels)  # type: ignore[call-arg]
        for labels, sample, value in sorted(found[name], key=_order):
            family.add_sample(sample, dict(zip(labels[::2], labels[1::2], strict=True)), value)
        shown.append(family)
    return shown


def encode_totals(totals: Totals) -> bytes:
    """As they are stored."""
    return zstd.compress(msgspec.msgpack.encode(totals), level=1)


def decode_totals(stored: bytes) -> Totals:
    """The reverse of ``encode_totals``. Raises ValueError where they are damaged or too large."""
    opened = zstd.ZstdDecompressor()
    try:
        plain = opened.decompress(stored, STORED_BYTES_MAX)
    except zstd.ZstdError as broken:
        raise ValueError(str(broken)) from None
    if not opened.eof:
        raise ValueError(f"they are incomplete, or unpack to more than {STORED_BYTES_MAX} bytes")
    try:
        return msgspec.msgpack.decode(plain, type=Totals)
    except msgspec.MsgspecError as broken:
        raise ValueError(str(broken)) from None


def _order(sample: tuple[tuple[str, ...], str, float]) -> tuple[tuple[str, ...], str, float]:
    """Series by series; of a histogram the buckets by their bounds, then count and sum."""
    labels, name, _ = sample
    pairs = dict(zip(labels[::2], labels[1::2], strict=True))
    bound = float(pairs.pop("le", "inf"))
    return tuple(part for pair in pairs.items() for part in pair), name, bound
