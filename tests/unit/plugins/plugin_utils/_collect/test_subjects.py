# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._collect.facts import label
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.subjects import (
    changed_pods,
    known_pods,
    subjects,
)
from ansible_collections.incident.distroless.tests.unit.support import pods

NOW = "2026-11-24T11:00:00Z"
CRASHED = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}}
RUNS = {"state": {"running": {"startedAt": "2026-11-24T10:59:00Z"}}, "imageID": "sha256:4f2b", "restartCount": 0}
FINE = {**RUNS, "ready": True}
UNREADY = {**RUNS, "ready": False}


def pod(name: str = "api-0", annotations: Any = None, **containers: dict[str, Any]) -> dict[str, Any]:
    return pods.pod(
        name,
        containers=[{"name": container} for container in containers],
        rows=containers,
        metadata={"uid": "u1", "annotations": annotations or {}},
    )


def failed(reason: str = "TargetNotRunning", pod: str | None = "api-0") -> dict[str, Any]:
    return {"namespace": "shop", "pod": pod, "container": None, "reason": reason, "message": "m", "hint": "h"}


def answer(*objects: dict[str, Any]) -> dict[str, Any]:
    return {"api": "pod", "namespace": "shop", "name": None, "objects": list(objects), "error": None}


def labels(found: dict[str, Any], *objects: dict[str, Any], container: str = "") -> list[str]:
    answers = [answer(*objects), {"api": "events", "objects": [{"metadata": {"name": "api-0"}}]}]
    return [label(target) for target in subjects(found, answers, container, NOW)["targets"]]


def test_pods_that_take_no_debugger_are_known_as_well_as_those_that_do() -> None:
    found = {"targets": [{"namespace": "shop", "pod": "api-1", "node": "node-1"}], "failed_targets": [failed()]}
    assert [(row["pod"], row["node"]) for row in known_pods(found)] == [("api-1", "node-1"), ("api-0", None)]


def test_a_pod_that_is_not_there_or_has_no_name_is_not_known() -> None:
    assert known_pods({"failed_targets": [failed("NoTarget"), failed("ApiUnreachable", pod=None)]}) == []


def test_the_default_container_is_a_subject_beside_the_one_that_crashes() -> None:
    found = {"failed_targets": [failed()]}
    assert labels(found, pod(app=FINE, proxy=CRASHED, other=FINE)) == ["shop/api-0/app", "shop/api-0/proxy"]


def test_a_container_that_runs_and_is_not_ready_is_a_subject() -> None:
    found = {"failed_targets": [failed()]}
    assert labels(found, pod(app=FINE, proxy=UNREADY, other=FINE)) == ["shop/api-0/app", "shop/api-0/proxy"]


def test_each_container_that_crashes_is_a_subject() -> None:
    found = {"failed_targets": [failed()]}
    assert labels(found, pod(app=CRASHED, proxy=CRASHED)) == ["shop/api-0/app", "shop/api-0/proxy"]


def test_of_a_healthy_pod_the_default_container_is_the_subject() -> None:
    found = {"failed_targets": [failed()]}
    assert labels(found, pod(app=FINE, proxy=FINE)) == ["shop/api-0/app"]
    default = {"kubectl.kubernetes.io/default-container": "proxy"}
    assert labels(found, pod(annotations=default, app=FINE, proxy=FINE)) == ["shop/api-0/proxy"]


def test_the_container_that_is_named_is_the_subject_whatever_the_others_do() -> None:
    assert labels({"failed_targets": [failed()]}, pod(app=FINE, proxy=CRASHED), container="app") == ["shop/api-0/app"]


def test_what_the_api_told_nothing_of_stays_a_failure() -> None:
    found = {"failed_targets": [failed(pod="api-0"), failed(pod="api-1")]}
    came = subjects(found, [answer(pod("api-0", app=CRASHED))], "", NOW)
    assert [row["pod"] for row in came["targets"]] == ["api-0"]
    assert [row["pod"] for row in came["failed_targets"]] == ["api-1"]


def test_a_container_that_the_pod_has_not_stays_a_failure() -> None:
    came = subjects({"failed_targets": [failed("ContainerNotFound")]}, [answer(pod(app=FINE))], "other", NOW)
    assert came["targets"] == []
    assert len(came["failed_targets"]) == 1


def test_a_subject_has_the_keys_of_a_target_and_no_debugger() -> None:
    (target,) = subjects({"failed_targets": [failed()]}, [answer(pod(app=FINE))], "", NOW)["targets"]
    assert (target["pod_uid"], target["node"], target["image_id"]) == ("u1", "node-1", "sha256:4f2b")
    assert target["target_started_at"] == "2026-11-24T10:59:00Z"
    assert (target["debugger"], target["started_at"], target["reused"], target["commands"]) == (None, None, False, [])


def looked_into(container_id: str | None, name: str = "api-0") -> dict[str, Any]:
    return {"namespace": "shop", "pod": name, "container": "app", "container_id": container_id}


def test_a_pod_changed_whose_container_is_another_or_that_could_not_be_looked_into_after_all() -> None:
    told = {"stays": "c1", "again": "c1", "begins": None, "goes": "c1", "never": None}
    asked = [answer(*(pod(name, app={**FINE, "containerID": told[name]}) for name in told))]
    found = {"targets": [looked_into("c1", "stays")], "failed_targets": [failed(pod="begins"), failed(pod="never")]}
    looked = {
        "targets": [looked_into("c1", "stays"), looked_into("c2", "again"), looked_into("c1", "begins")],
        "failed_targets": [failed(pod="never"), failed("TargetRestarted", pod="goes")],
    }
    rows = [{"namespace": "shop", "pod": name} for name in told]
    assert [row["pod"] for row in changed_pods(rows, asked, found, looked)] == ["again", "begins", "goes"]
    assert changed_pods(rows, asked, found, {"skipped": True}) == []


def test_of_a_pod_that_was_asked_for_twice_the_first_answer_counts() -> None:
    found = {"failed_targets": [failed()]}
    (target,) = subjects(found, [answer(pod(app={**FINE, "restartCount": 1})), answer(pod(app=FINE))], "", NOW)[
        "targets"
    ]
    assert target["restart_count"] == 1


def test_what_has_to_come_before_a_subject_is_read_too() -> None:
    """An init container that waits for a service says so in its log, and the app of its pod says nothing."""
    waits = pod(app={"state": {"waiting": {"reason": "PodInitializing"}}, "restartCount": 0})
    waits["spec"]["initContainers"] = [{"name": "wait-db"}]
    waits["status"]["initContainerStatuses"] = [{**UNREADY, "name": "wait-db"}]
    found = subjects({"failed_targets": [failed()]}, [answer(waits)], "", NOW)
    assert [label(row) for row in found["targets"]] == ["shop/api-0/app"]
    assert [label(row) for row in found["waited"]] == ["shop/api-0/wait-db"]
    assert subjects({"failed_targets": [failed()]}, [answer(pod(app=FINE))], "", NOW)["waited"] == []


def test_what_is_a_subject_itself_is_not_read_twice() -> None:
    waits = pod(app={"state": {"waiting": {"reason": "PodInitializing"}}, "restartCount": 0})
    waits["spec"]["initContainers"] = [{"name": "migrate"}]
    waits["status"]["initContainerStatuses"] = [{**CRASHED, "name": "migrate", "restartCount": 1}]
    found = subjects({"failed_targets": [failed()]}, [answer(waits)], "", NOW)
    assert {label(row) for row in found["targets"]} == {"shop/api-0/app", "shop/api-0/migrate"}
    assert found["waited"] == []
