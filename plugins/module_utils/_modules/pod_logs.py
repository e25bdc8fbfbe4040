# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pod_logs module's task: the ends of many containers' logs, read side by side.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, check_seconds
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, Query, pod_path
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import connect
from ansible_collections.incident.distroless.plugins.module_utils._k8s.logs import is_lost
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import make_module
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import Report, judge, run_module
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import FailedTarget

NAMES = ("namespace", "pod", "container")
# the kubelet counts lines from the end and bytes from there on: what is cut off here must be the beginning
MAX_READ = 16 << 20
# for a log of the run before that was deleted meanwhile, and seconds between them
_TRIES = 4
_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Log:
    """Whose log to read, and of which run."""

    namespace: str
    pod: str
    container: str
    previous: bool = False


@dataclass(slots=True)
class End:
    """The last bytes of a stream, at most limit."""

    limit: int
    data: bytes = b""
    is_cut: bool = False

    def take(self, piece: bytes) -> None:
        """Adds what came next."""
        whole = self.data + piece
        self.is_cut = self.is_cut or len(whole) > self.limit
        self.data = whole[-self.limit :]

    def text(self) -> str:
        """Return it as text, beginning with a whole line where the beginning was cut off."""
        _rest, newline, lines = self.data.partition(b"\n")
        return (lines if self.is_cut and newline else self.data).decode("utf-8", "replace")


def argument_spec() -> dict[str, Any]:
    """Return the options of pod_logs beside authentication."""
    return {
        "namespace": {"type": "str"},
        "containers": {"type": "list", "elements": "dict", "required": True},
        "tail_lines": {"type": "int", "default": 1000},
        "max_bytes": {"type": "int", "default": 1 << 20},
        "concurrency": {"type": "int", "default": 8},
        "timeout": {"type": "int", "default": 60},
    }


def run() -> None:
    """Runs the task and ends it."""
    run_module(make_module(argument_spec(), selects=False), work, {"logs": []})


def work(module: Any) -> Report:
    """Does what the options ask. Raises Failure where nothing can be asked."""
    params = module.params
    for option in ("tail_lines", "max_bytes", "concurrency"):
        if params[option] < 1:
            raise Failure("InvalidRequest", f"{option} is less than 1.")
    check_seconds(params["timeout"], "timeout")
    wanted = [parse(index, entry, params["namespace"]) for index, entry in enumerate(params["containers"])]
    cluster = connect(module, Deadline(params["timeout"], "timeout"))
    read = partial(_read, cluster, params["tail_lines"], params["max_bytes"], params["timeout"])
    outcomes = run_concurrently(read, wanted, params["concurrency"])
    rows = [_row(log, outcome) for log, outcome in zip(wanted, outcomes, strict=True)]
    failed = [
        FailedTarget(log.namespace, log.pod, log.container, outcome)
        for log, outcome in zip(wanted, outcomes, strict=True)
        if isinstance(outcome, Failure)
    ]
    message = f"{len(rows) - len(failed)} of {len(rows)} logs read"
    message, failure = judge(failed, len(rows) - len(failed), continue_on_error=True, message=message)
    return Report(message, False, [], failed, {"logs": rows}, failure=failure)


def parse(index: int, entry: Mapping[str, Any], namespace: str | None = None) -> Log:
    """Return a container as the task names it, in that namespace where it names none. Raises Failure InvalidRequest that names
    its place."""
    if unknown := sorted(map(str, entry.keys() - {*NAMES, "previous"})):
        raise Failure("InvalidRequest", f"containers[{index}] has unknown keys: {', '.join(unknown)}.")
    names = [entry.get(name) or (namespace if name == "namespace" else None) for name in NAMES]
    if not all(isinstance(name, str) and name for name in names):
        raise Failure("InvalidRequest", f"containers[{index}] lacks one of {', '.join(NAMES)}.")
    previous = entry.get("previous", False)
    if not isinstance(previous, bool):
        raise Failure("InvalidRequest", f"containers[{index}].previous is neither true nor false.")
    where, pod, container = map(str, names)
    return Log(where, pod, container, previous)


def _read(cluster: Cluster, lines: int, limit: int, timeout: int, log: Log) -> End:
    doing = f"reading the log of {log.namespace}/{log.pod}/{log.container}"
    query: Query = [
        *(("container", log.container), ("tailLines", str(lines)), ("limitBytes", str(max(MAX_READ, limit)))),
        *((("previous", "true"),) if log.previous else ()),
    ]
    cluster = cluster.until(Deadline(timeout, "timeout"))
    for patience in reversed(range(_TRIES)):
        end = End(limit)
        cluster.stream(pod_path(log.namespace, log.pod, "log"), doing, query, end.take)
        # a container that ended just now: its run before is another one, which the kubelet knows a moment later
        if not (log.previous and is_lost(end.text())) or not patience or cluster.deadline.left() < 2 * _PAUSE:
            break
        time.sleep(_PAUSE)
    return end


def _row(log: Log, outcome: End | Failure) -> dict[str, Any]:
    names = {"namespace": log.namespace, "pod": log.pod, "container": log.container, "previous": log.previous}
    if isinstance(outcome, Failure):
        return {**names, "log": None, "truncated": False, "reason": outcome.reason, "msg": outcome.message}
    return {**names, "log": outcome.text(), "truncated": outcome.is_cut, "reason": None, "msg": None}
