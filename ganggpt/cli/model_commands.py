"""The commands of ``ganggpt ai``."""
# ruff: noqa: ARG001 - --json and --debug act through their callbacks, before the command runs

from __future__ import annotations

import asyncio
from typing import Annotated, cast, get_args

import typer

from ganggpt.cli import models
from ganggpt.cli.options import AsJson, DataDir, Debug, EnvFile, settings_from
from ganggpt.cli.screen import screen
from ganggpt.errors import InvalidInput
from ganggpt.persistence.models.spend import By

NOT_CERTAIN = 4
"""Exit status of ``ai off`` where calls that had left may still be under way."""

app = typer.Typer(name="ai", help="Models: may they be asked, how are they, what do they cost.", no_args_is_help=True)

Why = Annotated[str, typer.Option("--why", help="Kept with the switch, for whoever looks next.")]
Within = Annotated[float, typer.Option("--within", min=0, help="Longest wait for calls that have left, in seconds.")]


@app.command()
def status(
    *, data_dir: DataDir = None, env_file: EnvFile = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Show the switch, the models of each task, the budgets and what was spent."""
    models.show(asyncio.run(models.look(settings_from(env_file, data_dir=data_dir))))


@app.command("on")
def switch_on(
    *,
    why: Why = "",
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Let calls to models leave again."""
    settings = settings_from(env_file, data_dir=data_dir)
    screen.result(asyncio.run(models.switch(settings, why, 0, on=True)))


@app.command("off")
def switch_off(
    *,
    why: Why = "",
    within_s: Within = 30,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Let no call to a model leave any more; the scripted mind speaks.

    Exit status 4 where some that had left before may still be under way.
    """
    settings = settings_from(env_file, data_dir=data_dir)
    done = asyncio.run(models.switch(settings, why, within_s, on=False))
    screen.result(done)
    if not done["certain"]:
        raise typer.Exit(NOT_CERTAIN)


@app.command()
def spend(
    *,
    by: Annotated[str, typer.Option("--by", help=f"One of: {', '.join(get_args(By))}.")] = "purpose",
    hours: Annotated[int, typer.Option("--hours", min=1, max=9600, help="How far back.")] = 24,
    most: Annotated[int, typer.Option("--most", min=1, max=1000, help="Rows to show.")] = 20,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what models cost, by player, npc, faction, purpose, slot, model or hour."""
    if by not in get_args(By):
        raise InvalidInput("--by", f"{by!r} is none of {', '.join(get_args(By))}")
    settings = settings_from(env_file, data_dir=data_dir)
    rows = asyncio.run(models.spending(settings, cast("By", by), hours, most))
    screen.rows(models.COLUMNS, rows, f"spent in {hours} h by {by}")
