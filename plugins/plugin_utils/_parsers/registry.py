# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every parser that a collector can name.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.certificates import tls
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.cgroup import (
    cgroup,
    cgroup_cpu,
    cgroup_memory,
    cgroup_pids,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.disk import (
    archive,
    deleted_files,
    disk_usage,
    file_changes,
    file_sizes,
    folder_sizes,
    growth,
    mountinfo,
    places,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.file_hashes import file_hashes
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.network import (
    lookups,
    pcap,
    peers,
    protocol_counters,
    resolver,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.processes import (
    counters,
    environments,
    held_sockets,
    limits,
    loaded,
    open_files,
    process_limits,
    processes,
    strays,
    variable_names,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.sockets import sockets
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import (
    completeness,
    lines,
    not_understood,
    printable,
    text,
)

_STATUSES = ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
_OF_A_FILE = ("src", "status", "reason", "type", "size", "sha256", "dest")

Parser = Callable[[bytes], Any]


def pod_state(data: bytes) -> dict[str, Any]:
    """Return what of a pod's object (JSON) changes when it restarts, moves or is replaced.

    uid, resource_version, node, phase, is_deleted (bool), is_gone (False: the pod is there), and containers; each of those: name, container_id, restart_count,
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
            "is_gone": False,
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


def manifest(data: bytes) -> list[dict[str, Any]]:
    """Return what proc_fs_fetch's manifest (JSON) says of files: src, status, reason, type, size, sha256, dest. Of folders only those with
    a failure."""
    try:
        rows = [{key: row.get(key) for key in _OF_A_FILE} for row in json.loads(data)["files"]]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise not_understood(data) from error
    return [row for row in rows if row["type"] != "directory" or row["status"] == "failed"]


def escaped_lines(data: bytes) -> list[str]:
    """Return the lines, with what is not printable escaped."""
    return [printable(line.decode("utf-8", "backslashreplace")) for line in lines(data)]


PARSERS: dict[str, Parser] = {
    "archive": archive,
    "cgroup": cgroup,
    "cgroup_cpu": cgroup_cpu,
    "cgroup_memory": cgroup_memory,
    "cgroup_pids": cgroup_pids,
    "completeness": completeness,
    "counters": counters,
    "deleted_files": deleted_files,
    "disk_usage": disk_usage,
    "environments": environments,
    "file_changes": file_changes,
    "file_hashes": file_hashes,
    "file_sizes": file_sizes,
    "folder_sizes": folder_sizes,
    "growth": growth,
    "held_sockets": held_sockets,
    "limits": limits,
    "lines": escaped_lines,
    "loaded": loaded,
    "lookups": lookups,
    "manifest": manifest,
    "mountinfo": mountinfo,
    "open_files": open_files,
    "pcap": pcap,
    "peers": peers,
    "pod_state": pod_state,
    "places": places,
    "process_limits": process_limits,
    "processes": processes,
    "protocol_counters": protocol_counters,
    "resolver": resolver,
    "sockets": sockets,
    "strays": strays,
    "text": text,
    "tls": tls,
    "variable_names": variable_names,
}
