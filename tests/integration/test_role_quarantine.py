# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pod in quarantine, and out again, on a network that enforces no policy, as this cluster's is, and on one that does."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from .cases import Case, command_line, run_playbook
from .conftest import Credentials, Kubectl, facts, pod_manifest
from .enforcing import LAUNCHER, PORT, address, answers, begin, enforcing, firewall, server, talk, until
from .network_peers import open_port
from .oncall import rules_of, variables_of
from .patience import PATIENCE

APP = "incident.test/app:nonroot"
LABEL = "incident.distroless/quarantine"
RECORD = "incident.distroless/before-quarantine"
ALONE = "Without the pod Service api has no ready endpoint."
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
    kubectl.run("rollout", "status", f"{kind}/{name}", f"--timeout={PATIENCE}s")
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
    # it is the last ready one of its Service, in check mode as well
    refused = quarantine(kubectl, tmp_path, "--check", pod=name, environment=environment)
    assert refused.status == 2, refused.printed
    assert f"{ALONE} Set quarantine_allow_no_endpoints to do it all the same." in refused.printed
    assert kubectl.pod(name)["metadata"]["labels"] == before["metadata"]["labels"]
    assert list(tmp_path.iterdir()) == []
    with open_port(node) as port:
        given = {"pod": name, "probes": [f"{node}:{port}"], "reason": "page 4711", "environment": environment}
        given["allow_no_endpoints"] = True
        case = quarantine(kubectl, tmp_path, "-vvv", "--diff", **given)
        first = (case.folder / "quarantine.jsonl").read_bytes()
        document = case.document
        again = quarantine(kubectl, tmp_path, **given)
    assert case.status == 0, case.printed
    assert f"{kubectl.namespace}/{name}: not_isolated" in case.printed
    assert f"The pod still reaches {node}:{port}: the cluster's network plugin does not enforce" in case.printed
    assert "It was removed from Service api." in case.printed
    for words in (
        f"warn: {ALONE}",
        "pass: No PodDisruptionBudget selects it.",
        "pass: No ResourceQuota limits its namespace.",
    ):
        assert words in case.printed
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
    assert "It was removed from Service api." in again.printed
    assert "Without the pod Service api has 1 ready endpoint: api-" in again.printed
    assert (again.folder / "quarantine.jsonl").read_bytes().startswith(first)
    assert [row["action"] for row in log_of(again)[4:]] == ["begin", "judged"]
    assert log_of(again)[4]["reached"] == [f"{node}:{port}"]
    # the undo gives its Service all back; of the two its Deployment keeps the one that costs more to delete
    kubectl.run("annotate", "pod", name, "controller.kubernetes.io/pod-deletion-cost=1000")
    undone = quarantine(kubectl, tmp_path, pod=name, state="absent", environment=environment)
    assert undone.status == 0, undone.printed
    owner = before["metadata"]["ownerReferences"][0]
    assert f"has its labels back; ReplicaSet {owner['name']} may take it in again" in undone.printed
    assert "; 1 policies deleted" in undone.printed
    metadata = kubectl.pod(name)["metadata"]
    assert metadata["labels"] == before["metadata"]["labels"]
    assert RECORD not in metadata["annotations"]
    left = [policy["metadata"]["name"] for policy in kubectl.json("get", "networkpolicies")["items"]]
    assert policy["metadata"]["name"] not in left
    until(lambda: endpoints(kubectl, "api") == {name})
    assert kubectl.pod(name)["metadata"]["ownerReferences"][0]["uid"] == owner["uid"]


BOTH = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: incident.distroless.quarantine
      vars:
        quarantine_pod: "{{ item }}"
      loop: "{{ pods }}"
