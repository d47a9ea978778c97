"""The systems the benchmark compares, each started for its turn and stopped after it."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from bench.processes import ROOT, Child, free_port, python
from ganggpt.client.game_server import GameServer
from ganggpt.client.waiting import Patience
from ganggpt.client.wire import WireCommand
from ganggpt.errors import StartFailed

NPCS: Final = 32
"""So few, because the naive peer needs a process for each. All systems get the same ones."""
BENCH_NPCS: Final = tuple(f"npc:bench-{n:04d}" for n in range(NPCS))

_PEERS: Final = ROOT / "bench" / "peers"
_READY_S: Final = 240.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where load goes."""

    url: str
    transport: Literal["bridge", "http"] = "bridge"
    token: str = ""


class System(Protocol):
    """One system under test. ``absent_because``: why it cannot be measured here, or None."""

    name: str

    @property
    def absent_because(self) -> str | None:
        """Why it cannot run on this machine."""
        ...

    async def start(self) -> Address:
        """Start it and wait until it answers. Raises StartFailed."""
        ...

    async def stop(self) -> None:
        """Stop it and everything it started."""
        ...


class GangGPT:
    """The real thing, as ``ganggpt up`` starts it, with its own embedded stores in ``data_dir``, which stays.

    ``settings``: variables of its settings file; nothing else is set.
    """

    name = "ganggpt"
    absent_because = None

    def __init__(self, world: Path, data_dir: Path, logs: Path, settings: Mapping[str, str] | None = None) -> None:
        self._world, self.data_dir, self._logs = world, data_dir, logs
        self._settings = settings or {}
        self._child: Child | None = None
        self.ready_s = 0.0
        """From the start of the process to the first answered command, of the last start."""

    @property
    def child(self) -> Child:
        """The process of ``up``. Raises StartFailed where it is not started."""
        if self._child is None:
            raise StartFailed(f"{self.name} was not started.", "Call start() first.")
        return self._child

    async def start(self) -> Address:
        """See System."""
        settings = self.data_dir.parent / "settings.env"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text("".join(f"{name}={value}\n" for name, value in self._settings.items()))
        options = ["--json", "--world", str(self._world), "--data-dir", str(self.data_dir)]
        options += ["--env-file", str(settings)]
        argv = python("ganggpt.cli", "up", "--port", str(free_port()), "--dashboard-port", "0", *options)
        self._child = Child(self.name, argv, self._logs / "ganggpt.log", {"RAY_AUTH_MODE": "disabled"})
        began_s = time.perf_counter()
        await self._child.start()
        line = await self._child.line(_READY_S)
        while not line.startswith(b"{"):  # Ray's processes sometimes print a warning of their own
            line = await self._child.line(_READY_S)
        run = json.loads(line)
        if "bridge" not in run:
            raise StartFailed(f"{self.name} did not start: {run.get('error', run)}", "See its log.")
        token = await asyncio.to_thread(Path(run["token_file"]).read_text)
        address = Address(run["bridge"], token=token.strip())
        await spawn(address, [f"npc:first-{int(time.time())}"])
        self.ready_s = time.perf_counter() - began_s
        return address

    async def stop(self) -> None:
        """See System."""
        if self._child is not None:
            await self._child.stop()


class WebSocketPeer:
    """FastAPI or Node: one process on a port, told by ``--insert`` how to write."""

    def __init__(self, name: str, argv: Sequence[str], logs: Path, absent_because: str | None = None) -> None:
        self.name = name
        self.absent_because = absent_because
        self._argv = argv
        self._logs = logs
        self._child: Child | None = None

    async def start(self) -> Address:
        """See System."""
        port = free_port()
        self._child = Child(self.name, [*self._argv, "--port", str(port)], self._logs / f"{self.name}.log")
        await self._child.start()
        await until_ready(self._child, port)
        return Address(f"ws://127.0.0.1:{port}/v1/bridge")

    async def stop(self) -> None:
        """See System."""
        if self._child is not None:
            await self._child.stop()


