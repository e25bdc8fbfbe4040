# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which debugger that is there already is the one that is asked for: by the digest of its request, not by its name alone.

Admission may have changed any of its fields; what was asked for stands in its mark.

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
    is_numbered,
    lifetime,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import (
    Attempt,
    IdentityRequest,
    Learned,
    confinement,
    first_attempts,
    known_identity,
    recalled_attempts,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.mark import Mark, is_for_all, mark_of
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import (
    Debugger,
    debuggers,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import ProbeResult
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target


def wished_attempts(wish: IdentityRequest, target: Target) -> list[Attempt]:
    """Return the debuggers to try, by what an earlier one has learned of the target, else by what the API says."""
    learned = remembered(target)
    recalled = [] if learned is None else recalled_attempts(wish, target, learned)
    return recalled or first_attempts(wish, target, known_identity(target))


def remembered(target: Target) -> Learned | None:
    """Return what the newest debugger of ours that was made by something learned was made by."""
    made = [(when(entry.began_at), mark.learned) for entry, mark in _ours(target) if mark.learned is not None]
    return max(made, key=lambda row: row[0], default=(0.0, None))[1]


def _ours(target: Target) -> list[tuple[Debugger, Mark]]:
    marks = ((entry, mark_of(entry.manifest)) for entry in debuggers(target.manifest, target.container))
    return [(entry, mark) for entry, mark in marks if mark is not None]


def find_running(
    target: Target, request: Request, wish: IdentityRequest, now: float, *, any_serves: bool = False
) -> list[tuple[Attempt, Debugger]]:
    """Return running debuggers that the same request (or any of ours) made before, newest first, each with the attempt that it
    was. One that a task made for itself alone is none of them: that task ends it."""
    serving: list[tuple[Attempt, Debugger]] = []
    # the API keeps them in no order that says which is the newest
    for found in sorted(
        debuggers(target.manifest, target.container), key=lambda entry: when(entry.started_at), reverse=True
    ):
        if not is_for_all(found.manifest) or not lasts(found, now):
            continue
        attempt = described(found.manifest) if any_serves else recognise(request, wish, found.manifest, target)
        if attempt is not None:
            serving.append((attempt, found if any_serves else _with_changes(found, request, attempt, target)))
    return serving


def lasts(found: Debugger, now: float) -> bool:
    """Return whether a debugger runs, and will for at least the lesser of a minute and a tenth of its ttl."""
    ttl, left = lifetime(found.manifest), found.seconds_left(now)
    return found.is_running and ttl is not None and left is not None and left >= min(60.0, ttl / 10)


def find_pending(target: Target, request: Request, attempt: Attempt) -> Debugger | None:
    """Return the debugger for all that the same request asked for as the same attempt, and that has not started yet."""
    for found in debuggers(target.manifest, target.container):
        if found.is_pending and is_for_all(found.manifest) and _is_of(request, attempt, found.manifest, target):
            return _with_changes(found, request, attempt, target)
    return None


def find_again(target: Target, earlier: Debugger, base: str, now: float) -> Debugger | None:
    """Return the debugger that took the place of one that has ended, and lasts or has not started yet."""
    asked = mark_of(earlier.manifest)
    for found, mark in _ours(target):
        is_same = asked is not None and bool(mark.request) and mark.request == asked.request and mark.owner is None
        is_named = found.name == base or is_numbered(base, found.name)
        if is_same and is_named and (found.is_pending or lasts(found, now)):
            return found
    return None


def recognise(request: Request, wish: IdentityRequest, manifest: Mapping[str, Any], target: Target) -> Attempt | None:
    """Return the attempt of which a debugger's manifest is the result, whatever admission made of it; None when the request makes
    none like it.

    A name of the user's own says nothing of who a debugger is: only what this wish could come to is compared.
    """
    known, mark = known_identity(target), mark_of(manifest)
    learned = [] if mark is None or mark.learned is None else recalled_attempts(wish, target, mark.learned)
    for attempt in (*first_attempts(wish, target, known), *learned):
        if _is_of(request, attempt, manifest, target):
            return attempt
    return None


def _is_of(request: Request, attempt: Attempt, manifest: Mapping[str, Any], target: Target) -> bool:
    request = replace(request, owner=None)
    base, name, mark = base_name(request, target.container), str(manifest["name"]), mark_of(manifest)
    if mark is None or not mark.request or (name != base and not is_numbered(base, name)):
        return False
    asked = mark_of(build(request, attempt, name, target.container))
    return asked is not None and asked.request == mark.request


def _with_changes(found: Debugger, request: Request, attempt: Attempt, target: Target) -> Debugger:
    asked = build(replace(request, owner=None), attempt, found.name, target.container)
    return replace(found, mutated=tuple(differences(asked, found.manifest)))


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
    allowed = context.get("runAsNonRoot") is False
    if allowed:
        context.pop("runAsNonRoot")
    user, group = context.pop("runAsUser", None), context.pop("runAsGroup", None)
    for key in confined:
        context.pop(key)
    fitting = [profile for profile, fields in PROFILES.items() if fields.get("securityContext", {}) == context]
    identity = "image" if user is None else "match"
    return Attempt(fitting[0] if fitting else "custom", identity, user, group, confined, is_root_allowed=allowed)
