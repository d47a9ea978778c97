"""The env file (`.env`): its text, its variables, and the lines of it that nobody would read."""

from __future__ import annotations

import codecs
import difflib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dotenv import dotenv_values
from dotenv.parser import parse_stream

_BYTES_MAX: Final = 1 << 20
_PROBLEMS_MAX: Final = 10
_PREFIX: Final = "GANGGPT_"
_SLIP: Final = 0.87
"""How alike (0 to 1) a name has to be to a setting's to be taken for a slip."""
_WIDE: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)


@dataclass(frozen=True, slots=True)
class EnvFile:
    """``values``: by name as written; None where a name has no value. ``problems``: what is wrong, each with its fix;
    no problem contains a value, because a value may be a secret."""

    values: Mapping[str, str | None]
    problems: tuple[tuple[str, str], ...] = ()


def read_env_file(path: Path) -> EnvFile:
    """Read an env file. What cannot be read is in ``problems`` of the answer."""
    try:
        with path.open("rb") as file:
            raw = file.read(_BYTES_MAX + 1)
    except OSError as unread:
        fix = "Let the user that starts this program read it."
        return EnvFile({}, ((f"it cannot be read: {unread.strerror or type(unread).__name__}", fix),))
    if len(raw) > _BYTES_MAX:
        return EnvFile({}, (("it is larger than 1 MiB", "Name a file with one NAME=value on each line."),))
    if raw.startswith(_WIDE) or b"\0" in raw:
        fix = "Save it as UTF-8; in PowerShell: Set-Content -Encoding utf8."
        return EnvFile({}, (("it is text in UTF-16, or no text at all", fix),))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = raw.count(b"\n", 0, wrong.start) + 1
        return EnvFile({}, ((f"its line {line} is not UTF-8, but Latin-1 or another encoding", "Save it as UTF-8."),))
    bindings = list(parse_stream(io.StringIO(text)))
    fix = "Write NAME=value; a value with blanks, quotes or # stands in quotation marks, which have to be closed."
    broken = [binding.original.line for binding in bindings if binding.error]
    sound = "".join(binding.original.string for binding in bindings if not binding.error)
    problems = tuple((f"its line {line} cannot be read", fix) for line in broken[:_PROBLEMS_MAX])
    return EnvFile(dotenv_values(stream=io.StringIO(sound)), problems)


def misspelled(
    names: Iterable[str], known: Iterable[str], is_meant_for_us: Callable[[str, str], bool]
) -> Iterator[tuple[str, str]]:
    """Names that are no settings, but meant to be: each with the known name that is most like it, or an empty text."""
    settings = sorted(known)
    for name in map(str.upper, names):
        if name not in settings:
            close = next(iter(difflib.get_close_matches(name, settings, 1)), "")
            if is_meant_for_us(name, close):
                yield name, close


def is_meant_for_us_in_a_file(name: str, close: str) -> bool:
    """Whether a name in our env file is meant for us: our prefix, or a slip of a letter or two."""
    return name.startswith(_PREFIX) or _is_slip(name, close)


def is_meant_for_us_in_the_environment(name: str, close: str) -> bool:
    """The same of the environment, where Kubernetes puts names of a service ``ganggpt``, and others theirs."""
    return name.startswith(_PREFIX) and _is_slip(name, close)


def _is_slip(name: str, close: str) -> bool:
    alike = difflib.SequenceMatcher(None, name, close).ratio()
    return abs(len(name) - len(close)) <= 1 and alike >= _SLIP and not name[-1].isdigit()
