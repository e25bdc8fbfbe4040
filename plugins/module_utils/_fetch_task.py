# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proc_fs_fetch module's task: arguments -> targets -> debuggers -> files -> result.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._client import Cluster, connect
from ansible_collections.incident.distroless.plugins.module_utils._container import Request
from ansible_collections.incident.distroless.plugins.module_utils._deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._debugger import (
    Attached,
    dry_run,
    ensure,
)
from ansible_collections.incident.distroless.plugins.module_utils._end import end_debugger
from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._exec import open_session
from ansible_collections.incident.distroless.plugins.module_utils._fanout import each
from ansible_collections.incident.distroless.plugins.module_utils._fetch import Fetched, fetch
from ansible_collections.incident.distroless.plugins.module_utils._identity import Wish
from ansible_collections.incident.distroless.plugins.module_utils._names import exact, from_base64
from ansible_collections.incident.distroless.plugins.module_utils._options import (
    debugger_defaults,
    debugger_spec,
    make_module,
    parse_request,
    parse_wish,
)
from ansible_collections.incident.distroless.plugins.module_utils._plan import Budget, FetchOptions
from ansible_collections.incident.distroless.plugins.module_utils._result import pinned, target_row
from ansible_collections.incident.distroless.plugins.module_utils._reuse import find_running
from ansible_collections.incident.distroless.plugins.module_utils._rows import split_rows
from ansible_collections.incident.distroless.plugins.module_utils._secrets import secret_paths
from ansible_collections.incident.distroless.plugins.module_utils._select import select
from ansible_collections.incident.distroless.plugins.module_utils._sizes import parse_size, show_size
from ansible_collections.incident.distroless.plugins.module_utils._targets import (
    FailedTarget,
    Target,
    parse_selection,
)
from ansible_collections.incident.distroless.plugins.module_utils._task import Report, judge, perform


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with each target. budget is what all of them may come to together."""

    request: Request
    wish: Wish
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


def argument_spec() -> dict[str, Any]:
    """The options of proc_fs_fetch beside authentication and selection."""
    return {
        "debug": {"type": "dict", "options": debugger_spec()},
        "keep_debugger": {"type": "bool", "default": True},
        "src": {"type": "list", "elements": "str"},
        "src_b64": {"type": "list", "elements": "str"},
        "dest": {"type": "path", "required": True},
        "flat": {"type": "bool", "default": False},
        "file_mode": {"type": "str", "default": "0600"},
        "directory_mode": {"type": "str", "default": "0700"},
        "overwrite": {"type": "bool", "default": False},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "include_secrets": {"type": "bool", "default": False},
        "max_size": {"type": "str", "default": "0"},
        "max_total_size": {"type": "str", "default": "20G"},
        "max_files": {"type": "int", "default": 100000},
        "oversize": {"type": "str", "choices": ["skip", "tail", "head", "fail"], "default": "skip"},
        "deadline": {"type": "int", "default": 3600},
        "retries": {"type": "int", "default": 3},
        "timeout": {"type": "int", "default": 60},
        "checksum": {"type": "bool", "default": True},
    }


def run() -> None:
    """Runs the task and ends it."""
    perform(make_module(argument_spec()), work)


def work(module: Any) -> Report:
    """Does what the options ask. Raises Failure when there is nothing to work on."""
    params = module.params
    selection = parse_selection(params)
    plan = parse_plan(params, is_check=module.check_mode)
    deadline = Deadline(plan.wait_timeout)
    cluster = connect(module, deadline)
    selected = select(cluster, selection, deadline)
    if plan.options.flat and len(selected.targets) + len(selected.failed) > 1:
        raise Failure(
            "InvalidRequest",
            f"flat needs one target, there are {len(selected.targets) + len(selected.failed)}.",
            "Remove flat: true.",
        )
    started = time.monotonic()
    outcomes = each(partial(_work_on, cluster, plan), selected.targets, params["concurrency"])
    failed = list(selected.failed)
    done: list[Done] = []
    for target, outcome in zip(selected.targets, outcomes, strict=True):
        failure = outcome if isinstance(outcome, Failure) else None
        if isinstance(outcome, Done):
            done.append(outcome)
            failure = outcome.fetched.failure if outcome.fetched is not None else None
        if failure is not None:
            failed.append(FailedTarget(target.namespace, target.pod, target.container, failure))
    fetched = [entry.fetched for entry in done if entry.fetched is not None]
    stats = total(fetched, time.monotonic() - started)
    succeeded = sum(entry.fetched is None or entry.fetched.failure is None for entry in done)
    message, failure = judge(
        failed, succeeded, continue_on_error=params["continue_on_error"], message=summary(done, stats, plan)
    )
    return Report(
        message=message,
        changed=any(entry.injected or (entry.fetched is not None and entry.fetched.changed) for entry in done),
        targets=[entry.row for entry in done],
        failed=failed,
        fields=_fields(fetched, stats, has_diff=module._diff),
        warnings=[*selected.warnings, *(warning for entry in fetched for warning in entry.warnings)],
        failure=failure,
    )


def parse_plan(params: Mapping[str, Any], *, is_check: bool) -> Plan:
    """The plan in the module's parameters. Raises Failure InvalidRequest."""
    debug = params["debug"] if params["debug"] is not None else debugger_defaults()
    if not params["src"] and not params["src_b64"]:
        raise Failure(
            "InvalidRequest",
            "Nothing to fetch: neither src nor src_b64 is given.",
            "Set src to paths or globs of the target.",
        )
    for option, least in (("concurrency", 1), ("max_files", 0), ("deadline", 0), ("retries", 0), ("timeout", 1)):
        if params[option] < least:
            raise Failure("InvalidRequest", f"{option} must be {least} or more.")
    options = FetchOptions(
        src=tuple(exact(path) for path in params["src"] or ()),
        dest=str(Path(params["dest"]).absolute()),
        exact=tuple(from_base64(path) for path in params["src_b64"] or ()),
        flat=params["flat"],
        overwrite=params["overwrite"],
        exclude=tuple(exact(pattern) for pattern in params["exclude"]),
        include_secrets=params["include_secrets"],
        max_size=parse_size(params["max_size"], "max_size"),
        max_total_size=parse_size(params["max_total_size"], "max_total_size"),
        max_files=params["max_files"],
        deadline=float(params["deadline"]),
        oversize=params["oversize"],
        retries=params["retries"],
        checksum=params["checksum"],
        file_mode=parse_mode(params["file_mode"], "file_mode"),
        directory_mode=parse_mode(params["directory_mode"], "directory_mode"),
        is_check=is_check,
    )
    return Plan(
        request=parse_request(debug),
        wish=parse_wish(debug),
        any_serves=params["debug"] is None,
        keep_debugger=params["keep_debugger"],
        wait_timeout=int(debug["wait_timeout"]),
        silence=float(params["timeout"]),
        options=options,
        budget=Budget(options.max_total_size, options.max_files),
    )


