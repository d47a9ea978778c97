"""What is said of the models of a world that has just started, asked of a real bridge with a real gateway behind it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from ganggpt.ai.gateway.gateway import ModelGateway
from ganggpt.cli.model_commands import _failing, _for_people, _health_of
from ganggpt.errors import Unavailable
from ganggpt.runtime.model_health import ai_check, warning_at_start
from ganggpt.serve.ai_check import ai_probe
from ganggpt.testing.fake_model import KEY, Status
from tests.support import bridge_rig
from tests.support.gateway_rig import rigged

NO_DEPLOYMENT = Status(404, {"error": {"message": f"no deployment for {KEY}", "code": "404"}})


def _bridge(gateway: ModelGateway) -> bridge_rig.Rig:
    plain = bridge_rig.Rig()
    return bridge_rig.Rig(probes={**plain.probes, "ai": ai_probe(gateway)})


async def test_a_dead_model_is_told_at_the_start_and_by_ai_status_with_the_address_that_was_asked() -> None:
    async with rigged(entry={"tries": 1}) as models, bridge_rig.served(_bridge(models.gateway).app) as address:
        models.server.always["large"] = NO_DEPLOYMENT
        url = f"http://{address}/health"
        warned = asyncio.create_task(warning_at_start(url, 20))
        await asyncio.sleep(0)
        checking = asyncio.create_task(models.gateway.checks.run())
        warning = await warned
        checking.cancel()
        asked = f"{models.server.url}/openai/deployments/large"
        assert warning is not None
        assert warning.startswith(f"large: {asked}: there is no such model or deployment (404) (at ")
        assert "\n" not in warning
        assert KEY not in warning
        check: Any = await _health_of(url)
        assert check["status"] == "degraded"
        (line,) = _failing(check)
        assert line.startswith(f"large at {asked}: there is no such model or deployment (404); 1 failed since ")


async def test_nothing_is_said_where_all_models_answer() -> None:
    async with rigged() as models, bridge_rig.served(_bridge(models.gateway).app) as address:
        await models.gateway.checks.check(models.deployments)
        models.gateway.checks.done = True
        assert await warning_at_start(f"http://{address}/health", 20) is None
        assert _failing(await _health_of(f"http://{address}/health")) == []


async def test_a_world_that_does_not_answer_ends_the_wait() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/health"
        assert await warning_at_start(url, 0.05) is None
        with pytest.raises(Unavailable):
            await ai_check(url)
        assert "does not answer" in str(await _health_of(url))


def test_what_ai_status_shows_people_is_lines_and_no_json() -> None:
    state = {
        "ai": "on",
        "slots": {"dialogue": ["big", "small"], "summary": ["small"]},
        "models": {"big": "gpt-4o", "small": "mini"},
        "embedding": ["embedding-3"],
        "limits": ["server hour: $2.0", "server day: $20.0"],
        "health": {"name": "ai", "status": "degraded", "details": {"reason": "…"}},
        "failing": ["big at http://rack: it did not answer in time; 3 failed since 2026-01-01T00:00:00Z"],
    }
    assert _for_people(state) == {
        "ai": "on",
        "slots": "dialogue: big, small\nsummary: small",
        "models": "big: gpt-4o\nsmall: mini",
        "embedding": "embedding-3",
        "limits": "server hour: $2.0\nserver day: $20.0",
        "health": "degraded",
        "failing": "big at http://rack: it did not answer in time; 3 failed since 2026-01-01T00:00:00Z",
    }
