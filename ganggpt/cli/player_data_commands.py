"""``export`` and ``erase``: the rights of a player over their data."""
# ruff: noqa: ARG001 - --json and --debug act through their callbacks, before the command runs

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer

from ganggpt.cli.options import AsJson, DataDir, Debug, EnvFile, settings_from
from ganggpt.cli.screen import rounded, screen
from ganggpt.cli.snapshot_commands import place_of
from ganggpt.cli.world_commands import exports_of, pool_of
from ganggpt.config import Settings
from ganggpt.errors import InvalidInput
from ganggpt.operations.erasure_preview import TextChange, preview
from ganggpt.operations.player_data import export, follow, order_erasure, player_actor
from ganggpt.persistence.world_store import load_world

Player = Annotated[str, typer.Argument(help="The player's id or actor: ava, license:1a2b or player:ava.")]

app = typer.Typer()
"""Merged into the commands of ``ganggpt``."""


@app.command("export")
def export_(
    player: Player,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The file to write; by default exports/PLAYER.json in the data directory."),
    ] = None,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Export everything the world holds about one player, as JSON."""
    settings, actor = settings_from(env_file, data_dir=data_dir), player_actor(player)
    found = asyncio.run(_export(settings, actor))
    if screen.as_json:
        screen.result(found)
        return
    file = out or exports_of(settings) / f"{quote(actor.partition(':')[2], safe=': ')}.json"
    try:
        file.unlink(missing_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(msgspec.json.format(msgspec.json.encode(rounded(found)), indent=1))
    except OSError as failed:
        raise InvalidInput("out", f"{file} cannot be written: {failed.strerror}") from None
    actors = found["actors"].items()
    minds = [(name, ", ".join(known.get("now", ())), len(known.get("turns", ()))) for name, known in actors]
    screen.rows(("actor", "knows now", "turns"), minds, f"{actor} in this world")
    screen.rows(("table", "rows"), [(table, len(rows)) for table, rows in found["tables"].items()])
    screen.say(f"written to {file}")


@app.command()
def erase(  # noqa: PLR0913 - each argument is an option
    player: Player,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show every text that would change, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    even_online: Annotated[bool, typer.Option("--even-online", help="Also while the player is on a server.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until nothing of the player is left.")] = True,
    snapshots: Annotated[
        str | None, typer.Option("--snapshots", help="Where this world's snapshots are; by default its data directory.")
    ] = None,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Erase one player from every mind, table and cache and from the journal. This cannot be undone."""
    settings, actor = settings_from(env_file, data_dir=data_dir), player_actor(player)
    if dry_run:
        _show(asyncio.run(_preview(settings, actor)), actor)
        return
    if not (yes or screen.as_json):
        typer.confirm(f"Erase everything about {actor}? This cannot be undone.", abort=True)
    done = asyncio.run(_erase(settings, actor, place_of(settings, snapshots), even_online=even_online, wait=wait))
    screen.result(done, f"{actor} is erased" if done["done"] else f"{actor} will be erased when the world runs")


async def _export(settings: Settings, actor: Any) -> dict[str, Any]:
    with screen.under_way("looking") as tell:
        async with pool_of(settings) as pool:
            return await export(pool, actor, tell)


def _show(changes: Sequence[TextChange], actor: Any) -> None:
    if screen.as_json:
        for change in changes:
            screen.json_line(msgspec.to_builtins(change))
        return
    rows = [(f"{c.table} {c.row}", c.field, c.before, "(deleted)" if c.after is None else c.after) for c in changes]
    screen.rows(("where", "field", "before", "after"), rows, f"what an erasure of {actor} would change")
    screen.say(f"{len(changes)} texts would change; nothing has been changed")


async def _preview(settings: Settings, actor: Any) -> Sequence[TextChange]:
    with screen.under_way("looking") as tell:
        async with pool_of(settings) as pool:
            world, _ = await load_world(pool)
            return [change async for change in preview(pool, actor, world, tell)]


async def _erase(settings: Settings, actor: Any, place: str, *, even_online: bool, wait: bool) -> dict[str, Any]:
    with screen.under_way("ordering") as tell:
        async with pool_of(settings) as pool:
            no = await order_erasure(pool, actor, place, even_online=even_online)
            if not wait:
                return {"order": no, "done": False}
            order = await follow(pool, no, tell)
    return {"order": no, "done": order.done_at is not None, "rounds": order.rounds, **order.erased}
