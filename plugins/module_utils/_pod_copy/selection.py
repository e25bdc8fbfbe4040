# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pod to copy, whatever its state, and which copies of ours there are.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, pod_path
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import is_windows
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.manifest import LABEL, copy_of, is_copy
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import (
    Selection,
    Target,
    as_target,
    check_count,
    choose_container,
    parse_selection,
    ways_of_selecting,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.selection import (
    check_row,
    get_pod,
    list_pods,
    matching_pods,
)

# of the names of pods that are too many, how many a message holds
_SHOWN = 10


def find_original(cluster: Cluster, selection: Selection) -> Target:
    """Return the one pod to copy, with its target container. Crashing, finished, pending and static ones are what is asked for.

    Raises Failure NoTarget, TooManyPods, PodGone, WindowsNode, ContainerNotFound or InvalidRequest.
    """
    pod, wanted = _selected(cluster, selection)
    if copy_of(pod) is not None:
        raise Failure(
            "InvalidRequest",
            f"Pod {pod['metadata']['name']} is itself a copy, of {copy_of(pod)}.",
            "Hand its targets to the other modules, or select the original.",
        )
    if is_windows(pod):
        raise Failure("WindowsNode", f"Pod {pod['metadata']['name']} runs Windows containers.")
    return as_target(pod, choose_container(pod, wanted))


def get_or_none(cluster: Cluster, namespace: str, name: str) -> dict[str, Any] | None:
    """Return a pod by name, None when there is none."""
    try:
        return cluster.get(pod_path(namespace, name), f"looking for pod {namespace}/{name}")
    except Failure as failure:
        if failure.reason != "PodGone":
            raise
        return None


def find_copies(cluster: Cluster, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the copies of ours that the options mean: the one of copy_to, those of the selected pods, those that targets name.

    A pod may be gone by now; its copies are found by its name. Raises Failure InvalidRequest.
    """
    name, namespace = params.get("copy_to"), params.get("namespace")
    if name and not ways_of_selecting(params):
        if not namespace:
            raise Failure("InvalidRequest", "namespace is needed with copy_to.", "Set namespace.")
        return _named(cluster, namespace, name)
    wanted = _wanted(cluster, parse_selection(params))
    found: dict[str, dict[str, Any]] = {}
    for where in sorted({where for where, _name in wanted}):
        names = {name for space, name in wanted if space == where}
        for pod in list_pods(cluster, where, LABEL, ""):
            if is_copy(pod) and ({pod["metadata"]["name"], copy_of(pod)} & names):
                found[pod["metadata"]["uid"]] = pod
    return [pod for pod in found.values() if not name or pod["metadata"]["name"] == name]


def _named(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    pod = get_or_none(cluster, namespace, name)
    if pod is None:
        return []
    if not is_copy(pod):
        raise Failure(
            "InvalidRequest",
            f"Pod {namespace}/{name} is not a copy made by this collection, and was left as it is.",
            "Set copy_to to the name of a copy, or pod to the name of the original.",
        )
    return [pod]


def _wanted(cluster: Cluster, selection: Selection) -> set[tuple[str, str]]:
    """Return namespaces and names of the pods meant, which may be originals or copies."""
    if selection.targets is not None:
        return {_place(index, row) for index, row in enumerate(selection.targets)}
    namespace = selection.namespace or ""
    if selection.pod:
        return {(namespace, selection.pod)}
    names, what = matching_pods(cluster, selection)
    check_count(len(names), selection.max_pods, what)
    return {(namespace, name) for name in names}


def _selected(cluster: Cluster, selection: Selection) -> tuple[dict[str, Any], str | None]:
    """Return the one pod of a selection, and the container that it asks for."""
    if selection.targets is not None:
        check_count(len({_place(index, row) for index, row in enumerate(selection.targets)}), 1, "targets")
        (namespace, name), earlier = _place(0, selection.targets[0]), selection.targets[0]
        pod = get_pod(cluster, namespace, name)
        if earlier.get("pod_uid") not in (None, pod["metadata"]["uid"]):
            raise Failure("PodGone", f"Pod {namespace}/{name} is another one than in targets: its uid is not the same.")
        return pod, selection.container or earlier.get("container")
    namespace = selection.namespace or ""
    if selection.pod:
        return get_pod(cluster, namespace, selection.pod), selection.container
    # a copy that keeps its labels is one more that matches
    names, what = matching_pods(cluster, selection, lambda pod: not is_copy(pod))
    some = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    check_count(len(names), 1, f"{what} ({some})")
    return get_pod(cluster, namespace, names[0]), selection.container


def _place(index: int, row: Mapping[str, Any]) -> tuple[str, str]:
    check_row(index, row)
    return str(row["namespace"]), str(row["pod"])
