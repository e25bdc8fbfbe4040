# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a pod's object says of the pod and of one of its containers, whatever is missing in it.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
MIRROR_POD = "kubernetes.io/config.mirror"


def containers(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the specs of all containers that could be a target, app containers first, then init containers and sidecars."""
    spec = pod.get("spec") or {}
    return [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]


def container_spec(pod: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the spec of a container by name; empty when the pod has none of that name."""
    return next((spec for spec in containers(pod) if spec.get("name") == name), {})


def container_statuses(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the statuses of these containers, as far as the kubelet has reported them."""
    status = pod.get("status") or {}
    return [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]


def container_status(pod: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the status of a container by name; empty before the kubelet reported it."""
    return next((status for status in container_statuses(pod) if status.get("name") == name), {})


def container_state(pod: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a container's ContainerState, with at most one of running, waiting and terminated as its key."""
    state: Mapping[str, Any] = container_status(pod, name).get("state") or {}
    return state


def is_finished(pod: Mapping[str, Any]) -> bool:
    """Return whether the pod's containers have all ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_terminating(pod: Mapping[str, Any]) -> bool:
    """Return whether the pod is being deleted."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_called_ready(pod: Mapping[str, Any]) -> bool:
    """Return whether the API calls a pod ready, which it also does of one that is being deleted."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(row.get("type") == "Ready" and row.get("status") == "True" for row in conditions)


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Return whether the API says that the pod takes traffic, and nobody has deleted it."""
    return is_called_ready(pod) and not is_terminating(pod)


def controller_of(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the reference to what made the pod and keeps it; empty where nothing does."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def is_sibling(pod: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether another pod is of the same workload, of whatever revision: a Deployment's ReplicaSets are named after it and
    a hash that their pods have as a label."""
    own, its = controller_of(pod), controller_of(other)
    if not own or pod["metadata"].get("uid") == other["metadata"].get("uid") or own.get("kind") != its.get("kind"):
        return False
    return own.get("uid") == its.get("uid") or _deployment(pod) == _deployment(other) != ""


def _deployment(pod: Mapping[str, Any]) -> str:
    owner = controller_of(pod)
    ending = f"-{(pod['metadata'].get('labels') or {}).get('pod-template-hash')}"
    name = str(owner.get("name") or "")
    return name.removesuffix(ending) if owner.get("kind") == "ReplicaSet" and name.endswith(ending) else ""


def workload_of(pod: Mapping[str, Any]) -> tuple[str, str]:
    """Return kind and name of the workload that a pod is of, of a ReplicaSet's the Deployment where its name tells; both are
    empty where nothing keeps the pod."""
    owner = controller_of(pod)
    if deployment := _deployment(pod):
        return "Deployment", deployment
    return str(owner.get("kind") or ""), str(owner.get("name") or "")


# well-known labels of nodes (k8s.io/api/core/v1, well_known_labels.go)
_OS_LABELS = ("kubernetes.io/os", "beta.kubernetes.io/os")


def is_windows(pod: Mapping[str, Any]) -> bool:
    """Return whether the pod says itself that it runs on Windows: by its os, its node selector, or each term of the affinity that
    its node must meet. spec.os is younger than the others, and most do not set it."""
    spec = pod.get("spec") or {}
    if name := (spec.get("os") or {}).get("name"):
        return bool(name == "windows")
    selector = spec.get("nodeSelector") or {}
    if any(selector.get(label) == "windows" for label in _OS_LABELS):
        return True
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    terms = (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or ()
    return bool(terms) and all(any(map(_asks_for_windows, term.get("matchExpressions") or ())) for term in terms)


def _asks_for_windows(expression: Mapping[str, Any]) -> bool:
    if expression.get("key") not in _OS_LABELS:
        return False
    operator, values = expression.get("operator"), set(expression.get("values") or ())
    return (operator == "In" and values == {"windows"}) or (operator == "NotIn" and values == {"linux"})


def why_unscheduled(pod: Mapping[str, Any]) -> str | None:
    """Return the scheduler's words for why the pod has no node; None where it has one or nobody has tried."""
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return str(condition.get("message"))
    return None
