"""The ports of the runtime: commands to all actors, and the language model of a host."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from ganggpt.actors.envelope import Envelope
from ganggpt.actors.overload import OverloadReply
from ganggpt.domain.ids import ActorId
from ganggpt.domain.mind.memory_record import Embedding
from ganggpt.domain.turn import MODEL_WAIT_S, Command, ModelRequest
from ganggpt.domain.world import World
from ganggpt.errors import Unavailable

ReplySink = Callable[[bytes, bytes], None]
"""Called once for each command with (command id, finished reply map); must not block or raise."""


REST_SOURCE: Final = "rest"
"""The one source of all REST requests."""

CLUSTER_SOURCE: Final = "cluster"
"""The one source of everything that other clusters forward."""


class ModelPort(Protocol):
    """The access of a host to language models."""

    @property
    def is_on(self) -> bool:
        """Whether a request made now would go to a model. Cheap: it is read in every turn."""
        ...

    @property
    def wait_s(self) -> float:
        """Longest wait for an answer that somebody waits for, in seconds."""
        ...

    @property
    def embeds(self) -> bool:
        """Whether texts given to ``embed`` now would get embeddings. Cheap, like ``is_on``."""
        ...

    def answer(self, actor: ActorId, request: ModelRequest) -> AsyncGenerator[Command, Mapping[str, Any] | None]:
        """The answer of the model, as commands to the actor in their order; each is answered with the reply of the
        actor. Closing the generator ends the request. Raises GangGPTError where the answer does not come or stops."""
        ...

    async def embed(self, texts: Sequence[str], owners: Sequence[str | None]) -> Sequence[Embedding]:
        """Embeddings of texts that minds learned, in their order. ``owners``: the players whose texts they are. Raises
        Unavailable."""
        ...

    async def embedding(self, text: str, player: str, actor: str) -> Embedding | None:
        """The embedding of a question a player put to an actor; None where it does not come very soon."""
        ...

    def use_world(self, world: World) -> None:
        """Speak of the world as it was loaded anew from now on."""
        ...


class NoModel:
    """A world without a model."""

    is_on = False
    wait_s = MODEL_WAIT_S
    embeds = False

    async def answer(self, actor: ActorId, request: ModelRequest) -> AsyncGenerator[Command, Mapping[str, Any] | None]:
        """Raises Unavailable."""
        raise Unavailable("a language model", f"{actor} asked for {request.name}")
        yield

    async def embed(self, texts: Sequence[str], owners: Sequence[str | None]) -> Sequence[Embedding]:  # noqa: ARG002
        """Raises Unavailable."""
        raise Unavailable("an embedding model")

    async def embedding(self, text: str, player: str, actor: str) -> Embedding | None:  # noqa: ARG002
        """None."""
        return None

    def use_world(self, world: World) -> None:
        """Nothing."""


class Gate(Protocol):
    """The admission of the commands of one frame, each decided once and before it is read. An admitted command has its
    place from then on: ``CommandPort.submit`` uses it."""

    def admit(self, actor: str) -> OverloadReply | None:
        """Take a place for one command to this actor, or say why there is none."""
        ...

    def use(self, actor: str) -> bool:
        """Use a place for a command to this actor; False where none was taken."""
        ...

    def close(self) -> None:
        """Give back every place that was not used."""
        ...


class CommandPort(Protocol):
    """The access to all actors. The router is the one real implementation."""

    def gate(self, source: str) -> Gate | None:
        """A gate for the commands of one frame, which decides before they are read; None while every command is
        admitted. Must be closed in the same turn of the loop."""
        ...

    def submit(
        self, envelopes: Sequence[Envelope], sink: ReplySink, source: str = "", gate: Gate | None = None
    ) -> None:
        """Send commands. ``sink`` is called exactly once for every envelope, in any order, at the latest after the
        command deadline (then with ``unavailable``). A command that cannot be served soon is answered ``overloaded``.
        Sources (game servers) share the capacity fairly. Commands that ``gate`` admitted are not decided again. Must
        be called on the event loop."""
        ...

    async def ask(self, envelope: Envelope, source: str = "") -> bytes:
        """Send one command (or a read) and wait for its finished reply map."""
        ...
