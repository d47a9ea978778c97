"""The raw limit: one writer that runs nothing but the runtime's fenced group-commit statement, one commit at a time.

The harness starts two of them. Batches are made before the clock starts; only their sequence numbers move on.
Writes one JSON line: events committed and seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from ganggpt.domain.ids import new_command_id
from ganggpt.persistence.journal.journal import SQL

BATCHES = 64


async def main(dsn: str, name: str, epoch: int, per_commit: int, seconds: float) -> None:
    """Wait for a line on standard input, so that all writers start together, then write for so many seconds."""
    connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn)
    statement = await connection.prepare(SQL["append"])
    actors = [f"npc:{name}-{n:04d}" for n in range(per_commit)]
    body = b"\x92\xa7Noticed\xcb\x40\x49\x00\x00\x00\x00\x00\x00" + bytes(40)
    by, names, bodies = ["server:bench"] * per_commit, ["Observe"] * per_commit, [body] * per_commit
    ids = [[UUID(bytes=new_command_id()) for _ in range(per_commit)] for _ in range(BATCHES)]
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    started_s = time.perf_counter()
    until_s = started_s + seconds
    committed = 0
    while time.perf_counter() < until_s:
        seqs = [committed // per_commit + 1] * per_commit
        at = [time.time()] * per_commit
        batch = ids[committed // per_commit % BATCHES]
        done = await statement.fetchval(epoch, actors, seqs, at, batch, by, names, bodies)
        if done != per_commit:
            sys.exit(f"the statement committed {done} of {per_commit} events")
        committed += per_commit
    print(json.dumps({"events": committed, "seconds": time.perf_counter() - started_s}), flush=True)
    await connection.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--epoch", type=int, required=True)
    parser.add_argument("--per-commit", type=int, default=100)
    parser.add_argument("--seconds", type=float, required=True)
    asked = parser.parse_args()
    uvloop.run(main(asked.dsn, asked.name, asked.epoch, asked.per_commit, asked.seconds))
