# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What happens in the middle: targets that end, nodes that are lost, and time that runs out."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger import ensure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import IdentityRequest
from ansible_collections.incident.distroless.plugins.module_utils._fetch import target as fetching
from ansible_collections.incident.distroless.plugins.module_utils._modules import ephemeral_debug, proc_fs_fetch

from .conftest import Kubectl, Play, bulk, pod_manifest
from .inside import connected, target_of
from .inside import request as asked
from .node import end_container
from .patience import PATIENCE

APP = "incident.test/app:nonroot"


def wait_for_restart(kubectl: Kubectl, pod: str) -> None:
    restarted = "--for=jsonpath={.status.containerStatuses[0].lastState.terminated}"
    kubectl.run("wait", f"pod/{pod}", restarted, f"--timeout={PATIENCE}s")


@pytest.mark.parametrize("shared", [False, True])
def test_a_target_that_restarts_between_injection_and_exec_is_said(
    kubectl: Kubectl, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    name = f"short-{shared}".lower()
    kubectl.apply(pod_manifest(name, APP, shareProcessNamespace=shared))
    kubectl.wait_until_running(name)
    target = target_of(kubectl, name)
    opening = ensure.open_session

    def late(*words: Any, **options: Any) -> Any:
        end_container(target.id)
        wait_for_restart(kubectl, name)
        return opening(*words, **options)

    monkeypatch.setattr(ensure, "open_session", late)
    with pytest.raises(Failure) as caught:
        ensure.ensure(connected(), target, asked(), IdentityRequest())
    assert caught.value.reason == "TargetRestarted"
    assert "restart count 1" in caught.value.message


def test_a_target_that_restarted_before_the_injection_is_said(kubectl: Kubectl) -> None:
    kubectl.apply(pod_manifest("brief", APP))
    kubectl.wait_until_running("brief")
    target = target_of(kubectl, "brief")
    end_container(target.id)
    wait_for_restart(kubectl, "brief")
    with pytest.raises(Failure) as caught:
        ensure.ensure(connected(), target, asked(), IdentityRequest())
    assert caught.value.reason == "TargetRestarted"


END_THE_TARGET = "kill -TERM $TARGET_PID; sleep 30"


@pytest.mark.parametrize(
    ("policy", "reason"), [("Always", "TargetRestarted"), ("Never", "TargetNotRunning")], ids=["restarts", "finishes"]
)
def test_a_target_that_ends_during_a_command_is_said(kubectl: Kubectl, call: Play, policy: str, reason: str) -> None:
    name = f"ends-{policy}".lower()
    kubectl.apply(pod_manifest(name, APP, restartPolicy=policy))
    kubectl.wait_until_running(name)
    played = call("ephemeral_debug", pod=name, commands=["echo kept", END_THE_TARGET, "echo never"])
    assert played["reason"] == reason, played["msg"]
    assert [command["stdout"] for command in played.target["commands"]] == ["kept\n"]


@pytest.fixture
def attached(kubectl: Kubectl, request: pytest.FixtureRequest) -> ensure.Attached:
    """A debugger that looked into its target; the parameter is whether the pod shares its processes."""
    shared = getattr(request, "param", False)
    name = f"looked-into-{uuid.uuid4().hex[:6]}"
    kubectl.apply(pod_manifest(name, APP, shareProcessNamespace=shared))
    kubectl.wait_until_running(name)
    return ensure.ensure(connected(), target_of(kubectl, name), asked(), IdentityRequest())


def options_of(spec: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """A module's options with their defaults."""
    everywhere = {"concurrency": 1, "pod": None, "targets": None}
    return {**everywhere, **{name: option.get("default") for name, option in spec.items()}, **changes}


def test_a_pod_that_goes_before_a_command_is_said(kubectl: Kubectl, attached: ensure.Attached) -> None:
    options = options_of(ephemeral_debug.argument_spec(), commands=["true"])
    plan = ephemeral_debug.parse_plan(options, is_check=False)
    kubectl.run("delete", "pod", attached.target.pod)
    done = ephemeral_debug._run_commands(connected(), plan, attached, time.monotonic())
    assert done.failure is not None
    assert done.failure.reason == "PodGone"


@pytest.mark.parametrize(
    ("attached", "src"),
    [(False, "/data/blob.bin"), bulk(True, "/data/*"), bulk(False, "/data/*"), bulk(True, "/data/blob.bin")],
    indirect=["attached"],
)
def test_a_target_that_restarts_before_its_files_are_fetched_is_said(
    kubectl: Kubectl, tmp_path: Path, attached: ensure.Attached, src: str
) -> None:
    options = options_of(proc_fs_fetch.argument_spec(), src=[src], dest=str(tmp_path))
    plan = proc_fs_fetch.parse_plan(options, is_check=False)
    pod, debugger = attached.target.pod, attached.debugger.name
    end = f"kill -TERM {attached.seen.pid}"
    kubectl.run("exec", pod, "-c", debugger, "--", "sh", "-c", end, check=False)
    wait_for_restart(kubectl, pod)
    try:
        failure = fetching._fetch(connected(), plan, attached).failure
    except Failure as met:
        failure = met
    assert failure is not None
    assert failure.reason == "TargetRestarted"


def on_no_node(kubectl: Kubectl, name: str, ready: str, **spec: Any) -> None:
    """A pod of a node that is not there: what its kubelet said last stands for ever."""
    manifest = pod_manifest(name, APP, nodeName="lost-node", tolerations=[{"operator": "Exists"}], **spec)
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


def test_a_node_that_does_not_report_is_said_before_anything_is_changed(kubectl: Kubectl, call: Play) -> None:
    on_no_node(kubectl, "lost", "False")
    played = call("ephemeral_debug", pod="lost")
    assert played.failure["reason"] == "NodeNotReady"
    assert "lost-node" in played["msg"]
    assert not kubectl.debuggers("lost")


def test_what_a_kubelet_never_reports_is_waited_for_no_longer_than_allowed(kubectl: Kubectl) -> None:
    on_no_node(kubectl, "mute", "True")
    target = target_of(kubectl, "mute")
    cluster = connected(2)
    with pytest.raises(Failure) as caught:
        ensure.ensure(cluster, target, asked(), IdentityRequest())
    # without an end of its own it would wait for ever: that it came back is the proof, and not how late on this machine
    assert caught.value.reason == "WaitTimeout"
    assert cluster.deadline.left() <= 0
