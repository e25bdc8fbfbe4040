# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pod in quarantine, and out again. This cluster's network enforces no policy: that it is found out is what can be shown here."""

from __future__ import annotations

import hashlib
import json
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


def log_of(case: Case) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (case.folder / "quarantine.jsonl").read_text(encoding="utf-8").splitlines()]


def table(case: Case, name: str) -> list[dict[str, Any]]:
    """The rows of a fact of the only target."""
    (facts,) = case.document["facts"].values()
    rows: list[dict[str, Any]] = facts[name]
    return rows


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
    environment["USER"] = "mallory"
    with open_port(node) as port:
        given = {"pod": name, "probes": [f"{node}:{port}"], "reason": "page 4711", "environment": environment}
        case = quarantine(kubectl, tmp_path, "-vvv", "--diff", **given)
        first = (case.folder / "quarantine.jsonl").read_bytes()
        document = case.document
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
    # the case says what was done, by whom and for whom the API took them, and what that came to
    assert document["verdict"] == "fail"
    assert (document["examiner"], document["reason"], document["role"]) == ("oncall", "page 4711", "quarantine")
    rows = [json.loads(line) for line in first.splitlines()]
    assert [row["action"] for row in rows] == ["begin", "policy", "labels", "judged"]
    assert rows[0]["who"]["username"].startswith("system:serviceaccount:")
    assert (rows[0]["pod_uid"], rows[0]["reached"]) == (uid, [f"{node}:{port}"])
    assert rows[0]["endpoints"] == [{"service": "api", "pod": name, "is_ready": True}]
    assert rows[1]["spec"] == policy["spec"]
    assert (rows[2]["before"], rows[2]["after"]) == (before["metadata"]["labels"], after["metadata"]["labels"])
    assert rows[3]["reached"] == [f"{node}:{port}"]
    assert name not in [row["pod"] for row in rows[3]["endpoints"]]
    for entry in [entry for row in rows for entry in row.get("files", {}).values()]:
        assert hashlib.sha256((case.folder / entry["path"]).read_bytes()).hexdigest() == entry["sha256"]
    (enforced,) = [entry for entry in document["findings"] if entry["analyzer"] == "enforced"]
    assert enforced["evidence"][0]["path"].endswith("/after/reach.txt")
    assert {path.parents[2].name for path in case.folder.rglob("pod.json")} == {"api_before", "api_after"}
    for path in (path for path in case.folder.rglob("*") if path.is_file()):
        assert b"very-secret-value" not in path.read_bytes(), path
        assert path.stat().st_mode & 0o777 == 0o600
        assert str(environment["K8S_AUTH_API_KEY"]).encode() not in path.read_bytes()
    page = (case.folder / "report.html").read_text(encoding="utf-8")
    assert "does not enforce this policy" in page
    assert "began to isolate it: page 4711" in page
    (debugger,) = [entry["text"] for entry in document["timeline"] if entry["text"].startswith("Debugger ")]
    assert rows[0]["target"]["debugger"] in debugger
    # a second time changes nothing, adds to the case, and knows what was reached before
    assert again.status == 0, again.printed
    assert "changed=0" in again.printed
    assert "not_isolated" in again.printed
    assert "It is taken out of Service api." in again.printed
    assert (again.folder / "quarantine.jsonl").read_bytes().startswith(first)
    assert [row["action"] for row in log_of(again)[4:]] == ["begin", "judged"]
    assert log_of(again)[4]["reached"] == [f"{node}:{port}"]


def test_the_undo_finds_the_case_that_the_pod_names_and_a_log_that_was_changed_stops_it(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    name = workload(kubectl, "Deployment", "web")
    given: dict[str, Any] = {"pod": name, "look_inside": False}
    case = quarantine(kubectl, tmp_path, case_id="named-by-me", **given)
    assert case.status == 0, case.printed
    log = case.folder / "quarantine.jsonl"
    good = log.read_bytes()
    log.write_bytes(good.replace(b'"by": "oncall"', b'"by": "nobody"'))
    labels = kubectl.pod(name)["metadata"]["labels"]
    stopped = quarantine(kubectl, tmp_path, case_id="", state="absent", **given)
    assert stopped.status == 2
    assert "line 2 of the log says something else" in stopped.printed
    assert kubectl.pod(name)["metadata"]["labels"] == labels
    log.write_bytes(good)
    undone = quarantine(kubectl, tmp_path, case_id="", state="absent", examiner="day", reason="all clear", **given)
    assert undone.status == 0, undone.printed
    assert f"Case: {case.folder}" in undone.printed
    rows = log_of(case)
    assert [row["action"] for row in rows[3:]] == ["judged", "begin", "labels", "policies_deleted", "end"]
    assert (rows[4]["state"], rows[4]["by"], rows[4]["reason"]) == ("absent", "day", "all clear")
    assert rows[5]["after"]["app"] == "web"
    assert case.verdict == "pass"
    assert "has its labels back" in case.finding("ended")["message"]
    assert "day, whom the API takes for" in (case.folder / "report.html").read_text(encoding="utf-8")
    # nothing is left to undo, and of nothing there is no case
    nothing = quarantine(kubectl, tmp_path, case_id="other", state="absent", **given)
    assert nothing.status == 0, nothing.printed
    assert not nothing.folder.exists()


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
    assert list(tmp_path.iterdir()) == []

    case = quarantine(kubectl, tmp_path, fail_on="fail", **given)
    assert case.status == 2, case.printed
    assert "not_isolated" in case.printed
    assert "NetworkPolicy allow-dns still lets egress through: to anywhere (UDP 53)." in case.printed
    # that one selects by a label which the pod no longer has
    assert "allow-lone" not in case.printed
    assert "Container app has a liveness probe (exec)" in case.printed
    assert "Whether the cluster's network plugin enforces policies was not tried" in case.printed
    assert kubectl.debuggers("lone") == []
    assert case.verdict == "fail"
    assert "allow-dns" in case.findings("policies", verdict="fail")[0]["message"]
    assert table(case, "reached") == []
    assert {row["label"]: row["before"] for row in table(case, "labels")} == {
        "app": "lone",
        "team": "shop",
        LABEL: None,
    }

    undone = quarantine(kubectl, tmp_path, state="absent", **given)
    assert undone.status == 0, undone.printed
    assert "has its labels back; 1 policies deleted" in undone.printed
    assert [row["is_deleted"] for row in table(undone, "policies")] == [True]
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
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", [{"pod": "x", "probes": ["$(id):80"]}, {"pod": ""}])
def test_what_is_no_pod_or_no_probe_is_refused(kubectl: Kubectl, tmp_path: Path, given: dict[str, Any]) -> None:
    case = quarantine(kubectl, tmp_path, **given)
    assert case.status == 2
    assert "each of quarantine_probes is host:port" in case.printed
