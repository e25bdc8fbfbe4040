# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Why a pod restarts: the fault is really there, and the verdict is the right one."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from .cases import Case, run_until_logs_are_told
from .conftest import Credentials, Kubectl, Pod, pod_manifest
from .oncall import rules_of, variables_of
from .patience import PATIENCE

APP = "incident.test/app:nonroot"
SCRIPTS = {"lost": "#!/bin/nope\n", "odd": "this is no program\n"}


def apply(
    kubectl: Kubectl, name: str, *arguments: str, volumes: Any = (), policy: str = "Always", **container: Any
) -> None:
    given = {"args": list(arguments), "volumeMounts": [{"name": "volume", "mountPath": "/volume"}] if volumes else []}
    kubectl.apply(
        pod_manifest(
            name,
            APP,
            container={**given, **container},
            volumes=[{"name": "volume", **volumes}] if volumes else [],
            restartPolicy=policy,
        )
    )


def wait_until(
    kubectl: Kubectl, pod: str, is_so: Callable[[dict[str, Any]], bool], of: str = "containerStatuses"
) -> Pod:
    """Waits until the status of one of the pod's containers, or of another kind of them, is so."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = kubectl.pod(pod)
        if any(map(is_so, found.get("status", {}).get(of) or [])):
            return found
        time.sleep(0.5)
    pytest.fail(f"{pod} did not come to that: {kubectl.pod(pod)['status']}")


def is_ready(status: dict[str, Any]) -> bool:
    return bool(status["ready"])


def has_ended(status: dict[str, Any]) -> bool:
    return "terminated" in status["state"] or "terminated" in status["lastState"]


def has_restarted(status: dict[str, Any]) -> bool:
    return int(status["restartCount"]) > 0


def is_backing_off(status: dict[str, Any]) -> bool:
    """Whether it has just ended, and starts again only after 40 s or more: until then the log of its last run stays where it is.

    The kubelet may say so in either form: the end itself, or that it waits.
    """
    ended = status["state"].get("terminated") or (
        "waiting" in status["state"] and status["lastState"].get("terminated")
    )
    return bool(
        ended
        and int(status["restartCount"]) > 1
        and datetime.now(UTC) - datetime.fromisoformat(ended["finishedAt"]) < timedelta(seconds=10)
    )


def waits_for(reason: str) -> Callable[[dict[str, Any]], bool]:
    return says(reason, "")


def says(reason: str, words: str) -> Callable[[dict[str, Any]], bool]:
    def seen(status: dict[str, Any]) -> bool:
        waiting = status["state"].get("waiting") or {}
        return waiting.get("reason") == reason and words in waiting.get("message", "")

    return seen


def triage(kubectl: Kubectl, folder: Path, *words: str, environment: Any = None, **variables: Any) -> Case:
    given = {"namespace": kubectl.namespace, **variables}
    return run_until_logs_are_told("crashloop_triage", folder, given, *words, environment=environment)


def assert_found(case: Case, *analyzers: str) -> None:
    """Exactly these are failures, each with its evidence, and nothing is unknown."""
    assert case.status == 0, case.printed
    assert {entry["analyzer"] for entry in case.findings(verdict="fail")} == set(analyzers), case.said()
    assert case.findings(verdict="unknown") == [], case.said()
    assert case.verdict == "fail"
    for entry in case.findings(verdict="fail"):
        case.assert_evidence(entry)


def wait_for_event(kubectl: Kubectl, pod: str, reason: str) -> None:
    """Waits until the kubelet's event is there: a busy one sends them late, long after what they tell of."""
    deadline = time.monotonic() + PATIENCE
    selected = f"--field-selector=involvedObject.name={pod},reason={reason}"
    while not kubectl.json("get", "events", selected)["items"]:
        assert time.monotonic() < deadline, f"no event {reason} of {pod} came"
        time.sleep(0.5)


