"""The application that KubeRay imports: it tells its processes what ``ganggpt up`` would tell them."""

from __future__ import annotations

import pytest

from ganggpt.errors import ConfigInvalid
from ganggpt.runtime.composition import BridgeSpec
from ganggpt.serve.app import app

ENVIRONMENT = {
    "DATABASE_URL": "postgresql://u:p@db/ganggpt",
    "REDIS_URL": "redis://r:6379",
    "GANGGPT_TOKEN": "a-token-that-is-long-enough",
    "DATABASE_POOL_SIZE": "60",
    "GANGGPT_HOSTS": "2",
    "GANGGPT_HOSTS_MAX": "6",
    "GANGGPT_OWN_ACTORS_MAX": "4",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def spec_of(replicas: int) -> BridgeSpec:
    application = app({"replicas": str(replicas)})
    spec = application._bound_deployment.init_args[0]
    assert isinstance(spec, BridgeSpec)
    return spec


def test_all_processes_of_a_cluster_share_its_connections() -> None:
    spec = spec_of(3)
    assert spec.starts is not None
    host = spec.starts.host
    assert spec.replicas == 3
    assert spec.dsn == host.dsn == ENVIRONMENT["DATABASE_URL"]
    assert spec.starts.size.plan([f"faction:{n}" for n in range(9)]).own == tuple(f"faction:{n}" for n in range(4))
    # Six replicas while new ones come: a roll-out starts them before it stops the old ones.
    opened = 6 * host.pool.max_size + 4 * host.own_pool.max_size + 6 * spec.pool.max_size
    assert opened + host.supervisor_pool.max_size <= 60 - 60 // 8


def test_too_few_connections_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_POOL_SIZE", "20")
    with pytest.raises(ConfigInvalid, match=r"DATABASE_POOL_SIZE: .* Set it to 35 or more"):
        app({"replicas": "3"})


@pytest.mark.parametrize("name", ["DATABASE_URL", "GANGGPT_TOKEN"])
def test_a_cluster_needs_a_database_and_a_token(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(ConfigInvalid, match=name):
        app({})
