"""Reads the output of ``COPY … (FORMAT binary)`` of Postgres: fields as bytes, or None."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from ganggpt.errors import SnapshotInvalid

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\x00"
_HEAD_BYTES: Final = len(_SIGNATURE) + 8
_short: Final = struct.Struct(">h").unpack_from
_long: Final = struct.Struct(">i").unpack_from
_big: Final = struct.Struct(">q").unpack


def rows_of(data: bytes, where: str) -> Iterator[tuple[bytes | None, ...]]:
    """The rows of one whole COPY stream. Raises SnapshotInvalid where it is not one or ends early."""
    if not data.startswith(_SIGNATURE):
        raise SnapshotInvalid(where, "it holds no rows of a Postgres COPY", "Use another snapshot.")
    place = _HEAD_BYTES + _long(data, len(_SIGNATURE) + 4)[0]
    try:
        while (count := _short(data, place)[0]) >= 0:
            place += 2
            row: list[bytes | None] = []
            for _ in range(count):
                size = _long(data, place)[0]
                place += 4
                if size < 0:
                    row.append(None)
                    continue
                row.append(data[place : place + size])
                place += size
            yield tuple(row)
    except struct.error:
        raise SnapshotInvalid(where, "its rows end early", "Use another snapshot.") from None


def integer(field: bytes | None) -> int:
    """A bigint."""
    assert field is not None
    return int(_big(field)[0])


def text(field: bytes | None) -> str:
    """A text."""
    assert field is not None
    return field.decode()
