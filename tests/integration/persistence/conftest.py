"""Every test here that uses Redis runs against each kind of it: one server, a cluster, and both with TLS and a user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Certificates, make_certificates
from tests.support.redis_servers import RedisServers


@pytest.fixture(scope="session")
def redis_certificates(session_home: Path) -> Certificates:
    """A server's certificate for the loopback address, and its authority."""
    return make_certificates(session_home / "certificates", "127.0.0.1")


@pytest.fixture(scope="session")
def redis_cluster(session_home: Path) -> Iterator[RedisServers]:
    """Three masters with a replica each; who kills one calls ``heal``."""
    yield from _running(RedisServers(session_home / "cluster", cluster=True))


@pytest.fixture(scope="session")
def guarded_cluster(session_home: Path, redis_certificates: Certificates) -> Iterator[RedisServers]:
    """The same with TLS and a user of few rights, as cloud providers have it."""
    home = session_home / "guarded-cluster"
    yield from _running(RedisServers(home, cluster=True, certificates=redis_certificates, guarded=True))


@pytest.fixture(scope="session")
def guarded_redis(session_home: Path, redis_certificates: Certificates) -> Iterator[RedisServers]:
    """One server with TLS and a user of few rights."""
    home = session_home / "guarded-redis"
    yield from _running(RedisServers(home, cluster=False, certificates=redis_certificates, guarded=True))


def _running(servers: RedisServers) -> Iterator[RedisServers]:
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()


@pytest.fixture(params=["embedded", "redis_cluster", "guarded_cluster", "guarded_redis"])
def redis_url(request: pytest.FixtureRequest, embedded_redis_url: str) -> str:
    """The address of an empty Redis, of each kind in turn."""
    if request.param == "embedded":
        return embedded_redis_url
    servers: RedisServers = request.getfixturevalue(request.param)
    servers.flush()
    return servers.full_url
