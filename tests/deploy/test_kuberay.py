"""The Kubernetes objects: known to their CRDs and to Kubernetes, allowed by the operator, whole as a kustomization."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.support.manifests import (
    CRDS,
    KUBERAY,
    Document,
    containers,
    document,
    documents,
    of_kind,
    pod_templates,
    ray_service,
    rendered,
)
from tests.support.operator_rules import problems_of
from tests.support.strict_schema import Schema, problems, strict

KUBERNETES = "1.34"

BACKEND_CONFIG: Schema = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "cloud.google.com/v1"},
        "kind": {"const": "BackendConfig"},
        "metadata": {"type": "object"},
        "spec": {
            "type": "object",
            "properties": {
                "timeoutSec": {"type": "integer", "minimum": 1, "maximum": 2147483647},
                "connectionDraining": {
                    "type": "object",
                    "properties": {"drainingTimeoutSec": {"type": "integer", "minimum": 0, "maximum": 3600}},
                },
                "securityPolicy": {"type": "object", "properties": {"name": {"type": "string"}}},
                "healthCheck": {
                    "type": "object",
                    "properties": {
                        "type": {"enum": ["HTTP", "HTTPS", "HTTP2"]},
                        "requestPath": {"type": "string", "pattern": "^/"},
                        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                        "checkIntervalSec": {"type": "integer", "minimum": 1, "maximum": 300},
                        "timeoutSec": {"type": "integer", "minimum": 1, "maximum": 300},
                        "healthyThreshold": {"type": "integer", "minimum": 1, "maximum": 10},
                        "unhealthyThreshold": {"type": "integer", "minimum": 1, "maximum": 10},
                    },
                },
            },
        },
    },
}
"""The fields we use of GKE's BackendConfig, after its documentation; GKE ships no schema."""


@cache
def _crd(kind: str) -> Schema:
    crd = yaml.load((CRDS / f"ray.io_{kind.lower()}s.yaml").read_text(), Loader=yaml.CSafeLoader)
    (version,) = (each for each in crd["spec"]["versions"] if each["name"] == "v1")
    found: Schema = strict(version["schema"]["openAPIV3Schema"])
    return found


@pytest.fixture
def crd() -> Callable[[str], Schema]:
    """The strict schema of a KubeRay kind. Skips where the CRDs are not at hand, but never in CI."""
    if not CRDS.is_dir():
        reason = f"the KubeRay CRDs are not at {CRDS}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return _crd


def _break(where: str, value: Any) -> Document:
    """The RayService with one thing changed; ``where`` is a dotted path, numbers are list positions."""
    service = ray_service()
    *path, last = where.split(".")
    inner: Any = service
    for step in path:
        inner = inner[int(step)] if isinstance(inner, list) else inner.setdefault(step, {})
    inner[int(last) if isinstance(inner, list) else last] = value
    return service


def test_the_ray_service_is_known_to_its_crd(crd: Callable[[str], Schema]) -> None:
    assert problems(crd("RayService"), ray_service()) == []


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("spec.upgradeStratgy", {"type": "None"}),
        ("spec.rayClusterConfig.gcsFaultToleranceOptions.redisAdress", "redis:6379"),
        ("spec.rayClusterConfig.workerGroupSpecs.0.template.spec.terminationGracePeriod", 90),
        ("spec.rayClusterConfig.workerGroupSpecs.0.minReplicas", "three"),
        ("spec.rayClusterConfig.headGroupSpec.resources.CPU", 0),
        ("spec.rayClusterConfig.autoscalerOptions.version", "v3"),
        ("spec.rayClusterConfig.workerGroupSpecs.0.template.spec.containers.0.readinessProbe.httpGet.port", None),
    ],
)
def test_the_crd_refuses_a_mistake(crd: Callable[[str], Schema], where: str, value: Any) -> None:
    assert problems(crd("RayService"), _break(where, value)) != []


def test_the_operator_accepts_the_ray_service() -> None:
    assert problems_of(ray_service()) == []


_CLUSTER = "spec.rayClusterConfig"


