"""The snapshot job: what it is told, and how many readers it may have."""

from __future__ import annotations

import shlex

import pytest

from ganggpt.errors import ConfigInvalid, InvalidInput
from ganggpt.operations.snapshot_catalog import Keep
from ganggpt.operations.snapshot_job import SnapshotJob, entrypoint, job_of
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