"""


def test_what_it_does_to_others_is_said_before_and_two_pods_of_one_play_are_counted_together(
    make_namespace: Callable[..., Kubectl], tmp_path: Path
) -> None:
    kubectl = make_namespace()
    api = {"matchLabels": {"app": "api"}}
    spec = {"minAvailable": 2, "selector": api}
    kubectl.apply({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "api"}, "spec": spec})
    kubectl.run("create", "quota", "team", "--hard=pods=2")
    workload(kubectl, "Deployment", "api", replicas=1)
    kubectl.run("expose", "deployment/api", "--port=80")
    kubectl.run("scale", "deployment/api", "--replicas=2")
    kubectl.run("rollout", "status", "deployment/api", f"--timeout={PATIENCE}s")
    for thing, path in (("quota/team", "used.pods"), ("pdb/api", "currentHealthy")):
        kubectl.run("wait", thing, f"--for=jsonpath={{.status.{path}}}=2", f"--timeout={PATIENCE}s")
    until(lambda: len(endpoints(kubectl, "api")) == 2)
    first, second = pods = sorted(endpoints(kubectl, "api"))
    book = tmp_path / "both.yml"
    book.write_text(BOTH, encoding="utf-8")
    given = {"quarantine_namespace": kubectl.namespace, "quarantine_dest": str(tmp_path / "cases"), "pods": pods}
    _words, environment = command_line("quarantine", tmp_path, {})
    done = subprocess.run(
        ["ansible-playbook", str(book), "--check", "--extra-vars", json.dumps(given)],
        capture_output=True,
        text=True,
        env=environment,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    for words in (
        f"Would take {kubectl.namespace}/{first} out of api and isolate it by",
        f"pass: Without the pod Service api has 1 ready endpoint: {second}.",
        "is to make another pod in its place.",
        "warn: ResourceQuota team leaves no room for another pod like it: pods 2 of 2 used.",
        "warn: PodDisruptionBudget api allows no disruption now: 2 healthy, 2 needed.",
        # the second one
        f"{ALONE} Set quarantine_allow_no_endpoints to do it all the same.",
    ):
        assert words in done.stdout, done.stdout
    assert f"Would take {kubectl.namespace}/{second}" not in done.stdout
    for pod in pods:
        assert kubectl.pod(pod)["metadata"]["labels"]["app"] == "api"
    assert not (tmp_path / "cases").exists()


@pytest.mark.bulk
def test_a_pod_that_reached_nobody_before_is_not_isolated_where_it_reaches_somebody_now(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    kubectl.apply(pod_manifest("alone", APP))
    node = kubectl.wait_until_running("alone")["status"]["hostIP"]
    with open_port(node) as port:
        peer = f"{node}:{port}"
    # nobody listens there any more
    case = quarantine(kubectl, tmp_path, pod="alone", probes=[peer])
    assert case.status == 0, case.printed
    assert log_of(case)[0]["reached"] == []
    assert "the pod reached nothing before" in case.finding("enforced", verdict="unknown")["message"]
    # what a later run names is tried then
    with open_port(node) as port:
        peer = f"{node}:{port}"
        again = quarantine(kubectl, tmp_path, pod="alone", probes=[peer])
    assert again.status == 0, again.printed
    assert "changed=0" in again.printed
    assert f"{kubectl.namespace}/alone: not_isolated" in again.printed
    assert again.finding("enforced", verdict="fail")["message"].startswith(f"The pod reaches {peer}")
    assert {row["peer"]: (row["before"], row["after"]) for row in table(again, "reached")}[peer] == (None, True)


def test_two_plays_can_continue_one_case_at_the_same_moment(kubectl: Kubectl, tmp_path: Path) -> None:
    names = [workload(kubectl, "Deployment", name) for name in ("left", "right")]
    with ThreadPoolExecutor(2) as plays:
        cases = list(plays.map(lambda name: quarantine(kubectl, tmp_path, pod=name, look_inside=False), names))
    assert [case.status for case in cases] == [0, 0], cases[0].printed + cases[1].printed
    rows = log_of(cases[0])
    for name in names:
        own = [row for row in rows if row["pod"] == name]
        assert [row["action"] for row in own] == ["begin", "policy", "labels", "judged"]
        assert own[2]["after"] == kubectl.pod(name)["metadata"]["labels"]
    assert len(rows) == 8
    assert cases[0].targets == sorted(names)


@pytest.mark.bulk
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


@pytest.mark.bulk
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


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"pod": "x", "probes": ["$(id):80"]}, "quarantine_probes"),
        ({"pod": "x", "probes": ["db:80"] * 6}, "quarantine_probes"),
        ({"pod": ""}, "quarantine_pod"),
    ],
)
def test_what_is_no_pod_or_no_probe_is_refused(
    kubectl: Kubectl, tmp_path: Path, given: dict[str, Any], option: str
) -> None:
    case = quarantine(kubectl, tmp_path, **given)
    assert case.status == 2
    assert option in case.printed
    assert "InvalidRequest" in case.printed


POLICY = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}


@pytest.fixture
def shop(make_namespace: Callable[..., Kubectl]) -> Iterator[Kubectl]:
    """A namespace with a peer, and a network that enforces policies."""
    kubectl = make_namespace()
    kubectl.apply(server("peer"))
    kubectl.wait_until_running("peer")
    with enforcing():
        yield kubectl
    assert kubectl.namespace not in firewall()


def test_where_policies_are_enforced_the_pod_is_isolated_while_its_sibling_works_and_undo_gives_its_traffic_back(
    shop: Kubectl, tmp_path: Path
) -> None:
    template = {"metadata": {"labels": {"app": "api"}}, "spec": server("api")["spec"]}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "api"}}, "template": template}
    shop.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"}, "spec": spec})
    shop.run("expose", "deployment/api", f"--port={PORT}")
    shop.run("rollout", "status", "deployment/api", f"--timeout={PATIENCE}s")
    name, sibling = (pod["metadata"]["name"] for pod in shop.json("get", "pods", "-l", "app=api")["items"])
    until(lambda: endpoints(shop, "api") == {name, sibling})
    for pod in (name, sibling):
        assert answers(shop, "peer", pod)
        assert answers(shop, pod, "peer")
    peer, node = f"{address(shop, 'peer')}:{PORT}", shop.pod(name)["status"]["hostIP"]

    with open_port(node) as port:
        own_node = f"{node}:{port}"
        case = quarantine(shop, tmp_path, pod=name, probes=[peer, own_node], fail_on="fail")
    assert case.status == 0, case.printed
    assert f"{shop.namespace}/{name}: isolated" in case.printed
    assert "Of the NetworkPolicies of this namespace none lets anything through." in case.printed
    seen = case.finding("enforced", verdict="pass")
    assert seen["message"] == f"The pod no longer reaches {peer}, {own_node}."
    case.assert_evidence(seen)
    assert "It was removed from Service api." in case.printed
    assert not answers(shop, "peer", name)
    assert not answers(shop, name, "peer")
    assert not answers(shop, sibling, name)
    assert answers(shop, "peer", sibling)
    assert answers(shop, sibling, "peer")
    assert name not in endpoints(shop, "api")
    # the node is let in, for the kubelet's probes
    with urllib.request.urlopen(f"http://{address(shop, name)}:{PORT}/", timeout=10) as answer:
        assert answer.read().decode().strip() == name
    # a second time knows it still
    again = quarantine(shop, tmp_path, pod=name)
    assert again.status == 0, again.printed
    assert f"{shop.namespace}/{name}: isolated" in again.printed
    assert "changed=0" in again.printed

    # its controller takes it in again, and deletes the pod that costs less
    shop.run("annotate", "pod", name, "controller.kubernetes.io/pod-deletion-cost=1000")
    undone = quarantine(shop, tmp_path, pod=name, state="absent")
    assert undone.status == 0, undone.printed
    until(lambda: answers(shop, "peer", name) and answers(shop, name, "peer"))
    until(lambda: name in endpoints(shop, "api"))


@pytest.mark.bulk
def test_where_policies_are_enforced_what_another_one_lets_through_gets_through_and_nothing_else(
    shop: Kubectl, tmp_path: Path
) -> None:
    for manifest in (server("suspect"), server("workbench", role="forensics")):
        shop.apply(manifest)
    for name in ("suspect", "workbench"):
        shop.wait_until_running(name)
    selected = {"matchExpressions": [{"key": LABEL, "operator": "Exists"}]}
    workbench = [{"podSelector": {"matchLabels": {"role": "forensics"}}}]
    ports = [{"port": PORT}]
    rules = {"ingress": [{"from": workbench, "ports": ports}], "egress": [{"to": workbench, "ports": ports}]}
    shop.apply({**POLICY, "metadata": {"name": "allow-forensics"}, "spec": {"podSelector": selected, **rules}})
    friend, stranger = (f"{address(shop, pod)}:{PORT}" for pod in ("workbench", "peer"))
    given = {"pod": "suspect", "probes": [friend, stranger], "fail_on": "fail"}
    echoed = talk(shop, "peer", "suspect")
    until(lambda: echoed() > 0)

    case = quarantine(shop, tmp_path, **given)
    assert case.status == 2, case.printed
    assert f"{shop.namespace}/suspect: not_isolated" in case.printed
    allowed = "NetworkPolicy allow-forensics still lets {} through: {} some pods (TCP 8080)."
    assert allowed.format("ingress", "from") in case.printed
    assert allowed.format("egress", "to") in case.printed
    assert (
        f"The pod still reaches {friend}, and no longer {stranger}: the cluster's network plugin enforces policies"
        in (case.printed)
    )
    assert answers(shop, "workbench", "suspect")
    assert answers(shop, "suspect", "workbench")
    assert not answers(shop, "peer", "suspect")
    assert not answers(shop, "suspect", "peer")
    # a connection of before is not cut, and named
    assert " connections are open, which many plugins do not cut: " in case.printed
    assert f"{address(shop, 'peer')} port " in case.printed
    heard = echoed()
    until(lambda: echoed() > heard)

    # as soon as that is gone, the verdict is another one
    shop.run("delete", "networkpolicy", "allow-forensics")
    case = quarantine(shop, tmp_path, **given)
    assert case.status == 0, case.printed
    assert f"{shop.namespace}/suspect: isolated" in case.printed
    assert f"The pod no longer reaches {friend}, {stranger}." in case.printed
    assert not answers(shop, "workbench", "suspect")
    assert not answers(shop, "suspect", "workbench")


def test_what_enforcing_leaves_behind_when_all_of_it_is_killed_is_removed_by_the_next_start(
    make_namespace: Callable[..., Kubectl],
) -> None:
    kubectl = make_namespace()
    for name in ("peer", "closed"):
        kubectl.apply(server(name))
        kubectl.wait_until_running(name)
    closed = {"podSelector": {"matchLabels": {"app": "closed"}}}
    kubectl.apply({**POLICY, "metadata": {"name": "closed"}, "spec": closed})
    assert answers(kubectl, "peer", "closed")
    with begin() as launcher:
        until(lambda: not answers(kubectl, "peer", "closed"))
        controller = json.loads((Path(facts()["LOGS"]).parent / "pids" / "policies.json").read_text(encoding="utf-8"))
        launcher.kill()
    # it ends with those who wanted it
    until(lambda: not Path(f"/proc/{controller['pid']}").exists())
    assert kubectl.namespace in firewall()
    done = subprocess.run([sys.executable, str(LAUNCHER), "up"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert kubectl.namespace not in firewall()
    assert answers(kubectl, "peer", "closed")
