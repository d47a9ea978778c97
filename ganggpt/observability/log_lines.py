"""One format of a line of the log, written by every process of a world and read back by ``ganggpt logs``:

    2026-11-30T02:11:06.123Z WARNING los-santos host/shared-1 ganggpt.actors.host.outbox: what happened

Further lines of a message, such as a traceback, are indented, so that no text can pass for another line of the log.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, NamedTuple

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_INDENT: Final = "    "
_TEXT_CHARS_MAX: Final = 16_000
_LINE: Final = re.compile(rf"(\S+Z) ({'|'.join(LEVELS)}) (\S+) (\S+) (\S+): (.*)", re.DOTALL)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_SECRET: Final = re.compile(
    r"""([a-z][a-z0-9+]*://[^\s/:@]*:)\S+(?=@)                               # the password of a URL
    |(\b(?:api[-_]?key|authorization|password|token)['"]?\s*[:=]\s*['"]?)(?:bearer\s+)?[^\s'",]+
    |(\bbearer\s+)[^\s'",]{16,}""",
    re.IGNORECASE | re.VERBOSE,
)


class LogLine(NamedTuple):
    """One line, in its parts. ``component``: which process of the world, such as ``bridge`` or ``host/shared-1``."""

    time: str
    level: str
    world: str
    component: str
    logger: str
    text: str


class LineFormatter(logging.Formatter):
    """Makes lines for one process. Passwords and tokens in texts of libraries are left out."""

    def __init__(self, world: str, component: str) -> None:
        super().__init__()
        self.world = world
        self._component = _word(component)

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line, without the line feed at its end."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        level = record.levelname if record.levelname in LEVELS else "INFO"
        head = f"{when} {level} {_word(self.world)} {self._component} {_word(record.name)}"
        return f"{head}: {_clean(super().format(record))}"


def joined_lines(lines: Iterable[str]) -> Iterator[LogLine]:
    """The lines of a file, each with the indented ones that continue it."""
    under_way: LogLine | None = None
    for line in lines:
        found = None if line.startswith(_INDENT) else _LINE.fullmatch(line)
        if found is not None:
            if under_way is not None:
                yield under_way
            under_way = LogLine(*found.groups())
        elif under_way is not None:
            under_way = under_way._replace(text=f"{under_way.text}\n{line.removeprefix(_INDENT)}")
    if under_way is not None:
        yield under_way


def _clean(text: str) -> str:
    if len(text) > _TEXT_CHARS_MAX:
        text = f"{text[:_TEXT_CHARS_MAX]}… ({len(text) - _TEXT_CHARS_MAX} more characters)"
    text = _SECRET.sub(lambda found: f"{found[1] or found[2] or found[3]}***", text)
    return indented("\n".join(_CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", line) for line in text.split("\n")))


def indented(text: str) -> str:
    """A text with what follows its first line indented, as it stands in the file."""
    return text.replace("\n", f"\n{_INDENT}")


def _word(text: str) -> str:
    return re.sub(r"\s", "_", text) or "-"
