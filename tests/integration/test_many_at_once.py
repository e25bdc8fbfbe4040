# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Twenty at the same pod, and one task over twenty or fifty pods of which some are broken."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import Attached, ensure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import IdentityRequest

from .conftest import Kubectl, Play, pod_manifest
from .inside import connected, request, target_of
from .patience import PATIENCE

APP = "incident.test/app:nonroot"
MANY, FIFTY = 20, 50


def all_at_once(work: Callable[[int], Attached]) -> list[Attached]:
    """What came of the same work in many threads that start together. A failure of one fails the test."""
    together = threading.Barrier(MANY)
    done: dict[int, Attached | BaseException] = {}

    def one(number: int) -> None:
        try:
            together.wait()
            done[number] = work(number)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            done[number] = error

    threads = [threading.Thread(target=one, args=(number,)) for number in range(MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed = [outcome for outcome in done.values() if isinstance(outcome, BaseException)]
    assert not failed
    attached = [outcome for outcome in done.values() if isinstance(outcome, Attached)]
    for entry in attached:
        if entry.session is not None:
            entry.session.close()
    return attached


def test_of_twenty_different_requests_at_the_same_pod_none_loses_its_debugger(kubectl: Kubectl) -> None:
    kubectl.apply(pod_manifest("busy", APP))
    kubectl.wait_until_running("busy")
    cluster, target = connected(120), target_of(kubectl, "busy")
    done = all_at_once(lambda number: ensure(cluster, target, request(f"mine-{number}"), IdentityRequest()))
    wanted = {f"mine-{number}" for number in range(MANY)}
    assert {attached.debugger.name for attached in done} == wanted
    assert {entry["name"] for entry in kubectl.debuggers("busy")} == wanted
    assert all(attached.seen.root_readable for attached in done)


def test_the_same_request_twenty_times_shares_one_debugger(kubectl: Kubectl) -> None:
    kubectl.apply(pod_manifest("shared", APP))
    kubectl.wait_until_running("shared")
    cluster, target = connected(120), target_of(kubectl, "shared")
    done = all_at_once(lambda _number: ensure(cluster, target, request(), IdentityRequest()))
    assert len({attached.debugger.name for attached in done}) == 1
    assert len(kubectl.debuggers("shared")) == 1


def test_the_pods_that_work_are_done_and_the_broken_ones_listed(kubectl: Kubectl, call: Play) -> None:
    pods: list[dict[str, Any]] = []
    for number in range(MANY):
        broken = number % 7 == 3
        container = {"args": ["--no-such-flag"] if broken else []}
        manifest = pod_manifest(f"many-{number}", APP, container=container)
        manifest["metadata"]["labels"] = {"app": "many", "broken": str(broken).lower()}
        pods.append(manifest)
    kubectl.apply({"apiVersion": "v1", "kind": "List", "items": pods})
    kubectl.run("wait", "pod", "-l", "app=many,broken=false", "--for=condition=Ready", f"--timeout={PATIENCE}s")
    broken_pods = {pod["metadata"]["name"] for pod in pods if pod["metadata"]["labels"]["broken"] == "true"}
    options: dict[str, Any] = {"label_selectors": ["app=many"], "max_pods": MANY, "commands": ["true"]}
    played = call("ephemeral_debug", **options, continue_on_error=True)
    assert not played.result.get("failed"), played["msg"]
    assert {failed["pod"] for failed in played["failed_targets"]} == broken_pods
    # one that crashes again and again can run for the moment in which it is selected
    assert {failed["reason"] for failed in played["failed_targets"]} <= {"TargetNotRunning", "TargetRestarted"}
    assert len(played["targets"]) == MANY - len(broken_pods)
    assert all(target["commands"][0]["rc"] == 0 for target in played["targets"])
    strict = call("ephemeral_debug", **options)
    assert strict["failed"]
    assert len(strict["targets"]) == MANY - len(broken_pods)
    assert all(target["reused"] for target in strict["targets"])


@pytest.mark.bulk
def test_fifty_pods_of_a_deployment_in_one_task(
    make_namespace: Callable[..., Kubectl], call: Play, measured: Callable[[str], None]
) -> None:
    kubectl = make_namespace()
    # a pod of a deployment knows itself only by the end of its name: about one in five is broken
    program = "case $HOSTNAME in *[bcdfgh]) exit 1 ;; esac; exec sleep 3600"
    container = {"image": "busybox:1.37", "command": ["sh", "-c", program]}
    template = pod_manifest("fifty", "busybox:1.37", container=container, terminationGracePeriodSeconds=0)
    labels = {"app": "fifty"}
    kubectl.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "fifty"},
            "spec": {
                "replicas": FIFTY,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": template["spec"]},
            },
        }
    )
    until = time.monotonic() + PATIENCE
    while not has_settled(pods := kubectl.json("get", "pods")["items"]):
        assert time.monotonic() < until, [pod["status"] for pod in pods]
        time.sleep(1)
    broken = {name for pod in pods if (name := pod["metadata"]["name"])[-1] in "bcdfgh"}
    began = time.monotonic()
    played = call(
        "ephemeral_debug",
        namespace=kubectl.namespace,
        workload="deployment/fifty",
        max_pods=FIFTY,
        concurrency=8,
        continue_on_error=True,
        # more than a result may hold: 50 times 20 kB, as text and as lines
        commands=["yes '0123456789 abcdef' | head -c 20000"],
        wait_timeout=240,
    )
    took = time.monotonic() - began
    assert not played.result.get("failed"), played["msg"]
    assert broken
    assert {failed["pod"] for failed in played["failed_targets"]} == broken
    # one that crashes again and again can run for the moment in which it is selected
    assert {failed["reason"] for failed in played["failed_targets"]} <= {"TargetNotRunning", "TargetRestarted"}
    assert {target["pod"] for target in played["targets"]} == {pod["metadata"]["name"] for pod in pods} - broken
    assert all(target["root_readable"] and target["commands"][0]["rc"] == 0 for target in played["targets"])
    size = len(json.dumps(played.result))
    measured(f"{FIFTY} pods in one task, {len(broken)} of them broken: {took:.1f} s, a result of {size} bytes")
    assert size < 500_000
    assert any("below 500 kB" in warning for warning in played["warnings"])


def has_settled(pods: list[dict[str, Any]]) -> bool:
    """Whether each of the fifty runs, or has ended at least once."""
    statuses = [status for pod in pods for status in pod["status"].get("containerStatuses") or ()]
    return len(statuses) == FIFTY and all(status["restartCount"] or status["ready"] for status in statuses)
