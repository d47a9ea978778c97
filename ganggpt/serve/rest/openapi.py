"""The description of the REST border: typed replies and reads, errors by status, examples, the token, and the pushes.

Pushes stand among the ``webhooks``: they do not come by HTTP but over the WebSocket (docs/BRIDGE.md), in this shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import FastAPI
from pydantic import BaseModel

from ganggpt.domain.kinds import KINDS
from ganggpt.domain.push_bodies import PUSHES
from ganggpt.protocol.command_book import PublicCommand
from ganggpt.protocol.examples import EXAMPLES
from ganggpt.protocol.frames import ErrorOnWire, PushOnWire
from ganggpt.protocol.shapes import schema_of
from ganggpt.serve.rest.error_response import STATUS

JSON: Final = "application/json"
SCHEME: Final = "token"
_ID: Final = {"type": "string", "format": "uuid", "description": "The command's id: that of `Idempotency-Key`"}
_SEQ: Final = {"type": "integer", "description": "The actor's journal number of that turn"}
_IDS: Final = {"Idempotency-Key": {"description": "The command's id", "schema": {"type": "string", "format": "uuid"}}}
_AGES: Final = {
    "Age": {"description": "How many seconds old it is", "schema": {"type": "integer"}},
    "X-Stale": {"description": "true: the actor does not answer", "schema": {"type": "string"}},
}
EVENTS: Final[Mapping[str, Any]] = {"text/event-stream": {"schema": {"type": "string"}}}
_STREAM: Final = "; with `Accept: text/event-stream` the events reply, says, act, said, hush and done"


class ErrorBody(BaseModel):
    """Every answer that is not 2xx."""

    error: ErrorOnWire


def _codes_of(status: int) -> str:
    return ", ".join(f"`{code}`" for code, given in STATUS.items() if given == status)


Responses = dict[int | str, dict[str, Any]]

ERRORS: Final[Responses] = {
    **{status: {"model": ErrorBody, "description": _codes_of(status)} for status in sorted(set(STATUS.values()))},
    "default": {"model": ErrorBody, "description": "An error of the program"},
}
"""The error responses that every route may give, by status."""


def command_responses(public: PublicCommand) -> Responses:
    """The responses to one command: its typed reply, and what it may be refused for."""
    reply = public.cls.reply
    body = _object({"id": _ID, "ok": {"const": True}, "seq": _SEQ, "reply": {} if reply is None else schema_of(reply)})
    content = {JSON: {"schema": body}, **(EVENTS if public.name == "Talk" else {})}
    said = "The reply" + (_STREAM if public.name == "Talk" else "")
    refused = f"{_codes_of(409)}; reasons of a refusal: {', '.join(public.cls.refuses) or 'none'}"
    return {
        200: {"description": said, "content": content, "headers": _IDS},
        409: {"model": ErrorBody, "description": refused},
    }


def any_reply() -> Responses:
    """The response to a command whose shape is only known at the time."""
    body = _object({"id": _ID, "ok": {"const": True}, "seq": _SEQ, "reply": {"type": "object"}})
    return {200: {"description": "The reply", "content": {JSON: {"schema": body}}, "headers": _IDS}}


def read_responses(kind: str, part: str | None) -> Responses:
    """The response to a read of one actor, or of one part of what it shows."""
    shown = schema_of(KINDS[kind].shows)
    if part is not None:
        shown = _object({"id": {"type": "string"}, part: shown["properties"][part]})
    return {200: {"description": f"The {part or kind}", "content": {JSON: {"schema": shown}}, "headers": _AGES}}


def command_description(public: PublicCommand) -> str:
    """What a command is about, who may send it, and why it may be refused."""
    return f"{public.description}\n\nMay send it (`X-Acting-As`): {public.cls.senders.value}."


def command_body(public: PublicCommand) -> dict[str, Any]:
    """The request body of one command, with its example."""
    schema = public.json_schema()
    content: dict[str, Any] = {"schema": schema}
    example = next((one for one in EXAMPLES if one.do == public.name and one.to.startswith(f"{public.kind}:")), None)
    if example is not None:
        content["example"] = dict(example.arguments)
    return {"requestBody": {"required": bool(schema.get("required")), "content": {JSON: content}}}


def any_body() -> dict[str, Any]:
    """The request body of a command whose shape is only known at the time."""
    return {"requestBody": {"required": False, "content": {JSON: {"schema": {"type": "object"}}}}}


def complete(app: FastAPI) -> None:
    """Let the description of an application say what routes cannot: the token, and the pushes."""
    made: Callable[[], dict[str, Any]] = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = made()
            scheme = {"type": "http", "scheme": "bearer", "description": "The token of the bridge (GANGGPT_TOKEN)"}
            schema["components"]["securitySchemes"] = {SCHEME: scheme}
            schema["security"] = [{SCHEME: []}]
            schema["webhooks"] = {name: _webhook(name) for name in PUSHES}
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _webhook(name: str) -> dict[str, Any]:
    push = PUSHES[name]
    frame = schema_of(PushOnWire)
    fields = {**frame["properties"], "type": {"const": name}, "body": schema_of(push.body)}
    return {
        "post": {
            "operationId": name.replace(".", "_"),
            "summary": push.when.replace("`", ""),
            "description": "Comes over the WebSocket, in a frame of pushes; ack it by `no`.",
            "tags": ["pushes"],
            "requestBody": {"required": True, "content": {JSON: {"schema": _object(fields)}}},
            "responses": {"default": {"description": "The WebSocket acks it"}},
        }
    }


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(properties)}
