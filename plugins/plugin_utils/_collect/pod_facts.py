# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is read off a pod's own object: its volumes as the target sees them, without anything that may be secret.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def volumes(pod: Mapping[str, Any], container: str) -> list[dict[str, Any]]:
    """The volumes that a container mounts.

    Each: name, kind (emptyDir, persistentVolumeClaim ...), medium ("" or Memory), size_limit (bytes or None), claim (or None),
    point, sub_path, read_only (as asked for).
    """
    spec = pod["spec"]
    sources = {volume["name"]: volume for volume in spec.get("volumes") or ()}
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    mounts = next((entry.get("volumeMounts") or () for entry in containers if entry["name"] == container), ())
    return [_volume(mount, sources.get(mount["name"], {})) for mount in mounts]


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
        "read_only": bool(mount.get("readOnly")),
    }


def quantity(value: object) -> int:
    """A Kubernetes quantity (64Mi, 1G, 250m) as a whole number, rounded up. Raises ValueError."""
    from kubernetes.utils.quantity import parse_quantity

    amount: Decimal = parse_quantity(value)  # type: ignore[no-untyped-call]
    return math.ceil(amount)


def owners(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Who made the pod, as its object says: kind, name, controller (bool)."""
    return [
        {"kind": owner["kind"], "name": owner["name"], "controller": bool(owner.get("controller"))}
        for owner in pod["metadata"].get("ownerReferences") or ()
    ]
