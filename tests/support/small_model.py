"""A real, very small model for tests, and a town whose people speak with it: everything is real but Ray."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
from pydantic import SecretStr

from ganggpt.actors.clock import loop_s
from ganggpt.ai.gateway.gateway import ModelGateway
from ganggpt.ai.minds.model import ModelMind
from ganggpt.client.game_server import GameServer
from ganggpt.config import read_settings
from ganggpt.domain.kinds import KINDS
from ganggpt.errors import StartFailed
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.cache import open_cache
from ganggpt.persistence.journal.reader import PostgresTurns
from ganggpt.persistence.probes import database_probe, redis_probe
from ganggpt.persistence.pushes import PostgresPushes
from ganggpt.persistence.world_lists import PostgresLists
from ganggpt.protocol.command_book import CommandBook
from ganggpt.runtime.composition import GatewaySpec
from ganggpt.runtime.model_plan import mind_plan, model_plan
from ganggpt.runtime.stores import ensure_world
from ganggpt.runtime.world_secrets import WorldSecrets, write_secrets
from ganggpt.serve.ai_check import ai_probe
from ganggpt.serve.composition import BridgePorts, bridge_app
from ganggpt.serve.gateway import open_gateway
from ganggpt.serve.health import disk_probe, memory_probe
from ganggpt.worldfiles.files import load_world
from tests.support.bridge_rig import TOKEN, served
from tests.support.debian import skip_outside_ci
from tests.support.live_town import LiveTown, living
from tests.support.small_world import a_small_world
from tools.small_model import NAME, SmallModel, weights

WAIT_S = 90.0
"""Longest wait for an answer of it, on a machine that does other things too."""
MODELS = """\
providers:
  own: {kind: compatible, url: URL}
models:
  small: {provider: own, model: NAME, price: free, timeout_s: WAIT, breaker_s: 0.2}
slots:
  dialogue: {large: [small]}
"""


def small_model(home: Path) -> SmallModel:
    """A small model that is not started yet; skips the test where its packages are not installed, and in CI fails."""
    try:
        weights()
    except StartFailed as missing:
        skip_outside_ci(str(missing))
    return SmallModel(home)


@dataclass
class TalkingTown:
    """A small world behind a bridge, whose people speak with the small model. ``game``: a game server in it."""

    game: GameServer
    live: LiveTown
    pool: asyncpg.Pool
    gateway: ModelGateway
    rest: httpx.AsyncClient
    model: SmallModel

    async def made(self, utterance: str) -> dict[str, Any]:
        """How an utterance came about."""
        shown = await self.rest.get(f"/v1/utterances/{quote(utterance)}")
        made: dict[str, Any] = shown.raise_for_status().json()["made"]
        return made

    async def writing(self) -> int:
        """How many tokens of an answer the model has written; 0 where it writes none."""
        async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
            (slot,) = (await http.get(self.model.url.replace("/v1", "/slots"))).json()
        return int(slot["next_token"][0]["n_decoded"]) if slot["is_processing"] else 0

    async def is_idle(self) -> bool:
        """Whether the model works on nothing."""
        async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
            (slot,) = (await http.get(self.model.url.replace("/v1", "/slots"))).json()
        return not slot["is_processing"]


@asynccontextmanager
async def talking_town(model: SmallModel, home: Path, dsn: str, redis_url: str) -> AsyncIterator[TalkingTown]:
    """Bring the small world to life in an empty database, with players Ava and Ben in it."""
    models = MODELS.replace("URL", model.url).replace("NAME", NAME).replace("WAIT", f"{WAIT_S:g}")
    (home / "models.yaml").write_text(models)
    (home / "world").mkdir()
    world_files = a_small_world(home / "world")
    settings = read_settings(data_dir=home, models_file=home / "models.yaml", ai_wait_s=WAIT_S, world=world_files)
    await ensure_world(settings, dsn)
    plan, minds = model_plan(settings), mind_plan(settings)
    assert plan is not None
    assert minds is not None
    secrets = write_secrets(home, WorldSecrets(dsn=dsn, token=TOKEN, redis_url=redis_url))
    async with AsyncExitStack() as opened:
        spec = GatewaySpec(secrets, plan.without_keys(), minds.prompts, record_days=1)
        gateway = await opened.enter_async_context(open_gateway(spec, Metrics("gateway")))
        pool = await opened.enter_async_context(asyncpg.create_pool(dsn, min_size=1, max_size=4, command_timeout=20))
        cache, pushes = open_cache(redis_url), PostgresPushes(pool, redis_url)
        opened.push_async_callback(cache.close)
        opened.push_async_callback(pushes.close)
        mind = partial(ModelMind, minds.spec(TOKEN), gateway, now_s=loop_s)
        live = await opened.enter_async_context(
            living(dsn, model=lambda world: mind(world=world), notify_pushes=pushes.notify_pushes)
        )
        ports = BridgePorts(
            port=live.router, pushes=pushes, turns=PostgresTurns(pool), lists=PostgresLists(pool), cache=cache,
            book=CommandBook(KINDS), token=SecretStr(TOKEN), world=load_world(world_files), metrics=Metrics("bridge"),
            probes={
                "database": database_probe(pool), "redis": redis_probe(redis_url), "ai": ai_probe(gateway),
                "memory": memory_probe(), "disk": disk_probe(home),
            },
        )  # fmt: skip
        address = await opened.enter_async_context(served(bridge_app(ports, _nothing)))
        game = await opened.enter_async_context(GameServer(f"ws://{address}/v1/bridge", TOKEN, "streets"))
        headers = {"Authorization": f"Bearer {TOKEN}"}
        rest = await opened.enter_async_context(
            httpx.AsyncClient(base_url=f"http://{address}", headers=headers, timeout=30, trust_env=False)
        )
        for name in ("Ava", "Ben"):
            await game.send(f"player:{name.lower()}", "Join", {"username": name, "server": "streets"})
        yield TalkingTown(game, live, pool, gateway, rest, model)


async def _nothing() -> None:
    """What the bridge is made of is closed by its owner."""


async def start(model: SmallModel) -> None:
    """Start it from a coroutine."""
    await asyncio.to_thread(model.start)
