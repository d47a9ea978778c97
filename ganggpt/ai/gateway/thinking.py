"""Takes out what a model thought aloud: thinking in tags, in channels, before its answer or in the middle of it."""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = "think|thinking|thought|thoughts|reason|reasoning|reflection|analysis|scratchpad"
_BLOCK: Final = re.compile(
    rf"[<\[](?P<name>{_NAMES})[>\]](?:(?![<\[]/?(?P=name)[>\]]).)*(?:[<\[]/(?P=name)[>\]]|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_STRAY_BEGINNING: Final = re.compile(rf"\A[^{{]*?[<\[]/(?:{_NAMES})[>\]]", re.IGNORECASE | re.DOTALL)
"""Thinking whose first tag the server kept to itself."""
_END: Final = re.compile(rf"[<\[]/(?:{_NAMES})[>\]]", re.IGNORECASE)
_CHANNEL: Final = re.compile(
    r"<\|channel\|>\s*(?:analysis|commentary)\b.*?(?=<\|channel\|>\s*final|\Z)", re.IGNORECASE | re.DOTALL
)
_MARK: Final = re.compile(
    r"<\|channel\|>\s*final|<\|(?:start|end|message|return|channel|im_start|im_end)\|>(?:assistant\b)?"
)
_UNFINISHED: Final = re.compile(r"(?:[<\[][/|]?[a-z_|]{0,16})+\Z", re.IGNORECASE)
_BOM: Final = "\ufeff"


def without_thinking(text: str, *, whole: bool = False) -> str:
    """An answer without its thinking. Of one that is still being written (``whole`` False) a beginning of a tag at its
    end is left out too, so that what comes back only grows with the text."""
    if "<" not in text and "[" not in text:
        return text.removeprefix(_BOM)
    text = _CHANNEL.sub("", text.removeprefix(_BOM))
    return spoken(_STRAY_BEGINNING.sub("", _BLOCK.sub("", _MARK.sub("", text))), whole=whole)


def spoken(words: str, *, whole: bool) -> str:
    """Words that are spoken while they are being written, without thinking among them."""
    if "<" not in words and "[" not in words:
        return words
    words = _END.sub("", _BLOCK.sub("", words))
    return words if whole else _UNFINISHED.sub("", words)
