"""The commands of ``ganggpt ai``: the switch, the state and the cost of language models.

They work through the stores of a world, whether it runs or not.
"""
# ruff: noqa: ARG001 - --json and --debug act through their callbacks, before the command runs

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, cast, get_args

import typer

from ganggpt.ai.gateway.gateway_config import GatewayConfig
from ganggpt.ai.port import NANO_USD
from ganggpt.cli.options import AsJson, DataDir, Debug, EnvFile, settings_from
from ganggpt.cli.screen import screen
from ganggpt.cli.world_commands import pool_of
from ganggpt.config import Settings
from ganggpt.errors import ConfigInvalid, InvalidInput, Unavailable
from ganggpt.persistence.models.ledger import SWITCH_TTL_S, SharedSwitch
from ganggpt.persistence.models.spend import By, PostgresSpend
from ganggpt.runtime.model_health import ai_check
from ganggpt.runtime.model_plan import model_plan
from ganggpt.runtime.redis_address import redis_url
from ganggpt.runtime.run_file import read_run

NOT_CERTAIN: Final = 4
"""Exit status of ``ai off`` where earlier calls may still be under way."""
_COLUMNS: Final = ("name", "calls", "tokens in", "of it cached", "tokens out", "US$", "estimated calls")
_POLL_S: Final = 0.1

app = typer.Typer(
    name="ai", help="Enable or disable language models, and show their state and cost.", no_args_is_help=True
)

Why = Annotated[str, typer.Option("--why", help="The reason, which `ganggpt ai status` shows.")]
Within = Annotated[float, typer.Option("--within", min=0, help="Longest wait for calls under way, in seconds.")]


