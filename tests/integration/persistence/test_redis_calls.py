"""What Redis is asked is counted: commands, pipelines and failures, but not the waiting for pushes."""

from __future__ import annotations

import asyncio

import pytest

from ganggpt.observability.metrics import SEPARATOR, Metrics
from ganggpt.persistence.redis_client import REDIS_OUTAGES, connect_redis

pytestmark = pytest.mark.integration
COUNT = ("ganggpt_redis_command_seconds", "ganggpt_redis_command_seconds_count", "process", "bridge")


def errors(metrics: Metrics, kind: str) -> float:
    name = "ganggpt_redis_errors_total"
    return metrics.report().counters.get(SEPARATOR.join((name, name, "kind", kind, "process", "bridge")), 0)


async def test_commands_and_pipelines_are_counted_and_the_waiting_for_pushes_is_not(redis_url: str) -> None:
    metrics = Metrics("bridge")
    client = connect_redis(redis_url, None, metrics=metrics)
    try:
        await client.set("ganggpt:metrics:a", "1")
        assert await client.get("ganggpt:metrics:a") == b"1"
        async with client.pipeline(transaction=False) as pipe:
            # In a cluster pipe.unlink is something else than in a pipeline of one server.
            pipe.execute_command("GET", "ganggpt:metrics:a")
            pipe.execute_command("UNLINK", "ganggpt:metrics:a")
            assert await pipe.execute() == [b"1", 1]
        assert metrics.report().counters[SEPARATOR.join(COUNT)] == 3
        await client.xread({"ganggpt:metrics:stream": "0-0"}, block=20)
        assert metrics.report().counters[SEPARATOR.join(COUNT)] == 3
        script = client.register_script("return redis.call('PING')")
        assert await script()
        with pytest.raises(REDIS_OUTAGES):
            await client.execute_command("NOSUCHCOMMAND")
        # A cluster's client knows the commands itself, and says that it cannot send this one.
        counted = errors(metrics, "other") + errors(metrics, "connection")
        assert counted == 1, "a script that is loaded first is no failure"
    finally:
        await client.aclose()


async def test_a_redis_that_is_not_there_or_does_not_answer_is_counted_by_kind() -> None:
    metrics = Metrics("bridge")
    client = connect_redis("redis://127.0.0.1:1/0", 0.2, metrics=metrics)
    with pytest.raises(REDIS_OUTAGES):
        await client.get("a")
    await client.aclose()
    assert errors(metrics, "connection") == 1

    async def mute(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    client = connect_redis(f"redis://127.0.0.1:{port}/0", 0.1, metrics=metrics)
    with pytest.raises(REDIS_OUTAGES):
        await client.get("a")
    await client.aclose()
    server.close()
    assert errors(metrics, "timeout") == 1
