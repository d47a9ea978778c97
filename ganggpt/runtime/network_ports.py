"""The network ports and the short directory of one runtime, so that several worlds can run on one machine.

A world first tries the block of a hundred ports that belongs to its data directory, so its addresses stay the same from
run to run. If any port of the block is taken, or another world has claimed the block, it tries the next one.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import tempfile
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from ganggpt.errors import StartFailed
from ganggpt.runtime.port_claims import PortClaims

_FIRST_PORT: Final = 20_000
_BLOCK: Final = 100
_BLOCKS: Final = 120
"""20000 to 31999: below the ports that Linux hands out by itself."""
RAY_FOLDER: Final = "r"
"""Ray's own directory, in which it gives everybody all rights. So it lies in one of ours that nobody else enters."""
_RAY_DIRECTORY_BYTES_MAX: Final = 35
"""HAProxy refuses socket paths over 97 bytes, and Serve appends 61 (with the node id) to this directory; Ray's own
sockets may have 107 and append 72."""


_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9_./-]+")
"""HAProxy's settings name paths below it without quotes."""


@dataclass(frozen=True, slots=True)
class WorldPorts:
    """Ports of a runtime. ``replicas`` is the first of 20 for HTTP, ``replicas_grpc`` the first of 20 for gRPC."""

    server: int
    dashboard: int
    stats: int
    proxy_metrics: int
    fallback: int
    fallback_grpc: int
    dashboard_metrics: int
    node_metrics: int
    replicas: int
    replicas_grpc: int

    REPLICAS_MAX = 20


@dataclass(frozen=True, slots=True)
class WantedPorts:
    """The ports that the settings name, or 0 for any. ``must_serve``: somebody chose the bridge's, so no other will do;
    its default may be another world's."""

    server: int = 0
    dashboard: int = 0
    must_serve: bool = True


def choose_ports(data_dir: Path, wanted: WantedPorts, claims: PortClaims) -> WorldPorts:
    """Find free ports and claim them. Raises StartFailed if the port of the bridge is taken and ``must_serve``; any
    other port that is taken is replaced by a free one."""
    server = wanted.server if wanted.server and _ours(wanted.server, claims) else 0
    if wanted.server and not server and wanted.must_serve:
        if _is_reserved(wanted.server):
            problem = f"This user may not listen on port {wanted.server}."
            raise StartFailed(problem, "Choose a port from 1024 on with --port.")
        raise StartFailed(f"Port {wanted.server} is in use.", "Stop what uses it, or choose another one with --port.")
    dashboard = wanted.dashboard if wanted.dashboard and _ours(wanted.dashboard, claims) else 0
    start = int.from_bytes(blake2b(os.fsencode(data_dir.resolve()), digest_size=4).digest()) % _BLOCKS
    for n in range(_BLOCKS):
        first = _FIRST_PORT + (start + n) % _BLOCKS * _BLOCK
        block = range(first, first + _BLOCK)
        # A replica's port rests for a minute after its end, so replicas start at the first free one.
        replicas, grpc = _first_free(block[20:40]), _first_free(block[60:80])
        taken = server in block or dashboard in block or not all(map(is_free, block[:8]))
        if taken or replicas is None or grpc is None or not claims.take(first):
            continue
        return WorldPorts(
            server=server or block[0],
            dashboard=dashboard or block[1],
            stats=block[2],
            proxy_metrics=block[3],
            fallback=block[4],
            fallback_grpc=block[5],
            dashboard_metrics=block[6],
            node_metrics=block[7],
            replicas=replicas,
            replicas_grpc=grpc,
        )
    raise StartFailed("There is no free block of ports from 20000 to 31999.", "Stop some other worlds.")


def _ours(port: int, claims: PortClaims) -> bool:
    return is_free(port) and claims.take(port)


def _first_free(ports: range) -> int | None:
    return next(filter(is_free, ports), None)


def _is_reserved(port: int) -> bool:
    """Whether the system keeps a port for its administrator."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return True
        except OSError:
            return False
    return False


def is_free(port: int) -> bool:
    """Whether a server may listen on the port on all addresses."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        if sys.platform != "win32":
            # What waits in TIME_WAIT after a stop does not keep a new server from listening.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - a probe that never listens
        except OSError:
            return False
    return True


def with_ipv6_loopback(host: str, port: int) -> str:
    """``host`` as it stands behind ``bind`` in the configuration of HAProxy, with ``[::1]`` before it where this
    machine has that address and the port is free there: programs that ask for ``localhost`` often try it first. No
    other IPv6 address, so nobody else gets in."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(("::1", port))
    except OSError:
        return host
    # Two lines, and v6only, because HAProxy 2.8 otherwise mistakes one listener for the other when it hands them over
    # at a reload: after every second one nobody listened at ``host``.
    return f"[::1]:{port} v6only\n    bind {host}"


def ray_directory(data_dir: Path) -> Path:
    """The short private directory, below the system's temporary directory, that belongs to this data directory alone.

    Raises StartFailed if another user created it first.
    """
    name = "ganggpt-" + blake2b(os.fsencode(data_dir.resolve()), digest_size=5).hexdigest()
    path = Path(tempfile.gettempdir()) / name
    if len(os.fsencode(path)) > _RAY_DIRECTORY_BYTES_MAX or _PLAIN_PATH.fullmatch(str(path)) is None:
        path = Path("/tmp") / name  # noqa: S108 - owner and mode are checked below
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.lstat().st_uid != os.geteuid() or path.is_symlink():
        raise StartFailed(f"The directory {path} belongs to another user.", "Remove it.")
    path.chmod(0o700)
    return path