@pytest.mark.parametrize(
    ("where", "value", "problem"),
    [
        ("metadata.name", "g" * 48, "48 characters"),
        ("metadata.name", "2ganggpt", "DNS-1035"),
        ("spec.upgradeStrategy.type", "Recreate", "unknown type"),
        ("spec.upgradeStrategy.type", "NewClusterWithIncrementalUpgrade", "two owners"),
        ("spec.rayClusterDeletionDelaySeconds", -1, "negative"),
        (f"{_CLUSTER}.upgradeStrategy", {"type": "None"}, "RayCluster of its own"),
        (f"{_CLUSTER}.headGroupSpec.headService.metadata.name", "head", "the operator names it"),
        (f"{_CLUSTER}.headGroupSpec.template.spec.containers", [{"env": [{"name": "REDIS_PASSWORD"}]}], "use gcs"),
        (f"{_CLUSTER}.headGroupSpec.template.spec.containers", [{"env": [{"name": "RAY_REDIS_ADDRESS"}]}], "use gcs"),
        (f"{_CLUSTER}.headGroupSpec.template.spec.containers", [{"env": [{"name": "REDIS_USERNAME"}]}], "redisUser"),
        (f"{_CLUSTER}.headGroupSpec.template.spec.restartPolicy", "Always", "restartPolicy"),
        (f"{_CLUSTER}.headGroupSpec.rayStartParams.num-cpus", "0", "resources both"),
        (f"{_CLUSTER}.headGroupSpec.rayStartParams.redis-password", "x", "redisPassword"),
        (f"{_CLUSTER}.workerGroupSpecs.0.rayStartParams.labels", "a=b", "labels belong in labels"),
        (f"{_CLUSTER}.workerGroupSpecs.0.labels", {"ray.io/pool": "hosts"}, "belong to Ray"),
        (f"{_CLUSTER}.workerGroupSpecs.0.labels", {"pool": "not a label"}, "is no label"),
        (f"{_CLUSTER}.workerGroupSpecs.0.minReplicas", 11, "no range"),
        (f"{_CLUSTER}.workerGroupSpecs.0.template.spec.containers", [], "no container"),
        (f"{_CLUSTER}.workerGroupSpecs.0.suspend", True, "cannot be suspended"),
        (f"{_CLUSTER}.autoscalerOptions", {"idleTimeoutSeconds": -1}, "negative"),
        (f"{_CLUSTER}.autoscalerOptions.env", [{"name": "KUBERAY_GEN_AUTOSCALER_START_CMD"}], "operator's"),
        (f"{_CLUSTER}.gcsFaultToleranceOptions.externalStorageNamespace", "world", "restore the actors"),
        (f"{_CLUSTER}.gcsFaultToleranceOptions.backend", "rocksdb", "feature gate"),
        (f"{_CLUSTER}.gcsFaultToleranceOptions.storage", {"size": "1Gi"}, "only for rocksdb"),
        (f"{_CLUSTER}.authOptions.enableK8sTokenAuth", True, "not for a RayService"),
        (f"{_CLUSTER}.rayVersion", "2.51.9", "needs Ray 2.52.0"),
        (f"{_CLUSTER}.rayVersion", "", "needs a rayVersion"),
        (f"{_CLUSTER}.networkPolicy", {}, "feature gate"),
    ],
)
def test_the_operator_refuses_a_mistake(where: str, value: Any, problem: str) -> None:
    assert [each for each in problems_of(_break(where, value)) if problem in each]


def test_a_group_with_idle_timeout_needs_autoscaler_v2_by_name() -> None:
    service = _break(f"{_CLUSTER}.workerGroupSpecs.0.idleTimeoutSeconds", 60)
    assert problems_of(service) == []
    del service["spec"]["rayClusterConfig"]["autoscalerOptions"]["version"]
    assert [each for each in problems_of(service) if "version v2" in each]


