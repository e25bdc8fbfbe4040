# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What crashloop_triage says of a container that does not start."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._k8s.waiting import NO_IMAGE
from ansible_collections.incident.distroless.tests.unit.support.crashloop_judgements import (
    BACK_OFF,
    CREATING,
    INITIALIZING,
    RUNNING,
    condition,
    ended,
    judged,
    said,
    status,
    waiting,
    warned,
)

NO_ADDRESS = 'Failed to create pod sandbox: plugin type="calico" failed (add): no IPs available'
NO_RUNTIME = 'Failed to create pod sandbox: no runtime for "gvisor" is configured'
NO_CLAIM = 'MountVolume.SetUp failed for volume "data": configmap "settings" not found'
SINCE = "which runs since 2026-11-24T10:30:00Z (1800 s)"
NOT_READY = condition("PodReadyToStartContainers", "False")
READY = condition("PodReadyToStartContainers", "True")


@pytest.mark.parametrize("told", [NO_ADDRESS, NO_RUNTIME])
@pytest.mark.parametrize("conditions", [[], [NOT_READY]])
def test_a_sandbox_that_cannot_be_made_is_a_failure_with_what_the_kubelet_said(told: str, conditions: Any) -> None:
    events = [warned("FailedCreatePodSandBox", "earlier", at="10:58:00"), warned("FailedCreatePodSandBox", told)]
    found = judged(status(CREATING), *events, phase="Pending", conditions=conditions)
    assert said(found, "fail", "unknown") == {"no_sandbox": f"app waits for its pod's sandbox: {told}"}


def test_a_sandbox_that_cannot_be_made_anew_after_the_node_started_anew_is_a_failure() -> None:
    event = warned("FailedCreatePodSandBox", NO_ADDRESS)
    found = judged(status(CREATING, ended(255, "Unknown", at="07:00:00")), event, conditions=[NOT_READY])
    assert "no_sandbox" in said(found, "fail")


@pytest.mark.parametrize("reason", ["FailedCreatePodSandBox", "FailedMount"])
@pytest.mark.parametrize(
    "world",
    [
        {"app": status(CREATING), "conditions": [READY]},
        {"app": status(RUNNING)},
        {"app": status(INITIALIZING), "inits": (status(RUNNING, name="migrate"),)},
        {"app": status(INITIALIZING), "inits": (status(INITIALIZING, ended(), name="migrate"),)},
        {"app": status(ended(0), ended(0)), "spec": {"restartPolicy": "Never"}, "phase": "Succeeded"},
    ],
)
def test_what_healed_is_not_the_cause(reason: str, world: Any) -> None:
    found = judged(world["app"], warned(reason, "timed out"), **{key: world[key] for key in world if key != "app"})
    assert not {"no_sandbox", "missing_volume"} & set(said(found, "fail"))


def test_a_volume_that_cannot_be_mounted_is_a_failure() -> None:
    for reason in ("FailedMount", "FailedAttachVolume", "FailedMapVolume"):
        found = judged(status(CREATING), warned(reason, NO_CLAIM), phase="Pending", conditions=[NOT_READY])
        assert said(found, "fail", "unknown") == {"missing_volume": f"app waits for a volume: {NO_CLAIM}"}


def test_a_volume_was_mounted_where_the_sandbox_failed_after_it() -> None:
    mount = warned("FailedMount", NO_CLAIM, at="10:50:00")
    sandbox = warned("FailedCreatePodSandBox", NO_ADDRESS, at="10:59:00")
    assert list(said(judged(status(CREATING), mount, sandbox, phase="Pending"), "fail")) == ["no_sandbox"]


