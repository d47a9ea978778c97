"""One YAML file as plain data, and the line on which every value stands.

A world file is data that a stranger may have written: no anchors or aliases (so nothing can expand), no tags (so
nothing can be constructed), one document, bounded bytes and depth, no key twice. Plain scalars mean what they mean in
YAML 1.2: ``no`` is the word no, ``null``, ``true``, ``12`` and ``1.5`` are not text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from ganggpt.domain.sheets import FieldPath
from ganggpt.errors import WorldInvalid
from ganggpt.protocol.mistakes import shortened

FILE_BYTES_MAX: Final = 2 * 1024 * 1024
DEPTH_MAX: Final = 12
WHOLE_FILE: Final = "(file)"
SYNTAX: Final = "(syntax)"

_BOM: Final = b"\xef\xbb\xbf"
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})")
_FLOAT: Final = re.compile(r"[-+]?[0-9]+\.[0-9]*(?:[eE][-+][0-9]+)?")
_WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}


class YamlFile:
    """The content of one file: ``data`` of dicts, tuples and scalars (nothing where ``is_unread``), the
    ``problems`` found on the way, and the lines of all its values."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.data: Any = None
        self.is_unread = True
        self.problems: list[WorldInvalid] = []
        self._lines: dict[FieldPath, int] = {}

    def line_of(self, path: FieldPath) -> int:
        """The line (from 1) of the value at ``path``, or of the nearest value round it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def at(self, path: FieldPath, problem: str) -> WorldInvalid:
        """A problem of the value at ``path``."""
        return WorldInvalid(self.name, self.line_of(path), dotted(path), problem)

    def note(self, path: FieldPath, line: int) -> None:
        """Remember the line of a value; the first one stands."""
        self._lines.setdefault(path, line)


def dotted(path: FieldPath) -> str:
    """A path as people read it, ``npcs.mara.likes.0``; foreign keys are cut and made printable."""
    return ".".join(shortened(part) for part in path) or WHOLE_FILE


def read_yaml(path: Path, folder: str = "") -> YamlFile:
    """Read a file. Never raises for what the file contains or for a missing one: see ``problems``. ``folder``: what
    stands before its name where it is not one of the world's own."""
    file = YamlFile(f"{folder}/{path.name}" if folder else path.name)
    try:
        text = _text_of(_bytes_of(path), file.name)
        file.data = _Builder(file, yaml.parse(text, Loader=yaml.CSafeLoader)).document()
        file.is_unread = False
    except WorldInvalid as problem:
        file.problems.append(problem)
    except yaml.YAMLError as error:
        file.problems.append(_syntax(file.name, error))
    return file


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            raw = stream.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise WorldInvalid(path.name, 1, WHOLE_FILE, "the file is missing") from None
    except OSError as error:
        raise WorldInvalid(path.name, 1, WHOLE_FILE, f"the file cannot be read: {error.strerror}") from None
    if len(raw) > FILE_BYTES_MAX:
        raise WorldInvalid(path.name, 1, WHOLE_FILE, f"the file is larger than {FILE_BYTES_MAX} bytes")
    return raw


def _text_of(raw: bytes, name: str) -> str:
    if raw.startswith(_BOM):
        raise WorldInvalid(name, 1, WHOLE_FILE, "starts with a byte order mark; save it as UTF-8 without one")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise WorldInvalid(name, line, WHOLE_FILE, f"not UTF-8 at byte {error.start}") from None
    for number, line_text in enumerate(text.split("\n"), start=1):
        if "\t" in line_text[: len(line_text) - len(line_text.lstrip())]:
            raise WorldInvalid(name, number, WHOLE_FILE, "a tab in the indentation; YAML wants spaces")
        if _CONTROL.search(line_text):
            raise WorldInvalid(name, number, WHOLE_FILE, "a control character")
    return text


def _syntax(name: str, error: yaml.YAMLError) -> WorldInvalid:
    mark: Any = getattr(error, "problem_mark", None)
    said = (getattr(error, "context", None), getattr(error, "problem", None) or getattr(error, "reason", None))
    problem = ", ".join(part for part in said if part) or "not YAML"
    return WorldInvalid(name, 1 if mark is None else mark.line + 1, SYNTAX, problem)


class _Builder:
    """Turns parse events into data. It raises for what makes the rest unreadable and notes duplicate keys."""

    def __init__(self, file: YamlFile, events: Iterator[Any]) -> None:
        self._file = file
        self._events = events

    def document(self) -> Any:
        """The one document of the stream."""
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise WorldInvalid(self._file.name, 1, WHOLE_FILE, "the file is empty")
        data = self._value(next(self._events), ())
        next(self._events)  # the end of the document
        rest = next(self._events)
        if not isinstance(rest, yaml.StreamEndEvent):
            raise self._refusal(rest, (), "a second document; a world file holds one")
        return data

    def _value(self, event: Any, path: FieldPath) -> Any:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self._refusal(event, path, "anchors and aliases are not allowed; write the value out")
        if event.tag is not None:
            raise self._refusal(event, path, f"the tag {shortened(event.tag)} is not allowed")
        if len(path) > DEPTH_MAX:
            raise self._refusal(event, path, f"nested more than {DEPTH_MAX} deep")
        self._file.note(path, _line(event))
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event.value) if event.implicit[0] else event.value
        return self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._sequence(path)

    def _sequence(self, path: FieldPath) -> tuple[Any, ...]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return tuple(items)

    def _mapping(self, path: FieldPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
                raise self._refusal(event, path, "a key is a plain word")
            key, line = event.value, _line(event)
            inner = (*path, key)
            if key in found:
                first = self._file.line_of(inner)
                self._file.problems.append(
                    WorldInvalid(self._file.name, line, dotted(inner), f"the key stands twice, first on line {first}")
                )
            self._file.note(inner, line)
            value = self._value(next(self._events), inner)
            found.setdefault(key, value)
        return found

    def _refusal(self, event: Any, path: FieldPath, problem: str) -> WorldInvalid:
        return WorldInvalid(self._file.name, _line(event), dotted(path), problem)


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


def _scalar(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
