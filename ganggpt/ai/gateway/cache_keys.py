"""What goes into the hash of a request: when two requests are equal, and when the answer to one may stand for another.

``exact_key`` (``ai:response:{hash}``): VERSION, the slot with the models behind it, the purpose, every message (role
and text, white space folded, Unicode NFC), the JSON schema of the shape, ``tokens_max`` and, if there is one, the
player who pays: what was said to one player is never served to another.

``fallback_key``: VERSION, the slot, the purpose, the JSON schema, the player and ``request.fallback_key``, the words
by which the caller says what it wants (such as NPC, act, mood, standing, topic, language); no models and no wording of
the prompt. It serves the cached rung: where no model answers, an answer to a request with the same key is better than
none.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from ganggpt.ai.gateway.provider import ProviderCall
from ganggpt.ai.gateway.structured import shape_of
from ganggpt.ai.port import GatewayRequest

VERSION: Final = 1
"""Raise it where old cached answers must not be served any more."""
_BYTES: Final = 20


def exact_key(request: GatewayRequest, models: str) -> str:
    """The hash of an equal request. ``models``: what stands behind its slot."""
    said = [part for message in request.messages for part in (message.role, _folded(message.text))]
    limits = (str(request.tokens_max), request.payers.player or "")
    return _hash(("exact", str(VERSION), request.slot, models, request.purpose, _asked(request), *limits, *said))


def fallback_key(request: GatewayRequest) -> str | None:
    """The hash of what a request wants, or None where its caller did not say."""
    if not request.fallback_key:
        return None
    words = map(_folded, request.fallback_key)
    scope = (request.slot, request.purpose, _schema(request.shape), request.payers.player or "")
    return _hash(("meaning", str(VERSION), *scope, *words))


def embedding_key(model: str, text: str) -> str:
    """The hash of a text for a model of embeddings; texts of players only meet the same text."""
    return _hash(("embedding", str(VERSION), model, unicodedata.normalize("NFC", text)))


def call_key(call: ProviderCall) -> str:
    """The hash of one call to a provider, under which it is recorded and replayed."""
    said = [part for message in call.messages for part in (message.role, message.text)]
    shape = "" if call.shape is None else _encoded(call.shape.schema)
    return _hash(("call", str(VERSION), call.model, str(call.tokens_max), str(call.temperature), shape, *said))


def _asked(request: GatewayRequest) -> str:
    """The schema that is asked for, which may be narrower than the shape's."""
    return _schema(request.shape) if request.schema is None else _encoded(request.schema)


def _encoded(schema: Mapping[str, Any]) -> str:
    return msgspec.json.encode(schema, order="deterministic").decode()


@lru_cache(maxsize=128)
def _schema(shape: type[BaseModel] | None) -> str:
    return "" if shape is None else _encoded(shape_of(shape).schema)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _hash(parts: Iterable[str]) -> str:
    """Parts with their lengths, so that no two lists of parts look the same."""
    digest = blake2b(digest_size=_BYTES)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(4, "big"))
        digest.update(raw)
    return digest.hexdigest()
