"""Hosts as sources of metrics: named where they are few, summed where they are many, absent while they are silent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import generate_latest

from ganggpt.errors import Unavailable
from ganggpt.observability.metrics import TABLE, Metrics
from ganggpt.serve.metrics.host_watch import SHOWN, HostWatch
from ganggpt.serve.metrics.totals import Totals, families_of
from tests.support.shown import Families


def stats(turns: int, loss_window_s: float = 0.0, epoch: int = 1, **others: Any) -> Mapping[str, Any]:
    process = others.pop("process", Metrics("host"))
    told = {"turns": turns, "loss_window_s": loss_window_s, "epoch": epoch, "process": process.report()._asdict()}
    return {**dict.fromkeys(SHOWN, 0), "activations": {}, **told, **others}


async def shown(*polls: Mapping[str, Mapping[str, Any] | None]) -> str:
    """What the world shows after some polls, of which each finds the hosts so; None: it does not answer."""
    told: Mapping[str, Mapping[str, Any] | None] = {}

    async def names() -> list[str]:
        return list(told)

    async def ask(host: str) -> Mapping[str, Any]:
        answer = told[host]
        if answer is None:
            raise Unavailable(f"host {host}")
        return answer

    watch, totals = HostWatch(names, ask), Totals()
    for at_s, told in enumerate(polls):  # noqa: B007 - the hosts above tell it
        totals.add((report, 100.0 * at_s) for report in await watch.reports())
    return generate_latest(Families(families_of(totals.joined(100.0 * (len(polls) - 1))))).decode()


async def test_shared_hosts_stand_alone_and_hosts_of_one_actor_are_summed() -> None:
    text = await shown({"host:0": stats(5, 0.2), "npc:mara": stats(1, 0.1), "faction:ballas": stats(2, 0.3)})
    assert 'ganggpt_host_turns_total{host="host:0"} 5.0' in text
    assert 'ganggpt_host_turns_total{host="own"} 3.0' in text
    assert 'ganggpt_host_loss_window_seconds{host="own"} 0.3' in text
    assert "npc:mara" not in text
    assert 'ganggpt_hosts{residence="own"} 2.0' in text


async def test_a_silent_host_has_no_gauges() -> None:
    text = await shown({"host:0": stats(5), "host:1": None})
    assert 'ganggpt_hosts{residence="shared"} 1.0' in text
    assert "host:1" not in text


async def test_a_counter_goes_on_when_an_incarnation_or_a_host_ends() -> None:
    text = await shown(
        {"host:0": stats(5), "npc:mara": stats(7), "host:1": stats(11)},
        {"host:0": None, "npc:mara": stats(8)},
        {"host:0": stats(2, epoch=2)},
        {"host:0": stats(3, epoch=2), "npc:mara": stats(1, epoch=3)},
    )
    assert 'ganggpt_host_turns_total{host="host:0"} 8.0' in text
    assert 'ganggpt_host_turns_total{host="own"} 9.0' in text
    assert 'ganggpt_host_turns_total{host="host:1"} 11.0' in text, "it was scaled away; what it did was done"
    assert 'ganggpt_hosts{residence="own"} 1.0' in text


async def test_what_the_guards_decided_goes_on_when_a_host_ends() -> None:
    processes = []
    for count in (2, 3):
        metrics = Metrics("host")
        metrics.counter("ganggpt_guard_verdicts_total").labels("output", "deflect").inc(count)
        processes.append(metrics)
    text = await shown(
        {"host:0": stats(1, process=processes[0]), "host:1": stats(1, process=processes[1])},
        {"host:0": stats(2, epoch=2, process=processes[0])},
    )
    assert 'ganggpt_guard_verdicts_total{side="output",verdict="deflect"} 5.0' in text


async def test_activations_and_conversations_are_of_all_hosts() -> None:
    text = await shown(
        {
            "host:0": stats(1, activations={"npc": 3, "player": 1}, conversations=2, conversations_started=9),
            "npc:mara": stats(1, activations={"npc": 1}, conversations=1, conversations_started=4),
        }
    )
    assert 'ganggpt_activations{kind="npc"} 4.0' in text
    assert 'ganggpt_activations{kind="player"} 1.0' in text
    assert "ganggpt_conversations 3.0" in text
    assert "ganggpt_conversations_started_total 13.0" in text


async def test_in_an_outage_of_the_database_the_hosts_known_before_are_asked() -> None:
    away = False

    async def names() -> list[str]:
        if away:
            raise Unavailable("the database")
        return ["host:0"]

    async def ask(_: str) -> Mapping[str, Any]:
        return stats(5)

    watch = HostWatch(names, ask)
    assert len(await watch.reports()) == 2
    away = True
    assert len(await watch.reports()) == 2


def test_every_field_is_shown_as_a_metric_of_the_table() -> None:
    assert set(SHOWN.values()) <= set(TABLE)
