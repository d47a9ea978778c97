"""Ray for one world: a local head of our own, or a cluster to join.

A local head starts with less than ``ray start`` does, because a laptop waits for it: no autoscaler monitor, no log
monitor, and the dashboard only after the bridge answers (it costs four seconds of two CPUs). Ray ends its own processes
when the thread that started them ends, in any way, so head and driver live in one thread kept for that.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import psutil

from ganggpt.errors import StartFailed
from ganggpt.runtime.haproxy import haproxy_binary, start_script
from ganggpt.runtime.network_ports import RAY_FOLDER, WorldPorts, with_ipv6_loopback
from ganggpt.runtime.ray_logs import RayLogs

_OBJECT_STORE_BYTES: Final = 128 * 1024 * 1024
"""Batches of commands are small and never shared; Ray asks for at least 75 MiB."""
_LOOPBACK: Final = "127.0.0.1"
"""Where everything of a local Ray listens. Ray compares with this very address to decide that."""
_STOP_S: Final = 10.0
_SERVERS: Final = ("gcs_server", "raylet", "haproxy")
_DASHBOARD: Final = "dashboard"
GCS: Final = "gcs_server"
GCS_RETURNS: Final = sys.platform == "linux"
"""Whether the GCS keeps its tables on disk (Ray can do so on Linux): then it may end and come back while everything it
started goes on. No other process of a head may."""


def ray_environment(directory: Path, token_file: Path, ports: WorldPorts) -> dict[str, str]:
    """Variables Ray and Serve read at import; every process of the world inherits them."""
    proxy = directory / "h"
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_file),
        **({"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": str(directory / "gcs")} if GCS_RETURNS else {}),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports.stats),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports.proxy_metrics),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(proxy / "cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(proxy / "s"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(proxy / "m"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(proxy),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(proxy / "state"),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports.fallback),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports.fallback_grpc),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ports.replicas),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ports.replicas + WorldPorts.REPLICAS_MAX - 1),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(ports.replicas_grpc),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(ports.replicas_grpc + WorldPorts.REPLICAS_MAX - 1),
        "DASHBOARD_METRIC_PORT": str(ports.dashboard_metrics),
    }


def ray_tuning(has_proxy: bool) -> dict[str, str]:
    """Defaults for a small machine; an operator may set these variables differently."""
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": str(int(has_proxy)),
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": str(int(has_proxy)),
        "RAY_SERVE_HAPROXY_NBTHREAD": str(min(4, os.cpu_count() or 1)),
        # By default Serve kills a proxy that needs more than 5 s to start, which a busy small machine needs.
        "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "45",
        "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "30",
        # A dead HAProxy is missed at three looks in a row, and nobody gets through until then.
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
        # Nothing outside has to notice a stop before we stop: there is no load balancer in front of one machine.
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0.1",
        "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": "0.1",
        # A call to a process that died fails at once; by default it waits a second for Ray's word on how it died.
        "RAY_timeout_ms_task_wait_for_death_info": "0",
        "RAY_worker_niceness": "0",
        # By default each of its logs may have 3 GiB.
        "RAY_ROTATION_MAX_BYTES": str(8 * 1024 * 1024),
        "RAY_ROTATION_BACKUP_COUNT": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }


class RayThread:
    """Owns the one thread in which Ray is started, joined and left."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(1, "ray")

    def close(self) -> None:
        """End the thread, and with it everything Ray started from it."""
        self.pool.shutdown(wait=True)


