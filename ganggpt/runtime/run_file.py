"""The files with which other commands find a running world in its data directory: addresses, process, token."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path
from typing import Final

import msgspec
import psutil

from ganggpt.config import TOKEN_LENGTH_MIN, Settings, tokens_of
from ganggpt.errors import StartFailed
from ganggpt.observability.log_file import LOG_FOLDER, LogOptions
from ganggpt.private_files import write_private

RUN_FILE: Final = "run.json"
TOKEN_FILE: Final = "token"  # noqa: S105 - the name of a file
_STARTED_SLACK_S: Final = 2.0


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A running world. ``started_s`` is when its process started; together with ``pid`` it identifies the process.

    ``database``: the dsn of an embedded Postgres (it holds no password), else empty; ``redis`` the same of a Redis.
    ``world``: the name of the world.
    """

    bridge: str
    docs: str
    dashboard: str
    metrics: str
    health: str
    token_file: str
    data_dir: str
    database: str
    pid: int
    ray_address: str
    started_s: float
    ready_s: float
    redis: str = ""
    world: str = ""


def write_run(data_dir: Path, run: Run) -> None:
    """Record that a world runs here."""
    write_private(data_dir / RUN_FILE, msgspec.json.encode(run))


def remove_run(data_dir: Path) -> None:
    """Record that no world runs here."""
    (data_dir / RUN_FILE).unlink(missing_ok=True)


def read_run(data_dir: Path) -> Run | None:
    """The world that runs here, or None. The file of a world that was killed counts as none."""
    try:
        run = msgspec.json.decode((data_dir / RUN_FILE).read_bytes(), type=Run)
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return run if process_of(run) is not None else None


def process_of(run: Run) -> psutil.Process | None:
    """The process of a run, or None if it ended (its number may belong to another process by now)."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(run.pid)
        if abs(process.create_time() - run.started_s) < _STARTED_SLACK_S:
            return process if process.status() != psutil.STATUS_ZOMBIE else None
    return None


def bridge_token(settings: Settings) -> str:
    """GANGGPT_TOKEN, else the token of the data directory, created on first use. The file is always written, so that
    tools of the same user find it: with the first token where there are several. Raises StartFailed."""
    path = settings.data_dir / TOKEN_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    if settings.token is not None:
        token = settings.token.get_secret_value()
    elif path.exists() and (token := path.read_bytes().decode("ascii", "ignore").strip()):
        if len(token) < TOKEN_LENGTH_MIN:
            problem = f"The token in {path} is shorter than {TOKEN_LENGTH_MIN} characters, so it can be guessed"
            raise StartFailed(problem, "Delete the file, and a new token is made.")
        return token
    else:
        token = secrets.token_urlsafe(32)
    write_private(path, tokens_of(token)[0].encode())
    return token


def known_token(settings: Settings) -> str:
    """GANGGPT_TOKEN, else the token of the data directory, else an empty text; no token is created."""
    if settings.token is not None:
        return settings.token.get_secret_value()
    path = settings.data_dir.expanduser() / TOKEN_FILE
    return path.read_text().strip() if path.exists() else ""


def local_logs(settings: Settings) -> LogOptions:
    """Where a process of the world of the data directory logs: to the world's file if it runs on this machine, else to
    standard error."""
    data_dir = settings.data_dir.expanduser().resolve()
    run, level = read_run(data_dir), settings.log_level.upper()
    if run is None:
        return LogOptions(level, settings.world.name)
    return LogOptions(level, run.world, str(data_dir / LOG_FOLDER))
