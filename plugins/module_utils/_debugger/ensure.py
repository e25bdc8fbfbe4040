# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ensures one target's debugger: finds one that serves, or injects the least that can read, and proves it from inside.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure, after_change
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import PROGRESS
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import (
    Request,
    base_name,
    build,
    numbered,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import (
    Attempt,
    IdentityRequest,
    TargetIdentity,
    known_identity,
    next_attempts,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.inject import (
    inject,
    request_injection,
    take_up,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.mark import Mark, is_ours, mark_of, marked
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import Debugger, debuggers
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import (
    ProbeResult,
    probe,
    why_unreadable,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.reuse import (
    described,
    find_again,
    find_pending,
    find_running,
    is_wished,
    wished_attempts,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.shell import open_session
from ansible_collections.incident.distroless.plugins.module_utils._debugger.terminate import end_debugger
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target
from ansible_collections.incident.distroless.plugins.module_utils._targets.recheck import looking_again
from ansible_collections.incident.distroless.plugins.module_utils._targets.selection import refresh

# how a debugger is added: waited for until it runs, asked for only, or only asked about
How = Literal["inject", "request", "dry_run"]

# admission's answers after which a stronger or differently shaped debugger may still be let in
_REFUSED = ("PodSecurityDenied", "AdmissionDenied")

# the kubelet's, of a container that would be root in a pod that says runAsNonRoot (pkg/kubelet/kuberuntime/security_context.go)
_ROOT_REFUSED = re.compile(r"CreateContainerConfigError.*(runAsNonRoot|non-root)", re.DOTALL)

# so many tasks may want one name of the user's for a debugger of their own at one moment
_TWINS = 8

# a name of base_name's own making, with or without its number
_DERIVED = re.compile(r"(debugger-[0-9a-f]{8})(-[0-9]+)?\Z")


@dataclass(slots=True)
class Attached:
    """A debugger that serves, and what it sees. session is open and the caller's to close; both are None where nothing
    was looked at (check mode, wait: false)."""

    target: Target
    debugger: Debugger
    attempt: Attempt
    known: TargetIdentity
    reused: bool
    sight: ProbeResult | None = None
    session: Session | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def seen(self) -> ProbeResult:
        """Return the sight of a debugger that was looked through."""
        if self.sight is None:
            raise RuntimeError("nobody looked through this debugger")
        return self.sight


def ensure(
    cluster: Cluster,
    target: Target,
    request: Request,
    wish: IdentityRequest,
    *,
    any_serves: bool = False,
    may_inject: bool = True,
) -> Attached:
    """Return a running debugger that can read the target's root. Raises Failure with the reason why there is none.

    At most two are injected: the least that should do by what the API knows, and one more by what the first one learned
    from /proc/<pid>/status, which stays readable where the root is denied. With any_serves one of another request does
    too. A target of an earlier result keeps its debugger, or gets it again as it was. Without may_inject the API is only
    asked what it would say to the first that is missing; then there is nothing to look through.
    """
    with looking_again(cluster, target):
        how: How = "inject" if may_inject else "dry_run"
        return _with_news(cluster, target, lambda now: _ensure(cluster, now, request, wish, how, any_serves=any_serves))


def _with_news(cluster: Cluster, target: Target, work: Callable[[Target], Attached]) -> Attached:
    """Return what work comes to, with the pod as it is now where another task was faster: what that one added may serve."""
    try:
        return work(target)
    except Failure as failure:
        if failure.reason != "Conflict" or failure.changed:
            raise
        now = replace(target, manifest=refresh(cluster, target))
        before = {entry.name for entry in debuggers(target.manifest)}
        # a name that somebody else has taken meanwhile is not ours to go round
        if not all(is_ours(entry.manifest) for entry in debuggers(now.manifest) if entry.name not in before):
            raise
    return work(now)


def _ensure(
    cluster: Cluster,
    target: Target,
    request: Request,
    wish: IdentityRequest,
    how: How,
    *,
    any_serves: bool,
) -> Attached:
    known = known_identity(target)
    earlier = _earlier(target)
    if earlier is not None:
        attached = _of_earlier(cluster, target, earlier, request, known, how)
        if attached.sight is None and attached.debugger.is_running and attached.reused:
            _look(cluster, attached)
        return _readable(attached)
    tried: Attached | None = None
    for attempt, found in find_running(target, request, wish, cluster.now(), any_serves=any_serves):
        attached = _look(cluster, Attached(target, found, attempt, known, reused=True))
        if not any_serves and not is_wished(request, wish, attempt, target, attached.seen):
            _drop(attached)
            continue
        if attached.seen.root_readable:
            return attached
        _drop(tried)
        tried = attached
    if tried is None:
        tried = _first_admitted(cluster, target, request, wished_attempts(wish, target), known, how)
        if tried.sight is None or tried.sight.root_readable:
            return tried
    further = _further_attempts(wish, tried)
    with after_change(is_changed=not tried.reused):
        refusal = why_unreadable(tried.seen, target.label)
        _drop(tried)
        if not further:
            raise refusal
        already = (tried.debugger.name,)
        return _readable(_first_admitted(cluster, target, request, further, known, how, already))


def _earlier(target: Target) -> Debugger | None:
    """Return the debugger that an earlier result named, if it is one of ours."""
    named = [entry for entry in debuggers(target.manifest, target.container) if entry.name == target.debugger]
    return next((entry for entry in named if is_ours(entry.manifest)), None)


def _readable(attached: Attached) -> Attached:
    """Return what serves, or was not looked through. Raises Failure and ends the debugger when it cannot read the root."""
    if attached.sight is None or attached.sight.root_readable:
        return attached
    with after_change(is_changed=not attached.reused):
        refusal = why_unreadable(attached.sight, attached.target.label)
        _drop(attached)
        raise refusal


def _further_attempts(wish: IdentityRequest, tried: Attached) -> list[Attempt]:
    learned = tried.seen.identity()
    if learned is None:
        return []
    own, is_dumpable = tried.seen.debugger, tried.seen.is_dumpable
    return next_attempts(wish, tried.target, learned, tried.attempt, (own.uid, own.gid), is_dumpable=is_dumpable)


def _of_earlier(
    cluster: Cluster,
    target: Target,
    earlier: Debugger,
    request: Request,
    known: TargetIdentity,
    how: How,
) -> Attached:
    """Return the debugger of an earlier result, waited for where it has not started, or again as it was where it has ended."""
    attempt = described(earlier.manifest)
    derived = _DERIVED.match(earlier.name)
    found: Debugger | None = earlier
    if not earlier.is_running and not earlier.is_pending:
        found = find_again(target, earlier, derived.group(1) if derived else earlier.name, cluster.now())
    if found is not None:
        if found.is_pending and how == "inject":
            found = take_up(cluster, target, found)
        return Attached(target, found, attempt, known, reused=True)
    base = earlier.name
    if derived:
        base = base_name(replace(request, name=None), target.container) if request.owner else derived.group(1)
    mark = replace(mark_of(earlier.manifest) or Mark(), owner=request.owner)
    container = {**marked(earlier.manifest, mark), "name": _free_name(target, base)}
    debugger = _add_own(cluster, target, container, request, how)
    return _looked(cluster, Attached(target, debugger, attempt, known, reused=False), how)


def ensure_requested(
    cluster: Cluster,
    target: Target,
    request: Request,
    wish: IdentityRequest,
    *,
    may_inject: bool = True,
) -> Attached:
    """Adds the debugger, if none runs, and does not wait for it. Without may_inject it only asks whether it could be added."""
    how: How = "request" if may_inject else "dry_run"

    def work(target: Target) -> Attached:
        known = known_identity(target)
        earlier = _earlier(target)
        if earlier is not None:
            return _of_earlier(cluster, target, earlier, request, known, how)
        for attempt, found in find_running(target, request, wish, cluster.now()):
            return Attached(target, found, attempt, known, reused=True)
        return _first_admitted(cluster, target, request, wished_attempts(wish, target), known, how)

    return _with_news(cluster, target, work)


def _first_admitted(
    cluster: Cluster,
    target: Target,
    request: Request,
    attempts: Sequence[Attempt],
    known: TargetIdentity,
    how: How,
    already: Sequence[str] = (),
) -> Attached:
    refusals: list[Failure] = []
    with ExitStack() as changes:
        for attempt in attempts:
            pending = find_pending(target, request, attempt)
            name = pending.name if pending else _free_name(target, base_name(request, target.container), already)
            container = build(request, attempt, name, target.container)
            try:
                if pending is not None:
                    debugger, reused = take_up(cluster, target, pending) if how == "inject" else pending, True
                else:
                    debugger, reused = _add_own(cluster, target, container, request, how, already), False
            except Failure as failure:
                if failure.reason not in _REFUSED and not _ROOT_REFUSED.search(failure.message):
                    raise
                refusals.append(failure)
                if failure.changed:
                    # its entry stays, and so does what was changed, whatever comes of the next one
                    already = [*already, name]
                    changes.enter_context(after_change())
                continue
            return _looked(cluster, Attached(target, debugger, attempt, known, reused=reused), how)
        if len(refusals) > 1:
            words = "; ".join(
                f"profile {attempt.profile}: {refusal.message}"
                for attempt, refusal in zip(attempts, refusals, strict=True)
            )
            raise Failure(refusals[0].reason, words, refusals[0].hint)
        raise refusals[0]


def _add_own(
    cluster: Cluster,
    target: Target,
    container: Mapping[str, Any],
    request: Request,
    how: How,
    already: Sequence[str] = (),
) -> Debugger:
    """Adds a container. One that is this task's alone takes the next name where a twin of the task took its own just now."""
    base = name = str(container["name"])
    taken = [*already, name]
    while True:
        try:
            return _add(cluster, target, {**container, "name": name}, how)
        except Failure as failure:
            if failure.reason != "Conflict" or not request.owner or failure.changed or len(taken) > _TWINS:
                raise
        name = _free_name(target, base, taken)
        taken.append(name)


def _add(cluster: Cluster, target: Target, container: Mapping[str, Any], how: How) -> Debugger:
    if how == "inject":
        return inject(cluster, target, container)
    added, _version = request_injection(cluster, target, container, dry_run=how == "dry_run")
    return added


def _looked(cluster: Cluster, attached: Attached, how: How) -> Attached:
    """Return what was added, looked through where it was waited for."""
    if how != "inject":
        return attached
    with after_change(is_changed=not attached.reused):
        return _look(cluster, attached)


def _free_name(target: Target, base: str, already: Sequence[str] = ()) -> str:
    taken = {entry.name for entry in debuggers(target.manifest)} | set(already)
    taken |= {
        str(spec["name"]) for key in ("containers", "initContainers") for spec in target.manifest["spec"].get(key) or ()
    }
    number = 1
    while numbered(base, number) in taken:
        number += 1
    return numbered(base, number)


def _look(cluster: Cluster, attached: Attached) -> Attached:
    target = attached.target
    name = attached.debugger.name
    PROGRESS.say(target.label, f"{name} runs{' already' if attached.reused else ''}, looking at the target")
    session = open_session(cluster, target, name)
    try:
        # no longer than what is left, also where the node went away and no one will ever answer
        cluster.deadline.remaining("looking at the target")
        session.until = cluster.deadline.moment
        attached.sight = probe(session, target)
        session.until = math.inf
    except BaseException:
        session.close()
        raise
    attached.session = session
    attached.warnings += attached.sight.warnings
    if attached.sight.closed_groups:
        groups = ", ".join(str(group) for group in attached.sight.closed_groups)
        attached.warnings.append(f"files that only the target's group {groups} may read stay closed to the debugger")
    return attached


def _drop(attached: Attached | None) -> None:
    """Ends a debugger of this task that cannot read its target: it would only spend the pod's limits until its ttl. One that
    ran before may serve someone in another way."""
    if attached is None or attached.session is None:
        return
    if attached.reused:
        attached.session.close()
    else:
        end_debugger(attached.session)
    attached.session = None
