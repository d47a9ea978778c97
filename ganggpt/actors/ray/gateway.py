"""The client of the model gateway: over a Serve handle, with a deadline, sentence by sentence if wanted.

Whatever happens to the gateway's process, the caller gets an outcome: failures of Ray are not raised.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from ganggpt.ai.port import EmbeddingResult, GatewayOutcome, GatewayRequest, NotAnswered, Payers, Sentence
from ganggpt.observability.metrics import ProcessReport

log = logging.getLogger(__name__)

APP_NAME: Final = "ganggpt"
DEPLOYMENT: Final = "Gateway"
_SLACK_S: Final = 1.0
"""How much longer than the request's own time its asker waits: the gateway itself is the one to say that it is late."""
_EMBED_S: Final = 15.0
_ASK_S: Final = 2.0
_TROUBLE: Final = (RayError, RayServeException, RuntimeError, ConnectionError)
"""What a call over a handle raises when replicas, controller or cluster cannot be reached. (An unknown deployment and
a loop that is going down show as plain RuntimeErrors of Serve.)"""


class RayGateway:
    """Implements ``ai.port.Gateway`` in any process of the cluster.

    ``handle``: of the deployment; if unset, it is looked up on first use. ``present`` False: no gateway was deployed,
    so every request is answered with ``no_model``.
    """

    def __init__(self, handle: Any = None, *, present: bool = True) -> None:
        self._present = present
        self._found = handle

    async def answer(self, request: GatewayRequest) -> GatewayOutcome:
        """See Gateway."""
        request.check()
        outcome: GatewayOutcome = await self._asked("answer", request.within_s + _SLACK_S, request)
        return outcome

    async def stream(self, request: GatewayRequest) -> AsyncGenerator[Sentence | GatewayOutcome, None]:
        """See Gateway."""
        request.check()
        if not self._present:
            yield _no_model()
            return
        until_s = asyncio.get_running_loop().time() + request.within_s + _SLACK_S
        items: Any = None
        try:
            items = (await self._handle()).options(stream=True).stream.remote(request)
            while True:
                async with asyncio.timeout_at(until_s):
                    item = await anext(items)
                yield item
                if not isinstance(item, Sentence):
                    items = None
                    return
        except StopAsyncIteration:
            items = None
            yield NotAnswered(reason="away", detail="the gateway ended in the middle of a stream")
        except TimeoutError:
            yield NotAnswered(reason="late", detail=f"nothing more within {request.within_s:g} s")
        except _TROUBLE as trouble:
            items = None
            yield _away(trouble)
        finally:
            if items is not None:
                items.cancel()

    async def embed(
        self, texts: Sequence[str], payers: Payers, purpose: str = "embed", owners: Sequence[str | None] = ()
    ) -> EmbeddingResult | NotAnswered:
        """See Gateway."""
        asked = (list(texts), payers, purpose, list(owners))
        found: EmbeddingResult | NotAnswered = await self._asked("embed", _EMBED_S, *asked)
        return found

    async def state(self) -> dict[str, Any] | NotAnswered:
        """The state of one replica (see ``ModelGateway.state``), or why there is no answer."""
        found: dict[str, Any] | NotAnswered = await self._asked("state", _ASK_S)
        return found

    async def forget(self, player: str) -> None:
        """Drop every cached answer that was a player's. Raises RayError and other errors of Ray, because
        the caller must know that it was done."""
        if self._present:
            await (await self._handle()).broadcast("forget", player).results_async(timeout_s=_EMBED_S)

    async def reports(self) -> Sequence[ProcessReport]:
        """The metrics of every replica that answers."""
        return await ask_replicas(DEPLOYMENT, "report") if self._present else ()

    async def _asked(self, method: str, within_s: float, *arguments: Any) -> Any:
        if not self._present:
            return _no_model()
        response: Any = None
        try:
            async with asyncio.timeout(within_s):
                response = getattr(await self._handle(), method).remote(*arguments)
                return await response
        except TimeoutError:
            return NotAnswered(reason="late", detail=f"the gateway said nothing within {within_s:g} s")
        except _TROUBLE as trouble:
            return _away(trouble)
        except asyncio.CancelledError:
            if response is not None:
                response.cancel()
            raise

    async def _handle(self) -> Any:
        if self._found is None:
            self._found = serve.get_deployment_handle(DEPLOYMENT, APP_NAME)
        return self._found


async def ask_replicas(deployment: str, method: str, *arguments: Any) -> Sequence[Any]:
    """What a method of every replica of a deployment returns; nothing where one of them does not answer."""
    try:
        answers = serve.get_deployment_handle(deployment, APP_NAME).broadcast(method, *arguments)
        found: Sequence[Any] = await answers.results_async(timeout_s=_ASK_S)
    except (*_TROUBLE, TimeoutError) as trouble:
        log.debug("%s of %s is not answered: %s", method, deployment, trouble)
        return ()
    return found


def _no_model() -> NotAnswered:
    return NotAnswered(reason="no_model", detail="no model is configured")


def _away(trouble: BaseException) -> NotAnswered:
    log.warning("the model gateway cannot be asked: %s", trouble)
    return NotAnswered(reason="away", detail=str(trouble)[:300])
