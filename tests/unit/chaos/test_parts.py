"""The parts of a fault run that need no world: plan, record, table, and the tap in the way to a server."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ganggpt.chaos.ack_record import AckRecord
from ganggpt.chaos.chaos_run import ChaosPlan, checked, kinds_of_rounds
from ganggpt.chaos.fault_kinds import KINDS
from ganggpt.chaos.result import COLUMNS, Round, append, markdown, summed, table
from ganggpt.chaos.tap import SocketTap
from ganggpt.client.waiting import CommandReply
from ganggpt.domain.ids import new_command_id
from ganggpt.errors import ConfigInvalid
from ganggpt.persistence.audit import Verdict

CLEAN = Verdict(turns=10, acked=10, lost=0, doubled=0, double_writers=0, holes=0)


def answer(seq: int, command_id: bytes | None = None, **reply: object) -> CommandReply:
    return CommandReply(command_id or new_command_id(), "npc:mara", True, seq, reply, None, 1)  # type: ignore[arg-type]


def a_round(number: int = 1, kind: str = "kill-host", **fields: object) -> Round:
    whole = {
        "round": number, "kind": kind, "what": "host:0 (7)", "acked": 10, "lost": 0, "doubled": 0, "double_writers": 0,
        "holes": 0, "contradictions": 0, "late_commits": 0, "unanswered": 0, "rto_s": [0.1, 0.2], "note": "",
        "p99_before_ms": 10.0, "p99_during_ms": 200.0,
    }  # fmt: skip
    return Round(**{**whole, **fields})  # type: ignore[arg-type]


def test_a_seed_decides_the_order_and_every_kind_comes_before_one_comes_twice() -> None:
    names = [kind.name for kind in kinds_of_rounds(tuple(KINDS), 3 * len(KINDS), seed=7)]
    assert names == [kind.name for kind in kinds_of_rounds(tuple(KINDS), 3 * len(KINDS), seed=7)]
    assert names != [kind.name for kind in kinds_of_rounds(tuple(KINDS), 3 * len(KINDS), seed=8)]
    assert set(Counter(names).values()) == {3}
    assert sorted(names[: len(KINDS)]) == sorted(KINDS)


@pytest.mark.parametrize(
    ("plan", "names_the_fix"),
    [
        (ChaosPlan(rounds=0), "at least 1"),
        (ChaosPlan(rounds=-3), "at least 1"),
        (ChaosPlan(kinds=("kill-bill",)), "kill-host"),
        (ChaosPlan(kinds=("kill-own",), own=0), "GANGGPT_OWN_ACTORS_MAX"),
        (ChaosPlan(actors=0), "at least 1"),
        (ChaosPlan(per_s=0.0), "at least 1"),
    ],
)
def test_a_plan_that_proves_nothing_is_refused_with_the_fix(plan: ChaosPlan, names_the_fix: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        checked(plan)
    assert names_the_fix in str(refused.value)


def test_an_ack_stands_in_the_file_before_it_counts_and_once(tmp_path: Path) -> None:
    with AckRecord(tmp_path / "acks") as record:
        first = answer(1, memory=1)
        record.take(first)
        assert len((tmp_path / "acks").read_text().splitlines()) == record.acked == 1
        mark = record.mark()
        record.take(first)
        second = answer(2, memory=2)
        record.take(second)
        assert (record.acked, record.contradictions) == (2, 0)
        assert list(record.promised(mark)) == [(second.id, "npc:mara", 2)]
        assert [promise[2] for promise in record.promised()] == [1, 2]


@pytest.mark.parametrize("other", [{"seq": 2, "memory": 1}, {"seq": 1, "memory": 2}])
def test_an_id_that_is_answered_differently_is_a_contradiction(tmp_path: Path, other: dict[str, int]) -> None:
    with AckRecord(tmp_path / "acks") as record:
        first = answer(1, memory=1)
        record.take(first)
        record.take(answer(other.pop("seq"), first.id, **other))
        assert (record.acked, record.contradictions) == (1, 1)


@pytest.mark.parametrize("broken", ["lost", "doubled", "double_writers", "holes"])
def test_whatever_the_journal_lacks_fails_the_run(broken: str) -> None:
    assert summed(1, [a_round()], CLEAN).passed
    counts = {name: getattr(CLEAN, name) for name in CLEAN.__struct_fields__}
    assert not summed(1, [a_round()], Verdict(**{**counts, broken: 1})).passed


@pytest.mark.parametrize("broken", ["lost", "contradictions", "late_commits", "unanswered"])
def test_whatever_a_round_saw_fails_the_run(broken: str) -> None:
    assert not summed(1, [a_round(), a_round(2, **{broken: 1})], CLEAN).passed


def test_the_table_has_a_row_a_kind_and_lands_in_the_file(tmp_path: Path) -> None:
    rounds = [a_round(1, "kill-own", rto_s=[0.5]), a_round(2), a_round(3, rto_s=[0.3])]
    summary = summed(9, rounds, CLEAN)
    rows = table(rounds, summary)
    assert [row[:2] for row in rows] == [("kill-host", "2"), ("kill-own", "1"), ("all", "3")]
    assert {len(row) for row in rows} == {len(COLUMNS)}
    assert summary.rto_p99_s == {"kill-host": 0.3, "kill-own": 0.5}
    file = tmp_path / "RELIABILITY.md"
    file.write_text("# Reliability\n")
    append(file, markdown(rounds, summary, "ganggpt chaos --rounds 3 --seed 9"))
    text = file.read_text()
    assert text.startswith("# Reliability\n\n### ")
    assert "`ganggpt chaos --rounds 3 --seed 9`" in text
    assert "| kill-host | 2 | 20 | 0 | 0 | 0 | 0.20 | 0.30 |" in text


needs_peer_credentials = pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="Linux tells who connects")


@pytest.fixture
async def echo(tmp_path: Path) -> AsyncIterator[Path]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
        writer.close()

    path = tmp_path / "socket"
    server = await asyncio.start_unix_server(serve, path)
    yield path
    server.close()


@needs_peer_credentials
async def test_a_cut_swallows_and_what_it_swallowed_arrives_late(echo: Path) -> None:
    tap = SocketTap(echo)
    before, to_before = await asyncio.open_unix_connection(echo)
    await tap.open()
    through, to_through = await asyncio.open_unix_connection(echo)
    try:
        to_through.write(b"one\n")
        assert await asyncio.wait_for(through.readline(), 5) == b"ONE\n"
        assert tap.tapped == {os.getpid()}
        tap.cut(os.getpid())
        to_through.write(b"two\n")
        answered = asyncio.ensure_future(through.readline())
        to_before.write(b"past it\n")
        assert await asyncio.wait_for(before.readline(), 5) == b"PAST IT\n", "older connections do not notice"
        assert not answered.done()
        tap.heal()
        assert await asyncio.wait_for(answered, 5) == b"TWO\n"
        tap.cut(os.getpid() + 1)
        to_through.write(b"three\n")
        assert await asyncio.wait_for(through.readline(), 5) == b"THREE\n", "somebody else's cut"
    finally:
        await tap.close()
        to_before.close()
        to_through.close()


@needs_peer_credentials
async def test_a_tap_that_steps_aside_leaves_the_server_where_it_was(echo: Path) -> None:
    tap = SocketTap(echo)
    await tap.open()
    through, to_through = await asyncio.open_unix_connection(echo)
    to_through.write(b"one\n")
    await asyncio.wait_for(through.readline(), 5)
    tap.step_aside()
    direct, to_direct = await asyncio.open_unix_connection(echo)
    to_direct.write(b"two\n")
    assert await asyncio.wait_for(direct.readline(), 5) == b"TWO\n"
    to_through.write(b"three\n")
    assert await asyncio.wait_for(through.readline(), 5) == b"THREE\n"
    assert len(tap.tapped) == 1
    await tap.close()
    assert await asyncio.wait_for(through.read(), 5) == b""
    to_direct.close()
