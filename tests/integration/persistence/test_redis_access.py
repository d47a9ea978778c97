"""How a world reaches a Redis with TLS, a user and a password by its settings, and what is said when it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ganggpt.config import Settings, read_settings, variable_of
from ganggpt.errors import ConfigInvalid, Unavailable
from ganggpt.persistence.cache import open_cache
from ganggpt.persistence.probes import redis_probe
from ganggpt.persistence.redis_client import connect_redis
from ganggpt.runtime.redis_address import redis_url
from tests.support.certificates import make_certificates
from tests.support.redis_servers import PASSWORD, RedisServers

pytestmark = pytest.mark.integration


@pytest.fixture(params=["redis_cluster", "guarded_redis", "guarded_cluster"])
def servers(request: pytest.FixtureRequest) -> RedisServers:
    found: RedisServers = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[dict[str, str]], Settings]:
    """Reads settings from an environment that has these and no others."""

    def read(given: dict[str, str]) -> Settings:
        for field in Settings.model_fields:
            monkeypatch.delenv(variable_of(field), raising=False)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        return read_settings()

    monkeypatch.chdir(tmp_path)
    return read


Read = Callable[[dict[str, str]], Settings]


async def test_the_settings_lead_to_every_kind_of_redis(servers: RedisServers, settings_of: Read) -> None:
    url = redis_url(settings_of(servers.settings))
    assert (await redis_probe(url)())["mode"] == ("cluster" if servers.is_cluster else "redis")
    cache = open_cache(url)
    await cache.put("ganggpt:npc:mara:memory", b"v")
    await cache.close()
    other = open_cache(url)
    assert await other.get("ganggpt:npc:mara:memory") == b"v"
    await other.forget(["ganggpt:npc:mara:memory", "ganggpt:npc:otis:memory"])
    await other.close()
    last = open_cache(url)
    assert await last.get("ganggpt:npc:mara:memory") is None
    await last.close()


@pytest.fixture
def copied_authority(guarded_redis: RedisServers, settings_of: Read) -> str:
    """The name of a copy in the working directory."""
    Path("ca file.pem").write_bytes(guarded_redis.authority.read_bytes())
    return "ca file.pem"


async def test_the_authority_is_found_from_any_folder(
    guarded_redis: RedisServers,
    settings_of: Read,
    copied_authority: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = redis_url(settings_of({**guarded_redis.settings, "REDIS_CA": copied_authority}))
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    await redis_probe(url)()


@pytest.fixture(params=["guarded_redis", "guarded_cluster"])
def guarded(request: pytest.FixtureRequest) -> RedisServers:
    found: RedisServers = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"REDIS_PASSWORD": "wrong"}, "invalid username-password pair"),
        ({"REDIS_CA": "other"}, "certificate verify failed"),
        ({"REDIS_CA": ""}, "certificate verify failed"),
    ],
)
async def test_why_it_cannot_be_used_is_said_and_the_password_is_not(
    guarded: RedisServers, settings_of: Read, tmp_path: Path, changed: dict[str, str], why: str
) -> None:
    if changed.get("REDIS_CA") == "other":
        changed = {"REDIS_CA": str(make_certificates(tmp_path / "other", "127.0.0.1").authority)}
    with pytest.raises(Unavailable, match=why) as refused:
        await redis_probe(redis_url(settings_of(guarded.settings | changed)))()
    assert PASSWORD not in str(refused.value)
    assert "wrong" not in str(refused.value)


async def test_a_server_without_tls_where_some_is_expected_is_an_outage(redis_cluster: RedisServers) -> None:
    (node, *_) = redis_cluster.nodes
    for scheme in ("rediss", "rediss+cluster"):
        with pytest.raises(Unavailable, match="Redis"):
            await redis_probe(f"{scheme}://127.0.0.1:{node.port}")()


@pytest.fixture
def wrongly_named(tmp_path: Path) -> Iterator[RedisServers]:
    """A cluster whose certificate names another host than the addresses that its nodes announce."""
    certificates = make_certificates(tmp_path / "certificates", "redis.example")
    found = RedisServers(tmp_path / "servers", cluster=True, certificates=certificates)
    try:
        found.start()
        yield found
    finally:
        found.stop()


async def test_a_certificate_for_another_name_is_refused_unless_names_are_not_to_be_checked(
    wrongly_named: RedisServers, settings_of: Read
) -> None:
    settings = wrongly_named.settings
    with pytest.raises(Unavailable, match="IP address mismatch"):
        await redis_probe(redis_url(settings_of(settings)))()
    url = settings["REDIS_URL"] + "?ssl_check_hostname=no"
    details = await redis_probe(redis_url(settings_of(settings | {"REDIS_URL": url})))()
    assert details["mode"] == "cluster"
    with pytest.raises(Unavailable, match="certificate verify failed"):
        await redis_probe(url)()


@pytest.mark.parametrize("found", ["nothing", "a folder", "text"])
def test_an_authority_that_cannot_be_read_is_told_at_the_start(settings_of: Read, tmp_path: Path, found: str) -> None:
    file = tmp_path / "ca.pem"
    if found == "a folder":
        file.mkdir()
    elif found == "text":
        file.write_text("-----BEGIN PEM-----")
    settings = settings_of({"REDIS_URL": "rediss://redis.example", "REDIS_CA": str(file)})
    with pytest.raises(ConfigInvalid, match=f"REDIS_CA: {file} cannot be used: .*PEM"):
        redis_url(settings)


def test_an_authority_without_tls_is_a_mistake(settings_of: Read) -> None:
    with pytest.raises(ConfigInvalid, match="rediss://"):
        redis_url(settings_of({"REDIS_URL": "redis://redis.example", "REDIS_CA": "ca.pem"}))


@pytest.mark.parametrize(
    "url",
    ["redis+cluster://redis.example/3", "redis+cluster://", "redis://redis.example:port", "redis+cluster://a,b:x"],
)
def test_an_address_that_is_none_names_its_setting(url: str) -> None:
    with pytest.raises(ConfigInvalid, match="REDIS_URL"):
        connect_redis(url, 1.0)
