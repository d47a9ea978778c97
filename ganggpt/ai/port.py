"""The port to language models: requests, their outcomes, and the gateway between callers and models.

A caller gets an outcome, never a provider's error: an answer, a deflection (a content filter refused), or the reason
why no model answers, after which the scripted mind speaks. Money is in nano-dollars (1e-9 USD, whole numbers).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from pydantic import BaseModel

from ganggpt.errors import InvalidInput

Slot = Literal["dialogue", "mission", "politics", "summary"]
SLOTS: Final[tuple[Slot, ...]] = ("dialogue", "mission", "politics", "summary")
Role = Literal["system", "user", "assistant"]
Rung = Literal["large", "small", "cached"]
"""The rungs of the ladder. Below them is the scripted mind, which the caller has itself."""

MESSAGES_MAX: Final = 64
CHARS_MAX: Final = 48_000
"""Characters of all messages of a request together."""
TOKENS_MAX: Final = 4_000
WITHIN_S_MAX: Final = 120.0
TEXTS_MAX: Final = 256
TEXT_CHARS_MAX: Final = 8_000
_PURPOSE_MAX: Final = 32
_KEY_CHARS_MAX: Final = 400
NANO_USD: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class PromptMessage:
    """One message of a prompt. What a player wrote goes into ``user`` messages, never into ``system``."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Payers:
    """Whose budgets pay for a request (actor ids); the server's own budget always pays too."""

    player: str | None = None
    npc: str | None = None
    faction: str | None = None

    def named(self) -> tuple[tuple[str, str], ...]:
        """Kind and name of each payer."""
        pairs = (("player", self.player), ("npc", self.npc), ("faction", self.faction))
        return tuple((kind, name) for kind, name in pairs if name is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRequest:
    """What to ask a model.

    ``slot``: the task, which decides the models. ``purpose``: a short word for the records (talk, condense, …).
    ``shape``: the answer is JSON of this pydantic model; None for plain text. ``schema``: a JSON schema of that shape
    which allows only what may be answered now; None: the shape's own. ``tokens_max``: of the answer.
    ``within_s``: longest wait for the whole answer. ``fallback_key``: the words that say what is wanted, by which the
    cached rung finds an answer to a like request (see ``cache_keys``); empty: only an equal prompt may be answered from
    the cache. ``use_cache`` False: never answer from the cache. ``softened``: the messages to send instead after a
    content filter refused; empty: the gateway softens the messages itself.
    """

    slot: Slot
    purpose: str
    messages: tuple[PromptMessage, ...]
    payers: Payers = field(default_factory=Payers)
    shape: type[BaseModel] | None = None
    schema: Mapping[str, Any] | None = None
    tokens_max: int = 200
    within_s: float = 10.0
    fallback_key: tuple[str, ...] = ()
    use_cache: bool = True
    softened: tuple[PromptMessage, ...] = ()

    def check(self) -> None:
        """Raises InvalidInput where the request is out of bounds."""
        key_chars = sum(map(len, self.fallback_key))
        chars = sum(len(said.text) for said in (*self.messages, *self.softened))
        for name, fine, problem in (
            ("slot", self.slot in SLOTS, f"{self.slot!r} is none of {', '.join(SLOTS)}"),
            ("purpose", 0 < len(self.purpose) <= _PURPOSE_MAX, f"it has 1 to {_PURPOSE_MAX} characters"),
            ("messages", 0 < len(self.messages) <= MESSAGES_MAX, f"there are 1 to {MESSAGES_MAX}"),
            ("messages", chars <= CHARS_MAX, f"they have {chars} characters, {CHARS_MAX} are allowed"),
            ("tokens_max", 0 < self.tokens_max <= TOKENS_MAX, f"it is 1 to {TOKENS_MAX}"),
            ("within_s", 0 < self.within_s <= WITHIN_S_MAX, f"it is more than 0 and at most {WITHIN_S_MAX:g}"),
            ("fallback_key", key_chars <= _KEY_CHARS_MAX, f"it has at most {_KEY_CHARS_MAX} characters"),
        ):
            if not fine:
                raise InvalidInput(f"request.{name}", problem)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and price of one or several calls. ``known`` True: counted by the provider; False: our own upper
    estimate."""

    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    nano_usd: int = 0
    known: bool = True

    @property
    def tokens(self) -> int:
        """All tokens."""
        return self.tokens_in + self.tokens_out

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.tokens_cached + other.tokens_cached,
            self.nano_usd + other.nano_usd,
            self.known and other.known,
        )


FREE: Final = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A model answered, now or earlier.

    ``value``: the validated answer where the request has a shape. ``key``: the request's hash, by which the recorded
    exchange is found. ``cut``: the text ends early (length limit, or the connection broke).
    """

    text: str
    value: BaseModel | None = None
    model: str
    rung: Rung
    usage: Usage = FREE
    key: str = ""
    softened: bool = False
    repaired: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deflected:
    """A content filter refused, also the softened prompt. The character deflects, and nothing of it is remembered.

    ``categories``: what the filter named. ``where``: what it refused. ``spoken``: sentences of a stream that were given
    out before the refusal; they count as withdrawn."""

    categories: tuple[str, ...]
    where: Literal["prompt", "answer"]
    usage: Usage = FREE
    key: str = ""
    spoken: int = 0


Unanswered = Literal["off", "no_model", "budget", "failing", "late", "invalid", "away"]
"""Why no model answers: models are switched off; none is configured for the slot; a budget is used up; all deployments
fail or back off; the time was over; no answer had the right shape; the ledger or the gateway cannot be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAnswered:
    """No model answers, so the scripted mind speaks. ``detail`` is for people."""

    reason: Unanswered
    detail: str = ""
    usage: Usage = FREE
    key: str = ""


GatewayOutcome = Answered | Deflected | NotAnswered


@dataclass(frozen=True, slots=True)
class Sentence:
    """The next sentence of a stream: ``no`` counts from 0."""

    no: int
    text: str


@dataclass(frozen=True, slots=True)
class EmbeddingResult:
    """Vectors of texts, in their order, and their model: vectors of different models cannot be compared."""

    model: str
    vectors: tuple[tuple[float, ...], ...]
    usage: Usage = FREE


class Gateway(Protocol):
    """The only way to a language model. Methods raise InvalidInput for a request out of bounds and nothing else. When a
    caller is cancelled, so is its request."""

    async def answer(self, request: GatewayRequest) -> GatewayOutcome:
        """The whole answer."""
        ...

    def stream(self, request: GatewayRequest) -> AsyncGenerator[Sentence | GatewayOutcome, None]:
        """Sentences as they are written, then the outcome as the last item. Where the request has a shape, the
        sentences are those of its field ``say``."""
        ...

    async def embed(
        self, texts: Sequence[str], payers: Payers, purpose: str = "embed", owners: Sequence[str | None] = ()
    ) -> EmbeddingResult | NotAnswered:
        """Vectors for up to TEXTS_MAX texts. ``owners``: for each text the player it belongs to, where that is not the
        payer; cached vectors are erased with the player."""
        ...
