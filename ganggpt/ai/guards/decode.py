"""Texts hidden in a text: the plain text behind base64, hex, percent, entity, escape, binary, Morse, rot13 and
reversal.

The result is only inspected. Every decoder is bounded, and what does not decode to words is ignored.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import html
import re
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Final

_HIDDEN_MAX: Final = 4_000
_RUNS_MAX: Final = 8
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_BASE32: Final = re.compile(r"\b[A-Z2-7]{24,}={0,6}")
_HEX: Final = re.compile(r"(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[\s,:]?){8,}")
_BINARY: Final = re.compile(r"(?:[01]{8}\s?){4,}")
_DECIMAL: Final = re.compile(r"(?:\b\d{2,3}\b[\s,]+){7,}\d{2,3}")
_MORSE: Final = re.compile(r"(?:[.\-]{1,5}[ /|]+){6,}[.\-]{1,5}")
_ESCAPES: Final = re.compile(r"\\u\{?([0-9A-Fa-f]{4,6})\}?|\\x([0-9A-Fa-f]{2})")
_MORSE_CODE: Final = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.."
)
_LETTERS: Final = {letter: chr(97 + at) for at, letter in enumerate(_MORSE_CODE.split())}


def hidden_in(text: str) -> Iterator[str]:
    """Texts that may be hidden in a text, each once; at most some dozens."""
    text = text[:_HIDDEN_MAX]
    seen = {text}
    for found in _candidates(text):
        if found not in seen and sum(char.isalpha() for char in found) >= 6:
            seen.add(found)
            yield found


def _candidates(text: str) -> Iterator[str]:
    if "%" in text:
        yield urllib.parse.unquote(text, errors="replace")
    if "&" in text:
        yield html.unescape(text)
    if "\\" in text:
        yield _ESCAPES.sub(_escaped, text)
    for run in _BASE64.findall(text)[:_RUNS_MAX]:
        yield from _words(_base64(run))
    for run in _BASE32.findall(text)[:_RUNS_MAX]:
        yield from _words(_decoded(base64.b32decode, run.rstrip("=") + "=" * (-len(run.rstrip("=")) % 8)))
    for run in _HEX.findall(text)[:_RUNS_MAX]:
        yield from _words(_decoded(bytes.fromhex, re.sub(r"0x|\\x|[\s,:]", "", run)))
    for run in _BINARY.findall(text)[:_RUNS_MAX]:
        yield from _words(bytes(int(bits, 2) for bits in re.findall(r"[01]{8}", run)))
    for run in _DECIMAL.findall(text)[:_RUNS_MAX]:
        yield from _words(bytes(code for code in map(int, re.findall(r"\d+", run)) if code < 256))
    for run in _MORSE.findall(text)[:_RUNS_MAX]:
        words = re.split(r"\s*[/|]\s*|\s{2,}", run)
        yield " ".join("".join(_LETTERS.get(code, "") for code in word.split()) for word in words)
    yield codecs.encode(text, "rot13")
    yield text[::-1]
    yield " ".join(word[::-1] for word in text.split())


def _base64(run: str) -> bytes:
    run = run.rstrip("=").translate(str.maketrans("-_", "+/"))
    return _decoded(base64.b64decode, run + "=" * (-len(run) % 4))


def _decoded(decoder: Callable[[str], bytes], run: str) -> bytes:
    try:
        return decoder(run)
    except (binascii.Error, ValueError):
        return b""


def _words(decoded: bytes) -> Iterator[str]:
    """Bytes as a text, if nearly all of it is printable."""
    for encoding in ("utf-8", "utf-16-le"):
        try:
            text = decoded.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text and sum(char.isprintable() or char.isspace() for char in text) >= 0.9 * len(text):
            yield text
            return


def _escaped(found: re.Match[str]) -> str:
    code = int(found.group(1) or found.group(2), 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else ""
