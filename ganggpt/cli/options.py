"""Options that several commands share, and how they become settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ganggpt.cli.screen import screen
from ganggpt.config import Settings, read_settings


def _as_json(value: bool) -> bool:
    screen.as_json = screen.as_json or value
    return value


def _debug(value: bool) -> bool:
    screen.debug = screen.debug or value
    return value


AsJson = Annotated[bool, typer.Option("--json", callback=_as_json, help="One JSON object a line, for machines.")]
Debug = Annotated[bool, typer.Option("--debug", callback=_debug, help="More logs, and tracebacks of errors.")]
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Directory of embedded stores, token and state.")]
EnvFile = Annotated[Path | None, typer.Option("--env-file", help="Settings file instead of .env.")]
Port = Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Port of the bridge; 0 picks a free one.")]
DashboardPort = Annotated[
    int | None,
    typer.Option("--dashboard-port", min=0, max=65535, help="Port of the Ray dashboard; 0 picks a free one."),
]
World = Annotated[Path | None, typer.Option("--world", help="Folder of world files.")]


def settings_from(env_file: Path | None = None, **options: Any) -> Settings:
    """The settings, with what the command line sets; also starts the logs. Raises ConfigRejected."""
    settings = read_settings(env_file, **options)
    screen.start_logs(settings.log_level)
    return settings
