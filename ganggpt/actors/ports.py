"""What the borders of the runtime look like to those outside it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from ganggpt.actors.envelope import Envelope
from ganggpt.actors.routing.admission import Gate
from ganggpt.domain.ids import ActorId
from ganggpt.domain.mind.memory_record import Embedding
from ganggpt.domain.turn import Command, ModelRequest
from ganggpt.errors import Unavailable

ReplySink = Callable[[bytes, bytes], None]
"""Called once for each command with (command id, finished reply map); must not block or raise."""


REST_SOURCE: Final = "rest"
"""All requests by REST together are one source."""

CLUSTER_SOURCE: Final = "cluster"
"""So is everything another cluster sends on."""


class ModelPort(Protocol):
    """The way from a host to a language model."""

    @property
    def is_on(self) -> bool:
        """Whether anything asked now would go to a model at all. Costs nothing: it is read in every turn."""
        ...

    @property
    def embeds(self) -> bool:
        """Whether texts given to ``embed`` now would get a meaning. Costs nothing, like ``is_on``."""
        ...

    def answer(self, actor: ActorId, ask: ModelRequest) -> AsyncGenerator[Command, Mapping[str, Any] | None]:
        """What the model says, as commands to the actor in their order; it is sent the actor's reply to each. Closing
        it ends the request. Raises GangGPTError where there is no answer, or no more of it."""
        ...

    async def embed(self, texts: Sequence[str], owners: Sequence[str | None]) -> Sequence[Embedding]:
        """Meanings of texts that minds learned, in their order. ``owners``: the players whose texts they are. Raises
        Unavailable."""
        ...

    async def meaning(self, text: str, player: str, actor: str) -> Embedding | None:
        """The meaning of a question a player put to an actor; None where there is none very soon."""
        ...

    def exposition(self) -> bytes:
        """What its guards counted, in the Prometheus text format."""
        ...


class NoModel:
    """A world without a model."""

    is_on = False
    embeds = False

    async def answer(self, actor: ActorId, ask: ModelRequest) -> AsyncGenerator[Command, Mapping[str, Any] | None]:
        """Raises Unavailable."""
        raise Unavailable(f"a language model ({ask.name} of {actor})")
        yield

    async def embed(self, texts: Sequence[str], owners: Sequence[str | None]) -> Sequence[Embedding]:  # noqa: ARG002
        """Raises Unavailable."""
        raise Unavailable("a model of embeddings")

    async def meaning(self, text: str, player: str, actor: str) -> Embedding | None:  # noqa: ARG002
        """None."""
        return None

    def exposition(self) -> bytes:
        """Nothing."""
        return b""


class CommandPort(Protocol):
    """The way to all actors. The router is the one real implementation."""

    def gate(self, source: str) -> Gate | None:
        """Whom to ask, before a command is even read, whether it could be taken; None while everybody is let in. Good
        until the next command of this source is submitted by somebody else."""
        ...

    def submit(self, envelopes: Sequence[Envelope], sink: ReplySink, source: str = "") -> None:
        """Send commands on. Every envelope gets exactly one call of ``sink``, in any order, at the latest after the
        command deadline (then with ``unavailable``). What cannot be served soon is answered ``overloaded``. Sources
        (game servers) share what there is fairly. Must be called on the event loop."""
        ...

    async def ask(self, envelope: Envelope, source: str = "") -> bytes:
        """Send one command (or a read) and wait for its finished reply map."""
        ...
