"""``retention``: applied now, with a line for people about what is under way."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console

from ganggpt.cli.screen import screen
from ganggpt.cli.worlds import database_of
from ganggpt.config import Settings
from ganggpt.operations.retention import apply_retention


async def run_retention(settings: Settings, *, dry_run: bool) -> dict[str, Any]:
    """What was done, or with ``dry_run`` would be. Raises StartFailed and Unavailable."""
    console = Console(stderr=True, quiet=screen.as_json)
    with console.status("retention") as status:
        async with database_of(settings) as dsn:
            done = await apply_retention(settings, dsn, status.update, dry_run=dry_run)
    fields: dict[str, Any] = msgspec.to_builtins(done)
    return fields