@pytest.mark.parametrize("reason", sorted(NO_IMAGE))
def test_an_image_that_is_refused_is_a_failure(reason: str) -> None:
    found = judged(status(waiting(reason, "policy denied image")), phase="Pending", conditions=[READY])
    assert said(found, "fail", "unknown") == {"no_image": f"app has no image ({reason}): policy denied image"}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (waiting("PreStartHookError", "cpuset is full"), "app waits with PreStartHookError: cpuset is full"),
        (waiting("AnotherError"), "app waits with AnotherError"),
        # the runtime has forgotten how it ended
        (waiting("CrashLoopBackOff", "back-off 5m0s"), "app waits with CrashLoopBackOff: back-off 5m0s"),
    ],
)
def test_a_reason_to_wait_that_nobody_knows_is_a_failure_with_the_kubelets_own_message(
    state: Any, message: str
) -> None:
    assert said(judged(status(state), conditions=[READY]), "fail", "unknown") == {"held_back": message}


@pytest.mark.parametrize(
    ("reason", "message", "analyzer"),
    [
        ("CreateContainerConfigError", 'secret "keys" not found', "missing_config"),
        ("CreateContainerConfigError", "couldn't find key nope in ConfigMap shop/settings", "missing_config"),
        ("CreateContainerConfigError", "failed to sync configmap cache: timed out", "not_started"),
        (
            "CreateContainerConfigError",
            'container has runAsNonRoot and image will run as root (pod: "x")',
            "runs_as_root",
        ),
        (
            "CreateContainerConfigError",
            "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root",
            "runs_as_root",
        ),
        ("CreateContainerConfigError", "failed to prepare subPath for volumeMount", "not_started"),
        ("CreateContainerError", "context deadline exceeded", "not_started"),
        ("CreateContainerError", 'failed to create: exec: "/x": no such file', "wrong_command"),
        ("RunContainerError", 'exec: "/x": no such file', "wrong_command"),
        ("RunContainerError", "cannot join network namespace", "not_started"),
        ("RunContainerError", "", "not_started"),
    ],
)
def test_a_container_that_cannot_be_made_or_started_has_one_cause(reason: str, message: str, analyzer: str) -> None:
    found = judged(status(waiting(reason, message)), phase="Pending", conditions=[READY])
    assert list(said(found, "fail", "unknown")) == [analyzer], found


def test_a_container_that_could_not_be_started_before_it_ran_is_a_failure() -> None:
    found = said(judged(status(RUNNING, ended(128, "StartError", "context deadline exceeded"))), "fail", "unknown")
    assert found == {"not_started": "app could not be started: context deadline exceeded"}
    found = said(judged(status(RUNNING, ended(128, "StartError", 'exec: "/x": no such file'))), "fail", "unknown")
    assert found == {"wrong_command": 'app could not be started: exec: "/x": no such file'}


def test_a_container_that_has_not_been_started_does_not_pass() -> None:
    for state in (CREATING, INITIALIZING, waiting("")):
        found = judged(status(state), phase="Pending", conditions=[READY])
        assert list(said(found, "fail", "unknown", "warn")) == ["not_begun"]
        assert "no_trouble" not in said(found, "pass")


def test_a_pod_that_no_scheduler_looks_at_names_the_scheduler() -> None:
    found = judged(None, spec={"nodeName": None, "schedulerName": "batch"}, phase="Pending")
    assert said(found, "fail", "unknown", "warn") == {
        "not_begun": "app has not been started: no node was chosen for its pod, which the scheduler batch does."
    }


def test_a_warning_that_nobody_knows_is_shown_while_the_container_was_never_started() -> None:
    event = warned("FailedSync", "error determining status")
    found = judged(status(CREATING), event, phase="Pending")
    assert said(found, "fail", "unknown") == {"other_warning": "FailedSync: error determining status (1 times)"}
    assert "other_warning" not in said(judged(status(RUNNING), event), "unknown")
    other = warned("FailedSync", "error determining status", "proxy")
    assert "other_warning" not in said(judged(status(CREATING), other, phase="Pending"), "unknown")


def test_a_container_waits_for_an_init_container_that_runs() -> None:
    migrate = status(RUNNING, name="migrate")
    found = judged(status(INITIALIZING), warned("PolicyViolation", "no limits"), inits=(migrate,), phase="Pending")
    assert said(found, "fail", "unknown", "warn") == {
        "not_begun": f"app has not been started: it waits for migrate, {SINCE}."
    }


