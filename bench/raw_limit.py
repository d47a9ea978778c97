"""The raw limit: two processes that run only the fenced group-commit statement against the peers' database."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Final

from bench.load_run import LoadResult
from bench.processes import Child, python
from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.journal.partitions import ensure_partitions
from ganggpt.persistence.pool import open_pool

WRITERS: Final = 2
PER_COMMIT: Final = 100
_READY_S: Final = 30.0


class RawLimit:
    """Owns nothing; each measurement draws fresh epochs, so that the statement meets hosts that are live."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def measure(self, seconds: float) -> LoadResult:
        """Events committed per second by both writers together. Raises StartFailed."""
        pool = await open_pool(self._dsn)
        try:
            await ensure_partitions(pool)
            names = [f"limit{number}" for number in range(WRITERS)]
            epochs = [(await PostgresHosts(pool).register(name, "shared")).epoch for name in names]
        finally:
            await pool.close()
        with tempfile.TemporaryDirectory() as logs:
            writers = [
                Child(name, self._argv(name, epoch, seconds), Path(logs) / f"{name}.log")
                for name, epoch in zip(names, epochs, strict=True)
            ]
            try:
                for writer in writers:
                    await writer.start()
                for writer in writers:
                    await writer.line(_READY_S)
                for writer in writers:
                    await writer.tell("go")
                lines = await asyncio.gather(*(writer.line(seconds + _READY_S) for writer in writers))
            finally:
                for writer in writers:
                    await writer.stop()
        done = [json.loads(line) for line in lines]
        per_s = sum(one["events"] / one["seconds"] for one in done)
        events = sum(one["events"] for one in done)
        return LoadResult(
            acked=events, seconds=seconds, per_s=per_s, each_second=[], p50_ms=None, p99_ms=None, refused={}
        )

    def _argv(self, name: str, epoch: int, seconds: float) -> list[str]:
        what = ["--name", f"{name}-{epoch}", "--epoch", str(epoch), "--per-commit", str(PER_COMMIT)]
        return python("bench.peers.limit", "--dsn", self._dsn, *what, "--seconds", str(seconds))
