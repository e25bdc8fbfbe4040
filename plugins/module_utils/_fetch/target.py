# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One target's part of proc_fs_fetch: its debugger, then its files, then how it ended.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure, after_change
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import PROGRESS
from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import show_size
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import Request
from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import (
    Attached,
    ensure,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import IdentityRequest
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import debuggers
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import (
    container_processes,
    shares_processes,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.shell import open_session
from ansible_collections.incident.distroless.plugins.module_utils._debugger.target_row import pinned, target_row
from ansible_collections.incident.distroless.plugins.module_utils._debugger.terminate import end_debugger, named_ttl
from ansible_collections.incident.distroless.plugins.module_utils._fetch.denied_groups import ClosedGroups
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import Budget, FetchOptions
from ansible_collections.incident.distroless.plugins.module_utils._fetch.pipeline import Fetched, Source, fetch
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import (
    Target,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.recheck import (
    end_of,
    how_it_ended,
    looking_again,
    what_became,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.resource_limits import is_throttled
from ansible_collections.incident.distroless.plugins.module_utils._targets.secret_mounts import secret_paths
from ansible_collections.incident.distroless.plugins.module_utils._targets.selection import refresh


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with each target. budget is what all of them may come to together."""

    request: Request
    wish: IdentityRequest
    any_serves: bool
    keep_debugger: bool
    wait_timeout: int
    silence: float
    options: FetchOptions
    budget: Budget


@dataclass(frozen=True, slots=True)
class Done:
    """What was done with one target; fetched is None where check mode could not look inside."""

    row: dict[str, Any]
    injected: bool
    fetched: Fetched | None

    @property
    def failure(self) -> Failure | None:
        """Why the target counts as failed although the rest was brought."""
        return None if self.fetched is None else self.fetched.failure


def work_on(cluster: Cluster, plan: Plan, target: Target) -> Done:
    """Does with one target what the plan says. Raises Failure when nothing could be begun."""
    started = time.monotonic()
    attached = ensure(
        _in_time(cluster, plan),
        target,
        plan.request,
        plan.wish,
        any_serves=plan.any_serves,
        may_inject=not plan.options.is_check,
    )
    if attached.sight is None:
        return Done(target_row(attached, time.monotonic() - started), injected=True, fetched=None)
    ended: list[str] = []
    injected = not attached.reused
    try:
        with after_change(is_changed=injected):
            fetched = _fetch(cluster, plan, attached)
    finally:
        if not plan.keep_debugger and not attached.reused:
            ended = _end(cluster, plan, attached)
    fetched = replace(fetched, warnings=[*fetched.warnings, *ended])
    row = target_row(attached, time.monotonic() - started)
    return Done(row, injected=injected or not attached.reused, fetched=fetched)


def _in_time(cluster: Cluster, plan: Plan) -> Cluster:
    """Return the cluster, to be asked for as long as a debugger is waited for, and no longer than the task has."""
    left = max(_LAST, plan.options.until - time.monotonic())
    if left < plan.wait_timeout:
        return cluster.until(Deadline(left, "deadline"))
    return cluster.until(Deadline(plan.wait_timeout, "debug.wait_timeout"))


def _until(plan: Plan) -> float:
    return max(plan.options.until + _GRACE, time.monotonic() + _LAST)


# when the task's time is up: seconds to say what is left of a target, to learn what became of it, or to end a debugger in
_LAST = 5.0
# where something comes all the time, what takes it sees the deadline first, and keeps what it has
_GRACE = 1.0


def _end(cluster: Cluster, plan: Plan, attached: Attached) -> list[str]:
    """Ends the debugger. What was fetched counts all the same when it cannot be: a target that ends takes it along."""
    target, name = attached.target, attached.debugger.name
    in_time = _in_time(cluster, plan)
    try:
        end_debugger(open_session(in_time, target, name, has_outlet=False, until=in_time.deadline.moment))
    except Failure as failure:
        return [
            f"{target.label}: debugger {name} could not be ended ({failure.reason}), it ends by its ttl or has ended"
        ]
    return []


def _fetch(cluster: Cluster, plan: Plan, attached: Attached) -> Fetched:
    target = attached.target
    # the session that looked through the debugger is the first one to fetch with
    ready = [attached.session] if attached.session is not None else []
    options = replace(plan.options, is_throttled=is_throttled(target))

    def opening() -> Any:
        if ready:
            session = ready.pop()
            session.timeout, session.until = plan.silence, _until(plan)
            return session
        again = _in_time(cluster, plan)
        # a target that has ended is not worth another try
        with looking_again(again, target):
            until = _until(plan)
            renewed = _renewed(again, plan, attached)
            if renewed is not None:
                renewed.timeout, renewed.until = plan.silence, until
                return renewed
            return open_session(again, target, attached.debugger.name, plan.silence, until=until)

    try:
        about = {**pinned(target), "cluster": cluster.name, "debugger": attached.debugger.name}
        with looking_again(_in_time(cluster, plan), target):
            source = Source(
                about=about,
                pid=attached.seen.pid,
                open_session=opening,
                secrets=secret_paths(target),
                processes=lambda session: container_processes(session, target),
                closed=ClosedGroups(
                    frozenset(attached.seen.closed_groups),
                    attached.seen.target.uid if attached.seen.target is not None else None,
                ),
            )
            fetched = fetch(source, options, plan.budget)
        brought = f"{fetched.stats['files']} files here ({show_size(fetched.stats['bytes'])})"
        PROGRESS.say(target.label, f"{brought} after {fetched.stats['elapsed']} s")
        failure = _failure(_in_time(cluster, plan), target, fetched)
        if failure is not None:
            failure = named_ttl(attached.debugger, cluster.now(), failure)
        return replace(fetched, failure=failure)
    finally:
        for session in ready:
            session.close()


def _renewed(cluster: Cluster, plan: Plan, attached: Attached) -> Session | None:
    """Return a session in another debugger where the one at work has ended, as by its ttl, and its target has not. Raises Failure."""
    target, name = attached.target, attached.debugger.name
    now = replace(target, manifest=refresh(cluster, target), debugger=None)
    entry = next((entry for entry in debuggers(now.manifest, target.container) if entry.name == name), None)
    if entry is None or "terminated" not in entry.state or end_of(target, now.manifest) is not None:
        return None
    PROGRESS.say(target.label, f"debugger {name} has ended, another one goes on")
    another = ensure(cluster, now, plan.request, plan.wish, any_serves=plan.any_serves)
    if another.seen.pid != attached.seen.pid and another.session is not None:
        another.session.close()
        raise Failure("TargetRestarted", f"{target.label}: its process is another one than before.")
    attached.debugger, attached.sight, attached.reused = another.debugger, another.sight, another.reused
    attached.warnings.append(f"debugger {name} ended meanwhile, as by its ttl; {another.debugger.name} went on")
    return another.session


def _failure(cluster: Cluster, target: Target, fetched: Fetched) -> Failure | None:
    """Why the target failed, if it did. Without the target's process there is nothing to be found below its root, which a
    debugger that outlived it cannot tell from a root that holds nothing."""
    outlives = shares_processes(target.manifest)
    if fetched.failure is not None:
        return what_became(cluster, target, fetched.failure, is_doubtful=outlives)
    return how_it_ended(cluster, target) if outlives else None
