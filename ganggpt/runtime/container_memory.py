"""The memory this process may use: that of the machine or that of its container, whichever is less.

A container has a control group. Linux ends its processes when the group is full, however much the machine has free.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

CGROUP: Final = Path("/sys/fs/cgroup")
"""Where a container sees its own control group."""


@dataclass(frozen=True, slots=True)
class UsableMemory:
    """Bytes there are, and bytes of them that can still be had."""

    total_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True)
class _Files:
    """What a version of control groups calls what we read."""

    limit: str
    usage: str
    statistics: str
    reclaimable: str


_VERSIONS: Final = (
    _Files("memory.max", "memory.current", "memory.stat", "inactive_file"),
    _Files("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
)


def usable_memory(cgroup: Path = CGROUP) -> UsableMemory:
    """The memory of the machine, or of the control group below ``cgroup`` where it leaves less. Pages of files that the
    kernel can drop count as available, as they do for Kubernetes."""
    machine = psutil.virtual_memory()
    total, available = machine.total, machine.available
    for files in _VERSIONS:
        try:
            limit = int((cgroup / files.limit).read_text())
            used = int((cgroup / files.usage).read_text()) - _reclaimable(cgroup, files)
        except (OSError, ValueError):
            continue  # another version, no control group, or one without a limit ("max")
        if limit < total:  # version 1 writes a very large number for "no limit"
            return UsableMemory(limit, max(0, min(available, limit - used)))
    return UsableMemory(total, available)


def _reclaimable(cgroup: Path, files: _Files) -> int:
    lines = (line.split() for line in (cgroup / files.statistics).read_text().splitlines())
    return next((int(value) for name, value in lines if name == files.reclaimable), 0)