def test_redis_address_without_fault_tolerance_is_refused() -> None:
    service = _break(f"{_CLUSTER}.headGroupSpec.template.spec.containers", [{"env": [{"name": "RAY_REDIS_ADDRESS"}]}])
    del service["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]
    assert [each for each in problems_of(service) if "without gcs" in each]


def _core_objects() -> list[Document]:
    """The objects of Kubernetes itself, and a pod of each template in KubeRay's."""
    found = [each for each in rendered() if each["kind"] not in ("RayService", "BackendConfig")]
    found += documents(KUBERAY / "secret.example.yaml")
    return found + [{"apiVersion": "v1", "kind": "Pod", **template} for template in pod_templates().values()]


@pytest.mark.parametrize("each", _core_objects(), ids=lambda each: f"{each['kind']}-{each['metadata'].get('name', '')}")
def test_the_object_is_known_to_kubernetes(each: Document) -> None:
    kubernetes_validate.validate(each, KUBERNETES, strict=True)


def test_kubernetes_refuses_a_misspelled_field() -> None:
    budget, _ = of_kind("PodDisruptionBudget")
    budget["spec"]["minAvailible"] = budget["spec"].pop("minAvailable")
    with pytest.raises(kubernetes_validate.ValidationError, match="minAvailible"):
        kubernetes_validate.validate(budget, KUBERNETES, strict=True)


def test_the_backend_config_has_only_fields_that_gke_knows() -> None:
    (backend,) = of_kind("BackendConfig")
    assert problems(strict(BACKEND_CONFIG), backend) == []
    backend["spec"]["timeoutSeconds"] = backend["spec"].pop("timeoutSec")
    assert problems(strict(BACKEND_CONFIG), backend) != []


def test_the_kustomization_lists_every_file_but_the_form_for_secrets() -> None:
    kustomization = document(KUBERAY / "kustomization.yaml")
    sources = [
        path for each in kustomization["configMapGenerator"] for of in ("files", "envs") for path in each.get(of, [])
    ]
    named = {*kustomization["resources"], *kustomization["configurations"], *(each.split("=")[-1] for each in sources)}
    files = {path.name for path in KUBERAY.iterdir() if not path.name.startswith(".")} - {"secret.yaml"}
    assert files == named | {"kustomization.yaml", "secret.example.yaml"}


def test_every_object_is_in_the_one_namespace() -> None:
    namespace = document(KUBERAY / "kustomization.yaml")["namespace"]
    found = {each["metadata"].get("namespace", each["metadata"]["name"]) for each in rendered()}
    assert found == {namespace}


def test_kustomize_renders_what_these_tests_look_at() -> None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed; these tests rendered the kustomization themselves")
    done = subprocess.run([kubectl, "kustomize", str(KUBERAY)], capture_output=True, check=True, timeout=60)
    theirs = {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(done.stdout)}
    assert theirs == {(each["kind"], each["metadata"]["name"]): each for each in rendered()}


def test_every_ray_pod_knows_its_cluster_and_where_that_ones_bridge_is() -> None:
    """Two clusters share the database during an upgrade; each must call itself by its own name."""
    cluster = ray_service()["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        (container,) = group["template"]["spec"]["containers"]
        names = [each["name"] for each in container["env"]]
        env = {each["name"]: each for each in container["env"]}
        path = env["GANGGPT_CLUSTER"]["valueFrom"]["fieldRef"]["fieldPath"]
        assert path == "metadata.labels['ray.io/cluster']"
        assert env["GANGGPT_BRIDGE_URL"]["value"].startswith("ws://$(GANGGPT_CLUSTER)-head-svc.ganggpt.")
        assert names.index("GANGGPT_CLUSTER") < names.index("GANGGPT_BRIDGE_URL"), "only earlier variables are expanded"


def _readers() -> dict[str, set[str]]:
    """Names of the ConfigMaps that each pod template reads."""
    found: dict[str, set[str]] = {}
    for part, template in pod_templates().items():
        named = {each["configMap"]["name"] for each in template["spec"].get("volumes", []) if "configMap" in each}
        for container in containers(template):
            named |= {each["configMapRef"]["name"] for each in container.get("envFrom", []) if "configMapRef" in each}
        found[part] = named
    return found


@pytest.mark.parametrize(
    ("file", "parts"),
    [("settings.env", {"head", "hosts"}), ("gcs-redis.conf", {"gcs-redis"}), ("pgbouncer.ini", {"pgbouncer"})],
)
def test_a_changed_configuration_changes_the_pods_that_read_it(
    file: str, parts: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _readers()
    changed = tmp_path / "kuberay"
    shutil.copytree(KUBERAY, changed)
    with (changed / file).open("a") as text:
        text.write("LOG_LEVEL=debug\n")
    monkeypatch.setattr("tests.support.manifests.KUBERAY", changed)
    assert {part for part, named in _readers().items() if named != before[part]} == parts


def test_every_config_map_that_is_read_exists_and_is_named_after_its_content() -> None:
    made = {each["metadata"]["name"] for each in of_kind("ConfigMap")}
    assert set().union(*_readers().values()) == made
    assert all(re.search(r"-[a-z0-9]{10}$", name) for name in made)


def test_kustomize_is_told_of_every_place_where_the_ray_service_names_a_config_map() -> None:
    """Else it would leave a name there that no ConfigMap has."""
    (reference,) = document(KUBERAY / "names.yaml")["nameReference"]
    told = {each["path"] for each in reference["fieldSpecs"] if each["kind"] == "RayService"}
    assert reference["kind"] == "ConfigMap"
    assert told == set(_places(ray_service()["spec"], "spec"))


def _places(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("configMapRef", "configMapKeyRef", "configMap"):
                yield f"{path}/{key}/name"
            else:
                yield from _places(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from _places(inner, path)


def test_another_image_or_content_is_another_job_so_none_is_changed_while_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (job,) = of_kind("Job")
    (source,) = documents(KUBERAY / "prepare.yaml")
    content = hashlib.sha256(json.dumps(source["spec"], sort_keys=True).encode()).hexdigest()[:8]
    tag = document(KUBERAY / "kustomization.yaml")["images"][0]["newTag"]
    assert source["metadata"]["name"].split("-")[:2] == ["prepare", content], "its spec changed: so must its name"
    assert job["metadata"]["name"] == f"prepare-{content}-{tag}"
    assert len(job["metadata"]["name"]) <= 63
    assert job["metadata"]["labels"] == {"ganggpt.io/part": "prepare"}, "operators wait for it by label"
    assert job["spec"]["ttlSecondsAfterFinished"] > 0

    changed = tmp_path / "kuberay"
    shutil.copytree(KUBERAY, changed)
    kustomization = (changed / "kustomization.yaml").read_text()
    (changed / "kustomization.yaml").write_text(kustomization.replace(f"newTag: {tag}", "newTag: 0.0.9"))
    monkeypatch.setattr("tests.support.manifests.KUBERAY", changed)
    (earlier,) = of_kind("Job")
    assert earlier["metadata"]["name"] == f"prepare-{content}-0.0.9"


def test_a_changed_secret_has_a_number_to_raise() -> None:
    """No hash names a secret, so an annotation of the pods says which of them they read."""
    cluster = ray_service()["spec"]["rayClusterConfig"]
    groups = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
    assert len({each["template"]["metadata"]["annotations"]["ganggpt.io/secrets"] for each in groups}) == 1
