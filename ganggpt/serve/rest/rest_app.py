"""REST under /v1: one command at a time, reads of actors, and an OpenAPI description of every public command.

Arguments are read by the same strict code as on the WebSocket, so both have the same bounds and errors.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import FastAPI, Header, Path, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ganggpt.actors.envelope import wrap
from ganggpt.actors.ports import CommandPort
from ganggpt.domain.ids import CommandId, actor_id, command_id_from_text, command_id_text, new_command_id
from ganggpt.domain.world import World
from ganggpt.errors import GangGPTError, InvalidInput, TooLarge
from ganggpt.observability.metrics import Metrics
from ganggpt.protocol.codec import read_json, reply_as_json, write_json
from ganggpt.protocol.command_book import CommandBook, PublicCommand
from ganggpt.protocol.frames import printable
from ganggpt.protocol.limits import Limits
from ganggpt.serve.auth import acting_player
from ganggpt.serve.new_actors import NewActors
from ganggpt.serve.rest import openapi
from ganggpt.serve.rest.docs_page import add_docs_page
from ganggpt.serve.rest.error_response import error_response
from ganggpt.serve.rest.lists import Lists, add_lists
from ganggpt.serve.rest.people import People, add_people
from ganggpt.serve.rest.streams import EventStream, Listener
from ganggpt.serve.rest.utterance_events import EventId, Follower, StreamEvent, event_id_of
from ganggpt.serve.rest.utterances import Utterances
from ganggpt.serve.rest.views import ReadView, Views, answered

REST_BY: Final = "server:rest"
"""The sender of a command whose caller names none."""

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", description="A UUID of version 7: the id")]
ActingAs = Annotated[
    str | None, Header(alias="X-Acting-As", description="Who acts: a player, such as `player:license:1a2b`")
]
Name = Annotated[str, Path(description="The id of the actor without its kind, such as `mara`")]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", description="The last event that was heard")]
CacheControl = Annotated[str | None, Header(alias="Cache-Control", description="no-cache goes past the cache")]


@dataclass(frozen=True, slots=True)
class Rest:
    """The REST routes, with what they use. ``world``: the world as it is now."""

    port: CommandPort
    book: CommandBook
    views: Views
    limits: Limits
    metrics: Metrics
    world: Callable[[], World]
    utterances: Utterances
    lists: Lists
    new_actors: NewActors

    async def command(
        self, actor: str, name: str, request: Request, key: str | None, acting_as: str | None
    ) -> Response:
        """Run one command; the body is a JSON map of its arguments. A client that accepts events gets a stream."""
        command_id = new_command_id() if key is None else _command_id(key)
        by = REST_BY if acting_as is None else _acting(acting_as)
        headers = {"Idempotency-Key": command_id_text(command_id)}
        if not _accepts_events(request):
            answer = await self._answered(command_id, by, actor, name, request)
            if not answer["ok"]:
                return error_response(answer["error"], headers)
            return Response(write_json(answer), 200, headers, "application/json")
        streams, given = self.utterances.streams, request.headers.get("Last-Event-ID")
        at = EventId(0) if given is None else event_id_of(given)
        streams.admit()
        try:
            answer = await self._answered(command_id, by, actor, name, request)
        except BaseException:
            streams.leave()
            raise
        if not answer["ok"]:
            streams.leave()
            return error_response(answer["error"], headers)
        return EventStream(streams, *_listener(actor, by, answer, at), headers)

    async def _answered(
        self, command_id: CommandId, by: str, actor: str, name: str, request: Request
    ) -> dict[str, Any]:
        """Run a command, count it, and return its answer."""
        public = _addressed(self.book, actor, name)
        body = await read_body(request, self.limits.body_bytes_max)
        arguments = read_json(body, self.limits.body_bytes_max, "body") if body else {}
        envelope = wrap(command_id, actor, by, public.read(arguments, "body"))
        if public.creates:
            self.new_actors.admit(public.kind)
        started_s = asyncio.get_running_loop().time()
        answer = reply_as_json(await answered(self.port, envelope, self.limits.answer_timeout_s))
        outcome = "ok" if answer["ok"] else answer["error"]["code"]
        seconds = asyncio.get_running_loop().time() - started_s
        self.metrics.commands.add(public.kind, public.name, outcome, seconds)
        return answer

    async def view(self, kind: str, name: str, part: str | None, fresh: bool) -> Response:
        """One actor's view, or one field of it."""
        seen = await self.views.read(_actor(kind, name), REST_BY, fresh)
        if not seen.answer["ok"]:
            return error_response(seen.answer["error"])
        reply = seen.answer["reply"]
        shown = reply if part is None else {"id": name, part: reply.get(part, [])}
        return Response(write_json(shown), 200, _freshness([seen]), "application/json")

    async def factions(self, fresh: bool) -> Response:
        """The views of all factions; one that does not answer is left out and counted."""
        seen = await asyncio.gather(
            *(self.views.read(f"faction:{name}", REST_BY, fresh) for name in self.world().factions)
        )
        shown = [one.answer["reply"] for one in seen if one.answer["ok"]]
        body = {"factions": shown, "unanswered": len(seen) - len(shown)}
        return Response(write_json(body), 200, _freshness(seen), "application/json")


