# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes one pod's copy, or finds the one that the same request made; waits until it is known what runs in it; deletes what is to go.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import PROGRESS
from ansible_collections.incident.distroless.plugins.module_utils._core.times import epoch
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import (
    Attempt,
    IdentityRequest,
    TargetIdentity,
    first_attempts,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.inject import (
    check_hope,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import (
    Debugger,
)
from ansible_collections.incident.distroless.plugins.module_utils._k8s import waiting
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import NOT_THERE
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, api_path, pod_path
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import (
    container_spec,
    container_state,
    container_status,
    is_finished,
    is_terminating,
    why_unscheduled,
)
from ansible_collections.incident.distroless.plugins.module_utils._k8s.watch import pod_changes
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.manifest import (
    COPY_OF_UID,
    HOLD,
    REQUEST,
    CopyRequest,
    build_copy,
    derived_name,
    digest,
    is_copy,
)
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.selection import get_or_none
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.shared_resources import claim_names
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target

# admission's answers after which a differently shaped debug container may still be let in
_REFUSED = ("PodSecurityDenied", "AdmissionDenied")

# so many names made of one request: the earlier ones are copies that have ended and were not deleted
_MANY = 20


@dataclass(frozen=True, slots=True)
class Made:
    """A copy as the API has it, the attempt that its debug container is (None for one that was found), and whether it was found."""

    pod: Mapping[str, Any]
    attempt: Attempt | None
    reused: bool


def copy_attempts(wish: IdentityRequest, original: Target, known: TargetIdentity) -> list[Attempt]:
    """Return the debug containers to try, weakest first; a later one only when admission refuses those before it.

    They are those of an ephemeral debugger. Nothing is learned inside before the copy is made, so that allow_elevated
    counts where the API does not say who the target is.
    """
    attempts = first_attempts(wish, original, known)
    if wish.identity == "auto" and wish.allow_elevated and known.uid is None:
        return [Attempt("general" if wish.profile == "auto" else wish.profile, "elevated"), *attempts]
    return attempts


def find_place(cluster: Cluster, original: Target, request: CopyRequest) -> tuple[str, Made | None]:
    """Return the name for the copy, and the copy that the same request made before if it still serves.

    Raises Failure Conflict when the name that the user chose is taken by anything else.
    """
    for number in range(_MANY):
        name = request.copy_to or derived_name(original, request, number)
        found = get_or_none(cluster, original.namespace, name)
        if found is None:
            return name, None
        if serves(found, original, request, cluster.now()):
            return name, Made(found, None, reused=True)
        if request.copy_to:
            raise _taken(found, original)
    raise Failure(
        "Conflict",
        f"Pod {original.namespace}/{original.pod} has {_MANY} copies that have ended.",
        "Delete them by state: absent.",
    )


def serves(pod: Mapping[str, Any], original: Target, request: CopyRequest, now: float) -> bool:
    """Return whether a pod is the copy that the same request made, and has time left: the lesser of 60 s and a tenth of its ttl."""
    annotations = pod["metadata"].get("annotations") or {}
    if not is_copy(pod) or annotations.get(REQUEST) != digest(original, request):
        return False
    if is_finished(pod) or is_terminating(pod):
        return False
    ends = ends_at(pod)
    ttl = pod["spec"].get("activeDeadlineSeconds") or 0
    return ends is None or ends - now >= min(60.0, ttl / 10)


def ends_at(pod: Mapping[str, Any]) -> float | None:
    """Return when the kubelet ends a copy, in seconds since the epoch; None before it has begun to count."""
    started, seconds = (pod.get("status") or {}).get("startTime"), pod["spec"].get("activeDeadlineSeconds")
    return None if started is None or seconds is None else epoch(started) + int(seconds)


def create(
    cluster: Cluster,
    original: Target,
    request: CopyRequest,
    attempts: Sequence[Attempt],
    name: str,
    *,
    dry_run: bool = False,
) -> Made:
    """Asks the API for the copy, and asks again with the next attempt when admission refuses it. Raises Failure."""
    query = [("fieldManager", "incident.distroless"), ("fieldValidation", "Strict")]
    if dry_run:
        query.append(("dryRun", "All"))
    refusals: list[str] = []
    for attempt in attempts:
        manifest = build_copy(original, request, attempt, name)
        doing = f"creating copy {original.namespace}/{name}"
        if not dry_run:
            PROGRESS.say(original.label, f"creating its copy {name}")
        try:
            path = api_path("api", "v1", "namespaces", original.namespace, "pods")
            return Made(cluster.post(path, manifest, doing, query), attempt, reused=False)
        except Failure as failure:
            refusals.append(f"profile {attempt.profile}: {failure.message}")
            if failure.reason not in _REFUSED or attempt is attempts[-1]:
                words = "; ".join(refusals) if len(refusals) > 1 else failure.message
                raise Failure(failure.reason, words, failure.hint) from failure
    raise AssertionError("attempts is never empty")


def delete(
    cluster: Cluster, pod: Mapping[str, Any], *, at_once: bool = False, dry_run: bool = False
) -> Mapping[str, Any] | None:
    """Deletes exactly this pod: another one that took its name stays. Returns the API's answer, None when it was gone."""
    metadata = pod["metadata"]
    options: dict[str, Any] = {"preconditions": {"uid": metadata["uid"]}}
    if at_once:
        options["gracePeriodSeconds"] = 0
    if dry_run:
        options["dryRun"] = ["All"]
    where = f"{metadata['namespace']}/{metadata['name']}"
    try:
        return cluster.delete(pod_path(metadata["namespace"], metadata["name"]), options, f"deleting pod {where}")
    except Failure as failure:
        # a conflict is the precondition's: the pod of that name is another one
        if failure.reason not in ("PodGone", "Conflict"):
            raise
        return None


def access_modes(cluster: Cluster, original: Target) -> dict[str, list[str] | None]:
    """Return the access modes of the claims that a pod mounts; None for one that may not be read or is not there."""
    modes: dict[str, list[str] | None] = {}
    for name in claim_names(original.manifest):
        path = api_path("api", "v1", "namespaces", original.namespace, "persistentvolumeclaims", name)
        try:
            claim = cluster.get(path, f"looking at claim {name}")
        except Failure as failure:
            if failure.reason not in ("RbacDenied", *NOT_THERE):
                raise
            modes[name] = None
        else:
            modes[name] = list((claim.get("spec") or {}).get("accessModes") or ())
    return modes


def _taken(found: Mapping[str, Any], original: Target) -> Failure:
    name = found["metadata"]["name"]
    if not is_copy(found):
        return Failure("Conflict", f"There is a pod {original.namespace}/{name} already.", "Set another copy_to.")
    is_same = (found["metadata"].get("annotations") or {}).get(COPY_OF_UID) == original.pod_uid
    what = "it has ended, or was asked for with other options" if is_same else "it is the copy of another pod"
    return Failure(
        "Conflict",
        f"There is a copy {original.namespace}/{name} already, and {what}.",
        "Delete it by state: absent, or set another copy_to.",
    )


# seconds for which a target that crashed in the original is watched in the copy before it is handed over as one that runs
SETTLING = 3.0


def wait_for_copy(cluster: Cluster, made: Target, debugger: str, *, may_crash: bool) -> Mapping[str, Any]:
    """Return the copy once its debug container runs and its target has started, or has shown that it does not.

    made is the target in the copy as it was created. With may_crash a target that started is watched for a while longer.
    Raises Failure with the reason why the copy never comes up, WaitTimeout or PodGone.
    """
    doing = f"waiting for copy {made.namespace}/{made.pod}"
    pod = _wait_until_known(cluster, made, debugger, doing)
    if not may_crash or not is_up(pod, made.container):
        return pod
    settling = cluster.until(Deadline(min(SETTLING, max(0.1, cluster.deadline.left()))))
    version = str(pod["metadata"]["resourceVersion"])
    try:
        with pod_changes(settling, made.namespace, made.pod, version, doing) as pods:
            for pod in pods:
                if not is_up(pod, made.container):
                    return pod
    except Failure as failure:
        if failure.reason != "WaitTimeout":
            raise
    return pod


def wait_until_gone(cluster: Cluster, pod: Mapping[str, Any]) -> None:
    """Returns when a pod that was deleted is gone. pod is the API server's answer to the deletion. Raises Failure WaitTimeout."""
    metadata = pod["metadata"]
    namespace, name, version = metadata["namespace"], metadata["name"], metadata["resourceVersion"]
    try:
        with pod_changes(cluster, namespace, name, version, f"waiting for the end of {namespace}/{name}") as pods:
            for now in pods:
                if now["metadata"]["uid"] != metadata["uid"]:
                    return
    except Failure as failure:
        if failure.reason != "PodGone":
            raise


def is_up(pod: Mapping[str, Any], container: str) -> bool:
    """Return whether a container runs."""
    return "running" in container_state(pod, container)


def why_down(pod: Mapping[str, Any], container: str) -> str:
    """Return why a container does not run: how it ended, last time where it waits to be started again, else what it waits for."""
    status = container_status(pod, container)
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
    found = Debugger(container_spec(pod, debugger), container_state(pod, debugger))
    check_hope(found, made, last_words)
    return found.is_running and _is_decided(container_state(pod, made.container))


def _wait_until_known(cluster: Cluster, made: Target, debugger: str, doing: str) -> Mapping[str, Any]:
    pod: Mapping[str, Any] = made.manifest
    version, last_words = str(pod["metadata"]["resourceVersion"]), ""
    try:
        with pod_changes(cluster, made.namespace, made.pod, version, doing) as pods:
            # one that was found may be up already, and then nothing changes any more
            for pod in chain([made.manifest], pods):
                words = waiting.words(container_state(pod, debugger)) or last_words
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
        raise cluster.deadline.expired(f"{doing} ({_last_words(pod, last_words)})") from failure
    raise AssertionError("a watch goes on until a failure ends it")


def _is_decided(state: Mapping[str, Any]) -> bool:
    return "running" in state or "terminated" in state or waiting.is_hopeless(state)


def _check_pod(pod: Mapping[str, Any], made: Target) -> None:
    status = pod.get("status") or {}
    if is_terminating(pod):
        raise Failure("PodGone", f"Copy {made.namespace}/{made.pod} is being deleted.")
    if is_finished(pod):
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


def _last_words(pod: Mapping[str, Any], last_words: str) -> str:
    return why_unscheduled(pod) or last_words or "the kubelet has not reported it yet"
