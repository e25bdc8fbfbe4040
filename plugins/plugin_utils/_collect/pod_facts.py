# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read off a pod's own object: its volumes as the target sees them, without anything that may be secret.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import container_spec, containers

Row = Mapping[str, Any]
# net.ipv4.ip_local_port_range, as the kernel has it from the start
EPHEMERAL = 32768


def volumes(pod: Mapping[str, Any], container: str) -> list[dict[str, Any]]:
    """Return the volumes that a container mounts.

    Each: name, kind (emptyDir, persistentVolumeClaim ...), medium ("" or Memory), size_limit (bytes or None), claim (or None),
    point, sub_path, read_only (as asked for).
    """
    sources = {volume["name"]: volume for volume in pod["spec"].get("volumes") or ()}
    mounts = container_spec(pod, container).get("volumeMounts") or ()
    return [_volume(mount, sources.get(mount["name"], {})) for mount in mounts]


def limited_volumes(mounted: Iterable[Row], folders: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the emptyDirs on disk that have a sizeLimit, by name, with all that of them is mounted in this container.

    mounted: volumes(); folders: each path and allocated (bytes). Each: name, size_limit, points (where it is mounted), used
    (bytes; None where one of the places was not measured), is_whole (bool; else only folders of it are mounted here).
    """
    sizes = {row["path"]: row["allocated"] for row in folders}
    found: dict[str, list[Row]] = {}
    for row in mounted:
        if row["size_limit"] is not None and row["medium"] != "Memory":
            found.setdefault(row["name"], []).append(row)
    return [_limited(name, rows, sizes) for name, rows in found.items()]


def _limited(name: str, rows: list[Row], sizes: Mapping[str, int]) -> dict[str, Any]:
    by_folder = {f"/{row['sub_path']}".rstrip("/"): row["point"] for row in rows}
    # what lies in a folder that is mounted as well is counted there
    tops = [
        path for path in by_folder if not any(path != other and path.startswith(f"{other}/") for other in by_folder)
    ]
    used = [sizes.get(by_folder[path]) for path in tops]
    return {
        "name": name,
        "size_limit": rows[0]["size_limit"],
        "points": [row["point"] for row in rows],
        "used": None if None in used else sum(size for size in used if size is not None),
        "is_whole": "" in by_folder,
    }


def listeners(sockets: Iterable[Row], pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what waits for others to call, beyond the pod itself: TCP sockets that listen, and UDP sockets of no peer.

    Each: protocol (TCP or UDP), port, local, uid, is_declared (by a container of the pod, with that protocol), is_ephemeral (a UDP
    port of those that the kernel gives to whoever sends, so that it may be a client's).
    """
    declared = {
        (str(port.get("protocol") or "TCP"), port.get("containerPort"))
        for container in containers(pod)
        for port in container.get("ports") or ()
    }
    rows = []
    for socket in sockets:
        protocol = socket["protocol"].removesuffix("6").upper()
        waits = socket["state"] == "LISTEN" or (protocol == "UDP" and not socket["remote_port"])
        if not waits or _is_loopback(socket["local"]):
            continue
        port = socket["local_port"]
        rows.append(
            {
                "protocol": protocol,
                "port": port,
                "local": socket["local"],
                "uid": socket["uid"],
                "is_declared": (protocol, port) in declared,
                "is_ephemeral": protocol == "UDP" and port >= EPHEMERAL,
            }
        )
    return rows


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address == "::1"


def _volume(mount: Mapping[str, Any], volume: Mapping[str, Any]) -> dict[str, Any]:
    kind = next((key for key in volume if key != "name"), "unknown")
    source = volume.get(kind) or {}
    return {
        "name": mount["name"],
        "kind": kind,
        "medium": source.get("medium", ""),
        "size_limit": quantity(source["sizeLimit"]) if "sizeLimit" in source else None,
        "claim": source.get("claimName"),
        # as the kernel shows it: from the root, and with no slash at its end
        "point": "/" + mount["mountPath"].strip("/"),
        "sub_path": mount.get("subPath") or mount.get("subPathExpr") or "",
        # one of two places of the wish: on the mount, or on the claim or the share
        "read_only": bool(mount.get("readOnly") or source.get("readOnly")),
    }


def quantity(value: object) -> int:
    """Return a Kubernetes quantity (64Mi, 1G, 250m) as a whole number, rounded up. Raises ValueError."""
    from kubernetes.utils.quantity import parse_quantity

    amount: Decimal = parse_quantity(value)  # type: ignore[no-untyped-call]
    return math.ceil(amount)


def owners(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return who made the pod, as its object says: kind, name, controller (bool)."""
    return [
        {"kind": owner["kind"], "name": owner["name"], "controller": bool(owner.get("controller"))}
        for owner in pod["metadata"].get("ownerReferences") or ()
    ]
