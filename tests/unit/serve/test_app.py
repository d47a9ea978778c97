"""The application that KubeRay imports: it tells its processes what ``ganggpt up`` would tell them."""

from __future__ import annotations

import pickle

import pytest
from ray import cloudpickle

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
    assert spec.starts.size.plan([f"faction:{n}" for n in range(9)]).own == tuple(f"faction:{n}" for n in range(4))
    # Six replicas while new ones come: a roll-out starts them before it stops the old ones.
    opened = 6 * host.pool.max_size + 4 * host.own_pool.max_size + 6 * spec.pool.max_size
    assert opened + host.supervisor_pool.max_size <= 60 - 60 // 8


def test_what_ray_keeps_of_an_application_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "redis-password-7")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-key-7")
    monkeypatch.setenv("OPENAI_MODEL", "gpt-4.1")
    application = app({"replicas": "2"})
    gateway = application._bound_deployment.init_args[1]
    kept = cloudpickle.dumps((application._bound_deployment.init_args[0], gateway._bound_deployment.init_args))
    assert b"gpt-4.1" in kept
    for secret in ("u:p@db", "redis-password-7", "a-token-that-is-long-enough", "sk-openai-key-7"):
        assert secret.encode() not in kept


def test_a_process_of_a_cluster_finds_its_secrets_in_its_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_PASSWORD", "redis-password-7")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-key-7")
    found = pickle.loads(pickle.dumps(spec_of(2).secrets)).read()
    assert found.dsn == ENVIRONMENT["DATABASE_URL"]
    assert found.redis_url == "redis://:redis-password-7@r:6379"
    assert (found.token, found.keys) == (ENVIRONMENT["GANGGPT_TOKEN"], {"OPENAI_API_KEY": "sk-openai-key-7"})


def test_too_few_connections_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_POOL_SIZE", "20")
    with pytest.raises(ConfigInvalid, match=r"DATABASE_POOL_SIZE: .* Set it to 35 or more"):
        app({"replicas": "3"})


@pytest.mark.parametrize("name", ["DATABASE_URL", "GANGGPT_TOKEN"])
def test_a_cluster_needs_a_database_and_a_token(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(ConfigInvalid, match=name):
        app({})
