"""The port to one provider of models: a single call to a single deployment, and how it fails.

Adapters: ``openai_provider`` (the official SDK) and ``replay`` (recorded exchanges). No retries in here, no money, no
policy: ``deployment`` and ``gateway`` do those.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import (
    Any,
    ClassVar,
    Literal,
    Protocol,
)

from ganggpt.ai.port import PromptMessage
from ganggpt.errors import GangGPTError, sentence


@dataclass(frozen=True, slots=True)
class JsonShape:
    """A JSON schema the answer has to follow, under a name."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One call: the provider's name of the model (or deployment), the messages and the limits of the answer.

    ``player`` and ``request_key`` are for records only: whose words may be in it, and which request it belongs to.
    """

    model: str
    messages: tuple[PromptMessage, ...]
    tokens_max: int
    shape: JsonShape | None = None
    temperature: float | None = None
    player: str | None = None
    request_key: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens as the provider counted them."""

    tokens_in: int
    tokens_out: int
    tokens_cached: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer. ``finish``: why it ends; ``filter`` where a content filter took (part of) it away."""

    text: str
    finish: Literal["stop", "length", "filter"]
    counted: Counted | None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a streamed answer; the last one has ``finish``. Usage comes when it comes."""

    text: str = ""
    finish: Literal["stop", "length", "filter"] | None = None
    counted: Counted | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vectors:
    """Embeddings in the order of the texts."""

    vectors: tuple[tuple[float, ...], ...]
    tokens: int


class Provider(Protocol):
    """Makes calls. Raises ModelFailure and its subclasses; what it is told to wait for, it is cancelled for."""

    async def complete(self, call: ProviderCall) -> Completion:
        """Ask and wait for the whole answer."""
        ...

    def stream(self, call: ProviderCall) -> AsyncGenerator[Delta, None]:
        """Ask and yield pieces as they come."""
        ...

    async def embed(self, model: str, texts: Sequence[str]) -> Vectors:
        """Vectors for texts."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class ModelFailure(GangGPTError):
    """A call to a model failed. ``deployment`` is ours, ``problem`` is for people.

    Class data: ``counts``: it says that the deployment is not well (the breaker counts it); ``billed``: the provider
    may charge for it.
    """

    code = "model_failed"
    counts: ClassVar[bool] = True
    billed: ClassVar[bool] = False

    def __init__(self, deployment: str, problem: str, wait_s: float | None = None) -> None:
        super().__init__(deployment, problem, wait_s)
        self.deployment, self.problem, self.wait_s = deployment, problem, wait_s

    def __str__(self) -> str:
        return sentence(f"The model {self.deployment} failed: {self.problem}")


class ModelUnreachable(ModelFailure):
    """Not reached, or a server error: another try may work. ``wait_s``: what Retry-After said."""

    code = "model_away"
    retryable = True


class ModelSlow(ModelUnreachable):
    """It was reached and did not answer in time, or stopped in the middle of its answer."""

    code = "model_slow"
    billed = True


class ModelBusy(ModelUnreachable):
    """429: its rate limit is reached until ``wait_s`` are over. It is well otherwise."""

    code = "model_busy"
    counts = False


class ModelSkipped(ModelFailure):
    """Not asked at all: it rests, its breaker is open, or there is no turn within its rate limits."""

    code = "model_left_alone"
    counts = False


class QuotaExhausted(ModelFailure):
    """429 that no waiting helps against: the account has no money or quota left."""

    code = "quota_exhausted"


class ModelMisconfigured(ModelFailure):
    """Key, endpoint, deployment or API version are wrong; the message names the variable and the fix."""

    code = "model_misconfigured"


class ModelRejected(ModelFailure):
    """It refused this very request (too long, an unknown option): neither a retry nor the breaker helps."""

    code = "model_rejected"
    counts = False


class AnswerUnreadable(ModelFailure):
    """What came back is no answer of that protocol."""

    code = "answer_unreadable"
    retryable = True
    billed = True


class ContentFiltered(ModelFailure):
    """A content filter said no. A normal outcome: the same text would be refused again."""

    code = "content_filtered"
    counts = False

    def __init__(self, deployment: str, where: Literal["prompt", "answer"], categories: tuple[str, ...]) -> None:
        super().__init__(deployment, where)
        self.args = (deployment, where, categories)
        self.where, self.categories = where, categories

    def __str__(self) -> str:
        return f"model {self.deployment}: the content filter refused the {self.where} ({', '.join(self.categories)})"
