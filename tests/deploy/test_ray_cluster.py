"""cluster/ray-cluster.yaml: known to the launcher that ships in the ray package, and to the rest of this repository."""

from __future__ import annotations

import re
from collections.abc import Callable

import jsonschema
import pytest
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.support.manifests import BRIDGE_PORT, Document, document
from tests.support.paths import ROOT


@pytest.fixture
def cluster() -> Document:
    return document(ROOT / "cluster" / "ray-cluster.yaml")


def test_the_launcher_accepts_the_cluster(cluster: Document) -> None:
    validate_config(cluster)
    validate_config(prepare_config(cluster))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda cluster: cluster.update(idle_timeout_minute=5),
        lambda cluster: cluster["docker"].update(run_option=[]),
        lambda cluster: cluster["available_node_types"]["hosts"].update(min_worker=0),
        lambda cluster: cluster.update(max_workers="ten"),
    ],
)
def test_the_launcher_refuses_a_mistake(cluster: Document, spoil: Callable[[Document], None]) -> None:
    spoil(cluster)
    with pytest.raises(jsonschema.ValidationError):
        validate_config(cluster)


def test_the_launcher_refuses_a_head_of_an_unknown_type(cluster: Document) -> None:
    cluster["head_node_type"] = "boss"
    with pytest.raises(ValueError, match="head_node_type"):
        validate_config(cluster)


def test_actors_live_on_workers_that_come_and_go(cluster: Document) -> None:
    types = cluster["available_node_types"]
    assert types[cluster["head_node_type"]]["resources"] == {"CPU": 0}
    assert types["hosts"]["min_workers"] == 0
    assert types["hosts"]["max_workers"] == cluster["max_workers"] >= 3
    assert cluster["idle_timeout_minutes"] > 0
    assert {each["node_config"]["machineType"] for each in types.values()} == {"n1-standard-2"}


def test_secrets_come_from_outside_and_nothing_is_copied(cluster: Document) -> None:
    assert cluster["file_mounts"] == {}
    options = cluster["docker"]["run_options"]
    (env_file,) = (option.split()[1] for option in options if option.startswith("--env-file"))
    fetch = [command for command in cluster["initialization_commands"] if command.endswith(f"> {env_file})")]
    assert len(fetch) == 1
    assert "umask 077" in fetch[0]
    assert [option for option in options if re.search(r"(PASSWORD|_TOKEN|_KEY|SECRET|_URL)=", option)] == []
    assert f"--env SERVER_PORT={BRIDGE_PORT}" in options


def test_the_head_scales_and_its_dashboard_stays_inside(cluster: Document) -> None:
    start = cluster["head_start_ray_commands"][-1]
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in start
    assert "--dashboard-host=127.0.0.1" in start
    assert "--address=$RAY_HEAD_IP:6379" in cluster["worker_start_ray_commands"][-1]
    assert cluster["docker"]["image"].endswith("-vm"), "the launcher needs rsync and Google's API in the image"


def test_no_machine_has_a_public_address(cluster: Document) -> None:
    prepared = prepare_config(cluster)
    assert prepared["provider"]["use_internal_ips"] is True
    for name, each in prepared["available_node_types"].items():
        # Without this Ray takes the first subnet, and a public address with it.
        interfaces = each["node_config"]["networkInterfaces"]
        assert [set(interface) for interface in interfaces] == [{"subnetwork"}], name
        assert f"/regions/{cluster['provider']['region']}/" in interfaces[0]["subnetwork"]
