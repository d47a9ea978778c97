"""PgBouncer on Kubernetes: two clusters fit into what Cloud SQL allows, and one pod may go at any time."""

from __future__ import annotations

import asyncio
import configparser
import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from ganggpt.config import Settings, read_settings
from ganggpt.errors import ConfigInvalid
from ganggpt.runtime.composition import world_connections
from ganggpt.runtime.connections import command_connections
from ganggpt.runtime.sizing import Machine, world_size
from tests.support.manifests import (
    KUBERAY,
    Document,
    config_map,
    containers,
    document,
    documents,
    of_kind,
    plain_environment,
    pod_templates,
)

CLOUD_SQL_CONNECTIONS = 100
"""What Cloud SQL for Postgres gives an instance with the memory of db-n1-standard-1 (3.75 GB)."""
NOT_OURS = 20
"""Of them for its superusers, its agents, a read replica and people."""
PORT = 6432


def _ini() -> configparser.ConfigParser:
    text = config_map("pgbouncer")["data"]["pgbouncer.ini"]
    lines = [line for line in text.splitlines() if not line.startswith("%include")]
    parser = configparser.ConfigParser(interpolation=None, comment_prefixes=(";",), strict=True)
    parser.read_string("\n".join(lines))
    return parser


def _deployment() -> Document:
    (found,) = (each for each in of_kind("Deployment") if each["metadata"]["name"] == "pgbouncer")
    return found


