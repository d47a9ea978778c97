"""A world with a past, and the housekeeping that keeps it small."""

from __future__ import annotations

import asyncpg
import pytest

from ganggpt.actors.maintenance.housekeeping import Housekeeping
from ganggpt.persistence.ports.retention import Kept
from ganggpt.runtime.maintenance import housekeeping_of
from tests.support.past import Past


@pytest.fixture
async def past(pool: asyncpg.Pool) -> Past:
    return await Past(pool).begin()


@pytest.fixture
def keeping(pool: asyncpg.Pool) -> Housekeeping:
    return housekeeping_of(pool, Kept(journal_days=14))
