"""The frames of the bridge as data: what stands in docs/BRIDGE.md, in a form that validates and prints its JSON Schema.

Ids are 16 raw bytes in msgpack sessions and UUID text in JSON sessions; the models describe the JSON form. The commands
of a frame are not read by these models but one by one (``protocol.command_book``): a bad one spoils only itself.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, TypeAdapter, ValidationError

from ganggpt.domain.ids import ACTOR_ID_PATTERN
from ganggpt.errors import InvalidInput
from ganggpt.protocol.mistakes import explained

SERVER_NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,30}$"
UUID7_PATTERN = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}$"

ServerName = Annotated[StrictStr, Field(pattern=SERVER_NAME_PATTERN)]
CommandIdText = Annotated[StrictStr, Field(pattern=UUID7_PATTERN)]
ActorIdText = Annotated[StrictStr, Field(pattern=ACTOR_ID_PATTERN)]
PushNo = Annotated[StrictInt, Field(ge=1, le=2**63 - 1)]


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hello(_Frame):
    """First frame of a client: which game server this is, and the session it had before, if any."""

    t: Literal["hello"]
    server: ServerName
    session: Annotated[StrictStr, Field(max_length=64)] | None = None


class CommandOnWire(_Frame):
    """One command. ``by`` is ``player:<name>``; without it the game server itself acts."""

    id: CommandIdText
    to: ActorIdText
    do: StrictStr
    with_: Annotated[dict[str, Any], Field(alias="with")] = {}
    by: ActorIdText | None = None


class Commands(_Frame):
    """Commands in a frame; each gets exactly one reply."""

    t: Literal["commands"]
    c: Annotated[tuple[CommandOnWire, ...], Field(min_length=1, max_length=256)]


class Ack(_Frame):
    """These pushes were shown; they are never sent again."""

    t: Literal["ack"]
    p: Annotated[tuple[PushNo, ...], Field(max_length=1024)]


class Bye(_Frame):
    """The client leaves."""

    t: Literal["bye"]


class LimitsOnWire(_Frame):
    """What a client may send."""

    frame_bytes_max: int
    commands_max: int
    in_flight_max: int
    text_max: int


class Welcome(_Frame):
    """Answer to hello. ``resumed``: the session named in hello was this game server's last one."""

    t: Literal["welcome"]
    session: str
    resumed: bool
    now_ms: int
    limits: LimitsOnWire


class ErrorOnWire(BaseModel):
    """Why something did not happen. ``code`` is the stable word to match on; unknown fields may follow."""

    model_config = ConfigDict(extra="allow", frozen=True)

    code: str
    message: str
    retryable: bool
    retry_after_ms: int | None = None
    reason: str | None = None


class ReplyOk(_Frame):
    """The command was applied. ``seq``: the actor's journal number of that turn."""

    id: CommandIdText
    ok: Literal[True]
    seq: int
    reply: dict[str, Any]


class ReplyError(_Frame):
    """The command was not applied (or, with ``unavailable``: nobody knows; send it again under the same id)."""

    id: CommandIdText | None
    ok: Literal[False]
    error: ErrorOnWire


class Replies(_Frame):
    """Replies in any order. An ``id`` of null answers a command whose id could not be read."""

    t: Literal["replies"]
    r: tuple[ReplyOk | ReplyError, ...]


class Refused(_Frame):
    """None of these commands was taken, all for the same reason. Each counts as answered."""

    t: Literal["refused"]
    ids: Annotated[tuple[CommandIdText, ...], Field(min_length=1, max_length=256)]
    error: ErrorOnWire


class PushOnWire(_Frame):
    """News nobody asked for. ``(epoch, seq)`` order the news of one actor: drop what is older than what was shown."""

    no: PushNo
    epoch: int
    seq: int
    actor: ActorIdText
    type: str
    body: dict[str, Any]


class Pushes(_Frame):
    """Pushes, each to be acked by its ``no``."""

    t: Literal["pushes"]
    p: tuple[PushOnWire, ...]


class FrameError(_Frame):
    """A frame as a whole could not be read."""

    t: Literal["error"]
    error: ErrorOnWire


class ServerBye(_Frame):
    """The server is about to close this connection: connect again after ``retry_after_ms``."""

    t: Literal["bye"]
    reason: str
    retry_after_ms: int


CLIENT_FRAMES: tuple[type[BaseModel], ...] = (Hello, Commands, Ack, Bye)
SERVER_FRAMES: tuple[type[BaseModel], ...] = (Welcome, Replies, Refused, Pushes, FrameError, ServerBye)

_small_frames: TypeAdapter[Hello | Ack | Bye] = TypeAdapter(Annotated[Hello | Ack | Bye, Field(discriminator="t")])


def read_small_frame(frame: dict[str, Any]) -> Hello | Ack | Bye:
    """Validate any client frame but ``commands``. Raises InvalidInput with the path of the first bad field."""
    try:
        return _small_frames.validate_python(frame)
    except ValidationError as problem:
        raise first_problem(problem) from None


def first_problem(problem: ValidationError, prefix: str = "") -> InvalidInput:
    """The first thing pydantic complains about, as the error of the wire: a short path and a short text."""
    first = problem.errors(include_url=False, include_context=False)[0]
    steps = [str(step) for step in first["loc"]]
    field = ".".join([prefix, *steps] if prefix else steps) or "frame"
    return InvalidInput(printable(field, 120), printable(explained(first), 300))


def printable(text: str, length_max: int) -> str:
    """Foreign text made safe to show: cut, with everything unprintable escaped (lone surrogates too)."""
    cut = text[:length_max]
    return cut if cut.isprintable() else cut.encode("unicode_escape").decode("ascii")[:length_max]
