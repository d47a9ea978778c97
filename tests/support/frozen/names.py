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
from pathlib import Path
from typing import Any, Final, NamedTuple

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from ganggpt.actors.routing.router import Router
from ganggpt.actors.routing.shards import Routes
from ganggpt.domain.kinds import KINDS
from ganggpt.observability.metrics import TABLE, Metrics
from ganggpt.protocol.schema import bridge_schema_text
from ganggpt.serve.metrics.gateway_watch import GatewayWatch
from ganggpt.serve.metrics.host_watch import SHOWN, HostWatch
from ganggpt.serve.metrics.router_watch import RouterWatch
from tests.support.bridge_client import client_of
from tests.support.bridge_rig import Rig

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
    """Every metric that /metrics of a bridge can show: name, type, labels and buckets, by where it comes from."""
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


async def _metrics() -> str:
    everything = Metrics()
    for row in TABLE.values():
        if row.name not in _TALLIED:
            made = getattr(everything, row.type)(row.name)
            if row.labels:
                made.labels(*row.labels)
    everything.commands.add("npc", "Talk", "ok", 0.1)
    told = everything.exposition()

    async def names() -> Iterable[str]:
        return ["host:0"]

    async def stats(host: str) -> Mapping[str, Any]:
        return {**dict.fromkeys(SHOWN, 0), "guards": told.decode()}

    async def expositions() -> Sequence[bytes]:
        return [told]

    hosts, gateway = HostWatch(names, stats), GatewayWatch(expositions)
    await hosts.poll()
    await gateway.poll()
    parts: dict[str, Collector] = {
        "its own": everything.registry,
        "of hosts": hosts,
        "of its router": RouterWatch(Router(_no_call, _no_routes)),
        "of the model gateway": gateway,
    }
    lines = []
    for title, collector in parts.items():
        lines += [f"# {title}", *sorted(map(_line, collector.collect())), ""]
    return "\n".join(lines)


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
