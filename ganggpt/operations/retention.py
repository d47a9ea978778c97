"""``ganggpt retention``: does now what the supervisor's housekeeping does every hour, whether or not a world runs."""

from __future__ import annotations

from collections.abc import Callable

from ganggpt.actors.maintenance.housekeeping import EVERYTHING, Retained
from ganggpt.config import Settings
from ganggpt.errors import StartFailed
from ganggpt.persistence.journal.partitions import ensure_partitions
from ganggpt.persistence.migrate import needs_migration
from ganggpt.persistence.pool import open_pool
from ganggpt.runtime.composition import kept_of
from ganggpt.runtime.connections import command_pool
from ganggpt.runtime.maintenance import housekeeping_of


async def apply_retention(
    settings: Settings, dsn: str, report: Callable[[str], None], *, dry_run: bool = False
) -> Retained:
    """Apply the retention once, or with ``dry_run`` say what that would do and change nothing.

    ``report`` is called with the step under way. Raises StartFailed where the schema is another program's, Unavailable.
    """
    if await needs_migration(dsn):
        raise StartFailed("The schema of the database is not the one of this program.", "Run `ganggpt migrate`.")
    pool = await open_pool(dsn, command_pool(settings))
    try:
        if not dry_run:
            await ensure_partitions(pool)
        housekeeping = housekeeping_of(pool, kept_of(settings), report)
        return await housekeeping.round(dry_run=dry_run, expired_max=EVERYTHING)
    finally:
        await pool.close()
