"""What the world stores about one player, and what an erasure would change: records of the domain under their public
names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import NoneType
from typing import Any, Final

from msgspec import Struct

from ganggpt.domain.erasure import BLANK, TEXTS, Subject, fields_of, is_about, mentions, unpacked
from ganggpt.domain.mind.mind import Mind

_SHOWN_AS: Final[Mapping[str, str]] = {
    "Provenance": "Made",
    "Transcript": "Conversation",
    "mission_funds": "purse",
    "mission_funds_s": "purse_s",
    "provenance": "made",
    "reflects_s": "mull_s",
}
"""The public names of records and fields that are called otherwise in the program."""


def shown(value: Any) -> Any:
    """A record as JSON shows it, with the names of its fields; msgpack inside is opened, other bytes are left out."""
    if fields_of(value):
        kept = {_SHOWN_AS.get(name, name): shown(part) for name, part in _shown_parts(value)}
        return {"is": _shown_name(value), **kept}
    if isinstance(value, Mapping):
        return {str(key): shown(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [shown(part) for part in value]
    if isinstance(value, bytes):
        inner = unpacked(value)
        return f"({len(value)} bytes)" if inner is None else shown(inner)
    return value


def _shown_parts(record: Any) -> Iterable[tuple[str, Any]]:
    """The fields of a record; those of a mind stand among those of whose mind it is."""
    for name in fields_of(record):
        part = getattr(record, name)
        if isinstance(part, Mind):
            yield from _shown_parts(part)
        else:
            yield name, part


def _shown_name(record: Any) -> str:
    """What a record is called outside: an event or a command by its tag, any other by its class."""
    tag = record.__struct_config__.tag if isinstance(record, Struct) else getattr(record, "tag", None)
    name = str(tag or type(record).__name__)
    return _SHOWN_AS.get(name, name)


def about(value: Any, subject: Subject, where: str = "") -> Iterable[tuple[str, Any]]:
    """The parts of a state that are about the player, each with the way to it: ``memories``, ``standings.player:x``."""
    if isinstance(value, Mapping):
        named = [(f"{where}.{k}", part, is_about(k, subject) or is_about(part, subject)) for k, part in value.items()]
    elif isinstance(value, tuple):
        named = [(where, part, mentions(part, subject)) for part in value]
    elif fields_of(value):
        parts = [(f"{where}.{_SHOWN_AS.get(name, name)}".lstrip("."), part) for name, part in _shown_parts(value)]
        named = [(way, part, is_about(part, subject)) for way, part in parts]
    else:
        return
    for way, part, theirs in named:
        if theirs:
            yield way, shown(part)
        elif not isinstance(value, tuple):
            yield from about(part, subject, way)


# ------------------------------------------------------------------------------------------------ what would change


_READABLE: Final = TEXTS | {"answer", "request"}
"""Texts, those of tables too."""


def changes(before: Any, after: Any, where: str = "") -> Iterable[tuple[str, str, str | None]]:
    """Every text (no ids) that differs between a value and the same without the player: the way to it, as it was, and
    as it is (None: it is gone with the record it stood in)."""
    if isinstance(before, bytes) and isinstance(after, bytes | NoneType):
        before, after = unpacked(before), None if after is None else unpacked(after)
    if before is after or before == after:
        return
    if isinstance(before, str):
        if before not in ("", BLANK) and where.rpartition(".")[2] in _READABLE:
            yield where, before, after if isinstance(after, str) else None
    elif names := fields_of(before):
        same = type(after) is type(before)
        for name in names:
            was, part = getattr(before, name), getattr(after, name) if same else None
            way = where if isinstance(was, Mind) else f"{where}.{_SHOWN_AS.get(name, name)}".lstrip(".")
            yield from changes(was, part, way)
    elif isinstance(before, Mapping):
        left = after if isinstance(after, Mapping) else {}
        for key, part in before.items():
            yield from changes(part, left.get(key), f"{where}.{key}".lstrip("."))
    elif isinstance(before, tuple | list):
        for part, then in _paired(before, after if isinstance(after, tuple | list) else ()):
            yield from changes(part, then, where)


def _paired(before: Sequence[Any], after: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    """The parts of a collection, each with what it became (None: gone)."""
    if len(before) == len(after):
        return zip(before, after, strict=True)
    left = {getattr(part, "no", index): part for index, part in enumerate(after)}
    if all(hasattr(part, "no") for part in before):
        return ((part, left.get(part.no)) for part in before)
    return ((part, part if part in after else None) for part in before)
