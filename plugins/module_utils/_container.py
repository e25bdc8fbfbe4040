# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to inject: the ephemeral container, built from profile, identity, custom and patch, in that order.

Pure. The profiles' fields are those of kubectl debug (k8s.io/kubectl/pkg/cmd/debug/profiles.go).

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._identity import Attempt

PROFILES: dict[str, dict[str, Any]] = {
    "general": {"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}},
    "baseline": {},
    "restricted": {
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
    },
    "netadmin": {"securityContext": {"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}},
    "sysadmin": {"securityContext": {"privileged": True}},
}

# root that may read everything and change nothing: SYS_PTRACE opens /proc/<pid>/root, DAC_READ_SEARCH the files below
ELEVATED: dict[str, Any] = {
    "capabilities": {"drop": ["ALL"], "add": ["DAC_READ_SEARCH", "SYS_PTRACE"]},
    "runAsGroup": 0,
    "runAsNonRoot": False,
    "runAsUser": 0,
}

# an environment variable that marks a debugger as made by this collection, whatever its name
MARK = "INCIDENT_DISTROLESS"
_MARKED = {"name": MARK, "value": "debugger"}

# what the API server fills in where we say nothing
_DEFAULTS: dict[str, Any] = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}

# set by this collection itself (or, in kubectl's --custom, forbidden as well)
_CUSTOM_FORBIDDEN = ("name", "image", "command", "args", "targetContainerName", "lifecycle", "volumeDevices")
# refused by the API for every ephemeral container (EphemeralContainerCommon, API reference)
_API_FORBIDDEN = (
    *("lifecycle", "livenessProbe", "ports", "readinessProbe", "resizePolicy", "resources"),
    *("restartPolicy", "restartPolicyRules", "startupProbe"),
)
_SUBPATHS = ("subPath", "subPathExpr")

# the lists of a container that strategic merge merges by a key (struct tags patchMergeKey of core/v1 Container)
_MERGE_KEYS = {"env": "name", "volumeMounts": "mountPath", "volumeDevices": "devicePath", "ports": "containerPort"}

# the one directive of strategic merge patches that a user needs: $patch: replace or $patch: delete
_DIRECTIVE = "$patch"

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Request:
    """The part of a request that is the same for every target: what to run and how to change it."""

    image: str
    image_pull_policy: str | None
    ttl: int
    env: Mapping[str, str]
    custom: Mapping[str, Any]
    patch: Sequence[Mapping[str, Any]]
    name: str | None
    # the words asked for, auto included: they make the name, so that asking again finds what runs
    words: tuple[object, ...]


def base_name(request: Request, target_container: str) -> str:
    """The debugger's name: the user's, or one derived from the request without its ttl."""
    if request.name:
        if not _NAME.match(request.name):
            raise Failure("InvalidRequest", f"name {request.name!r} is not a DNS label (a-z, 0-9 and -, at most 63).")
        return request.name
    asked = [
        target_container,
        request.image,
        request.image_pull_policy,
        dict(request.env),
        request.custom,
        list(request.patch),
        request.words,
    ]
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
    return f"debugger-{digest[:8]}"


def numbered(base: str, number: int) -> str:
    """The base name for 1, else the base with the number behind it; a long base is cut so that it stays a DNS label."""
    if number == 1:
        return base
    suffix = f"-{number}"
    return base[: 63 - len(suffix)] + suffix


def build(request: Request, attempt: Attempt, name: str, target_container: str) -> dict[str, Any]:
    """The ephemeral container's manifest. Raises Failure InvalidRequest for custom or patch that cannot be."""
    container: dict[str, Any] = {
        "name": name,
        "image": request.image,
        # `sleep` as it is: no shell, no child, and SIGTERM ends it, since it is not PID 1 in the target's namespace
        "command": ["sleep", str(request.ttl)],
        "targetContainerName": target_container,
        "env": [dict(_MARKED), *({"name": key, "value": request.env[key]} for key in request.env)],
    }
    if request.image_pull_policy:
        container["imagePullPolicy"] = request.image_pull_policy
    container.update(copy.deepcopy(PROFILES[attempt.profile]))
    context = {**container.get("securityContext", {}), **_identity_fields(attempt)}
    if context:
        container["securityContext"] = context
    container = strategic_merge(container, _checked_custom(request.custom))
    return _finished(_apply_patch(container, request.patch))


def _identity_fields(attempt: Attempt) -> dict[str, Any]:
    fields = copy.deepcopy(ELEVATED) if attempt.identity == "elevated" else {}
    if attempt.run_as_user is not None:
        fields["runAsUser"] = attempt.run_as_user
    if attempt.run_as_group is not None:
        fields["runAsGroup"] = attempt.run_as_group
    return fields


def strategic_merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """base with change merged in, as the API server merges: maps key by key, null deletes, the known lists by their merge
    key, other lists replaced; `$patch: replace` and `$patch: delete` in a map or in an entry of a known list."""
    if _DIRECTIVE in change:
        kept = {} if change[_DIRECTIVE] == "delete" else change
        return {key: copy.deepcopy(value) for key, value in kept.items() if key != _DIRECTIVE and value is not None}
    merged = dict(base)
    for key, value in change.items():
        below = merged.get(key)
        if value is None or (below is None and isinstance(value, Mapping) and value.get(_DIRECTIVE) == "delete"):
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            merged[key] = strategic_merge(below if isinstance(below, Mapping) else {}, value)
        elif isinstance(value, list) and key in _MERGE_KEYS:
            merged[key] = _merge_list(below if isinstance(below, list) else [], value, _MERGE_KEYS[key])
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _merge_list(base: Sequence[Any], change: Sequence[Any], merge_key: str) -> list[Any]:
    directives = [entry for entry in change if _DIRECTIVE in entry]
    gone = {entry.get(merge_key) for entry in directives if entry[_DIRECTIVE] == "delete"}
    if any(entry[_DIRECTIVE] == "replace" for entry in directives):
        base = []
    before = {entry.get(merge_key): entry for entry in base if entry.get(merge_key) not in gone}
    merged: dict[Any, dict[str, Any]] = {}
    for entry in change:
        if _DIRECTIVE not in entry:
            key = entry[merge_key]
            merged[key] = strategic_merge(merged.get(key, before.get(key, {})), entry)
    # The order counts ($(NAME) in a value refers to variables before it) and is the API's: the change's entries in the
    # change's order; one of base's own goes before the next that stands behind it in base, else to the end
    # (k8s.io/apimachinery/pkg/util/strategicpatch, mergeSortedSlice).
    place = {key: index for index, key in enumerate(before)}
    own = [key for key in before if key not in merged]
    ordered = []
    for key, entry in merged.items():
        while own and place[own[0]] < place.get(key, -1):
            ordered.append(before[own.pop(0)])
        ordered.append(entry)
    return ordered + [before[key] for key in own]


def _checked_custom(custom: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in custom:
        if key in _CUSTOM_FORBIDDEN or key in _API_FORBIDDEN or key == _DIRECTIVE:
            own = {"name": "name", "image": "image", "targetContainerName": "container"}.get(key)
            raise Failure(
                "InvalidRequest",
                f"custom may not set {key}"
                + (f": it has an option of its own, {own}." if own else " of an ephemeral container."),
                f"Remove {key} from custom.",
            )
    for key, merge_key in _MERGE_KEYS.items():
        entries = custom.get(key) or []
        if not isinstance(entries, list) or any(not _is_entry(entry, merge_key) for entry in entries):
            raise Failure("InvalidRequest", f"custom.{key} is not a list of dictionaries that each have {merge_key}.")
    _check_directives(custom, "custom", is_merged=True)
    return custom


def _is_entry(entry: object, merge_key: str) -> bool:
    # {$patch: replace} alone empties the list first
    return isinstance(entry, Mapping) and (merge_key in entry or entry.get(_DIRECTIVE) == "replace")


def _check_directives(value: object, path: str, *, is_merged: bool) -> None:
    if isinstance(value, Mapping):
        for key, below in value.items():
            if str(key).startswith("$") and not (key == _DIRECTIVE and is_merged and below in ("replace", "delete")):
                raise Failure(
                    "InvalidRequest",
                    f"{path} has the directive {key}; only $patch: replace and $patch: delete are known, where fields are merged.",
                )
            _check_directives(below, f"{path}.{key}", is_merged=is_merged)
    elif isinstance(value, list):
        # the entries of other lists are replaced with their list
        known = path.removeprefix("custom.") in _MERGE_KEYS
        for index, entry in enumerate(value):
            _check_directives(entry, f"{path}[{index}]", is_merged=known)


def _apply_patch(container: dict[str, Any], patch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not patch:
        return container
    # needed only where a patch is given, and its import is not free
    import jsonpatch
    import jsonpointer

    operations: Any = list(patch)
    try:
        patched: dict[str, Any] = jsonpatch.apply_patch(container, operations)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
        # the library's text can hold the document, environment values included
        raise Failure("InvalidRequest", f"patch does not apply to the container: {type(error).__name__}.") from error
    fixed = ("name", "targetContainerName", "command")
    touched = [key for key in fixed if patched.get(key) != container[key]]
    touched += [key for key in _API_FORBIDDEN if key in patched]
    if touched:
        raise Failure("InvalidRequest", f"patch may not set {', '.join(touched)} of the debugger.")
    return patched


def _finished(container: dict[str, Any]) -> dict[str, Any]:
    mounts, env = (value if isinstance(value := container.get(key), list) else [] for key in ("volumeMounts", "env"))
    for key in _SUBPATHS:
        if any(isinstance(mount, Mapping) and mount.get(key) for mount in mounts):
            raise Failure(
                "InvalidRequest", f"custom and patch may not set volumeMounts.{key} of an ephemeral container."
            )
    marks = [entry for entry in env if isinstance(entry, Mapping) and entry.get("name") == MARK]
    if marks != [_MARKED]:
        raise Failure(
            "InvalidRequest",
            f"env, custom and patch may not set or remove the environment variable {MARK}: without it the debugger would not be found again.",
        )
    return container


def is_ours(container: Mapping[str, Any]) -> bool:
    """Whether this collection made an ephemeral container."""
    return any(entry.get("name") == MARK for entry in container.get("env") or ())


def lifetime(container: Mapping[str, Any]) -> int | None:
    """The ttl in seconds of a debugger of ours, None when its command is not one of ours."""
    command: Sequence[object] = container.get("command") or ()
    if len(command) == 2 and command[0] == "sleep" and str(command[1]).isdigit():
        return int(str(command[1]))
    return None


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """The top-level fields (securityContext by its own fields) in which found is not what was wanted.

    What the API server fills in is no difference, nor is the ttl in the command.
    """
    left, right = _comparable(wanted), _comparable(found)
    # a tag of latest or none pulls always, any other when it is not there: the API's rule, too long to tell apart here
    if "imagePullPolicy" not in left:
        right.pop("imagePullPolicy", None)
    return sorted(key for key in left.keys() | right.keys() if left.get(key) != right.get(key))


def _comparable(container: Mapping[str, Any]) -> dict[str, Any]:
    fields = {key: value for key, value in container.items() if key not in _DEFAULTS or value != _DEFAULTS[key]}
    context = fields.pop("securityContext", None) or {}
    if lifetime(fields) is not None:
        fields.pop("command")
    return {**fields, **{f"securityContext.{key}": value for key, value in context.items()}}
