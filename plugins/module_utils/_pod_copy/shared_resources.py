# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a pod and its copy cannot share, or share to harm, said before the copy is made.

Pure. This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import containers, is_finished
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.manifest import CopyRequest
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target

_REPLACE = "Set replace: true, which deletes the original, or let the original end first."


def claim_names(pod: Mapping[str, Any]) -> list[str]:
    """Return the persistent volume claims that a pod mounts."""
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    return [
        str(volume["persistentVolumeClaim"]["claimName"]) for volume in volumes if volume.get("persistentVolumeClaim")
    ]


def what_is_shared(
    original: Target, request: CopyRequest, modes: Mapping[str, Sequence[str] | None], *, replace: bool
) -> list[str]:
    """Return warnings about what the copy takes, shares or lacks. Raises Failure InvalidRequest where it could never start.

    modes are the access modes of claims by their names, None where they could not be read.
    """
    holds = not replace and not is_finished(original.manifest)
    return [
        *_host_ports(original, request, holds=holds),
        *_claims(original, request, modes, holds=holds),
        *_empty_volumes(original),
        *_labels(original, request),
    ]


def _host_ports(original: Target, request: CopyRequest, *, holds: bool) -> Iterator[str]:
    ports = sorted(
        {
            f"{port['hostPort']}/{port.get('protocol', 'TCP')}"
            for container in containers(original.manifest)
            for port in container.get("ports") or ()
            if port.get("hostPort")
        }
    )
    if not ports or not holds:
        return
    what = f"The original holds host port {', '.join(ports)} on node {original.node}"
    if request.same_node:
        raise Failure("InvalidRequest", f"{what}: with same_node the copy could never start.", _REPLACE)
    yield f"{what}: the copy starts on another node only"


def _claims(
    original: Target, request: CopyRequest, modes: Mapping[str, Sequence[str] | None], *, holds: bool
) -> Iterator[str]:
    for name in claim_names(original.manifest):
        known = modes.get(name)
        if holds and known is not None and "ReadWriteOncePod" in known:
            raise Failure("InvalidRequest", f"Claim {name} is ReadWriteOncePod, and the original holds it.", _REPLACE)
        if holds and known is not None and set(known) == {"ReadWriteOnce"} and not request.same_node:
            yield (
                f"claim {name} is ReadWriteOnce, and the original holds it on node {original.node}: "
                "the copy starts there only; same_node: true sends it there"
            )
        if holds and known is None:
            yield (
                f"the access modes of claim {name} could not be read (get on persistentvolumeclaims): "
                "if they do not allow it to be shared, the copy waits for it"
            )
        if request.runs_as_it_was:
            yield f"claim {name} is the original's own data, and the copy's app writes to it too; hold: true keeps it from running"


def _empty_volumes(original: Target) -> Iterator[str]:
    empty = [
        str(volume["name"])
        for volume in original.manifest["spec"].get("volumes") or ()
        if "emptyDir" in volume or "ephemeral" in volume
    ]
    if empty:
        yield f"what the original has on {', '.join(empty)} stays with it: such a volume starts empty in the copy"


def _labels(original: Target, request: CopyRequest) -> Iterator[str]:
    if "labels" in request.keep and original.manifest["metadata"].get("labels"):
        yield (
            "the labels are kept: Services send traffic to the copy, and a controller that selects them adopts it "
            "and may end it or another pod for being one too many"
        )
