# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waits until a copy's debug container runs and it is known whether the target in the copy stays up.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import PROGRESS
from ansible_collections.incident.distroless.plugins.module_utils._debugger.inject import (
    check_hope,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import (
    Debugger,
)
from ansible_collections.incident.distroless.plugins.module_utils._k8s import waiting
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._k8s.watch import pod_changes
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.manifest import HOLD
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import (
    Target,
    container_spec,
    container_status,
)

# seconds for which a target that crashed in the original is watched in the copy before it is handed over as one that runs
SETTLING = 3.0


def wait_for_copy(
    cluster: Cluster, made: Target, debugger: str, *, may_crash: bool, deadline: Deadline
) -> Mapping[str, Any]:
    """Return the copy once its debug container runs and its target has started, or has shown that it does not.

    made is the target in the copy as it was created. With may_crash a target that started is watched for a while longer.
    Raises Failure with the reason why the copy never comes up, WaitTimeout or PodGone.
    """
    doing = f"waiting for copy {made.namespace}/{made.pod}"
    pod = _wait_until_known(cluster, made, debugger, doing, deadline)
    if not may_crash or not is_up(pod, made.container):
        return pod
    settling = Deadline(min(SETTLING, max(0.1, deadline.left())))
    version = str(pod["metadata"]["resourceVersion"])
    try:
        with pod_changes(cluster, made.namespace, made.pod, version, doing, settling) as pods:
            for pod in pods:
                if not is_up(pod, made.container):
                    return pod
    except Failure as failure:
        if failure.reason != "WaitTimeout":
            raise
    return pod


def wait_until_gone(cluster: Cluster, pod: Mapping[str, Any], deadline: Deadline) -> None:
    """Returns when a pod that was deleted is gone. pod is the API server's answer to the deletion. Raises Failure WaitTimeout."""
    metadata = pod["metadata"]
    namespace, name, version = metadata["namespace"], metadata["name"], metadata["resourceVersion"]
    try:
        with pod_changes(
            cluster, namespace, name, version, f"waiting for the end of {namespace}/{name}", deadline
        ) as pods:
            for now in pods:
                if now["metadata"]["uid"] != metadata["uid"]:
                    return
    except Failure as failure:
        if failure.reason != "PodGone":
            raise


def is_up(pod: Mapping[str, Any], container: str) -> bool:
    """Return whether a container runs."""
    return "running" in _state(pod, container)


def why_down(pod: Mapping[str, Any], container: str) -> str:
    """Return why a container does not run: how it ended, last time where it waits to be started again, else what it waits for."""
    status = container_status(pod, container) or {}
    state = status.get("state") or {}
    ended = state.get("terminated") or (status.get("lastState") or {}).get("terminated")
    if ended:
        words = f"{ended.get('reason', 'ended')}, exit code {ended.get('exitCode')}: {ended.get('message', '')}"
        return words.rstrip(": ")
    return waiting.words(state) or "the kubelet has not reported it yet"


def is_known(pod: Mapping[str, Any], made: Target, debugger: str, last_words: str) -> bool:
    """Return whether the debug container runs and the target has started or cannot. Raises Failure when the copy has no hope."""
    _check_pod(pod, made)
    _check_inits(pod, made)
    found = Debugger(container_spec(pod, debugger), _state(pod, debugger))
    check_hope(found, made, last_words)
    return found.is_running and _is_decided(_state(pod, made.container))


def _wait_until_known(
    cluster: Cluster, made: Target, debugger: str, doing: str, deadline: Deadline
) -> Mapping[str, Any]:
    pod: Mapping[str, Any] = made.manifest
    version, last_words = str(pod["metadata"]["resourceVersion"]), ""
    try:
        with pod_changes(cluster, made.namespace, made.pod, version, doing, deadline) as pods:
            # one that was found may be up already, and then nothing changes any more
            for pod in chain([made.manifest], pods):
                words = waiting.words(_state(pod, debugger)) or last_words
                if words != last_words:
                    PROGRESS.say(made.label, f"waiting for {debugger} ({words})")
                last_words = words
                if is_known(pod, made, debugger, last_words):
                    return pod
    except Failure as failure:
        if failure.reason != "WaitTimeout":
            raise
        # the target's own image may take for ever: what the debug container shows is of use all the same
        if is_up(pod, debugger):
            return pod
        raise deadline.expired(f"{doing} ({_last_words(pod, last_words)})") from failure
    raise AssertionError("a watch goes on until a failure ends it")


def _is_decided(state: Mapping[str, Any]) -> bool:
    return "running" in state or "terminated" in state or waiting.is_hopeless(state)


def _check_pod(pod: Mapping[str, Any], made: Target) -> None:
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        raise Failure("PodGone", f"Copy {made.namespace}/{made.pod} is being deleted.")
    if status.get("phase") in ("Failed", "Succeeded"):
        words = ", ".join(filter(None, (status.get("reason"), status.get("message"))))
        raise Failure(
            "ContainerCreateFailed",
            f"Copy {made.namespace}/{made.pod} ended before it was up: {words or status['phase']}.",
            "Read the message: it is the kubelet's own.",
        )


def _check_inits(pod: Mapping[str, Any], made: Target) -> None:
    for status in (pod.get("status") or {}).get("initContainerStatuses") or ():
        state, name = status.get("state") or {}, str(status.get("name"))
        failed = (state.get("terminated") or {}).get("exitCode")
        if not failed and not waiting.is_hopeless(state):
            continue
        what, why = f"Copy {made.namespace}/{made.pod}: init container {name}", why_down(pod, name)
        if name == HOLD:
            raise Failure(
                "ImageHasNoShell",
                f"{what} cannot fetch busybox from the debug image: {why}.",
                "hold needs a debug image with sh and a statically linked busybox, such as the default; or set command.",
            )
        raise Failure(
            "ContainerCreateFailed",
            f"{what} does not end well: {why}.",
            "No container starts before the init containers have ended: set keep_init_containers: false.",
        )


def _state(pod: Mapping[str, Any], container: str) -> Mapping[str, Any]:
    state: Mapping[str, Any] = (container_status(pod, container) or {}).get("state") or {}
    return state


def _last_words(pod: Mapping[str, Any], last_words: str) -> str:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    unscheduled = [
        str(condition.get("message"))
        for condition in conditions
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False"
    ]
    return next(iter(unscheduled), last_words or "the kubelet has not reported it yet")
