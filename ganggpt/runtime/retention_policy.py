"""``ganggpt retention``: what the supervisor's housekeeping does every hour, done now, whether or not a world runs."""

from __future__ import annotations

from collections.abc import Callable

from ganggpt.actors.maintenance.housekeeping import EVERYTHING, Retained
from ganggpt.config import Settings
from ganggpt.errors import StartFailed
from ganggpt.persistence.journal.partitions import ensure_partitions
from ganggpt.persistence.migrate import needs_migration
from ganggpt.persistence.pool import open_pool
from ganggpt.persistence.ports.retention import Kept
from ganggpt.runtime.maintenance import housekeeping_of
from ganggpt.runtime.stores import pool_options


def kept_of(settings: Settings) -> Kept:
    """How long what is kept, as the settings say."""
    return Kept(settings.journal_days, settings.memory_months, settings.mission_days, settings.away_days)


async def apply_retention(
    settings: Settings, dsn: str, report: Callable[[str], None], *, dry_run: bool = False
) -> Retained:
    """Apply the retention once, or with ``dry_run`` say what that would do and change nothing.

    ``report`` is told what is under way. Raises StartFailed where the schema is not this program's, Unavailable.
    """
    if await needs_migration(dsn):
        raise StartFailed("retention", "the database has another schema than this program", "Run: ganggpt migrate")
    pool = await open_pool(dsn, pool_options(settings, 1))
    try:
        if not dry_run:
            await ensure_partitions(pool)
        housekeeping = housekeeping_of(pool, kept_of(settings), report)
        return await housekeeping.round(dry_run=dry_run, expired_max=EVERYTHING)
    finally:
        await pool.close()
