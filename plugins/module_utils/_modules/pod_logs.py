# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pod_logs module's task: the ends of many containers' logs, read side by side.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, check_seconds
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, Query
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import connect
from ansible_collections.incident.distroless.plugins.module_utils._k8s.logs import is_lost, lost, read_tail
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import make_module
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import Report, judge, run_module
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import FailedTarget

NAMES = ("namespace", "pod", "container")
# of one log: where its last lines are longer, fewer of them are read
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
    """The last bytes of a stream, at most limit. lines: how many of its last lines came, 0 for all that were asked for."""

    limit: int
    size: int = 0
    lines: int = 0
    _kept: bytearray = field(default_factory=bytearray)

    @property
    def data(self) -> bytes:
        """Return the bytes."""
        return bytes(self._kept[-self.limit :])

    @property
    def is_cut(self) -> bool:
        """Return whether what was before is missing."""
        return self.size > self.limit or self.lines > 0

    def take(self, piece: bytes) -> None:
        """Adds what came next."""
        self.size += len(piece)
        self._kept += piece
        # not with each piece: what is moved together each time costs the square
        if len(self._kept) > 2 * self.limit + (1 << 16):
            del self._kept[: -self.limit]

    def text(self) -> str:
        """Return it as text, beginning with a whole line where the beginning was cut off and there is one."""
        data = self.data
        _rest, _newline, lines = data.partition(b"\n")
        return (lines if self.size > self.limit and lines else data).decode("utf-8", "replace")

    def cut(self, asked: int) -> str | None:
        """Return what is missing of the lines that were asked for, in words; None where nothing is."""
        if not self.is_cut:
            return None
        fewer = f"only the last {self.lines} of {asked} lines were read, since more are longer than {MAX_READ} bytes"
        left = f"{self.size - self.limit} bytes before the last {self.limit} were left out"
        return "; ".join(([fewer] if self.lines else []) + ([left] if self.size > self.limit else []))


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
    nothing: dict[str, Any] = {"logs": []}
    run_module(make_module(argument_spec(), selects=False, nothing=nothing), work, nothing)


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
    rows = [_row(log, outcome, params["tail_lines"]) for log, outcome in zip(wanted, outcomes, strict=True)]
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
    query: Query = [("container", log.container), *((("previous", "true"),) if log.previous else ())]
    cluster = cluster.until(Deadline(timeout, "timeout"))
    end = End(limit)

    def begin() -> Callable[[bytes], None]:
        nonlocal end
        end = End(limit)
        return end.take

    for patience in reversed(range(_TRIES)):
        whose, most = (log.namespace, log.pod), max(MAX_READ, 2 * limit)
        came = read_tail(cluster, whose, query, lines, most, begin, doing)
        end.lines = came if came < lines else 0
        if not is_lost(end.text()):
            break
        # a container that ended just now: its run before is another one, which the kubelet knows a moment later
        if not log.previous or not patience or cluster.deadline.left() < 2 * _PAUSE:
            raise lost(doing, end.text())
        time.sleep(_PAUSE)
    return end


def _row(log: Log, outcome: End | Failure, asked: int) -> dict[str, Any]:
    row = {"namespace": log.namespace, "pod": log.pod, "container": log.container, "previous": log.previous}
    if isinstance(outcome, Failure):
        return row | {"log": None, "truncated": False, "cut": None, "reason": outcome.reason, "msg": outcome.message}
    row |= {"log": outcome.text(), "truncated": outcome.is_cut, "cut": outcome.cut(asked)}
    return row | {"reason": None, "msg": None}
