# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What crashloop_triage says of a pod that failed as a whole, or whose node is lost to it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.tests.unit.support.crashloop_judgements import (
    CREATING,
    RUNNING,
    condition,
    ended,
    judged,
    said,
    status,
    warned,
)

READY_FALSE = condition("Ready", "False")


@pytest.mark.parametrize(
    "pod",
    [
        {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
        {"phase": "Failed", "reason": "OutOfcpu", "message": "Node didn't have enough resource: cpu"},
        {"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active longer than its deadline"},
    ],
)
@pytest.mark.parametrize("app", [None, status(CREATING), status(ended(0, "Completed"))])
def test_a_pod_that_failed_as_a_whole_says_why(pod: Any, app: Any) -> None:
    found = said(judged(app, **pod), "fail", "unknown")
    assert found["evicted"] == f"The pod failed: {pod['reason']}: {pod['message']}"


@pytest.mark.parametrize(
    ("pod", "events"),
    [
        ({"reason": "NodeLost", "message": "Node node-1 which was running pod api-0 is unresponsive"}, []),
        ({"phase": "Unknown"}, []),
        (
            {"conditions": [READY_FALSE, condition("ContainersReady", "True")]},
            [warned("NodeNotReady", "Node is not ready")],
        ),
    ],
)
def test_a_pod_whose_node_is_lost_is_not_known_to_run(pod: Any, events: Any) -> None:
    assert list(said(judged(status(RUNNING, ready=True), *events, **pod), "fail")) == ["node_lost"]


def test_a_node_that_came_back_is_not_lost() -> None:
    event = warned("NodeNotReady", "Node is not ready")
    found = judged(status(RUNNING, ready=True), event, conditions=[condition("Ready", "True")])
    assert said(found, "fail") == {}


def test_a_pod_that_is_taken_off_its_node_says_by_whom() -> None:
    taken = condition("DisruptionTarget", "True", reason="DeletionByTaintManager", message="Taint manager: deleting")
    found = said(judged(status(RUNNING, ready=True), conditions=[taken]), "fail")
    assert found == {
        "disrupted": "The pod is being removed from its node: DeletionByTaintManager: Taint manager: deleting"
    }


JOB = {"containers": [{"name": "app"}, {"name": "istio-proxy"}], "restartPolicy": "Never"}
WORKERS = {"containers": [{"name": "app"}, {"name": "export"}], "restartPolicy": "OnFailure"}


@pytest.mark.parametrize(
    ("spec", "other", "ended_at", "is_told"),
    [
        (JOB, {"name": "istio-proxy", "state": RUNNING}, "10:29:00", True),
        # what works on may have its reasons, and a moment is none
        (WORKERS, {"name": "export", "state": RUNNING}, "10:29:00", False),
        (JOB, {"name": "istio-proxy", "state": RUNNING}, "10:59:45", False),
        (JOB, {"name": "istio-proxy", "state": ended(0, "Completed")}, "10:29:00", False),
    ],
)
def test_a_job_that_is_done_and_kept_up_by_what_stands_beside_it_is_told(
    spec: Any, other: dict[str, Any], ended_at: str, is_told: bool
) -> None:
    done = status(ended(0, "Completed", at=ended_at))
    found = judged(done, spec=spec, containerStatuses=[done, other])
    runs = "running" in other["state"]
    if is_told:
        assert "istio-proxy runs on: the pod does not end" in said(found, "warn")["kept_up"]
    else:
        assert (("Its pod ends when" in said(found, "pass")["no_trouble"]), said(found, "warn", "fail")) == (runs, {})