def rest_app(rest: Rest) -> FastAPI:
    """The FastAPI application of ``/v1``, ``/docs`` and ``/openapi.json``."""
    app = FastAPI(
        title="GangGPT",
        version="1",
        description="The live backend of an AI-driven GTA V role-play server. Game servers talk to /v1/bridge instead.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=openapi.ERRORS,
    )
    app.add_exception_handler(GangGPTError, _on_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    for public in rest.book:
        _add_typed_route(app, rest, public)
        if public.kind == "npc" and public.name in _NPC_METHODS:
            _add_npc_method(app, rest, public)
    _add_generic_route(app, rest)
    _add_reads(app, rest)
    add_lists(app, rest.lists, _wants_fresh, CacheControl)
    add_people(app, People(rest.world, rest.lists.source, time.time))
    _add_utterances(app, rest)
    add_docs_page(app, "GangGPT")
    openapi.complete(app)
    return app


def _add_typed_route(app: FastAPI, rest: Rest, public: PublicCommand) -> None:
    async def run(name: Name, request: Request, key: IdempotencyKey = None, by: ActingAs = None) -> Response:
        return await rest.command(f"{public.kind}:{name}", public.name, request, key, by)

    app.add_api_route(
        f"/v1/actors/{public.kind}:{{name}}/commands/{public.name}",
        run,
        methods=["POST"],
        responses=openapi.command_responses(public),
        operation_id=f"{public.kind}_{public.name}",
        summary=public.summary,
        description=openapi.command_description(public),
        tags=[f"{public.kind} commands"],
        openapi_extra=openapi.command_body(public),
    )


def _add_generic_route(app: FastAPI, rest: Rest) -> None:
    async def run(
        actor: str, command: str, request: Request, key: IdempotencyKey = None, by: ActingAs = None
    ) -> Response:
        return await rest.command(actor, command, request, key, by)

    app.add_api_route(
        "/v1/actors/{actor}/commands/{command}",
        run,
        methods=["POST"],
        responses=openapi.any_reply(),
        operation_id="command",
        summary="Any command of any actor",
        tags=["commands"],
        openapi_extra=openapi.any_body(),
    )


_NPC_METHODS: Final = {"Revise": "PATCH", "Retire": "DELETE"}
"""The commands to an NPC that REST has methods for."""


def _add_npc_method(app: FastAPI, rest: Rest, public: PublicCommand) -> None:
    async def run(name: Name, request: Request, key: IdempotencyKey = None, by: ActingAs = None) -> Response:
        return await rest.command(_actor("npc", name), public.name, request, key, by)

    app.add_api_route(
        "/v1/npcs/{name}",
        run,
        methods=[_NPC_METHODS[public.name]],
        responses=openapi.command_responses(public),
        operation_id=f"{public.name.lower()}_npc",
        summary=public.summary,
        description=openapi.command_description(public),
        tags=["npc commands"],
        openapi_extra=openapi.command_body(public),
    )


def _add_reads(app: FastAPI, rest: Rest) -> None:
    for kind, plural in (
        ("npc", "npcs"),
        ("faction", "factions"),
        ("companion", "companions"),
        ("mission", "missions"),
        ("player", "players"),
    ):
        _add_read(app, rest, kind, f"/v1/{plural}/{{name}}", None)
    _add_read(app, rest, "npc", "/v1/npcs/{name}/memories", "memories")
    for part in ("ledger", "moves"):
        _add_read(app, rest, "faction", f"/v1/factions/{{name}}/{part}", part)

    async def factions(cache_control: CacheControl = None) -> Response:
        return await rest.factions(_wants_fresh(cache_control))

    app.add_api_route("/v1/factions", factions, operation_id="read_factions", summary="All factions", tags=["reads"])


def _add_read(app: FastAPI, rest: Rest, kind: str, path: str, part: str | None) -> None:
    async def read(name: Name, cache_control: CacheControl = None) -> Response:
        return await rest.view(kind, name, part, _wants_fresh(cache_control))

    app.add_api_route(
        path,
        read,
        operation_id=f"read_{kind}" if part is None else f"read_{kind}_{part}",
        responses=openapi.read_responses(kind, part),
        summary=f"One {kind}" if part is None else f"The {part} of one {kind}",
        tags=["reads"],
    )


def _add_utterances(app: FastAPI, rest: Rest) -> None:
    utterances = rest.utterances

    async def why(utterance: str) -> Response:
        return Response(write_json(await utterances.why(utterance)), 200, None, "application/json")

    async def events(utterance: str, by: ActingAs = None, last: LastEventId = None) -> Response:
        player = None if by is None else _acting(by)
        return await utterances.listen(utterance, player, None if last is None else event_id_of(last))

    path = "/v1/utterances/{utterance}"
    app.add_api_route(path, why, operation_id="why", summary="Why did she say that", tags=["utterances"])
    app.add_api_route(
        f"{path}/events",
        events,
        operation_id="listen",
        summary="What is being said, as server-sent events; go on after Last-Event-ID",
        tags=["utterances"],
        responses={
            200: {"description": "The events", "content": dict(openapi.EVENTS)},
            204: {"description": "All of it was heard"},
        },
    )


def _listener(actor: str, by: str, answer: Mapping[str, Any], at: EventId) -> tuple[Listener, list[StreamEvent]]:
    """The listener to the answer to a command, and the events that are known at once."""
    seq, reply = answer["seq"], answer["reply"]
    follower = Follower(actor, by, reply.get("utterance"), seq, at)
    first = [StreamEvent(EventId(seq), "reply", answer)]
    if not reply.get("more"):
        follower.ended = "said"
        first.append(follower.end(EventId(seq, 1)))
    return Listener(follower, player=by.startswith("player:")), [event for event in first if event.id > at]


def _accepts_events(request: Request) -> bool:
    wanted = request.headers.get("Accept", "").split(",")
    return any(kind.partition(";")[0].strip().lower() == "text/event-stream" for kind in wanted)


async def read_body(request: Request, bytes_max: int) -> bytes:
    """Read the whole body. Raises TooLarge as soon as it is known to be over the limit."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and len(declared) < 19 and int(declared) > bytes_max:
        raise TooLarge("body", int(declared), bytes_max)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > bytes_max:
            raise TooLarge("body", len(body), bytes_max)
    return bytes(body)


def _freshness(seen: Sequence[ReadView]) -> dict[str, str]:
    """Headers that say how old the oldest part of a response is, and whether any part is stale."""
    oldest = {"Age": str(int(max(one.age_s for one in seen)))}
    return {**oldest, "X-Stale": "true"} if any(one.stale for one in seen) else oldest


def _command_id(key: str) -> CommandId:
    try:
        return command_id_from_text(key)
    except InvalidInput as error:
        raise InvalidInput("Idempotency-Key", printable(error.problem, 200)) from None


def _acting(by: str) -> str:
    try:
        return acting_player(by)
    except InvalidInput as error:
        raise InvalidInput("X-Acting-As", error.problem) from None


def _actor(kind: str, name: str) -> str:
    try:
        return actor_id(f"{kind}:{name}")
    except InvalidInput:
        raise InvalidInput("id", f"{printable(name, 80)!r} is not the name of a {kind}") from None


def _addressed(book: CommandBook, actor: str, name: str) -> PublicCommand:
    try:
        return book.find(actor, name)
    except InvalidInput as error:
        raise InvalidInput("actor", printable(error.problem, 200)) from None


def _wants_fresh(cache_control: str | None) -> bool:
    return cache_control is not None and "no-cache" in cache_control


async def _on_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, GangGPTError)
    return error_response(error.as_wire())


async def _on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "invalid_input")
    return error_response({"code": code, "message": str(error.detail), "retryable": False}, error.headers)


async def _on_invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first: Mapping[str, Any] = next(iter(_mappings(error.errors())), {})
    field = ".".join(str(step) for step in first.get("loc", ("request",)))
    unknown = first.get("type") == "extra_forbidden"
    problem = "there is no such parameter" if unknown else printable(str(first.get("msg")), 200)
    return error_response(InvalidInput(printable(field, 120), problem).as_wire())


def _mappings(items: Iterable[Any]) -> Iterable[Mapping[str, Any]]:
    return (item for item in items if isinstance(item, Mapping))
