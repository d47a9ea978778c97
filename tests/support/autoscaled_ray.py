"""A Ray head with the real autoscaler (v2) and its fake nodes, which are raylets of this machine. Private to its owner:
ports, directory and token of its own, and nothing is stopped but what it started."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import yaml
from ray.autoscaler._private import fake_multi_node
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID
from ray.util import get_node_ip_address

from ganggpt.runtime.haproxy import haproxy_binary
from ganggpt.runtime.network_ports import WantedPorts, WorldPorts, choose_ports, ray_directory
from ganggpt.runtime.port_claims import PortClaims
from ganggpt.runtime.ray_cluster import end_strays, ray_environment, ray_tuning

HEAD = "ray.head.default"
HEAD_CPUS = 2
"""Room for the bridge and one host."""
NODE_CPUS = 1
"""Room for one host more."""


def autoscaling_config(gcs_address: str, nodes_max: int) -> dict[str, Any]:
    """What ``ray start --autoscaling-config`` reads; nodes that are idle for three seconds go."""
    return {
        "cluster_name": "fake_multinode",
        "max_workers": nodes_max,
        "idle_timeout_minutes": 0.05,
        "upscaling_speed": 1.0,
        "provider": {
            "type": "fake_multinode",
            "launch_multiple": True,
            "head_node_id": FAKE_HEAD_NODE_ID,
            "gcs_address": gcs_address,
        },
        "available_node_types": {
            "hosts": {"resources": {"CPU": NODE_CPUS}, "node_config": {}, "min_workers": 0, "max_workers": nodes_max},
            HEAD: {"resources": {"CPU": HEAD_CPUS}, "node_config": {}, "max_workers": 0},
        },
        "head_node_type": HEAD,
        "file_mounts_sync_continuously": False,
        **{name: {} for name in ("head_node", "worker_nodes", "auth", "docker", "file_mounts")},
        **{
            f"{name}_commands": []
            for name in (
                "initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray",
            )
        },
        **{name: [] for name in ("cluster_synced_files", "rsync_exclude", "rsync_filter")},
    }  # fmt: skip


class AutoscaledRay:
    """Owns the head, its autoscaler and the nodes that one adds."""

    def __init__(self, home: Path, nodes_max: int) -> None:
        self._home = home
        self._nodes_max = nodes_max
        self.directory = ray_directory(home)
        self.ports: WorldPorts = choose_ports(home, WantedPorts(), PortClaims())
        self.address = f"{get_node_ip_address()}:{self.ports.dashboard + 80}"
        self._token = home / "ray-token"
        self._head: asyncio.subprocess.Process | None = None

    @property
    def environment(self) -> dict[str, str]:
        """What every process that speaks to this cluster needs."""
        return {
            **ray_tuning(has_proxy=haproxy_binary() is not None),
            **ray_environment(self.directory, self._token, self.ports),
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        }

    async def start(self) -> None:
        """Start the head; returns once its GCS answers."""
        (self.directory / "h").mkdir(mode=0o700, parents=True, exist_ok=True)
        self._token.write_text(secrets.token_hex(32))
        self._token.chmod(0o600)
        config = autoscaling_config(self.address, self._nodes_max)
        _give_ray_its_example(config)
        path = self._home / "autoscaling.json"
        path.write_text(json.dumps(config))
        environment = {
            **os.environ, **self.environment,
            "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1", "RAY_enable_autoscaler_v2": "1",
            "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID, "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
        }  # fmt: skip
        with (self._home / "head.log").open("ab") as log:
            self._head = await asyncio.create_subprocess_exec(
                *_ray("start", "--head", "--block", "--include-dashboard=false", f"--num-cpus={HEAD_CPUS}"),
                f"--port={self.address.rpartition(':')[2]}", f"--temp-dir={self.directory}",
                "--object-store-memory=100000000", "--dashboard-agent-listen-port=0",
                f"--ray-client-server-port={self.ports.dashboard + 81}",
                f"--metrics-export-port={self.ports.node_metrics}", f"--autoscaling-config={path}",
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
            )  # fmt: skip
        async with asyncio.timeout(60):
            while not _listens(self.address):
                assert self._head.returncode is None, (self._home / "head.log").read_text()[-2000:]
                await asyncio.sleep(0.1)

    def nodes(self) -> int:
        """Nodes of this cluster: each is a raylet."""
        return len(self._raylets())

    async def drain(self, node: str, within_s: int) -> None:
        """``ray drain-node``: say that a node will be gone after so many seconds."""
        drain = await asyncio.create_subprocess_exec(
            *_ray("drain-node", f"--address={self.address}", f"--node-id={node}"),
            f"--deadline-remaining-seconds={within_s}", "--reason=DRAIN_NODE_REASON_PREEMPTION",
            "--reason-message=the machine goes away",
            env={**os.environ, **self.environment}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asyncio.wait_for(drain.communicate(), 60)
        assert drain.returncode == 0, said.decode()

    async def stop(self) -> None:
        """End the head and everything of this cluster."""
        if self._head is not None and self._head.returncode is None:
            self._head.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self._head.wait(), 20)
            except TimeoutError:
                self._head.kill()
                await self._head.wait()
        await asyncio.to_thread(end_strays, self.directory)

    def _raylets(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.name() == "raylet" and any(str(self.directory) in word for word in process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found


def _ray(*words: str) -> list[str]:
    return [sys.executable, "-m", "ray.scripts.scripts", *words]


def _listens(address: str) -> bool:
    port = int(address.rpartition(":")[2])
    return any(c.laddr and c.laddr.port == port and c.status == "LISTEN" for c in psutil.net_connections("tcp"))


def _give_ray_its_example(config: dict[str, Any]) -> None:
    """Ray's wheel lacks the file with the defaults of this provider, and its autoscaler does not start without."""
    example = Path(fake_multi_node.__file__).with_name("example.yaml")
    if not example.exists():
        defaults = {**config, "provider": {"type": "fake_multinode", "head_node_id": FAKE_HEAD_NODE_ID}}
        example.write_text(yaml.safe_dump({**defaults, "provider": {**defaults["provider"], "launch_multiple": True}}))
