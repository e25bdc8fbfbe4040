# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.times import epoch
from ansible_collections.incident.distroless.plugins.module_utils._debugger.inject import (
    check_hope,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import (
    Debugger,
    debuggers,
)
from ansible_collections.incident.distroless.tests.unit.support.pods import pod, target

MANIFEST = {"name": "debugger-1", "image": "busybox:1.37", "command": ["sleep", "3600"], "targetContainerName": "app"}


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}, "ImagePullFailed"),
        ({"waiting": {"reason": "InvalidImageName", "message": "couldn't parse image name"}}, "ImagePullFailed"),
        ({"waiting": {"reason": "ErrImageNeverPull", "message": "not present"}}, "ImagePullFailed"),
        (
            {"waiting": {"reason": "CreateContainerConfigError", "message": "image will run as root"}},
            "ContainerCreateFailed",
        ),
        (
            {"waiting": {"reason": "CreateContainerError", "message": "target container x is not running"}},
            "TargetNotRunning",
        ),
        (
            {
                "terminated": {
                    "reason": "StartError",
                    "exitCode": 128,
                    "message": 'exec: "sleep": executable file not found',
                }
            },
            "ImageHasNoShell",
        ),
        ({"terminated": {"reason": "Error", "exitCode": 137}}, "ContainerCreateFailed"),
    ],
)
def test_states_that_do_not_get_better_fail_at_once(state: dict[str, Any], reason: str) -> None:
    words = str((state.get("waiting") or {}).get("message", ""))
    with pytest.raises(Failure) as caught:
        check_hope(Debugger(MANIFEST, state), target(), words)
    assert caught.value.reason == reason


def test_of_a_pod_without_room_for_a_debugger_the_next_step_is_its_memory() -> None:
    words = "RunContainerError: runc create failed: container init was OOM-killed (memory limit too low?)"
    with pytest.raises(Failure) as caught:
        check_hope(Debugger(MANIFEST, {"waiting": {"reason": "RunContainerError", "message": words}}), target(), words)
    assert "limit of memory" in caught.value.hint
    assert "runAsNonRoot" not in caught.value.hint


@pytest.mark.parametrize(
    "state", [{}, {"waiting": {"reason": "ContainerCreating"}}, {"waiting": {"reason": "ErrImagePull", "message": "x"}}]
)
def test_states_that_may_get_better_are_waited_for(state: dict[str, Any]) -> None:
    check_hope(Debugger(MANIFEST, state), target(), "")


def test_debuggers_come_with_their_states_and_only_those_of_the_container() -> None:
    with_two = pod(ephemeralContainers=[MANIFEST, {**MANIFEST, "name": "other", "targetContainerName": "proxy"}])
    with_two["status"]["ephemeralContainerStatuses"] = [
        {"name": "debugger-1", "state": {"running": {"startedAt": "2026-11-23T03:00:00Z"}}}
    ]
    assert [(entry.name, entry.is_running) for entry in debuggers(with_two, "app")] == [("debugger-1", True)]
    assert len(debuggers(with_two)) == 2


def test_what_is_left_of_a_debugger_is_its_own_ttl_from_its_start() -> None:
    running = Debugger(MANIFEST, {"running": {"startedAt": "2026-11-23T03:00:00Z"}})
    assert running.seconds_left(epoch("2026-11-23T03:10:00Z")) == 3000
    assert Debugger(MANIFEST, {}).seconds_left(0) is None
