# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a pod's spec mounts secrets into a container.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target

# CSI drivers whose volumes hold secrets or private keys
_SECRET_DRIVERS = ("csi.cert-manager.io", "csi.spiffe.io", "secrets-store.csi.k8s.io")


def secret_paths(target: Target) -> list[bytes]:
    """Return the mount paths of the target's secret volumes: service account tokens under any path among them."""
    volumes = (target.manifest.get("spec") or {}).get("volumes") or ()
    names = {volume["name"] for volume in volumes if is_secret(volume)}
    # a path without its first slash counts from the root (pkg/kubelet, makeMounts)
    return [
        b"/" + str(mount["mountPath"]).encode().lstrip(b"/")
        for mount in target.spec.get("volumeMounts") or ()
        if mount.get("name") in names
    ]


def is_secret(volume: Mapping[str, Any]) -> bool:
    """Return whether a volume is a secret, a projection with a secret or a token in it, or a CSI secret store."""
    sources = (volume.get("projected") or {}).get("sources") or ()
    return (
        "secret" in volume
        or any("secret" in source or "serviceAccountToken" in source for source in sources)
        or (volume.get("csi") or {}).get("driver") in _SECRET_DRIVERS
    )
