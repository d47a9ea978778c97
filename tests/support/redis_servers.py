"""Real Redis servers for tests, from Debian's package: one alone or a cluster, with TLS and with users.

A cluster has three masters, each with a replica, and notices within a second or two that a node is gone.
"""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from redis import Redis
from redis.exceptions import RedisError

from tests.support.certificates import Certificates
from tests.support.debian import needs

MASTERS = 3
SLOTS = 16_384
USER, PASSWORD = "game", "gäme/pass?#@word"
"""A user who may do what this program does and nothing more; its password has to be encoded in an address."""
_ADMIN = "admin-of-tests"
_NODE_TIMEOUT_MS = 1000
_READY_S = 30.0


@dataclass
class RedisNode:
    """One server on a port of the loopback address, alive or dead."""

    port: int
    home: Path
    arguments: Sequence[str]
    certificates: Certificates | None = None
    guarded: bool = False
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    is_paused: bool = False
    _admin: Redis | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, again if it ended, and wait until it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen([needs("redis-server"), *self.arguments], cwd=self.home, stdout=log)
        _until(f"Redis on port {self.port} answers", lambda: self.ask("PING"))

    def kill(self) -> None:
        """End it as a crash does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def pause(self) -> None:
        """Make it hang: connections stay open, nothing is answered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        self.is_paused = True

    def resume(self) -> None:
        """End a pause."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.is_paused = False

    def ask(self, *command: Any) -> Any:
        """The answer to one command of an administrator. Raises RedisError."""
        if self._admin is None:
            tls: dict[str, Any] = {}
            if self.certificates is not None:
                tls = {"ssl": True, "ssl_ca_certs": str(self.certificates.authority), "ssl_check_hostname": False}
            password = _ADMIN if self.guarded else None
            self._admin = Redis("127.0.0.1", self.port, password=password, socket_timeout=5, protocol=2, **tls)
        return self._admin.execute_command(*command)

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self.process is not None and self.process.poll() is None

    @property
    def answers(self) -> bool:
        """Whether it is neither dead nor paused."""
        return self.is_running and not self.is_paused


class RedisServers:
    """The nodes of one Redis, and its address for this program. ``stop`` ends them all."""

    def __init__(
        self, home: Path, *, cluster: bool, certificates: Certificates | None = None, guarded: bool = False
    ) -> None:
        self.is_cluster, self._certificates, self._guarded = cluster, certificates, guarded
        count = 2 * MASTERS if cluster else 1
        ports = _free_ports(2 * count)
        self.nodes = [self._node(home / str(port), port, bus) for port, bus in zip(ports, ports[count:], strict=False)]

    def start(self) -> None:
        """Start every node; of a cluster join them, and wait until it is whole."""
        for node in self.nodes:
            node.start()
        if self.is_cluster:
            self._join()
            _until("the cluster is whole", self.is_whole)

    def stop(self) -> None:
        """End all processes."""
        for node in self.nodes:
            if node.is_running:
                node.resume()
                node.kill()

    def heal(self) -> None:
        """Start what died and wait until every master has its replica again."""
        for node in self.nodes:
            if node.is_running:
                node.resume()
            else:
                node.start()
        if self.is_cluster:
            _until("the cluster is whole", self.is_whole)

    def flush(self) -> None:
        """Delete all keys."""
        for node in self.masters():
            node.ask("FLUSHALL")

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a world that uses it."""
        more = {"REDIS_PASSWORD": PASSWORD} if self._guarded else {}
        return {"REDIS_URL": self._url, **more, **({"REDIS_CA": str(self.authority)} if self._certificates else {})}

    @property
    def authority(self) -> Path:
        """The file with the authority that signed the certificate."""
        assert self._certificates is not None
        return self._certificates.authority

    @property
    def _url(self) -> str:
        scheme = ("rediss" if self._certificates else "redis") + ("+cluster" if self.is_cluster else "")
        user = f"{USER}@" if self._guarded else ""
        return f"{scheme}://{user}" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes[:2])

    @property
    def full_url(self) -> str:
        """The address with everything in it, as processes of a world get it."""
        url = self._url.replace(f"{USER}@", f"{USER}:{quote(PASSWORD, safe='')}@")
        return url if self._certificates is None else f"{url}?ssl_ca_certs={quote(str(self.authority))}"

    def masters(self) -> list[RedisNode]:
        """The living nodes that are masters."""
        return [node for node in self.nodes if node.answers and node.ask("ROLE")[0] == b"master"]

    def master_of(self, key: str) -> RedisNode:
        """The master that holds a key."""
        asked = next(node for node in self.nodes if node.answers)
        slot = asked.ask("CLUSTER KEYSLOT", key)
        (port,) = (owner[1] for first, last, owner, *_ in asked.ask("CLUSTER SLOTS") if first <= slot <= last)
        return next(node for node in self.nodes if node.port == port)

    def is_whole(self) -> bool:
        """Whether every node sees three masters with a replica each, in step with it."""
        for node in self.nodes:
            state = node.ask("CLUSTER INFO")
            if state["cluster_state"] != "ok" or state["cluster_slots_ok"] != str(SLOTS):
                return False
            role = node.ask("ROLE")
            if not (len(role[2]) == 1 if role[0] == b"master" else role[3] == b"connected"):
                return False
        return len(self.masters()) == MASTERS

    def _node(self, home: Path, port: int, bus_port: int) -> RedisNode:
        made = self._certificates
        arguments = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--dir", str(home)]
        arguments += ["--repl-diskless-sync-delay", "0", "--repl-diskless-load", "on-empty-db"]
        if made is None:
            arguments += ["--port", str(port)]
        else:
            arguments += ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no"]
            arguments += ["--tls-ca-cert-file", str(made.authority), "--tls-cert-file", str(made.certificate)]
            arguments += ["--tls-key-file", str(made.key)]
        if self._guarded:
            rights = f"user {USER} on >{PASSWORD} ~ganggpt:* +@all -@dangerous"
            arguments += ["--requirepass", _ADMIN, "--masterauth", _ADMIN, *f"--{rights}".split()]
        if self.is_cluster:
            arguments += ["--cluster-enabled", "yes", "--cluster-port", str(bus_port)]
            arguments += ["--cluster-node-timeout", str(_NODE_TIMEOUT_MS), "--cluster-replica-validity-factor", "0"]
            arguments += ["--repl-ping-replica-period", "1"]
            arguments += ["--tls-cluster", "yes", "--tls-replication", "yes"] if made else []
        return RedisNode(port, home, arguments, made, self._guarded)

    def _join(self) -> None:
        masters, replicas = self.nodes[:MASTERS], self.nodes[MASTERS:]
        bounds = [SLOTS * n // MASTERS for n in range(MASTERS + 1)]
        for master, first, end in zip(masters, bounds, bounds[1:], strict=False):
            master.ask("CLUSTER ADDSLOTSRANGE", first, end - 1)
        buses = [node.arguments[node.arguments.index("--cluster-port") + 1] for node in self.nodes]
        for node, bus in zip(self.nodes[1:], buses[1:], strict=True):
            self.nodes[0].ask("CLUSTER MEET", "127.0.0.1", node.port, bus)
        ids = [node.ask("CLUSTER MYID") for node in masters]
        for master_id, replica in zip(ids, replicas, strict=True):
            _until("a replica knows its master", lambda r=replica, m=master_id: r.ask("CLUSTER REPLICATE", m))


def _until(what: str, fact: Callable[[], Any]) -> None:
    """Ask again and again until a fact holds. An error of Redis or of its connection means that it does not yet."""
    end_s = time.monotonic() + _READY_S
    last: object = None
    while time.monotonic() < end_s:
        try:
            last = fact()
        except (RedisError, OSError) as error:
            last = error
        if last and not isinstance(last, Exception):
            return
        time.sleep(0.02)
    raise AssertionError(f"waited {_READY_S:g} s in vain until {what}; seen: {last!r}")


def _free_ports(count: int) -> list[int]:
    """Ports that Linux does not give to outgoing connections, so that a dead node finds its port free again."""
    free: list[int] = []
    for port in random.sample(range(10_000, 20_000), 1000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            free.append(port)
        if len(free) == count:
            return free
    raise AssertionError("there are not enough free ports from 10000 to 19999")
