# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The target row of a result, the same in every module, so that one task's targets are the next one's.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.times import epoch, rfc3339
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import lifetime
from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import Attached
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import (
    Debugger,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import Credentials
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target
from ansible_collections.incident.distroless.plugins.module_utils._targets.resource_limits import limit_warnings

_PINNED = "namespace pod pod_uid node container container_id image_id restart_count target_started_at".split()
_SEEN = "image profile identity target_identity isolation pid root root_readable reused started_at expires_at elapsed".split()


def target_row(attached: Attached, elapsed: float) -> dict[str, Any]:
    """Return the contract's target. What can only be learned inside is None where nobody looked."""
    debugger, sight = attached.debugger, attached.sight
    return {
        **pinned(attached.target),
        "debugger": debugger.name,
        "image": debugger.manifest.get("image"),
        "profile": attached.attempt.profile,
        "identity": None if sight is None else _credentials(sight.debugger),
        "target_identity": _target_identity(attached),
        "isolation": None if sight is None else sight.isolation,
        "pid": None if sight is None else sight.pid,
        "root": None if sight is None else sight.root,
        "root_readable": None if sight is None else sight.root_readable,
        "reused": attached.reused,
        "started_at": debugger.started_at,
        "expires_at": expires_at(debugger),
        "mutated_by_admission": list(debugger.mutated),
        "elapsed": round(elapsed, 3),
        "commands": [],
        "warnings": [*attached.target.warnings, *limit_warnings(attached.target), *attached.warnings],
    }


def unseen_row(target: Target | None, *, debugger: str | None, warnings: list[str]) -> dict[str, Any]:
    """Return the same keys for a target that nobody looks at any more; None: not even its pod is there."""
    return {
        **(dict.fromkeys(_PINNED) if target is None else pinned(target)),
        "debugger": debugger,
        **dict.fromkeys(_SEEN),
        "mutated_by_admission": [],
        "commands": [],
        "warnings": warnings,
    }


def pinned(target: Target) -> dict[str, Any]:
    """Return what says which container of which pod it is."""
    return {
        "namespace": target.namespace,
        "pod": target.pod,
        "pod_uid": target.pod_uid,
        "node": target.node,
        "container": target.container,
        "container_id": target.container_id,
        "image_id": target.image_id,
        "restart_count": target.restart_count,
        "target_started_at": target.started_at,
    }


def expires_at(debugger: Debugger) -> str | None:
    """Return when a debugger ends by itself."""
    ttl = lifetime(debugger.manifest)
    return None if ttl is None or debugger.started_at is None else rfc3339(epoch(debugger.started_at) + ttl)


def _credentials(credentials: Credentials) -> dict[str, Any]:
    return {"uid": credentials.uid, "gid": credentials.gid, "supplemental_groups": list(credentials.groups)}


def _target_identity(attached: Attached) -> dict[str, Any]:
    sight = attached.sight
    learned = sight.identity() if sight is not None else None
    identity = learned or attached.known
    return {
        "uid": identity.uid,
        "gid": identity.gid,
        "supplemental_groups": list(identity.supplemental_groups),
        "capabilities": list(identity.capabilities),
        "missing_groups": list(sight.missing_groups) if sight is not None else None,
        "source": identity.source,
    }
