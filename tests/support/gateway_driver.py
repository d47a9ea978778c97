"""A process of the cluster that asks the model gateway over its handle, and tells as JSON what it got."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from ganggpt.actors.ray.gateway import RayGateway
from ganggpt.ai.port import Answered, EmbeddingResult, GatewayRequest, Payers, PromptMessage, Sentence
from ganggpt.runtime.ray_cluster import join_cluster


def request(text: str, **options: Any) -> GatewayRequest:
    messages = (PromptMessage("system", "You are Mara."), PromptMessage("user", text))
    payers = Payers("player:ana", "npc:mara")
    return GatewayRequest(slot="dialogue", purpose="talk", messages=messages, payers=payers, **options)


async def ask() -> dict[str, Any]:
    gateway = RayGateway()
    answered = await gateway.answer(request("hello"))
    assert isinstance(answered, Answered), answered
    streamed = [item async for item in gateway.stream(request("and now by sentences"))]
    many = await asyncio.gather(*(gateway.answer(request(f"q{n}")) for n in range(50)))
    late = await gateway.answer(request("HANG", within_s=0.5))
    left = gateway.stream(request("STREAM HANG", within_s=20))
    first = await anext(left)
    await left.aclose()
    vectors = await gateway.embed(["one", "two"], Payers())
    assert isinstance(vectors, EmbeddingResult), vectors
    return {
        "rung": answered.rung,
        "text": answered.text,
        "sentences": [item.text for item in streamed if isinstance(item, Sentence)],
        "outcome": type(streamed[-1]).__name__,
        "many": sum(isinstance(outcome, Answered) for outcome in many),
        "late": getattr(late, "reason", None),
        "first": first.text if isinstance(first, Sentence) else None,
        "vectors": len(vectors.vectors),
        "nobody": getattr(await RayGateway(present=False).answer(request("hi")), "reason", None),
    }


async def ask_one(text: str) -> dict[str, Any]:
    outcome = await RayGateway().answer(request(text))
    return {"outcome": getattr(outcome, "reason", getattr(outcome, "rung", None))}


if __name__ == "__main__":
    join_cluster(sys.argv[1])
    sys.stdout.write(json.dumps(asyncio.run(ask() if len(sys.argv) == 2 else ask_one(sys.argv[2]))) + "\n")
