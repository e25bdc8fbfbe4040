# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read off a pod's own object, and off that and what was seen in it: volumes, listeners, zombies; nothing that may be secret.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.times import when
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import (
    container_spec,
    container_status,
    containers,
    controller_of,
    is_ready,
    is_sibling,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable

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
    return measured_volumes((row for row in mounted if row["size_limit"] is not None), folders)


def measured_volumes(mounted: Iterable[Row], folders: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the emptyDirs on disk, as limited_volumes does those with a sizeLimit."""
    sizes = {row["path"]: row["allocated"] for row in folders}
    found: dict[str, list[Row]] = {}
    for row in mounted:
        if row["kind"] == "emptyDir" and row["medium"] != "Memory":
            found.setdefault(row["name"], []).append(row)
    return [_measured(name, rows, sizes) for name, rows in found.items()]


def _measured(name: str, rows: list[Row], sizes: Mapping[str, int]) -> dict[str, Any]:
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


def ephemeral_storage(
    pod: Row, container: str, mounted: Iterable[Row], folders: Iterable[Row], layer: int
) -> list[dict[str, Any]]:
    """Return what of the node's disk a container, and what is seen of its pod from there, takes of their limits of ephemeral-storage.

    mounted: volumes(); folders: each path and allocated (bytes); layer: what the container wrote into its own (bytes). A row for each
    limit that is set: scope (the container's name, or pod), limit, used, layer, volumes (bytes of emptyDirs on disk; 0 for a
    container, which they are not counted for), unmeasured (names of emptyDirs), others (of the pod: names of containers and emptyDirs
    that are not seen from here). Logs are the node's and are not counted.
    """
    own = _storage_limit(container_spec(pod, container))
    rows = [_storage(container, own, layer, 0)] if own is not None else []
    limits = [limit for spec in pod["spec"].get("containers") or () if (limit := _storage_limit(spec)) is not None]
    if not limits:
        return rows
    empty = {row["name"]: row for row in mounted if row["kind"] == "emptyDir" and row["medium"] != "Memory"}
    used = {row["name"]: row["used"] for row in measured_volumes(mounted, folders)}
    names = [spec["name"] for spec in containers(pod) if spec["name"] != container]
    unseen = [
        volume["name"]
        for volume in pod["spec"].get("volumes") or ()
        if "emptyDir" in volume and volume["name"] not in used
    ]
    seen = sum(size for size in used.values() if size is not None)
    found = _storage("pod", sum(limits), layer, seen)
    memory = {row["name"] for row in mounted if row["medium"] == "Memory"}
    return [
        *rows,
        {
            **found,
            "unmeasured": sorted(name for name in empty if used[name] is None),
            "others": sorted({*names, *unseen} - memory),
        },
    ]


def _storage(scope: str, limit: int, layer: int, volumes: int) -> dict[str, Any]:
    about = {"scope": scope, "limit": limit, "used": layer + volumes, "layer": layer, "volumes": volumes}
    return {**about, "unmeasured": [], "others": []}


def _storage_limit(spec: Row) -> int | None:
    limit = ((spec.get("resources") or {}).get("limits") or {}).get("ephemeral-storage")
    return None if limit is None else quantity(limit)


def listeners(sockets: Iterable[Row], pod: Mapping[str, Any], held: Row) -> list[dict[str, Any]]:
    """Return what waits for others to call, beyond the pod itself: TCP sockets that listen, and UDP sockets of no peer.

    held: socket_owners of the target. In its node's network the sockets are only those that the target's processes hold. Each: protocol
    (TCP or UDP), port, local, uid, is_declared (by a container of the pod, with that protocol, or by a probe that asks for it),
    is_ephemeral (a UDP port of those that the kernel gives to whoever sends, so that it may be a client's).
    """
    own = set(held["inodes"])
    is_host = bool(pod["spec"].get("hostNetwork"))
    declared = {
        (str(port.get("protocol") or "TCP"), port.get("containerPort"))
        for container in containers(pod)
        for port in container.get("ports") or ()
    }
    # a manifest may leave ports out, and the kubelet calls what the probes name
    declared |= {("TCP", port) for container in containers(pod) for port in _probed(container)}
    rows = []
    for socket in sockets:
        protocol = socket["protocol"].removesuffix("6").upper()
        waits = socket["state"] == "LISTEN" or (protocol == "UDP" and not socket["remote_port"])
        if not waits or _is_loopback(socket["local"]) or (is_host and socket["inode"] not in own):
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


def _probed(spec: Row) -> set[int | str]:
    """Return the TCP ports that the probes of a container ask for; a name that no port of it has stays one."""
    named = {row["name"]: row["containerPort"] for row in spec.get("ports") or () if "name" in row}
    probes = [spec.get(f"{kind}Probe") or {} for kind in ("liveness", "readiness", "startup")]
    asked = [(probe.get(how) or {}).get("port") for probe in probes for how in ("httpGet", "tcpSocket", "grpc")]
    return {named.get(port, port) for port in asked if port}


def unserved_ports(sockets: Iterable[Row], pod: Row, container: str) -> list[dict[str, Any]]:
    """Return the TCP ports that a container declares, or its probes ask for, and that no one serves to others than the pod itself.

    Each: port, is_probed, addresses (where it is listened on: of the loopback only, or none). One that nobody listens on counts where
    that is so of all of them: a spec may declare ports of what is not turned on. Of its node's network the pod serves none that way.
    """
    spec = container_spec(pod, container)
    if pod["spec"].get("hostNetwork"):
        return []
    declared = [row for row in spec.get("ports") or () if (row.get("protocol") or "TCP") == "TCP"]
    probed = _probed(spec)
    ports = list(dict.fromkeys([*(row["containerPort"] for row in declared), *sorted(probed, key=str)]))
    at: dict[int, list[str]] = {}
    for socket in sockets:
        if socket["state"] == "LISTEN":
            at.setdefault(socket["local_port"], []).append(socket["local"])
    is_up = any(not _is_loopback(address) for port in ports for address in at.get(port, ()))
    return [
        {"port": port, "is_probed": port in probed, "addresses": at.get(port, [])}
        for port in ports
        if isinstance(port, int) and all(map(_is_loopback, at.get(port, ()))) and (port in at or not is_up)
    ]


def zombies(processes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the processes that wait for others to take note of their end, by those others, the most first.

    Each: parent (its pid), parent_name ("" where it is in no table), names (of the zombies, each once), count.
    """
    rows = list(processes)
    known = {row["pid"]: row["name"] for row in rows}
    found: dict[int, list[str]] = {}
    for row in rows:
        if row["state"] == "Z":
            found.setdefault(row["parent"], []).append(row["name"])
    return [
        {"parent": pid, "parent_name": known.get(pid, ""), "names": sorted(set(names)), "count": len(names)}
        for pid, names in sorted(found.items(), key=lambda entry: -len(entry[1]))
    ]


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


def comparison(pod: Row, container: str, others: Iterable[Row], looked: Collection[str] = ()) -> dict[str, Any] | None:
    """Return how a container differs from that of a healthy pod of the same workload, of which others may hold some; None without one.

    looked: names of pods that were looked into as well. pod (its name), node, differences: each what, here and there (text), files
    ("" where none were to be compared). Of environment variables only names are compared.
    """
    alike = [other for other in others if is_sibling(pod, other) and is_ready(other)]
    if not alike:
        return None
    # one of the same revision differs least; of those more is known of one that was looked into, and then of what has stood longest
    owner = controller_of(pod)
    other = min(
        alike,
        key=lambda row: (
            controller_of(row) != owner,
            row["metadata"]["name"] not in looked,
            str(row["metadata"].get("creationTimestamp")),
        ),
    )
    here, there = _traits(pod, container), _traits(other, container)
    rows = [{"what": what, "here": value, "there": there[what]} for what, value in here.items() if value != there[what]]
    return {"pod": other["metadata"]["name"], "node": other["spec"].get("nodeName"), "differences": rows, "files": ""}


def _traits(pod: Row, container: str) -> dict[str, str]:
    specs = [row for row in containers(pod) if row["name"] == container]
    spec: Row = specs[0] if specs else {}
    status = container_status(pod, container)
    resources = spec.get("resources") or {}
    names = [row["name"] for row in spec.get("env") or ()]
    sources = [
        f"all of {source.get('name')}"
        for row in spec.get("envFrom") or ()
        for source in row.values()
        if isinstance(source, Mapping)
    ]
    return {
        "node": str(pod["spec"].get("nodeName") or "none"),
        "image": str(spec.get("image") or "none"),
        "image id": str(status.get("imageID") or "none"),
        "limits": _said(resources.get("limits")),
        "requests": _said(resources.get("requests")),
        "restarts": str(status.get("restartCount", 0)),
        "environment names": ", ".join(sorted({*names, *sources})) or "none",
    }


def _said(amounts: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {amount}" for name, amount in sorted((amounts or {}).items())) or "none"


def owners(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return who made the pod, as its object says: kind, name, controller (bool)."""
    return [
        {"kind": owner["kind"], "name": owner["name"], "controller": bool(owner.get("controller"))}
        for owner in pod["metadata"].get("ownerReferences") or ()
    ]


def event_row(event: Row) -> dict[str, Any]:
    """Return what of an event is a fact: time (of the last of its kind), type, reason, message, count, container (the one that it
    is about, or None), late (seconds from that time until the API was told)."""
    series = event.get("series") or {}
    times = (
        series.get("lastObservedTime"),
        *(event.get(key) for key in ("lastTimestamp", "eventTime", "firstTimestamp")),
    )
    last = next(filter(None, times), None)
    return {
        "time": last,
        "type": event.get("type"),
        "reason": event.get("reason"),
        # of what goes on for long the reporter sends one event for all that are alike (client-go, EventAggregator)
        "message": printable(str(event.get("message", "")).removeprefix("(combined from similar events): ").strip()),
        "count": series.get("count") or event.get("count") or 1,
        "container": _container_of(event),
        # a series is told of when it is over, by intention (client-go, events)
        "late": 0 if series else _late(event.get("metadata") or {}, last),
    }


def _late(metadata: Row, last: object) -> int:
    """Return the seconds by which the API was told of an event later than it was; 0 where it does not say."""
    told = max(
        map(
            when, (metadata.get("creationTimestamp"), *(row.get("time") for row in metadata.get("managedFields") or ()))
        )
    )
    late = told - when(last)
    return max(0, int(late)) if math.isfinite(late) else 0


def _container_of(event: Row) -> str | None:
    """Return the container that an event of a pod is about: its fieldPath is such as spec.containers{app}."""
    path = re.fullmatch(r"spec\.\w+\{([^{}]+)\}", (event.get("involvedObject") or {}).get("fieldPath") or "")
    return path[1] if path else None
