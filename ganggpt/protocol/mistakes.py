"""What pydantic finds wrong, in sentences for people: the same for commands and for world files."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

from ganggpt.domain import fields

_PREDICATES: Final = {
    "is_slug": "an id is lower case letters, digits, - and _",
    "is_worded": "must have words (more than blanks) on one line, no control characters (a block starts with >-)",
}


def explained(detail: Mapping[str, Any]) -> str:
    """What is wrong with a value; not which value it is."""
    said, value = str(detail["msg"]), detail.get("input")
    match detail["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden" | "unexpected_keyword_argument":
            return "is not a known key"
        case "predicate_failed":
            return _of_predicate(said)
        case "tuple_type":
            return f"should be a list, not {kind_of(value)}"
        case "model_type" | "dict_type":
            return f"should be keys and values, not {kind_of(value)}"
    for word in ("Tuple should", "Dictionary should", "Input should"):
        said = said.replace(word, "should")
    return said.replace(" after validation", "")


def _of_predicate(said: str) -> str:
    """The rule behind a predicate, whose function pydantic names in quotation marks."""
    name = said.partition("'")[2].partition("'")[0].rpartition(".")[2]
    rule = _PREDICATES.get(name) or inspect.getdoc(getattr(fields, name, None)) or said
    return rule if name in _PREDICATES else f"wanted: {rule.partition(chr(10))[0]}"


def kind_of(value: Any) -> str:
    """What kind of value something is, and a text or number itself."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "keys and values"
    if isinstance(value, tuple | list):
        return "a list"
    shown = shortened(value)
    return f"the text {shown!r}" if isinstance(value, str) else shown


def shortened(value: Any) -> str:
    """Any value as one short printable text."""
    text = value if isinstance(value, str) else repr(value)
    return repr(text[:60])[1:-1] + ("…" if len(text) > 60 else "")
