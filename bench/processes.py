"""Child processes of the benchmark: started with a mark in their environment, measured and ended by that mark.

The mark is inherited by everything a child starts, also by what detaches itself from its parent as Ray's daemons do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from ganggpt.errors import StartFailed

ROOT: Final = Path(__file__).resolve().parent.parent
_MARK: Final = "BENCH_MARK"
_KEPT: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LD_LIBRARY_PATH", "SSL_CERT_FILE")
_STOP_S: Final = 60.0
_POLL_S: Final = 0.05


class Child:
    """Owns one process and everything that comes out of it. Its standard output is a pipe, its errors go to a file."""

    def __init__(self, name: str, argv: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.name = name
        self._argv = list(argv)
        self._log = log
        self._mark = secrets.token_hex(8)
        # A clean environment: what the user has set for a world of their own must not change a measurement.
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self._environment = {**kept, "PYTHONPATH": str(ROOT), **(environment or {}), _MARK: self._mark}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> asyncio.subprocess.Process:
        """The process. Raises StartFailed where it ended (with the end of its log) or never started."""
        if self._process is None or self._process.returncode is not None:
            ended = "was not started" if self._process is None else f"ended with {self._process.returncode}"
            raise StartFailed(f"{self.name} {ended}.", f"Its log {self._log.name} ends: {self._log_end()}")
        return self._process

    async def start(self) -> None:
        """Start the process."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._argv,
                cwd=ROOT,
                env=self._environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=1 << 20,
            )

    async def line(self, within_s: float) -> bytes:
        """The next line of its output. Raises StartFailed where none comes."""
        process = self.running
        assert process.stdout is not None
        try:
            async with asyncio.timeout(within_s):
                line = await process.stdout.readline()
                if not line:
                    await process.wait()
        except TimeoutError:
            raise StartFailed(
                f"{self.name} said nothing for {within_s:g} s.", f"Its log ends: {self._log_end()}"
            ) from None
        if not line:
            raise StartFailed(f"{self.name} ended with {process.returncode}.", f"Its log ends: {self._log_end()}")
        return line

    async def tell(self, line: str) -> None:
        """Write a line to its input."""
        stdin = self.running.stdin
        assert stdin is not None
        stdin.write(line.encode() + b"\n")
        await stdin.drain()

    def tree(self) -> list[psutil.Process]:
        """All living processes that came out of it, itself included."""
        return [process for process in psutil.process_iter() if self._came_from_here(process)]

    async def stop(self) -> None:
        """Ask it to end (SIGTERM), then end what is left of its tree."""
        process = self._process
        if process is None:
            return
        assert process.stdout is not None
        draining = asyncio.create_task(process.stdout.read())  # a full pipe must not keep it from ending
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                # Not wait(): that also waits for the pipe, which a process of the tree may hold for ever.
                while process.returncode is None:  # noqa: ASYNC110 - it has no event for this
                    await asyncio.sleep(_POLL_S)
        left = await asyncio.to_thread(self.tree)
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        await asyncio.to_thread(psutil.wait_procs, [one for one in left if one.pid != process.pid], 10)
        async with asyncio.timeout(_STOP_S):
            await draining
            await process.wait()

    def _came_from_here(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            return process.environ().get(_MARK) == self._mark
        return False

    def _log_end(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            return self._log.read_text(errors="replace")[-2000:]
        return "(no log)"


def python(*arguments: str) -> list[str]:
    """The command line of a module run by this interpreter."""
    return [sys.executable, "-m", *arguments]


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def title_of(process: psutil.Process) -> str:
    """What the process calls itself: Ray's workers show the class of their actor as ``ray::Class``."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return " ".join(process.cmdline())
    return ""


def resident_bytes(processes: Iterable[psutil.Process]) -> int:
    """Sum of the resident memory."""
    return sum(process.memory_info().rss for process in processes)


def unique_bytes(process: psutil.Process) -> int:
    """Memory that would be free if this process alone ended (USS)."""
    return int(process.memory_full_info().uss)


def proportional_bytes(processes: Iterable[psutil.Process]) -> int:
    """Sum of memory with shared pages divided among their users (PSS on Linux, else USS)."""
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            full = process.memory_full_info()
            total += int(getattr(full, "pss", full.uss))
    return total
