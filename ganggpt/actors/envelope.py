"""A command on its way, and the batches in which commands travel between processes.

A batch is one msgpack array; commands inside stay encoded until the host knows the actor's kind. A reply is a finished
msgpack map (``id``, ``ok``, then ``reply`` or ``error``) that the bridge can splice into a frame without decoding it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ganggpt.domain.turn import Command
from ganggpt.errors import GangGPTError

VIEW: Final = ""
"""The command name of a read: answered with the kind's ``view``, journals nothing."""


class Envelope(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One command with its address. ``by`` is who sent it; ``body`` is the encoded command (nil for a read).

    ``inner`` marks what the runtime itself sends (letters, reminders): such a command is never refused as expired.
    """

    id: bytes
    to: str
    by: str
    name: str
    body: msgspec.Raw
    inner: bool = False


_batch_decoder: Final = msgspec.msgpack.Decoder(list[Envelope])
_replies_decoder: Final = msgspec.msgpack.Decoder(list[bytes])
_encoder: Final = msgspec.msgpack.Encoder()
_NIL: Final = msgspec.Raw(b"\xc0")


def wrap(command_id: bytes, to: str, by: str, command: Command) -> Envelope:
    """Put a command into its envelope."""
    return Envelope(command_id, to, by, command.tag, msgspec.Raw(_encoder.encode(command)))


def wrap_view(command_id: bytes, to: str, by: str) -> Envelope:
    """Ask for an actor's view."""
    return Envelope(command_id, to, by, VIEW, _NIL)


def encode_batch(envelopes: Sequence[Envelope]) -> bytes:
    """One message for a host."""
    return _encoder.encode(envelopes)


def decode_batch(batch: bytes) -> list[Envelope]:
    """The reverse of ``encode_batch``; only for batches of our own processes."""
    return _batch_decoder.decode(batch)


def encode_replies(replies: Sequence[bytes]) -> bytes:
    """All replies of a batch, in its order."""
    return _encoder.encode(replies)


def decode_replies(replies: bytes) -> list[bytes]:
    """The reverse of ``encode_replies``."""
    return _replies_decoder.decode(replies)


def reply_ok(command_id: bytes, seq: int, reply: Mapping[str, Any]) -> bytes:
    """A finished reply map. ``seq`` is the actor's journal number of the turn (for a read: the last one)."""
    return _encoder.encode({"id": command_id, "ok": True, "seq": seq, "reply": reply})


def reply_error(command_id: bytes, error: GangGPTError) -> bytes:
    """A finished error map."""
    return _encoder.encode({"id": command_id, "ok": False, "error": error.as_wire()})


REPLY_HEAD: Final = b"\x83\xa2id\xc4\x10"
"""How a reply map begins: then come the 16 bytes of its id, then its tail."""


def error_tail(error: GangGPTError) -> bytes:
    """What follows the id in an error map: many commands with one fate share one encoding."""
    return _encoder.encode({"ok": False, "error": error.as_wire()})[1:]


_OK_AT: Final = 1 + 3 + 2 + 16 + 3
"""Where a reply map says true or false: after the map header, the key ``id``, 16 raw bytes and the key ``ok``."""
_TRUE: Final = 0xC3


def error_of(reply: bytes) -> dict[str, Any] | None:
    """The error map of a finished reply, or None where it is ok. Looks at one byte before it decodes anything."""
    if reply[_OK_AT] == _TRUE:
        return None
    error: dict[str, Any] = msgspec.msgpack.decode(reply)["error"]
    return error


def outcome_of(reply: bytes) -> str:
    """``ok``, or the error code of a finished reply."""
    error = error_of(reply)
    return "ok" if error is None else error["code"]
