"""Who may talk to whom on Kubernetes: what the world needs works on a default GKE, and nothing else does."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.support.manifests import KUBERAY, documents, of_kind, pod_templates
from tests.support.network_policies import Pod, Policies, Port, part

SYSTEM = {"kubernetes.io/metadata.name": "kube-system"}
DATA, INTERNET = "10.30.0.7", "20.42.64.1"
METADATA = "169.254.169.254"
RESOLVERS = {
    "kube-dns": Pod({"k8s-app": "kube-dns"}, SYSTEM),
    "NodeLocal DNSCache as a pod (Dataplane V2)": Pod({"k8s-app": "node-local-dns"}, SYSTEM),
    "NodeLocal DNSCache at its own address": "169.254.20.10",
    "NodeLocal DNSCache at the address of kube-dns": "34.118.224.10",
    "Cloud DNS": METADATA,
}


@pytest.mark.parametrize("resolver", RESOLVERS)
@pytest.mark.parametrize("protocol", ["UDP", "TCP"])
def test_every_pod_resolves_names_whatever_answers_on_this_cluster(resolver: str, protocol: str) -> None:
    for name in pod_templates():
        assert Policies().reaches(name, RESOLVERS[resolver], Port(53, protocol)), f"{name} resolves no name"


def test_without_the_policy_of_names_nobody_resolves_one() -> None:
    others = Policies([each for each in of_kind("NetworkPolicy") if each["metadata"]["name"] != "names"])
    for resolver in RESOLVERS.values():
        assert not any(others.reaches(name, resolver, Port(53, "UDP")) for name in pod_templates())


def test_names_open_nothing_but_names() -> None:
    for name in pod_templates():
        assert not Policies().reaches(name, Pod({"k8s-app": "kube-dns"}, SYSTEM), Port(443))
        assert not Policies().reaches(name, Pod({"k8s-app": "metrics-server"}, SYSTEM), Port(53, "UDP"))
        assert Policies().reaches(name, METADATA, Port(80)) == (name == "hosts"), "only workers write to buckets"


@pytest.mark.parametrize("port", [6379, 6378, 11000, 13047])
def test_the_cache_is_reached_plain_with_tls_and_as_a_cluster(port: int) -> None:
    reached = [name for name in pod_templates() if Policies().reaches(name, DATA, Port(port))]
    assert sorted(reached) == ["head", "hosts", "prepare"]
    assert not any(Policies().reaches(name, INTERNET, Port(port)) for name in pod_templates())


def test_the_ports_of_redis_in_the_form_for_secrets_are_open() -> None:
    (form,) = (s for s in documents(KUBERAY / "secret.example.yaml") if s["metadata"]["name"] == "ganggpt-runtime")
    port = urlsplit(form["stringData"]["REDIS_URL"].replace("HOST", DATA)).port
    assert port is not None
    assert Policies().reaches("hosts", DATA, Port(port))
    assert "rediss://:PASSWORD@HOST:6378" in (KUBERAY / "secret.example.yaml").read_text()


def test_postgres_is_reached_through_pgbouncer_alone() -> None:
    direct = [name for name in pod_templates() if Policies().reaches(name, DATA, Port(5432))]
    pooled = [name for name in pod_templates() if Policies().reaches(name, part("pgbouncer"), Port(6432))]
    assert direct == ["pgbouncer"]
    assert sorted(pooled) == ["head", "hosts", "prepare"]


def test_a_model_is_reached_from_workers_over_https_on_the_internet_alone() -> None:
    open_to = [name for name in pod_templates() if Policies().reaches(name, INTERNET, Port(443))]
    assert open_to == ["hosts"], "the gateway may run on any worker, and on nothing else"
    assert not Policies().reaches("hosts", INTERNET, Port(80))
    assert not Policies().reaches("hosts", INTERNET, Port(443, "UDP"))
    inside = [
        "10.30.0.7",
        "34.118.224.1",
        "100.64.0.1",
        "127.0.0.1",
        METADATA,
        "172.16.0.2",
        "192.168.1.1",
        "240.0.0.1",
    ]
    assert [each for each in inside if Policies().reaches("hosts", each, Port(443))] == []


def test_a_model_server_in_the_cluster_is_reached_where_it_is_labelled() -> None:
    label = {"ganggpt.io/models": "true"}
    for port in (443, 8000, 11434):
        assert Policies().reaches("hosts", Pod(label, label), Port(port))
        assert not Policies().reaches("hosts", Pod({}, label), Port(port))
        assert not Policies().reaches("hosts", Pod(label, SYSTEM), Port(port))
        assert not Policies().reaches("prepare", Pod(label, label), Port(port))
