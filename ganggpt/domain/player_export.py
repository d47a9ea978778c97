"""Export of what the world stores about one player: records of the domain as JSON, under their public names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from ganggpt.domain.erasure import Subject, fields_of, is_about, mentions, unpacked
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
    elif isinstance(value, Struct):
        parts = [(f"{where}.{_SHOWN_AS.get(name, name)}".lstrip("."), part) for name, part in _shown_parts(value)]
        named = [(way, part, is_about(part, subject)) for way, part in parts]
    else:
        return
    for way, part, theirs in named:
        if theirs:
            yield way, shown(part)
        elif not isinstance(value, tuple):
            yield from about(part, subject, way)
