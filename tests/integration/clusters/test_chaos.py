"""The short form of ``ganggpt chaos``: the main kinds of faults, one after the other, against one small world."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganggpt.chaos.chaos_run import RECORD_FILE, ChaosPlan, ChaosRun, kinds_of_rounds
from ganggpt.chaos.result import Round

pytestmark = [pytest.mark.integration, pytest.mark.timeout(280), pytest.mark.full]

KINDS = ("kill-gcs", "kill-host", "kill-supervisor", "pause-host", "restart-postgres")
SEED = 4
"""Lets the GCS die before a host does, which Ray can start again only with its help."""
LEASE_S = 4.0


async def test_nothing_acked_is_lost_doubled_or_written_by_two(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANGGPT_LEASE", str(LEASE_S))
    heard: list[Round] = []

    def hear(_: int, what: str | Round) -> None:
        if isinstance(what, Round):
            heard.append(what)

    plan = ChaosPlan(rounds=len(KINDS), seed=SEED, kinds=KINDS, actors=400, per_s=200, probes=50, own=0, calm_s=1.0)
    order = [kind.name for kind in kinds_of_rounds(plan.kinds, plan.rounds, plan.seed)]
    assert order.index("kill-gcs") < order.index("kill-host")
    run = ChaosRun(data_dir, plan, hear)
    summary = await run.play()
    assert [(done.kind, done.broken) for done in heard] == [(done.kind, 0) for done in run.rounds]
    assert sorted(done.kind for done in heard) == sorted(KINDS)
    assert (summary.lost, summary.doubled, summary.double_writers, summary.holes) == (0, 0, 0, 0)
    assert summary.passed
    assert summary.acked == len((data_dir / RECORD_FILE).read_text().splitlines()) > 400
    by_kind = {done.kind: done for done in heard}
    assert all(len(done.rto_s) == plan.probes for done in heard)
    assert by_kind["pause-host"].rto_s[0] > LEASE_S / 2, "a paused host keeps its shards for its lease"
    assert "moved after" in by_kind["pause-host"].note
    assert "lives on" not in by_kind["pause-host"].note, "a fenced process has to end"
