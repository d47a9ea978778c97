"""What talking costs: scripted answers a second over the bridge, and how soon the first word comes with a model.

``python -m bench.talk [--quick] [--json]`` starts worlds of its own, one after the other:

``talk``  `Talk` in frames of 50, four game servers with four frames in flight each: to 32 NPCs, and to 1,500 in turn;
          beside it `Observe`, the plainest command there is, in the same frames to the same NPCs
``bark``  a hundred players talk to a hundred NPCs at once, with a fake Azure behind the real gateway: the time to the
          reply, which is the first word, and to the first sentence of the model

Exit status 1 where a goal was missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.gateway import fake_server
from bench.load import OBSERVE, load
from bench.load_run import LoadPlan, LoadResult
from bench.processes import ROOT
from bench.systems import BENCH_NPCS, Address, GangGPT, spawn
from ganggpt.client.game_server import GameServer
from ganggpt.errors import GangGPTError
from ganggpt.testing.fake_model import API_VERSION, KEY

TALKS_PER_S: Final = 3000.0
BARK_P99_MS: Final = 150.0
PER_FRAME: Final = 50
AT_ONCE: Final = 100
MANY: Final = tuple(f"npc:crowd-{n:04d}" for n in range(1500))
PLAYER: Final = "player:bench"
MODEL_S: Final = 0.8
"""How long the fake model thinks before its first piece."""
LINES: Final = (
    "hello there, number {n}",
    "do you remember me?",
    "what do you know about the Vagos?",
    "I will pay you back tomorrow, I promise, all {n} dollars",
    "who do you work for?",
    "I saw a grey van at the pier, twice",
    "you are a good friend",
    "any work for me?",
)
_WORLD: Final = ROOT / "worlds" / "los-santos"
_ANSWER_S: Final = 60.0


@dataclass(slots=True)
class TalkRates:
    """Rates by case (one of each round), times in milliseconds."""

    per_s: dict[str, list[float]] = field(default_factory=dict)
    p99_ms: dict[str, list[float]] = field(default_factory=dict)
    barks_ms: list[float] = field(default_factory=list)
    sentences_ms: list[float] = field(default_factory=list)

    def add(self, case: str, measured: LoadResult) -> None:
        """One more round of a case."""
        self.per_s.setdefault(case, []).append(measured.per_s)
        self.p99_ms.setdefault(case, []).append(measured.p99_ms or 0.0)

    def as_stats(self) -> dict[str, float]:
        """By name; the median over the rounds."""
        stats = {f"{case}_per_s": round(statistics.median(rates)) for case, rates in self.per_s.items()}
        stats |= {f"{case}_p99_ms": round(statistics.median(times), 1) for case, times in self.p99_ms.items()}
        for name, times in (("bark", self.barks_ms), ("sentence", self.sentences_ms)):
            stats |= {f"{name}_p50_ms": quantile(times, 0.5), f"{name}_p99_ms": quantile(times, 0.99)}
        return stats


def quantile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` of them do not exceed."""
    ranked = sorted(values)
    return round(ranked[int(share * (len(ranked) - 1))], 1)


def reached(stats: dict[str, float]) -> bool:
    """Whether every goal was reached."""
    return min(stats["talk_32_per_s"], stats["talk_1500_per_s"]) >= TALKS_PER_S and stats["bark_p99_ms"] < BARK_P99_MS


async def measure(home: Path, *, rounds: int, seconds: float) -> TalkRates:
    """All of it. Raises GangGPTError."""
    found = TalkRates()
    world = GangGPT(_WORLD, home / "scripted", home)
    try:
        address = await world.start()
        await spawn(address, BENCH_NPCS)
        await spawn(address, MANY)
        for _ in range(rounds):
            for name, to in (("32", BENCH_NPCS), ("1500", MANY)):
                found.add(f"observe_{name}", await load(plan(address, to, "Observe", seconds)))
                found.add(f"talk_{name}", await load(plan(address, to, "Talk", seconds)))
    finally:
        await world.stop()
    async with fake_server(MODEL_S, 0.05) as url:
        settings = {
            "AZURE_OPENAI_ENDPOINT": url,
            "AZURE_OPENAI_KEY": KEY,
            "AZURE_OPENAI_API_VERSION": API_VERSION,
            "AZURE_OPENAI_DEPLOYMENT": "gpt-4o",
        }
        world = GangGPT(_WORLD, home / "modelled", home, settings)
        try:
            address = await world.start()
            await spawn(address, MANY[:AT_ONCE])
            for round_ in range(-1, 2 * rounds):
                barks, sentences = await talks(address, round_)
                if round_ >= 0:
                    found.barks_ms += barks
                    found.sentences_ms += sentences
        finally:
            await world.stop()
    return found


