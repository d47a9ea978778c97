"""Builds the application of a bridge replica from its ports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from ganggpt.actors.ports import CommandPort
from ganggpt.domain.world import World
from ganggpt.observability.metrics import Metrics
from ganggpt.persistence.ports.listed import WorldLists
from ganggpt.protocol.command_book import CommandBook
from ganggpt.protocol.limits import Limits
from ganggpt.serve.asgi import Authenticated, BridgeApp, Observed
from ganggpt.serve.auth import BearerToken
from ganggpt.serve.forward_endpoint import Forwarded
from ganggpt.serve.health import Health, Probe
from ganggpt.serve.metrics.world_metrics import WorldMetrics
from ganggpt.serve.present_names import NamesCompared, PresentNames
from ganggpt.serve.request_bodies import RequestBodies
from ganggpt.serve.rest.lists import lists
from ganggpt.serve.rest.rest_app import Rest, rest_app
from ganggpt.serve.rest.streams import Streams, TurnSource
from ganggpt.serve.rest.utterances import Utterances
from ganggpt.serve.rest.views import ViewCache, Views
from ganggpt.serve.websocket.bridge_socket import BridgeSocket
from ganggpt.serve.websocket.push_pump import PushStore
from ganggpt.serve.websocket.sessions import Sessions


@dataclass(frozen=True, slots=True)
class BridgePorts:
    """What a bridge needs from the outside.

    ``probes``: one for each of database, redis, ai, memory, disk. ``turns``: the journal.
    ``view_ttl_s``: how old an answer to a read may be. ``forwarded``: where other clusters of this world send commands.
    ``world_metrics``: what /metrics shows, by default ``metrics`` of this process alone. ``names``: who is there, to
    compare names of players who join; its owner keeps it up to date. ``world_now``: the world as it was loaded last;
    without it, ``world`` for ever.
    """

    port: CommandPort
    pushes: PushStore
    turns: TurnSource
    lists: WorldLists
    cache: ViewCache
    book: CommandBook
    token: SecretStr
    probes: Mapping[str, Probe]
    world: World
    metrics: Metrics
    limits: Limits = field(default_factory=Limits)
    view_ttl_s: int = 2
    forwarded: Forwarded | None = None
    world_metrics: WorldMetrics | None = None
    names: PresentNames | None = None
    world_now: Callable[[], World] | None = None


def bridge_app(ports: BridgePorts, close: Callable[[], Awaitable[None]]) -> BridgeApp:
    """The ASGI application of one replica. ``close`` is called once at its end, after all sessions were closed."""
    limits, metrics = ports.limits, ports.metrics
    token = BearerToken(ports.token)
    port = ports.port if ports.names is None else NamesCompared(ports.port, ports.names)
    sessions = Sessions(ports.cache, limits, metrics)
    socket = BridgeSocket(port, ports.pushes, ports.book, sessions, token, limits, metrics)
    views = Views(ports.port, ports.cache, metrics, ports.view_ttl_s, limits.answer_timeout_s)
    streams = Streams(ports.turns, ports.port, views, ports.cache, limits, metrics)
    world = ports.world_now or (lambda: ports.world)
    utterances = Utterances(streams, world)
    pages = lists(ports.lists, ports.cache, ports.view_ttl_s)
    rest = rest_app(
        Rest(
            port,
            ports.book,
            views,
            limits,
            metrics,
            world,
            utterances,
            pages,
            sessions.traffic.new_actors,
        )
    )
    health = Health(ports.probes, metrics, lambda: sessions.draining)
    authenticated = Authenticated(rest, token, ports.forwarded)
    bounded = RequestBodies(authenticated, limits)
    world_metrics = ports.world_metrics
    scrape = _own_metrics(metrics) if world_metrics is None else world_metrics.exposition
    return BridgeApp(socket, bounded, Observed(health, metrics, scrape), sessions, streams, close)


def _own_metrics(metrics: Metrics) -> Callable[[], Awaitable[bytes]]:
    async def scrape() -> bytes:
        return metrics.exposition()

    return scrape
