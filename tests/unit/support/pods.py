# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pods as the API gives them, small and named after what they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target, make_target


def pod(
    name: str = "api-0",
    *,
    containers: list[dict[str, Any]] | None = None,
    user: dict[str, Any] | None = None,
    phase: str = "Running",
    metadata: dict[str, Any] | None = None,
    rows: Mapping[str, dict[str, Any]] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A pod whose containers all run. user: what the kubelet says of the first one's identity; rows: container -> what else
    stands in its status."""
    containers = containers or [{"name": "app", "image": "shop/api:1"}]
    statuses = [
        {
            "name": container["name"],
            "containerID": f"containerd://{index}{'c' * 63}",
            "imageID": "sha256:feed",
            "restartCount": 0,
            "state": {"running": {"startedAt": "2026-11-23T03:00:00Z"}},
            **(rows or {}).get(container["name"], {}),
        }
        for index, container in enumerate(containers)
    ]
    if user is not None:
        statuses[0]["user"] = {"linux": user}
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-of-{name}",
            "resourceVersion": "7",
            **(metadata or {}),
        },
        "spec": {"nodeName": "node-1", "containers": containers, **spec},
        "status": {"phase": phase, "containerStatuses": statuses},
    }


def target(**kwargs: Any) -> Target:
    """The target in such a pod."""
    return make_target(pod(**kwargs), None)
