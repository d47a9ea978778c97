"""Journals and snapshots as a program of one layout stored them, kept for ever: what every later one must still read.

A file has the number of its layout. It holds whole journals of a few actors of every kind, each from its first turn,
and what the program that wrote them made of them: the view after the last turn, and of every snapshot. How it is
written, once, stands in ``golden_writer``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
from backports import zstd
from msgspec import Struct

from ganggpt.domain.kinds import decode_state, kind_for

_DATA: Final = Path(__file__).parents[2] / "data"
LAYOUTS: Final = sorted(int(path.name.split("-")[1].split(".")[0]) for path in _DATA.glob("golden-*.msgpack.zst"))
"""Layouts of which there are bytes."""


class Snapshot(Struct, frozen=True, array_like=True):
    """A stored snapshot, and the view of its state at ``now_s``."""

    seq: int
    body: bytes
    now_s: float
    view: Any


class Life(Struct, frozen=True, array_like=True):
    """One actor: of each turn its seq, the name of its command ("" where that was not kept) and its stored body; the
    view after the last turn, at ``now_s``."""

    world: str
    actor: str
    turns: tuple[tuple[int, str, bytes], ...]
    now_s: float
    view: Any
    snapshots: tuple[Snapshot, ...]


class Sent(Struct, frozen=True, array_like=True):
    """The body of a command. ``how`` it was kept: letter (outbox), reminder, or command (of the cast, or a call)."""

    kind: str
    name: str
    how: str
    body: bytes


class Golden(Struct, frozen=True, array_like=True):
    """A golden file."""

    layout: int
    lives: tuple[Life, ...]
    sent: tuple[Sent, ...]


def path_of(layout: int) -> Path:
    """Where the bytes of a layout stand."""
    return _DATA / f"golden-{layout}.msgpack.zst"


def read(layout: int) -> Golden:
    """The bytes of a layout."""
    return msgspec.msgpack.decode(zstd.decompress(path_of(layout).read_bytes()), type=Golden)


def view_of(actor: str, state: Any, now_s: float) -> Any:
    """The view of a state as plain data; None where there is no such actor (any more)."""
    return None if state is None else msgspec.to_builtins(kind_for(actor).view(state, now_s))


def state_in(actor: str, snapshot: bytes) -> Any:
    """The state in a stored snapshot, whose first part it is."""
    return decode_state(kind_for(actor), msgspec.msgpack.decode(snapshot)[0])
