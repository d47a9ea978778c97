"""Names of actors and ids of commands.

An actor id is ``kind:name`` in lower case. A command id is a UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then
version, variant and 74 bits that make it unique. Its time bounds how long an actor has to remember it.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import uuid
from typing import Final, NewType

from ganggpt.errors import InvalidInput

ActorId = NewType("ActorId", str)
CommandId = NewType("CommandId", bytes)
"""The 16 bytes of a UUIDv7."""

ID_BYTES: Final = 16
WORLD: Final = "world"
"""The sender of what the world itself asks of actors: its cast is born, its files were changed."""
ACTOR_ID_LENGTH_MAX: Final = 74
"""The longest kind, the colon and 63 more."""
KIND_NAMES: Final = ("npc", "faction", "companion", "player", "mission")
ACTOR_ID_PATTERN: Final = r"^(npc|faction|companion|player|mission):[a-z0-9][a-z0-9_-]{0,62}$"
_ACTOR_ID = re.compile(ACTOR_ID_PATTERN.removesuffix("$") + r"\Z")


def actor_id(text: str) -> ActorId:
    """Check and return an actor id. Raises InvalidInput."""
    if not _ACTOR_ID.match(text):
        raise InvalidInput("actor", f"{text[:80]!r} is not kind:name with kind one of {', '.join(KIND_NAMES)}")
    return ActorId(text)


def kind_of(actor: str) -> str:
    """The part before the colon."""
    return actor[: actor.index(":")]


def name_of(actor: str) -> str:
    """The part after the colon."""
    return actor[actor.index(":") + 1 :]


def new_command_id(now_s: float | None = None) -> CommandId:
    """A fresh UUIDv7 for a border that makes commands itself (REST, tools, tests); not for use inside domain rules."""
    ms = int((time.time() if now_s is None else now_s) * 1000)
    return _uuid7(ms, os.urandom(10))


def derived_command_id(at_s: float, *parts: object) -> CommandId:
    """The id of a command that follows from a fact, so that making it twice makes the same id.

    Used for messages ``(actor, seq, n)`` and reminders ``(actor, name, due)``. ``at_s`` is the fact's own time.
    """
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=10).digest()
    return _uuid7(int(at_s * 1000), digest)


def command_id_from_text(text: str) -> CommandId:
    """Parse the canonical text of a UUIDv7. Raises InvalidInput."""
    try:
        raw = uuid.UUID(text).bytes
    except ValueError:
        raise InvalidInput("id", f"{text[:40]!r} is not a UUID") from None
    return checked_command_id(raw)


def checked_command_id(raw: bytes) -> CommandId:
    """Check 16 bytes to be a UUIDv7. Raises InvalidInput."""
    if len(raw) != ID_BYTES or raw[6] >> 4 != 7 or raw[8] >> 6 != 0b10:
        raise InvalidInput("id", "a command id is a UUID of version 7 (it carries its time)")
    return CommandId(raw)


def command_id_text(command_id: bytes) -> str:
    """The canonical text of an id."""
    return str(uuid.UUID(bytes=command_id))


def command_id_time_s(command_id: bytes) -> float:
    """The Unix time in seconds that a command id carries."""
    return int.from_bytes(command_id[:6], "big") / 1000


def _uuid7(ms: int, entropy: bytes) -> CommandId:
    raw = bytearray(ms.to_bytes(6, "big") + entropy)
    raw[6] = 0x70 | raw[6] & 0x0F
    raw[8] = 0x80 | raw[8] & 0x3F
    return CommandId(bytes(raw))
