"""Putting a bridge replica together from what it stands on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from ganggpt.actors.ports import CommandPort
from ganggpt.domain.world import World
from ganggpt.observability.metrics import Metrics
from ganggpt.protocol.commands import CommandBook
from ganggpt.protocol.limits import Limits
from ganggpt.serve.asgi import Authenticated, BridgeApp
from ganggpt.serve.auth import BearerToken
from ganggpt.serve.forward import Forwarded
from ganggpt.serve.health import Health, Probe
from ganggpt.serve.rest.routes import Rest, rest_app
from ganggpt.serve.rest.streams import Streams, TurnSource
from ganggpt.serve.rest.utterances import Utterances
from ganggpt.serve.rest.views import ViewCache, Views
from ganggpt.serve.websocket.bridge import BridgeSocket
from ganggpt.serve.websocket.pushes import PushStore
from ganggpt.serve.websocket.sessions import Sessions


@dataclass(frozen=True, slots=True)
class BridgeParts:
    """What a bridge needs from the outside.

    ``probes``: one for each of database, redis, ai, memory, disk. ``turns``: the journal.
    ``view_ttl_s``: how old an answer to a read may be. ``forwarded``: where other clusters of this world send commands.
    """

    port: CommandPort
    pushes: PushStore
    turns: TurnSource
    cache: ViewCache
    book: CommandBook
    token: SecretStr
    probes: Mapping[str, Probe]
    world: World
    metrics: Metrics
    limits: Limits = field(default_factory=Limits)
    view_ttl_s: int = 2
    forwarded: Forwarded | None = None


def bridge_app(parts: BridgeParts, close: Callable[[], Awaitable[None]]) -> BridgeApp:
    """The ASGI application of one replica; ``close`` is called once at its end, after the sessions were let go."""
    limits, metrics = parts.limits, parts.metrics
    token = BearerToken(parts.token)
    sessions = Sessions(parts.cache, limits, metrics)
    socket = BridgeSocket(parts.port, parts.pushes, parts.book, sessions, token, limits, metrics)
    views = Views(parts.port, parts.cache, metrics, parts.view_ttl_s, limits.answer_timeout_s)
    streams = Streams(parts.turns, parts.port, views, parts.cache, limits, metrics)
    utterances = Utterances(streams, parts.world)
    rest = rest_app(Rest(parts.port, parts.book, views, limits, metrics, tuple(parts.world.factions), utterances))
    health = Health(parts.probes, metrics, lambda: sessions.draining)
    authenticated = Authenticated(rest, token, parts.forwarded)
    return BridgeApp(socket, authenticated, health, sessions, streams, metrics, close)
