"""Addresses of servers that were copied whole from a portal or from documentation, with a path that each call adds."""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

_OF_AZURE: Final = re.compile(r"/openai(?:/.*)?$|/api/projects(?:/.*)?$")
_OF_A_CALL: Final = re.compile(r"/(?:chat/completions|completions|embeddings|responses|models)$")


class CopiedAddress(NamedTuple):
    """An address in two parts: what is too much of it, and the rest, which is what a setting wants."""

    tail: str
    base: str


def copied_whole(kind: str, url: str) -> CopiedAddress | None:
    """The parts of an address that has too much; None where it is as it should be. Other paths are left alone: gateways
    in front of a model have paths of their own."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    found = (_OF_AZURE if kind == "azure" else _OF_A_CALL).search(path)
    if found is None:
        return None
    return CopiedAddress(found[0], urlunsplit((parts.scheme, parts.netloc, path[: found.start()], "", "")))
