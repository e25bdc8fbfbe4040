# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pod in quarantine, and out again. This cluster's network enforces no policy: that it is found out is what can be shown here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from .cases import Case, run_playbook
from .conftest import Credentials, Kubectl, pod_manifest
from .network_peers import open_port
from .oncall import rules_of, variables_of

APP = "incident.test/app:nonroot"
LABEL = "incident.distroless/quarantine"
RECORD = "incident.distroless/before-quarantine"
SECRET = [{"name": "PASSWORD", "value": "very-secret-value"}]


def quarantine(kubectl: Kubectl, folder: Path, *words: str, environment: Any = None, **variables: Any) -> Case:
    given = {"namespace": kubectl.namespace, "examiner": "oncall", **variables}
    return run_playbook("quarantine", folder, given, *words, environment=environment)


def workload(kubectl: Kubectl, kind: str, name: str, **spec: Any) -> str:
    """The only pod of a workload, when it is ready."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_manifest(name, APP, container={"env": SECRET})["spec"]}
    body = {"selector": {"matchLabels": labels}, "template": template, **spec}
    kubectl.apply({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": body})
    kubectl.run("rollout", "status", f"{kind}/{name}", "--timeout=90s")
    (only,) = kubectl.json("get", "pods", "-l", f"app={name}")["items"]
    pod: str = only["metadata"]["name"]
    return pod


def endpoints(kubectl: Kubectl, service: str) -> set[str]:
    """The pods that a Service sends traffic to."""
    slices = kubectl.json("get", "endpointslices", "-l", f"kubernetes.io/service-name={service}")["items"]
    return {entry["targetRef"]["name"] for found in slices for entry in found.get("endpoints") or ()}


def test_a_pod_of_a_deployment_is_replaced_and_kept_and_a_network_that_enforces_nothing_is_found_out(
    kubectl: Kubectl, tmp_path: Path, credentials: Credentials
) -> None:
    name = workload(kubectl, "Deployment", "api")
    kubectl.run("expose", "deployment/api", "--port=80")
    before = kubectl.pod(name)
    environment = variables_of(credentials, rules_of("role.yml", "quarantine-role.yml"))
    node = before["status"]["hostIP"]
    with open_port(node) as port:
        given = {"pod": name, "probes": [f"{node}:{port}"], "reason": "page 4711", "environment": environment}
        case = quarantine(kubectl, tmp_path, "-vvv", "--diff", **given)
        again = quarantine(kubectl, tmp_path, **given)
    assert case.status == 0, case.printed
    assert f"{kubectl.namespace}/{name}: not_isolated" in case.printed
    assert f"The pod still reaches {node}:{port}: the cluster's network plugin does not enforce" in case.printed
    assert "It is taken out of Service api." in case.printed
    assert "has 1 of 1 pods ready without it: api-" in case.printed
    assert "very-secret-value" not in case.printed
    # it is the same pod, it runs, it is nobody's, and no other one has its label
    after = kubectl.pod(name)
    uid = before["metadata"]["uid"]
    assert after["metadata"]["uid"] == uid
    assert after["status"]["phase"] == "Running"
    assert after["metadata"]["labels"] == {LABEL: uid}
    assert not after["metadata"].get("ownerReferences")
    record = yaml.safe_load(after["metadata"]["annotations"][RECORD])
    assert record["labels"] == before["metadata"]["labels"]
    assert (record["by"], record["reason"], record["reached"]) == ("oncall", "page 4711", [f"{node}:{port}"])
    (policy,) = kubectl.json("get", "networkpolicies")["items"]
    assert policy["spec"] == {"podSelector": {"matchLabels": {LABEL: uid}}, "policyTypes": ["Ingress", "Egress"]}
    (other,) = endpoints(kubectl, "api")
    assert other != name
    # a second time changes nothing, and knows what was reached before
    assert again.status == 0, again.printed
    assert "changed=0" in again.printed
    assert "not_isolated" in again.printed
    assert "It is taken out of Service api." in again.printed


def test_a_policy_that_lets_something_through_is_named_and_so_is_a_liveness_probe_and_all_of_it_is_undone(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    manifest = pod_manifest(
        "lone", APP, container={"env": SECRET, "livenessProbe": {"exec": {"command": ["/app", "sha256", "/app"]}}}
    )
    manifest["metadata"]["labels"] = {"app": "lone", "team": "shop"}
    kubectl.apply(manifest)
    rule = {"ports": [{"port": 53, "protocol": "UDP"}]}
    dns = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [rule]}
    meant = {"podSelector": {"matchLabels": {"app": "lone"}}, "ingress": [{}]}
    for name, spec in (("allow-dns", dns), ("allow-lone", meant)):
        kind = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}
        kubectl.apply({**kind, "metadata": {"name": name}, "spec": spec})
    kubectl.wait_until_running("lone")
    given: dict[str, Any] = {"pod": "lone", "look_inside": False}
    checked = quarantine(kubectl, tmp_path, "--check", "--diff", **given)
    assert checked.status == 0, checked.printed
    assert "Would take" in checked.printed
    assert f'+            "{LABEL}": ' in checked.printed
    assert '-            "team": "shop"' in checked.printed
    assert "very-secret-value" not in checked.printed
    assert kubectl.pod("lone")["metadata"]["labels"] == {"app": "lone", "team": "shop"}

    case = quarantine(kubectl, tmp_path, fail_on="fail", **given)
    assert case.status == 2, case.printed
    assert "not_isolated" in case.printed
    assert "NetworkPolicy allow-dns still lets egress through: to anywhere (UDP 53)." in case.printed
    # that one selects by a label which the pod no longer has
    assert "allow-lone" not in case.printed
    assert "Container app has a liveness probe (exec)" in case.printed
    assert "Whether the cluster's network plugin enforces policies was not tried" in case.printed
    assert kubectl.debuggers("lone") == []

    undone = quarantine(kubectl, tmp_path, state="absent", **given)
    assert undone.status == 0, undone.printed
    assert "has its labels back; 1 policies deleted" in undone.printed
    metadata = kubectl.pod("lone")["metadata"]
    assert metadata["labels"] == {"app": "lone", "team": "shop"}
    assert RECORD not in metadata["annotations"]
    names = [policy["metadata"]["name"] for policy in kubectl.json("get", "networkpolicies")["items"]]
    assert [name for name in names if metadata["uid"] in name] == []


def test_a_pod_whose_controller_would_do_harm_is_refused(kubectl: Kubectl, tmp_path: Path) -> None:
    name = workload(kubectl, "StatefulSet", "db", serviceName="db")
    before = kubectl.pod(name)["metadata"]["labels"]
    case = quarantine(kubectl, tmp_path, pod=name)
    assert case.status == 2
    assert "StatefulSet db: it cannot make another pod of that name" in case.printed
    assert kubectl.pod(name)["metadata"]["labels"] == before


@pytest.mark.parametrize("given", [{"pod": "x", "probes": ["$(id):80"]}, {"pod": ""}])
def test_what_is_no_pod_or_no_probe_is_refused(kubectl: Kubectl, tmp_path: Path, given: dict[str, Any]) -> None:
    case = quarantine(kubectl, tmp_path, **given)
    assert case.status == 2
    assert "each of quarantine_probes is host:port" in case.printed
