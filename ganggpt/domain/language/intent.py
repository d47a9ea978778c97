"""The topic of a question."""

from __future__ import annotations

import re
from typing import Final

_TOPIC: Final = re.compile(
    r"\b(?:about|of|remember(?: when| that| what| how)?|recall|who is|who's|who are|who runs)\s+(.{2,80}?)[?!.]*$"
)


def topic(text: str) -> str:
    """The topic of a question: the words after about, of, remember…; the whole text where there are none."""
    found = _TOPIC.search(" ".join(text.replace("\u2019", "'").lower().split()))
    return found.group(1) if found else text
