"""Reads the log of a world back: its last lines, and what is added to it, while it runs and after its stop."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from ganggpt.observability.log_file import log_files
from ganggpt.observability.log_lines import LEVELS, LogLine, joined_lines

LINES_MAX: Final = 100_000
_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are shown: those from ``level`` on, of one component or of all of a kind (``host``)."""

    level: str = "DEBUG"
    component: str = ""

    def matches(self, line: LogLine) -> bool:
        """Whether a line is shown."""
        of_it = self.component in ("", line.component) or line.component.startswith(f"{self.component}/")
        return of_it and LEVELS.index(line.level) >= LEVELS.index(self.level)


class LogReader:
    """Reads the log of a directory from its oldest line on. A rotation meanwhile loses and doubles nothing."""

    def __init__(self, directory: Path, wanted: Wanted) -> None:
        self._directory = directory
        self._wanted = wanted
        self._file: BinaryIO | None = None
        self._rest = b""

    def __enter__(self) -> LogReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def found(self) -> bool:
        """Whether there is a log; known once it was read."""
        return self._file is not None

    def last(self, count: int) -> Sequence[LogLine]:
        """Read all there is; returns the last ``count`` of the lines that are wanted."""
        kept: deque[LogLine] = deque(maxlen=count)
        while (lines := self._read()) is not None:
            kept.extend(lines)
        return list(kept)

    def follow(self) -> Iterator[LogLine]:
        """The lines that are wanted as they are written, without end."""
        while True:
            lines = self._read()
            if lines is None:
                time.sleep(_POLL_S)
            else:
                yield from lines

    def _read(self) -> list[LogLine] | None:
        """What the file under way has more, then what the next one has; None where there is no more yet."""
        following = self._next()  # looked for before the read: what is renamed gets no more lines soon after
        if self._file is not None and (more := self._file.read()):
            whole, _, self._rest = (self._rest + more).rpartition(b"\n")
            lines = joined_lines(whole.decode("utf-8", "replace").split("\n"))
            return [line for line in lines if self._wanted.matches(line)]
        if following is None:
            return None
        self._close()
        try:
            self._file = following.open("rb")
        except FileNotFoundError:
            return None
        return []

    def _next(self) -> Path | None:
        """The file after the one under way, the oldest where none is; None where it is the newest."""
        files = log_files(self._directory)
        if self._file is None:
            return files[0] if files else None
        here = os.fstat(self._file.fileno())
        for n, path in enumerate(files):
            try:
                if os.path.samestat(path.stat(), here):
                    return files[n + 1] if n + 1 < len(files) else None
            except FileNotFoundError:
                return None  # renamed just now: the next look sees the new names
        return files[0] if files else None

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._rest = None, b""
