"""A server of somebody's own with OpenAI's protocol, whose model speaks in the demo.

It is asked once before anything starts, so that a mistake in its address or its name is told in a second.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import yaml

from ganggpt.ai.gateway.copied_address import copied_whole
from ganggpt.ai.gateway.endpoint import Endpoint
from ganggpt.ai.gateway.openai_provider import OpenAIProvider
from ganggpt.ai.gateway.provider import Cause, ModelFailure, ModelThoughtTooLong, ProviderCall
from ganggpt.ai.gateway.trouble import CAUSES
from ganggpt.ai.port import PromptMessage
from ganggpt.errors import StartFailed, sentence
from ganggpt.store_urls import is_on_this_machine

KEY_VARIABLE: Final = "OPENAI_API_KEY"
CHECK_S: Final = 60.0
"""How long the first answer may take: some servers load a model when it is asked for."""
_QUESTION: Final = (PromptMessage("user", "Say yes."),)
_TOKENS: Final = 16
_LISTED_MAX: Final = 8
_LIST_S: Final = 5.0
_FIXES: Final[Mapping[Cause, str]] = {
    "refused": "Start the server, or check --model-url.",
    "path": "Give --model-url the address at which the paths of OpenAI's protocol begin.",
    "unreadable": "Give --model-url the address of a server with OpenAI's protocol, mostly with /v1 at its end.",
    "endpoint": "Give --model-url the address that it leads to.",
    "key": f"Set {KEY_VARIABLE}.",
    "quota": "Another account or another model may help.",
}


@dataclass(frozen=True, slots=True)
class ModelServer:
    """A model by the address of its server and the server's name of it. ``key``: None where the server wants none.
    ``wait_s``: longest wait for an answer."""

    url: str
    model: str
    key: str | None = field(repr=False, default=None)
    wait_s: float = 60.0

    async def check(self) -> float:
        """Ask it something, and return how many seconds that took. Raises StartFailed, which says what to change."""
        self._check_address()
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        provider = OpenAIProvider(Endpoint("compatible", "the server", self.url, self.key, timeout_s=CHECK_S))
        try:
            async with asyncio.timeout(CHECK_S):
                await provider.complete(ProviderCall(self.model, _QUESTION, _TOKENS))
        except ModelThoughtTooLong:
            pass  # a model that thinks answers, too
        except TimeoutError:
            raise self._failed(CAUSES["timeout"], "Try a smaller model, or one that is loaded already.") from None
        except ModelFailure as failed:
            raise await self._explained(failed) from None
        finally:
            await provider.close()
        return loop.time() - began_s

    def variables(self, folder: Path) -> dict[str, str]:
        """The settings of a world in which this model alone speaks; they name a file that is written into ``folder``.
        Whatever other models the environment names are not asked."""
        key = {} if self.key is None else {"key": KEY_VARIABLE}
        models = {
            "providers": {"own": {"kind": "compatible", "url": self.url, **key}},
            "models": {"own": {"provider": "own", "model": self.model, "price": "free", "timeout_s": self.wait_s}},
            "slots": {"dialogue": {"large": ["own"]}},
        }
        file = folder / "models.yaml"
        file.write_text(yaml.safe_dump(models), encoding="utf-8")
        secret = {} if self.key is None else {KEY_VARIABLE: self.key}
        return {"GANGGPT_MODELS": str(file), "GANGGPT_AI": "on", "GANGGPT_AI_WAIT": f"{self.wait_s:g}", **secret}

    def _check_address(self) -> None:
        if re.fullmatch(r"https?://[^/\s]+\S*", self.url) is None:
            problem = f"--model-url is {self.url!r}, which is no address of a server."
            raise StartFailed(problem, "It looks like http://localhost:11434/v1.")
        copied = copied_whole("compatible", self.url)
        if copied is not None:
            problem = f"--model-url ends with {copied.tail}, which each call adds by itself."
            raise StartFailed(problem, f"Give it {copied.base}.")

    async def _explained(self, failed: ModelFailure) -> StartFailed:
        if failed.cause == "deployment":
            names = await self._names()
            has = f"It has {', '.join(names)}." if names else "Ask the server for the names of its models."
            return self._failed("the server has no model of that name", f"{has} Choose one with --model.")
        if failed.cause in ("rejected", "server_error", "failed"):
            return self._failed(f"{CAUSES[failed.cause]}: {failed.problem}", "See the log of the server.")
        return self._failed(CAUSES[failed.cause], _FIXES.get(failed.cause, "Check --model-url."))

    def _failed(self, problem: str, fix: str) -> StartFailed:
        return StartFailed(sentence(f"The model {self.model} cannot be asked at {self.url}: {problem}"), fix)

    async def _names(self) -> list[str]:
        """Names of the models that the server lists, if it does."""
        headers = {} if self.key is None else {"Authorization": f"Bearer {self.key}"}
        try:
            is_near = is_on_this_machine(self.url)
            async with httpx.AsyncClient(timeout=_LIST_S, headers=headers, trust_env=not is_near) as http:
                listed = (await http.get(f"{self.url.rstrip('/')}/models")).json()["data"]
            return [str(one["id"]) for one in listed[:_LISTED_MAX]]
        except (httpx.HTTPError, ValueError, LookupError, TypeError):
            return []
