"""What the rendered network policies let through, as Kubernetes decides it: a pod may what any policy allows."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from tests.support.manifests import Document, of_kind, pod_templates


@dataclass(frozen=True)
class Pod:
    """A pod somewhere in the cluster; ``namespace``: labels of its namespace, None for ours."""

    labels: dict[str, str]
    namespace: dict[str, str] | None = None


@dataclass(frozen=True)
class Port:
    """A port and its protocol."""

    number: int
    protocol: str = "TCP"


@dataclass(frozen=True)
class Policies:
    """The policies of our namespace; a test may leave some out."""

    objects: list[Document] = field(default_factory=lambda: of_kind("NetworkPolicy"))

    def reaches(self, part: str, peer: str | Pod, port: Port) -> bool:
        """Whether a pod of ours may open a connection to an address or a pod. A pod of ours must let it in, too."""
        source = pod_templates()[part]["metadata"]["labels"]
        if not self._let(source, "egress", "to", peer, port):
            return False
        inside = isinstance(peer, Pod) and peer.namespace is None
        return not inside or self._let(peer.labels, "ingress", "from", Pod(source), port)  # type: ignore[union-attr]

    def _let(self, labels: dict[str, str], direction: str, end: str, peer: str | Pod, port: Port) -> bool:
        ours = [each["spec"] for each in self.objects if selects(each["spec"]["podSelector"], labels)]
        rules = [rule for policy in ours for rule in policy.get(direction, [])]
        return any(_at_port(rule, port) and any(_is(each, peer) for each in rule[end]) for rule in rules)


def part(name: str) -> Pod:
    """The pod of ours with that part."""
    return Pod(pod_templates()[name]["metadata"]["labels"])


def selects(selector: Document, labels: dict[str, str]) -> bool:
    """Whether a label selector takes something with these labels."""
    exact = selector.get("matchLabels", {}).items() <= labels.items()
    return exact and all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", []))


def _at_port(rule: Document, port: Port) -> bool:
    if "ports" not in rule:
        return True
    return any(
        each["protocol"] == port.protocol and each["port"] <= port.number <= each.get("endPort", each["port"])
        for each in rule["ports"]
    )


def _is(peer: Document, wanted: str | Pod) -> bool:
    if isinstance(wanted, str):
        block = peer.get("ipBlock")
        address = ipaddress.ip_address(wanted)
        if block is None or address not in ipaddress.ip_network(block["cidr"]):
            return False
        return not any(address in ipaddress.ip_network(each) for each in block.get("except", []))
    if "ipBlock" in peer or ("namespaceSelector" in peer) != (wanted.namespace is not None):
        return False
    named = wanted.namespace is None or selects(peer["namespaceSelector"], wanted.namespace)
    return named and selects(peer.get("podSelector", {}), wanted.labels)