class LocalHead:
    """Owns a Ray head of this process. All methods block. Call ``start`` and ``start_dashboard`` in the Ray thread, and
    ``stop`` outside of it, so that it does not wait for a dashboard that is still starting.

    ``directory``: private, because Ray opens its own, which lies in it, to everybody. ``front``: the address on which
    the bridge listens; all else listens on loopback, also what is behind an HAProxy (``serve_host``, known after
    ``prepare``). ``slots`` is the logical number of CPUs: room for what the plan starts, not a count of cores.
    """

    def __init__(self, directory: Path, data_dir: Path, ports: WorldPorts, front: str) -> None:
        self._directory = directory
        self._logs = RayLogs(directory, data_dir)
        self._front = self.serve_host = front
        self._ports = ports
        self._token_file = data_dir / "ray-token"
        self._node: Any = None

    def prepare(self) -> None:
        """Set the environment that Ray reads at import, and remove what a killed run left behind."""
        end_strays(self._directory)
        self._logs.keep()
        shutil.rmtree(self._directory, ignore_errors=True)
        (self._directory / "h").mkdir(mode=0o700, parents=True)
        self._directory.chmod(0o700)
        self._logs.lead()
        _write_token(self._token_file)
        wanted = ray_environment(self._directory, self._token_file, self._ports)
        # Despite its name this works on Linux too: 0 says that there are no other machines, so Ray leaves the loopback
        # address as it is instead of replacing it by the machine's outer one.
        wanted["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        binary = haproxy_binary()
        if binary is not None:
            start = self._directory / "h" / "start"
            front = with_ipv6_loopback(self._front, self._ports.server)
            start.write_text(start_script(binary, front), encoding=sys.getfilesystemencoding())
            start.chmod(0o700)
            wanted["RAY_SERVE_HAPROXY_BINARY_PATH"] = str(start)
        tuning = ray_tuning(has_proxy=binary is not None)
        tuning = {name: os.environ.get(name, value) for name, value in tuning.items()}
        if tuning["RAY_SERVE_ENABLE_HA_PROXY"] == "1":
            self.serve_host = _LOOPBACK
        _set_environment({**tuning, **wanted})

    def start(self, slots: int) -> str:
        """Start the head and join it as a driver; returns host:port of its GCS. Raises StartFailed."""
        import ray
        from ray._private.node import Node
        from ray._private.parameter import RayParams
        from ray._private.ray_constants import DASHBOARD_ADDRESS, KV_NAMESPACE_DASHBOARD

        class HeadNode(Node):  # type: ignore[misc]
            """A head whose dashboard waits for ``start_dashboard``."""

            def start_api_server(self, **_: Any) -> None:
                """Nothing yet: see above."""

            def start_dashboard(self, port: int | None) -> str:
                """Start it after all; returns its address."""
                self._ray_params.dashboard_port = port
                # Ray takes it for the address of the new one as soon as it finds it.
                self.get_gcs_client().internal_kv_del(DASHBOARD_ADDRESS, False, KV_NAMESPACE_DASHBOARD)
                super().start_api_server(include_dashboard=True, raise_on_failure=True)
                return f"http://{self.webui_url}"

        params = RayParams(
            node_ip_address=_LOOPBACK,
            num_cpus=slots,
            num_gpus=0,
            object_store_memory=_OBJECT_STORE_BYTES,
            temp_dir=str(self._directory / RAY_FOLDER),
            dashboard_host="127.0.0.1",
            dashboard_port=self._ports.dashboard,
            dashboard_agent_listen_port=0,
            metrics_export_port=self._ports.node_metrics,
            no_monitor=True,
            include_log_monitor=False,
        )
        try:
            self._node = HeadNode(params, head=True, shutdown_at_exit=False, spawn_reaper=True)
            join_cluster(str(self._node.gcs_address), _LOOPBACK)
        except (RuntimeError, ConnectionError, OSError, ray.exceptions.RayError) as failed:
            self.stop()
            raise StartFailed(
                f"Ray did not start: {str(failed)[:300]}", f"Its logs are in {self._logs.place}."
            ) from failed
        return str(self._node.gcs_address)

    def start_dashboard(self) -> str:
        """Start the dashboard, or start it again; takes some seconds. Returns its address, which is another one than
        wanted where that was taken meanwhile. Raises StartFailed."""
        self._node.kill_dashboard(check_alive=False)
        try:
            try:
                return str(self._node.start_dashboard(self._ports.dashboard))
            except ValueError:  # the port is taken; without a port Ray looks for a free one, from 8265 on
                return str(self._node.start_dashboard(None))
        except Exception as failed:  # Ray raises it bare here
            logs = f"See the logs in {self._logs.place}."
            raise StartFailed(f"The Ray dashboard did not start: {str(failed)[:300]}", logs) from failed

    def dashboard_ended(self) -> bool:
        """Whether the dashboard ended by itself after it was started."""
        return _DASHBOARD in self._ended()

    def ended(self) -> tuple[str, ...]:
        """Names of processes of the head that ended by themselves and that a world needs, which does not need the
        dashboard; empty while all run. Changes nothing."""
        return tuple(kind for kind in self._ended() if kind != _DASHBOARD)

    def _ended(self) -> tuple[str, ...]:
        return () if self._node is None else tuple(str(kind) for kind, _ in self._node.dead_processes())

    def restart_gcs(self) -> None:
        """Restart the GCS at its old address, with the tables it left on disk. Raises StartFailed."""
        try:
            self._node.kill_gcs_server(check_alive=False)
            self._node.start_gcs_server()
        except (RuntimeError, ConnectionError, OSError) as failed:
            logs = f"Its logs are in {self._logs.place}."
            raise StartFailed(f"Ray's GCS did not start: {str(failed)[:300]}", logs) from failed

    def stop(self) -> None:
        """Leave the cluster and end every process of the head. Does nothing when none runs."""
        import ray

        ours = _children_with(f"{self._directory}/")
        ray.shutdown()
        if self._node is not None:
            self._node.kill_all_processes(check_alive=False, allow_graceful=False, wait=True)
            self._node = None
        _end(ours)
        self._logs.keep()
        shutil.rmtree(self._directory, ignore_errors=True)


def join_cluster(address: str, node_ip: str | None = None) -> str:
    """Join a cluster as a driver; returns host:port of its GCS. Raises StartFailed."""
    import ray

    where: dict[str, Any] = {} if node_ip is None else {"_node_ip_address": node_ip}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="error", **where)
    except (ConnectionError, RuntimeError, ValueError) as failed:
        raise StartFailed(f"There is no Ray cluster at {address}: {failed}", "Check RAY_ADDRESS.") from failed
    return str(ray.get_runtime_context().gcs_address)


def end_strays(directory: Path) -> None:
    """End processes of an earlier run of this very directory that outlived it: servers that name it in their arguments,
    and Ray's workers and node agents that write logs there (an agent without a raylet lingers for a minute)."""
    _end([process for process in psutil.process_iter() if _belongs_to(process, f"{directory}/")])


def _belongs_to(process: psutil.Process, prefix: str) -> bool:
    try:
        name = process.name()
        if name in _SERVERS:
            return any(prefix in word for word in process.cmdline())
        return name.startswith("ray::") and any(file.path.startswith(prefix) for file in process.open_files())
    except psutil.Error:
        return False


def _children_with(prefix: str) -> list[psutil.Process]:
    """Our children that name a directory, and what they started: workers and proxies outlive a killed raylet by
    seconds, and Ray itself does not know a dashboard yet that is just starting."""
    found: list[psutil.Process] = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any(prefix in word for word in child.cmdline()):
                found += [child, *child.children(recursive=True)]
    return found


def _end(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, _STOP_S)


def _set_environment(wanted: Mapping[str, str]) -> None:
    # Ray has no other way in: it reads these at import and hands them down to every process it starts.
    os.environ.update(wanted)
    os.environ.pop("RAY_ADDRESS", None)


def _write_token(path: Path) -> None:
    if path.is_file() and path.stat().st_size:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
