# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes one pod's copy, or finds the one that the same request made, and deletes what is to go.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, api_path, pod_path
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.manifest import (
    COPY_OF_UID,
    REQUEST,
    CopyRequest,
    build_copy,
    derived_name,
    digest,
    is_copy,
)
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.selection import get_or_none
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.shared_resources import claim_names
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import (
    Target,
    is_finished,
    is_terminating,
)

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


def find_place(cluster: Cluster, original: Target, request: CopyRequest, deadline: Deadline) -> tuple[str, Made | None]:
    """Return the name for the copy, and the copy that the same request made before if it still serves.

    Raises Failure Conflict when the name that the user chose is taken by anything else.
    """
    for number in range(_MANY):
        name = request.copy_to or derived_name(original, request, number)
        found = get_or_none(cluster, original.namespace, name, deadline)
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
    deadline: Deadline,
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
            return Made(cluster.post(path, manifest, doing, deadline, query), attempt, reused=False)
        except Failure as failure:
            refusals.append(f"profile {attempt.profile}: {failure.message}")
            if failure.reason not in _REFUSED or attempt is attempts[-1]:
                words = "; ".join(refusals) if len(refusals) > 1 else failure.message
                raise Failure(failure.reason, words, failure.hint) from failure
    raise AssertionError("attempts is never empty")


def delete(
    cluster: Cluster, pod: Mapping[str, Any], deadline: Deadline, *, at_once: bool = False, dry_run: bool = False
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
        return cluster.delete(
            pod_path(metadata["namespace"], metadata["name"]), options, f"deleting pod {where}", deadline
        )
    except Failure as failure:
        # a conflict is the precondition's: the pod of that name is another one
        if failure.reason not in ("PodGone", "Conflict"):
            raise
        return None


def access_modes(cluster: Cluster, original: Target, deadline: Deadline) -> dict[str, list[str] | None]:
    """Return the access modes of the claims that a pod mounts; None for one that may not be read or is not there."""
    modes: dict[str, list[str] | None] = {}
    for name in claim_names(original.manifest):
        path = api_path("api", "v1", "namespaces", original.namespace, "persistentvolumeclaims", name)
        try:
            claim = cluster.get(path, f"looking at claim {name}", deadline)
        except Failure as failure:
            if failure.reason not in ("RbacDenied", "PodGone"):
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
