# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pods that cannot be looked into, or not any more: of others' making, of other systems, gone, taken, or not to be proven."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import Attached, ensure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import IdentityRequest
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target

from .conftest import Kubectl, Play, facts, pod_manifest
from .inside import connected, request, target_of
from .node import leave_its_cgroups
from .patience import PATIENCE
from .test_hard_luck import on_no_node
from .test_saying_no import assert_says

APP = "incident.test/app:nonroot"


@contextmanager
def static_pod(kubectl: Kubectl, name: str) -> Iterator[str]:
    """A pod that the kubelet starts from a file of its node, under its mirror's name in the API."""
    manifest = pod_manifest(name, APP)
    manifest["metadata"]["namespace"] = kubectl.namespace
    path = Path(facts()["STATIC_PODS"]) / f"{name}-{kubectl.namespace}.json"
    node = kubectl.json("get", "nodes")["items"][0]["metadata"]["name"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    try:
        kubectl.wait_until_there("pod", f"{name}-{node}")
        kubectl.wait_until_running(f"{name}-{node}")
        yield f"{name}-{node}"
    finally:
        path.unlink()
        kubectl.run("wait", "--for=delete", f"pod/{name}-{node}", f"--timeout={PATIENCE}s")


def test_a_static_pod(kubectl: Kubectl, call: Play) -> None:
    with static_pod(kubectl, "static") as name:
        assert_says(call("ephemeral_debug", pod=name), "StaticPod", name, "node")
        # the API's own refusal, which the answer above saves the user from
        refused = kubectl.run("debug", name, "--image=busybox:1.37", "--", "true", check=False)
        assert b"static pods do not support ephemeral containers" in refused.stderr


def test_a_pod_of_windows_containers(kubectl: Kubectl, call: Play) -> None:
    on_no_node(kubectl, "windows", "True", os={"name": "windows"})
    assert_says(call("ephemeral_debug", pod="windows"), "WindowsNode", "Windows")
    assert not kubectl.debuggers("windows")


def selected(kubectl: Kubectl, name: str) -> Target:
    """A target as it was when it was selected; what happens to its pod from now on, nobody has seen."""
    kubectl.apply(pod_manifest(name, APP))
    kubectl.wait_until_running(name)
    return target_of(kubectl, name)


def failure_of(target: Target, **changes: object) -> Failure:
    with pytest.raises(Failure) as caught:
        ensure_one(target, **changes)
    return caught.value


def ensure_one(target: Target, **changes: object) -> Attached:
    attached = ensure(connected(), target, request(**changes), IdentityRequest())
    if attached.session is not None:
        attached.session.close()
    return attached


def test_a_pod_that_is_deleted_between_selection_and_injection(kubectl: Kubectl) -> None:
    target = selected(kubectl, "deleted")
    kubectl.run("delete", "pod", "deleted", "--now")
    failure = failure_of(target)
    assert failure.reason == "PodGone"
    assert "deleted" in failure.message


def test_a_pod_that_is_replaced_between_selection_and_injection(kubectl: Kubectl) -> None:
    target = selected(kubectl, "replaced")
    kubectl.run("delete", "pod", "replaced", "--now")
    successor = selected(kubectl, "replaced")
    failure = failure_of(target)
    assert failure.reason == "PodGone"
    assert not kubectl.debuggers("replaced"), "another pod is not the one that was meant"
    assert ensure_one(successor).seen.root_readable


def test_a_pod_of_an_earlier_result_that_was_replaced(kubectl: Kubectl, call: Play) -> None:
    selected(kubectl, "earlier")
    before = call("ephemeral_debug", pod="earlier")["targets"]
    kubectl.run("delete", "pod", "earlier", "--now")
    selected(kubectl, "earlier")
    assert_says(call("ephemeral_debug", targets=before), "PodGone", "another one")


def test_a_name_that_someone_elses_container_took_after_the_selection(kubectl: Kubectl) -> None:
    target = selected(kubectl, "taken")
    theirs = ["debug", "taken", "--image=busybox:1.37", "--image-pull-policy=Never", "--target=app", "--container=mine"]
    kubectl.run(*theirs, "--profile=baseline", "--", "sleep", "600")
    failure = failure_of(target, name="mine")
    assert failure.reason == "Conflict"
    assert "another name" in failure.hint
    (kept,) = kubectl.debuggers("taken")
    assert kept["command"] == ["sleep", "600"], "theirs is as it was"


@pytest.mark.parametrize("shared", ["hostPID", "shareProcessNamespace"])
def test_a_target_whose_process_nothing_names_is_not_guessed(kubectl: Kubectl, call: Play, shared: str) -> None:
    name = shared.lower()
    kubectl.apply(pod_manifest(name, APP, **{shared: True}))
    kubectl.wait_until_running(name)
    target = target_of(kubectl, name)
    leave_its_cgroups(target.id)
    assert_says(call("ephemeral_debug", pod=name), "TargetProcessAmbiguous", target.label, "proven")
