"""What the model gateway costs: its time over the bare SDK on the same fake server in the same run.

``python -m bench.gateway [--quick] [--json]``. The fake server is a process of its own and answers after a time models
take. Overhead is measured in rounds that alternate between the bare SDK and the gateway with real Redis and Postgres
behind it (budgets of five payers, cache looked up and filled, exchanges recorded): at 200 at once the difference of the
medians and of the 99th percentiles, and besides, without any guess from differences, the time a request spent in the
gateway outside of the provider's call. Then 1,000 streams held at once, and answers from the cache.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx2
import uvloop
from openai import AsyncAzureOpenAI, DefaultAioHttpClient
from rich.console import Console
from rich.table import Table

from bench.processes import ROOT
from ganggpt.ai.gateway.budget import Limit
from ganggpt.ai.gateway.endpoint import Endpoint
from ganggpt.ai.gateway.gateway import ModelGateway
from ganggpt.ai.gateway.gateway_config import DeploymentSpec, GatewayConfig, ModelEntry, SlotEntry, read_prices
from ganggpt.ai.gateway.openai_provider import OpenAIProvider
from ganggpt.ai.gateway.provider import Completion, Delta, ProviderCall, Vectors
from ganggpt.ai.minds.prompt_files import read_prompts
from ganggpt.ai.port import SLOTS, Answered, GatewayRequest, Payers, PromptMessage, Sentence
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.embedded.stores import EmbeddedPostgres, EmbeddedRedis
from ganggpt.persistence.migrate import migrate
from ganggpt.runtime.composition import GatewaySpec
from ganggpt.runtime.world_secrets import WorldSecrets, write_secrets
from ganggpt.serve import gateway as composition
from ganggpt.testing.fake_model import API_VERSION, KEY

_KEY_NAME: Final = "AZURE_OPENAI_KEY"
AT_ONCE: Final = 200
STREAMS: Final = 1000
DELAY_S: Final = 2.0
"""How long the fake model thinks, as large ones do for some sentences: 200 at once are 100 answers a second."""
PIECE_S: Final = 0.5
"""A stream of some 20 pieces lasts 10 s; they start within SPREAD_S, so that all are open together for a while."""
SPREAD_S: Final = 5.0
_TEXT: Final = "You are Mara Quinn, a fence in Vespucci. " * 20
_call_s: ContextVar[list[float]] = ContextVar("call_s")


@dataclass(slots=True)
class Numbers:
    """What was measured, in seconds."""

    bare: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    within: list[float] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)
    bare_first: list[float] = field(default_factory=list)
    ours_first: list[float] = field(default_factory=list)
    streams_asked: int = 0
    streams_held: dict[str, int] = field(default_factory=dict)
    streams_done: dict[str, int] = field(default_factory=dict)
    bare_cpu: list[float] = field(default_factory=list)
    ours_cpu: list[float] = field(default_factory=list)

    def as_stats(self) -> dict[str, float]:
        """By name, times in milliseconds."""
        found: dict[str, float] = {}
        for name in ("bare", "ours", "within", "hits", "bare_first", "ours_first"):
            values = sorted(getattr(self, name))
            for label, share in (("p50", 0.5), ("p99", 0.99)):
                found[f"{name}_{label}_ms"] = round(values[int(share * (len(values) - 1))] * 1000, 3)
            found[f"{name}_samples"] = len(values)
        found["overhead_p50_ms"] = round(found["ours_p50_ms"] - found["bare_p50_ms"], 3)
        found["overhead_p99_ms"] = round(found["ours_p99_ms"] - found["bare_p99_ms"], 3)
        found["streams_asked"] = self.streams_asked
        found["bare_cpu_ms"] = round(statistics.median(self.bare_cpu) * 1000, 3)
        found["ours_cpu_ms"] = round(statistics.median(self.ours_cpu) * 1000, 3)
        for who in ("bare", "ours"):
            found[f"{who}_streams_held"] = self.streams_held[who]
            found[f"{who}_streams_done"] = self.streams_done[who]
        return found


class TimedProvider:
    """A provider that notes how long each call took for the request that made it."""

    def __init__(self, inner: OpenAIProvider) -> None:
        self._inner = inner

    async def complete(self, call: ProviderCall) -> Completion:
        began_s = time.perf_counter()
        try:
            return await self._inner.complete(call)
        finally:
            _call_s.get([]).append(time.perf_counter() - began_s)

    def stream(self, call: ProviderCall) -> AsyncGenerator[Delta, None]:
        return self._inner.stream(call)

    async def embed(self, model: str, texts: Sequence[str]) -> Vectors:
        return await self._inner.embed(model, texts)

    async def close(self) -> None:
        await self._inner.close()


async def measure(home: Path, *, rounds: int, asked: int, streams: int, tell: Callable[[str], None]) -> Numbers:
    """All of it."""
    numbers = Numbers()
    async with stores(home) as (dsn, redis_url):
        async with fake_server(DELAY_S, 0.0) as url, opened(dsn, redis_url, url) as (gateway, bare):
            await overhead(numbers, (gateway, bare), rounds, asked, tell)
            await cached(numbers, gateway, asked)
        async with fake_server(0.0, PIECE_S) as url, opened(dsn, redis_url, url) as (gateway, bare):
            await held(numbers, gateway, bare, streams, tell)
    return numbers


async def overhead(
    numbers: Numbers, both: tuple[ModelGateway, AsyncAzureOpenAI], rounds: int, asked: int, tell: Callable[[str], None]
) -> None:
    """AT_ONCE requests at once, by the bare SDK and by the gateway in turn; the first round warms both up."""
    gateway, bare = both

    async def by_sdk(n: int) -> None:
        began_s = time.perf_counter()
        await bare.chat.completions.create(model="gpt-4o", messages=messages_of(n), max_tokens=200)
        numbers.bare.append(time.perf_counter() - began_s)

    async def by_gateway(n: int) -> None:
        calls: list[float] = []
        _call_s.set(calls)
        began_s = time.perf_counter()
        outcome = await gateway.answer(request_of(n))
        took_s = time.perf_counter() - began_s
        assert getattr(outcome, "rung", None) == "large", outcome
        numbers.ours.append(took_s)
        numbers.within.append(took_s - sum(calls))

    for turn in range(rounds + 1):
        ways = [("bare", by_sdk, numbers.bare_cpu), ("ours", by_gateway, numbers.ours_cpu)]
        for name, way, cpu in ways if turn % 2 else reversed(ways):
            tell(f"round {turn} of {rounds}: {name}")
            gc.collect()
            spent_s = time.process_time()
            await at_once(way, AT_ONCE, asked, start=turn * asked, spread_s=DELAY_S)
            cpu.append((time.process_time() - spent_s) / asked)
        if turn == 0:
            for values in (numbers.bare, numbers.ours, numbers.within, numbers.bare_cpu, numbers.ours_cpu):
                values.clear()


async def cached(numbers: Numbers, gateway: ModelGateway, asked: int) -> None:
    """Answers that are in Redis and not in the process's own small cache any more, one after the other."""
    await asyncio.sleep(1.5)  # the life of the small cache in front of Redis
    for n in range(min(asked, 500)):
        began_s = time.perf_counter()
        outcome = await gateway.answer(request_of(n))
        numbers.hits.append(time.perf_counter() - began_s)
        assert getattr(outcome, "rung", None) == "cached", outcome


