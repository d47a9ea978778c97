"""Asks every model once when the gateway starts, and those that fail again and again, so that a dead model is noticed
before a player needs it and a healed one without one.

A check is a call like any other, a few tokens long: it passes the switch, the budget, the limits and the breaker, and
the server pays for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from typing import Final

from ganggpt.ai.gateway.deployment import Deployment
from ganggpt.ai.gateway.gateway_config import GatewayConfig
from ganggpt.ai.gateway.provider import ModelFailure, ModelSkipped, ProviderCall
from ganggpt.ai.gateway.spending import Accounting, Spending
from ganggpt.ai.gateway.trouble import CAUSES
from ganggpt.ai.port import Payers, PromptMessage
from ganggpt.errors import GangGPTError

log = logging.getLogger(__name__)

AGAIN_S: Final = 60.0
"""How often a model that fails is asked again."""
PURPOSE: Final = "check"
_MESSAGES: Final = (PromptMessage("user", "Say yes."),)
_TOKENS: Final = 16
_SLACK_S: Final = 1.0


class ModelChecks:
    """Owns the checks of a gateway's models. ``done``: all were asked once."""

    def __init__(
        self,
        config: GatewayConfig,
        deployments: Mapping[str, Deployment],
        accounting: Accounting,
        again_s: float = AGAIN_S,
    ) -> None:
        self._deployments, self._accounting, self._again_s = deployments, accounting, again_s
        self._embedding = frozenset(config.embedding)
        self._told: set[str] = set()
        self.done = False

    async def run(self) -> None:
        """Ask all, then those that fail, for ever."""
        await self.check(self._deployments)
        self.done = True
        while True:
            await asyncio.sleep(self._again_s)
            await self.check([name for name, one in self._deployments.items() if one.troubles.now is not None])

    async def check(self, names: Collection[str]) -> None:
        """Ask these models at once, and log what is new of them."""
        await asyncio.gather(*(self._ask(self._deployments[name]) for name in names))
        for name in names:
            self._tell(self._deployments[name])

    async def _ask(self, deployment: Deployment) -> None:
        name = deployment.name
        spending = Spending(self._accounting, Payers(), PURPOSE, PURPOSE)
        until_s = asyncio.get_running_loop().time() + deployment.spec.entry.timeout_s + _SLACK_S
        try:
            if name in self._embedding:
                await deployment.embed([_MESSAGES[0].text], spending, until_s)
            else:
                await deployment.complete(ProviderCall("", _MESSAGES, _TOKENS), spending, until_s)
        except ModelSkipped as skipped:
            log.debug("the model %s is not checked now: %s", name, skipped)
        except ModelFailure as failed:
            log.debug("the check of the model %s failed: %s", name, failed)  # told below, once
        except GangGPTError as refused:
            log.debug("the model %s is not checked: %s", name, refused)  # switched off, no budget, no ledger

    def _tell(self, deployment: Deployment) -> None:
        name, trouble = deployment.name, deployment.troubles.now
        if trouble is not None and name not in self._told:
            self._told.add(name)
            log.warning("the model %s cannot be asked at %s: %s", name, trouble.address, CAUSES[trouble.cause])
        elif trouble is None and name in self._told:
            self._told.remove(name)
            log.warning("the model %s answers again", name)
