# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The debug container, ephemeral or in a pod's copy, built from profile, identity, custom and patch, in that order.

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

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import Attempt
from ansible_collections.incident.distroless.plugins.module_utils._debugger.mark import MARK, Mark, digest, marked
from ansible_collections.incident.distroless.plugins.module_utils._k8s.strategic_merge import (
    DIRECTIVE,
    MERGE_KEYS,
    strategic_merge,
)

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

# the fields that this code itself looks into; the API server checks all others
_FORMS: tuple[tuple[str, Any, str], ...] = (
    ("image", str, "string"),
    ("securityContext", dict, "dictionary"),
    ("env", list, "list"),
    ("volumeMounts", list, "list"),
)

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
    # what no other task says, for a debugger that is this task's alone; None for one that is there for all
    owner: str | None = None


def variables(env: Mapping[Any, Any], option: str) -> dict[str, str]:
    """Return environment variables as text, numbers and booleans as YAML writes them. Raises Failure InvalidRequest, which
    names the variable and never its value, for what has no text: null, lists and dictionaries."""
    texts: dict[str, str] = {}
    for name, value in env.items():
        if not isinstance(value, str | int | float):
            kind = "null" if value is None else "a list" if isinstance(value, list) else "a dictionary"
            raise Failure("InvalidRequest", f"{option}.{name} is {kind}, expected a string.", "Quote it, or remove it.")
        texts[str(name)] = str(value).lower() if isinstance(value, bool) else str(value)
    return texts


def base_name(request: Request, target_container: str) -> str:
    """Return the debugger's name: the user's, or one derived from the request without its ttl."""
    if request.name:
        if not _NAME.match(request.name):
            raise Failure(
                "InvalidRequest",
                f"name {request.name!r} is not a valid name: expected a DNS label (a-z, 0-9 and -, at most 63).",
            )
        return request.name
    asked = [
        target_container,
        request.image,
        request.image_pull_policy,
        dict(request.env),
        request.custom,
        list(request.patch),
        request.words,
        *((request.owner,) if request.owner else ()),
    ]
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
    return f"debugger-{digest[:8]}"


def numbered(base: str, number: int) -> str:
    """Return the base name for 1, else the base with the number behind it; a long base is cut so that it stays a DNS label."""
    if number == 1:
        return base
    suffix = f"-{number}"
    return base[: 63 - len(suffix)] + suffix


def is_numbered(base: str, name: str) -> bool:
    """Return whether a name is one of numbered(base, ...), the base itself left out."""
    _head, dash, number = name.rpartition("-")
    return bool(dash) and number.isdigit() and name == numbered(base, int(number))


def build(request: Request, attempt: Attempt, name: str, target_container: str | None) -> dict[str, Any]:
    """Return the ephemeral container's manifest, or without a target container that of an ordinary one, for a pod's copy.

    Raises Failure InvalidRequest for custom or patch that cannot be.
    """
    container: dict[str, Any] = {
        "name": name,
        "image": request.image,
        # `sleep` as it is: no shell, no child, and SIGTERM ends it, since it is not PID 1 in the target's namespace
        "command": ["sleep", str(request.ttl)],
        **({} if target_container is None else {"targetContainerName": target_container}),
        # the API leaves an empty value out, and what it answers is compared with what is asked
        "env": [
            Mark(request.owner).variable(),
            *({"name": key, **({"value": value} if value else {})} for key, value in request.env.items()),
        ],
    }
    if request.image_pull_policy:
        container["imagePullPolicy"] = request.image_pull_policy
    container.update(copy.deepcopy(PROFILES[attempt.profile]))
    context = {**container.get("securityContext", {}), **_identity_fields(attempt)}
    if context:
        container["securityContext"] = context
    refused = () if target_container is None else _API_FORBIDDEN
    container = strategic_merge(container, _checked_custom(request.custom, refused))
    container = _apply_patch(container, request.patch, refused)
    if target_container is not None:
        _check_subpaths(container)
    container = _finished(container, request)
    return container if target_container is None else marked(container, _full_mark(container, request, attempt))