class Incidents:
    """Pods in trouble of many kinds, which a play each would look into one after the other: one play looks into all of them."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self._is_so: dict[str, Callable[[dict[str, Any]], bool]] = {}
        self._told: dict[str, str] = {}

    def add(
        self, name: str, is_so: Callable[[dict[str, Any]], bool], *arguments: str, told: str = "", **given: Any
    ) -> None:
        """Applies a pod that is looked into when the status of its container is so, and an event of that reason is there."""
        apply(self._kubectl, name, *arguments, **given)
        self._is_so[name] = is_so
        if told:
            self._told[name] = told

    def looked_into(self, folder: Path) -> Case:
        for name, reason in self._told.items():
            wait_for_event(self._kubectl, name, reason)
        for name, is_so in self._is_so.items():
            wait_until(self._kubectl, name, is_so)
        # a selector would leave the finished one out
        targets = [{"namespace": self._kubectl.namespace, "pod": name, "container": "app"} for name in self._is_so]
        return triage(self._kubectl, folder, targets=targets, max_pods=len(targets))


@pytest.fixture(scope="module")
def incidents(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A case of pods each of which has one trouble, or none; they come to it side by side."""
    pods = Incidents(kubectl)
    kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "scripts"}, "data": SCRIPTS})
    kubectl.run("create", "configmap", "settings", "--from-literal=there=1")
    pods.add("healthy", is_ready)
    pods.add(
        "hungry",
        has_ended,
        *("--blob", "/volume/blob", "--blob-size", str(64 << 20)),
        volumes={"emptyDir": {"medium": "Memory"}},
        resources={"limits": {"memory": "32Mi"}},
    )
    pods.add("wrong", has_ended, command=["/usr/bin/server"])
    read_only = {"readOnlyRootFilesystem": True}
    # ended for good: the log of one that starts again and again is for moments nobody's
    quiet = ("--blob", "", "--log", "/data/app.log")
    pods.add("frozen", has_ended, *quiet, policy="Never", securityContext=read_only)
    probe = {"httpGet": {"port": 9, "path": "/healthz"}, "periodSeconds": 1, "failureThreshold": 2}
    pods.add("deaf", has_restarted, livenessProbe=probe, told="Killing")
    hook = {"postStart": {"exec": {"command": ["/app", "sha256", "/nope"]}}}
    pods.add("hooked", has_restarted, lifecycle=hook, told="FailedPostStartHook")
    root = {"image": "busybox:1.37", "securityContext": {"runAsNonRoot": True}}
    pods.add("rootless", waits_for("CreateContainerConfigError"), **root)
    reference = {"configMapKeyRef": {"name": "settings", "key": "nope"}}
    # on a busy node the first of the kubelet's answers can be that its own cache is not filled yet
    no_key = says("CreateContainerConfigError", "couldn't find key nope")
    pods.add("keyless", no_key, env=[{"name": "KEY", "valueFrom": reference}])
    for script in SCRIPTS:
        volumes = {"configMap": {"name": "scripts", "defaultMode": 0o755}}
        pods.add(script, has_ended, policy="Never", command=[f"/volume/{script}"], volumes=volumes)
    # the last one that is waited for
    pods.add("missing", is_backing_off, command=["/app", "sha256", "/etc/shop/config.yaml"])
    return pods.looked_into(tmp_path_factory.mktemp("incidents"))


def test_a_healthy_pod_passes_and_nothing_is_injected(kubectl: Kubectl, incidents: Case) -> None:
    case = incidents.of("healthy")
    assert case.status == 0, case.printed
    assert case.verdict == "pass", case.said()
    assert "0 restarts" in case.finding("no_trouble")["message"]
    assert kubectl.debuggers("healthy") == []


def test_a_missing_file_is_named(incidents: Case) -> None:
    case = incidents.of("missing")
    assert_found(case, "missing_file")
    said = "app: open /etc/shop/config.yaml: no such file or directory"
    message = case.finding("missing_file")["message"]
    assert message.startswith("app ended with 1 after "), message
    assert message.endswith(f"and said: {said}"), message


def test_a_container_that_was_killed_for_its_memory_is_named_with_its_limit(incidents: Case) -> None:
    case = incidents.of("hungry")
    assert case.status == 0, case.printed
    assert case.verdict == "fail"
    assert case.document["findings"][0]["analyzer"] == "out_of_memory", case.said()
    assert "its limit is 32Mi" in case.finding("out_of_memory")["message"]


def test_a_command_that_the_image_has_not_is_named(incidents: Case) -> None:
    case = incidents.of("wrong")
    assert_found(case, "wrong_command")
    assert 'exec: "/usr/bin/server"' in case.finding("wrong_command")["message"]
    assert "/usr/bin/server" in case.finding("wrong_command")["next"]


def test_a_read_only_path_is_named(incidents: Case) -> None:
    case = incidents.of("frozen")
    assert_found(case, "read_only_path")
    assert "/data/app.log: read-only file system" in case.finding("read_only_path")["message"]


def test_a_failing_probe_is_named_with_its_last_answer(incidents: Case) -> None:
    case = incidents.of("deaf")
    assert_found(case, "failing_probe")
    assert case.finding("failing_probe")["message"].startswith("Liveness probe failed: Get "), case.said()
    assert "connection refused" in case.finding("failing_probe")["message"]