async def held(
    numbers: Numbers, gateway: ModelGateway, bare: AsyncAzureOpenAI, streams: int, tell: Callable[[str], None]
) -> None:
    """So many streams at once, by the bare SDK and by the gateway; how many were open together, and finished whole."""
    open_now = {"bare": 0, "ours": 0}
    numbers.streams_asked = streams

    async def by_sdk(n: int) -> None:
        began_s, first = time.perf_counter(), True
        options: Any = {"stream": True, "stream_options": {"include_usage": True}}
        pieces = await bare.chat.completions.create(model="gpt-4o", messages=messages_of(n), max_tokens=200, **options)
        async for piece in pieces:
            if first and piece.choices and piece.choices[0].delta and piece.choices[0].delta.content:
                first = False
                numbers.bare_first.append(time.perf_counter() - began_s)
                count("bare", 1)
        count("bare", -1)
        numbers.streams_done["bare"] = numbers.streams_done.get("bare", 0) + 1

    async def by_gateway(n: int) -> None:
        began_s, sentences = time.perf_counter(), 0
        outcome: Any = None
        async for item in gateway.stream(request_of(n)):
            if isinstance(item, Sentence):
                sentences += 1
                if item.no == 0:
                    numbers.ours_first.append(time.perf_counter() - began_s)
                    count("ours", 1)
            else:
                outcome = item
        count("ours", -1)
        whole = isinstance(outcome, Answered) and not outcome.cut and sentences >= 3
        numbers.streams_done["ours"] = numbers.streams_done.get("ours", 0) + whole

    def count(who: str, change: int) -> None:
        open_now[who] += change
        numbers.streams_held[who] = max(numbers.streams_held.get(who, 0), open_now[who])

    for name, way in (("bare", by_sdk), ("ours", by_gateway)):
        tell(f"{streams} streams: {name}")
        await at_once(way, streams, streams, start=1_000_000, spread_s=SPREAD_S)


