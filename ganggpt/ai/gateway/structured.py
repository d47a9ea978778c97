"""Structured answers: the JSON schema for the model, and its answer checked against the pydantic model.

Models put more around their JSON than it says in any schema: thinking, a fence, a sentence before and after it. Only
the first JSON object counts. A shape that has an ``of_words`` also takes an answer in plain words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from ganggpt.ai.gateway.provider import JsonShape
from ganggpt.ai.gateway.sentences import complete_sentences_of
from ganggpt.ai.gateway.thinking import spoken, without_thinking
from ganggpt.ai.port import GatewayRequest
from ganggpt.errors import GangGPTError, sentence

SPOKEN: Final = "say"
"""The field of a shape whose text is streamed while the rest is still being written."""
_NAMED_MAX: Final = 6
_UNKNOWN_TO_STRICT: Final = frozenset({"default", "title", "examples"})
"""Keywords that strict schemas must not have or that only cost tokens."""


class AnswerMisshapen(GangGPTError):
    """The answer of a model does not have the requested shape. ``problem`` is written for the model."""

    code = "answer_misshapen"

    def __init__(self, shape: str, problem: str) -> None:
        super().__init__(shape, problem)
        self.shape, self.problem = shape, problem

    def __str__(self) -> str:
        return sentence(f"The answer is not a valid {self.shape}: {self.problem}")


@lru_cache(maxsize=128)
def shape_of(model: type[BaseModel]) -> JsonShape:
    """The JSON schema of a pydantic model for strict structured output: every field required, no others allowed."""
    return JsonShape(model.__name__, _strict(model.model_json_schema()))


def asked_shape(request: GatewayRequest) -> JsonShape | None:
    """The shape of the answer to a request, with the request's own schema where it has one."""
    if request.shape is None:
        return None
    whole = shape_of(request.shape)
    return whole if request.schema is None else JsonShape(whole.name, _strict(request.schema))


def spoken_max(request: GatewayRequest) -> int | None:
    """The most characters that the schema of a request allows in the field SPOKEN. Words of just this length were
    ended by the schema, mostly in the middle of a sentence."""
    fields = {} if request.schema is None else request.schema.get("properties", {})
    bound: int | None = fields.get(SPOKEN, {}).get("maxLength")
    return bound


def without_fragment(value: BaseModel) -> BaseModel:
    """An answer whose words were ended by their bound, without the sentence that was not finished. Raises
    AnswerMisshapen where nothing is left."""
    whole = " ".join(complete_sentences_of(getattr(value, SPOKEN)))
    if not whole:
        raise AnswerMisshapen(type(value).__name__, f"{SPOKEN}: no sentence of it ends")
    return value.model_copy(update={SPOKEN: whole})


def read_shape(model: type[BaseModel], text: str) -> BaseModel:
    """The text of a model as a validated value. Raises AnswerMisshapen."""
    found = _object_in(text)
    of_words = getattr(model, "of_words", None)
    try:
        if of_words is None:
            return model.model_validate_json(text.strip() if found is None else found)
        words = without_thinking(text, whole=True) if found is None else ""
        return cast("BaseModel", of_words(words)) if found is None else model.model_validate(_as_far(found))
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_context=False, include_input=False)
        told = [f"{'.'.join(map(str, error['loc'])) or 'the answer'}: {error['msg']}" for error in errors[:_NAMED_MAX]]
        raise AnswerMisshapen(model.__name__, "; ".join(told)) from None


def is_whole(text: str) -> bool:
    """Whether a text holds a JSON object that is complete."""
    found = _object_in(text)
    return found is not None and _parsed(found, partial=False) is not None


def spoken_so_far(text: str) -> tuple[str, bool]:
    """The text of the field SPOKEN so far, in JSON that is still being written; and whether it is complete."""
    found = _object_in(text)
    said = None if found is None else _parsed(found, partial=True)
    words = None if said is None else said.get(SPOKEN)
    if found is None or not isinstance(words, str):
        return "", False
    # What is not finished is left out there: where the words are still in it, they are.
    is_closed = _as_far(found).get(SPOKEN) == words
    return spoken(words, whole=is_closed), is_closed


def _object_in(text: str) -> str | None:
    """A text from the first brace that stands outside of thinking: to its end where the object is whole, else all."""
    text = without_thinking(text)
    start = text.find("{")
    if start < 0:
        return None
    try:
        value, end = _DECODER.raw_decode(text, start)
    except ValueError:
        return text[start:]
    # Written anew where it has line ends inside of strings, which only this decoder takes.
    return text[start:end] if "\n" not in text[start:end] else json.dumps(value, ensure_ascii=False)


_DECODER: Final = json.JSONDecoder(strict=False)


def _as_far(text: str) -> Any:
    """The value of JSON as far as it is written, without strings that are not finished."""
    try:
        return from_json(text, allow_partial=True)
    except ValueError:
        return {}


def _parsed(text: str, *, partial: bool) -> dict[str, Any] | None:
    try:
        found = from_json(text, allow_partial="trailing-strings" if partial else False)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


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
    """Schemas by field name; a field may be named like a keyword of JSON Schema."""
    return {name: _strict(schema) for name, schema in fields.items()}
