"""The names of the players who are on a game server, from the table ``players``: at most some seconds old."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import asyncpg

from ganggpt.persistence.ask import ask
from ganggpt.persistence.sql import load_sql

SQL: Final = load_sql(Path(__file__).with_name("online_names.sql"))
NAMES_MAX: Final = 65_536
"""So many players who are online are compared."""
_MADE_DIFFERENT: Final = re.compile(r"~[0-9a-f]{8}\Z")


async def online_names(pool: asyncpg.Pool[Any], timeout_s: float = 5.0) -> Mapping[str, str]:
    """The username of every player who is online, by actor. Raises Unavailable."""
    rows = await ask(pool, timeout_s, SQL["online_names"], NAMES_MAX)
    return {row["actor"]: _MADE_DIFFERENT.sub("", row["username"]) for row in rows}
