"""Takes a snapshot and removes old ones, in this process or as a Ray job of the running world."""

from __future__ import annotations

import logging
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from ganggpt.config import Settings
from ganggpt.errors import ConfigInvalid, StartFailed, Unavailable
from ganggpt.operations.snapshot_catalog import Keep, prune_snapshots
from ganggpt.operations.snapshots import Progress, readers_of, take_snapshot
from ganggpt.runtime.connections import command_connections
from ganggpt.runtime.run_file import read_run
from ganggpt.runtime.world_secrets import SECRETS_FILE, SecretSource

WAIT_S: Final = 3600.0
_POLL_S: Final = 0.5
_CONNECT_S: Final = 30.0
_TOKEN_FILE: Final = "ray-token"  # noqa: S105 - its name


class SnapshotJob(Struct, frozen=True):
    """The argument of a snapshot job. ``secrets``: the file in which the world on that machine has its database; unset,
    or on another machine, the job reads it from the settings there."""

    place: str
    name: str | None = None
    keep: Keep | None = None
    parallel: int | None = None
    secrets: str | None = None


def entrypoint(job: SnapshotJob, python: str = "python") -> str:
    """The command line of a job, for ``ray job submit --`` too. ``python``: the interpreter on the node."""
    return shlex.join([python, "-m", "ganggpt.jobs.snapshot_job", msgspec.json.encode(job).decode()])


def runtime_env_of(python: str, data_dir: Path) -> dict[str, Any]:
    """What a job on this machine is started with: it logs where its world does. Ray writes the path of Python into a
    line for a shell as it is, so one with a blank has to come quoted."""
    return {"env_vars": {"GANGGPT_DATA_DIR": str(data_dir)}, "py_executable": shlex.quote(python)}


def job_of(argument: str) -> SnapshotJob:
    """The job in an argument of the command line. Raises ConfigInvalid."""
    try:
        return msgspec.json.decode(argument, type=SnapshotJob)
    except msgspec.MsgspecError as misfit:
        fix = 'Write for example \'{"place": "gs://bucket/snapshots", "keep": {"count": 7}}\'.'
        raise ConfigInvalid("the job", str(misfit), fix) from None


async def snapshot_and_prune(
    settings: Settings, dsn: str | None, job: SnapshotJob, progress: Progress
) -> dict[str, Any]:
    """Take the snapshot, then remove those the job no longer keeps. ``dsn``: unset, the one the job finds.

    Raises GangGPTError.
    """
    if dsn is None and job.secrets is not None:
        dsn = SecretSource(job.secrets).read().dsn
    if dsn is None:
        if settings.database_url is None:
            raise ConfigInvalid("DATABASE_URL", "it is not set on this node", "A job needs the world's database.")
        dsn = settings.database_url.get_secret_value()
    parallel = readers_of(job.parallel, command_connections(settings))
    taken = await take_snapshot(
        dsn, job.place, name=job.name, parallel=parallel, pgbouncer=settings.pgbouncer, progress=progress
    )
    removed = [] if job.keep is None else await prune_snapshots(job.place, taken.world, job.keep)
    return {**msgspec.to_builtins(taken), "removed": list(removed)}


def run_as_job(settings: Settings, job: SnapshotJob, say: Callable[[str], None]) -> dict[str, Any]:
    """Submit a snapshot to the world that runs in the data directory and wait for its result.

    Raises StartFailed where no world runs or the job failed, and Unavailable where Ray does not answer.
    """
    data_dir = settings.data_dir.expanduser().resolve()
    run = read_run(data_dir)
    if run is None or not run.dashboard:
        fix = "Start it with `ganggpt up`, or use `ray job submit` where the cluster is another one."
        raise StartFailed(f"No world runs in {data_dir}.", fix)
    # What a job is submitted with everybody sees who sees the dashboard, so it names no database.
    job = msgspec.structs.replace(job, secrets=str(data_dir / SECRETS_FILE))
    is_local = settings.ray_address is None
    python, around = (sys.executable, runtime_env_of(sys.executable, data_dir)) if is_local else ("python", {})
    try:
        client = _client_of(run.dashboard, (data_dir / _TOKEN_FILE).read_text().strip())
        job_id = client.submit_job(entrypoint=entrypoint(job, python), runtime_env=around)
        say(f"job {job_id} on {run.dashboard}")
        status = _wait_for(client, job_id)
        logs = client.get_job_logs(job_id)
    except (ConnectionError, RuntimeError) as outage:
        raise Unavailable(f"Ray's job server at {run.dashboard}") from outage
    answers = [line for line in logs.splitlines() if line.startswith("{")]
    if status != "SUCCEEDED" or not answers:
        problem = msgspec.json.decode(answers[-1])["error"]["message"] if answers else logs.strip()[-500:]
        raise StartFailed(f"The job {job_id} {status.lower()}: {problem}", "Ray's dashboard has its log.")
    return {"job": job_id, **msgspec.json.decode(answers[-1])}


def _client_of(dashboard: str, token: str) -> Any:
    """A client of Ray's job server, which comes up with the dashboard, some seconds after the bridge."""
    from ray.job_submission import JobSubmissionClient

    retrying = Retrying(
        retry=retry_if_exception_type(ConnectionError),
        stop=stop_after_delay(_CONNECT_S),
        wait=wait_fixed(_POLL_S),
        reraise=True,
    )
    return retrying(JobSubmissionClient, dashboard, headers={"Authorization": f"Bearer {token}"})


def _wait_for(client: Any, job_id: str) -> str:
    """The status with which a job ended. Raises Unavailable after WAIT_S."""
    until_s = time.monotonic() + WAIT_S
    while not (status := client.get_job_status(job_id)).is_terminal():
        if time.monotonic() > until_s:
            raise Unavailable(f"the result of job {job_id}", f"it still runs after {WAIT_S:g} s")
        time.sleep(_POLL_S)
    return str(status.value)


def log_progress() -> Progress:
    """Log progress, one line for each tenth."""
    log, tenths = logging.getLogger("ganggpt.snapshot"), {"": -1}

    def tell(step: str, done: int, of: int) -> None:
        tenth = done * 10 // max(of, 1)
        if tenths.get(step) != tenth:
            tenths[step] = tenth
            log.info("%s %d of %d", step, done, of)

    return tell
