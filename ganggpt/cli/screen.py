"""The output of a command: for people on a terminal, or as JSON lines for machines. One screen for each process."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TextIO

from rich.console import Console, RenderableType
from rich.logging import RichHandler
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.status import Status
from rich.table import Table
from rich.text import Text

from ganggpt.errors import ConfigRejected, GangGPTError, WorldRejected
from ganggpt.runtime.launch import Step

_printed: Final = logging.getLogger("ray.printed")
_DECIMALS: Final = 6
_SMALL: Final = 1e-4
"""Smaller numbers (prices of a token) are shown as they are."""
_SIGNS: Final = {"done": "[green]✓[/]", "failed": "[red]✗[/]"}


class Screen:
    """Owns standard output and standard error. With ``as_json``, output is one JSON object a line and nothing else."""

    def __init__(self) -> None:
        self.as_json = False
        self.debug = False
        self._lines: TextIO | None = None
        self._err = _console(stderr=True)
        # On a terminal, one console shows everything: what is under way would be torn by lines that another one writes.
        self._out = self._err if _are_one_terminal() else _console()
        self._running: dict[str, None] = {}
        self._status: Status | None = None

    def start_logs(self, level: str) -> None:
        """Send logs to standard error."""
        handler: logging.Handler
        handler = logging.StreamHandler() if self.as_json else RichHandler(console=self._err, show_path=False)
        form = "%(asctime)s %(levelname)s %(name)s %(message)s" if self.as_json else "%(message)s"
        logging.basicConfig(level=logging.WARNING, format=form, handlers=[handler])
        logging.getLogger("ganggpt").setLevel(logging.DEBUG if self.debug else level.upper())
        # Ray's messages to drivers are for its own users; the files under its session directory have everything.
        logging.getLogger("ray").setLevel(logging.INFO if self.debug else logging.ERROR)

    def own_output(self) -> None:
        """Let only this screen write to standard output; what others print (Ray does) becomes a log line."""
        self._lines = sys.stdout
        if self._out is not self._err:
            self._out = _console(file=sys.stdout)
        sys.stdout = _Printed()

    def say(self, text: str) -> None:
        """Show a line to people."""
        if not self.as_json:
            self._out.print(text)

    def text(self, text: Text) -> None:
        """Show a text as it is: its lines are neither broken nor cut."""
        self._out.print(text, soft_wrap=True)

    def show(self, picture: RenderableType) -> None:
        """Show something larger to people, such as several tables."""
        if not self.as_json:
            self._out.print(picture)

    def result(self, fields: Mapping[str, Any], title: str = "") -> None:
        """Show the result of a command: a JSON line, or a table of names and values."""
        if self.as_json:
            self.json_line(fields)
            return
        table = Table(title=title or None, show_header=False, title_justify="left")
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for name, value in fields.items():
            table.add_row(name, escape(_plain(value)))
        self._out.print(table)

    def rows(self, names: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
        """Show several things of one kind: a JSON line each, or a table."""
        if self.as_json:
            for row in rows:
                self.json_line(dict(zip(names, row, strict=True)))
            return
        table = Table(title=title or None, title_justify="left")
        for name in names:
            table.add_column(name, overflow="fold")
        for row in rows:
            table.add_row(*(escape(_plain(value)) for value in row))
        self._out.print(table)

    def json_line(self, fields: Mapping[str, Any]) -> None:
        """Write one JSON object as one line of standard output."""
        lines = self._lines or sys.stdout
        lines.write(json.dumps(rounded(fields), ensure_ascii=False) + "\n")
        lines.flush()

    @contextmanager
    def bars(self) -> Iterator[Callable[[str, int, int], None]]:
        """Show progress bars on standard error: one for each step, which is told how much of it is done."""
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._err, transient=True, disable=self.as_json) as progress:
            tasks: dict[str, TaskID] = {}

            def tell(step: str, done: int, of: int) -> None:
                if step not in tasks:
                    tasks[step] = progress.add_task(step, total=of)
                progress.update(tasks[step], completed=done, total=of)

            yield tell

    def progress(self, *columns: ProgressColumn) -> Progress:
        """A progress bar on the terminal; it shows nothing to machines and in files."""
        disabled = self.as_json or not self._err.is_terminal
        return Progress(*columns, console=self._err, transient=True, disable=disabled)

    @contextmanager
    def under_way(self, words: str) -> Iterator[Callable[[str], None]]:
        """Show on standard error that something is under way; what is yielded changes the words."""
        if self.as_json:
            yield lambda _: None
            return
        with self._err.status(words) as status:
            yield status.update

    def step(self, step: Step) -> None:
        """Show a step of a start or stop."""
        if self.as_json:
            return
        if step.state == "started":
            self._running[step.name] = None
        else:
            self._running.pop(step.name, None)
            detail = f"  [dim]{escape(step.detail)}[/]" if step.detail else ""
            self._out.print(f"{_SIGNS[step.state]} {step.name:<16}[dim]{step.seconds:6.2f} s[/]{detail}")
        self._spin()

    def error(self, error: GangGPTError) -> None:
        """Show an error as a panel, or as JSON."""
        self.rest()
        if self.as_json:
            self.json_line({"error": error.as_wire()})
            return
        problems: Sequence[GangGPTError] = (
            error.problems if isinstance(error, ConfigRejected | WorldRejected) else (error,)
        )
        text = "\n".join(escape(str(problem)) for problem in problems)
        self._err.print(Panel(text, title=error.code.replace("_", " "), border_style="red", title_align="left"))

    def rest(self) -> None:
        """Clear what is shown as under way."""
        self._running.clear()
        self._spin()

    def _spin(self) -> None:
        if self._running and self._err.is_terminal and not self.as_json:
            words = ", ".join(self._running)
            if self._status is None:
                self._status = self._err.status(words)
                self._status.start()
            else:
                self._status.update(words)
        elif self._status is not None:
            self._status.stop()
            self._status = None


class _Printed(io.TextIOBase):
    """A standard output whose lines go to the log."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for line in text.splitlines():
            if line.strip():
                _printed.info("%s", line)
        return len(text)


def _console(*, stderr: bool = False, file: TextIO | None = None) -> Console:
    """A console without colours and styles where NO_COLOR is set; Rich by itself would still write bold and dim."""
    plain = Console().no_color
    return Console(stderr=stderr, file=file, color_system=None if plain else "auto")


def _are_one_terminal() -> bool:
    return sys.stdout.isatty() and sys.stderr.isatty()


def rounded(value: Any) -> Any:
    """The value with every fraction in it shortened to what a reader can use: 0.8, not 0.7999999999999972."""
    if isinstance(value, float):
        return round(value, _DECIMALS) if abs(value) >= _SMALL else value
    if isinstance(value, Mapping):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(each) for each in value]
    return value


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(rounded(value), ensure_ascii=False)


screen: Final = Screen()
