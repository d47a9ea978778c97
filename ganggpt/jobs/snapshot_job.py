"""A snapshot as a Ray job: ``python -m ganggpt.jobs.snapshot_job JOB`` on a node of the cluster.

The job reads its settings from the environment of the node, as every process of the world does, and prints its result
as one JSON line (``ganggpt.operations.snapshot_job`` submits it and reads that).
"""

from __future__ import annotations

import asyncio
import os
import sys

import msgspec

from ganggpt.config import read_settings
from ganggpt.errors import GangGPTError
from ganggpt.observability.log_file import start_logs
from ganggpt.operations.snapshot_job import job_of, log_progress, snapshot_and_prune
from ganggpt.persistence.world_snapshot.cut import NICE
from ganggpt.private_files import keep_private
from ganggpt.runtime.run_file import local_logs


def main(argv: list[str]) -> int:
    """The entry point: one argument, the job as JSON. Returns the exit status."""
    keep_private()
    os.nice(NICE)  # before there are threads: they inherit it
    try:
        job = job_of(argv[0] if argv else "")
        settings = read_settings()
        start_logs(local_logs(settings), "job")
        result = asyncio.run(snapshot_and_prune(settings, None, job, log_progress()))
    except GangGPTError as error:
        sys.stdout.write(msgspec.json.encode({"error": error.as_wire()}).decode() + "\n")
        return 2
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
