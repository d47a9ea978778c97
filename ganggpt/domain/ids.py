"""Names of actors and ids of commands.

An actor id is ``kind:name``. The name of a player is whatever the game calls them by: ``license:1a2b…``,
``steam:110000…``, ``char1:…``, a citizen id, a serial of 128 hexadecimal digits. It is compared letter by letter and
never changed, so what a game sends is what it gets back; its characters need no escape in a path, a key or a file name.
All other names are ours or of the world files, in lower case.

A command id is a UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then version, variant and 74 bits that make it
unique. Its time bounds how long an actor has to remember it.
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
KIND_NAMES: Final = ("npc", "faction", "companion", "player", "mission")
PLAYER_NAME_LENGTH_MAX: Final = 128
ACTOR_ID_LENGTH_MAX: Final = len("player:") + PLAYER_NAME_LENGTH_MAX
SLUG_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""The name of an actor that is no player, and of what the world sheet names."""
PLAYER_NAME_PATTERN: Final = r"^[A-Za-z0-9]([A-Za-z0-9:._@+=~-]{0,126}[A-Za-z0-9._@+=~-])?$"
ACTOR_ID_PATTERN: Final = (
    rf"^((npc|faction|companion|mission):{SLUG_PATTERN[1:-1]}|player:{PLAYER_NAME_PATTERN[1:-1]})$"
)
PLAYER_ID_END: Final = r"(?![A-Za-z0-9_-]|[:.@+=~]+[A-Za-z0-9_-])"
"""A regular expression for the place after a player's id in a text, so that it is not the beginning of a longer id."""
_ACTOR_ID: Final = re.compile(ACTOR_ID_PATTERN.removesuffix("$") + r"\Z")
_TWICE: Final = tuple(f"player:{kind}:" for kind in (*KIND_NAMES, "server"))
"""How an id begins that has a kind of ours as the beginning of a player's name: nearly always a prefix put twice."""


def is_actor_id(text: str) -> bool:
    """Whether a text is the id of an actor."""
    return _ACTOR_ID.match(text) is not None and not text.startswith(_TWICE)


def actor_id(text: str) -> ActorId:
    """Check and return an actor id. Raises InvalidInput."""
    if not is_actor_id(text):
        raise InvalidInput("actor", _problem_of(text))
    return ActorId(text)


def _problem_of(text: str) -> str:
    """What is wrong with a text that is no id."""
    shown = repr(text[:80])
    if text.startswith(_TWICE):
        return f"{shown} has two kinds in front of a name; a player is player:<id of the game>"
    if text.startswith("player:"):
        return (
            f"{shown} is no id of a player: after player: come 1 to {PLAYER_NAME_LENGTH_MAX} letters and digits of "
            "ASCII or : . _ @ + = ~ -, beginning with a letter or a digit and not ending with a colon"
        )
    return f"{shown} is not kind:name with kind one of {', '.join(KIND_NAMES)}"


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
