# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a kubelet makes of a pod that was written: its status, step by step."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Object = dict[str, Any]
# a pod after somebody's write -> the pod as the kubelet makes it, step by step; None: it is gone
Kubelet = Callable[[Object], Iterable["Object | None"]]

NOW = "2026-11-23T03:00:00Z"


def runs(pod: Object) -> Iterator[Object | None]:
    """A kubelet at which everything that has a node starts at once and ends at once."""
    if pod["metadata"].get("deletionTimestamp"):
        yield None
    else:
        yield with_running(pod)


def with_running(pod: Object, *waiting: str, reason: str = "ContainerCreating", message: str = "") -> Object:
    """The pod on its node with all containers running but those that are named: these wait, and have not run before."""
    now = copy.deepcopy(pod)
    now["spec"].setdefault("nodeName", "node-1")
    status = now.setdefault("status", {})
    why = {"reason": reason, **({"message": message} if message else {})}
    for specs, statuses in (("containers", "containerStatuses"), ("ephemeralContainers", "ephemeralContainerStatuses")):
        earlier = {row["name"]: row for row in status.get(statuses, ()) if "waiting" not in row["state"]}
        rows = [
            earlier.get(entry["name"]) or _status(number, entry, why if entry["name"] in waiting else None)
            for number, entry in enumerate(now["spec"].get(specs, ()))
        ]
        if rows:
            status[statuses] = rows
    is_pending = any("waiting" in row["state"] for row in status.get("containerStatuses", ()))
    status |= {"phase": "Pending" if is_pending else "Running", "startTime": NOW}
    return now


def _status(number: int, container: Mapping[str, Any], why: Mapping[str, str] | None) -> Object:
    runs = (
        {"containerID": f"containerd://{number}{'c' * 63}", "imageID": "sha256:feed"}
        if why is None
        else {"imageID": ""}
    )
    return {
        "name": container["name"],
        "image": container["image"],
        **runs,
        "restartCount": 0,
        "ready": why is None,
        "started": why is None,
        "state": {"running": {"startedAt": NOW}} if why is None else {"waiting": dict(why)},
        "lastState": {},
    }