def _full_mark(container: Mapping[str, Any], request: Request, attempt: Attempt) -> Mark:
    return Mark(request.owner, digest(container), attempt.learned)


def _identity_fields(attempt: Attempt) -> dict[str, Any]:
    fields = copy.deepcopy({**attempt.confinement, **(ELEVATED if attempt.identity == "elevated" else {})})
    if attempt.run_as_user is not None:
        fields["runAsUser"] = attempt.run_as_user
    if attempt.run_as_group is not None:
        fields["runAsGroup"] = attempt.run_as_group
    if attempt.is_root_allowed and attempt.profile != "restricted":
        fields["runAsNonRoot"] = False
    return fields


def _checked_custom(custom: Mapping[str, Any], refused: Sequence[str]) -> Mapping[str, Any]:
    for key in custom:
        if key in _CUSTOM_FORBIDDEN or key in refused or key == DIRECTIVE:
            own = {"name": "name", "image": "image", "targetContainerName": "container"}.get(key)
            raise Failure(
                "InvalidRequest",
                f"custom may not set {key}"
                + (f": it has an option of its own, {own}." if own else " of a debug container."),
                f"Remove {key} from custom.",
            )
    for key, merge_key in MERGE_KEYS.items():
        entries = custom.get(key) or []
        if not isinstance(entries, list) or any(not _is_entry(entry, merge_key) for entry in entries):
            raise Failure("InvalidRequest", f"custom.{key} is not a list of dictionaries that each have {merge_key}.")
    _check_directives(custom, "custom", is_merged=True)
    return custom


def _is_entry(entry: object, merge_key: str) -> bool:
    # {$patch: replace} alone empties the list first
    if not isinstance(entry, Mapping):
        return False
    return isinstance(entry.get(merge_key), str | int) or (merge_key not in entry and entry.get(DIRECTIVE) == "replace")


def _check_directives(value: object, path: str, *, is_merged: bool) -> None:
    if isinstance(value, Mapping):
        for key, below in value.items():
            if str(key).startswith("$") and not (key == DIRECTIVE and is_merged and below in ("replace", "delete")):
                raise Failure(
                    "InvalidRequest",
                    f"{path} has the directive {key}; only $patch: replace and $patch: delete are known, where fields are merged.",
                )
            _check_directives(below, f"{path}.{key}", is_merged=is_merged)
    elif isinstance(value, list):
        # the entries of other lists are replaced with their list
        known = path.removeprefix("custom.") in MERGE_KEYS
        for index, entry in enumerate(value):
            _check_directives(entry, f"{path}[{index}]", is_merged=known)


def _apply_patch(
    container: dict[str, Any], patch: Sequence[Mapping[str, Any]], refused: Sequence[str]
) -> dict[str, Any]:
    if not patch:
        return container
    # needed only where a patch is given, and its import is not free
    import jsonpatch

    patched: Any = container
    for index, operation in enumerate(patch):
        try:
            patched = jsonpatch.apply_patch(patched, [operation])
        except Exception as error:
            # whatever the library meets in an operation of any form; its text can hold the document, environment values included
            what = (
                f"{operation.get('op')} {operation.get('path')}" if isinstance(operation, Mapping) else "no dictionary"
            )
            raise Failure(
                "InvalidRequest",
                f"patch[{index}] ({what[:200]}) does not apply to the container.",
                "Correct its op, path and value; a path that is replaced or removed must be there.",
            ) from error
    if not isinstance(patched, dict):
        raise Failure(
            "InvalidRequest", "patch does not leave a container.", "Set its paths below the container's own fields."
        )
    fixed = ("name", "targetContainerName", "command")
    touched = [key for key in fixed if patched.get(key) != container.get(key)]
    touched += [key for key in refused if key in patched]
    if touched:
        raise Failure("InvalidRequest", f"patch may not set {', '.join(touched)} of the debugger.")
    return patched


