# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which debugger that runs already is the one that is asked for: by its fields, not by its name alone.

Pure. This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.times import when
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import (
    ELEVATED,
    PROFILES,
    Request,
    base_name,
    build,
    differences,
    is_for_all,
    is_numbered,
    lifetime,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import (
    Attempt,
    IdentityRequest,
    TargetIdentity,
    confinement,
    first_attempts,
    known_identity,
    next_attempts,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import (
    Debugger,
    debuggers,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import ProbeResult
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target

# a first debugger that could not read, whoever it was
_FIRST, _NOBODY = Attempt("baseline", "image"), (-1, -1)


def find_running(
    target: Target, request: Request, wish: IdentityRequest, now: float, *, any_serves: bool = False
) -> list[tuple[Attempt, Debugger]]:
    """Return running debuggers that the same request (or any of ours) made before, newest first, each with the attempt that it
    was. One that a task made for itself alone is none of them: that task ends it."""
    request = replace(request, owner=None)
    serving: list[tuple[Attempt, Debugger]] = []
    # the API keeps them in no order that says which is the newest
    for found in sorted(
        debuggers(target.manifest, target.container), key=lambda entry: when(entry.started_at), reverse=True
    ):
        if not found.is_running or not is_for_all(found.manifest):
            continue
        ttl, left = lifetime(found.manifest), found.seconds_left(now)
        if ttl is None or left is None or left < min(60.0, ttl / 10):
            continue
        attempt = described(found.manifest) if any_serves else recognise(request, wish, found.manifest, target)
        if attempt is not None:
            serving.append((attempt, found))
    return serving


def recognise(request: Request, wish: IdentityRequest, manifest: Mapping[str, Any], target: Target) -> Attempt | None:
    """Return the attempt of which a debugger's manifest is the result, field by field; None when the request makes none like it.

    A name of the user's own says nothing of who a debugger is: only what this wish could come to is compared.
    """
    base, name = base_name(request, target.container), str(manifest["name"])
    if name != base and not is_numbered(base, name):
        return None
    known = known_identity(target)
    for attempt in (*first_attempts(wish, target, known), *_learned_attempts(wish, target, known, manifest)):
        if not differences(build(request, attempt, name, target.container), manifest):
            return attempt
    return None


def _learned_attempts(
    wish: IdentityRequest, target: Target, known: TargetIdentity, manifest: Mapping[str, Any]
) -> list[Attempt]:
    """Return what the wish comes to with what a first debugger learned: that the target is who the found one matches."""
    context = manifest.get("securityContext") or {}
    user, group = context.get("runAsUser"), context.get("runAsGroup")
    # a process that turned root is not dumpable, and nothing matches it
    is_matched = user is not None and group is not None and bool(user or not known.uid)
    learned = TargetIdentity(user, group, (), (), "process")
    return next_attempts(wish, target, learned, _FIRST, _NOBODY, is_dumpable=is_matched)


def is_wished(request: Request, wish: IdentityRequest, attempt: Attempt, target: Target, sight: ProbeResult) -> bool:
    """Return whether a recognised debugger that was looked through is who it should be.

    A name that was derived says so itself. Under a name of the user's own the one that a debugger matches must be who the
    API says, or who the target's process turns out to be.
    """
    if request.name is None or attempt.identity != "match":
        return True
    us, them = sight.debugger, sight.target
    is_equal = them is not None and (us.uid, us.gid) == (them.uid, them.gid)
    return is_equal or attempt in first_attempts(wish, target, known_identity(target))


def described(manifest: Mapping[str, Any]) -> Attempt:
    """Return the attempt that a debugger's security context looks like, for one whose request is not at hand."""
    context = dict(manifest.get("securityContext") or {})
    if context == ELEVATED:
        return Attempt("general", "elevated")
    confined = confinement(manifest)
    user, group = context.pop("runAsUser", None), context.pop("runAsGroup", None)
    for key in confined:
        context.pop(key)
    fitting = [profile for profile, fields in PROFILES.items() if fields.get("securityContext", {}) == context]
    return Attempt(fitting[0] if fitting else "custom", "image" if user is None else "match", user, group, confined)
