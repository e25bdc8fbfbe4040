# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom a role is about that asks the API only: containers that crash, have finished or never came up take no debugger.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._collect.container_facts import (
    container_life,
    container_names,
)

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"

Rows = Iterable[Mapping[str, Any]]


def known_pods(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The pods that a result of ephemeral_debug names, also those that it could not look into: namespace, pod, node (or None)."""
    rows = [*(found.get("targets") or ()), *filter(_is_there, found.get("failed_targets") or ())]
    return [{"namespace": row["namespace"], "pod": row["pod"], "node": row.get("node")} for row in rows]


def subjects(found: Mapping[str, Any], answers: Rows, container: str, now: str) -> dict[str, list[dict[str, Any]]]:
    """The targets and failed_targets of a case that is made of the API's answers (those of api_answers).

    The targets of a pod are the container that is named; without a name those that something is wrong with, else the default
    one. They have the keys of ephemeral_debug's, with null for what only a debugger knows. now: RFC 3339.
    """
    pods = {
        (entry["metadata"].get("namespace"), entry["metadata"]["name"]): entry
        for answer in answers
        if answer["api"] == "pod"
        for entry in answer["objects"]
    }
    targets: list[dict[str, Any]] = []
    met: set[tuple[str, str]] = set()
    for row in known_pods(found):
        key = (row["namespace"], row["pod"])
        names = _containers(pods[key], container, now) if key in pods else []
        targets += [_target(pods[key], name) for name in names]
        met |= {key} if names else set()
    failed = [row for row in found.get("failed_targets") or () if (row.get("namespace"), row.get("pod")) not in met]
    return {"targets": targets, "failed_targets": [dict(row) for row in failed]}


def _is_there(failed: Mapping[str, Any]) -> bool:
    return bool(failed.get("namespace") and failed.get("pod")) and failed["reason"] != "NoTarget"


def _containers(pod: Mapping[str, Any], wanted: str, now: str) -> list[str]:
    names = container_names(pod)
    if wanted:
        return [wanted] if wanted in names else []
    troubled = [name for name in names if container_life(pod, name, now)["trouble_age"] is not None]
    default = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER)
    return troubled or [default if default in names else names[0]]


def _target(pod: Mapping[str, Any], container: str) -> dict[str, Any]:
    status = pod.get("status") or {}
    rows = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    row: Mapping[str, Any] = next((entry for entry in rows if entry["name"] == container), {})
    return {
        "namespace": pod["metadata"]["namespace"],
        "pod": pod["metadata"]["name"],
        "pod_uid": pod["metadata"]["uid"],
        "node": pod["spec"].get("nodeName"),
        "container": container,
        "container_id": row.get("containerID"),
        "image_id": row.get("imageID"),
        "restart_count": row.get("restartCount", 0),
        "target_started_at": ((row.get("state") or {}).get("running") or {}).get("startedAt"),
        **dict.fromkeys(("debugger", "image", "profile", "identity", "target_identity", "isolation", "pid", "root")),
        "root_readable": False,
        "reused": False,
        "started_at": None,
        "commands": [],
    }
