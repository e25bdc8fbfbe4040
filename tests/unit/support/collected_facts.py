# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a collection brought of one pod, and the facts that are read off it."""

from __future__ import annotations

from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import CaseFolder
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.facts import Known, gather_facts

POD = {
    "metadata": {
        "name": "api-0",
        "uid": "u1",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "api", "controller": True}],
    },
    "spec": {
        "containers": [
            {
                "name": "app",
                "env": [{"name": "TOKEN", "value": "secret"}, {"name": "POD", "valueFrom": {"fieldRef": {}}}],
                "volumeMounts": [
                    {"name": "cache", "mountPath": "/cache/"},
                    # the kubelet takes that from the root
                    {"name": "keys", "mountPath": "keys", "readOnly": True},
                ],
            }
        ],
        "volumes": [
            {"name": "cache", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}},
            {"name": "keys", "secret": {"secretName": "keys"}},
        ],
    },
    "status": {
        "containerStatuses": [
            {
                "name": "app",
                "state": {"running": {"startedAt": "2026-11-24T10:00:05Z"}},
                "lastState": {
                    "terminated": {
                        "startedAt": "2026-11-24T09:00:00Z",
                        "finishedAt": "2026-11-24T10:00:00Z",
                        "reason": "OOMKilled",
                        "exitCode": 137,
                    }
                },
            }
        ]
    },
}


def event(name: str = "api-0", uid: str = "u1") -> dict[str, Any]:
    about = {"kind": "Pod", "name": name, "uid": uid, "fieldPath": "spec.containers{app}"}
    return {
        "involvedObject": about,
        "lastTimestamp": "2026-11-24T10:00:01Z",
        "reason": "BackOff",
        "message": "again\x1b",
        "count": 3,
    }


def command(name: str, **changes: Any) -> dict[str, Any]:
    row = {
        "name": name,
        "rc": 0,
        "stderr": "",
        "timed_out": False,
        "start": "2026-11-24T11:00:00Z",
        "dest_sha256": "ab",
    }
    return {**row, **changes}


def target(*commands: dict[str, Any]) -> dict[str, Any]:
    return {
        "namespace": "shop",
        "pod": "api-0",
        "pod_uid": "u1",
        "container": "app",
        "node": "node-1",
        "debugger": "debugger-1",
        "image": "busybox:1.37",
        "reused": False,
        "started_at": "2026-11-24T10:59:59Z",
        "commands": list(commands),
    }


def collector(name: str, parser: str = "text", api: str | None = None) -> dict[str, Any]:
    return {"name": name, "parser": parser, "api": api, "timeout": 60}


def answer(api: str, *objects: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"api": api, "namespace": "shop", "name": None, "objects": list(objects), "error": None, **changes}


def learn(
    *commands: dict[str, Any],
    collectors: list[dict[str, Any]],
    api: Any = (),
    files: Any = (),
    failed: Any = (),
    case: CaseFolder | None = None,
) -> Known:
    """Return what is known by these. files: path -> content, of no case."""
    contents = dict(files)

    def read(path: str) -> bytes:
        if path not in contents:
            raise FileNotFoundError(path)
        data: bytes = contents[path]
        return data

    collected = {"collectors": collectors, "api": list(api), "failed_targets": list(failed)}
    return gather_facts({**collected, "ended": "2026-11-24T11:00:00Z"}, target(*commands), case.read if case else read)


def log(api: str, text: str = "", error: str | None = None) -> dict[str, Any]:
    return {"api": api, "namespace": "shop", "pod": "api-0", "container": "app", "text": text, "error": error}
