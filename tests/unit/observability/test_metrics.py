"""The table of metrics: Prometheus' rules about names and units, and nothing outside of it."""

from __future__ import annotations

import re

import pytest
from prometheus_client import Counter
from prometheus_client.parser import text_string_to_metric_families

from ganggpt.observability.metrics import SEPARATOR, TABLE, Metrics, Row
from tests.support.frozen.names import world_exposition
from tests.support.promtool import complaints_about_metrics

PROCESSES = ("bridge", "host", "own", "gateway", "supervisor")
SHORT_UNITS = re.compile(r"_(s|ms|us|min|h|kb|mb|gb|kib|mib|pct|percent|sec|secs|millis)(_|$)")


def everything_of(process: str) -> Metrics:
    """The metrics of a process that has used every one in the table."""
    metrics = Metrics(process)
    for row in TABLE.values():
        if row.name in {"ganggpt_bridge_commands_total", "ganggpt_bridge_command_seconds"}:
            continue
        made = getattr(metrics, row.type)(row.name)
        if row.labels:
            made = made.labels(*row.labels)
        if row.type == "histogram":
            made.observe(0.02)
        else:
            made.inc()
    metrics.commands.add("npc", "Talk", "ok", 0.1)
    return metrics


@pytest.mark.parametrize("process", PROCESSES)
def test_prometheus_has_nothing_to_say_about_what_a_process_shows(process: str) -> None:
    assert complaints_about_metrics(everything_of(process).exposition()) == ""


async def test_prometheus_has_nothing_to_say_about_what_the_bridge_shows_of_the_world() -> None:
    assert complaints_about_metrics(await world_exposition()) == ""


def test_a_wrong_metric_would_be_noticed() -> None:
    metrics = Metrics()
    Counter("ganggpt_wrong_ms", "", registry=metrics.registry)
    assert "ganggpt_wrong_ms" in complaints_about_metrics(metrics.exposition())


async def test_nothing_is_shown_that_is_not_in_the_table() -> None:
    for shown in (everything_of("bridge").exposition(), await world_exposition()):
        families = text_string_to_metric_families(shown.decode())
        names = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}
        assert names <= set(TABLE)
        assert "_created" not in shown.decode()


async def test_the_bridge_shows_every_metric_of_the_table() -> None:
    shown = (await world_exposition()).decode()
    # Lanes appear with the first command to a host.
    missing = {name for name in TABLE if f"# TYPE {name} " not in shown}
    assert all(name.startswith("ganggpt_router_") for name in missing), missing


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_a_name_says_its_unit_as_prometheus_wants_it(row: Row) -> None:
    assert re.fullmatch(r"ganggpt_[a-z0-9]+(_[a-z0-9]+)*", row.name)
    assert not SHORT_UNITS.search(row.name), "units are written out, and base units: seconds, bytes, ratio"
    assert row.name.endswith("_total") == (row.type == "counter"), "what only grows is a counter, and ends in _total"
    assert not row.name.endswith(("_count", "_sum", "_bucket"))
    assert row.help_text.endswith(".")
    if row.type == "histogram":
        assert row.name.endswith("_seconds")
    assert row.joined == "sum" or row.type == "gauge"
    assert not set(row.labels) & {"player", "npc", "actor", "session", "le", "quantile"}


def test_a_metric_that_is_not_in_the_table_cannot_be_made() -> None:
    metrics = Metrics()
    with pytest.raises(KeyError):
        metrics.counter("ganggpt_unheard_of_total")
    with pytest.raises(KeyError, match="is a gauge"):
        metrics.counter("ganggpt_hosts")
    Counter("ganggpt_unheard_of", "Of.", registry=metrics.registry)
    with pytest.raises(KeyError):
        metrics.report()


def test_a_report_has_every_value_once_and_tells_processes_apart() -> None:
    one, other = everything_of("host"), everything_of("host")
    assert one.report().source != other.report().source
    report = one.report()
    assert report.gauges[SEPARATOR.join(("ganggpt_bridge_sessions", "ganggpt_bridge_sessions"))] == 1
    count = SEPARATOR.join(("ganggpt_ai_calls_total", "ganggpt_ai_calls_total", "model", "model", "outcome", "outcome"))
    assert report.counters[count] == 1
    assert one.report() == report


def test_every_process_says_what_runs_and_since_when() -> None:
    shown = Metrics("gateway").exposition().decode()
    assert re.search(r'ganggpt_build_info\{python="3\.\d+\.\d+",version="[^"]+"\} 1\.0', shown)
    assert re.search(r'ganggpt_start_timestamp_seconds\{process="gateway"\} 1\.\d+e\+09', shown)
