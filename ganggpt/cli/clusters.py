"""``clusters`` and ``takeover``: which Ray clusters share a world, and which of them should hold it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from rich.progress import Progress, TextColumn

from ganggpt.cli.screen import screen
from ganggpt.cli.worlds import database_of
from ganggpt.config import Settings
from ganggpt.errors import Unavailable
from ganggpt.persistence.clusters import PostgresClusters
from ganggpt.persistence.pool import open_pool
from ganggpt.persistence.ports.clusters import ClusterRow
from ganggpt.runtime.connections import command_pool

_POLL_S: Final = 0.2


async def known_clusters(settings: Settings) -> list[ClusterRow]:
    """All clusters of the world. Raises Unavailable."""
    async with database_of(settings) as dsn:
        pool = await open_pool(dsn, command_pool(settings))
        try:
            return await PostgresClusters(pool, settings.cluster).known()
        finally:
            await pool.close()


async def take_over(settings: Settings, name: str, within_s: float) -> dict[str, Any]:
    """Make a cluster the owner and wait until it holds every shard. Raises UnknownCluster, and Unavailable where it
    does not in time: it is the owner then all the same."""
    async with database_of(settings) as dsn:
        pool = await open_pool(dsn, command_pool(settings))
        clusters = PostgresClusters(pool, name)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            changed = await clusters.claim()
            with Progress(
                *Progress.get_default_columns(), TextColumn("{task.fields[held]}"), disable=screen.as_json
            ) as progress:
                bar = progress.add_task(f"shards to {name}", total=None, held="")
                while True:
                    rows = await clusters.known()
                    total = sum(row.shards for row in rows)
                    held = next(row.shards for row in rows if row.name == name)
                    progress.update(bar, total=total, completed=held, held=f"{held} of {total}")
                    if total and held == total:
                        break
                    if loop.time() - began_s > within_s:
                        raise Unavailable(
                            "the end of the takeover", f"{name} holds {held} of {total} shards after {within_s:g} s"
                        )
                    await asyncio.sleep(_POLL_S)
        finally:
            await pool.close()
    return {"owner": name, "changed": changed, "shards": held, "seconds": round(loop.time() - began_s, 2)}
