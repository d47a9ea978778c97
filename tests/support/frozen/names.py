"""What people and programs outside call us by: the REST API, the bridge, the metrics, the command line.

Each is a text that the program writes about itself; ``RECORDS`` says in which file its recorded form stands.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import (
    Callable,
    Iterable,
    Mapping,
    Sequence,
)
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from ganggpt.actors.routing.router import Router
from ganggpt.actors.routing.shards import Routes
from ganggpt.domain.kinds import KINDS
from ganggpt.observability.metrics import TABLE, Metrics, ProcessReport
from ganggpt.persistence.metric_totals import WorldCounts
from ganggpt.protocol.bridge_schema import bridge_schema_text
from ganggpt.serve.metrics.host_watch import SHOWN, HostWatch
from ganggpt.serve.metrics.router_watch import RouterWatch
from ganggpt.serve.metrics.world_metrics import WorldMetrics
from tests.support.bridge_client import client_of
from tests.support.bridge_rig import Rig
from tests.support.metric_totals import OneTotals

_ROOT: Final = Path(__file__).parents[3]
_HELP: Final = """
import click
from typer.main import get_command
from ganggpt.cli import app

def show(command, words):
    print("$", *words, "--help")
    try:
        command.main(["--help"], prog_name=" ".join(words), standalone_mode=False)
    except SystemExit:
        pass
    for name in sorted(getattr(command, "commands", ())):
        show(command.commands[name], (*words, name))

show(get_command(app), ("ganggpt",))
"""
_TALLIED: Final = ("ganggpt_bridge_commands_total", "ganggpt_bridge_command_seconds")
"""Counted by a CommandTally and not by the client library."""
_OF_TABLES: Final = ("ganggpt_players_online", "ganggpt_missions", "ganggpt_pushes_unacked")
"""Counted by the database."""
_SCREEN: Final = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}


class Record(NamedTuple):
    """Where a text is recorded, and how the program makes it."""

    path: Path
    made: Callable[[], str]


def openapi() -> str:
    """The OpenAPI of the REST border, with every public command of the real kinds."""

    async def read() -> Any:
        async with client_of(Rig(kinds=KINDS)) as http:
            return (await http.get("/openapi.json")).json()

    return json.dumps(asyncio.run(read()), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def metrics() -> str:
    """Every metric that /metrics of a bridge can show: name, type, labels and buckets."""
    return asyncio.run(_metrics())


def command_line() -> str:
    """The help of every command."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "HOME", "LANG")}
    done = subprocess.run(
        [sys.executable, "-c", _HELP], env={**kept, **_SCREEN}, cwd=_ROOT, check=True, capture_output=True, text=True
    )
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"


RECORDS: Final[Mapping[str, Record]] = {
    "bridge": Record(_ROOT / "docs" / "bridge.schema.json", bridge_schema_text),
    "openapi": Record(_ROOT / "tests" / "data" / "openapi.json", openapi),
    "metrics": Record(_ROOT / "tests" / "data" / "metrics.txt", metrics),
    "command-line": Record(_ROOT / "tests" / "data" / "command_line.txt", command_line),
}


def write() -> None:
    """Record all of them anew."""
    for path, made in RECORDS.values():
        path.write_text(made(), encoding="utf-8")


async def world_exposition() -> bytes:
    """What /metrics of a bridge shows where every metric has been used, but those of lanes."""
    everything = Metrics()
    everything.registry.register(RouterWatch(Router(_no_call, _no_routes)))
    of_hosts = {*SHOWN.values(), "ganggpt_hosts", "ganggpt_activations"}
    elsewhere = {*_TALLIED, *of_hosts, *_OF_TABLES}
    for row in TABLE.values():
        if row.name not in elsewhere and not row.name.startswith("ganggpt_router_"):
            made = getattr(everything, row.type)(row.name)
            if row.labels:
                made.labels(*row.labels)
    everything.commands.add("npc", "Talk", "ok", 0.1)
    stats = {**dict.fromkeys(SHOWN, 0), "epoch": 1, "activations": {"npc": 1}, "process": everything.report()._asdict()}
    store = OneTotals(WorldCounts(0, 0, {}))
    world = WorldMetrics(everything, [HostWatch(_one_host, partial(_answered, stats)).reports], _no_peers, store)
    await world.poll()
    return await world.exposition()


async def _metrics() -> str:
    shown = (await world_exposition()).decode()
    lines = [_line(family) for family in text_string_to_metric_families(shown)]
    lanes = [_line(metric) for metric in RouterWatch(Router(_no_call, _no_routes)).collect()]
    return "\n".join(sorted({*lines, *lanes})) + "\n"


async def _one_host() -> Iterable[str]:
    return ["host:0"]


async def _answered(stats: Mapping[str, Any], _: str) -> Mapping[str, Any]:
    return stats


async def _no_peers(*, everything: bool) -> Sequence[ProcessReport]:
    return ()


def _line(metric: Metric) -> str:
    name = f"{metric.name}_total" if metric.type == "counter" else metric.name
    keys = {key for sample in metric.samples for key in sample.labels} | set(getattr(metric, "_labelnames", ()))
    bounds = list(dict.fromkeys(sample.labels["le"] for sample in metric.samples if "le" in sample.labels))
    labels = f" {{{','.join(sorted(keys - {'le'}))}}}" if keys - {"le"} else ""
    return f"{name} {metric.type}{labels}" + (f" le={','.join(bounds)}" if bounds else "")


async def _no_call(*_: Any) -> bytes:
    raise AssertionError("nobody is called")


async def _no_routes() -> Routes:
    raise AssertionError("nobody is looked for")
