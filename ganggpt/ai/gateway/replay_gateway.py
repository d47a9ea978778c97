"""A gateway that replays one recorded request: its exchanges in their order, through ladder, filter and repair again.

It uses no network, no money and no cache. Calls that failed then fail again, and the answer is the recorded one,
whatever the prompt is by now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ganggpt.ai.gateway.budget import BudgetCounter
from ganggpt.ai.gateway.deployment import Deployment
from ganggpt.ai.gateway.endpoint import Endpoint
from ganggpt.ai.gateway.gateway import ModelGateway
from ganggpt.ai.gateway.gateway_config import DeploymentSpec, GatewayConfig, ModelEntry, PriceEntry, SlotEntry
from ganggpt.ai.gateway.local_ledger import LocalLedger
from ganggpt.ai.gateway.recording import ModelExchange, ReplayProvider
from ganggpt.ai.gateway.response_cache import ResponseCache
from ganggpt.ai.gateway.spending import Accounting, Spend
from ganggpt.ai.minds.prompt_files import Prompts
from ganggpt.observability.metrics import Metrics

_NAME: Final = "recorded"
_NOWHERE: Final = Endpoint("compatible", _NAME, "http://nowhere.invalid", None)


class _Nothing:
    """A spend log and a cache that keep nothing."""

    def write(self, spend: Spend) -> None:
        """See SpendLog."""

    async def get(self, key: str) -> bytes | None:  # noqa: ARG002 - see ResponseStore
        """See ResponseStore."""
        return None

    def put(self, key: str, value: bytes, player: str | None) -> None:
        """See ResponseStore."""

    async def forget(self, player: str) -> None:
        """See ResponseStore."""

    async def close(self) -> None:
        """See ResponseStore."""


def replaying_gateway(recorded: Sequence[ModelExchange], prompts: Prompts) -> ModelGateway:
    """The gateway for a request with these recorded exchanges, the oldest first. Close it afterwards."""
    waiting = list(recorded)

    async def next_one(_: str) -> ModelExchange | None:
        return waiting.pop(0) if waiting else None

    metrics, nothing = Metrics(), _Nothing()
    provider = ReplayProvider(_NAME, next_one)
    # One model for each exchange, so that it does not matter which model was asked how often.
    names = tuple(f"{_NAME}-{n}" for n in range(max(1, len(waiting))))
    entry = ModelEntry(provider=_NAME, model=_NAME, tries=1)
    deployments = {
        name: Deployment(DeploymentSpec(name, _NOWHERE, entry, PriceEntry(input=0)), provider, metrics)
        for name in names
    }
    config = GatewayConfig({name: one.spec for name, one in deployments.items()}, {"dialogue": SlotEntry(large=names)})
    accounting = Accounting(LocalLedger(_on, _nothing_spent), (), nothing, metrics)
    return ModelGateway(config, deployments, accounting, ResponseCache(nothing, metrics), prompts, metrics)


async def _on() -> bool:
    return True


async def _nothing_spent(_: BudgetCounter) -> int:
    return 0
