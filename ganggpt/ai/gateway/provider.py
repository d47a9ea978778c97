"""The port to one provider of models: a single call to a single deployment, and how it fails.

Adapters: ``openai_provider`` (the official SDK) and ``recording`` (recorded exchanges). Retries, money and policy are
the business of ``deployment`` and ``gateway``.
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

Effort = Literal["none", "minimal", "low", "medium", "high"]
Cause = Literal[
    "refused",
    "dns",
    "tls",
    "unreachable",
    "timeout",
    "cut",
    "key",
    "deployment",
    "endpoint",
    "path",
    "api_version",
    "rate_limit",
    "quota",
    "server_error",
    "rejected",
    "context",
    "unreadable",
    "thought",
    "failed",
]
"""What happened to a call that failed."""


@dataclass(frozen=True, slots=True)
class JsonShape:
    """A JSON schema that the answer has to follow, and its name."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProviderCall:
    """One call: the provider's name of the model (or deployment), the messages and the limits of the answer.

    ``player`` and ``request_key`` are for records only: whose words it may contain, and which request it belongs to.
    ``family``: the model behind a deployment with a name of its own; ``effort`` and ``reasoning_tokens``: how much it
    may think, where its entry in the models file says so.
    """

    model: str
    messages: tuple[PromptMessage, ...]
    tokens_max: int
    shape: JsonShape | None = None
    temperature: float | None = None
    family: str = ""
    effort: Effort | None = None
    reasoning_tokens: int | None = None
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
    """A whole answer. ``finish``: why it ends; ``filter`` where a content filter removed it or a part of it."""

    text: str
    finish: Literal["stop", "length", "filter"]
    counted: Counted | None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a streamed answer; the last one has ``finish``. Any piece may carry the token counts."""

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
    """Makes calls. Raises ModelFailure and its subclasses. The caller bounds the time by cancelling."""

    async def complete(self, call: ProviderCall) -> Completion:
        """The whole answer."""
        ...

    def stream(self, call: ProviderCall) -> AsyncGenerator[Delta, None]:
        """Pieces of the answer as they arrive."""
        ...

    async def embed(self, model: str, texts: Sequence[str]) -> Vectors:
        """Vectors for texts."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class ModelFailure(GangGPTError):
    """A call to a model failed. ``deployment`` is ours, ``problem`` is for people and may quote the server. ``cause``
    is a word for what happened (see ``trouble.CAUSES``).

    Class data: ``counts``: the breaker counts it as a failure of the deployment; ``billed``: the provider may charge
    for the call.
    """

    code = "model_failed"
    counts: ClassVar[bool] = True
    billed: ClassVar[bool] = False

    def __init__(self, deployment: str, problem: str, wait_s: float | None = None, cause: Cause = "failed") -> None:
        super().__init__(deployment, problem, wait_s, cause)
        self.deployment, self.problem, self.wait_s, self.cause = deployment, problem, wait_s, cause

    def __str__(self) -> str:
        return sentence(f"The model {self.deployment} failed: {self.problem}")


class ModelUnreachable(ModelFailure):
    """The provider cannot be reached or has a server error; a retry may work. ``wait_s``: what Retry-After said."""

    code = "model_away"
    retryable = True


class ModelSlow(ModelUnreachable):
    """The model was reached but did not answer in time, or stopped in the middle of its answer."""

    code = "model_slow"
    billed = True


class ModelBusy(ModelUnreachable):
    """Status 429: the rate limit is reached for ``wait_s``. The deployment is healthy otherwise."""

    code = "model_busy"
    counts = False


class ModelSkipped(ModelFailure):
    """The model was not called: it backs off, its breaker is open, or its rate limits leave no room in time."""

    code = "model_left_alone"
    counts = False


class QuotaExhausted(ModelFailure):
    """Status 429 that waiting does not help against: the account has no money or quota left."""

    code = "quota_exhausted"


class ModelMisconfigured(ModelFailure):
    """Key, endpoint, deployment or API version are wrong; the message names the variable and the fix."""

    code = "model_misconfigured"


class ModelRejected(ModelFailure):
    """The provider refused this request (too long, an unknown option), so a retry does not help."""

    code = "model_rejected"
    counts = False


class ModelThoughtTooLong(ModelFailure):
    """A reasoning model spent all its tokens on thinking and said nothing."""

    code = "model_thought_too_long"
    billed = True

    def __init__(self, deployment: str, tokens: int) -> None:
        fix = "raise reasoning_tokens or lower reasoning_effort"
        super().__init__(
            deployment, f"it thought for all of its {tokens} tokens and said nothing; {fix}", cause="thought"
        )
        self.args = (deployment, tokens)


class AnswerUnreadable(ModelFailure):
    """The response is not an answer of the protocol."""

    code = "answer_unreadable"
    retryable = True
    billed = True


class ContentFiltered(ModelFailure):
    """A content filter refused. It would refuse the same text again."""

    code = "content_filtered"
    counts = False

    def __init__(self, deployment: str, where: Literal["prompt", "answer"], categories: tuple[str, ...]) -> None:
        super().__init__(deployment, where)
        self.args = (deployment, where, categories)
        self.where, self.categories = where, categories

    def __str__(self) -> str:
        return f"model {self.deployment}: the content filter refused the {self.where} ({', '.join(self.categories)})"
