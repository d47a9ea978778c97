"""What the KubeRay operator v1.7 refuses although its CRD allows it, and a few things it allows that would hurt us.

One function a subject; each yields problems in words. They follow the operator's validation of a RayService.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from tests.support.manifests import Document

NAME_MAX = 47
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL_KEY = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_RESOURCE_PARAMS = {"num-cpus", "num-gpus", "memory", "resources"}
_MANAGED_BY_GCS_OPTIONS = {"RAY_REDIS_ADDRESS", "REDIS_PASSWORD"}


def problems_of(service: Document) -> list[str]:
    """Everything the operator would refuse about a RayService."""
    cluster = service["spec"]["rayClusterConfig"]
    rules = (_name, _upgrade, lambda s: chain(_groups(cluster), _scaling(cluster), _storage(cluster), _token(cluster)))
    return [problem for rule in rules for problem in rule(service)]


def _name(service: Document) -> Iterator[str]:
    name = service["metadata"]["name"]
    if len(name) > NAME_MAX:
        yield f"name: {len(name)} characters, at most {NAME_MAX} leave room for the names made from it"
    if not _NAME.fullmatch(name):
        yield f"name: {name!r} is not a DNS-1035 label"


def _upgrade(service: Document) -> Iterator[str]:
    spec = service["spec"]
    kind = spec.get("upgradeStrategy", {}).get("type", "NewCluster")
    if kind not in ("None", "NewCluster", "NewClusterWithIncrementalUpgrade"):
        yield f"upgradeStrategy: unknown type {kind!r}"
    if kind == "NewClusterWithIncrementalUpgrade":
        yield "upgradeStrategy: traffic split by weight reaches two owners of one actor"
    if "upgradeStrategy" in spec["rayClusterConfig"]:
        yield "rayClusterConfig.upgradeStrategy: only a RayCluster of its own may have one"
    if spec.get("rayClusterDeletionDelaySeconds", 0) < 0:
        yield "rayClusterDeletionDelaySeconds: negative"
    if spec["rayClusterConfig"]["headGroupSpec"].get("headService", {}).get("metadata", {}).get("name"):
        yield "headGroupSpec.headService: the operator names it"


def _groups(cluster: Document) -> Iterator[str]:
    groups = {"head": cluster["headGroupSpec"]} | {g["groupName"]: g for g in cluster.get("workerGroupSpecs", [])}
    for name, group in groups.items():
        params = group.get("rayStartParams", {})
        if not group["template"]["spec"].get("containers"):
            yield f"{name}: no container"
        if group.get("resources") and _RESOURCE_PARAMS & set(params):
            yield f"{name}: resources both in rayStartParams and in resources"
        if "labels" in params:
            yield f"{name}: labels belong in labels, not in rayStartParams"
        for key, value in group.get("labels", {}).items():
            if not (_LABEL_KEY.fullmatch(key) and _LABEL_VALUE.fullmatch(value)):
                yield f"{name}: {key}={value} is no label"
            if key.startswith("ray.io"):
                yield f"{name}: labels under ray.io belong to Ray"
    for group in cluster.get("workerGroupSpecs", []):
        low, high = group.get("minReplicas", 0), group.get("maxReplicas", 0)
        if low < 0 or high < 0 or low > high:
            yield f"{group['groupName']}: {low} to {high} replicas is no range"


def _scaling(cluster: Document) -> Iterator[str]:
    options = cluster.get("autoscalerOptions", {})
    v2 = bool(cluster.get("enableInTreeAutoscaling")) and options.get("version") == "v2"
    head = cluster["headGroupSpec"]
    if options.get("idleTimeoutSeconds", 0) < 0:
        yield "autoscalerOptions.idleTimeoutSeconds: negative"
    if "RAY_enable_autoscaler_v2" in _variables(head):
        yield "RAY_enable_autoscaler_v2: use autoscalerOptions.version"
    if any(each["name"] == "KUBERAY_GEN_AUTOSCALER_START_CMD" for each in options.get("env", [])):
        yield "autoscalerOptions.env: KUBERAY_GEN_AUTOSCALER_START_CMD is the operator's"
    for group in (head, *cluster.get("workerGroupSpecs", [])):
        name = group.get("groupName", "head")
        if v2 and group["template"]["spec"].get("restartPolicy", "Never") != "Never":
            yield f"{name}: restartPolicy must be Never or unset with autoscaler v2"
        if not v2 and ("idleTimeoutSeconds" in group or group.get("priority")):
            yield f"{name}: idleTimeoutSeconds and priority need autoscalerOptions.version v2"
        if group.get("suspend") and cluster.get("enableInTreeAutoscaling"):
            yield f"{name}: cannot be suspended while the autoscaler runs"


def _storage(cluster: Document) -> Iterator[str]:
    head = cluster["headGroupSpec"]
    options = cluster.get("gcsFaultToleranceOptions")
    if "REDIS_USERNAME" in _variables(head) or "redis-username" in head.get("rayStartParams", {}):
        yield "REDIS_USERNAME: use gcsFaultToleranceOptions.redisUsername"
    if options is None:
        if "RAY_REDIS_ADDRESS" in _variables(head):
            yield "RAY_REDIS_ADDRESS: without gcsFaultToleranceOptions"
        return
    for name in sorted(_MANAGED_BY_GCS_OPTIONS & _variables(head)):
        yield f"{name}: use gcsFaultToleranceOptions"
    if "redis-password" in head.get("rayStartParams", {}):
        yield "redis-password: use gcsFaultToleranceOptions.redisPassword"
    if options.get("backend", "redis") == "rocksdb":
        yield "gcsFaultToleranceOptions.backend: rocksdb needs a feature gate, and its claim blocks a second cluster"
    elif "storage" in options:
        yield "gcsFaultToleranceOptions.storage: only for rocksdb"
    if "externalStorageNamespace" in options:
        yield "gcsFaultToleranceOptions.externalStorageNamespace: a new cluster would restore the actors of the old one"


def _token(cluster: Document) -> Iterator[str]:
    options = cluster.get("authOptions", {})
    for field in ("networkPolicy", "tlsOptions", "historyServerOptions"):
        if field in cluster:
            yield f"{field}: needs a feature gate that is off by default"
    if options.get("enableK8sTokenAuth"):
        yield "authOptions.enableK8sTokenAuth: not for a RayService"
    if options.get("mode") == "token":
        version = cluster.get("rayVersion", "")
        if not re.fullmatch(r"\d+\.\d+\.\d+", version):
            yield f"authOptions.mode: token needs a rayVersion, not {version!r}"
        elif tuple(map(int, version.split("."))) < (2, 52, 0):
            yield f"authOptions.mode: token needs Ray 2.52.0, not {version}"


def _variables(group: Document) -> set[str]:
    return {each["name"] for each in group["template"]["spec"]["containers"][0].get("env", [])}
