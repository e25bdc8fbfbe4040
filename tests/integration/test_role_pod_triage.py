# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a pod, whatever it is: one look, one case, one headline. Pods share the plays."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.support.schemas import differences, schema

from .cases import Case, run_until_logs_are_told
from .conftest import Credentials, Kubectl, pod_manifest
from .oncall import rules_of, variables_of
from .patience import PATIENCE

APP = "incident.test/app:nonroot"
SECRET = "a-value-that-no-case-may-hold"
MISSING = "/etc/shop/config.yaml"


def web(**container: Any) -> dict[str, Any]:
    """A Deployment that keeps its old pods: a new one counts only after minutes, and one that crashes is ready for moments."""
    app = {"name": "app", "image": APP, "imagePullPolicy": "Never", **container}
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 1,
            "minReadySeconds": 500,
            "strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [app]},
            },
        },
    }


def wait_for(kubectl: Kubectl, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The pod of the namespace that is so, when there is one."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        pods = kubectl.json("get", "pods")["items"]
        if found := next(filter(is_so, pods), None):
            return dict(found)
        time.sleep(0.5)
    pytest.fail(f"no pod came to that: {kubectl.text('get', 'pods')}")


def statuses(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return pod.get("status", {}).get("containerStatuses") or []


def has_crashed(pod: dict[str, Any]) -> bool:
    rows = statuses(pod)
    return pod["metadata"]["name"].startswith("web-") and any(row["lastState"].get("terminated") for row in rows)


@dataclass(frozen=True, slots=True)
class World:
    """Pods in trouble of each kind, by what they are: web is well, and crashing is a newer revision of it; no node takes waiting; twins are of one workload,
    and each has written a file of its own name into /etc."""

    open: Kubectl
    closed: Kubectl
    web: str
    crashing: str
    twins: tuple[str, str]

    @property
    def targets(self) -> list[dict[str, str]]:
        names = (self.web, self.crashing, "full", "done", "waiting", *self.twins)
        return [
            *({"namespace": self.open.namespace, "pod": name} for name in names),
            {"namespace": self.closed.namespace, "pod": "closed"},
        ]


def twins(kubectl: Kubectl) -> tuple[str, str]:
    app = {
        "name": "app",
        "image": "incident.test/app:root",
        "imagePullPolicy": "Never",
        "env": [{"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "args": ["--blob", "/etc/$(NAME)", "--blob-size", "5"],
    }
    template = {"metadata": {"labels": {"app": "twin"}}, "spec": {"containers": [app]}}
    template["spec"] |= {"terminationGracePeriodSeconds": 1}
    kubectl.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": "twin"},
            "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "twin"}}, "template": template},
        }
    )
    kubectl.run("wait", "rs/twin", "--for=jsonpath={.status.readyReplicas}=2", f"--timeout={PATIENCE}s")
    one, other = (pod["metadata"]["name"] for pod in kubectl.json("get", "pods", "-l", "app=twin")["items"])
    deadline = time.monotonic() + PATIENCE
    # a container counts as ready before its app has done anything
    for name in (one, other):
        while kubectl.run("exec", name, "--", "/app", "sha256", f"/etc/{name}", check=False).returncode != 0:
            assert time.monotonic() < deadline, kubectl.text("logs", name)
            time.sleep(0.5)
    return one, other


@pytest.fixture(scope="module")
def world(kubectl: Kubectl, make_namespace: Callable[..., Kubectl]) -> World:
    closed = make_namespace()
    closed.apply(pod_manifest("closed", "incident.test/app:root"))
    filling = {"args": ["--blob", "/cache/blob", "--blob-size", str(8 << 20)]}
    mounted = {"volumeMounts": [{"name": "cache", "mountPath": "/cache"}]}
    memory = {"name": "cache", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}
    kubectl.apply(pod_manifest("full", APP, container={**filling, **mounted}, volumes=[memory]))
    kubectl.apply(
        pod_manifest("done", APP, container={"command": ["/app", "sha256", "/etc/hosts"]}, restartPolicy="Never")
    )
    # no node has such a label
    kubectl.apply(pod_manifest("waiting", APP, nodeSelector={"incident.test/of-no-node": "yes"}))
    kubectl.apply(web(env=[{"name": "SHOP", "value": SECRET}]))
    well = wait_for(
        kubectl, lambda pod: any(row["ready"] for row in statuses(pod)) and "web-" in pod["metadata"]["name"]
    )
    variables = [{"name": "SHOP", "value": SECRET}, {"name": "SHOP_CONFIG", "value": MISSING}]
    kubectl.apply(web(env=variables, command=["/app", "sha256", MISSING]))
    crashing = wait_for(kubectl, has_crashed)
    kubectl.wait_until_running("full")
    kubectl.run("wait", "pod/done", "--for=jsonpath={.status.phase}=Succeeded", f"--timeout={PATIENCE}s")
    kubectl.run("wait", "pod/waiting", "--for=condition=PodScheduled=false", f"--timeout={PATIENCE}s")
    closed.wait_until_running("closed")
    # a namespace that was closed after its pod was let in
    closed.run("label", "namespace", closed.namespace, "pod-security.kubernetes.io/enforce=restricted")
    return World(kubectl, closed, well["metadata"]["name"], crashing["metadata"]["name"], twins(kubectl))


def verdicts(case: Case, pod: str) -> dict[str, set[str]]:
    """What is not a pass of a pod: verdict -> analyzers."""
    rows = [entry for entry in case.of(pod).findings() if entry["verdict"] != "pass"]
    return {verdict: {row["analyzer"] for row in rows if row["verdict"] == verdict} for verdict in ("fail", "unknown")}


def test_pods_in_trouble_of_each_kind_are_one_case_with_one_look(world: World, tmp_path: Path) -> None:
    kubectl = world.open
    given = {"targets": world.targets, "fetch": ["/etc/hosts", "/nope"], "growth_seconds": 1, "timeout": 1}
    case = run_until_logs_are_told("pod_triage", tmp_path, given)
    assert case.status == 0, case.printed
    document = case.document
    order = [entry["verdict"] for entry in document["findings"]]
    assert order == sorted(order, key=("fail", "warn", "unknown", "pass").index)
    assert document["verdict"] == "fail"

    # the one cause of each, and what was out of sight
    assert verdicts(case, "full") == {"fail": {"volume_full"}, "unknown": {"not_fetched"}}, case.said()
    # at that moment it can be starting again, and is then left by what was begun in it
    assert verdicts(case, world.crashing)["fail"] == {"missing_file"}, case.said()
    assert verdicts(case, world.crashing)["unknown"], case.said()
    assert verdicts(case, "done") == {"fail": set(), "unknown": {"reached"}}, case.said()
    assert verdicts(case, "closed") == {"fail": set(), "unknown": {"reached"}}, case.said()
    assert verdicts(case, "waiting") == {"fail": {"not_scheduled"}, "unknown": {"reached"}}, case.said()
    assert verdicts(case, world.web)["fail"] == set(), case.said()
    (unseen,) = case.of("closed").findings(verdict="unknown")
    assert "PodSecurityDenied" in unseen["message"]
    assert "and were not made: " in unseen["message"]
    assert MISSING in case.of(world.crashing).finding("missing_file")["message"]

    # two of one workload that are both looked into are compared by their files too
    one, other = world.twins
    differs = case.of(one).finding("differs")["message"]
    assert f"{other} of the same workload" in differs
    assert f"/etc/{one} 5 bytes, sha256 {kubectl.hashes(one, f'/etc/{one}')[f'/etc/{one}'][:12]} and none" in differs
    assert f"/etc/{other} none and 5 bytes" in differs
    assert "files of /etc are in both, 2 of /etc differ" in differs
    assert "files of /etc were not compared: here " in case.of(world.crashing).finding("differs")["message"]

    # one debugger of each that takes one, and before it one that learned who the app runs as, where the API does not tell
    counted = {name: len(kubectl.debuggers(name)) for name in ("full", world.web, "done", "waiting")}
    wanted = {name: 1 if "user" in statuses(kubectl.pod(name))[0] else 2 for name in ("full", world.web)}
    assert counted == {**wanted, "done": 0, "waiting": 0}
    assert world.closed.debuggers("closed") == []

    # the files that were asked for, in the same case
    brought = case.folder / "fetched_files" / kubectl.namespace / "full" / "app" / "etc" / "hosts"
    (fetched,) = case.of("full").findings("fetched")
    assert "/etc/hosts" in fetched["message"]
    case.assert_evidence(fetched)
    rows = json.loads((brought.parents[2] / "app.manifest.json").read_text(encoding="utf-8"))["files"]
    truth = kubectl.hashes("full", "/etc/hosts")
    assert {row["src"]: row["sha256"] for row in rows if row["status"] == "fetched"} == truth
    assert brought.is_file()

    # what is written for programs
    assert list(differences(document, schema("findings"))) == []
    opened = json.loads((case.folder / "case.json").read_bytes())
    assert list(differences(opened, schema("case"))) == []


def test_a_pod_that_ends_when_it_is_looked_into_is_told_by_its_end(kubectl: Kubectl, tmp_path: Path) -> None:
    """The API was asked before, and told of a pod that runs well."""
    # a debugger's first process has no parent that the app can see, as the app's own
    alone = "grep -l '^PPid:.0$' /proc/[0-9]*/status 2>/dev/null | wc -l"
    script = f"until [ $({alone}) -gt 1 ]; do sleep 0.1; done; echo 'FATAL: the ledger is lost'; exit 7"
    kubectl.apply(pod_manifest("startled", "busybox:1.37", container={"command": ["sh", "-c", script]}))
    kubectl.wait_until_running("startled")
    given = {"pod": "startled", "namespace": kubectl.namespace, "growth_seconds": 1}
    case = run_until_logs_are_told("pod_triage", tmp_path, given)
    assert case.status == 0, case.printed
    first = case.findings()[0]
    assert (first["verdict"], first["analyzer"]) == ("fail", "exit"), case.said()
    assert "ended with 7" in first["message"]
    assert "the ledger is lost" in first["message"]
    assert case.findings(verdict="pass") == [], case.said()


def test_with_the_least_role_a_crash_is_compared_with_the_revision_that_is_well(
    world: World, credentials: Credentials, tmp_path: Path
) -> None:
    oncall = variables_of(credentials, rules_of("role.yml", "triage-role.yml"))
    given = {"namespace": world.open.namespace, "pod": world.crashing, "fail_on": "fail"}
    case = run_until_logs_are_told("pod_triage", tmp_path, given, environment=oncall)
    # what it asked for is written before it fails
    assert case.status == 2, case.printed
    assert case.findings()[0]["analyzer"] == "missing_file", case.said()
    said = case.finding("differs")["message"]
    assert world.web in said
    assert "environment names SHOP, SHOP_CONFIG and SHOP" in said
    written = b"".join(path.read_bytes() for path in case.folder.rglob("*") if path.is_file())
    assert SECRET.encode() not in written
    assert SECRET not in case.printed