class NaiveRayPeer:
    """One Ray actor for each NPC behind Serve's default proxy, in a Ray of its own."""

    name = "naive-ray"
    absent_because = None

    def __init__(self, dsn: str, ray_dir: Path, logs: Path) -> None:
        self._dsn, self._ray_dir, self._logs = dsn, ray_dir, logs
        self._child: Child | None = None

    async def start(self) -> Address:
        """See System."""
        port = free_port()
        argv = python("bench.peers.naive_ray", "--dsn", self._dsn, "--port", str(port), "--npcs", str(NPCS))
        argv += ["--ray-dir", str(self._ray_dir)]
        self._child = Child(
            self.name, argv, self._logs / "naive-ray.log", {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}
        )
        await self._child.start()
        await until_ready(self._child, port)
        return Address(f"http://127.0.0.1:{port}/event", "http")

    async def stop(self) -> None:
        """See System."""
        if self._child is not None:
            await self._child.stop()


def websocket_peers(dsn: str, node: NodeInstall, logs: Path) -> list[WebSocketPeer]:
    """Peers (b) and (c), each in three ways to write: an event, a frame at a time, a frame in one statement."""
    peers = []
    for insert, suffix in (("each", ""), ("frame", "-frame"), ("many", "-tuned")):
        to_database = ["--dsn", dsn, "--insert", insert]
        peers.append(WebSocketPeer(f"fastapi{suffix}", python("bench.peers.fastapi_peer", *to_database), logs))
        node_argv = [node.node or "node", str(node.directory / "peer.mjs"), *to_database]
        peers.append(WebSocketPeer(f"node{suffix}", node_argv, logs, node.absent_because))
    return peers


class NodeInstall:
    """Owns the Node peer's directory with its modules, outside the source tree."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.node = shutil.which("node")
        self.absent_because: str | None = None if self.node and shutil.which("npm") else "Node.js 20 and npm are absent"

    async def prepare(self) -> None:
        """Copy the peer and run ``npm ci``; sets ``absent_because`` where that fails."""
        if self.absent_because is not None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        for file in ("package.json", "package-lock.json", "peer.mjs"):
            shutil.copy(_PEERS / "node" / file, self.directory / file)
        npm = await asyncio.create_subprocess_exec(
            "npm", "ci", "--no-audit", "--no-fund", cwd=self.directory,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            async with asyncio.timeout(_READY_S):
                said, _ = await npm.communicate()
        except TimeoutError:
            npm.kill()
            self.absent_because = f"npm ci did not end within {_READY_S:g} s"
            return
        if npm.returncode != 0:
            self.absent_because = f"npm ci failed: {said.decode(errors='replace').strip()[-300:]}"


async def until_ready(child: Child, port: int) -> None:
    """Wait until the peer answers ``/ready``. Raises StartFailed where it ends or stays silent."""

    async def look() -> None:
        _ = child.running
        answer = await client.get(f"http://127.0.0.1:{port}/ready")
        if answer.status_code != httpx.codes.OK:
            raise httpx.RemoteProtocolError(f"status {answer.status_code}")

    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(httpx.HTTPError), wait=wait_fixed(0.1), stop=stop_after_delay(_READY_S),
            reraise=True,
        )  # fmt: skip
        try:
            await retrying(look)
        except httpx.HTTPError as silent:
            raise StartFailed(
                f"{child.name} did not answer within {_READY_S:g} s: {silent}", "See its log."
            ) from silent


async def spawn(address: Address, actors: Sequence[str]) -> None:
    """Bring NPCs into the world through the bridge; one that lives already is left as it is."""
    sheet = {
        "name": "Bench Walker",
        "role": "passer-by",
        "home": "ferris-pier",
        "faction": None,
        "traits": {"friendliness": 50, "temper": 50, "greed": 50, "courage": 50},
        "style": "street",
        "backstory": "Walks up and down the pier so that others can be measured.",
    }
    patience = Patience(answer_s=120)
    async with GameServer(address.url, address.token, "bench-spawner", patience=patience) as game:
        for start in range(0, len(actors), 1000):
            part = actors[start : start + 1000]
            for answer in await game.send_all([WireCommand(actor, "Spawn", sheet) for actor in part]):
                if not answer.ok and (answer.error is None or answer.error.code != "already_exists"):
                    raise StartFailed(f"{answer.to} was not spawned: {answer.error}", "Look at the log of the runtime.")
