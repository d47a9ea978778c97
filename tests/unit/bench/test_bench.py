"""The benchmark's arithmetic, and what its files must not say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import Frame
from websockets.protocol import State
from websockets.server import ServerProtocol

from bench.flood import Bucket, Flooded, Template
from bench.load import cases_of
from bench.load_run import LoadResult
from bench.overload import OverloadFound, recovered_s
from bench.processes import ROOT, Child
from bench.result import ALONE, FRAMES100, GOALS, NUMBERS, SINGLE, BenchResult, meets
from bench.run import PARTS, BenchOptions, write_result
from bench.systems import BENCH_NPCS, Address
from ganggpt.domain.ids import actor_id
from ganggpt.errors import StartFailed
from ganggpt.protocol.codec import MsgpackCodec
from tests.support.eventually import eventually

NODE = ROOT / "bench" / "peers" / "node"


def measured(per_s: float, p50_ms: float | None = 2.0, **fields: Any) -> LoadResult:
    known: dict[str, Any] = {"acked": 1, "seconds": 1, "each_second": [], "p99_ms": p50_ms, "refused": {}}
    return LoadResult(per_s=per_s, p50_ms=p50_ms, **{**known, **fields})


def a_result() -> BenchResult:
    result = BenchResult(quick=True)
    for per_s in (30_000, 10_000, 20_000):
        result.add("ganggpt", FRAMES100, measured(per_s))
    result.add("ganggpt", SINGLE, measured(4_000))
    result.add("ganggpt", ALONE, measured(200, p50_ms=3.5))
    result.add("node", FRAMES100, measured(10_000))
    result.add("node", SINGLE, measured(5_000))
    result.add("limit", FRAMES100, measured(100_000, p50_ms=None))
    result.facts["ready_s"] = [31.0]
    return result


def test_numbers_are_medians_of_rounds_and_ratios_of_medians() -> None:
    numbers = a_result().numbers()
    assert numbers["frames100_per_s"] == 20_000
    assert numbers["frames100_vs_node"] == 2.0
    assert numbers["frames100_vs_limit"] == 0.2
    assert numbers["single_vs_node"] == 0.8
    assert numbers["alone_p50_ms"] == 3.5


def test_every_number_asked_for_is_there_and_a_missing_one_says_why() -> None:
    result = a_result()
    result.reasons["frames100_vs_naive"] = "naive-ray: did not start"
    shown = result.as_json()
    assert set(NUMBERS) <= set(shown)
    missing = {name for name in NUMBERS if shown[name] is None}
    assert set(shown["reasons"]) == missing
    assert shown["reasons"]["frames100_vs_naive"] == "naive-ray: did not start"


def test_missed_goals_are_listed() -> None:
    assert a_result().goals_missed() == ["frames100_vs_node", "ready_s"]
    assert meets("alone_p50_ms", GOALS["alone_p50_ms"][1])


def test_refused_events_are_shown() -> None:
    result = a_result()
    result.add("ganggpt", FRAMES100, measured(1, refused={"overloaded": 3}))
    assert result.as_json()["refused"] == {"ganggpt:overloaded": 3}


def test_result_files_hold_the_numbers_and_the_tables(tmp_path: Path) -> None:
    as_json, as_text = write_result(a_result(), tmp_path)
    assert json.loads(as_json.read_text())["frames100_per_s"] == 20_000
    text = as_text.read_text()
    assert "node" in text
    assert "20,000" in text
    assert "not a measurement" in text


@pytest.mark.parametrize("quick", [True, False])
def test_every_websocket_system_gets_the_same_load(quick: bool) -> None:
    assert cases_of("ganggpt", quick) == cases_of("node", quick) == cases_of("fastapi-tuned", quick)
    single = next(case for case in cases_of("ganggpt", quick) if case.name == SINGLE)
    assert single.connections * single.window * single.per_frame == 128
    plan = single.plan(Address("ws://127.0.0.1:1/v1/bridge", token="t"), BENCH_NPCS)
    assert plan.to == BENCH_NPCS
    assert plan.arguments == {"what": "somebody ran past the pier, number {n}", "weight": 5, "about": None}


def test_bench_npcs_are_valid_actor_ids() -> None:
    assert [actor_id(name) for name in BENCH_NPCS] == list(BENCH_NPCS)


def test_options_without_only_want_everything() -> None:
    assert all(BenchOptions().wants(part) for part in PARTS)
    assert [part for part in PARTS if BenchOptions(only=("node",)).wants(part)] == ["node"]


def test_the_node_lock_names_no_registry_and_pins_every_package() -> None:
    text = (NODE / "package-lock.json").read_text()
    assert "resolved" not in text
    assert not re.search(r"https?://(?!.*(opencollective|github))", text)
    lock = json.loads(text)
    wanted = json.loads((NODE / "package.json").read_text())["dependencies"]
    assert lock["packages"][""]["dependencies"] == wanted
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert set(wanted) <= {name.removeprefix("node_modules/") for name in packages}
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())


async def test_a_child_that_ends_at_once_says_what_it_said(tmp_path: Path) -> None:
    child = Child("broken", ["/bin/sh", "-c", "echo /does/not/exist >&2; exit 2"], tmp_path / "broken.log")
    await child.start()
    with pytest.raises(StartFailed, match=r"(?s)Broken ended with 2\..*does/not/exist"):
        await child.line(30)
    await child.stop()


async def test_a_childs_descendants_are_found_and_ended_even_when_they_left_it(tmp_path: Path) -> None:
    script = "sleep 1000 & echo started; wait"
    child = Child("parent", ["/bin/sh", "-c", f"setsid /bin/sh -c '{script}'"], tmp_path / "parent.log")
    await child.start()
    assert await child.line(30) == b"started\n"
    # the shell may say so before its child has become what it is to run
    await eventually(lambda: any("sleep" in process.name() for process in child.tree()), within_s=30)
    tree = child.tree()
    await child.stop()
    assert not child.tree()
    assert not any(process.is_running() for process in tree)


def test_the_overload_benchmark_tells_wrong_from_slow() -> None:
    def flooded(**fields: Any) -> Flooded:
        known: dict[str, Any] = {
            "seconds": 1.0, "sent": 10, "ok": 5, "refused": {"overloaded": 5}, "unhinted": 0, "doubled": 0, "lost": 0,
            "per_s": 10.0, "p50_ms": 1.0, "p99_ms": 2.0, "late_ms": 0.0, "hint_ms": (50, 150), "buckets": [],
        }  # fmt: skip
        return Flooded(**{**known, **fields})

    names = ("normal", "normal after", "flood", "recovery", "hot npc", "beside the hot npc", "greedy", "polite")
    found = OverloadFound(quick=True, capacity_per_s=1.0, recovered_s=0.5, acked=5, journaled=5)
    found.runs = {name: flooded() for name in (*names, "polite alone")}
    assert found.wrong() == []
    found.runs["flood"] = flooded(p99_ms=900.0)
    assert found.wrong() == []
    assert "flood: p99 of what is let in" in found.as_json()["goals_missed"]
    found.runs["flood"] = flooded(lost=1)
    found.journaled = 4
    assert len(found.wrong()) == 2


def test_recovery_is_when_nothing_bad_comes_after_it() -> None:
    good, bad = Bucket(sent=1, ok=1, p99_ms=5.0), Bucket(sent=1, refused=1)
    after = Flooded(
        seconds=1.0, sent=4, ok=3, refused={}, unhinted=0, doubled=0, lost=0, per_s=4.0, p50_ms=1.0, p99_ms=5.0,
        late_ms=0.0, hint_ms=(0, 0), buckets=[good, bad, good, good],
    )  # fmt: skip
    assert recovered_s(after, normal_ms=5.0) == 0.5
    assert recovered_s(after, normal_ms=1.0) is None


def test_a_flood_s_frame_is_what_a_game_server_sends() -> None:
    frame = Template(("npc:a", "npc:b"), 0).frame(7, 3)
    websocket = ServerProtocol(state=State.OPEN)
    websocket.receive_data(frame)
    (received,) = websocket.events_received()
    assert isinstance(received, Frame)
    commands = MsgpackCodec().decode(bytes(received.data), 1 << 20)["c"]
    assert [command["to"] for command in commands] == ["npc:a", "npc:b", "npc:a"]
    ids = [MsgpackCodec().command_id(command["id"]) for command in commands]
    assert len(set(ids)) == 3
    assert {int.from_bytes(command_id[9:13], "big") for command_id in ids} == {7}
