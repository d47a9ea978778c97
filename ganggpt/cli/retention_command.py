"""``retention``: applied now, with a status line."""

from __future__ import annotations

from typing import Any

import msgspec

from ganggpt.cli.screen import screen
from ganggpt.cli.world_commands import database_of
from ganggpt.config import Settings
from ganggpt.operations.retention import apply_retention


async def run_retention(settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    """Apply the retention, or with ``dry_run`` show what it would do. Raises StartFailed and Unavailable."""
    with screen.under_way("retention") as tell:
        async with database_of(settings) as dsn:
            done = await apply_retention(settings, dsn, tell, dry_run=dry_run)
    fields: dict[str, Any] = msgspec.to_builtins(done)
    return fields
