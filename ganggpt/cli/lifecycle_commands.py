"""``up``, ``down`` and ``status``: a world as a foreground process, and its state from another terminal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import psutil

from ganggpt.cli.screen import screen
from ganggpt.config import Settings
from ganggpt.errors import StartFailed
from ganggpt.runtime.launch import Front, Runtime, Step
from ganggpt.runtime.model_health import warning_at_start
from ganggpt.runtime.network_ports import ray_directory
from ganggpt.runtime.ray_cluster import end_strays
from ganggpt.runtime.run_file import TOKEN_FILE, Run, process_of, read_run, remove_run
from ganggpt.runtime.world_secrets import open_secrets

log = logging.getLogger(__name__)

log = logging.getLogger(__name__)

NOT_RUNNING: Final = 3
"""Exit status of ``status`` where nothing runs, as init scripts have it."""
_STOP_SLACK_S: Final = 60.0
_MODELS_S: Final = 60.0
"""How long the answers of the models are waited for, to warn of those that fail."""
_ONE_REQUEST_S: Final = 1.0
_NUMBERS: Final = (signal.SIGINT, signal.SIGTERM)
_SHOWN: Final = ("bridge", "docs", "dashboard", "metrics", "health", "token_file", "data_dir")


async def run_up(settings: Settings) -> None:
    """Start a world and show its addresses; at Ctrl-C or SIGTERM drain and stop. Raises GangGPTError."""
    screen.own_output()
    signals = _Signals()

    def report(step: Step) -> None:
        if step.name == "Ray" and step.state == "done":
            signals.arm()  # Ray's core has set handlers of its own, which end the process at SIGTERM
        screen.step(step)

    runtime = Runtime(settings, report, _serve_front)
    starting = asyncio.create_task(runtime.start())
    try:
        if not await signals.before(starting):
            await _cancelled(starting)
            return
        run = starting.result()
        show_run(run)
        watch = asyncio.create_task(_look_after(runtime))
        models = asyncio.create_task(_warn_of_models(run.health))
        if await signals.before(watch):
            watch.result()
        await _cancelled(watch)
        await _cancelled(models)
    finally:
        await _stop(runtime, signals)


def warn_of_open_secrets(env_file: Path) -> None:
    """Say it where other users of the machine can read the secrets in a settings file."""
    if names := open_secrets(env_file):
        log.warning("other users of this machine can read %s: chmod 600 %s", ", ".join(names), env_file)


def run_down(settings: Settings) -> dict[str, Any]:
    """Stop the world of a data directory and wait for its end. Raises StartFailed where it does not end."""
    data_dir = settings.data_dir.expanduser().resolve()
    run = read_run(data_dir)
    process = process_of(run) if run is not None else None
    if process is None:
        if data_dir.is_dir():
            end_strays(ray_directory(data_dir))
            remove_run(data_dir)
        return {"stopped": False, "data_dir": str(data_dir)}
    process.terminate()
    wait_s = settings.drain_timeout_s + _STOP_SLACK_S
    try:
        process.wait(wait_s)
    except psutil.TimeoutExpired:
        fix = f"Look at its output, or end it: kill -9 {process.pid} (nothing acked is lost)."
        raise StartFailed(
            f"The world did not stop: process {process.pid} still runs after {wait_s:.0f} s.", fix
        ) from None
    return {"stopped": True, "data_dir": str(data_dir), "pid": process.pid}


def state_of(settings: Settings) -> dict[str, Any]:
    """The world that runs in a data directory, and whether it is healthy; what is wrong with its parts, where anything
    is."""
    data_dir = settings.data_dir.expanduser().resolve()
    run = read_run(data_dir)
    if run is None:
        return {"running": False, "data_dir": str(data_dir)}
    token = (data_dir / TOKEN_FILE).read_text().strip()
    found: dict[str, Any] = {"running": True, **msgspec.to_builtins(run), "token": token}
    try:
        answer = httpx.get(run.health, timeout=5.0, trust_env=False)
        found["healthy"] = answer.is_success
        problems = [check for check in answer.json()["checks"] if check["status"] != "fulfilled"]
        if problems:
            found["problem"] = "; ".join(f"{check['name']}: {check['details']['reason']}" for check in problems)
    except (httpx.TransportError, ValueError, KeyError) as outage:
        found["healthy"] = False
        found["problem"] = f"its health cannot be read: {outage}"
    return found


def show_run(run: Run) -> None:
    """Show the addresses of a world that runs."""
    screen.rest()
    fields = msgspec.to_builtins(run)
    if screen.as_json:
        screen.json_line(fields)
        return
    screen.result({name: fields[name] for name in _SHOWN if fields[name]}, f"ready after {run.ready_s:.1f} s")
    screen.say("[dim]Ctrl-C drains and stops everything; `ganggpt status` shows the token.[/]")


def _serve_front() -> Front:
    from ganggpt.serve import app

    return app


async def _warn_of_models(health_url: str) -> None:
    """Say in one line which models cannot be asked, so that a wrong key shows before a player meets it."""
    warning = await warning_at_start(health_url, _MODELS_S)
    if warning is not None:
        log.warning("language models: %s", warning)


async def _look_after(runtime: Runtime) -> None:
    """Runs until cancelled. Raises StartFailed when the world cannot go on."""
    dashboard = asyncio.create_task(runtime.keep_dashboard())
    try:
        await runtime.watch()
    finally:
        await _cancelled(dashboard)


async def _stop(runtime: Runtime, signals: _Signals) -> None:
    """Drain and stop; another Ctrl-C skips the rest of the draining, but not the stop."""
    stopping = asyncio.create_task(runtime.stop())
    try:
        while not await signals.before(stopping):
            screen.say("[yellow]no longer waiting for the drain[/]")
            runtime.hurry()
        if late := stopping.result():
            screen.say(f"[yellow]not drained in time: {', '.join(late)}; they wake from the journal[/]")
    finally:
        signals.close()
        screen.rest()


async def _cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


class _Signals:
    """Takes SIGINT and SIGTERM as requests to end what is under way."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked = asyncio.Event()
        self._last_s = -_ONE_REQUEST_S
        self.arm()

    def arm(self) -> None:
        """Take the signals, also from a handler that was set meanwhile."""
        for number in _NUMBERS:
            self._loop.add_signal_handler(number, self._ask)

    async def before(self, task: asyncio.Task[Any]) -> bool:
        """Wait for the task or the next request to end; whether the task ended. Its result or error stays in it."""
        asked = asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait((task, asked), return_when=asyncio.FIRST_COMPLETED)
            self._asked.clear()
            return task.done()
        finally:
            asked.cancel()

    def close(self) -> None:
        """Restore the default handling of the signals."""
        for number in _NUMBERS:
            self._loop.remove_signal_handler(number)

    def _ask(self) -> None:
        # A terminal signals its whole group, and a wrapper such as timeout(1) or make passes the signal on again.
        if self._loop.time() - self._last_s >= _ONE_REQUEST_S:
            self._asked.set()
        self._last_s = self._loop.time()
