"""The deployment files of this repository, read the way their tools read them."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import ROOT

KUBERAY = ROOT / "k8s" / "kuberay"
CRDS = ROOT.parent / "shared" / "crds"
BRIDGE_PORT = 22005

Document = dict[str, Any]


def documents(path: Path) -> list[Document]:
    """Every YAML document of a file."""
    return [found for found in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader) if found is not None]


def document(path: Path) -> Document:
    """The only YAML document of a file."""
    (found,) = documents(path)
    return found


def rendered() -> list[Document]:
    """What ``kubectl kustomize k8s/kuberay`` gives, for the part of kustomize that is used there."""
    kustomization = document(KUBERAY / "kustomization.yaml")
    used = {"apiVersion", "kind", "namespace", "resources", "images", "configMapGenerator", "configurations"}
    assert set(kustomization) == used | {"replacements"}, "tell this function what the new part of it does"
    found = [each for name in kustomization["resources"] for each in documents(KUBERAY / name)]
    made = {each["name"]: _config_map(each) for each in kustomization["configMapGenerator"] if "options" not in each}
    for each in found:
        _use_images(each, {image["name"]: f"{image['newName']}:{image['newTag']}" for image in kustomization["images"]})
        _use_names(each, {name: config_map["metadata"]["name"] for name, config_map in made.items()})
        if each["kind"] == "RayService":
            each["spec"]["serveConfigV2"] = (KUBERAY / "serve-config.yaml").read_text()
        if each["kind"] == "Job":
            name, content, _ = each["metadata"]["name"].split("-")
            (container,) = each["spec"]["template"]["spec"]["containers"]
            each["metadata"]["name"] = f"{name}-{content}-{container['image'].split(':')[1]}"
    return found + list(made.values())


def config_map(name: str) -> Document:
    """The rendered ConfigMap of that name, which has a hash behind it."""
    (found,) = (each for each in of_kind("ConfigMap") if each["metadata"]["name"].rpartition("-")[0] == name)
    return found


def of_kind(kind: str) -> list[Document]:
    """The rendered objects of one kind."""
    return [each for each in rendered() if each["kind"] == kind]


def ray_service() -> Document:
    """The RayService as the API server gets it; the caller may break it."""
    (found,) = of_kind("RayService")
    return copy.deepcopy(found)


def pod_templates() -> dict[str, Document]:
    """Every pod template that the rendered objects make pods of, by the name of its part."""
    cluster = ray_service()["spec"]["rayClusterConfig"]
    templates = [cluster["headGroupSpec"]["template"]]
    templates += [group["template"] for group in cluster["workerGroupSpecs"]]
    templates += [each["spec"]["template"] for each in of_kind("StatefulSet") + of_kind("Deployment") + of_kind("Job")]
    templates += [each["spec"]["jobTemplate"]["spec"]["template"] for each in of_kind("CronJob")]
    return {template["metadata"]["labels"]["ganggpt.io/part"]: template for template in templates}


def containers(template: Document) -> list[Document]:
    """The init containers and containers of a pod template."""
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def plain_environment(container: Document) -> dict[str, str]:
    """Variables with their values as a container gets them from itself and from config maps; secrets are left out."""
    maps = {each["metadata"]["name"]: each["data"] for each in of_kind("ConfigMap")}
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= maps[source["configMapRef"]["name"]]
    return found | {each["name"]: each["value"] for each in container.get("env", []) if "value" in each}


def strings(value: Any) -> Iterator[str]:
    """Every text inside a document, keys too."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def _config_map(generator: Document) -> Document:
    """What a configMapGenerator makes: data from files and env files, and a name with a hash of it."""
    data: dict[str, str] = {}
    for each in generator.get("files", []):
        key, _, path = each.rpartition("=")
        data[key or path] = (KUBERAY / path).read_text()
    for path in generator.get("envs", []):
        lines = [line for line in (KUBERAY / path).read_text().splitlines() if line and not line.startswith("#")]
        data |= dict(line.split("=", 1) for line in lines)
    name = f"{generator['name']}-{_content_hash({'data': data, 'kind': 'ConfigMap', 'name': ''})}"
    namespace = document(KUBERAY / "kustomization.yaml")["namespace"]
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def _content_hash(content: Document) -> str:
    """As kustomize writes it: ten digits of a SHA-256, in letters that spell no words."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return hashlib.sha256(text.encode()).hexdigest()[:10].translate(str.maketrans("013ae", "ghkmt"))


def _use_names(value: Any, names: dict[str, str]) -> None:
    """Puts the names of generated ConfigMaps where they are referred to."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("configMapRef", "configMap", "configMapKeyRef"):
                inner["name"] = names.get(inner["name"], inner["name"])
            _use_names(inner, names)
    elif isinstance(value, list):
        for inner in value:
            _use_names(inner, names)


def _use_images(value: Any, images: dict[str, str]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("containers", "initContainers"):
                for container in inner:
                    container["image"] = images.get(container["image"], container["image"])
            _use_images(inner, images)
    elif isinstance(value, list):
        for inner in value:
            _use_images(inner, images)
