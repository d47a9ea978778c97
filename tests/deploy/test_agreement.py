"""What several deployment files say about the same thing must be the same."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from math import ceil
from pathlib import Path

import pytest
import ray
from yamllint import linter
from yamllint.config import YamlLintConfig

from ganggpt.config import Settings
from ganggpt.runtime.hosts import HostSpec
from ganggpt.runtime.world_secrets import SecretSource
from ganggpt.serve.gateway import Gateway
from tests.support.manifests import (
    BRIDGE_PORT,
    KUBERAY,
    Document,
    config_map,
    containers,
    document,
    documents,
    of_kind,
    plain_environment,
    pod_templates,
    ray_service,
    rendered,
    strings,
)
from tests.support.network_policies import selects
from tests.support.paths import ROOT

YAML_FILES = sorted([*KUBERAY.glob("*.yaml"), ROOT / "compose.yaml", ROOT / "cluster" / "ray-cluster.yaml"])
SHIPPED = [*YAML_FILES, ROOT / "Dockerfile", *sorted(path for path in (ROOT / "deploy").rglob("*") if path.is_file())]
LINT = """
extends: default
rules:
  line-length: {max: 130}
  document-start: disable
  comments: {min-spaces-from-content: 1}
  truthy: {check-keys: false}
  braces: {max-spaces-inside: 0}
