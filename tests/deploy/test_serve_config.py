"""The Serve document: Serve drops what it does not know, so it is read strictly here."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import pytest
from ray.serve._private.api import call_user_app_builder_with_args_if_necessary
from ray.serve._private.build_app import build_app
from ray.serve.schema import ServeDeploySchema

from tests.support.manifests import BRIDGE_PORT, KUBERAY, Document, document, of_kind, plain_environment, ray_service
from tests.support.strict_schema import Schema, problems, strict


@pytest.fixture(scope="module")
def schema() -> Schema:
    found: Schema = strict(ServeDeploySchema.model_json_schema())
    return found


@pytest.fixture
def config() -> Document:
    return document(KUBERAY / "serve-config.yaml")


def test_serve_knows_every_key(schema: Schema, config: Document) -> None:
    assert problems(schema, config) == []
    ServeDeploySchema.model_validate(config)


@pytest.mark.parametrize(
    ("where", "key"),
    [("top", "proxy_locations"), ("http_options", "request_timeout"), ("deployment", "max_ongoing_request")],
)
def test_a_misspelled_key_is_seen_here_though_serve_accepts_it(
    schema: Schema, config: Document, where: str, key: str
) -> None:
    places: dict[str, dict[str, Any]] = {
        "top": config,
        "http_options": config["http_options"],
        "deployment": config["applications"][0]["deployments"][0],
    }
    places[where][key] = 7
    ServeDeploySchema.model_validate(config)
    assert [each for each in problems(schema, config) if key in each]


def test_websockets_live_as_long_as_they_like(config: Document) -> None:
    assert "request_timeout_s" in config["http_options"], "the default of Serve is not ours to rely on"
    assert config["http_options"]["request_timeout_s"] is None
    (bridge,) = config["applications"][0]["deployments"]
    assert bridge["max_ongoing_requests"] >= 4096, "a WebSocket holds one for its whole life"
    assert isinstance(bridge["num_replicas"], int), "scaling would cut them"
    assert "autoscaling_config" not in bridge


def test_the_bridge_listens_where_game_servers_look(config: Document) -> None:
    assert (config["http_options"]["host"], config["http_options"]["port"]) == ("0.0.0.0", BRIDGE_PORT)
    assert config["applications"][0]["route_prefix"] == "/"


def test_every_bridge_has_a_worker_of_its_own_and_its_successor_too(config: Document) -> None:
    (bridge,) = config["applications"][0]["deployments"]
    (group,) = ray_service()["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (budget,) = (each for each in of_kind("PodDisruptionBudget") if each["metadata"]["name"] == "ganggpt-hosts")
    assert bridge["max_replicas_per_node"] == 1
    assert bridge["num_replicas"] + 1 == group["minReplicas"]
    assert 0 < budget["spec"]["minAvailable"] < bridge["num_replicas"]


def test_a_bridge_has_time_to_say_goodbye(config: Document) -> None:
    (bridge,) = config["applications"][0]["deployments"]
    (group,) = ray_service()["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    pod = group["template"]["spec"]
    (worker,) = pod["containers"]
    drain_s = int(plain_environment(worker)["RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"])
    before_s = worker["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert bridge["graceful_shutdown_timeout_s"] <= drain_s
    assert before_s + drain_s < pod["terminationGracePeriodSeconds"]


def test_the_application_and_its_deployments_exist(config: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    (application,) = config["applications"]
    module, _, name = application["import_path"].partition(":")
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not written yet, so its deployments cannot be compared")
    # What the pods find in their environment; nothing connects while an application is only built.
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/ganggpt")
    monkeypatch.setenv("GANGGPT_TOKEN", "a-token-of-the-test")
    found = getattr(importlib.import_module(module), name)
    app = call_user_app_builder_with_args_if_necessary(found, application.get("args", {}))
    built = build_app(app, name=application["name"], default_runtime_env={})
    names = {deployment.name for deployment in built.deployments}
    assert {each["name"] for each in application["deployments"]} <= names
