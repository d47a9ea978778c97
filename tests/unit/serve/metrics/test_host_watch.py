"""Hosts on /metrics: named where they are few, summed where they are many, absent while they are silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganggpt.errors import Unavailable
from ganggpt.observability.metrics import Metrics
from ganggpt.serve.metrics.host_watch import SHOWN, HostWatch


def stats(turns: int, loss_window_s: float = 0.0, guards: str = "") -> Mapping[str, Any]:
    return {**dict.fromkeys(SHOWN, 0), "turns": turns, "loss_window_s": loss_window_s, "guards": guards}


async def exposed(told: Mapping[str, Mapping[str, Any] | None]) -> str:
    async def names() -> list[str]:
        return list(told)

    async def ask(host: str) -> Mapping[str, Any]:
        answer = told[host]
        if answer is None:
            raise Unavailable(f"host {host}")
        return answer

    metrics = Metrics()
    watch = HostWatch(names, ask)
    metrics.registry.register(watch)
    await watch.look()
    return metrics.exposition().decode()


async def test_shared_hosts_stand_alone_and_hosts_of_one_actor_are_summed() -> None:
    text = await exposed({"host:0": stats(5, 0.2), "npc:mara": stats(1, 0.1), "faction:ballas": stats(2, 0.3)})
    assert 'ganggpt_host_turns{host="host:0"} 5.0' in text
    assert 'ganggpt_host_turns{host="own"} 3.0' in text
    assert 'ganggpt_host_loss_window_s{host="own"} 0.3' in text
    assert "npc:mara" not in text
    assert 'ganggpt_hosts{residence="own"} 2.0' in text


async def test_a_silent_host_is_left_out() -> None:
    text = await exposed({"host:0": stats(5), "host:1": None})
    assert 'ganggpt_hosts{residence="shared"} 1.0' in text
    assert "host:1" not in text


async def test_what_the_guards_of_all_hosts_decided_is_summed() -> None:
    told = []
    for count in (2, 3):
        metrics = Metrics()
        metrics.counter("ganggpt_guard_verdicts_total").labels("output", "deflect").inc(count)
        told.append(metrics.exposition().decode())
    text = await exposed({"host:0": stats(1, guards=told[0]), "host:1": stats(1, guards=told[1])})
    assert 'ganggpt_guard_verdicts_total{side="output",verdict="deflect"} 5.0' in text
