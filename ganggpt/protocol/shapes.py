"""Types of the domain as JSON Schema, and JSON Schema in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

_MEANING: Final = re.compile(r"`+(\w+)`+: ([^.;]+)")
"""What the docstring of a record says about one of its fields."""


class FieldRow(NamedTuple):
    """One field: its path, its shape in words, whether it is always there, its default in JSON or None, its meaning."""

    path: str
    shape: str
    required: bool
    default: Any
    meaning: str


@lru_cache(maxsize=256)
def schema_of(shape: Any) -> dict[str, Any]:
    """The JSON Schema of a type, without references, so that it can stand anywhere. Not to be changed."""
    return without_references(TypeAdapter(shape).json_schema())


def without_references(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema with everything it refers to in its place."""
    defs = schema.pop("$defs", {})

    def resolved(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                rest = {key: value for key, value in node.items() if key != "$ref"}
                return {**resolved(defs[node["$ref"].rpartition("/")[2]]), **rest}
            return {key: resolved(value) for key, value in node.items()}
        return [resolved(item) for item in node] if isinstance(node, list) else node

    whole: dict[str, Any] = resolved(schema)
    return whole


def rows(schema: Mapping[str, Any], prefix: str = "") -> Iterator[FieldRow]:
    """The fields of an object, those of objects in it below them."""
    required = schema.get("required", ())
    told = dict(_MEANING.findall(" ".join(schema.get("description", "").split())))
    for name, field in schema.get("properties", {}).items():
        kept, nullable = _without_null(field)
        words = in_words(kept) + (" or null" if nullable else "")
        meaning = field.get("description") or kept.get("description", "")
        inner, mark = _inside(kept)
        meaning = told.get(name) or ("" if _is_doc(meaning) else meaning)
        yield FieldRow(prefix + name, words, name in required, field.get("default"), meaning)
        if inner is not None:
            yield from rows(inner, f"{prefix}{name}{mark}.")


def in_words(schema: Mapping[str, Any]) -> str:
    """A JSON Schema in a few words, with its bounds."""
    kept, nullable = _without_null(schema)
    if nullable:
        return f"{in_words(kept)} or null"
    options = [schema["const"]] if "const" in schema else schema.get("enum", ())
    if options:
        return ", ".join(f"`{value}`" for value in options)
    if "anyOf" in schema:
        return " or ".join(map(in_words, schema["anyOf"]))
    words = _WORDS.get(schema.get("type", ""))
    return "anything" if words is None else words(schema)


def _list(schema: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:
        return f"list of {len(schema['prefixItems'])}: {in_words(schema['prefixItems'][0])}"
    return f"list{_span(schema, 'minItems', 'maxItems', '')} of {_things(schema.get('items', {}))}"


def _map(schema: Mapping[str, Any]) -> str:
    if schema.get("properties"):
        return "object"
    of = schema.get("additionalProperties")
    most = f" (at most {schema['maxProperties']})" if "maxProperties" in schema else ""
    return f"map{most} of {_things(of)}" if isinstance(of, dict) and of else f"map{most}"


def _things(schema: Mapping[str, Any]) -> str:
    return "objects" if schema.get("properties") else in_words(schema)


_WORDS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "string": lambda schema: f"text{_span(schema, 'minLength', 'maxLength', ' letters')}",
    "integer": lambda schema: f"integer{_span(schema, 'minimum', 'maximum', '')}",
    "number": lambda schema: f"number{_span(schema, 'minimum', 'maximum', '')}",
    "boolean": lambda _: "true or false",
    "array": _list,
    "object": _map,
}


def _span(schema: Mapping[str, Any], least: str, most: str, unit: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if low is None and high is None:
        return ""
    if high is None:
        return f" ({low:g} or more)"
    if low is None:
        return f" (at most {high:,}{unit})"
    return f" ({low:,} to {high:,}{unit})".replace(".0", "")


def _without_null(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """A schema without the null that may stand instead, and whether it may."""
    options = schema.get("anyOf", ())
    kept = [option for option in options if option.get("type") != "null"]
    return (kept[0], True) if len(options) == 2 and len(kept) == 1 else (schema, False)


def _inside(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """The object whose fields stand below this field, and how the path goes on."""
    if schema.get("properties"):
        return schema, ""
    items = schema.get("items", {})
    if isinstance(items, dict) and items.get("properties"):
        return items, "[]"
    values = schema.get("additionalProperties", {})
    return (values, ".*") if isinstance(values, dict) and values.get("properties") else (None, "")


def _is_doc(meaning: str) -> bool:
    """Whether it is the docstring of a class and no meaning of the field."""
    return meaning.endswith(".")