def _check_subpaths(container: Mapping[str, Any]) -> None:
    mounts = value if isinstance(value := container.get("volumeMounts"), list) else []
    for key in _SUBPATHS:
        if any(isinstance(mount, Mapping) and mount.get(key) for mount in mounts):
            raise Failure(
                "InvalidRequest", f"custom and patch may not set volumeMounts.{key} of an ephemeral container."
            )


def _finished(container: dict[str, Any], request: Request) -> dict[str, Any]:
    if isinstance(image := container.get("image"), str):
        check_image(image)
    for key, form, kind in _FORMS:
        if not isinstance(container.get(key), form | None):
            raise Failure(
                "InvalidRequest", f"custom and patch: {key} of the debugger is not a {kind}.", f"Correct {key}."
            )
    for key in ("env", "volumeMounts"):
        if not all(isinstance(entry, Mapping) for entry in container.get(key) or ()):
            raise Failure("InvalidRequest", f"custom and patch: {key} of the debugger is not a list of dictionaries.")
    env = container.get("env") or []
    marks = [entry for entry in env if isinstance(entry, Mapping) and entry.get("name") == MARK]
    if marks != [Mark(request.owner).variable()]:
        raise Failure(
            "InvalidRequest",
            f"env, custom and patch may not set or remove the environment variable {MARK}: without it the debugger would not be found again.",
        )
    return container


def lifetime(container: Mapping[str, Any]) -> int | None:
    """Return the ttl in seconds of a debugger of ours, None when its command is not one of ours."""
    command: Sequence[object] = container.get("command") or ()
    if len(command) == 2 and command[0] == "sleep" and str(command[1]).isdigit():
        return int(str(command[1]))
    return None


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Return the top-level fields (securityContext by its own fields) in which found is not what was wanted.

    What the API server fills in is no difference, nor is the ttl in the command or what the mark says beside.
    """
    left, right = _comparable(wanted), _comparable(found)
    # a tag of latest or none pulls always, any other when it is not there: the API's rule, too long to tell apart here
    if "imagePullPolicy" not in left:
        right.pop("imagePullPolicy", None)
    return sorted(key for key in left.keys() | right.keys() if left.get(key) != right.get(key))


def _comparable(container: Mapping[str, Any]) -> dict[str, Any]:
    fields = {key: value for key, value in container.items() if key not in _DEFAULTS or value != _DEFAULTS[key]}
    context = fields.pop("securityContext", None) or {}
    env = fields.get("env")
    if isinstance(env, list):
        fields["env"] = [entry for entry in env if entry.get("name") != MARK]
    if lifetime(fields) is not None:
        fields.pop("command")
    return {**_telling(fields), **{f"securityContext.{key}": value for key, value in context.items()}}


def _telling(value: Any) -> Any:
    """Return a value without the fields that the API server leaves out since they say nothing (`omitempty`); a security context is
    made of pointers, where false and 0 say something."""
    if isinstance(value, Mapping):
        return {key: kept for key, field in value.items() if (kept := _telling(field)) not in (None, "", False, [], {})}
    return [_telling(entry) for entry in value] if isinstance(value, list) else value


# github.com/distribution/reference, regexp.go and reference.go, by which the kubelet reads it (k8s.io/kubernetes
# pkg/util/parsers): [domain[:port]/]path[:tag][@digest]
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_TAG = r"\w[\w.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(rf"(?:{_DOMAIN}/)?{_COMPONENT}(?:/{_COMPONENT})*(?::{_TAG})?(?:@{_DIGEST})?", re.ASCII)
# a bare id is none, so that nobody takes it for one
_ID = re.compile(r"[a-f0-9]{64}")


def check_image(image: str) -> None:
    """Raises Failure ImagePullFailed for what no registry and no node can have."""
    if _REFERENCE.fullmatch(image) and not _ID.fullmatch(image):
        return
    raise Failure(
        "ImagePullFailed",
        f"image {image!r} is not a valid image reference: expected [registry[:port]/]name[:tag][@digest], the name in lower case.",
        "Correct image (INCIDENT_DISTROLESS_IMAGE sets it where the task does not).",
    )
