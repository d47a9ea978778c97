"""A snapshot as a Ray job: ``python -m ganggpt.jobs.snapshot_job JOB`` on a node of the cluster.

The job reads its settings from the environment of the node, as every process of the world does, and prints its result
as one JSON line (``ganggpt.operations.snapshot_job`` submits it and reads that).
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys

import msgspec

from ganggpt.config import read_settings
from ganggpt.errors import GangGPTError
from ganggpt.operations.snapshot_job import job_of, log_progress, snapshot_and_prune
from ganggpt.persistence.world_snapshot.cut import NICE
from ganggpt.private_files import keep_private


def main(argv: list[str]) -> int:
    """The entry point: one argument, the job as JSON. Returns the exit status."""
    keep_private()
    os.nice(NICE)  # before there are threads: they inherit it
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        job = job_of(argv[0] if argv else "")
        result = asyncio.run(snapshot_and_prune(read_settings(), None, job, log_progress()))
    except GangGPTError as error:
        sys.stdout.write(msgspec.json.encode({"error": error.as_wire()}).decode() + "\n")
        return 2
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
