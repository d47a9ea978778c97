"""What a process may use of memory: its container's share, in both versions of control groups."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from ganggpt.errors import Unavailable
from ganggpt.runtime.container_memory import usable_memory
from ganggpt.runtime.sizing import this_machine
from ganggpt.serve.health import memory_probe

MIB = 1024**2
NO_LIMIT = {"v2": "max", "v1": "9223372036854771712"}


def cgroup(root: Path, version: str, limit: str, used: int, reclaimable: int = 0) -> Path:
    """The files of a control group as the kernel writes them."""
    where = root if version == "v2" else root / "memory"
    where.mkdir(exist_ok=True)
    names = ("memory.max", "memory.current", "inactive_file")
    if version == "v1":
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    (where / names[0]).write_text(f"{limit}\n")
    (where / names[1]).write_text(f"{used}\n")
    (where / "memory.stat").write_text(f"anon 1\nfile 2\n{names[2]} {reclaimable}\n")
    return root


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_container_has_its_limit_less_what_is_used_and_not_reclaimable(version: str, tmp_path: Path) -> None:
    memory = usable_memory(cgroup(tmp_path, version, str(100 * MIB), 90 * MIB, reclaimable=30 * MIB))
    assert (memory.total_bytes, memory.available_bytes) == (100 * MIB, 40 * MIB)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_without_a_limit_it_is_the_machine_that_counts(version: str, tmp_path: Path) -> None:
    memory = usable_memory(cgroup(tmp_path, version, NO_LIMIT[version], 90 * MIB))
    assert memory.total_bytes == psutil.virtual_memory().total
    assert 0 < memory.available_bytes <= memory.total_bytes


def test_without_a_control_group_it_is_the_machine_that_counts(tmp_path: Path) -> None:
    assert usable_memory(tmp_path).total_bytes == psutil.virtual_memory().total


def test_a_group_over_its_limit_has_nothing_left(tmp_path: Path) -> None:
    assert usable_memory(cgroup(tmp_path, "v2", str(100 * MIB), 101 * MIB)).available_bytes == 0


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_health_rejects_a_full_container_on_a_machine_that_has_plenty(version: str, tmp_path: Path) -> None:
    details = await memory_probe(cgroup=cgroup(tmp_path, version, str(100 * MIB), 90 * MIB))()
    assert (details["total_bytes"], details["available_bytes"]) == (100 * MIB, 10 * MIB)
    with pytest.raises(Unavailable, match="only 2 MiB of 100 MiB are free"):
        await memory_probe(cgroup=cgroup(tmp_path, version, str(100 * MIB), 98 * MIB))()


def test_a_world_is_sized_for_the_same_memory() -> None:
    assert this_machine().memory_bytes == usable_memory().total_bytes