@app.command()
def status(
    *, data_dir: DataDir = None, env_file: EnvFile = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Show the switch, the models of each task, the budgets and what was spent."""
    state = asyncio.run(_state_of(settings_from(env_file, data_dir=data_dir)))
    screen.result(state if screen.as_json else _for_people(state), "model gateway")


@app.command("on")
def switch_on(
    *,
    why: Why = "",
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Enable model calls."""
    settings = settings_from(env_file, data_dir=data_dir)
    screen.result(asyncio.run(_switch(settings, why, 0, on=True)))


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
    """Disable model calls; the scripted mind speaks instead.

    Exit status 4 where calls that were made before may still be under way.
    """
    settings = settings_from(env_file, data_dir=data_dir)
    done = asyncio.run(_switch(settings, why, within_s, on=False))
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
    rows = asyncio.run(_spending(settings, cast("By", by), hours, most))
    screen.rows(_COLUMNS, rows, f"spent in {hours} h by {by}")


async def _switch(settings: Settings, why: str, within_s: float, *, on: bool) -> dict[str, Any]:
    """Set the switch; off waits until earlier calls have ended. Raises Unavailable and ConfigInvalid.

    ``certain``: no call is under way any more (off), or calls may be made again (on). Without a Redis that can be
    asked, calls under way cannot be counted, so ``under_way`` is None.
    """
    if on and settings.ai == "off":
        raise ConfigInvalid("GANGGPT_AI", "it is off", "Set it to on and start again; the switch cannot overrule it.")
    async with _books(settings) as books:
        await books.set_switch(why, on=on)
    shared = _shared(settings)
    if shared is None:
        await asyncio.sleep(SWITCH_TTL_S)
        return {"ai": "on" if on else "off", "under_way": None, "certain": on}
    try:
        await shared.forget()
        under_way = await shared.under_way() if on else await _until_ended(shared, within_s)
    finally:
        await shared.close()
    return {"ai": "on" if on else "off", "under_way": under_way, "certain": on or under_way == 0}


async def _state_of(settings: Settings) -> dict[str, Any]:
    """The switch, the models and the recent spending. Raises ConfigRejected and Unavailable."""
    plan = model_plan(settings)
    async with _books(settings) as books:
        state = await books.switch()
        hour, day = [await books.report("slot", hours) for hours in (1, 24)]
    run = read_run(settings.data_dir.expanduser().resolve())
    health = None if run is None else await _health_of(run.health)
    return {
        "ai": "off" if settings.ai == "off" or not state.is_on else "on",
        "because": "GANGGPT_AI is off" if settings.ai == "off" else state.why,
        "since": "" if state.changed_at is None else state.changed_at.isoformat(timespec="seconds"),
        "mind": _mind(health) or ("scripted" if plan is None or not plan.slots or not state.is_on else "model"),
        "slots": {} if plan is None else {slot: [*entry.large, *entry.small] for slot, entry in plan.slots.items()},
        "models": {} if plan is None else {name: spec.entry.model for name, spec in plan.deployments.items()},
        "embedding": [] if plan is None else _embedding(plan),
        "limits": []
        if plan is None
        else [f"{each.kind} {each.window}: {_shown(each.unit, each.most)}" for each in plan.limits],
        "health": health,
        "failing": _failing(health),
        "last_hour_usd": _usd(sum(row.nano_usd for row in hour)),
        "last_day_usd": _usd(sum(row.nano_usd for row in day)),
    }


async def _spending(settings: Settings, by: By, hours: int, most: int) -> list[tuple[Any, ...]]:
    """The cost of the last hours, as rows of _COLUMNS. Raises Unavailable."""
    async with _books(settings) as books:
        rows = await books.report(by, hours, most)
    return [(r.name, r.calls, r.tokens_in, r.tokens_cached, r.tokens_out, _usd(r.nano_usd), r.estimated) for r in rows]


async def _until_ended(shared: SharedSwitch, within_s: float) -> int:
    """Wait for the calls under way; how many still are at the end of the wait."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + within_s
    for _ in range(int(within_s / _POLL_S)):
        if not await shared.under_way() or loop.time() >= until_s:
            break
        await asyncio.sleep(_POLL_S)
    return await shared.under_way()


async def _health_of(url: str) -> dict[str, Any] | str:
    """The ``ai`` check of a running world, or why there is none."""
    try:
        return await ai_check(url)
    except Unavailable as outage:
        return f"the world does not answer ({outage.why})"


def _for_people(state: dict[str, Any]) -> dict[str, Any]:
    """The state with a line for each thing instead of JSON within JSON."""
    health = state["health"]
    lines = {name: "\n".join(state[name]) for name in ("embedding", "limits", "failing")}
    slots = "\n".join(f"{slot}: {', '.join(models)}" for slot, models in state["slots"].items())
    models = "\n".join(f"{name}: {model}" for name, model in state["models"].items())
    shown = health if not isinstance(health, dict) else health["status"]
    return {**state, **lines, "slots": slots, "models": models, "health": shown}


def _embedding(plan: GatewayConfig) -> list[str]:
    """The models that embed, by name, or the folder of the one that runs here."""
    return [*plan.embedding] if plan.local_embedding is None else [str(plan.local_embedding)]


def _mind(health: dict[str, Any] | str | None) -> str | None:
    """Who speaks in a running world."""
    return health["details"].get("mind") if isinstance(health, dict) else None


def _failing(health: dict[str, Any] | str | None) -> list[str]:
    """The models whose last call failed, a line each: what, where, since when and how often."""
    if not isinstance(health, dict):
        return []
    errors: dict[str, dict[str, Any]] = health["details"].get("errors", {})
    return [f"{name} at {e['message']}; {e['count']} failed since {e['since']}" for name, e in errors.items()]


@asynccontextmanager
async def _books(settings: Settings) -> AsyncIterator[PostgresSpend]:
    async with pool_of(settings) as pool:
        yield PostgresSpend(pool, lambda _: None)


def _shared(settings: Settings) -> SharedSwitch | None:
    """The switch in the Redis of the settings, or in the embedded one of the world that runs here."""
    url = redis_url(settings)
    if url is None:
        run = read_run(settings.data_dir.expanduser().resolve())
        url = run.redis if run is not None else None
    return SharedSwitch(url) if url else None


def _shown(unit: str, most: int) -> str:
    return f"${_usd(most)}" if unit == "nano_usd" else f"{most} {unit}"


def _usd(nano_usd: int) -> float:
    return round(nano_usd / NANO_USD, 6)
