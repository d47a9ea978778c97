"""The command line of ``ganggpt``: every command takes its options, makes one call and shows the result."""
# ruff: noqa: ARG001 - --json and --debug act through their callbacks, before the command runs

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from ganggpt.cli import (
    cluster_commands,
    lifecycle_commands,
    logs_command,
    model_commands,
    player_data_commands,
    replay_command,
    scale_command,
    snapshot_commands,
    why_command,
    world_commands,
)
from ganggpt.cli.bench_command import run_bench
from ganggpt.cli.chaos_command import plan_of, run_chaos
from ganggpt.cli.demo_command import model_server, run_demo
from ganggpt.cli.options import AsJson, DashboardPort, DataDir, Debug, EnvFile, Port, World, settings_from
from ganggpt.cli.politics_command import run_politics
from ganggpt.cli.retention_command import run_retention
from ganggpt.cli.screen import screen
from ganggpt.cli.sim_command import replay, run_sim
from ganggpt.cli.unexpected import in_words
from ganggpt.config import ENV_FILE
from ganggpt.private_files import keep_private
from ganggpt.runtime.proxies import spare_this_machine

FAILED: Final = 2
_INTERRUPTED: Final = 130

app = typer.Typer(
    help="The live backend of an AI-driven GTA V role-play server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
world_app = typer.Typer(help="The world a database holds, and the files it comes from.", no_args_is_help=True)
app.add_typer(world_app, name="world")
app.add_typer(logs_command.app)
app.add_typer(snapshot_commands.app)
app.add_typer(model_commands.app)
app.add_typer(why_command.app)
app.add_typer(player_data_commands.app)
app.add_typer(replay_command.app)


@app.command()
def up(
    *,
    data_dir: DataDir = None,
    port: Port = None,
    world: World = None,
    dashboard_port: DashboardPort = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run a world: stores, schema, Ray, hosts, bridge. Stays until Ctrl-C, then drains and stops everything."""
    settings = settings_from(env_file, data_dir=data_dir, server_port=port, world=world, dashboard_port=dashboard_port)
    lifecycle_commands.warn_of_open_secrets(env_file or ENV_FILE)
    asyncio.run(lifecycle_commands.run_up(settings))


@app.command()
def down(*, data_dir: DataDir = None, env_file: EnvFile = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Stop the world that runs in a data directory, and wait until it has drained."""
    stopped = lifecycle_commands.run_down(settings_from(env_file, data_dir=data_dir))
    if screen.as_json:
        screen.result(stopped)
    else:
        screen.say("stopped" if stopped["stopped"] else f"nothing runs in {stopped['data_dir']}")


@app.command()
def status(
    *, data_dir: DataDir = None, env_file: EnvFile = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Show what runs in a data directory: addresses, token, health. Exit status 3 where nothing runs."""
    found = lifecycle_commands.state_of(settings_from(env_file, data_dir=data_dir))
    screen.result(found)
    if not found["running"]:
        raise typer.Exit(lifecycle_commands.NOT_RUNNING)


@app.command()
def migrate(
    *, data_dir: DataDir = None, env_file: EnvFile = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Bring the database to the schema of this program."""
    settings = settings_from(env_file, data_dir=data_dir)
    screen.result({"schema": asyncio.run(world_commands.migrate_database(settings))})


@app.command("scale")
def scale_hosts(  # noqa: PLR0913 - each argument is an option
    count: Annotated[int | None, typer.Argument(help="Run exactly this many shared hosts, whatever the load.")] = None,
    *,
    least: Annotated[int | None, typer.Option("--min", help="Never run fewer shared hosts.")] = None,
    most: Annotated[int | None, typer.Option("--max", help="Never run more shared hosts.")] = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Follow the load again, within the bounds of the settings.")
    ] = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show the hosts of a running world with their load, or set how many shared hosts there should be."""
    bounds = scale_command.bounds_of(count, least, most, auto=auto)
    scale_command.show(asyncio.run(scale_command.apply(settings_from(env_file, data_dir=data_dir), bounds)))


@app.command()
def retention(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted, and change nothing.")] = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Delete what is older than the settings allow. A running world does this by itself every hour."""
    settings = settings_from(env_file, data_dir=data_dir)
    screen.result(asyncio.run(run_retention(settings, dry_run=dry_run)))


@app.command()
def demo(  # noqa: PLR0913 - options of a command line
    *,
    fake_model: Annotated[
        bool, typer.Option("--fake-model", help="Let a fake language model speak, through the real gateway.")
    ] = False,
    model_url: Annotated[
        str | None,
        typer.Option("--model-url", help="Base URL of a server with OpenAI's protocol, whose model is to speak."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", help="The server's name of that model.")] = None,
    data_dir: DataDir = None,
    world: World = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Play an evening in the city over a real WebSocket, kill a host, restart the world, and count what was kept.

    Exit status 0 only where nothing acknowledged was lost or doubled and Mara remembered both times.
    """
    if fake_model and (model_url or model):
        raise typer.BadParameter("it excludes --model-url and --model", param_hint="--fake-model")
    settings = settings_from(env_file, world=world)
    speaks = model_server(settings, model_url, model)
    if not run_demo(settings, data_dir, fake_model=fake_model, model=speaks):
        raise typer.Exit(1)


@app.command()
def bench(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="One short round, to see that everything works.")] = False,
    only: Annotated[list[str] | None, typer.Option("--only", help="Measure only this part (repeatable).")] = None,
    rounds: Annotated[int | None, typer.Option("--rounds", min=1, help="How often each system is measured.")] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure this program and its peers side by side on this machine; results go to bench/results/."""
    options = ["--quick"] * quick + ["--json"] * as_json
    options += [word for part in only or () for word in ("--only", part)]
    run_bench([*options, *(("--rounds", str(rounds)) if rounds else ())])


@app.command()
def chaos(  # noqa: PLR0913 - options of a command line
    *,
    rounds: Annotated[int, typer.Option("--rounds", help="Faults to inject, one a round.")] = 10,
    seed: Annotated[int, typer.Option("--seed", help="Decides the order of the faults and what they hit.")] = 1,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this kind of fault (repeatable).")] = None,
    actors: Annotated[int, typer.Option("--actors", help="NPCs that are awake and under load.")] = 10_000,
    rate: Annotated[float, typer.Option("--rate", help="Commands a second, over all actors in turn.")] = 1_000.0,
    record: Annotated[Path | None, typer.Option("--record", help="Add the table to this Markdown file.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", help="Keep world and record here; must be empty.")
    ] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Break a world of its own under load, round after round, and check that it keeps its promises.

    Exit status 0 only where nothing acknowledged was lost, doubled or written by two, and everything was answered.
    """
    plan = plan_of(settings_from(env_file), only, rounds=rounds, seed=seed, actors=actors, per_s=rate)
    if not run_chaos(plan, data_dir, record):
        raise typer.Exit(1)


@app.command("clusters")
def list_clusters(
    *, data_dir: DataDir = None, env_file: EnvFile = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Show the Ray clusters that share the world: which one owns it, and what each holds."""
    rows = asyncio.run(cluster_commands.known_clusters(settings_from(env_file, data_dir=data_dir)))
    names = ("name", "owner", "hosts", "shards", "silent_s", "bridge")
    screen.rows(names, [(r.name, r.owner, r.hosts, r.shards, round(r.silent_s, 1), r.bridge or "") for r in rows])


@app.command()
def takeover(
    name: Annotated[str, typer.Argument(help="The cluster that should hold the world; `ganggpt clusters` lists them.")],
    *,
    within_s: Annotated[float, typer.Option("--within", min=1, help="Longest wait for its shards, in seconds.")] = 120,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Move the world to another cluster, or back, shard by shard while game servers go on."""
    settings = settings_from(env_file, data_dir=data_dir)
    screen.result(asyncio.run(cluster_commands.take_over(settings, name, within_s)))


@app.command()
def sim(
    *,
    seeds: Annotated[int | None, typer.Option("--seeds", help="How many worlds to play; by default 1000.")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Play this one and tell its story; the first one with --seeds.")
    ] = None,
    scenario: Annotated[str, typer.Option("--scenario", help="small, mixed, clusters or clocks.")] = "small",
    mutation: Annotated[str | None, typer.Option("--mutation", help="Break a promise on purpose, by name.")] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", help="Number of processes; by default one for each CPU.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Play simulated worlds under faults, one for each seed, and check every promise of the runtime in each.

    Exit status 0 only where none was broken.
    """
    if seed is not None and seeds is None:
        held = replay(seed, scenario, mutation)
    else:
        held = run_sim(seed or 0, 1000 if seeds is None else seeds, scenario, mutation, jobs)
    if not held:
        raise typer.Exit(1)


@app.command("politics")
def play_politics(  # noqa: PLR0913 - each argument is an option
    *,
    turns: Annotated[int, typer.Option("--turns", help="Political turns of all factions together.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of all dice; the same seed gives the same history.")] = 1,
    samples: Annotated[int, typer.Option("--samples", help="How many samples of the map are shown.")] = 24,
    svg: Annotated[Path | None, typer.Option("--svg", help="Write the picture to this file too.")] = None,
    world: World = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Simulate the politics of the factions of a folder, and show how the map changes."""
    settings = settings_from(env_file, world=world)
    run_politics(world_commands.read_world(settings), turns, seed, samples, svg)


@world_app.command("load")
def world_load(
    folder: Annotated[Path | None, typer.Argument(help="Folder of world files; the one of the settings.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Let the files win over what game servers changed in living actors.")
    ] = False,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Load world files: say what changed and tell living actors of it, in a running world at once.

    New people appear, changed sheets reach the living (their memories and relations stay), and who is no longer in the
    files retires. The same files again change nothing.
    """
    settings = settings_from(env_file, data_dir=data_dir, world=folder)
    found = asyncio.run(world_commands.load_files(settings, dry_run=dry_run, overwrite=overwrite))
    world_commands.show_loaded(found, dry_run=dry_run)


@world_app.command("export")
def world_export(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder to write; by default exports/WORLD in the data directory.")
    ] = None,
    *,
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the world of the database as world files."""
    settings = settings_from(env_file, data_dir=data_dir)
    screen.result(asyncio.run(world_commands.export_files(settings, folder)))


@world_app.command("check")
def world_check(
    folder: Annotated[Path | None, typer.Argument(help="Folder of world files; the one of the settings.")] = None,
    *,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check world files without touching a database; every mistake with its file and line."""
    screen.result(world_commands.check_files(settings_from(env_file, world=folder)))


def main() -> None:
    """Run the command line; an error becomes a clear panel and exit status 2."""
    keep_private()
    spare_this_machine(os.environ)
    try:
        app()
    except Exception as error:
        if screen.debug:
            raise
        screen.error(in_words(error))
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
