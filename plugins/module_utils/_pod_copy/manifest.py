# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A debuggable copy of a pod: the pod's manifest in, the copy's out.

Pure. What is kept and what is dropped is what `kubectl debug --copy-to` keeps and drops (k8s.io/kubectl/pkg/cmd/debug); the
differences are written down in docs/docsite/rst/kubectl_parity.rst.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import (
    Request,
    base_name,
    build,
    numbered,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import Attempt
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import MIRROR_POD, containers
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target
from ansible_collections.incident.distroless.plugins.module_utils._targets.secret_mounts import is_secret

# a label, so that the API server finds copies by it; what it is a copy of does not fit into a label's 63 characters
LABEL = "incident.distroless/debug-copy"
COPY_OF = "incident.distroless/copy-of"
COPY_OF_UID = "incident.distroless/copy-of-uid"
REQUEST = "incident.distroless/request"

# which pod of a node's own manifests it is: the API server takes nobody's word but the kubelet's for it
_STATIC = "kubernetes.io/config."

KEEP = ("labels", "annotations", "liveness", "readiness", "startup", "init_containers")
_PROBES = {"liveness": "livenessProbe", "readiness": "readinessProbe", "startup": "startupProbe"}

# the volume, and the init container that puts the waiting program there
HOLD = "incident-distroless-hold"
HOLD_PATH = "/.incident-distroless"
# the shell that is a busybox itself may answer `command -v` without a path
_FETCH = f'program=/bin/busybox; [ -x "$program" ] || program=$(command -v busybox); cp "$program" {HOLD_PATH}/busybox'

# a volume mounted there in the debug container would hide its own tools, or the kernel's files
_TOOLS = ("/bin", "/sbin", "/usr", "/lib", "/lib64", "/proc", "/sys", "/dev")

_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What the user asked for. debug is the container that is added; keep holds words of KEEP; command and args are the
    target's, None where its own stay."""

    debug: Request
    copy_to: str | None = None
    set_image: Mapping[str, str] | None = None
    command: Sequence[str] | None = None
    args: Sequence[str] | None = None
    hold: bool = False
    mount_volumes: bool = True
    share_processes: bool = True
    same_node: bool = False
    keep: frozenset[str] = frozenset({"init_containers"})

    @property
    def runs_as_it_was(self) -> bool:
        """Return whether the target's own program is what runs in the copy."""
        return not self.hold and self.command is None


def digest(original: Target, request: CopyRequest) -> str:
    """Return what was asked for, of which pod, without name and ttl: the same again finds the copy that runs."""
    debug = request.debug
    asked = [
        original.pod_uid,
        original.container,
        [(spec["name"], spec.get("image")) for spec in containers(original.manifest)],
        [
            debug.image,
            debug.image_pull_policy,
            dict(debug.env),
            debug.custom,
            list(debug.patch),
            debug.name,
            debug.words,
        ],
        [request.set_image, request.command, request.args, request.hold, request.mount_volumes],
        [request.share_processes, request.same_node, sorted(request.keep)],
    ]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def derived_name(original: Target, request: CopyRequest, number: int) -> str:
    """Return <pod>-debug-<5>, the number-th of the names for this request; a long pod's name is cut to what a name may have."""
    five = hashlib.sha256(f"{digest(original, request)}/{number}".encode()).hexdigest()[:5]
    ending = f"-debug-{five}"
    return original.pod[: _LONGEST_NAME - len(ending)].rstrip("-.") + ending


def debug_name(original: Target, request: CopyRequest) -> str:
    """Return the name of the debug container: one that no container of the pod has."""
    base, number = base_name(request.debug, original.container), 1
    taken = {str(spec["name"]) for spec in containers(original.manifest)}
    while numbered(base, number) in taken:
        number += 1
    return numbered(base, number)


def build_copy(original: Target, request: CopyRequest, attempt: Attempt, name: str) -> dict[str, Any]:
    """Return the copy's manifest. Raises Failure InvalidRequest or ContainerNotFound for what cannot be."""
    pod = original.manifest
    spec: dict[str, Any] = copy.deepcopy(dict(pod["spec"]))
    # the first is refused in a new pod; the second holds it back from the scheduler, and is of the past in one that ran
    for key in ("ephemeralContainers", "schedulingGates"):
        spec.pop(key, None)
    if not request.same_node:
        spec.pop("nodeName", None)
    if MIRROR_POD in (pod["metadata"].get("annotations") or {}):
        # the kubelet's own, which admission gives to no other pod
        spec.pop("priority", None)
    # a token that the original has is among its volumes; admission shall give none to the debug container
    spec["automountServiceAccountToken"] = False
    # the API refuses both together, and whoever sees the host's processes sees the target's
    if not spec.get("hostPID"):
        spec["shareProcessNamespace"] = request.share_processes
    _set_images(spec, request.set_image or {})
    if "init_containers" not in request.keep:
        spec.pop("initContainers", None)
    debug = build(request.debug, attempt, debug_name(original, request), None)
    if request.mount_volumes:
        _mount_volumes(debug, original)
    target = _target_in(spec, original)
    for container in (*spec["containers"], target):
        for word, probe in _PROBES.items():
            if word not in request.keep:
                container.pop(probe, None)
    _change_program(spec, target, debug, request)
    spec["containers"].append(debug)
    spec["activeDeadlineSeconds"] = request.debug.ttl
    metadata = _metadata(original, request, name)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def is_copy(pod: Mapping[str, Any]) -> bool:
    """Return whether this collection made the pod."""
    return LABEL in (pod["metadata"].get("labels") or {}) and COPY_OF in (pod["metadata"].get("annotations") or {})


def copy_of(pod: Mapping[str, Any]) -> str | None:
    """Return the name of the pod of which this one is a copy."""
    name: str | None = (pod["metadata"].get("annotations") or {}).get(COPY_OF)
    return name if is_copy(pod) else None


def _metadata(original: Target, request: CopyRequest, name: str) -> dict[str, Any]:
    before = original.manifest["metadata"]
    labels = dict(before.get("labels") or {}) if "labels" in request.keep else {}
    annotations = dict(before.get("annotations") or {}) if "annotations" in request.keep else {}
    annotations = {key: value for key, value in annotations.items() if not key.startswith(_STATIC)}
    annotations |= {COPY_OF: original.pod, COPY_OF_UID: original.pod_uid, REQUEST: digest(original, request)}
    # no ownerReferences: a controller that owns it would count it
    labels[LABEL] = "true"
    return {"name": name, "namespace": original.namespace, "labels": labels, "annotations": annotations}


def _set_images(spec: dict[str, Any], images: Mapping[str, str]) -> None:
    everyone = images.get("*")
    inits = spec.get("initContainers") or []
    names = [container["name"] for container in (*spec["containers"], *inits)]
    for name in images:
        if name != "*" and name not in names:
            raise Failure(
                "ContainerNotFound",
                f"set_image names the container {name!r}, which the pod does not have.",
                f"Name one of: {', '.join(names)}, or * for all but the init containers.",
            )
    for container in spec["containers"]:
        container["image"] = images.get(container["name"]) or everyone or container.get("image")
    for container in inits:
        container["image"] = images.get(container["name"]) or container.get("image")


def _target_in(spec: Mapping[str, Any], original: Target) -> dict[str, Any]:
    """Return the target container in the copy: one of the app's, or a sidecar that is kept."""
    sidecars = [entry for entry in spec.get("initContainers") or [] if entry.get("restartPolicy") == "Always"]
    choice = [*spec["containers"], *sidecars]
    for container in choice:
        if container["name"] == original.container:
            found: dict[str, Any] = container
            return found
    raise Failure(
        "InvalidRequest",
        f"container {original.container} is an init container: no debug container starts before it has ended.",
        f"Set container to one of: {', '.join(entry['name'] for entry in choice)}; keep_init_containers: false leaves init containers out.",
    )


def _change_program(
    spec: dict[str, Any], target: dict[str, Any], debug: Mapping[str, Any], request: CopyRequest
) -> None:
    if request.hold:
        _hold(spec, target, debug, request.debug.ttl)
    elif request.command is not None:
        target["command"] = list(request.command)
        target.pop("args", None)
    if request.args is not None:
        target["args"] = list(request.args)


def _hold(spec: dict[str, Any], target: dict[str, Any], debug: Mapping[str, Any], ttl: int) -> None:
    """Let the target wait instead of running its own program, by a program that an init container fetches from the debug image.

    An image volume would do without the init container, but is mounted so that nothing can be executed from it (KEP-4639).
    """
    spec.setdefault("volumes", []).append({"name": HOLD, "emptyDir": {"sizeLimit": "16Mi"}})
    kept = ("image", "imagePullPolicy", "resources", "securityContext")
    fetch = {
        "name": HOLD,
        **{key: copy.deepcopy(debug[key]) for key in kept if key in debug},
        "command": ["sh", "-c", _FETCH],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": HOLD, "mountPath": HOLD_PATH}],
    }
    spec["initContainers"] = [fetch, *(spec.get("initContainers") or [])]
    target["command"] = [f"{HOLD_PATH}/busybox", "sleep", str(ttl)]
    # a hook that expects the app, or a shell, would end the container that is to stay
    for key in ("args", "lifecycle"):
        target.pop(key, None)
    mount = {"name": HOLD, "mountPath": HOLD_PATH, "readOnly": True}
    target["volumeMounts"] = [*(target.get("volumeMounts") or []), mount]


def _mount_volumes(debug: dict[str, Any], original: Target) -> None:
    """Mount the target's volumes, where it has them itself and read-only: its config and data can be read though it does not run.

    Neither secrets, which the debug image has no business with, nor what would hide the debug image's own tools, nor what
    only the target's own environment can name (subPathExpr).
    """
    volumes = {volume["name"]: volume for volume in original.manifest["spec"].get("volumes") or ()}
    mounts = list(debug.get("volumeMounts") or ())
    taken = {mount["mountPath"] for mount in mounts}
    for mount in original.spec.get("volumeMounts") or ():
        path = str(mount["mountPath"])
        if (
            path in taken
            or is_secret(volumes.get(mount["name"], {}), path)
            or mount.get("subPathExpr")
            or hides_tools(path)
        ):
            continue
        mounts.append(
            {key: mount[key] for key in ("name", "mountPath", "subPath") if mount.get(key)} | {"readOnly": True}
        )
    if mounts:
        debug["volumeMounts"] = mounts


def hides_tools(path: str) -> bool:
    """Return whether a volume mounted there would hide what the debug image itself needs."""
    plain = path.rstrip("/")
    return not plain or plain.startswith(tuple(f"{tools}/" for tools in _TOOLS)) or plain in _TOOLS
