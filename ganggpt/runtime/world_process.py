"""A whole runtime as a child process, started as a user starts it: for the demo, tests and benchmarks."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from ganggpt.errors import StartFailed
from ganggpt.runtime.run_file import Run

_LINE_BYTES_MAX: Final = 1 << 20
_LOG_TAIL: Final = 2000


def token_of(run: Run) -> str:
    """The bridge's bearer token."""
    return Path(run.token_file).read_text(encoding="utf-8").strip()


class WorldProcess:
    """Owns one ``ganggpt up``. Its log goes to ``up.log`` in the data directory; ``ready_s`` is how long the last start
    took, from the spawn of the process."""

    def __init__(self, data_dir: Path, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self._data_dir = data_dir
        self._options = options
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None
        self.ready_s = 0.0

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return None if self._process is None else self._process.pid

    async def start(self, within_s: float = 120.0) -> Run:
        """Start and wait until the world is ready. Raises StartFailed with the end of its log."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        log_path = self._data_dir / "up.log"
        began = time.monotonic()
        with log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ganggpt.cli", "up", "--json", "--data-dir", str(self._data_dir), *self._options,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log,
                env=self._environment, limit=_LINE_BYTES_MAX,
            )  # fmt: skip
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(within_s):
                run = await self._first_json(self._process.stdout)
        except (TimeoutError, ValueError) as failed:
            await self.kill()
            tail = log_path.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:]
            raise StartFailed(f"The world did not start: {failed!r}\n{tail}", f"Its log is {log_path}.") from failed
        if "error" in run:
            await self.kill()
            raise StartFailed(f"The world did not start: {run['error'].get('message')}", f"Its log is {log_path}.")
        self.ready_s = time.monotonic() - began
        return msgspec.convert(run, Run)

    async def _first_json(self, output: asyncio.StreamReader) -> dict[str, Any]:
        """The first JSON line; other output of libraries is skipped. Raises ValueError at the end of the output."""
        while line := await output.readline():
            if line.startswith(b"{"):
                fields: dict[str, Any] = json.loads(line)
                return fields
        raise ValueError("it ended before it was ready")

    async def stop(self, within_s: float = 60.0) -> None:
        """Stop it as Ctrl-C would, and wait. Raises StartFailed when it does not end."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(self._process.wait(), within_s)
        except TimeoutError:
            await self.kill()
            raise StartFailed(f"The world did not stop within {within_s:g} s.", "See up.log.") from None
        self._process = None

    async def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._process = None
