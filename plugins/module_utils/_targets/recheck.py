# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a failure in the middle of the work means once the pod is looked at again: a target that ends takes its debuggers
and their streams with it.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import (
    container_status,
    is_finished,
    is_terminating,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target
from ansible_collections.incident.distroless.plugins.module_utils._targets.selection import refresh

# what also happens when the target ends in the middle
_MAY_BE_THE_TARGETS_END = (
    "ApiUnreachable",
    "ConnectionLost",
    "ContainerCreateFailed",
    "LookBroken",
    "TargetNotRunning",
    "TargetProcessAmbiguous",
)

# A stream ends with the process, the pod's status when the kubelet has listed its containers again: once a second
# (pkg/kubelet/kubelet.go, genericPlegRelistPeriod), later on a busy node. Seconds to wait for it, and between two looks.
PATIENCE = 5.0
_PAUSE = 0.2


@contextmanager
def looking_again(cluster: Cluster, target: Target) -> Iterator[None]:
    """Raise whatever fails inside as what it was: the target's end, where it ended."""
    try:
        yield
    except Failure as failure:
        became = what_became(cluster, target, failure)
        if became is failure:
            raise
        raise became from failure


def what_became(cluster: Cluster, target: Target, failure: Failure, *, is_doubtful: bool = False) -> Failure:
    """Return the failure, or why it came: TargetRestarted, TargetNotRunning or PodGone.

    is_doubtful: it may have come of the target's end whatever its reason is, as where the debugger outlives the target.
    """
    if failure.reason not in _MAY_BE_THE_TARGETS_END and not is_doubtful:
        return failure
    is_patient = is_doubtful or failure.reason in ("ConnectionLost", "LookBroken")
    until = time.monotonic() + (PATIENCE if is_patient else 0.0)
    while True:
        end = how_it_ended(cluster, target)
        if end is not None:
            end.message += f": {failure.message}"
            end.changed = failure.changed
            return end
        if time.monotonic() + _PAUSE > until or cluster.deadline.left() < _PAUSE:
            return failure
        time.sleep(_PAUSE)


def how_it_ended(cluster: Cluster, target: Target) -> Failure | None:
    """Return how the target ended, by one look at its pod. None while it runs, and when the API does not tell."""
    try:
        return end_of(target, refresh(cluster, target))
    except Failure as failure:
        return failure if failure.reason == "PodGone" else None


def end_of(target: Target, pod: Mapping[str, Any]) -> Failure | None:
    """Return how the target ended, by its pod as it is now. None while it runs."""
    if is_terminating(pod):
        return Failure("PodGone", f"{target.label}: the pod is being deleted")
    now = container_status(pod, target.container)
    if now.get("containerID") == target.container_id and "running" in (now.get("state") or {}):
        return None
    count = now.get("restartCount")
    if count == target.restart_count and _stays_ended(pod, target, now):
        return Failure("TargetNotRunning", f"{target.label} ended while it was being looked into, and stays so")
    words = f"ended while it was being looked into (restart count {count}, before {target.restart_count})"
    return Failure("TargetRestarted", f"{target.label} {words}")


def _stays_ended(pod: Mapping[str, Any], target: Target, status: Mapping[str, Any]) -> bool:
    """Return whether the kubelet does not start the container again: the pod's phase says so later than its container's state."""
    policy = target.spec.get("restartPolicy") or pod["spec"].get("restartPolicy")
    code = ((status.get("state") or {}).get("terminated") or {}).get("exitCode")
    return is_finished(pod) or policy == "Never" or (policy == "OnFailure" and code == 0)
