"""A server process that never outlives its owner.

A small shell starts the server and waits on a pipe whose other end only the owner holds. When the owner closes it, or
ends in any way (even by ``kill -9``), the shell stops the server. The shell is the server's parent, so the process
number it signals cannot belong to another process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import IO, Final, NamedTuple

import psutil

from ganggpt.errors import StartFailed
from ganggpt.private_files import UMASK

_GUARD: Final = """
signal=$1; log=$2; shift 2
"$@" </dev/null >>"$log" 2>&1 &
echo $!
exec >&-
read -r _
kill -s "$signal" $! 2>/dev/null
wait $!
"""
_SOCKET_PATH_MAX: Final = 100
"""The most bytes of a Unix socket path on every system (the limit is 107 on Linux and 103 on macOS)."""
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9_./-]+")
_LOG_BYTES_MAX: Final = 16 * 1024 * 1024


class SystemAccount(NamedTuple):
    """The user and group of a server that must not run as ours."""

    uid: int
    gid: int


class ChildServer:
    """Owns one child server: starts it under its guard, asks it to stop, and kills it if it does not.

    ``log`` is in the working directory of the server. ``stop_signal`` names the signal that makes it stop cleanly,
    without the SIG. All methods block.
    """

    def __init__(
        self, name: str, argv: Sequence[str], log: Path, stop_signal: str, run_as: SystemAccount | None = None
    ) -> None:
        self.name = name
        self._argv = list(argv)
        self._log = log
        self._stop_signal = stop_signal
        self._run_as = run_as
        self._guard: subprocess.Popen[str] | None = None
        self.pid: int | None = None

    def start(self) -> int:
        """Start the server and return its process number; it is not ready yet."""
        with contextlib.suppress(FileNotFoundError):
            if self._log.stat().st_size > _LOG_BYTES_MAX:
                self._log.replace(self._log.with_suffix(".log.old"))
        self._guard = subprocess.Popen(  # noqa: S603 - our own words and paths, no shell expands them
            ["/bin/sh", "-c", _GUARD, f"{self.name}-guard", self._stop_signal, str(self._log), *self._argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=self._log.parent,
            # Ctrl-C of a terminal must reach only the owner, which drains first and stops its servers last.
            start_new_session=True,
            user=None if self._run_as is None else self._run_as.uid,
            group=None if self._run_as is None else self._run_as.gid,
            extra_groups=None if self._run_as is None else [],
            umask=UMASK,
        )
        assert self._guard.stdout is not None
        line = self._guard.stdout.readline()
        self._guard.stdout.close()
        if not line.strip():
            raise StartFailed(f"The process that guards {self.name} ended at once.", f"See {self._log}.")
        self.pid = int(line)
        return self.pid

    def is_running(self) -> bool:
        """Whether the server process runs."""
        return self.pid is not None and self._guard is not None and process_lives(self.pid)

    def stop(self, timeout_s: float) -> None:
        """Ask the server to stop; after ``timeout_s`` seconds kill it. Does nothing where it is not started."""
        guard, pid = self._guard, self.pid
        if guard is None or pid is None:
            return
        assert guard.stdin is not None
        guard.stdin.close()
        try:
            guard.wait(timeout_s)
        except subprocess.TimeoutExpired:
            # The guard has not reaped it yet, so the number is still the server's own.
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(pid).kill()
            guard.wait(timeout_s)
        if guard.returncode < 0:
            # The guard was killed before it could stop the server.
            stop_orphan(pid, self._log.parent, getattr(signal, f"SIG{self._stop_signal}"), timeout_s)
        self._guard = self.pid = None

    def log_tail(self, lines: int = 6) -> str:
        """The last lines the server wrote, for an error message."""
        try:
            text = self._log.read_bytes()[-8192:].decode(errors="replace")
        except FileNotFoundError:
            return "it wrote no log"
        return " | ".join(text.strip().splitlines()[-lines:]) or "its log is empty"


class DirectoryLock:
    """A lock on a data directory for one process. The kernel releases it when the process ends."""

    def __init__(self, path: Path, part: str) -> None:
        self._path = path
        self._part = part
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Take the lock. Raises StartFailed where another running process holds it."""
        file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            file.close()
            raise StartFailed(
                f"{self._part} did not start: {self._path.parent} is in use by process {holder}.",
                "Stop it or use another data directory.",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Release the lock. Does nothing where it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None


def process_lives(pid: int) -> bool:
    """Whether a process runs and does not only wait to be reaped."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def stop_orphan(pid: int, home: Path, polite_signal: int, timeout_s: float) -> None:
    """Stop a server that outlived its owner and its guard: process ``pid``, if it works in ``home``.

    The caller holds the lock of the directory, so the server belongs to no running owner.
    """
    try:
        process = psutil.Process(pid)
        if Path(process.cwd()) != home:
            return
        process.send_signal(polite_signal)
        try:
            process.wait(timeout_s)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(timeout_s)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        # It has ended, or another process has the number now.
        return


def socket_directory(wanted: Path, socket_name: str, account: SystemAccount | None) -> Path:
    """A private directory for a socket: ``wanted``, or a stable one under the temporary directory where that path would
    be too long or would need quoting. Raises StartFailed where another user made that one first."""
    if not _fits(wanted / socket_name):
        short = "ganggpt-" + blake2b(os.fsencode(wanted), digest_size=8).hexdigest()
        wanted = Path(tempfile.gettempdir()) / short
        if not _fits(wanted / socket_name):
            wanted = Path("/tmp") / short  # noqa: S108 - owner and mode are checked below
    wanted.mkdir(mode=0o700, parents=True, exist_ok=True)
    own_directory(wanted, account)
    return wanted


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= _SOCKET_PATH_MAX and _PLAIN_PATH.fullmatch(str(path)) is not None


def own_directory(path: Path, account: SystemAccount | None) -> None:
    """Make a directory private to the user a server runs as. Raises StartFailed where another user owns it."""
    wanted = os.geteuid() if account is None else account.uid
    stat = path.lstat()
    if stat.st_uid not in {wanted, os.geteuid()}:
        raise StartFailed(f"The directory {path} belongs to user {stat.st_uid}.", "Remove it.")
    if stat.st_uid != wanted:
        os.chown(path, wanted, -1)
    path.chmod(0o700)


def wait_until_ready(server: ChildServer, is_ready: bool, started_s: float, timeout_s: float) -> bool:
    """One step of a readiness loop: True when ready, False to poll again. Raises StartFailed when the server has ended
    or the time is over."""
    if is_ready:
        return True
    if not server.is_running():
        raise StartFailed(f"{server.name} ended at once: {server.log_tail()}", "The log names the cause.")
    if time.monotonic() - started_s > timeout_s:
        late = f"{server.name} was not ready after {timeout_s:.0f} s: {server.log_tail()}"
        raise StartFailed(late, "The log names the cause.")
    time.sleep(0.01)
    return False