@pytest.mark.bulk
def test_an_app_that_ends_with_0_is_found_though_its_readiness_probe_fails_too(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    probe = {"httpGet": {"port": 9, "path": "/ready"}, "periodSeconds": 1}
    apply(kubectl, "brief", "--exit-after", "2s", "--exit-code", "0", readinessProbe=probe)
    wait_for_event(kubectl, "brief", "Unhealthy")
    # so that no run ends, and takes the log of the one before along, while it is looked at
    wait_until(kubectl, "brief", is_backing_off)
    events = kubectl.text("get", "events", "--field-selector=involvedObject.name=brief,reason=Unhealthy")
    assert "Readiness probe failed" in events
    case = triage(kubectl, tmp_path, pod="brief")
    assert_found(case, "ended_well")
    assert case.finding("ended_well")["message"].startswith("app ended with 0 after "), case.said()


def test_a_hook_that_fails_is_named_and_not_an_app_that_ends_by_itself(incidents: Case) -> None:
    case = incidents.of("hooked")
    assert case.verdict == "fail", case.said()
    assert "PostStartHook" in case.finding("failing_hook")["message"], case.said()
    assert case.findings(analyzer="ended_well") == [], case.said()


def test_an_image_that_would_run_as_root_is_named_where_that_is_not_allowed(incidents: Case) -> None:
    case = incidents.of("rootless")
    assert_found(case, "runs_as_root")
    assert "image will run as root" in case.finding("runs_as_root")["message"], case.said()


def test_an_app_that_waits_for_a_crashing_init_container_names_it(kubectl: Kubectl, tmp_path: Path) -> None:
    first = {
        "name": "first",
        "image": APP,
        "imagePullPolicy": "Never",
        "args": ["--exit-after", "1ms", "--exit-code", "5"],
    }
    kubectl.apply(pod_manifest("behind", APP, initContainers=[first]))
    wait_until(kubectl, "behind", is_backing_off, of="initContainerStatuses")
    case = triage(kubectl, tmp_path, pod="behind", container="app")
    assert_found(case, "waits_for_other")
    assert "it waits for first" in case.finding("waits_for_other")["message"], case.said()
    both = triage(kubectl, tmp_path / "named", pod="behind")
    assert_found(both, "exit", "waits_for_other")
    assert both.document["findings"][0]["analyzer"] == "exit", both.said()


@pytest.fixture
def unknown_runtime(kubectl: Kubectl) -> Iterator[str]:
    """A RuntimeClass whose handler no node has. It belongs to no namespace."""
    name = f"none-{uuid.uuid4().hex[:10]}"
    kubectl.apply(
        {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": "nope"}
    )
    yield name
    kubectl.run("delete", "runtimeclass", name)


def test_a_sandbox_that_no_runtime_makes_is_named_by_the_kubelets_own_words(
    kubectl: Kubectl, tmp_path: Path, unknown_runtime: str
) -> None:
    kubectl.apply(pod_manifest("homeless", APP, runtimeClassName=unknown_runtime))
    wait_for_event(kubectl, "homeless", "FailedCreatePodSandBox")
    case = triage(kubectl, tmp_path, pod="homeless")
    assert_found(case, "no_sandbox")
    assert 'no runtime for "nope" is configured' in case.finding("no_sandbox")["message"], case.said()


def test_a_missing_key_is_named_though_no_container_was_ever_made(incidents: Case) -> None:
    case = incidents.of("keyless")
    assert_found(case, "missing_config")
    assert "couldn't find key nope in ConfigMap" in case.finding("missing_config")["message"]


@pytest.mark.parametrize(
    ("script", "analyzer", "said"),
    [
        ("lost", "missing_interpreter", "exec /volume/lost: no such file or directory"),
        ("odd", "wrong_architecture", "exec /volume/odd: exec format error"),
    ],
)
def test_a_program_that_cannot_be_run_is_named(incidents: Case, script: str, analyzer: str, said: str) -> None:
    case = incidents.of(script)
    assert_found(case, analyzer)
    assert said in case.finding(analyzer)["message"]


def test_a_pod_that_has_finished_with_a_code_tells_it(kubectl: Kubectl, tmp_path: Path) -> None:
    manifest = pod_manifest(
        "done", APP, container={"args": ["--exit-after", "1s", "--exit-code", "3"]}, restartPolicy="Never"
    )
    kubectl.apply(manifest)
    kubectl.run("wait", "pod/done", "--for=jsonpath={.status.phase}=Failed", f"--timeout={PATIENCE}s")
    case = triage(kubectl, tmp_path, pod="done")
    assert_found(case, "exit")
    assert case.finding("exit")["message"].startswith("app ended with 3 after "), case.said()


@pytest.mark.bulk
def test_the_container_that_crashes_is_found_beside_a_healthy_one_by_a_selector(
    kubectl: Kubectl, tmp_path: Path
) -> None:
    manifest = pod_manifest("pair", APP)
    crashing = {
        **manifest["spec"]["containers"][0],
        "name": "proxy",
        "args": ["--exit-after", "1ms", "--exit-code", "7"],
    }
    manifest["spec"]["containers"].append(crashing)
    kubectl.apply(manifest)
    wait_until(kubectl, "pair", is_backing_off)
    case = triage(kubectl, tmp_path, label_selectors=["app=pair"])
    assert_found(case, "exit")
    assert case.finding("exit")["target"] == f"{kubectl.namespace}/pair/proxy"
    assert case.finding("exit")["message"].startswith("proxy ended with 7"), case.said()


def test_what_a_crashed_container_said_is_never_run_as_a_template(kubectl: Kubectl, tmp_path: Path) -> None:
    # a pod of its own: on the lowest ansible-core nothing else has to be waited for
    apply(kubectl, "hostile", policy="Never", command=["/app", "sha256", "/{{ 7 * 191919 }}\x1b[2J<script>"])
    kubectl.run("wait", "pod/hostile", "--for=jsonpath={.status.phase}=Failed", f"--timeout={PATIENCE}s")
    case = triage(kubectl, tmp_path, pod="hostile")
    assert_found(case, "missing_file")
    message = case.finding("missing_file")["message"]
    # a terminal's commands are taken out of what is looked through; the raw log has them
    assert "/{{ 7 * 191919 }}<script>: no such file" in message
    assert "1343433" not in case.printed
    assert "\x1b" not in case.printed
    assert "<script>: no such" not in (case.folder / "report.html").read_text(encoding="utf-8")


def test_a_pod_that_is_not_there_fails_the_play_with_a_reason(kubectl: Kubectl, tmp_path: Path) -> None:
    case = triage(kubectl, tmp_path, pod="nobody")
    assert case.status == 2
    assert "NoTarget" in case.printed
    assert case.verdict == "unknown"


def test_the_role_of_the_documentation_is_enough(kubectl: Kubectl, tmp_path: Path, credentials: Credentials) -> None:
    apply(kubectl, "watched", command=["/app", "sha256", "/etc/shop/config.yaml"])
    wait_until(kubectl, "watched", has_restarted)
    apply(kubectl, "fine")
    kubectl.wait_until_running("fine")
    environment = variables_of(credentials, rules_of("crashloop-role.yml"))
    assert_found(triage(kubectl, tmp_path, pod="watched", environment=environment), "missing_file")
    # of a pod that runs the debugger is refused, and is not needed
    case = triage(kubectl, tmp_path / "fine", pod="fine", environment=environment)
    assert case.status == 0, case.printed
    assert case.verdict == "pass", case.said()


def test_a_workload_without_running_pods_says_why(kubectl: Kubectl, tmp_path: Path) -> None:
    """A Job that failed has pods that tell, and a Deployment that may not make any has the words of who refused."""
    container = pod_manifest("late", APP, container={"args": ["--exit-after", "1ms", "--exit-code", "7"]})["spec"]
    template = {"metadata": {"labels": {"app": "late"}}, "spec": {**container, "restartPolicy": "Never"}}
    kubectl.apply(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "late"},
            "spec": {"backoffLimit": 0, "template": template},
        }
    )
    kubectl.run("wait", "job/late", "--for=condition=Failed", "--timeout=240s")
    case = triage(kubectl, tmp_path / "job", workload="job/late")
    assert_found(case, "exit")
    assert case.finding("exit")["message"].startswith("app ended with 7"), case.said()
    (pod,) = case.targets
    assert kubectl.debuggers(pod) == []
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    kubectl.apply(quota)
    kubectl.run("wait", "quota/none", "--for=jsonpath={.status.hard.pods}=0", "--timeout=240s")
    try:
        kubectl.run("create", "deployment", "refused", f"--image={APP}")
        kubectl.run("wait", "deployment/refused", "--for=condition=ReplicaFailure", "--timeout=240s")
        refused = triage(kubectl, tmp_path / "quota", workload="deployment/refused")
    finally:
        kubectl.run("delete", "quota", "none")
        kubectl.run("delete", "deployment", "refused", "--ignore-not-found")
    (finding,) = refused.findings()
    assert "NoTarget" in finding["message"]
    assert "exceeded quota: none" in finding["message"]
