"""A second Ray node on this machine, joined to the local head of a world, with room for one shared host."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import Final

import psutil

from ganggpt.chaos.chaos_world import ChaosWorld, until
from ganggpt.errors import Unavailable

_START_S: Final = 90.0
_LEAVE_S: Final = 60.0
_TRIES: Final = 3
_JOINED: Final = b"Ray runtime started"
_HEAD: Final = "::ffff:127.0.0.1"
"""The loopback address of the head in a form that Ray does not replace by the machine's outer one."""
_HERE: Final = "127.0.0.2"
"""Another loopback address. Ray does not take it for one and lets this node listen everywhere; it lives for minutes."""
_CPUS: Final = 1
"""Logical CPUs: room for a shared host (0.5) but for no replica of the bridge (1), which would need other ports."""


class SecondNode:
    """Owns the raylet of a second node and all processes it starts."""

    def __init__(self, world: ChaosWorld) -> None:
        self._world = world
        self._log = world.data_dir / "node.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Join the node where it does not run yet. A busy machine may need a second try. Raises Unavailable."""
        for _ in range(_TRIES):
            if self._process is not None and self._process.returncode is None:
                return
            await self.stop()
            await self._join()
        if self._process is None or self._process.returncode is not None:
            raise Unavailable("the second node", f"it did not join; its log is {self._log}")

    async def _join(self) -> None:
        """Start the node and wait until it has joined or ended."""
        environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self._world.data_dir / "ray-token"),
            "RAY_worker_niceness": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        environment.pop("RAY_ADDRESS", None)
        with self._log.open("ab") as log:
            told_before = log.tell()
            self._process = process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "ray.scripts.scripts", "start",
                "--address", f"[{_HEAD}]:{self._world.run.ray_address.rpartition(':')[2]}", "--node-ip-address", _HERE,
                "--num-cpus", str(_CPUS), "--num-gpus", "0", "--object-store-memory", str(80 * 1024 * 1024), "--block",
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True,
            )  # fmt: skip

        async def undecided() -> str | None:
            joined = _JOINED in self._log.read_bytes()[told_before:]
            return None if joined or process.returncode is not None else "it has not joined"

        await until(undecided, _START_S, f"the second node (log {self._log})")

    @property
    def pid(self) -> int:
        """The process of ``ray start --block``. Raises Unavailable where it has ended."""
        if self._process is None or self._process.returncode is not None:
            raise Unavailable("the second node")
        return self._process.pid

    async def left(self, since_s: float) -> str:
        """Wait until it ends by itself; returns a note that says when. Raises Unavailable."""
        assert self._process is not None
        try:
            async with asyncio.timeout(_LEAVE_S):
                await self._process.wait()
        except TimeoutError:
            raise Unavailable("the end of the second node", f"it still runs; its log is {self._log}") from None
        return f"the node ended after {asyncio.get_running_loop().time() - since_s:.1f} s"

    @property
    def raylet(self) -> psutil.Process:
        """The raylet of the node. Raises Unavailable where it has ended."""
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.name() == "raylet" and process.status() != psutil.STATUS_ZOMBIE:
                    return process
        raise Unavailable("the raylet of the second node")

    def carries(self, pid: int) -> bool:
        """Whether a process belongs to this node."""
        return any(process.pid == pid for process in self._family())

    async def stop(self) -> None:
        """Kill all processes of the node."""
        family = self._family()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            self._process = None
        await asyncio.to_thread(psutil.wait_procs, family, 10.0)

    def _family(self) -> list[psutil.Process]:
        """All descendants of the process that started the node, also after its end (they share its session)."""
        if self._process is None:
            return []
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if os.getsid(process.pid) == self._process.pid:
                    found.append(process)
        return found
