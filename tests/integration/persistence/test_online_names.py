"""Names are compared with those of the players who are online, as the table of players shows them."""

from __future__ import annotations

import asyncpg
import pytest

from ganggpt.persistence.hosts import PostgresHosts
from ganggpt.persistence.online_names import online_names
from ganggpt.persistence.projections.writer import PostgresFlush
from tests.support.states import NOW_S, player

pytestmark = pytest.mark.integration


async def test_whoever_is_online_is_known_by_the_name_they_joined_under(pool: asyncpg.Pool) -> None:
    epoch = (await PostgresHosts(pool).register("host-1", "shared")).epoch
    shown = [
        ("player:license:1a2b", None, player("Ava", server="one")),
        ("player:license:3c4d", None, player("Ava", server="two")),
        ("player:char:7", None, player("张伟", server="one")),
        ("player:gone", None, player("Gone")),
    ]
    await PostgresFlush(pool).flush(epoch, shown, NOW_S)
    assert await online_names(pool) == {
        "player:license:1a2b": "Ava",
        "player:license:3c4d": "Ava",
        "player:char:7": "张伟",
    }
