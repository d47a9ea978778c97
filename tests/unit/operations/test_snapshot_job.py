"""The snapshot job: what it is told, and how many readers it may have."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ganggpt.errors import ConfigInvalid, InvalidInput
from ganggpt.operations.snapshot_catalog import Keep
from ganggpt.operations.snapshot_job import SnapshotJob, entrypoint, job_of, runtime_env_of
from ganggpt.operations.snapshots import PARALLEL_MAX, readers_of


def test_a_job_comes_back_from_its_command_line() -> None:
    job = SnapshotJob("gs://bucket/it's here", "nightly", Keep(7), 2)
    assert job_of(shlex.split(entrypoint(job))[-1]) == job


@pytest.mark.parametrize("argument", ["", "nightly", "{}", '{"place": 7}'])
def test_a_job_that_cannot_be_read_is_refused_with_an_example(argument: str) -> None:
    with pytest.raises(ConfigInvalid, match="Write for example"):
        job_of(argument)


def test_readers_never_exceed_the_connections_of_a_command() -> None:
    assert 1 <= readers_of(None, 100) <= PARALLEL_MAX
    assert readers_of(None, 1) == 1
    assert readers_of(3, 3) == 3
    with pytest.raises(InvalidInput, match="DATABASE_POOL_SIZE"):
        readers_of(4, 3)


def test_a_job_starts_also_where_the_path_of_python_has_a_blank(tmp_path: Path) -> None:
    python = tmp_path / "my games" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    wanted = runtime_env_of(str(python), tmp_path)["py_executable"]
    # As Ray starts it: a line for a shell in which the path stands as it was given.
    done = subprocess.run(["bash", "-c", f"exec {wanted} -c 'print(5)'"], capture_output=True, check=False)
    assert done.stdout == b"5\n", done.stderr