def _forms() -> dict[str, dict[str, str]]:
    return {each["metadata"]["name"]: each["stringData"] for each in documents(KUBERAY / "secret.example.yaml")}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What a pod reads, with a model configured."""
    for container in containers(pod_templates()["hosts"]):
        for name, value in plain_environment(container).items():
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@pgbouncer:6432/ganggpt")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://ganggpt.openai.azure.com/")
    monkeypatch.setenv("AZURE_OPENAI_KEY", "of-the-test")
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT", "gpt-4-turbo")
    return read_settings()


def _world_connections(settings: Settings) -> int:
    (bridge,) = document(KUBERAY / "serve-config.yaml")["applications"][0]["deployments"]
    return world_connections(settings, world_size(settings, Machine(2, 4 * 1024**3), replicas=bridge["num_replicas"]))


def test_postgres_sees_no_more_than_cloud_sql_allows_while_two_clusters_run() -> None:
    deployment, pooler = _deployment()["spec"], _ini()["pgbouncer"]
    rolling = deployment["strategy"]["rollingUpdate"]
    assert rolling["maxSurge"] == 0
    # A pod that is on its way out still holds its share while its successor starts.
    pods = deployment["replicas"] + rolling["maxUnavailable"]
    assert pods * pooler.getint("max_db_connections") <= CLOUD_SQL_CONNECTIONS - NOT_OURS
    assert pooler.getint("default_pool_size") + pooler.getint("reserve_pool_size") <= pooler.getint(
        "max_db_connections"
    )
    assert pooler["pool_mode"] == "transaction"


def test_without_pgbouncer_an_upgrade_would_need_more_than_cloud_sql_allows(settings: Settings) -> None:
    assert 2 * _world_connections(settings) > CLOUD_SQL_CONNECTIONS


def test_two_clusters_and_their_jobs_find_room_at_one_pod(settings: Settings) -> None:
    budget = _world_connections(settings)
    assert budget == settings.database_pool_size
    assert 2 * budget + command_connections(settings) <= _ini()["pgbouncer"].getint("max_client_conn")


def test_a_budget_that_is_too_small_for_the_cluster_would_be_seen(settings: Settings) -> None:
    with pytest.raises(ConfigInvalid, match="DATABASE_POOL_SIZE"):
        _world_connections(settings.model_copy(update={"database_pool_size": 40}))


def test_everything_that_opens_the_database_goes_through_pgbouncer_and_knows_it() -> None:
    url = urlsplit(_forms()["ganggpt-runtime"]["DATABASE_URL"])
    (service,) = (each for each in of_kind("Service") if each["metadata"]["name"] == "pgbouncer")
    (port,) = service["spec"]["ports"]
    (container,) = containers(_deployment()["spec"]["template"])
    assert (url.hostname, url.port) == (service["metadata"]["name"], port["port"])
    assert port["targetPort"] == container["ports"][0]["name"]
    assert {port["port"], container["ports"][0]["containerPort"], _ini()["pgbouncer"].getint("listen_port")} == {PORT}
    users = [
        (part, container["name"], plain_environment(container).get("GANGGPT_PGBOUNCER"))
        for part, template in pod_templates().items()
        for container in containers(template)
        if "DATABASE_URL" in [each["name"] for each in container.get("env", [])]
    ]
    assert [part for part, _, _ in users] == ["head", "hosts", "prepare", "prepare"]
    assert {knows for _, _, knows in users} == {"true"}


def test_one_pod_may_go_at_any_time() -> None:
    deployment = _deployment()["spec"]
    budgets = [each["spec"] for each in of_kind("PodDisruptionBudget")]
    (budget,) = (each for each in budgets if each["selector"] == deployment["selector"])
    assert 0 < budget["minAvailable"] < deployment["replicas"]
    (spread,) = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["labelSelector"] == deployment["selector"]


def test_a_pod_that_goes_lets_every_transaction_end() -> None:
    pod = _deployment()["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    *_, script = container["lifecycle"]["preStop"]["exec"]["command"]
    before, signal, wait = script.split("; ")
    assert signal == "kill -INT 1", "SIGTERM would wait for clients that stay connected"
    assert container["command"][0] == "pgbouncer", "it must be process 1"
    slept_s = sum(int(each.removeprefix("sleep ")) for each in (before, wait))
    assert slept_s < pod["terminationGracePeriodSeconds"]
    assert int(wait.removeprefix("sleep ")) >= _ini()["pgbouncer"].getint("query_wait_timeout")


def test_it_writes_nothing_and_its_probes_ask_itself() -> None:
    (container,) = containers(_deployment()["spec"]["template"])
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert all(mount["readOnly"] for mount in container["volumeMounts"])
    assert _ini()["pgbouncer"]["unix_socket_dir"] == ""
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["exec"]["command"][0] == "pg_isready"
        assert f"--port={PORT}" in container[probe]["exec"]["command"]


def test_every_file_that_it_reads_is_mounted() -> None:
    template = _deployment()["spec"]["template"]
    (container,) = containers(template)
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
    keys = _forms()[volumes["secret"]["secret"]["secretName"]]
    files = {f"{mounts['secret']}/{key}" for key in keys}
    text = config_map("pgbouncer")["data"]["pgbouncer.ini"]
    (included,) = (line.split()[1] for line in text.splitlines() if line.startswith("%include"))
    assert {included, _ini()["pgbouncer"]["auth_file"]} == files
    assert volumes["config"]["configMap"]["name"] == config_map("pgbouncer")["metadata"]["name"]
    assert container["command"][1] == f"{mounts['config']}/pgbouncer.ini"


@pytest.mark.integration
async def test_a_real_pgbouncer_starts_with_the_shipped_configuration() -> None:
    binary = shutil.which("pgbouncer")
    if binary is None:
        pytest.skip("no pgbouncer on PATH (Debian package pgbouncer)")
    # Outside of pytest's directory, which is closed to the user that PgBouncer runs as.
    with tempfile.TemporaryDirectory(prefix="pgb-") as home:
        await _starts_and_asks_for_passwords(binary, Path(home))


async def _starts_and_asks_for_passwords(binary: str, home: Path) -> None:
    settings = _write(home, await _on_a_socket(binary, home))
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = await asyncio.create_subprocess_exec(binary, *user, str(settings), stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(20):
            while "process up" not in (line := (await process.stderr.readline()).decode()):
                said.append(line)
                assert line, "".join(said)
        assert not [each for each in said if "WARNING" in each or "ERROR" in each], "".join(said)
        with pytest.raises(asyncpg.PostgresError, match="authentication failed"):
            await asyncpg.connect(f"postgresql://USER:wrong@/ganggpt?host={home}&port={PORT}", timeout=10)
        with pytest.raises(asyncpg.PostgresError, match="no such database"):
            await asyncpg.connect(f"postgresql://USER:PASSWORD@/other?host={home}&port={PORT}", timeout=10)
    finally:
        process.terminate()
        await asyncio.wait_for(process.communicate(), 20)


def _write(home: Path, text: str) -> Path:
    """The files that PgBouncer reads, the secret ones as the form has them."""
    home.chmod(0o777)
    form = _forms()["ganggpt-pgbouncer"]
    (home / "databases.ini").write_text(form["databases.ini"].replace("HOST", "127.0.0.1"))
    (home / "userlist.txt").write_text(form["userlist.txt"])
    settings = home / "pgbouncer.ini"
    settings.write_text(text)
    return settings


async def _on_a_socket(binary: str, home: Path) -> str:
    """The shipped configuration for a PgBouncer in ``home``, which listens on a socket there and on no port."""
    text = config_map("pgbouncer")["data"]["pgbouncer.ini"].replace("/etc/pgbouncer-secret/", f"{home}/")
    text = text.replace("listen_addr = 0.0.0.0", "listen_addr =")
    text = text.replace("unix_socket_dir =", f"unix_socket_dir = {home}")
    if await _version(binary) < (1, 21):  # Debian 12 has an older one, which does not know this
        text = text.replace("max_prepared_statements", ";max_prepared_statements")
    return str(text)


async def _version(binary: str) -> tuple[int, ...]:
    process = await asyncio.create_subprocess_exec(binary, "--version", stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return tuple(int(each) for each in said.split()[1].split(b".")[:2])
