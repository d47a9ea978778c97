"""The log of a world: one file in its data directory, to which all of its processes append, rotated with a bound."""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ganggpt.observability.log_lines import LineFormatter

LOG_FOLDER: Final = "logs"
_NAME: Final = "ganggpt.log"
FILE_BYTES_MAX: Final = 8 * 1024 * 1024
FILES_MAX: Final = 5
"""The file that is written to and its predecessors: 40 MiB together, for days of an ordinary world."""
_COMPLAINT_S: Final = 60.0
progress: Final = logging.getLogger("ganggpt.progress")
"""What the terminal shows in another way: it goes to the file alone, and nowhere before there is one."""
progress.propagate = False
progress.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Where a process writes its log. ``directory``: of the log file; None: standard error, as containers have it."""

    level: str = "INFO"
    world: str = ""
    directory: str | None = None


def start_logs(options: LogOptions, component: str) -> None:
    """Send the log of this process where the options say: ours from their level on, that of libraries from WARNING."""
    handler: logging.Handler
    handler = logging.StreamHandler() if options.directory is None else SharedLogFile(Path(options.directory))
    handler.setFormatter(LineFormatter(options.world, component))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    ours = logging.getLogger("ganggpt")
    ours.setLevel(options.level)
    ours.info("process %d starts", os.getpid())


class UpLog:
    """Owns the log file of a process that has a terminal, too: what goes there goes to the file as well."""

    def __init__(self, directory: Path, world: str, component: str) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)
        self._formatter = LineFormatter(world, component)
        self._file = SharedLogFile(directory)
        self._file.setFormatter(self._formatter)
        logging.getLogger().addHandler(self._file)
        progress.addHandler(self._file)

    def name_world(self, world: str) -> None:
        """From now on the lines name this world."""
        self._formatter.world = world

    def close(self) -> None:
        """Write to the file no longer."""
        for logger in (logging.getLogger(), progress):
            logger.removeHandler(self._file)
        self._file.close()


def log_files(directory: Path) -> Sequence[Path]:
    """The files of the log that exist, the oldest first."""
    return [path for n in reversed(range(FILES_MAX)) if (path := _numbered(directory, n)).exists()]


class SharedLogFile(logging.Handler):
    """Appends to the log file of a directory. A line is one write, so lines of several processes do not mix; whoever
    finds the file full renames it, and the others notice."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory
        self._path = _numbered(directory, 0)
        self._fd: int | None = None
        self._complained_s = -_COMPLAINT_S

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record. A disk that refuses it is named on standard error, once a minute."""
        try:
            line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
            os.write(self._opened(), line)
        except OSError as failed:
            if time.monotonic() - self._complained_s >= _COMPLAINT_S:
                self._complained_s = time.monotonic()
                print(f"The log {self._path} cannot be written: {failed.strerror}", file=sys.stderr)  # noqa: T201
        except Exception:  # noqa: BLE001 - a record that cannot be formatted; logging says where it was made
            self.handleError(record)

    def close(self) -> None:
        """Close the file."""
        self.acquire()
        try:
            self._close_file()
        finally:
            self.release()
        super().close()

    def _opened(self) -> int:
        """The file that has the name now, with room for a line."""
        for _ in range(2):
            try:
                there = self._path.stat()
            except FileNotFoundError:
                there = None
            if there is None or self._fd is None or not os.path.samestat(os.fstat(self._fd), there):
                self._close_file()
                self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if there is None or there.st_size < FILE_BYTES_MAX:
                break
            self._rotate()
        assert self._fd is not None
        return self._fd

    def _rotate(self) -> None:
        folder = os.open(self._directory, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)  # held for some renames
            if not self._path.exists() or self._path.stat().st_size < FILE_BYTES_MAX:
                return  # another process was faster; under the lock nobody renames
            for n in reversed(range(1, FILES_MAX)):
                older = _numbered(self._directory, n - 1)
                if older.exists():
                    older.replace(_numbered(self._directory, n))
        finally:
            os.close(folder)

    def _close_file(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _numbered(directory: Path, n: int) -> Path:
    return directory / (f"{_NAME}.{n}" if n else _NAME)
