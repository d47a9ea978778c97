"""Maintenance of the world in a Postgres database: housekeeping and erasure with their real adapters."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from ganggpt.actors.maintenance.erasure import Erasing, ErasurePorts
from ganggpt.actors.maintenance.housekeeping import Housekeeping, Report, Upkeep
from ganggpt.actors.routing.shards import Residences
from ganggpt.domain.world import World
from ganggpt.persistence.journal.journal import PostgresJournal
from ganggpt.persistence.journal.partitions import ensure_partitions
from ganggpt.persistence.journal.retention import PostgresJournalRetention
from ganggpt.persistence.journal.row_retention import PostgresRowRetention
from ganggpt.persistence.player_data.player_data import PostgresPlayerData
from ganggpt.persistence.player_data.redis_player_data import RedisPlayerData
from ganggpt.persistence.ports.retention import RetentionPolicy

log = logging.getLogger(__name__)


def upkeep_of(pool: Any, policy: RetentionPolicy) -> Upkeep:
    """What the supervisor of a world calls every hour. The pool belongs to the caller."""
    return Upkeep(partial(ensure_partitions, pool), housekeeping_of(pool, policy))


def housekeeping_of(pool: Any, policy: RetentionPolicy, report: Report = log.debug) -> Housekeeping:
    """The housekeeping of a world; ``report`` is told what is under way. The pool belongs to the caller."""
    journal = PostgresJournal(pool, "housekeeping")
    days, rows = PostgresJournalRetention(pool), PostgresRowRetention(pool)
    return Housekeeping(journal, days, rows, policy, report)


def erasing_of(
    pool: Any, redis_url: str | None, residences: Callable[[], Awaitable[Residences]], world: World
) -> Erasing:
    """The erasure of players of a world. The pool belongs to the caller."""
    store, cache = PostgresPlayerData(pool), RedisPlayerData(redis_url)
    journal, retention = PostgresJournal(pool, "erasure"), PostgresJournalRetention(pool)
    return Erasing(ErasurePorts(store, cache, journal, retention, residences, world))
