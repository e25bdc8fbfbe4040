# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Originals, requests and copies, small and named after what they are."""

from __future__ import annotations

from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import Request
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import Attempt
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.manifest import CopyRequest, build_copy
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target, as_target

from .pods import pod

PLAIN = Attempt("baseline", "image")


def original(*, container: str | None = None, **fields: Any) -> Target:
    """A pod to copy and its target container, the first if none is named."""
    manifest = pod(**fields)
    return as_target(manifest, container or manifest["spec"]["containers"][0]["name"])


def debug_request(**changes: Any) -> Request:
    """The debug container that a task without options asks for, but for its pull policy."""
    fields: dict[str, Any] = {"image": "busybox", "image_pull_policy": "IfNotPresent", "ttl": 60, "env": {}}
    return Request(**{**fields, "custom": {}, "patch": (), "name": "debugger", "words": (), **changes})


def copy_request(*, debug: Request | None = None, **changes: Any) -> CopyRequest:
    """The copy that a task without options asks for."""
    return CopyRequest(debug=debug or debug_request(), **changes)


def copied(of: Target | None = None, attempt: Attempt = PLAIN, name: str = "copy", **changes: Any) -> dict[str, Any]:
    """The manifest of a copy."""
    return build_copy(of or original(), copy_request(**changes), attempt, name)


def container_of(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    """A container of a manifest, init containers among them."""
    spec = manifest["spec"]
    (found,) = (entry for entry in [*spec["containers"], *spec.get("initContainers", [])] if entry["name"] == name)
    return dict(found)
