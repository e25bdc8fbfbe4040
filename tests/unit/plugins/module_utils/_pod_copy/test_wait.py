# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.create import is_known, why_down
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import as_target
from ansible_collections.incident.distroless.tests.unit.support.pods import pod

RUNNING: dict[str, Any] = {"running": {"startedAt": "2026-11-23T03:00:00Z"}}
CREATING: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
ENDED: dict[str, Any] = {"terminated": {"reason": "Error", "exitCode": 2, "message": "no such flag"}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def copy_with(debugger: dict[str, Any], app: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A copy whose debug container and target are in these states; fields are more of its status."""
    containers = [{"name": "app", "image": "x"}, {"name": "debugger", "image": "busybox"}]
    found = pod("copy", containers=containers, rows={"app": {"state": app}, "debugger": {"state": debugger}})
    found["status"] |= {"phase": "Pending", **fields}
    return found


def known(pod: dict[str, Any]) -> bool:
    return is_known(pod, as_target(pod, "app"), "debugger", "its last words")


@pytest.mark.parametrize("app", [RUNNING, ENDED, waiting("CrashLoopBackOff"), waiting("ImagePullBackOff")])
def test_all_is_known_when_the_debug_container_runs_and_the_target_started_or_cannot(app: dict[str, Any]) -> None:
    assert known(copy_with(RUNNING, app))


def test_both_are_waited_for() -> None:
    assert not known(copy_with(CREATING, RUNNING))
    assert not known(copy_with(RUNNING, CREATING))
    assert not known(copy_with({}, {}))


def reason_of(pod: dict[str, Any]) -> Failure:
    with pytest.raises(Failure) as caught:
        known(pod)
    return caught.value


def test_a_debug_image_that_is_not_to_be_had_is_said() -> None:
    assert reason_of(copy_with(waiting("ErrImageNeverPull"), RUNNING)).reason == "ImagePullFailed"


def test_a_copy_that_the_kubelet_refuses_is_said_in_its_words() -> None:
    refused = copy_with({}, {}, phase="Failed", reason="NodePorts", message="Pod was rejected")
    failure = reason_of(refused)
    assert failure.reason == "ContainerCreateFailed"
    assert "NodePorts, Pod was rejected" in failure.message


@pytest.mark.parametrize("state", [ENDED, waiting("CrashLoopBackOff"), waiting("ImagePullBackOff")])
def test_an_init_container_that_fails_names_the_option_that_leaves_it_out(state: dict[str, Any]) -> None:
    failure = reason_of(copy_with({}, {}, initContainerStatuses=[{"name": "setup", "state": state}]))
    assert failure.reason == "ContainerCreateFailed"
    assert "init container setup" in failure.message
    assert "keep_init_containers: false" in failure.hint


def test_an_init_container_that_ended_well_is_no_failure() -> None:
    well = [{"name": "setup", "state": {"terminated": {"exitCode": 0}}}]
    assert known(copy_with(RUNNING, RUNNING, initContainerStatuses=well))


def test_a_debug_image_without_busybox_cannot_hold_the_target() -> None:
    fetch = [{"name": "incident-distroless-hold", "state": ENDED}]
    failure = reason_of(copy_with({}, {}, initContainerStatuses=fetch))
    assert failure.reason == "ImageHasNoShell"
    assert "no such flag" in failure.message


def test_a_copy_that_is_being_deleted_is_gone() -> None:
    pod = copy_with(RUNNING, RUNNING)
    pod["metadata"]["deletionTimestamp"] = "2026-11-23T03:00:00Z"
    assert reason_of(pod).reason == "PodGone"


def test_why_a_target_is_down_is_how_it_ended_last() -> None:
    pod = copy_with(RUNNING, waiting("CrashLoopBackOff", "back-off 10s"))
    assert why_down(pod, "app") == "CrashLoopBackOff: back-off 10s"
    pod["status"]["containerStatuses"][0]["lastState"] = ENDED
    assert why_down(pod, "app") == "Error, exit code 2: no such flag"
    assert why_down(copy_with(RUNNING, {}), "app") == "the kubelet has not reported it yet"
