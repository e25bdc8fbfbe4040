# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Twenty at the same pod, and one task over twenty pods of which some are broken."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._debugger import Attached, ensure
from ansible_collections.incident.distroless.plugins.module_utils._identity import Wish

from .conftest import Kubectl, Play, pod_manifest
from .inside import connected, request, target_of

APP = "incident.test/app:nonroot"
MANY = 20


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
    cluster, target = connected(), target_of(kubectl, "busy")
    done = all_at_once(lambda number: ensure(cluster, target, request(f"mine-{number}"), Wish(), Deadline(120)))
    wanted = {f"mine-{number}" for number in range(MANY)}
    assert {attached.debugger.name for attached in done} == wanted
    assert {entry["name"] for entry in kubectl.debuggers("busy")} == wanted
    assert all(attached.seen.root_readable for attached in done)


def test_the_same_request_twenty_times_shares_one_debugger(kubectl: Kubectl) -> None:
    kubectl.apply(pod_manifest("shared", APP))
    kubectl.wait_until_running("shared")
    cluster, target = connected(), target_of(kubectl, "shared")
    done = all_at_once(lambda _number: ensure(cluster, target, request(), Wish(), Deadline(120)))
    assert len({attached.debugger.name for attached in done}) == 1
    assert len(kubectl.debuggers("shared")) == 1


def test_the_pods_that_work_are_done_and_the_broken_ones_listed(kubectl: Kubectl, play: Play) -> None:
    pods: list[dict[str, Any]] = []
    for number in range(MANY):
        broken = number % 7 == 3
        container = {"args": ["--no-such-flag"] if broken else []}
        manifest = pod_manifest(f"many-{number}", APP, container=container)
        manifest["metadata"]["labels"] = {"app": "many", "broken": str(broken).lower()}
        pods.append(manifest)
    kubectl.apply({"apiVersion": "v1", "kind": "List", "items": pods})
    kubectl.run("wait", "pod", "-l", "app=many,broken=false", "--for=condition=Ready", "--timeout=120s")
    broken_pods = {pod["metadata"]["name"] for pod in pods if pod["metadata"]["labels"]["broken"] == "true"}
    options: dict[str, Any] = {"label_selectors": ["app=many"], "max_pods": MANY, "commands": ["true"]}
    played = play("ephemeral_debug", **options, continue_on_error=True)
    assert not played.result.get("failed"), played["msg"]
    assert {failed["pod"] for failed in played["failed_targets"]} == broken_pods
    assert {failed["reason"] for failed in played["failed_targets"]} == {"TargetNotRunning"}
    assert len(played["targets"]) == MANY - len(broken_pods)
    assert all(target["commands"][0]["rc"] == 0 for target in played["targets"])
    strict = play("ephemeral_debug", **options)
    assert strict["failed"]
    assert len(strict["targets"]) == MANY - len(broken_pods)
    assert all(target["reused"] for target in strict["targets"])
