"""``chaos``: real faults against a world of its own, with progress, a table and an exit status."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ganggpt.chaos.chaos_run import ChaosPlan, ChaosRun
from ganggpt.chaos.fault_kinds import KINDS, absent_because
from ganggpt.chaos.result import COLUMNS, Round, Summary, append, markdown, table
from ganggpt.cli.screen import screen
from ganggpt.config import Settings
from ganggpt.errors import ConfigInvalid, StartFailed

_TITLE: Final = "what the journal says"
_HOSTS: Final = 2
_OWN: Final = 2


def run_chaos(plan: ChaosPlan, keep_in: Path | None, record: Path | None) -> bool:
    """Run the plan in a temporary directory, or in ``keep_in``, which must be empty then; add the table to ``record``.

    True when nothing was lost, doubled or written by two. Raises GangGPTError.
    """
    if keep_in is not None and keep_in.is_dir() and any(keep_in.iterdir()):
        raise StartFailed(f"The directory {keep_in} is not empty.", "Give the fault run a directory of its own.")
    if record is not None and not record.absolute().parent.is_dir():
        raise ConfigInvalid("--record", f"there is no directory {record.parent}", "Make it first.")
    with contextlib.ExitStack() as stack:
        data_dir = keep_in or Path(stack.enter_context(_fresh_directory()))
        progress = stack.enter_context(_progress())
        shown = progress.add_task("the world starts", total=plan.rounds)

        def tell(number: int, what: str | Round) -> None:
            if isinstance(what, str):
                progress.update(shown, completed=number - 1, description=f"{number}: {KINDS[what].about}")
            elif screen.as_json:
                screen.json_line(what.line())
            else:
                progress.update(shown, completed=number)

        run = ChaosRun(data_dir, plan, tell)
        summary = asyncio.run(_interruptible(run))
    _show(run, summary)
    if record is not None:
        append(record, markdown(run.rounds, summary, _command(plan)))
    return summary.passed


def plan_of(settings: Settings, only: Sequence[str] | None, **options: Any) -> ChaosPlan:
    """The plan of these options, with as many hosts and own actors as the settings say, two of each where they do not.
    Without ``only``, every kind that can happen on this machine."""
    own = _OWN if settings.own_actors_max is None else settings.own_actors_max
    return ChaosPlan(kinds=tuple(only or _possible(own)), hosts=settings.hosts or _HOSTS, own=own, **options)


def _possible(own: int) -> tuple[str, ...]:
    return tuple(name for name in KINDS if absent_because(name, own) is None)


def _command(plan: ChaosPlan) -> str:
    """The command line that repeats the run."""
    usual = ChaosPlan()
    kinds = () if plan.kinds == _possible(plan.own) else plan.kinds
    words = ["ganggpt chaos", f"--rounds {plan.rounds}", f"--seed {plan.seed}", *(f"--only {kind}" for kind in kinds)]
    words += [f"--actors {plan.actors}"] * (plan.actors != usual.actors)
    words += [f"--rate {plan.per_s:g}"] * (plan.per_s != usual.per_s)
    return " ".join(words)


def _show(run: ChaosRun, summary: Summary) -> None:
    if screen.as_json:
        screen.json_line(msgspec.to_builtins(summary))
        return
    screen.rows(COLUMNS, table(run.rounds, summary), f"{_TITLE} (seed {summary.seed})")
    for done in run.rounds:
        if done.broken:
            screen.say(f"[red]round {done.round}[/]: {done.kind} of {done.what}: {done.line()}")


def _progress() -> Progress:
    return screen.progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def _fresh_directory() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="ganggpt-chaos-", ignore_cleanup_errors=True)


async def _interruptible(run: ChaosRun) -> Summary:
    """Run; SIGTERM ends it as Ctrl-C does, so that the world it started is stopped either way."""
    playing = asyncio.create_task(run.play())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
    return await playing
