"""A gateway before a fake model server: the real SDK, the local ledger, a cache in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, Field

from ganggpt.ai.gateway.budget import BudgetCounter, Ledger, Limit
from ganggpt.ai.gateway.deployment import Deployment
from ganggpt.ai.gateway.endpoint import Endpoint
from ganggpt.ai.gateway.gateway import ModelGateway
from ganggpt.ai.gateway.gateway_config import DeploymentSpec, GatewayConfig, ModelEntry, PriceEntry, SlotEntry
from ganggpt.ai.gateway.local_embedding import LocalEmbedding
from ganggpt.ai.gateway.local_ledger import LocalLedger
from ganggpt.ai.gateway.openai_provider import OpenAIProvider
from ganggpt.ai.gateway.provider import Provider
from ganggpt.ai.gateway.response_cache import ResponseCache
from ganggpt.ai.gateway.spending import Accounting, Spend
from ganggpt.ai.minds.prompt_files import read_prompts
from ganggpt.ai.port import SLOTS, GatewayOutcome, GatewayRequest, Payers, PromptMessage, Sentence
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.models.responses import MemoryResponses
from ganggpt.testing.fake_model import API_VERSION, KEY, FakeModel, fake_model

PRICE = PriceEntry(input=2.0, output=8.0, cached=1.0)
TIMEOUT_S = 3.0
"""The provider gives up after this: long enough for an honest answer on a busy machine."""


class Turn(BaseModel):
    """What a character does with its turn."""

    say: str = Field(max_length=300)
    mood: int = Field(ge=-5, le=5)


@dataclass
class Records:
    """A spend log in a list."""

    spends: list[Spend] = field(default_factory=list)

    def write(self, spend: Spend) -> None:
        self.spends.append(spend)

    @property
    def nano_usd(self) -> int:
        return sum(spend.usage.nano_usd for spend in self.spends)


@dataclass
class Rig:
    """The parts of a gateway under test."""

    server: FakeModel
    metrics: Metrics = field(default_factory=Metrics)
    records: Records = field(default_factory=Records)
    on: bool = True
    recorded: dict[BudgetCounter, int] = field(default_factory=dict)
    now_s: float = 1_800_000_000.0
    gateway: ModelGateway = field(init=False)
    accounting: Accounting = field(init=False)
    deployments: dict[str, Deployment] = field(init=False)

    async def is_on(self) -> bool:
        return self.on

    async def sum_of(self, counter: BudgetCounter) -> int:
        return self.recorded.get(counter, 0)

    def count(self, name: str, *labels: str) -> float:
        """The value of a counter."""
        metric = self.metrics.counter(name)
        return (metric.labels(*labels) if labels else metric)._value.get()

    def provider(self, endpoint: Endpoint) -> Provider:
        return OpenAIProvider(endpoint)

    def build(
        self,
        *,
        slots: SlotEntry | None = None,
        entry: dict[str, Any] | None = None,
        entries: dict[str, dict[str, Any]] | None = None,
        limits: Sequence[Limit] = (),
        ledger: Ledger | None = None,
        kind: str = "azure",
        provider: Provider | None = None,
        local: LocalEmbedding | None = None,
    ) -> ModelGateway:
        url = self.server.url if kind == "azure" else f"{self.server.url}/v1"
        endpoint = Endpoint(kind, "fake", url, KEY, API_VERSION, timeout_s=5.0)  # type: ignore[arg-type]
        ladder = slots or SlotEntry(large=("large",), small=("small",))
        names = [*ladder.large, *ladder.small, "embedding"]
        specs = {}
        for name in names:
            options = {"timeout_s": TIMEOUT_S, "tries": 2, **(entry or {}), **(entries or {}).get(name, {})}
            specs[name] = DeploymentSpec(name, endpoint, ModelEntry(provider="fake", model=name, **options), PRICE)
        config = GatewayConfig(specs, dict.fromkeys(SLOTS, ladder), ("embedding",), tuple(limits))
        shared = provider or self.provider(endpoint)
        self.deployments = {name: Deployment(spec, shared, self.metrics) for name, spec in specs.items()}
        self.accounting = Accounting(
            ledger or LocalLedger(self.is_on, self.sum_of), limits, self.records, self.metrics, self.clock
        )
        cache = ResponseCache(MemoryResponses(), self.metrics)
        parts = (config, self.deployments, self.accounting, cache, read_prompts(), self.metrics)
        self.gateway = ModelGateway(*parts, local)
        return self.gateway

    def clock(self) -> float:
        return self.now_s


@asynccontextmanager
async def rigged(**options: Any) -> AsyncIterator[Rig]:
    """A rig with a running server; ``options`` go to ``Rig.build``."""
    async with fake_model() as server:
        rig = Rig(server)
        gateway = rig.build(**options)
        try:
            yield rig
        finally:
            async with asyncio.timeout(10):
                await gateway.close()


def talk(text: str = "Where is my money?", **options: Any) -> GatewayRequest:
    """A request as a talk makes it."""
    messages = (PromptMessage("system", "You are Mara."), PromptMessage("user", text))
    chosen: dict[str, Any] = {"payers": Payers("player:ana", "npc:mara", "faction:vagos"), "within_s": 10.0}
    return GatewayRequest(slot="dialogue", purpose="talk", messages=messages, **{**chosen, **options})


async def heard(gateway: ModelGateway, request: GatewayRequest) -> tuple[list[str], GatewayOutcome]:
    """A stream to its end."""
    said: list[str] = []
    outcome: GatewayOutcome | None = None
    async with asyncio.timeout(20):
        async for item in gateway.stream(request):
            assert outcome is None, "the outcome is the last item"
            if isinstance(item, Sentence):
                assert item.no == len(said)
                said.append(item.text)
            else:
                outcome = item
    assert outcome is not None
    return said, outcome