async def at_once(way: Callable[[int], Awaitable[None]], most: int, asked: int, *, start: int, spread_s: float) -> None:
    """Do something ``asked`` times, ``most`` at once."""
    numbers = iter(range(start, start + asked))

    async def worker(delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        for n in numbers:
            await way(n)

    # Spread as people are: all at the same moment would measure the queue behind it.
    async with asyncio.TaskGroup() as tasks:
        for k in range(most):
            tasks.create_task(worker(spread_s * k / most))


@asynccontextmanager
async def opened(dsn: str, redis_url: str, url: str) -> AsyncIterator[tuple[ModelGateway, AsyncAzureOpenAI]]:
    """A gateway as Serve opens it, and the bare SDK with as many connections and the same transport."""
    endpoint = Endpoint("azure", "fake", url, None, API_VERSION, key_name=_KEY_NAME)
    entry = ModelEntry(provider="fake", model="gpt-4o", at_once=2000, requests_per_min=1e6, tokens_per_min=1e9)
    price = read_prices(None)["gpt-4o"]
    spec = DeploymentSpec("large", endpoint, entry, price)
    usd = 10**14
    limits = tuple(
        Limit(kind, window, "nano_usd", usd)  # type: ignore[arg-type]
        for kind, window in (
            ("server", "hour"),
            ("server", "day"),
            ("player", "hour"),
            ("npc", "hour"),
            ("faction", "hour"),
        )
    )
    plan = GatewayConfig({"large": spec}, dict.fromkeys(SLOTS, SlotEntry(large=("large",))), (), limits)
    limits_of_sdk = httpx2.Limits(max_connections=1024, max_keepalive_connections=1024)
    bare = AsyncAzureOpenAI(
        azure_endpoint=url, api_key=KEY, api_version=API_VERSION, max_retries=0,
        http_client=DefaultAioHttpClient(limits=limits_of_sdk),
    )  # fmt: skip
    real = composition.OpenAIProvider
    composition.OpenAIProvider = lambda where: TimedProvider(real(where))  # type: ignore[assignment,misc,return-value]
    try:
        with tempfile.TemporaryDirectory(prefix="ganggpt-bench-") as home:
            given = WorldSecrets(dsn=dsn, redis_url=redis_url, token="unused", keys={_KEY_NAME: KEY})
            secrets = write_secrets(Path(home), given)
            gateway_spec = GatewaySpec(secrets, plan, read_prompts(), record_days=7)
            async with composition.open_gateway(gateway_spec, Metrics()) as gateway:
                yield gateway, bare
    finally:
        composition.OpenAIProvider = real  # type: ignore[misc]
        await bare.close()


@asynccontextmanager
async def stores(home: Path) -> AsyncIterator[tuple[str, str]]:
    """A real Postgres and Redis for the run."""
    postgres, redis = EmbeddedPostgres(home), EmbeddedRedis(home)
    try:
        dsn = await asyncio.to_thread(postgres.start)
        url = await asyncio.to_thread(redis.start)
        assert url is not None, redis.absent_because
        await migrate(dsn)
        yield dsn, url
    finally:
        await asyncio.to_thread(redis.stop)
        await asyncio.to_thread(postgres.stop)


@asynccontextmanager
async def fake_server(delay_s: float, piece_s: float) -> AsyncIterator[str]:
    """The fake model in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ganggpt.testing.fake_model", "--delay", str(delay_s), "--piece", str(piece_s),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        yield json.loads(line)["url"]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def messages_of(n: int) -> Any:
    """The messages of a request as the SDK takes them."""
    return [{"role": said.role, "content": said.text} for said in request_of(n).messages]


def request_of(n: int) -> GatewayRequest:
    """A talk of one of many players with one of many NPCs."""
    payers = Payers(f"player:p{n % 300}", f"npc:n{n % 100}", f"faction:f{n % 8}")
    said = (PromptMessage("system", _TEXT), PromptMessage("user", f"Where is crate {n}?"))
    return GatewayRequest(slot="dialogue", purpose="talk", messages=said, payers=payers, within_s=60)


def show(found: dict[str, float]) -> bool:
    """A table; whether every goal was reached."""
    title = f"model gateway: {AT_ONCE} at once, a model that takes {DELAY_S * 1000:.0f} ms"
    table = Table(title=title, title_justify="left")
    for name in ("", "bare SDK", "gateway", "difference", "goal"):
        table.add_column(name, justify="right" if name else "left")

    def row(label: str, name: str, digits: int = 1, *, difference: bool = True, goal: str = "") -> None:
        ours, bare = found[f"ours_{name}"], found[f"bare_{name}"]
        over = f"{ours - bare:+.2f}" if difference else ""
        table.add_row(label, f"{bare:.{digits}f}", f"{ours:.{digits}f}", over, goal)

    row("answer, p50 ms", "p50_ms", goal="< +3")
    row("answer, p99 ms", "p99_ms", goal="< +15")
    row("CPU of an answer, ms", "cpu_ms", 2)
    for label in ("p50", "p99"):
        table.add_row(f"outside of the provider's call, {label} ms", "", f"{found[f'within_{label}_ms']:.2f}", "", "")
    row("streams open together", "streams_held", 0, difference=False, goal=str(STREAMS))
    row("streams heard to their end", "streams_done", 0, difference=False, goal=str(STREAMS))
    row("first piece / first sentence, p50 ms", "first_p50_ms", 0, difference=False)
    for label in ("p50", "p99"):
        table.add_row(f"cache hit, {label} ms", "", f"{found[f'hits_{label}_ms']:.2f}", "", "< 3")
    Console().print(table)
    return reached(found)


def reached(found: dict[str, float]) -> bool:
    """Whether every goal was reached."""
    fast = found["overhead_p50_ms"] < 3 and found["overhead_p99_ms"] < 15 and found["hits_p99_ms"] < 3
    return fast and found["ours_streams_held"] == found["ours_streams_done"] == found["streams_asked"]


def main() -> None:
    """Measure and print. Exit status 1 where a goal was missed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="one short round: shows that everything runs")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--rounds", type=int, default=0)
    options = parser.parse_args()
    rounds = options.rounds or (1 if options.quick else 4)
    asked, streams = (400, 200) if options.quick else (1000, STREAMS)
    tell = (lambda _: None) if options.json else lambda words: Console(stderr=True).print(f"[dim]{words}[/]")
    with tempfile.TemporaryDirectory(prefix="ganggpt-gateway-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)  # Postgres does not run as root, so another user has to get in
        numbers = uvloop.run(measure(Path(home), rounds=rounds, asked=asked, streams=streams, tell=tell))
    found = numbers.as_stats()
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
    well = reached(found) if options.json else show(found)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