"""
_SECRET_NAME = re.compile(r"PASSWORD|TOKEN|_KEY|SECRET|DATABASE_URL|REDIS_URL")
_CREDENTIALS = re.compile(r"://[^/\s:@]*:([^@\s/]+)@")
_NO_SECRET = re.compile(r"PASSWORD|\$\{\w+:\?[^}]*\}")


@cache
def _version() -> str:
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return found


def _lint(text: str) -> list[str]:
    return [f"{each.line}: {each.desc}" for each in linter.run(text, YamlLintConfig(LINT))]


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_yaml_is_clean(path: Path) -> None:
    assert _lint(path.read_text()) == []


def test_yamllint_sees_a_key_given_twice() -> None:
    assert [each for each in _lint("a: 1\na: 2\n") if "duplication" in each]


def test_everything_speaks_of_the_same_port() -> None:
    cluster = ray_service()["spec"]["rayClusterConfig"]
    templates = [cluster["headGroupSpec"]["template"], cluster["workerGroupSpecs"][0]["template"]]
    ports = [port for each in templates for port in each["spec"]["containers"][0]["ports"] if port["name"] == "serve"]
    (serve,) = ray_service()["spec"]["serveService"]["spec"]["ports"]
    (backend,) = of_kind("BackendConfig")
    (bridge,) = (each for each in of_kind("NetworkPolicy") if each["metadata"]["name"] == "bridge")
    said = {
        "head and workers": {port["containerPort"] for port in ports},
        "service": {serve["port"]},
        "load balancer": {backend["spec"]["healthCheck"]["port"]},
        "network": {port["port"] for rule in bridge["spec"]["ingress"] for port in rule["ports"]},
        "serve": {document(KUBERAY / "serve-config.yaml")["http_options"]["port"]},
        "settings": {int(plain_environment(templates[0]["spec"]["containers"][0])["SERVER_PORT"])},
        "default": {Settings.model_fields["server_port"].default},
    }
    assert said == {who: {BRIDGE_PORT} for who in said}
    assert len(ports) == 2
    assert serve["targetPort"] == "serve"


def test_everything_speaks_of_the_same_version() -> None:
    (image,) = document(KUBERAY / "kustomization.yaml")["images"]
    vm = document(ROOT / "cluster" / "ray-cluster.yaml")["docker"]["image"]
    assert f"{image['newName']}:{image['newTag']}-vm" == vm
    assert image["newTag"] == _version()
    assert ray_service()["spec"]["rayClusterConfig"]["rayVersion"] == ray.__version__
    assert f"\nray=={ray.__version__} " in (ROOT / "requirements.lock").read_text()


def test_an_image_of_others_has_one_tag_wherever_it_stands() -> None:
    texts = [ROOT / "compose.yaml", *sorted(KUBERAY.glob("*.yaml"))]
    images = {found for text in texts for found in re.findall(r"^\s*image: (\S+:\S+)$", text.read_text(), re.MULTILINE)}
    others = sorted(image for image in images if not image.startswith("ganggpt"))
    assert len(others) == 3
    assert len({image.partition(":")[0] for image in others}) == len(others), others


def _variables() -> dict[str, set[str]]:
    """Names of environment variables that each file sets for the runtime."""
    dockerfile = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    options = document(ROOT / "cluster" / "ray-cluster.yaml")["docker"]["run_options"]
    ours = [container for part in ("head", "hosts", "prepare") for container in containers(pod_templates()[part])]
    forms = {each["metadata"]["name"]: each["stringData"] for each in documents(KUBERAY / "secret.example.yaml")}
    image = " ".join(re.findall(r"^ENV (.*)$", dockerfile, flags=re.MULTILINE))
    return {
        "Dockerfile": set(re.findall(r"([A-Z][A-Z0-9_]+)=", image)),
        "compose.yaml": set(document(ROOT / "compose.yaml")["services"]["runtime"]["environment"]),
        "ray-cluster.yaml": {each.split()[1].split("=")[0] for each in options if each.startswith("--env ")},
        "rayservice.yaml": {each["name"] for one in ours for each in one["env"]} | set(plain_environment(ours[0])),
        "secret.example.yaml": set(forms["ganggpt-runtime"]),
    }


_NOT_OURS = {"PATH", "PYTHONUNBUFFERED", "PIP_DISABLE_PIP_VERSION_CHECK"}


@pytest.mark.parametrize("file", sorted(_variables()))
def test_every_variable_is_one_that_somebody_reads(file: str) -> None:
    settings = {str(field.validation_alias) for field in Settings.model_fields.values()}
    assert {name for name in _variables()[file] if not name.startswith("RAY_")} - _NOT_OURS - settings == set()


def test_every_variable_of_ray_is_one_that_ray_reads() -> None:
    # Ray ignores a name it does not know, so a slip of the pen would silently give the default.
    names = {name for found in _variables().values() for name in found if name.startswith("RAY_")}
    assert "RAY_SERVE_ENABLE_HA_PROXY" in names
    package = Path(ray.__file__).parent
    sources = [package / "serve" / "_private" / "constants.py", package / "_private" / "node.py"]
    sources += [package / "_private" / "ray_constants.py", package / "_common" / "usage" / "usage_constants.py"]
    text = b"\n".join(each.read_bytes() for each in sources)
    # Options of the C++ core are declared without the prefix.
    core = (package / "core" / "src" / "ray" / "raylet" / "raylet").read_bytes()
    unknown = {n for n in names if n.encode() not in text and n.removeprefix("RAY_").encode() not in core}
    assert unknown - {"RAY_AUTH_MODE"} == set()
    assert b"RAY_AUTH_MODE" in core
    assert b"RAY_SERVE_ENABLE_HAPROXI" not in text


def test_every_secret_is_a_reference_to_a_key_of_the_form() -> None:
    form = {(s["metadata"]["name"], key) for s in documents(KUBERAY / "secret.example.yaml") for key in s["stringData"]}
    used: set[tuple[str, str]] = set()
    for template in pod_templates().values():
        for container in containers(template):
            sources = [each["valueFrom"] for each in container.get("env", []) if "valueFrom" in each]
            references = [source["secretKeyRef"] for source in sources if "secretKeyRef" in source]
            used |= {(each["name"], each["key"]) for each in references}
            assert [name for name in plain_environment(container) if _SECRET_NAME.search(name)] == []
    cluster = ray_service()["spec"]["rayClusterConfig"]
    reference = cluster["gcsFaultToleranceOptions"]["redisPassword"]["valueFrom"]["secretKeyRef"]
    used |= {(reference["name"], reference["key"]), (cluster["authOptions"]["secretName"], "auth_token")}
    mounted = {v["secret"]["secretName"] for each in pod_templates().values() for v in _volumes(each) if "secret" in v}
    used |= {(name, key) for name, key in form if name in mounted}
    assert used == form
    assert [each for each in rendered() if each["kind"] == "Secret"] == []


def _volumes(template: Document) -> list[Document]:
    found: list[Document] = template["spec"].get("volumes", [])
    return found


def _leaks(text: str) -> list[str]:
    return [found for found in _CREDENTIALS.findall(text) if not _NO_SECRET.fullmatch(found)]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_address_holds_a_password(path: Path) -> None:
    text = path.read_text()
    values = text if path.suffix != ".yaml" else "\n".join(each for found in documents(path) for each in strings(found))
    assert _leaks(values) == []


def test_a_password_in_an_address_would_be_seen() -> None:
    assert _leaks("postgresql://ganggpt:hunter2@db:5432/ganggpt") == ["hunter2"]


def test_every_selector_finds_a_pod() -> None:
    labels = [template["metadata"]["labels"] for template in pod_templates().values()]
    services = [each["spec"]["selector"] for each in of_kind("Service")]
    kinds = "StatefulSet", "Deployment", "PodDisruptionBudget"
    sets = [each["spec"]["selector"]["matchLabels"] for kind in kinds for each in of_kind(kind)]
    policies = [each["spec"] for each in of_kind("NetworkPolicy")]
    peers = [peer for each in policies for rule in _rules(each) for peer in rule.get("from", []) + rule.get("to", [])]
    own = [each["podSelector"] for each in policies] + [p["podSelector"] for p in peers if set(p) == {"podSelector"}]
    for wanted in [*services, *sets]:
        assert any(wanted.items() <= found.items() for found in labels), wanted
    for selector in own:
        assert any(selects(selector, found) for found in labels), selector


def _rules(policy: Document) -> list[Document]:
    return [*policy.get("ingress", []), *policy.get("egress", [])]


def test_nothing_is_open_but_what_a_policy_names() -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind("NetworkPolicy")}
    assert policies.pop("deny-all") == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, policy in policies.items():
        for rule in _rules(policy):
            assert rule.get("from") or rule.get("to"), f"{name}: a rule without peers is open to all"
            assert "ports" in rule or name == "ray", f"{name}: a rule without ports is open on all"
        kinds = {"Ingress": "ingress", "Egress": "egress"}
        assert {kinds[kind] for kind in policy["policyTypes"]} == set(policy) & set(kinds.values()), name


def test_only_the_bridge_is_open_to_the_load_balancer() -> None:
    open_to = {
        (each["metadata"]["name"], port["port"])
        for each in of_kind("NetworkPolicy")
        for rule in each["spec"].get("ingress", [])
        if any("ipBlock" in peer for peer in rule["from"])
        for port in rule["ports"]
    }
    assert open_to == {("bridge", BRIDGE_PORT)}


def _loose(template: Document) -> list[str]:
    """What keeps a pod out of a namespace that enforces the restricted profile."""
    pod = template["spec"].get("securityContext", {})
    found = [] if pod.get("runAsNonRoot") and pod.get("runAsUser") else ["runs as root"]
    found += [] if pod.get("seccompProfile") == {"type": "RuntimeDefault"} else ["no seccomp profile"]
    for container in containers(template):
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False or context.get("capabilities") != {"drop": ["ALL"]}:
            found.append(f"{container['name']} keeps privileges")
    return found


@pytest.mark.parametrize("part", sorted(pod_templates()))
def test_the_pod_fits_the_restricted_profile(part: str) -> None:
    template = pod_templates()[part]
    assert _loose(template) == []
    assert all("memory" in container["resources"]["limits"] for container in containers(template))
    del template["spec"]["containers"][0]["securityContext"]
    assert _loose(template) != []


def test_only_the_head_may_talk_to_the_api_server() -> None:
    mounts = "automountServiceAccountToken"
    accounts = {each["metadata"]["name"]: each.get(mounts, True) for each in of_kind("ServiceAccount")}
    assert accounts == {"ganggpt-head": True, "ganggpt-hosts": False}
    used = {part: template["spec"].get("serviceAccountName") for part, template in pod_templates().items()}
    ours = dict.fromkeys(("hosts", "prepare", "snapshots"), "ganggpt-hosts")
    assert used == {"head": "ganggpt-head", **ours, "gcs-redis": None, "pgbouncer": None}
    mounted = [part for part, each in pod_templates().items() if each["spec"].get(mounts, True)]
    assert mounted == ["head"]
    cluster = ray_service()["spec"]["rayClusterConfig"]
    assert cluster["autoscalerOptions"]["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_four_to_ten_workers_follow_the_load_and_the_head_carries_no_actor() -> None:
    cluster = ray_service()["spec"]["rayClusterConfig"]
    (group,) = cluster["workerGroupSpecs"]
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["autoscalerOptions"]["version"] == "v2"
    assert (group["groupName"], group["minReplicas"], group["maxReplicas"]) == ("hosts", 4, 10)
    assert cluster["headGroupSpec"]["resources"] == {"CPU": "0"}
    (worker,) = group["template"]["spec"]["containers"]
    assert worker["readinessProbe"]["httpGet"] == {"path": "/-/healthz", "port": "serve"}
    assert worker["livenessProbe"]["httpGet"]["path"] == "/api/healthz"
    assert cluster["gcsFaultToleranceOptions"]["redisAddress"].startswith("gcs-redis.ganggpt.svc")


OWN_CPUS = 0.01
"""What an actor of its own asks Ray for."""
NODE_CPUS_M, NODE_MEMORY_MI = 1930, 5700
"""What GKE leaves of an n1-standard-2 (2 CPUs, 7.5 GB) for pods: millicores, MiB."""
SYSTEM_CPUS_M, SYSTEM_MEMORY_MI = 330, 500
"""Of that for what GKE runs on every node: DNS cache, logs, metrics, network."""


def _hosts_settings() -> dict[str, dict[str, str]]:
    """What each way to run a cluster says about hosts."""
    options = document(ROOT / "cluster" / "ray-cluster.yaml")["docker"]["run_options"]
    given = [option.split()[1].split("=", 1) for option in options if option.startswith("--env ")]
    settings = config_map("ganggpt-settings")["data"]
    named = "GANGGPT_HOST", "GANGGPT_OWN"
    return {
        "ray up": {name: value for name, value in given if name.startswith(named)},
        "KubeRay": {name: value for name, value in settings.items() if name.startswith(named)},
    }


@dataclass(frozen=True)
class Asked:
    """CPUs that the actors of a cluster ask Ray for, by what they are; ``bridge`` and ``host`` of one each."""

    host: float
    bridge: float
    bridges: int
    own: float
    gateway: float
    snapshot: float

    def all(self, hosts: int) -> float:
        """Everything that may run at once: with a gateway, the nightly snapshot and a bridge that replaces another."""
        return hosts * self.host + (self.bridges + 1) * self.bridge + self.own + self.gateway + self.snapshot


def _asked() -> Asked:
    settings = _hosts_settings()["KubeRay"]
    (bridge,) = document(KUBERAY / "serve-config.yaml")["applications"][0]["deployments"]
    assert ceil(bridge["num_replicas"] * bridge["max_surge_percent"] / 100) == 1
    command = containers(pod_templates()["snapshots"])[0]["command"]
    return Asked(
        host=float(settings["GANGGPT_HOST_CPUS"]),
        bridge=bridge["ray_actor_options"]["num_cpus"],
        bridges=bridge["num_replicas"],
        own=int(settings["GANGGPT_OWN_ACTORS_MAX"]) * OWN_CPUS,
        gateway=Gateway.ray_actor_options["num_cpus"] * Settings.model_fields["ai_replicas"].default,
        snapshot=float(command[command.index("--entrypoint-num-cpus") + 1]),
    )


def test_hosts_fit_the_nodes_there_are_and_under_load_the_nodes_there_may_be() -> None:
    said = _hosts_settings()
    assert said["ray up"] == said["KubeRay"]
    (group,) = ray_service()["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    types = document(ROOT / "cluster" / "ray-cluster.yaml")["available_node_types"]
    cpus = float(group["resources"]["CPU"])
    assert types["hosts"]["resources"]["CPU"] == cpus
    asked = _asked()
    least, most = (asked.all(int(said["KubeRay"][name])) for name in ("GANGGPT_HOSTS", "GANGGPT_HOSTS_MAX"))
    assert least <= cpus * group["minReplicas"] < most, "hosts of the start need no node more, those of a load do"
    assert most <= cpus * min(group["maxReplicas"], types["hosts"]["max_workers"])
    assert HostSpec(SecretSource()).own_cpus == OWN_CPUS


def test_nothing_that_comes_and_goes_waits_for_a_node_at_least_load() -> None:
    """The sum is not enough: each has to fit on one node, wherever Ray spread the others. Hosts are spread, so no node
    has two while there are as many nodes; small actors may all be in the worst place."""
    (group,) = ray_service()["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    (bridge,) = document(KUBERAY / "serve-config.yaml")["applications"][0]["deployments"]
    node, nodes, asked = float(group["resources"]["CPU"]), group["minReplicas"], _asked()
    hosts = int(_hosts_settings()["KubeRay"]["GANGGPT_HOSTS"])
    small = asked.own + asked.gateway
    assert bridge["max_replicas_per_node"] == 1
    assert asked.bridges < nodes, "a bridge that replaces another needs a node without one"
    assert hosts < nodes
    assert asked.host + asked.bridge + small <= node, "the new bridge, beside a host"
    assert asked.bridge + asked.snapshot + small <= node, "the snapshot, on the node without a host"
    assert 2 * asked.bridge + asked.host > node, "a node is never asked for more than it has"


def _requests(template: Document) -> tuple[int, int]:
    """Millicores and MiB that a pod asks Kubernetes for. Init containers run before the others."""
    units = {"Mi": 1, "Gi": 1024}
    found = (0, 0)
    for of in ("initContainers", "containers"):
        asked = [each["resources"]["requests"] for each in template["spec"].get(of, [])]
        cpus = [str(each["cpu"]) for each in asked]
        cpus_m = sum(int(cpu[:-1]) if cpu.endswith("m") else int(cpu) * 1000 for cpu in cpus)
        memory_mi = sum(int(each["memory"][:-2]) * units[each["memory"][-2:]] for each in asked)
        found = max(found[0], cpus_m), max(found[1], memory_mi)
    return found


def test_the_pods_fit_one_node_for_each_worker_and_one_for_all_others() -> None:
    pods = {part: _requests(template) for part, template in pod_templates().items()}
    autoscaler = ray_service()["spec"]["rayClusterConfig"]["autoscalerOptions"]
    pods["autoscaler"] = _requests({"spec": {"containers": [autoscaler]}})
    worker = pods.pop("hosts")
    (pooler,) = of_kind("Deployment")
    pods |= {f"pgbouncer {n}": pods["pgbouncer"] for n in range(1, pooler["spec"]["replicas"])}
    others = [sum(each) for each in zip(*pods.values(), strict=True)]
    for cpus_m, memory_mi in (worker, others):
        assert cpus_m <= NODE_CPUS_M - SYSTEM_CPUS_M, pods
        assert memory_mi <= NODE_MEMORY_MI - SYSTEM_MEMORY_MI, pods
    assert 2 * worker[0] > NODE_CPUS_M
