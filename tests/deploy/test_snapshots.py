"""The nightly snapshot: its command is one that Ray and the job understand."""

from __future__ import annotations

import msgspec
from ray.dashboard.modules.job.cli import submit

from ganggpt.operations.snapshot_job import SnapshotJob, entrypoint
from tests.support.manifests import containers, pod_templates


def test_ray_takes_the_command_and_the_job_its_argument() -> None:
    (container,) = containers(pod_templates()["snapshots"])
    assert container["command"][:3] == ["ray", "job", "submit"]
    parsed = submit.make_context("submit", list(container["command"][3:])).params
    assert parsed["address"] == "http://ganggpt-head-svc:8265"
    assert parsed["entrypoint_num_cpus"] == 0.5
    *python, argument = parsed["entrypoint"]
    assert python == ["python", "-m", "ganggpt.jobs.snapshot_job"]
    job = msgspec.json.decode(argument, type=SnapshotJob, strict=True)
    assert job.place.startswith("gs://")
    assert job.keep is not None
    assert job.keep.count > 1
    assert " ".join(python) in entrypoint(job)
