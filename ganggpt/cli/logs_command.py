"""``logs``: what the processes of a world wrote, for people and machines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

import typer
from rich.text import Text

from ganggpt.cli.options import AsJson, DataDir, Debug, EnvFile, settings_from
from ganggpt.cli.screen import screen
from ganggpt.errors import ConfigInvalid
from ganggpt.observability.log_file import LOG_FOLDER
from ganggpt.observability.log_lines import LogLine, indented
from ganggpt.operations.log_reader import LINES_MAX, LogReader, Wanted

_COLOURS: Final = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}

app = typer.Typer()


@app.command("logs")
def show_logs(  # noqa: PLR0913 - each argument is an option
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written, until Ctrl-C.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, max=LINES_MAX, help="How many of the last lines are shown.")
    ] = 100,
    level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option("--level", help="The lowest level that is shown.")
    ] = "debug",
    component: Annotated[
        str, typer.Option("--component", help="up, supervisor, bridge, gateway, host, job, or one host: host/NAME.")
    ] = "",
    data_dir: DataDir = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,  # noqa: ARG001 - acts through its callback
    debug: Debug = False,  # noqa: ARG001 - acts through its callback
) -> None:
    """Show the log of the world in a data directory, while it runs and after its stop."""
    folder = settings_from(env_file, data_dir=data_dir).data_dir.expanduser().resolve() / LOG_FOLDER
    with LogReader(folder, Wanted(level.upper(), component)) as reader:
        last = reader.last(lines)
        if not follow and not reader.found:
            raise ConfigInvalid("--data-dir", f"there is no log in {folder}", "Start a world there: `ganggpt up`.")
        _show(last)
        if follow:
            _show(reader.follow())


def _show(lines: Iterable[LogLine]) -> None:
    for line in lines:
        if screen.as_json:
            screen.json_line(line._asdict())
        else:
            screen.text(_coloured(line))


def _coloured(line: LogLine) -> Text:
    level = (line.level, _COLOURS.get(line.level, ""))
    return Text.assemble(
        (line.time, "dim"),
        " ",
        level,
        f" {line.world} ",
        (line.component, "bold"),
        f" {line.logger}: {indented(line.text)}",
    )
