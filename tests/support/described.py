"""What really goes out, against what is said to go out."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator

from ganggpt.protocol.shapes import schema_of


@cache
def _validator(shape: Any) -> Draft202012Validator:
    return Draft202012Validator(_closed(schema_of(shape)))


def _closed(schema: Any) -> Any:
    """The schema with no room for fields that it does not name."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(part) for key, part in schema.items()}
    if "properties" in closed and closed.get("type") == "object":
        closed["additionalProperties"] = False
    return closed


def unlike(shape: Any, sent: Any) -> list[str]:
    """How something that was sent differs from the shape it should have; in its JSON form."""
    wire = msgspec.json.decode(msgspec.json.encode(sent))
    return [f"{'.'.join(map(str, error.path))}: {error.message[:200]}" for error in _validator(shape).iter_errors(wire)]