def parse_mode(text: str, option: str) -> int:
    """Permission bits in an octal string. Raises Failure InvalidRequest for anything else, setuid and the like included."""
    if not re.fullmatch(r"0?[0-7]{3}", text):
        raise Failure(
            "InvalidRequest", f"{option} {text!r} is not three octal digits.", f"Quote it in YAML: {option}: '0640'."
        )
    return int(text, 8)


def _work_on(cluster: Cluster, plan: Plan, target: Target) -> Done:
    started = time.monotonic()
    deadline = Deadline(plan.wait_timeout, "debug.wait_timeout")
    if plan.options.is_check and not find_running(
        target, plan.request, plan.wish, cluster.now(), any_serves=plan.any_serves
    ):
        asked = dry_run(cluster, target, plan.request, plan.wish, deadline)
        return Done(target_row(asked, time.monotonic() - started), injected=True, fetched=None)
    attached = ensure(cluster, target, plan.request, plan.wish, deadline, any_serves=plan.any_serves)
    try:
        fetched = _fetch(cluster, plan, attached)
    finally:
        if not plan.keep_debugger and not attached.reused:
            end_debugger(
                open_session(cluster, target.namespace, target.pod, attached.debugger.name, Deadline(plan.wait_timeout))
            )
    row = target_row(attached, time.monotonic() - started)
    return Done(row, injected=not attached.reused, fetched=fetched)


def _fetch(cluster: Cluster, plan: Plan, attached: Attached) -> Fetched:
    target = attached.target
    # the session that looked through the debugger is the first one to fetch with
    ready = [attached.session] if attached.session is not None else []

    def opening() -> Any:
        if ready:
            session = ready.pop()
            session.timeout = plan.silence
            return session
        again = Deadline(plan.wait_timeout, "debug.wait_timeout")
        return open_session(cluster, target.namespace, target.pod, attached.debugger.name, again, plan.silence)

    try:
        about = {**pinned(target), "cluster": cluster.host, "debugger": attached.debugger.name}
        return fetch(about, plan.options, opening, attached.seen.pid, secrets=secret_paths(target), budget=plan.budget)
    finally:
        for session in ready:
            session.close()


def total(fetched: Sequence[Fetched], elapsed: float) -> dict[str, Any]:
    """The contract's stats of all targets together."""
    counts: Counter[str] = Counter(
        dict.fromkeys(
            ("files", "bytes", "transferred_bytes", "unchanged", "changed_while_reading", "failed", "skipped"), 0
        )
    )
    for entry in fetched:
        counts.update({key: entry.stats[key] for key in tuple(counts)})
    return {**counts, "codec": "none", "elapsed": round(elapsed, 3)}


def _fields(fetched: Sequence[Fetched], stats: dict[str, Any], *, has_diff: bool) -> dict[str, Any]:
    files, skipped = split_rows(row for entry in fetched for row in (*entry.files, *entry.skipped_files))
    fields: dict[str, Any] = {
        "files": files,
        "skipped_files": skipped,
        "stats": stats,
        "manifests": [entry.manifest for entry in fetched],
    }
    return {**fields, "diff": [entry.diff for entry in fetched]} if has_diff else fields


def summary(done: Sequence[Done], stats: Mapping[str, Any], plan: Plan) -> str:
    """One line that says what was done, or would be."""
    count = f"{len(done)} target{'s' if len(done) != 1 else ''}"
    unseen = sum(entry.fetched is None for entry in done)
    if unseen:
        return f"{count}, {unseen} debugger{'s' if unseen != 1 else ''} would be injected; listing the files needs the debugger"
    moved = stats["files"] - stats["unchanged"]
    verb = "would be fetched" if plan.options.is_check else "fetched"
    left_out = f", {stats['skipped']} left out" if stats["skipped"] else ""
    lost = f", {stats['failed']} failed" if stats["failed"] else ""
    return f"{count}, {moved} file{'s' if moved != 1 else ''} {verb} ({show_size(stats['transferred_bytes'])}), {stats['unchanged']} unchanged{left_out}{lost}"
