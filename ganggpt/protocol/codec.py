"""Bytes to frames and back, for both sub-protocols. Bad input raises a GangGPTError and nothing else.

Decoded arrays are tuples in both codecs, so that commands are validated strictly and in the same way. Replies are
finished msgpack maps: a msgpack session gets them spliced into a frame, a JSON session gets them converted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import msgpack
import msgspec

from ganggpt.domain.ids import CommandId, checked_command_id, command_id_from_text, command_id_text
from ganggpt.errors import InvalidInput, TooLarge
from ganggpt.protocol.frames import printable

_encode_msgpack: Final = msgspec.msgpack.Encoder().encode
_decode_msgpack: Final = msgspec.msgpack.Decoder().decode
_encode_json: Final = msgspec.json.Encoder().encode
_decode_json: Final = msgspec.json.Decoder().decode
_REPLIES: Final = b"\x82\xa1t\xa7replies\xa1r"
_PUSHES: Final = b"\x82\xa1t\xa6pushes\xa1p"
JSON_DEPTH_MAX: Final = 64


class Head(msgspec.Struct, frozen=True, gc=False):
    """The address of a command."""

    id: bytes
    to: str


class _Heads(msgspec.Struct, frozen=True, gc=False):
    t: Literal["commands"]
    c: list[Head]


_decode_heads: Final = msgspec.msgpack.Decoder(_Heads).decode


class Codec(Protocol):
    """One sub-protocol. ``message_key`` is where ASGI puts its payloads (``bytes`` or ``text``)."""

    subprotocol: str
    message_key: str

    def decode(self, data: bytes | str, bytes_max: int) -> dict[str, Any]:
        """The frame in ``data``, a map with a text under ``t``. Raises InvalidInput or TooLarge."""
        ...

    def heads(self, data: bytes | str) -> Sequence[Head] | None:
        """Only the id and actor of each command of a frame, read quickly; None where the frame is of another kind or
        invalid, or where this sub-protocol cannot do that."""
        ...

    def encode(self, frame: Mapping[str, Any]) -> bytes | str:
        """Encode a frame of the server."""
        ...

    def replies(self, finished: Sequence[bytes]) -> bytes | str:
        """A ``replies`` frame out of finished msgpack reply maps."""
        ...

    def pushes(self, finished: Sequence[bytes]) -> bytes | str:
        """A ``pushes`` frame out of finished msgpack push maps."""
        ...

    def command_id(self, raw: object) -> CommandId:
        """The id of a command as this sub-protocol writes it. Raises InvalidInput."""
        ...


class MsgpackCodec:
    """``ganggpt.v1.msgpack``: binary frames, ids as 16 raw bytes."""

    subprotocol = "ganggpt.v1.msgpack"
    message_key = "bytes"

    def decode(self, data: bytes | str, bytes_max: int) -> dict[str, Any]:
        if isinstance(data, str):
            raise InvalidInput("frame", "a session of ganggpt.v1.msgpack takes binary frames")
        if len(data) > bytes_max:
            raise TooLarge("frame", len(data), bytes_max)
        try:
            # The library bounds every length by len(data) and the nesting by its own stack.
            frame = msgpack.unpackb(data, use_list=False, raw=False, strict_map_key=True, max_ext_len=0)
        except (ValueError, TypeError, OverflowError) as problem:
            raise InvalidInput("frame", f"not msgpack: {_why(problem)}") from None
        return _checked(frame)

    def heads(self, data: bytes | str) -> Sequence[Head] | None:
        if isinstance(data, str):
            return None
        try:
            return _decode_heads(data).c
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None

    def encode(self, frame: Mapping[str, Any]) -> bytes:
        return _encode_msgpack(frame)

    def replies(self, finished: Sequence[bytes]) -> bytes:
        return b"".join((_REPLIES, array_header(len(finished)), *finished))

    def pushes(self, finished: Sequence[bytes]) -> bytes:
        return b"".join((_PUSHES, array_header(len(finished)), *finished))

    def command_id(self, raw: object) -> CommandId:
        if type(raw) is not bytes:
            raise InvalidInput("id", "an id is 16 bytes (a UUID of version 7)")
        return checked_command_id(raw)


class JsonCodec:
    """``ganggpt.v1.json``: text frames, ids as UUID text."""

    subprotocol = "ganggpt.v1.json"
    message_key = "text"

    def decode(self, data: bytes | str, bytes_max: int) -> dict[str, Any]:
        if isinstance(data, bytes):
            raise InvalidInput("frame", "a session of ganggpt.v1.json takes text frames")
        return _checked(read_json(data, bytes_max))

    def heads(self, data: bytes | str) -> Sequence[Head] | None:  # noqa: ARG002 - the port's
        return None

    def encode(self, frame: Mapping[str, Any]) -> str:
        return _encode_json(frame).decode()

    def replies(self, finished: Sequence[bytes]) -> str:
        return self.encode({"t": "replies", "r": [reply_as_json(reply) for reply in finished]})

    def pushes(self, finished: Sequence[bytes]) -> str:
        return self.encode({"t": "pushes", "p": [_decode_msgpack(push) for push in finished]})

    def command_id(self, raw: object) -> CommandId:
        if type(raw) is not str:
            raise InvalidInput("id", "an id is the text of a UUID of version 7")
        return command_id_from_text(raw)


CODECS: Final[Mapping[str, Codec]] = {codec.subprotocol: codec for codec in (MsgpackCodec(), JsonCodec())}


def read_json(data: bytes | str, bytes_max: int, what: str = "frame") -> Any:
    """One JSON value, arrays as tuples. Raises InvalidInput (NaN and lone surrogates are not JSON) or TooLarge."""
    if len(data) > bytes_max:
        raise TooLarge(what, len(data), bytes_max)
    try:
        return _tupled(_decode_json(data), JSON_DEPTH_MAX)
    except (ValueError, RecursionError, msgspec.DecodeError) as problem:
        raise InvalidInput(what, f"not JSON: {_why(problem)}") from None


def reply_as_json(finished: bytes) -> dict[str, Any]:
    """Decode a finished reply map, with its id as text."""
    reply: dict[str, Any] = _decode_msgpack(finished)
    if reply["id"] is not None:
        reply["id"] = command_id_text(reply["id"])
    return reply


def write_json(value: Any) -> bytes:
    """Encode plain data as JSON."""
    return _encode_json(value)


def array_header(length: int) -> bytes:
    """The msgpack header of an array."""
    if length < 16:
        return bytes((0x90 | length,))
    if length < 65_536:
        return b"\xdc" + length.to_bytes(2, "big")
    return b"\xdd" + length.to_bytes(4, "big")


def _checked(frame: object) -> dict[str, Any]:
    if type(frame) is not dict:
        raise InvalidInput("frame", "a frame is a map")
    if type(frame.get("t")) is not str:
        raise InvalidInput("t", "a frame says in the field t what it is")
    return frame


def _tupled(value: Any, depth: int) -> Any:
    if depth == 0:
        raise ValueError("nested too deeply")
    if type(value) is list:
        return tuple([_tupled(item, depth - 1) for item in value])
    if type(value) is dict:
        return {key: _tupled(item, depth - 1) for key, item in value.items()}
    return value


def _why(problem: BaseException) -> str:
    return printable(str(problem) or type(problem).__name__, 200)
