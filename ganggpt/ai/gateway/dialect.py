"""What one model takes: guessed from its family, and learned once from what its server refuses.

Servers with OpenAI's protocol differ in what they take: a newer model wants ``max_completion_tokens``, an older one no
JSON schema, some no ``system`` role, no temperature, no ``stream_options``. They say so with status 400 or 422.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from ganggpt.ai.gateway.provider import Effort, JsonShape, ProviderCall

TokenField = Literal["max_tokens", "max_completion_tokens"]
JsonMode = Literal["json_schema", "schema without bounds", "json_object", "words"]
_TOKEN_FIELDS: Final[tuple[TokenField, ...]] = get_args(TokenField)
_JSON_MODES: Final[tuple[JsonMode, ...]] = get_args(JsonMode)
"""How a shape is asked for, from the strictest to what every model understands."""
_BY_SCHEMA: Final = frozenset({"json_schema", "schema without bounds"})
_BOUNDS: Final = frozenset({"maxItems", "minItems", "maxLength", "minLength", "maximum", "minimum", "pattern"})
"""Keywords that some servers with schemas do not take."""
_REASONING: Final = re.compile(r"(?:^|/)(?:o[1-9]\d?|gpt-[5-9])(?:$|[-.:@])(?!.*\bchat\b)", re.IGNORECASE)
REASONING_TOKENS: Final = 2_000
"""What a reasoning model may think beside its answer, unless the models file says otherwise."""
_NO_SUCH_FIELD: Final = re.compile(
    r"unsupported|not supported|unrecognized|unknown|instead|extra|not permitted|unexpected", re.IGNORECASE
)


def is_reasoning(model: str) -> bool:
    """Whether a model of this name thinks before it answers: OpenAI's o-series, gpt-5 and later."""
    return _REASONING.search(model) is not None


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a model is asked. ``reasoning_tokens``: room for thinking, on top of the answer's own tokens. Each lesson is
    learned at most once, so that a server that refuses everything is not asked for ever."""

    token_field: TokenField
    is_field_learned: bool = False
    json: JsonMode = "json_schema"
    system_role: bool = True
    temperature: bool = True
    usage_in_stream: bool = True
    effort: Effort | None = None
    reasoning_tokens: int = 0

    def body(self, call: ProviderCall, *, stream: bool) -> dict[str, Any]:
        """The request as it goes over the wire."""
        asked: dict[str, Any] = {
            "messages": self._messages(call),
            self.token_field: call.tokens_max + self.reasoning_tokens,
        }
        if stream and self.usage_in_stream:
            asked["stream_options"] = {"include_usage": True}
        if self.temperature and call.temperature is not None:
            asked["temperature"] = call.temperature
        if self.effort is not None:
            asked["reasoning_effort"] = self.effort
        if call.shape is not None and self.json in _BY_SCHEMA:
            wanted = call.shape.schema if self.json == "json_schema" else _without_bounds(call.shape.schema)
            schema = {"name": call.shape.name, "schema": wanted, "strict": True}
            asked["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif call.shape is not None and self.json == "json_object":
            asked["response_format"] = {"type": "json_object"}
        return asked

    def after(self, refused: str) -> Dialect | None:
        """The dialect after a refusal with this message; None where nothing is learned from it."""
        steps = (step(self, refused) for words, step in _LESSONS if words.search(refused))
        return next((learned for learned in steps if learned is not None), None)

    def _messages(self, call: ProviderCall) -> list[dict[str, str]]:
        messages = [{"role": str(said.role), "content": said.text} for said in call.messages]
        if call.shape is not None and self.json not in _BY_SCHEMA:
            messages = _with_form(messages, call.shape)
        return messages if self.system_role else _without_system(messages)


def _other_token_field(now: Dialect, refused: str) -> Dialect | None:
    """The other name of the limit, where the message speaks of the name and not of the number."""
    if now.is_field_learned or now.token_field not in refused or _NO_SUCH_FIELD.search(refused) is None:
        return None
    other = next(field for field in _TOKEN_FIELDS if field != now.token_field)
    return replace(now, token_field=other, is_field_learned=True)


def _without_usage(now: Dialect, _: str) -> Dialect | None:
    return replace(now, usage_in_stream=False) if now.usage_in_stream else None


def _without_temperature(now: Dialect, _: str) -> Dialect | None:
    return replace(now, temperature=False) if now.temperature else None


def _other_effort(now: Dialect, _: str) -> Dialect | None:
    if now.effort is None:
        return None
    return replace(now, effort="low" if now.effort in ("none", "minimal") else None)


def _looser_json(now: Dialect, refused: str) -> Dialect | None:
    """The next way to ask for a shape; the schema without bounds only where the message names one."""
    if now.json == "words":
        return None
    skips = now.json == "json_schema" and not any(word in refused for word in _BOUNDS)
    return replace(now, json=_JSON_MODES[_JSON_MODES.index(now.json) + (2 if skips else 1)])


def _without_system_role(now: Dialect, _: str) -> Dialect | None:
    return replace(now, system_role=False) if now.system_role else None


_LESSONS: Final[tuple[tuple[re.Pattern[str], Callable[[Dialect, str], Dialect | None]], ...]] = (
    (re.compile(r"max_completion_tokens|max_tokens"), _other_token_field),
    (re.compile(r"stream_options"), _without_usage),
    (re.compile(r"temperature"), _without_temperature),
    (re.compile(r"reasoning_effort"), _other_effort),
    (re.compile(r"response_format|json_schema|structured output|guided_json|grammar"), _looser_json),
    (
        re.compile(
            r"\bsystem\b.{0,40}\brole\b|\brole\b.{0,60}\bsystem\b|developer instruction|system message", re.IGNORECASE
        ),
        _without_system_role,
    ),
)
"""What a refusal speaks of, and what is done differently after it; the first that changes something counts."""


def dialect_of(
    model: str, token_field: TokenField | None, effort: Effort | None, reasoning_tokens: int | None
) -> Dialect:
    """How a model is asked first. What is given wins over what its name says."""
    thinks = is_reasoning(model)
    room = REASONING_TOKENS if thinks and reasoning_tokens is None else (reasoning_tokens or 0)
    field = token_field or _TOKEN_FIELDS[thinks]
    return Dialect(field, temperature=not thinks, effort=effort or ("low" if thinks else None), reasoning_tokens=room)


def _with_form(messages: list[dict[str, str]], shape: JsonShape) -> list[dict[str, str]]:
    """The messages with the form of the answer in words, after the instructions they begin with."""
    at = next((no for no, said in enumerate(messages) if said["role"] != "system"), len(messages))
    return [*messages[:at], {"role": "system", "content": _in_words(shape.schema)}, *messages[at:]]


def _without_bounds(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_bounds(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {word: _without_bounds(value) for word, value in schema.items() if word not in _BOUNDS}


def _in_words(schema: Mapping[str, Any]) -> str:
    """The form of an answer for a model that takes no schema: the schema itself, and an example."""
    example = json.dumps(_example(schema, schema), ensure_ascii=False)
    return (
        "Answer with one JSON object and nothing before or after it. "
        f"Its JSON schema: {json.dumps(schema, ensure_ascii=False, separators=(',', ':'))} Its form: {example}"
    )


def _example(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """The smallest value of a schema: the first choice of an enumeration, empty lists, "…" for a text."""
    if "$ref" in schema:
        return _example(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _example(schema["anyOf"][0], root)
    kind = schema.get("type")
    if kind == "object":
        return {name: _example(part, root) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [_example(schema["items"], root) for _ in range(schema.get("minItems", 0))]
    return {"integer": 1, "number": 1.0, "boolean": False, "null": None}.get(kind or "", "…")


def _without_system(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The messages with the instructions at the head of the first message of a user."""
    told = "\n\n".join(said["content"] for said in messages if said["role"] == "system")
    others = [said for said in messages if said["role"] != "system"]
    if not others or others[0]["role"] != "user":
        return [{"role": "user", "content": told}, *others]
    return [{"role": "user", "content": f"{told}\n\n{others[0]['content']}"}, *others[1:]]


def refusal_words(body: Mapping[str, Any], message: str, param: str | None) -> str:
    """Everything that a refusal says about its reason, in one text."""
    return f"{param or ''} {message} {body.get('detail', '')}"
