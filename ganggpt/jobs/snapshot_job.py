"""A snapshot as a Ray job: ``python -m ganggpt.jobs.snapshot_job`` on a node of the cluster, submitted from anywhere.

The job reads its settings from the environment of the node, as every process of the world does, and prints its result
as one JSON line. ``run_as_job`` submits it to a running world and waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from ganggpt.config import Settings, read_settings
from ganggpt.errors import ConfigInvalid, GangGPTError, StartFailed, Unavailable
from ganggpt.operations.snapshot_catalog import Keep, prune_snapshots
from ganggpt.operations.snapshots import take_snapshot
from ganggpt.persistence.world_snapshot.cut import NICE
from ganggpt.runtime.run_file import read_run

WAIT_S: Final = 3600.0
_LOOK_S: Final = 0.5
_CONNECT_S: Final = 30.0
_TOKEN_FILE: Final = "ray-token"  # noqa: S105 - its name


class SnapshotJob(Struct, frozen=True):
    """What a snapshot job is told."""

    place: str
    name: str | None = None
    keep: Keep | None = None
    parallel: int | None = None


def entrypoint(job: SnapshotJob, python: str = "python") -> str:
    """The command line of a job, for ``ray job submit --`` too. ``python``: the interpreter on the node."""
    return shlex.join([python, "-m", "ganggpt.jobs.snapshot_job", msgspec.json.encode(job).decode()])


def run_as_job(settings: Settings, job: SnapshotJob, say: Callable[[str], None]) -> dict[str, Any]:
    """Submit a snapshot to the world that runs in the data directory and wait for its result.

    Raises StartFailed where no world runs or the job failed, and Unavailable where Ray does not answer.
    """
    from ray.job_submission import JobStatus, JobSubmissionClient

    data_dir = settings.data_dir.expanduser().resolve()
    run = read_run(data_dir)
    if run is None or not run.dashboard:
        fix = "Start it with `ganggpt up`, or use `ray job submit` where the cluster is another one."
        raise StartFailed(f"No world runs in {data_dir}.", fix)
    headers = {"Authorization": f"Bearer {(data_dir / _TOKEN_FILE).read_text().strip()}"}
    # An embedded database has an address only this machine knows, and no password.
    environment = {"DATABASE_URL": run.database} if run.database else {}
    python = sys.executable if settings.ray_address is None else "python"
    try:
        # The dashboard, which is the job server, comes up some seconds after the bridge.
        for attempt in Retrying(
            retry=retry_if_exception_type(ConnectionError),
            stop=stop_after_delay(_CONNECT_S),
            wait=wait_fixed(_LOOK_S),
            reraise=True,
        ):
            with attempt:
                client = JobSubmissionClient(run.dashboard, headers=headers)
        job_id = client.submit_job(entrypoint=entrypoint(job, python), runtime_env={"env_vars": environment})
        say(f"job {job_id} on {run.dashboard}")
        until_s = time.monotonic() + WAIT_S
        while not (status := client.get_job_status(job_id)).is_terminal():
            if time.monotonic() > until_s:
                raise Unavailable(f"the result of job {job_id}", f"it still runs after {WAIT_S:g} s")
            time.sleep(_LOOK_S)
        logs = client.get_job_logs(job_id)
    except (ConnectionError, RuntimeError) as away:
        raise Unavailable(f"Ray's job server at {run.dashboard}") from away
    told = [line for line in logs.splitlines() if line.startswith("{")]
    if status is not JobStatus.SUCCEEDED or not told:
        problem = msgspec.json.decode(told[-1])["error"]["message"] if told else logs.strip()[-500:]
        raise StartFailed(f"The job {job_id} {status.value.lower()}: {problem}", "Ray's dashboard has its log.")
    result: dict[str, Any] = {"job": job_id, **msgspec.json.decode(told[-1])}
    return result


async def run_job(settings: Settings, job: SnapshotJob) -> dict[str, Any]:
    """What the job does on its node. Raises GangGPTError."""
    if settings.database_url is None:
        raise ConfigInvalid("DATABASE_URL", "it is not set on this node", "A job needs the world's database.")
    dsn = settings.database_url.get_secret_value()
    taken = await take_snapshot(
        dsn, job.place, name=job.name, parallel=job.parallel, pgbouncer=settings.pgbouncer, progress=_log_progress()
    )
    removed = [] if job.keep is None else await prune_snapshots(job.place, taken.world, job.keep)
    return {**msgspec.to_builtins(taken), "removed": list(removed)}


def _log_progress() -> Callable[[str, int, int], None]:
    """Progress as lines of the job's log, a line each tenth."""
    log, told = logging.getLogger("ganggpt.snapshot"), {"": -1}

    def tell(step: str, done: int, of: int) -> None:
        tenth = done * 10 // max(of, 1)
        if told.get(step) != tenth:
            told[step] = tenth
            log.info("%s %d of %d", step, done, of)

    return tell


def main(argv: list[str]) -> int:
    """The entry point: one argument, the job as JSON. Returns the exit status."""
    os.nice(NICE)  # before there are threads: they inherit it
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        try:
            job = msgspec.json.decode(argv[0] if argv else "", type=SnapshotJob)
        except msgspec.MsgspecError as misfit:
            fix = 'Write for example \'{"place": "gs://bucket/snapshots", "keep": {"count": 7}}\'.'
            raise ConfigInvalid("the job", str(misfit), fix) from None
        result = asyncio.run(run_job(read_settings(), job))
    except GangGPTError as error:
        sys.stdout.write(msgspec.json.encode({"error": error.as_wire()}).decode() + "\n")
        return 2
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
