"""The health of a replica: ``/health`` for operators, ``/health/live`` and ``/health/ready`` for probes.

Live: the event loop answers. Ready: new connections are accepted and the probes in ``READY_NEEDS`` pass. Neither
depends on the ownership of shards, because two clusters at once are a normal state.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psutil

from ganggpt.errors import GangGPTError, Unavailable
from ganggpt.observability.metrics import Metrics
from ganggpt.runtime.container_memory import CGROUP, usable_memory

Probe = Callable[[], Awaitable[Mapping[str, Any]]]
"""Checks one thing and returns details about it; raises GangGPTError or OSError where it is not healthy, Degraded where
the world does without it."""

CHECK_NAMES: Final = ("database", "redis", "ai", "memory", "disk")
READY_NEEDS: Final = ("database",)


class Degraded(Exception):
    """Something is away that the world does without, worse than with it. ``details`` say more than ``reason``."""

    def __init__(self, reason: str, details: Mapping[str, Any]) -> None:
        super().__init__(reason, details)
        self.reason, self.details = reason, details


class Health:
    """Runs the probes, each with a timeout of its own."""

    def __init__(
        self,
        probes: Mapping[str, Probe],
        metrics: Metrics,
        draining: Callable[[], bool],
        timeout_s: float = 2.0,
    ) -> None:
        self._probes = {name: probes[name] for name in CHECK_NAMES}
        self._draining = draining
        self._timeout_s = timeout_s
        self._failures = metrics.counter("ganggpt_health_probe_failures_total")

    async def report(self) -> tuple[int, dict[str, Any]]:
        """HTTP status and the body of ``/health``."""
        checks = await asyncio.gather(*(self._check(name) for name in self._probes))
        found = {check["status"] for check in checks}
        status = "unhealthy" if "rejected" in found else "degraded" if "degraded" in found else "healthy"
        return (503 if status == "unhealthy" else 200), {
            "status": status,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "checks": list(checks),
        }

    async def ready(self) -> tuple[int, dict[str, Any]]:
        """HTTP status and the body of ``/health/ready``."""
        if self._draining():
            return 503, {"status": "draining"}
        checks = await asyncio.gather(*(self._check(name) for name in READY_NEEDS))
        if all(check["status"] == "fulfilled" for check in checks):
            return 200, {"status": "ready"}
        return 503, {"status": "not ready", "checks": list(checks)}

    async def _check(self, name: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._timeout_s):
                details = dict(await self._probes[name]())
        except Degraded as degraded:
            self._failures.labels(name).inc()
            return {"name": name, "status": "degraded", "details": {"reason": degraded.reason, **degraded.details}}
        except TimeoutError:
            reason = f"no answer within {self._timeout_s:g} s"
        except (GangGPTError, OSError) as problem:
            reason = str(problem)
        else:
            return {"name": name, "status": "fulfilled", "details": details}
        self._failures.labels(name).inc()
        return {"name": name, "status": "rejected", "details": {"reason": reason}}


def memory_probe(free_share_min: float = 0.05, cgroup: Path = CGROUP) -> Probe:
    """Memory of this machine, or of the container where that has less; unhealthy with less than ``free_share_min`` of
    it free."""

    async def check() -> Mapping[str, Any]:
        memory = await asyncio.to_thread(usable_memory, cgroup)
        free, total = memory.available_bytes, memory.total_bytes
        if free < free_share_min * total:
            raise Unavailable("enough memory", f"only {free >> 20} MiB of {total >> 20} MiB are free")
        process_bytes = psutil.Process().memory_info().rss
        return {"available_bytes": free, "total_bytes": total, "process_bytes": process_bytes}

    return check


def disk_probe(directory: Path, free_bytes_min: int = 256 * 1024 * 1024) -> Probe:
    """The disk a directory is on; unhealthy with less than ``free_bytes_min`` free."""

    async def check() -> Mapping[str, Any]:
        usage = await asyncio.to_thread(shutil.disk_usage, directory)
        if usage.free < free_bytes_min:
            raise Unavailable("enough disk space", f"only {usage.free >> 20} MiB are free on {directory}")
        return {"free_bytes": usage.free, "total_bytes": usage.total}

    return check