def plan(address: Address, to: Sequence[str], do: str, seconds: float) -> LoadPlan:
    """A closed loop of one command in frames of PER_FRAME."""
    talks = do == "Talk"
    return LoadPlan(
        url=address.url,
        token=address.token,
        server=f"bench-{do.lower()}",
        to=tuple(to),
        do=do,
        by=PLAYER if talks else None,
        arguments={} if talks else OBSERVE,
        variants=tuple({"text": line} for line in LINES) if talks else ({},),
        connections=4,
        window=4,
        per_frame=PER_FRAME,
        warm_s=min(3.0, seconds),
        seconds=seconds,
    )


async def talks(address: Address, round_: int) -> tuple[list[float], list[float]]:
    """AT_ONCE players say something within a second; milliseconds to the first word and to the first sentence."""
    barks: list[float] = []
    began: dict[str, float] = {}
    first: dict[str, float] = {}
    ended: set[str] = set()
    news = asyncio.Event()
    async with GameServer(address.url, address.token, "bench-bark") as game:
        for n in range(AT_ONCE):
            await game.send(f"player:p{n}", "Join", {"username": f"Player {n}", "server": "bench-bark"})

        async def talk(n: int) -> None:
            await asyncio.sleep(n / AT_ONCE)
            line = f"What happened at pier {n} in the night of the {round_ + 2}. storm?"
            at_s = time.perf_counter()
            answer = await game.send(MANY[n], "Talk", {"text": line}, by=f"player:p{n}")
            barks.append((time.perf_counter() - at_s) * 1000)
            assert answer.ok, answer
            if answer.reply.get("more"):  # not where a budget or a limit leaves it to the scripted mind
                began[answer.reply["utterance"]] = at_s

        async def listen() -> None:
            while True:
                push = await game.next_push(_ANSWER_S)
                if push.type == "npc.says":
                    first.setdefault(push.body["utterance"], time.perf_counter())
                    if push.body["final"]:
                        ended.add(push.body["utterance"])
                        news.set()

        listening = asyncio.create_task(listen())
        await asyncio.gather(*(talk(n) for n in range(AT_ONCE)))
        async with asyncio.timeout(_ANSWER_S):
            while not began.keys() <= ended:
                news.clear()
                await news.wait()
        listening.cancel()
    return barks, [(first[utterance] - at_s) * 1000 for utterance, at_s in began.items()]


def show(stats: dict[str, float]) -> None:
    """Tables for people."""
    rates = Table(title=f"a second over the bridge, frames of {PER_FRAME}", title_justify="left")
    for name in ("", "Observe", "Talk", "ratio", "Talk p99 ms", "goal"):
        rates.add_column(name, justify="right" if name else "left")
    for npcs in ("32", "1500"):
        plain, talks = stats[f"observe_{npcs}_per_s"], stats[f"talk_{npcs}_per_s"]
        row = (f"{plain:,.0f}", f"{talks:,.0f}", f"{talks / plain:.2f}", f"{stats[f'talk_{npcs}_p99_ms']:.1f}")
        rates.add_row(f"{int(npcs):,} NPCs", *row, f"{TALKS_PER_S:,.0f}")
    words = Table(title=f"{AT_ONCE} talks at once, a model that thinks {MODEL_S * 1000:.0f} ms", title_justify="left")
    for name in ("", "p50 ms", "p99 ms", "goal"):
        words.add_column(name, justify="right" if name else "left")
    for label, name, goal in (("first word", "bark", f"p99 < {BARK_P99_MS:.0f}"), ("first sentence", "sentence", "")):
        words.add_row(label, f"{stats[f'{name}_p50_ms']:.1f}", f"{stats[f'{name}_p99_ms']:.1f}", goal)
    Console().print(rates, words)


def main() -> int:
    """Measure and print. Exit status 1 where a goal was missed, 2 where nothing could be measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="one short round: shows that it runs")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rounds, seconds = (1, 2.0) if options.quick else (3, 8.0)
    with tempfile.TemporaryDirectory(prefix="ganggpt-talk-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)  # Postgres does not run as root, so another user has to get in
        try:
            stats = asyncio.run(measure(Path(home), rounds=rounds, seconds=seconds)).as_stats()
        except GangGPTError as error:
            sys.stderr.write(f"{error}\n")
            return 2
    if options.json:
        found: dict[str, Any] = {**stats, "reached": reached(stats)}
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        show(stats)
    return 0 if reached(stats) else 1


if __name__ == "__main__":
    sys.exit(main())
