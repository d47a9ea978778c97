"""The model gateway on Ray Serve: a thin wrapper of ``ai.gateway``, with its real adapters."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Final

from ray import serve
from ray.serve.schema import LoggingConfig

from ganggpt.actors.ray.gateway import DEPLOYMENT
from ganggpt.ai.gateway.budget import Ledger
from ganggpt.ai.gateway.deployment import Deployment
from ganggpt.ai.gateway.gateway import AT_ONCE_MAX, ModelGateway
from ganggpt.ai.gateway.gateway_config import GatewayConfig, Secrets
from ganggpt.ai.gateway.local_embedding import open_local_embedding
from ganggpt.ai.gateway.local_ledger import LocalLedger
from ganggpt.ai.gateway.openai_provider import OpenAIProvider
from ganggpt.ai.gateway.provider import Provider
from ganggpt.ai.gateway.recording import RecordingProvider
from ganggpt.ai.gateway.response_cache import ResponseCache, ResponseStore
from ganggpt.ai.gateway.spending import Accounting
from ganggpt.ai.port import (
    EmbeddingResult,
    GatewayOutcome,
    GatewayRequest,
    NotAnswered,
    Payers,
    Sentence,
)
from ganggpt.errors import Unavailable
from ganggpt.observability.log_file import start_logs
from ganggpt.observability.metrics import Metrics, ProcessReport
from ganggpt.persistence.models.exchanges import PostgresExchanges
from ganggpt.persistence.models.ledger import RedisLedger
from ganggpt.persistence.models.responses import MemoryResponses, RedisResponses
from ganggpt.persistence.models.spend import PostgresSpend
from ganggpt.persistence.pool import open_pool
from ganggpt.private_files import keep_private
from ganggpt.runtime.composition import GatewaySpec
from ganggpt.serve.loopback import stay_on_loopback

log = logging.getLogger(__name__)

SPEND_DAYS: Final = 400
"""How long the record of spending is kept: a year to compare with, and a month more."""
_SWEEP_S: Final = 3600.0
_CLOSE_S: Final = 10.0


@asynccontextmanager
async def open_gateway(spec: GatewaySpec, metrics: Metrics) -> AsyncIterator[ModelGateway]:
    """A gateway with its stores, which are closed at the end. Raises Unavailable, StartFailed and ConfigInvalid."""
    secrets = await asyncio.to_thread(spec.secrets.read)
    plan = spec.plan.with_keys(Secrets(secrets.keys))
    async with AsyncExitStack() as opened:
        pool = await open_pool(secrets.dsn, spec.pool, metrics)
        opened.push_async_callback(pool.close)
        lost = metrics.counter("ganggpt_ai_lost_notes_total")
        books = PostgresSpend(pool, lost.labels("spending").inc)
        exchanges = PostgresExchanges(pool, lost.labels("exchanges").inc)
        for writer in (books, exchanges):
            opened.push_async_callback(writer.close)
        ledger: Ledger
        store: ResponseStore
        if secrets.redis_url is None:
            ledger, store = LocalLedger(books.is_on, books.sum_of), MemoryResponses(spec.ttl_s)
        else:
            unsettled = metrics.counter("ganggpt_ai_unsettled_total").inc
            ledger = RedisLedger(secrets.redis_url, books.is_on, books.sum_of, unsettled, metrics=metrics)
            unreachable = metrics.counter("ganggpt_ai_cache_total").labels("away").inc
            store = RedisResponses(secrets.redis_url, spec.ttl_s, lost.labels("answers").inc, unreachable, metrics)
        opened.push_async_callback(ledger.close)
        opened.push_async_callback(store.close)
        recorder = exchanges if spec.record_days else None
        deployments = deployments_of(plan, metrics, recorder)
        accounting = Accounting(ledger, plan.limits, books, metrics)
        folder = plan.local_embedding
        local = None if folder is None else await open_local_embedding(folder, metrics)
        cache = ResponseCache(store, metrics)
        gateway = ModelGateway(plan, deployments, accounting, cache, spec.prompts, metrics, local)
        opened.push_async_callback(gateway.close)
        sweeping = asyncio.create_task(_sweep(books, exchanges, spec.record_days))
        opened.callback(sweeping.cancel)
        checking = asyncio.create_task(gateway.checks.run())
        opened.callback(checking.cancel)
        yield gateway


def deployments_of(plan: GatewayConfig, metrics: Metrics, recorder: PostgresExchanges | None) -> dict[str, Deployment]:
    """The deployments of a config; those of one provider share its connections."""
    providers: dict[str, Provider] = {}
    deployments = {}
    for name, spec in plan.deployments.items():
        provider = providers.get(spec.endpoint.name)
        if provider is None:
            provider = OpenAIProvider(spec.endpoint)
            provider = providers[spec.endpoint.name] = (
                provider if recorder is None else RecordingProvider(provider, recorder)
            )
        deployments[name] = Deployment(spec, provider, metrics)
    return deployments


class GatewayReplica:
    """One replica. Opens its stores at the first health check of Serve, and closes them when Serve ends it."""

    def __init__(self, spec: GatewaySpec) -> None:
        keep_private()
        stay_on_loopback()
        start_logs(spec.logs, "gateway")
        self._spec = spec
        self._metrics = Metrics("gateway")
        self._opened = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._gateway: ModelGateway | None = None

    async def check_health(self) -> None:
        """Called by Serve. A replica whose stores are unavailable is healthy: it answers that they are."""
        with contextlib.suppress(Unavailable):
            await self._ready()

    async def answer(self, request: GatewayRequest) -> GatewayOutcome:
        """See Gateway."""
        try:
            gateway = await self._ready()
        except Unavailable as outage:
            return NotAnswered(reason="away", detail=str(outage))
        return await gateway.answer(request)

    async def stream(self, request: GatewayRequest) -> AsyncGenerator[Sentence | GatewayOutcome, None]:
        """See Gateway."""
        try:
            gateway = await self._ready()
        except Unavailable as outage:
            yield NotAnswered(reason="away", detail=str(outage))
            return
        async with aclosing(gateway.stream(request)) as items:
            async for item in items:
                yield item

    async def embed(
        self, texts: Sequence[str], payers: Payers, purpose: str, owners: Sequence[str | None]
    ) -> EmbeddingResult | NotAnswered:
        """See Gateway."""
        try:
            gateway = await self._ready()
        except Unavailable as outage:
            return NotAnswered(reason="away", detail=str(outage))
        return await gateway.embed(texts, payers, purpose, owners)

    async def state(self) -> dict[str, Any]:
        """For health: see ModelGateway. Raises Unavailable."""
        return await (await self._ready()).state()

    async def forget(self, player: str) -> None:
        """Drop every cached answer that was a player's, in this replica and in Redis. Raises Unavailable."""
        await (await self._ready()).forget(player)

    async def report(self) -> ProcessReport:
        """The metrics of this replica."""
        return self._metrics.report()

    async def __del__(self) -> None:
        """Close the stores; Serve awaits this at the end of a replica."""
        async with asyncio.timeout(_CLOSE_S):
            await self._opened.aclose()

    async def _ready(self) -> ModelGateway:
        async with self._opening:
            if self._gateway is None:
                self._gateway = await self._opened.enter_async_context(open_gateway(self._spec, self._metrics))
            return self._gateway


Gateway: Final[Any] = serve.deployment(
    name=DEPLOYMENT,
    max_ongoing_requests=AT_ONCE_MAX,
    # It mostly waits for models, and must fit beside a host and a bridge on a node with two CPUs.
    ray_actor_options={"num_cpus": 0.1},
    graceful_shutdown_wait_loop_s=0.2,
    graceful_shutdown_timeout_s=20.0,
    health_check_period_s=5.0,
    logging_config=LoggingConfig(enable_access_log=False),
)(GatewayReplica)
"""The deployment."""


def bound_gateway(spec: GatewaySpec) -> Any:
    """The gateway as a part of a Serve application."""
    return Gateway.options(num_replicas=spec.replicas).bind(spec)


async def _sweep(books: PostgresSpend, exchanges: PostgresExchanges, record_days: int) -> None:
    """Delete old records every hour, for ever."""
    while True:
        try:
            await exchanges.sweep(record_days)
            await books.sweep(SPEND_DAYS)
        except Unavailable as outage:
            log.warning("old records of models were not deleted; this is tried again: %s", outage)
        await asyncio.sleep(_SWEEP_S)
