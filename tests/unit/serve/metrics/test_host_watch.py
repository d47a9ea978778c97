"""Hosts on /metrics: named where they are few, summed where they are many, absent while they are silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganggpt.errors import Unavailable
from ganggpt.observability.metrics import TABLE, Metrics
from ganggpt.serve.metrics.host_watch import SHOWN, HostWatch


def stats(turns: int, loss_window_s: float = 0.0, guards: str = "", epoch: int = 1) -> Mapping[str, Any]:
    told = {"turns": turns, "loss_window_s": loss_window_s, "guards": guards, "epoch": epoch}
    return {**dict.fromkeys(SHOWN, 0), **told}


async def exposed(*polls: Mapping[str, Mapping[str, Any] | None]) -> str:
    """What a scrape shows after some polls, of which each finds the hosts so."""
    told: Mapping[str, Mapping[str, Any] | None] = {}

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
    for told in polls:  # noqa: B007 - the hosts above tell it
        await watch.poll()
    return metrics.exposition().decode()


async def test_shared_hosts_stand_alone_and_hosts_of_one_actor_are_summed() -> None:
    text = await exposed({"host:0": stats(5, 0.2), "npc:mara": stats(1, 0.1), "faction:ballas": stats(2, 0.3)})
    assert 'ganggpt_host_turns_total{host="host:0"} 5.0' in text
    assert 'ganggpt_host_turns_total{host="own"} 3.0' in text
    assert 'ganggpt_host_loss_window_s{host="own"} 0.3' in text
    assert "npc:mara" not in text
    assert 'ganggpt_hosts{residence="own"} 2.0' in text


async def test_a_silent_host_is_left_out() -> None:
    text = await exposed({"host:0": stats(5), "host:1": None})
    assert 'ganggpt_hosts{residence="shared"} 1.0' in text
    assert "host:1" not in text


async def test_a_counter_goes_on_when_an_incarnation_or_a_host_ends() -> None:
    text = await exposed(
        {"host:0": stats(5), "npc:mara": stats(7)},
        {"host:0": None, "npc:mara": stats(8)},
        {"host:0": stats(2, epoch=2)},
        {"host:0": stats(3, epoch=2), "npc:mara": stats(1, epoch=3)},
    )
    assert 'ganggpt_host_turns_total{host="host:0"} 8.0' in text
    assert 'ganggpt_host_turns_total{host="own"} 9.0' in text
    assert 'ganggpt_hosts{residence="own"} 1.0' in text


def test_every_metric_is_in_the_table_and_counters_end_in_total() -> None:
    assert set(SHOWN.values()) <= set(TABLE)
    for row in TABLE.values():
        assert row.name.endswith("_total") == (row.type == "counter"), row.name


async def test_what_the_guards_of_all_hosts_decided_is_summed() -> None:
    told = []
    for count in (2, 3):
        metrics = Metrics()
        metrics.counter("ganggpt_guard_verdicts_total").labels("output", "deflect").inc(count)
        told.append(metrics.exposition().decode())
    text = await exposed({"host:0": stats(1, guards=told[0]), "host:1": stats(1, guards=told[1])})
    assert 'ganggpt_guard_verdicts_total{side="output",verdict="deflect"} 5.0' in text
