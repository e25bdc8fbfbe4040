# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts a debugger into a pod and waits until it runs: one watch, one PATCH, and the reason when it cannot be.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure, after_change
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import PROGRESS
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import differences
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import Debugger, debuggers
from ansible_collections.incident.distroless.plugins.module_utils._k8s import waiting
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, pod_path
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import container_status
from ansible_collections.incident.distroless.plugins.module_utils._k8s.watch import pod_changes
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target, lost_its_node

NO_MEMORY = (
    "The pod has no room for a debugger within its limit of memory, which what it writes to an emptyDir with medium Memory fills too: "
    "raise resources.limits.memory, or look into a copy of it (debug_pod)."
)


def request_injection(
    cluster: Cluster, target: Target, container: Mapping[str, Any], *, dry_run: bool = False
) -> tuple[Debugger, str]:
    """Asks the API to add the container. Returns it as admission left it, and the pod's new resourceVersion.

    A strategic merge patch with the pod's uid: other writers' containers stay, and another pod of that name is refused.
    """
    body = {"metadata": {"uid": target.pod_uid}, "spec": {"ephemeralContainers": [container]}}
    query = [("fieldManager", "incident.distroless"), ("fieldValidation", "Strict")]
    if dry_run:
        query.append(("dryRun", "All"))
    doing = f"adding a debugger to pod {target.namespace}/{target.pod}"
    path = pod_path(target.namespace, target.pod, "ephemeralcontainers")
    pod = cluster.patch(path, body, doing, query)
    added = next((entry for entry in debuggers(pod) if entry.name == container["name"]), None)
    if added is None:
        raise Failure("ApiUnsupported", f"{doing}: the API took the request and left the ephemeral container out.")
    changed = tuple(differences(container, added.manifest))
    return Debugger(added.manifest, added.state, changed), str(pod["metadata"]["resourceVersion"])


def inject(cluster: Cluster, target: Target, container: Mapping[str, Any]) -> Debugger:
    """Adds the container and returns when it runs. Raises Failure with the reason why it never will, or WaitTimeout."""
    name = str(container["name"])
    # the watch is open before the PATCH, so that no change between the two is missed and nothing is polled
    with following(cluster, target, name, _waiting_for(target, name)) as states:
        PROGRESS.say(target.label, f"injecting {name} ({container.get('image')})")
        added, _version = request_injection(cluster, target, container)
        with after_change():
            return _started(cluster, target, added, states)


def take_up(cluster: Cluster, target: Target, pending: Debugger) -> Debugger:
    """Return a debugger that an earlier task asked for, once it runs. Raises Failure as inject does, and changes nothing.

    The kubelet goes on trying for an image: what was refused before is waited for until it is refused again.
    """
    PROGRESS.say(target.label, f"{pending.name} was asked for before, waiting for it")
    if waiting.reason(pending.state) != "ImagePullBackOff":
        check_hope(pending, target, waiting.words(pending.state))
    with following(cluster, target, pending.name, _waiting_for(target, pending.name)) as states:
        return _started(cluster, target, pending, states)


def _waiting_for(target: Target, name: str) -> str:
    return f"waiting for debugger {name} in pod {target.namespace}/{target.pod}"


def _started(cluster: Cluster, target: Target, asked: Debugger, states: Iterator[Debugger]) -> Debugger:
    """Return the debugger when one of its states says that it runs. Raises Failure."""
    last, last_words = asked.state, waiting.words(asked.state)
    try:
        for found in states:
            if found.is_running:
                return Debugger(found.manifest, found.state, asked.mutated)
            last = found.state
            words = waiting.words(last) or last_words
            if words != last_words:
                # the status does not tell pulling an image from making a container of it
                PROGRESS.say(target.label, f"pulling the image or starting {asked.name} ({words})")
            last_words = words
            check_hope(found, target, last_words)
    except Failure as failure:
        if failure.reason != "WaitTimeout":
            raise
        raise given_up(_waiting_for(target, asked.name), last, last_words, cluster.deadline) from failure
    raise AssertionError("a watch goes on until a failure ends it")


def wait_until_ended(cluster: Cluster, target: Target, name: str) -> None:
    """Returns when the kubelet reports that a debugger has ended. Raises Failure PodGone or WaitTimeout."""
    doing = f"waiting for the end of debugger {name} in pod {target.namespace}/{target.pod}"
    with following(cluster, target, name, doing) as states:
        for found in states:
            if "terminated" in found.state:
                return


@contextmanager
def following(cluster: Cluster, target: Target, name: str, doing: str) -> Iterator[Iterator[Debugger]]:
    """Give a debugger as it changes, from the target's resourceVersion on."""
    version = str(target.manifest["metadata"]["resourceVersion"])
    with ExitStack() as opened:
        pods = opened.enter_context(pod_changes(cluster, target.namespace, target.pod, version, doing))

        def states() -> Iterator[Debugger]:
            for pod in pods:
                _check_still_there(pod, target, doing)
                found = next((entry for entry in debuggers(pod) if entry.name == name), None)
                if found is not None:
                    yield found

        yield states()


def _check_still_there(pod: Mapping[str, Any], target: Target, doing: str) -> None:
    if pod["metadata"]["uid"] != target.pod_uid:
        raise Failure("PodGone", f"{doing}: the pod was replaced by another of the same name.")
    if pod["metadata"].get("deletionTimestamp"):
        raise Failure("PodGone", f"{doing}: the pod is being deleted.")
    now = container_status(pod, target.container)
    if now.get("containerID") not in (None, target.container_id):
        raise Failure(
            "TargetRestarted",
            f"{doing}: container {target.container} restarted (restart count {now.get('restartCount')}).",
        )
    if lost_its_node(pod):
        raise Failure("NodeNotReady", f"{doing}: node {target.node} does not report any more.")


def check_hope(found: Debugger, target: Target, last_words: str) -> None:
    """Raises Failure when a debugger's state is one that waiting does not mend."""
    ended = found.state.get("terminated")
    what = f"Debugger {found.name} in pod {target.namespace}/{target.pod}"
    image = found.manifest.get("image")
    if waiting.is_image_refused(found.state):
        raise Failure("ImagePullFailed", f"{what}: image {image} cannot be pulled: {last_words}")
    if not waiting.is_not_made(found.state) and ended is None:
        return
    words = last_words
    if ended is not None:
        words = f"{ended.get('reason', 'ended')}, exit code {ended.get('exitCode')}: {ended.get('message', '')}".rstrip(
            ": "
        )
    if "executable file not found" in words or "no such file or directory" in words:
        raise Failure("ImageHasNoShell", f"{what}: image {image} has no sleep: {words}")
    if "target container" in words and "is not running" in words:
        raise Failure("TargetNotRunning", f"{what}: {words}")
    # runc's own words; an ephemeral container has no limit of its own
    hint = NO_MEMORY if "OOM-killed" in words else None
    raise Failure("ContainerCreateFailed", f"{what} does not start: {words}", hint)


def given_up(doing: str, last: Mapping[str, Any], last_words: str, deadline: Deadline) -> Failure:
    """Return why a debugger did not run in time, by the state in which it was seen last: an image that was refused once by then
    is what was wrong, not the time."""
    if waiting.lacks_image(last):
        return Failure("ImagePullFailed", f"{doing}: no image within {deadline.seconds:g} s: {last_words}")
    failure = deadline.expired(f"{doing} ({last_words or 'the kubelet has not reported it yet'})")
    if not last_words or "ContainerCreating" in last_words or "pull" in last_words.lower():
        failure.hint = "The node may still be pulling the image: raise wait_timeout, or set image to one that it has."
    return failure
