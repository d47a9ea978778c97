"""Health in the shape operators know, and metrics that count what happened."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ganggpt.errors import Unavailable
from ganggpt.observability.metrics import TABLE, Metrics
from ganggpt.serve.health import CHECK_NAMES, Degraded, Health, disk_probe, memory_probe
from tests.support.bridge_client import client_of, greeted
from tests.support.bridge_rig import Rig, served


async def _away() -> Mapping[str, Any]:
    raise Unavailable("the database")


async def _silent() -> Mapping[str, Any]:
    await asyncio.Event().wait()
    return {}


async def test_health_has_the_known_shape() -> None:
    async with client_of(Rig()) as http:
        answer = await http.get("/health")
    body = answer.json()
    assert answer.status_code == 200
    assert body["status"] == "healthy"
    assert body["timestamp"].endswith("Z")
    datetime.fromisoformat(body["timestamp"])
    assert [check["name"] for check in body["checks"]] == list(CHECK_NAMES)
    assert {check["status"] for check in body["checks"]} == {"fulfilled"}


async def test_a_store_that_is_unreachable_makes_health_and_readiness_say_so_but_not_liveness() -> None:
    rig = Rig()
    rig.probes["database"] = _away
    async with client_of(Rig(probes=rig.probes)) as http:
        answer = await http.get("/health")
        assert answer.status_code == 503
        database = answer.json()["checks"][0]
        assert database["status"] == "rejected"
        assert "The database" in database["details"]["reason"]
        assert (await http.get("/health/ready")).status_code == 503
        assert (await http.get("/health/live")).status_code == 200


async def test_what_the_world_does_without_degrades_it_and_takes_it_out_of_no_service() -> None:
    async def degraded() -> Mapping[str, Any]:
        raise Degraded("The models are away.", {"mind": "scripted"})

    rig = Rig()
    rig.probes["ai"] = degraded
    async with client_of(Rig(probes=rig.probes)) as http:
        answer = await http.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        ai = next(check for check in answer.json()["checks"] if check["name"] == "ai")
        assert ai == {
            "name": "ai", "status": "degraded", "details": {"reason": "The models are away.", "mind": "scripted"}
        }  # fmt: skip
        assert (await http.get("/health/ready")).status_code == 200


async def test_a_probe_that_hangs_is_given_up() -> None:
    rig = Rig()
    health = Health({**rig.probes, "redis": _silent}, rig.metrics, lambda: False, timeout_s=0.02)
    async with asyncio.timeout(5):
        status, body = await health.report()
    assert status == 503
    assert "no answer" in json.dumps(body["checks"][1])


async def test_a_draining_replica_is_not_ready() -> None:
    rig = Rig()
    await rig.app.sessions.drain()
    async with client_of(rig) as http:
        assert (await http.get("/health/ready")).status_code == 503
        assert (await http.get("/health")).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/metrics"])
async def test_health_and_metrics_are_only_read(path: str) -> None:
    async with client_of(Rig()) as http:
        answer = await http.post(path)
        assert answer.status_code == 405
        assert answer.json()["error"]["code"] == "method_not_allowed"


async def test_memory_and_disk_are_looked_at_for_real(tmp_path: Path) -> None:
    assert (await memory_probe(0.0)())["process_bytes"] > 1_000_000
    with pytest.raises(Unavailable):
        await memory_probe(2.0)()
    assert (await disk_probe(tmp_path, 0)())["total_bytes"] > 0
    with pytest.raises(Unavailable):
        await disk_probe(tmp_path, 2**60)()


async def test_metrics_count_what_happened() -> None:
    rig = Rig()
    rig.port.missing.add("npc:nobody")
    async with served(rig.app) as address, greeted(address) as (game, _):
        await game.send({"t": "commands", "c": [game.talk(), game.talk(to="npc:nobody"), game.talk("")]})
        await game.replies(3)
        async with client_of(rig) as http:
            text = (await http.get("/metrics")).text
    values = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    name = "ganggpt_bridge_commands_total"
    talk = (("command", "Talk"), ("kind", "npc"))
    assert values[name, *talk, ("outcome", "ok")] == 1
    assert values[name, *talk, ("outcome", "unknown_actor")] == 1
    assert values["ganggpt_bridge_refused_total", ("code", "invalid_input")] == 1
    assert values["ganggpt_bridge_sessions",] == 1
    assert values["ganggpt_bridge_in_flight",] == 0
    assert values["ganggpt_bridge_command_seconds_count", ("kind", "npc")] == 2
    assert values["ganggpt_bridge_frames_total", ("type", "commands")] == 1
    assert values["ganggpt_bridge_bytes_total", ("direction", "in")] > 100


def test_every_metric_comes_from_the_one_table() -> None:
    metrics = Metrics()
    with pytest.raises(KeyError):
        metrics.counter("ganggpt_made_up_total")
    with pytest.raises(KeyError):
        metrics.gauge("ganggpt_bridge_frames_total")
    for row in TABLE.values():
        assert row.name.startswith("ganggpt_")
        assert (row.type == "counter") == row.name.endswith("_total")
        assert not {"npc", "player", "actor", "session", "server"} & set(row.labels)
