# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What crashloop_triage says of a container that does not start."""

from __future__ import annotations

from typing import Any

import pytest

from .crashloop_world import CREATING, INITIALIZING, RUNNING, condition, ended, judged, said, status, warned

NO_ADDRESS = 'Failed to create pod sandbox: plugin type="calico" failed (add): no IPs available'
NO_RUNTIME = 'Failed to create pod sandbox: no runtime for "gvisor" is configured'
NO_CLAIM = 'MountVolume.SetUp failed for volume "data": configmap "settings" not found'
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
