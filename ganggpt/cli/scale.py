"""``scale``: the hosts of a running world with their load, and how many there should be. Works through the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from ganggpt.cli.screen import screen
from ganggpt.config import Settings
from ganggpt.errors import InvalidInput, NotRunning
from ganggpt.persistence.pool import open_pool
from ganggpt.persistence.ports.clusters import HostShown
from ganggpt.persistence.scale import PostgresScale
from ganggpt.runtime.connections import command_pool
from ganggpt.runtime.run_file import read_run

HOSTS_MAX: Final = 1024
COLUMNS: Final = ("host", "state", "node", "process", "shards", "turns/s", "p99 ms", "lag ms", "CPU %", "hot", "MiB")
_OLD_S: Final = 10.0
"""What a supervisor told longer ago is not shown as the load of now."""


class Bounds(Struct, frozen=True):
    """How many shared hosts an operator wants; ``auto`` drops what was wanted before."""

    count: int | None = None
    least: int | None = None
    most: int | None = None
    auto: bool = False


def bounds_of(count: int | None, least: int | None, most: int | None, *, auto: bool) -> Bounds | None:
    """The bounds of a command line, or None where it has none. Raises InvalidInput."""
    for name, number in (("N", count), ("--min", least), ("--max", most)):
        if number is not None and not 1 <= number <= HOSTS_MAX:
            raise InvalidInput(name, f"{number} is not a number of hosts; give 1 to {HOSTS_MAX}")
    if least is not None and most is not None and least > most:
        raise InvalidInput("--min", f"{least} is more than --max {most}; give a smaller one")
    if count is not None and (auto or least is not None or most is not None):
        raise InvalidInput("N", "a fixed number needs no bounds; give either the number or --min, --max, --auto")
    if count is None and least is None and most is None and not auto:
        return None
    return Bounds(count, least, most, auto)


async def apply(settings: Settings, bounds: Bounds | None) -> dict[str, Any]:
    """The hosts of a world, after setting the bounds. Raises NotRunning, InvalidInput, Unavailable."""
    pool = await open_pool(_database_of(settings), command_pool(settings))
    try:
        scale = PostgresScale(pool, settings.cluster)
        hosts = await scale.hosts()
        if not hosts:
            raise NotRunning(f"cluster {settings.cluster!r} of that database")
        if bounds is not None:
            await _set(scale, bounds)
        wishes, load = await scale.wishes(), await scale.load()
    finally:
        await pool.close()
    told: Mapping[str, Any] = {} if load is None else load.told
    fresh = told if load is not None and load.age_s < _OLD_S else {}
    shared = [_shown(host, fresh) for host in hosts if host.kind == "shared"]
    return {
        "cluster": settings.cluster,
        "running": len(shared),
        "wanted": wishes.fixed or wishes.now,
        "min": told.get("least") if wishes.least is None else wishes.least,
        "max": told.get("most") if wishes.most is None else wishes.most,
        "fixed": wishes.fixed,
        "starting": fresh.get("starting", []),
        "own": sum(host.kind == "own" for host in hosts),
        "told_s_ago": None if load is None else round(load.age_s, 1),
        "hosts": shared,
    }


def show(found: Mapping[str, Any]) -> None:
    """The result of ``apply``: one JSON line, or a table of hosts and the numbers below it."""
    if screen.as_json:
        screen.json_line(found)
        return
    screen.rows(COLUMNS, [_row(host) for host in found["hosts"]], "shared hosts")
    how = "fixed by hand" if found["fixed"] else f"by load, {found['min']} to {found['max']}"
    screen.say(f"{found['running']} run, {found['wanted']} wanted ({how}); {found['own']} hosts of one actor besides")
    if found["starting"]:
        screen.say(f"{', '.join(found['starting'])} will start as soon as a node has room")
    if found["told_s_ago"] is None or found["told_s_ago"] > _OLD_S:
        screen.say("[yellow]the supervisor is silent: hosts go on, but nothing is added or ended[/]")


async def _set(scale: PostgresScale, bounds: Bounds) -> None:
    before = await scale.wishes()
    if bounds.count is not None:
        await scale.wish(before.least, before.most, bounds.count)
        return
    kept = (None, None) if bounds.auto else (before.least, before.most)
    least = kept[0] if bounds.least is None else bounds.least
    most = kept[1] if bounds.most is None else bounds.most
    if least is not None and most is not None and least > most:
        given = "--min" if bounds.least is not None else "--max"
        raise InvalidInput(given, f"the bounds would be {least} to {most}; give both, or --auto to start anew")
    await scale.wish(least, most, None)


def _shown(host: HostShown, told: Mapping[str, Any]) -> dict[str, Any]:
    load = told.get("hosts", {}).get(host.name, {})
    return {
        "host": host.name,
        "state": "leaving" if host.name in told.get("leaving", ()) else host.state,
        "node": host.node,
        "address": host.address,
        "shards": host.shards,
        "turns_per_s": load.get("turns_per_s"),
        "delay_p99_s": load.get("delay_p99_s"),
        "lag_s": load.get("lag_s"),
        "cpu": load.get("cpu"),
        "hot": load.get("hot"),
        "memory_bytes": load.get("memory_bytes"),
        "silent_s": round(host.silent_s, 1),
    }


def _row(host: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        host["host"],
        host["state"],
        (host["node"] or "–")[:8],
        host["address"],
        str(host["shards"]),
        _number(host["turns_per_s"], "{:,.0f}"),
        _number(host["delay_p99_s"], "{:.1f}", 1000),
        _number(host["lag_s"], "{:.1f}", 1000),
        _number(host["cpu"], "{:.0f}", 100),
        _number(host["hot"], "{:,}"),
        _number(host["memory_bytes"], "{:,.0f}", 1 / 1024**2),
    )


def _number(value: float | None, form: str, times: float = 1) -> str:
    return "–" if value is None else form.format(value * times)


def _database_of(settings: Settings) -> str:
    """The database of the running world. Raises NotRunning: one that does not run has no hosts."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    data_dir = settings.data_dir.expanduser().resolve()
    run = read_run(data_dir)
    if run is None or not run.database:
        raise NotRunning(str(data_dir))
    return run.database