def test_what_kept_an_init_container_from_its_start_healed_where_it_runs_since() -> None:
    failed = ended(128, "StartError", "failed to create shim task: context deadline exceeded")
    for container, name in (("app", "not_begun"), ("migrate", "hangs")):
        inits = (status(RUNNING, failed, "migrate"),)
        found = judged(status(INITIALIZING), inits=inits, phase="Pending", container=container)
        assert list(said(found, "fail", "unknown", "warn")) == [name]
        assert "shim task" not in found[0].message
    # one that began a moment ago may fail again
    begun = {"running": {"startedAt": "2026-11-24T10:59:40Z"}}
    found = judged(status(INITIALIZING), inits=(status(begun, failed, "migrate"),), phase="Pending")
    assert "shim task" in said(found, "fail")["waits_for_other"]


@pytest.mark.parametrize(
    ("migrate", "phase", "why"),
    [
        (status(BACK_OFF, ended(), "migrate"), "Pending", "migrate ended with 1 after 8940 s, 4 restarts so far."),
        (
            status(waiting("ImagePullBackOff", "no such tag"), name="migrate"),
            "Pending",
            "migrate has no image (ImagePullBackOff): no such tag",
        ),
        (status(ended(2), name="migrate"), "Failed", "migrate ended with 2 after 8940 s, 4 restarts so far."),
    ],
)
def test_a_container_that_waits_for_an_init_container_in_trouble_says_so(migrate: Any, phase: str, why: str) -> None:
    inits = (status(ended(0, "Completed"), name="first"), migrate, status(INITIALIZING, name="last"))
    found = judged(status(INITIALIZING), inits=inits, phase=phase)
    assert said(found, "fail", "unknown") == {
        "waits_for_other": f"app has not been started: it waits for migrate: {why}"
    }
    found = judged(status(INITIALIZING), inits=inits, phase=phase, container="last")
    assert "waits_for_other" in said(found, "fail")
    found = judged(status(INITIALIZING), inits=inits, phase=phase, container="migrate")
    assert said(found, "fail")
    assert not {"waits_for_other", "no_trouble", "not_begun"} & {judgement.analyzer for judgement in found}


def test_an_app_waits_for_a_sidecar_until_that_has_started() -> None:
    spec = {"initContainers": [{"name": "proxy", "restartPolicy": "Always"}]}
    crashing = status(BACK_OFF, ended(), "proxy", started=False)
    assert "waits_for_other" in said(judged(status(INITIALIZING), inits=(crashing,), spec=spec), "fail")
    starting = status(RUNNING, name="proxy", started=False)
    found = said(judged(status(INITIALIZING), inits=(starting,), spec=spec), "warn")
    assert found == {"not_begun": f"app has not been started: it waits for proxy, {SINCE}."}
    started = status(RUNNING, name="proxy", started=True)
    found = said(judged(status(CREATING), inits=(started,), spec=spec), "warn")
    assert found == {"not_begun": "app has not been started."}


@pytest.mark.parametrize(
    ("reason", "message"),
    [("Unschedulable", "0/3 nodes are available: 3 Insufficient cpu."), ("SchedulingGated", "Scheduling is blocked")],
)
def test_a_pod_that_no_node_takes_is_a_failure(reason: str, message: str) -> None:
    unscheduled = condition("PodScheduled", "False", reason=reason, message=message)
    found = judged(None, warned("FailedScheduling", message), phase="Pending", conditions=[unscheduled])
    assert said(found, "fail", "unknown") == {"not_scheduled": f"No node takes the pod: {message}"}


def test_an_image_that_is_being_pulled_is_told_until_it_is_there_or_refused() -> None:
    pulling = {**warned("Pulling", 'Pulling image "registry.example/app:1"', "app", at="10:58:00"), "type": "Normal"}
    found = said(judged(status(CREATING), pulling), "warn")
    assert 'Pulling image "registry.example/app:1", since 2026-11-24T10:58:00Z (120 s)' in found["not_begun"]
    pulled = {**warned("Pulled", "Successfully pulled image", "app", at="10:59:30"), "type": "Normal"}
    assert "Pulling" not in said(judged(status(CREATING), pulling, pulled), "warn")["not_begun"]
