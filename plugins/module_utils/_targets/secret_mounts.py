# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where a pod's spec mounts secrets into a container.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target

# Of inline CSI volumes most hold what a vault or an authority gives: secrets-store, GKE's own, OpenShift's shared secrets,
# cert-manager, SPIFFE. These hold files of an app; any other counts as a secret.
_DATA_DRIVERS = frozenset(
    "blob.csi.azure.com cephfs.csi.ceph.com disk.csi.azure.com ebs.csi.aws.com efs.csi.aws.com file.csi.azure.com "
    "filestore.csi.storage.gke.io fsx.csi.aws.com gcsfuse.csi.storage.gke.io hostpath.csi.k8s.io image.csi.k8s.io local.csi.openebs.io "
    "nfs.csi.k8s.io pd.csi.storage.gke.io rbd.csi.ceph.com s3.csi.aws.com smb.csi.k8s.io".split()
)
# what projections give besides maps of configuration and bundles of public certificates
_SECRET_SOURCES = frozenset({"secret", "serviceAccountToken", "podCertificate"})
_SECRET_FLEX_DRIVERS = re.compile(r"(?:^|[/~_-])(?:kv|vault|secrets?)(?:$|[/~_-])", re.IGNORECASE)
# What injectors keep in memory, by the volume's name or where it is mounted: Vault and OpenBao (home-secrets, vault-secrets), Linkerd
# (its identity), Istio (workload certificates), Consul (what connect injects), SPIFFE
_INJECTED = re.compile(
    r"(?:^|[/._-])(?:secrets?|vault|bao|openbao|identity|certs?|certificates?|credentials?|tokens?|keys?|tls|svids?|spiffe|spire|"
    r"connect-inject)(?:$|[/._-])",
    re.IGNORECASE,
)
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the pod's, not ours


def secret_paths(target: Target) -> list[bytes]:
    """Return the mount paths of the target's secret volumes: service account tokens under any path among them."""
    volumes = {volume["name"]: volume for volume in (target.manifest.get("spec") or {}).get("volumes") or ()}
    # a path without its first slash counts from the root (pkg/kubelet, makeMounts)
    return [
        b"/" + str(mount["mountPath"]).encode().lstrip(b"/")
        for mount in target.spec.get("volumeMounts") or ()
        if mount.get("name") in volumes and is_secret(volumes[mount["name"]], str(mount["mountPath"]))
    ]


def is_secret(volume: Mapping[str, Any], path: str = "") -> bool:
    """Return whether a volume that is mounted at path holds secrets, by what the spec says of it."""
    sources = (volume.get("projected") or {}).get("sources") or ()
    if "secret" in volume or any(_SECRET_SOURCES & source.keys() for source in sources):
        return True
    if volume.get("csi") is not None:
        return volume["csi"].get("driver") not in _DATA_DRIVERS
    if volume.get("flexVolume") is not None:
        return _SECRET_FLEX_DRIVERS.search(str(volume["flexVolume"].get("driver"))) is not None
    is_memory = (volume.get("emptyDir") or {}).get("medium") == "Memory"
    is_injected = any(_INJECTED.search(word) for word in (str(volume.get("name")), path))
    return is_memory and is_injected and path.rstrip("/") != _SHARED_MEMORY
