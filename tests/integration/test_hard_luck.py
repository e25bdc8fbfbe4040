# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens in the middle: targets that end, nodes that are lost, and time that runs out."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils import _debugger
from ansible_collections.incident.distroless.plugins.module_utils._deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._identity import Wish

from .conftest import Kubectl, Play, pod_manifest
from .inside import connected, request, target_of

APP = "incident.test/app:nonroot"


def wait_for_restart(kubectl: Kubectl, pod: str) -> None:
    restarted = "--for=jsonpath={.status.containerStatuses[0].restartCount}=1"
    kubectl.run("wait", f"pod/{pod}", restarted, "--timeout=60s")


@pytest.mark.parametrize("shared", [False, True])
def test_a_target_that_restarts_between_injection_and_exec_is_said(
    kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    name = f"short-{shared}".lower()
    kubectl.apply(pod_manifest(name, APP, container={"args": ["--exit-after", "6s"]}, shareProcessNamespace=shared))
    kubectl.wait_until_running(name)
    opening = _debugger.open_session

    def late(*words: Any, **options: Any) -> Any:
        wait_for_restart(kubectl, name)
        return opening(*words, **options)

    monkeypatch.setattr(_debugger, "open_session", late)
    target = target_of(kubectl, name)
    with pytest.raises(Failure) as caught:
        _debugger.ensure(connected(), target, request(), Wish(), Deadline(60))
    assert caught.value.reason == "TargetRestarted"
    assert "restart count 1" in caught.value.message


def test_a_target_that_restarted_before_the_injection_is_said(kubectl: Kubectl) -> None:
    kubectl.apply(pod_manifest("brief", APP, container={"args": ["--exit-after", "3s"]}))
    kubectl.wait_until_running("brief")
    target = target_of(kubectl, "brief")
    wait_for_restart(kubectl, "brief")
    with pytest.raises(Failure) as caught:
        _debugger.ensure(connected(), target, request(), Wish(), Deadline(60))
    assert caught.value.reason == "TargetRestarted"


def on_no_node(kubectl: Kubectl, name: str, ready: str) -> None:
    """A pod of a node that is not there: what its kubelet said last stands for ever."""
    manifest = pod_manifest(name, APP, nodeName="lost-node", tolerations=[{"operator": "Exists"}])
    kubectl.apply(manifest)
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": ready}, {"type": "ContainersReady", "status": "True"}],
        "containerStatuses": [
            {
                "name": "app",
                "image": APP,
                "imageID": "",
                "ready": True,
                "restartCount": 0,
                "containerID": "containerd://" + "c" * 64,
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
            }
        ],
    }
    kubectl.run("patch", "pod", name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def test_a_node_that_does_not_report_is_said_before_anything_is_changed(kubectl: Kubectl, play: Play) -> None:
    on_no_node(kubectl, "lost", "False")
    played = play("ephemeral_debug", pod="lost")
    assert played.failure["reason"] == "NodeNotReady"
    assert "lost-node" in played["msg"]
    assert not kubectl.debuggers("lost")


def test_nothing_is_waited_for_longer_than_allowed(kubectl: Kubectl) -> None:
    on_no_node(kubectl, "mute", "True")
    target = target_of(kubectl, "mute")
    began = time.monotonic()
    with pytest.raises(Failure) as caught:
        _debugger.ensure(connected(), target, request(), Wish(), Deadline(2))
    assert caught.value.reason == "WaitTimeout"
    assert time.monotonic() - began < 3
