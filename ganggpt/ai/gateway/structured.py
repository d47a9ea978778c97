"""Answers with a shape: the schema a model is told, and what it said checked against the pydantic model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from ganggpt.ai.gateway.provider import JsonShape
from ganggpt.errors import GangGPTError, sentence

SPOKEN: Final = "say"
"""The field of a shape that a stream speaks while the rest is still on its way."""
_NAMED_MAX: Final = 6
_UNKNOWN_TO_STRICT: Final = frozenset({"default", "title", "examples"})
"""Words that strict schemas may not have or that only cost tokens."""


class AnswerMisshapen(GangGPTError):
    """What a model said is not of the shape that was asked for; ``problem`` is written for the model."""

    code = "answer_misshapen"

    def __init__(self, shape: str, problem: str) -> None:
        super().__init__(shape, problem)
        self.shape, self.problem = shape, problem

    def __str__(self) -> str:
        return sentence(f"The answer has not the shape {self.shape}: {self.problem}")


@lru_cache(maxsize=128)
def shape_of(model: type[BaseModel]) -> JsonShape:
    """The JSON schema of a model as strict structured output wants it: every field required, no other ones."""
    return JsonShape(model.__name__, _strict(model.model_json_schema()))


def read_shape(model: type[BaseModel], text: str) -> BaseModel:
    """The value a model's text stands for. Raises AnswerMisshapen."""
    try:
        return model.model_validate_json(_bare(text))
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_context=False, include_input=False)
        told = [f"{'.'.join(map(str, error['loc'])) or 'the answer'}: {error['msg']}" for error in errors[:_NAMED_MAX]]
        raise AnswerMisshapen(model.__name__, "; ".join(told)) from None


def spoken_so_far(text: str) -> str:
    """What the field SPOKEN has so far in JSON that is still being written."""
    try:
        found = from_json(_bare(text), allow_partial="trailing-strings")
    except ValueError:
        return ""
    said = found.get(SPOKEN) if isinstance(found, dict) else None
    return said if isinstance(said, str) else ""


def _bare(text: str) -> str:
    """Without the fence some models put round JSON."""
    text = text.strip()
    if text.startswith("```"):
        text = text.partition("\n")[2].rstrip().removesuffix("```")
    return text


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    strict = {
        word: _named(value) if word in {"properties", "$defs"} else _strict(value)
        for word, value in schema.items()
        if word not in _UNKNOWN_TO_STRICT
    }
    if "properties" in strict:
        strict["additionalProperties"] = False
        strict["required"] = list(strict["properties"])
    return strict


def _named(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Schemas by name: a field may be called like a word of the schema."""
    return {name: _strict(schema) for name, schema in fields.items()}
