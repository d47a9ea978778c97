"""The frames of the bridge as a client sees them, after docs/BRIDGE.md and without code of the server.

Both sub-protocols: ``ganggpt.v1.msgpack`` (bytes, ids raw) and ``ganggpt.v1.json`` (text, ids as UUID text).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from ganggpt.domain.ids import CommandId, command_id_text

MSGPACK: Final = "ganggpt.v1.msgpack"
JSON: Final = "ganggpt.v1.json"


class WireError(msgspec.Struct, frozen=True):
    """Why a command or a frame failed."""

    code: str
    message: str
    retryable: bool
    retry_after_ms: int | None = None
    reason: str | None = None


class WelcomeLimits(msgspec.Struct, frozen=True):
    """The limits of this connection, as the bridge announces them."""

    frame_bytes_max: int
    commands_max: int
    in_flight_max: int
    text_max: int


class Push(msgspec.Struct, frozen=True):
    """An event that the bridge pushes to the game server."""

    no: int
    epoch: int
    seq: int
    actor: str
    type: str
    body: Mapping[str, Any]


class Reply(msgspec.Struct, frozen=True):
    """The reply to one command; ``error`` is None exactly where ``ok``. ``id`` None: its id could not be read."""

    id: UUID | None
    ok: bool
    seq: int = 0
    reply: Mapping[str, Any] = {}
    error: WireError | None = None


class Welcome(msgspec.Struct, frozen=True, tag_field="t", tag="welcome"):
    """The answer to hello. ``now_ms``: the bridge's Unix time in milliseconds."""

    session: str
    resumed: bool
    now_ms: int
    limits: WelcomeLimits


class Replies(msgspec.Struct, frozen=True, tag_field="t", tag="replies"):
    """Replies, in any order."""

    r: list[Reply]


class Refused(msgspec.Struct, frozen=True, tag_field="t", tag="refused"):
    """Commands that were not taken, all for one reason."""

    ids: list[UUID]
    error: WireError


class Pushes(msgspec.Struct, frozen=True, tag_field="t", tag="pushes"):
    """Pushes, ordered by ``no`` for each actor."""

    p: list[Push]


class FrameError(msgspec.Struct, frozen=True, tag_field="t", tag="error"):
    """A frame of the client could not be read."""

    error: WireError


class Bye(msgspec.Struct, frozen=True, tag_field="t", tag="bye"):
    """The bridge is about to close."""

    reason: str
    retry_after_ms: int | None = None


FromBridge = Welcome | Replies | Refused | Pushes | FrameError | Bye


class WireCommand(msgspec.Struct, frozen=True):
    """One command of a game mode. ``id`` None: a new one is made; give one to send an old command again."""

    to: str
    do: str
    arguments: Mapping[str, Any] = {}
    by: str | None = None
    id: CommandId | None = None


class Wire:
    """One sub-protocol: frames to bytes or text and back. Raises msgspec.DecodeError for a frame it cannot read."""

    def __init__(self, subprotocol: str) -> None:
        self._binary = subprotocol == MSGPACK
        if self._binary:
            self._encoder: Any = msgspec.msgpack.Encoder()
            self._decoder: Any = msgspec.msgpack.Decoder(FromBridge)
        else:
            self._encoder = msgspec.json.Encoder()
            self._decoder = msgspec.json.Decoder(FromBridge)

    def command(self, command_id: CommandId, command: WireCommand) -> msgspec.Raw:
        """Encode one command, to be used in a frame as often as needed."""
        wire_id = command_id if self._binary else command_id_text(command_id)
        parts = {"id": wire_id, "to": command.to, "do": command.do, "with": command.arguments}
        if command.by is not None:
            parts["by"] = command.by
        return msgspec.Raw(self._encoder.encode(parts))

    def hello(self, server: str, session: str | None) -> bytes | str:
        """Encode the first frame."""
        return self._frame({"t": "hello", "server": server, "session": session})

    def commands(self, encoded: Sequence[msgspec.Raw]) -> bytes | str:
        """Encode a frame of commands."""
        return self._frame({"t": "commands", "c": encoded})

    def ack(self, numbers: Sequence[int]) -> bytes | str:
        """Encode the acknowledgement of pushes."""
        return self._frame({"t": "ack", "p": numbers})

    def bye(self) -> bytes | str:
        """Encode a bye."""
        return self._frame({"t": "bye"})

    def read(self, data: bytes | str) -> FromBridge:
        """Decode one frame of the bridge."""
        frame: FromBridge = self._decoder.decode(data)
        return frame

    def _frame(self, frame: Mapping[str, Any]) -> bytes | str:
        data: bytes = self._encoder.encode(frame)
        return data if self._binary else data.decode()
