# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proc_fs_fetch module's task: arguments -> targets -> debuggers -> files -> result.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, check_seconds
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.paths import exact, from_base64
from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import parse_size, show_size
from ansible_collections.incident.distroless.plugins.module_utils._fetch.discover import check_options
from ansible_collections.incident.distroless.plugins.module_utils._fetch.file_rows import cut_diffs, split_rows
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import Budget, FetchOptions
from ansible_collections.incident.distroless.plugins.module_utils._fetch.pipeline import Fetched
from ansible_collections.incident.distroless.plugins.module_utils._fetch.target import Done, Plan, work_on
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import connect
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import refuse_sealed
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import (
    debugger_defaults,
    debugger_spec,
    make_module,
    parse_request,
    parse_wish,
)
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import (
    Report,
    gather,
    judge,
    run_module,
    was_changed,
)
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import TOOLS
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.glob_match import any_of
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import (
    parse_selection,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.selection import select


def argument_spec() -> dict[str, Any]:
    """The options of proc_fs_fetch beside authentication and selection."""
    return {
        "debug": {"type": "dict", "options": debugger_spec()},
        "keep_debugger": {"type": "bool", "default": True},
        "src": {"type": "list", "elements": "str"},
        "src_b64": {"type": "list", "elements": "str"},
        "dest": {"type": "path", "required": True},
        "flat": {"type": "bool", "default": False},
        "file_mode": {"type": "raw", "default": "0600"},
        "directory_mode": {"type": "raw", "default": "0700"},
        "overwrite": {"type": "bool", "default": False},
        "exclude": {"type": "list", "elements": "str", "default": []},
        "include_secrets": {"type": "bool", "default": False},
        "follow": {"type": "bool", "default": False},
        "open_deleted": {"type": "bool", "default": False},
        "max_size": {"type": "str", "default": "0"},
        "max_total_size": {"type": "str", "default": "20G"},
        "max_files": {"type": "int", "default": 100000},
        "oversize": {"type": "str", "choices": ["skip", "tail", "head", "fail"], "default": "skip"},
        "deadline": {"type": "int", "default": 3600},
        "retries": {"type": "int", "default": 3},
        "timeout": {"type": "int", "default": 60},
        "checksum": {"type": "bool", "default": True},
        "compare": {"type": "str", "choices": ["checksum", "stat"], "default": "checksum"},
        "compress": {"type": "str", "choices": ["auto", "zstd", "gzip", "none"], "default": "auto"},
    }


def run() -> None:
    """Runs the task and ends it."""
    nothing = _fields([], total([], 0.0), has_diff=False)
    run_module(make_module(argument_spec(), nothing=nothing), work, nothing)


def work(module: Any) -> Report:
    """Does what the options ask. Raises Failure when there is nothing to work on."""
    params = module.params
    selection = parse_selection(params)
    plan = parse_plan(params, is_check=module.check_mode)
    cluster = connect(module, Deadline(plan.wait_timeout, "debug.wait_timeout"))
    selected = select(cluster, selection)
    if plan.options.flat and len(selected.targets) + len(selected.failed) > 1:
        raise Failure(
            "InvalidRequest",
            f"flat needs one target, there are {len(selected.targets) + len(selected.failed)}.",
            "Remove flat: true.",
        )
    started = time.monotonic()
    outcomes = run_concurrently(partial(work_on, cluster, plan), selected.targets, params["concurrency"])
    done, failed = gather(selected.targets, outcomes)
    failed = [*selected.failed, *failed]
    fetched = [entry.fetched for entry in done if entry.fetched is not None]
    stats = total(fetched, time.monotonic() - started)
    succeeded = sum(entry.failure is None for entry in done)
    message, failure = judge(
        failed, succeeded, continue_on_error=params["continue_on_error"], message=summary(done, stats, plan)
    )
    return Report(
        message=message,
        changed=was_changed(failed)
        or any(entry.injected or (entry.fetched is not None and entry.fetched.changed) for entry in done),
        targets=[entry.row for entry in done],
        failed=failed,
        fields=_fields(fetched, stats, has_diff=module._diff),
        warnings=[*selected.warnings, *(warning for entry in fetched for warning in entry.warnings)],
        failure=failure,
    )


def parse_plan(params: Mapping[str, Any], *, is_check: bool) -> Plan:
    """The plan in the module's parameters; the task's deadline counts from here. Raises Failure InvalidRequest."""
    debug = params["debug"] if params["debug"] is not None else debugger_defaults()
    if not params["src"] and not params["src_b64"] and not params["open_deleted"]:
        raise Failure(
            "InvalidRequest",
            "Nothing to fetch: neither src nor src_b64 is given.",
            "Set src to paths or globs of the target, or open_deleted: true.",
        )
    _check_blanks(params)
    for option, least in (("concurrency", 1), ("max_files", 0), ("retries", 0)):
        if params[option] < least:
            raise Failure("InvalidRequest", f"{option} must be {least} or more.")
    request = parse_request(debug, is_for_all=params["keep_debugger"])
    for option, seconds, least in (
        ("debug.ttl", request.ttl, 1),
        ("debug.wait_timeout", debug["wait_timeout"], 1),
        ("deadline", params["deadline"], 0),
        ("timeout", params["timeout"], 1),
    ):
        check_seconds(seconds, option, least)
    options = FetchOptions(
        src=tuple(exact(path) for path in params["src"] or ()),
        dest=str(Path(params["dest"]).absolute()),
        exact=tuple(from_base64(path) for path in params["src_b64"] or ()),
        flat=params["flat"],
        overwrite=params["overwrite"],
        exclude=tuple(exact(pattern) for pattern in params["exclude"]),
        include_secrets=params["include_secrets"],
        follow=params["follow"],
        open_deleted=params["open_deleted"],
        max_size=parse_size(params["max_size"], "max_size"),
        max_total_size=parse_size(params["max_total_size"], "max_total_size"),
        max_files=params["max_files"],
        until=time.monotonic() + params["deadline"] if params["deadline"] else math.inf,
        oversize=params["oversize"],
        retries=params["retries"],
        checksum=params["checksum"],
        compare=params["compare"],
        compress=params["compress"],
        file_mode=parse_mode(params["file_mode"], "file_mode"),
        directory_mode=parse_mode(params["directory_mode"], "directory_mode"),
        is_check=is_check,
    )
    refuse_sealed(options.dest)
    check_options(options)
    _check_patterns(options.exclude, "exclude")
    _check_patterns([path for path in options.src if path.strip(b"/")], "src")
    return Plan(
        request=request,
        wish=parse_wish(debug),
        any_serves=params["debug"] is None,
        keep_debugger=params["keep_debugger"],
        wait_timeout=int(debug["wait_timeout"]),
        silence=float(params["timeout"]),
        options=options,
        budget=Budget(options.max_total_size, options.max_files),
    )


def _check_blanks(params: Mapping[str, Any]) -> None:
    """Raises Failure InvalidRequest for a dest of nothing, which would be whatever directory this runs in, and for a path of nothing."""
    if not params["dest"].strip():
        raise Failure("InvalidRequest", "dest is empty.", "Name a directory on the host that the module runs on.")
    for option in ("src", "src_b64", "exclude"):
        for index, entry in enumerate(params[option] or ()):
            if not entry:
                raise Failure(
                    "InvalidRequest", f"{option}[{index}] is empty.", f"Correct it, or take it out of {option}."
                )


def _check_patterns(patterns: Sequence[bytes], option: str) -> None:
    """Raises Failure InvalidRequest for a glob that cannot be read, before there is anything to match it with."""
    try:
        any_of(patterns)
    except Failure as failure:
        raise Failure(failure.reason, f"{option}: {failure.message}", _PATTERN_HINT) from failure


_PATTERN_HINT = "Correct the pattern; a backslash before [, * or ? takes it literally, and src_b64 takes paths only."


def parse_mode(value: object, option: str) -> int:
    """Permission bits: three octal digits as text, or the number itself, which YAML makes of 0640 without quotes.

    Raises Failure InvalidRequest for anything else, setuid and the like included.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 0o777:
        return value
    if not isinstance(value, str) or not re.fullmatch(r"0?[0-7]{3}", value):
        raise Failure(
            "InvalidRequest",
            f"{option}: expected three octal digits, got {value!r}.",
            f"Quote it in YAML: {option}: '0640'.",
        )
    return int(value, 8)


def total(fetched: Sequence[Fetched], elapsed: float) -> dict[str, Any]:
    """The contract's stats of all targets together."""
    counts: Counter[str] = Counter(
        dict.fromkeys(
            ("files", "bytes", "transferred_bytes", "unchanged", "changed_while_reading", "failed", "skipped"), 0
        )
    )
    for entry in fetched:
        counts.update({key: entry.stats[key] for key in tuple(counts)})
    used = {entry.stats["codec"] for entry in fetched}
    codec = next((tool for tool in TOOLS if tool in used), "none")
    return {**counts, "codec": codec, "elapsed": round(elapsed, 3)}


def _fields(fetched: Sequence[Fetched], stats: dict[str, Any], *, has_diff: bool) -> dict[str, Any]:
    files, skipped = split_rows(row for entry in fetched for row in (*entry.files, *entry.skipped_files))
    fields: dict[str, Any] = {
        "files": files,
        "skipped_files": skipped,
        "stats": stats,
        "manifests": [entry.manifest for entry in fetched],
    }
    return {**fields, "diff": cut_diffs([entry.diff for entry in fetched])} if has_diff else fields


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
