# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collectors of an acquisition printed: a pod's state, open files, kept executables, names of variables.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import (
    from_hex,
    lines,
    not_understood,
    number,
    shown,
    words,
)

_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")


def pod_state(data: bytes) -> dict[str, Any]:
    """What of a pod's object (JSON) changes when it restarts, moves or is replaced.

    uid, resource_version, node, phase, is_deleted (bool), and containers; each of those: name, container_id, restart_count,
    state (running, waiting, terminated, or None), ready.
    """
    try:
        pod = json.loads(data)
        metadata, status = pod["metadata"], pod.get("status") or {}
        rows = [row for key in _STATUSES for row in status.get(key) or ()]
        return {
            "uid": metadata["uid"],
            "resource_version": metadata.get("resourceVersion"),
            "node": pod["spec"].get("nodeName"),
            "phase": status.get("phase"),
            "is_deleted": "deletionTimestamp" in metadata,
            "containers": [
                {
                    "name": row["name"],
                    "container_id": row.get("containerID"),
                    "restart_count": row.get("restartCount", 0),
                    "state": next(iter(row.get("state") or ()), None),
                    "ready": bool(row.get("ready")),
                }
                for row in rows
            ],
        }
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise not_understood(data) from error


def open_files(data: bytes) -> list[dict[str, Any]]:
    """Open files from lines `pid fd _hex-link _hex-fdinfo`: pid, fd, file, position (bytes), flags (octal, as open's)."""
    rows = [_open_file(line) for line in lines(data)]
    return sorted(rows, key=lambda row: (row["pid"], row["fd"]))


def _open_file(line: bytes) -> dict[str, Any]:
    pid, fd, link, info = words(line, 4)
    about = dict(row.partition(b":")[::2] for row in from_hex(info.removeprefix(b"_")).split(b"\n"))
    return {
        "pid": number(pid),
        "fd": number(fd),
        "file": shown(from_hex(link.removeprefix(b"_")).removesuffix(b"\n")),
        "position": number(about.get(b"pos", b"0").strip()),
        "flags": shown(about.get(b"flags", b"").strip()),
    }


def archive(data: bytes) -> list[dict[str, Any]]:
    """The files of a tar: name, size, sha256. Of one that printed nothing there are none."""
    rows: list[dict[str, Any]] = []
    if not data:
        return rows
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file is not None:
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
                    rows.append({"name": shown(os.fsencode(member.name)), "size": member.size, "sha256": sha256})
    except tarfile.TarError as error:
        raise not_understood(data) from error
    return rows


def variable_names(data: bytes) -> list[dict[str, Any]]:
    """Names of environment variables, never values, from lines `pid NAME`: pid, names."""
    found: dict[int, list[str]] = {}
    for line in lines(data):
        pid, name = words(line, 2)
        found.setdefault(number(pid), []).append(shown(name))
    return [{"pid": pid, "names": names} for pid, names in sorted(found.items())]


def environments(data: bytes) -> list[dict[str, Any]]:
    """How much of each process's environment was kept, from lines `pid _hex`: pid, variables (their number), bytes."""
    rows = (words(line, 2) for line in lines(data))
    kept = ((number(pid), from_hex(text.removeprefix(b"_"))) for pid, text in rows)
    return [
        {"pid": pid, "variables": len([entry for entry in text.split(b"\0") if entry]), "bytes": len(text)}
        for pid, text in kept
    ]
