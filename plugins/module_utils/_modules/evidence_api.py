# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The evidence_api module's task: what the API says of pods, kept as files, with a record of who asked what and when.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, check_seconds
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.times import rfc3339, when
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, Query, api_path, pod_path
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import REVIEWS, open_client
from ansible_collections.incident.distroless.plugins.module_utils._k8s.logs import is_lost, lost, read_tail
from ansible_collections.incident.distroless.plugins.module_utils._k8s.redaction import without_values
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import (
    Dest,
    Place,
    refuse_sealed,
)
from ansible_collections.incident.distroless.plugins.module_utils._localfs.partial_file import DestFailure
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import make_module
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import Report, judge, run_module
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import FailedTarget
from ansible_collections.incident.distroless.plugins.module_utils._targets.selection import WORKLOADS

RECORD = "record.json"
WHAT = ("who", "cluster", "pod", "owners", "events", "node", "logs")
# a pod is owned by a replica set, that by a deployment, and that perhaps by something of an operator
MAX_OWNERS = 4
MAX_LOG = 64 << 20
# what the kubelet says in place of a log is shorter
_LOST = 4096

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to keep, below which folder, of which pods."""

    what: frozenset[str]
    dest: str
    log_lines: int
    timeout: int


@dataclass(slots=True)
class Kept:
    """What was kept of one pod: a row for each request, and why the pod counts as failed."""

    rows: Rows = field(default_factory=list)
    failure: Failure | None = None


def argument_spec() -> dict[str, Any]:
    """Return the options of evidence_api beside authentication."""
    return {
        "namespace": {"type": "str"},
        "pods": {"type": "list", "elements": "dict", "required": True},
        "dest": {"type": "path", "required": True},
        "what": {"type": "list", "elements": "str", "choices": list(WHAT), "default": list(WHAT)},
        "log_lines": {"type": "int", "default": 10000},
        "concurrency": {"type": "int", "default": 8},
        "timeout": {"type": "int", "default": 120},
    }


def run() -> None:
    """Runs the task and ends it."""
    run_module(make_module(argument_spec(), selects=False), work)


def work(module: Any) -> Report:
    """Does what the options ask. Raises Failure where nothing can be asked or written."""
    params = module.params
    check_seconds(params["timeout"], "timeout")
    for option in ("log_lines", "concurrency"):
        if params[option] < 1:
            raise Failure("InvalidRequest", f"{option} must be 1 or more.")
    pods = [_named(index, entry, params["namespace"]) for index, entry in enumerate(params["pods"])]
    plan = Plan(frozenset(params["what"]), params["dest"], params["log_lines"], params["timeout"])
    refuse_sealed(plan.dest)
    count = f"{len(pods)} pod{'s' if len(pods) != 1 else ''}"
    if module.check_mode:
        return Report(f"Would keep what the API says of {count} in {plan.dest}", True, [], [])
    deadline = Deadline(plan.timeout, "timeout")
    cluster = RecordingCluster(open_client(module, deadline), deadline)
    who, about, rows = _ask_about_us(cluster, plan)
    outcomes = run_concurrently(partial(_keep, cluster, plan), pods, params["concurrency"])
    failed: list[FailedTarget] = []
    for (namespace, name), outcome in zip(pods, outcomes, strict=True):
        failure = outcome if isinstance(outcome, Failure) else outcome.failure
        rows += [] if isinstance(outcome, Failure) else outcome.rows
        if failure is not None:
            failed.append(FailedTarget(namespace, name, None, failure))
    record = {
        "schema": 1,
        "who": who,
        "cluster": {"server": cluster.name, **about},
        "requests": sorted(rows, key=lambda row: when(row["start"])),
    }
    _write(plan, (RECORD.encode(),), json.dumps(record, indent=1).encode() + b"\n")
    refused = sum(row["reason"] is not None for row in rows)
    message = f"{count}, {len(rows)} requests, {refused} without an answer"
    message, failure = judge(failed, len(pods) - len(failed), continue_on_error=True, message=message)
    return Report(message, True, [], failed, {"who": who, "cluster": record["cluster"]}, failure=failure)


def _named(index: int, entry: Mapping[str, Any], namespace: str | None) -> tuple[str, str]:
    names = (entry.get("namespace") or namespace, entry.get("pod"))
    if not all(isinstance(name, str) and name for name in names):
        raise Failure("InvalidRequest", f"pods[{index}] has no namespace and pod.", "Hand over targets of a result.")
    return str(names[0]), str(names[1])


def _ask_about_us(cluster: RecordingCluster, plan: Plan) -> tuple[Mapping[str, Any] | None, dict[str, Any], Rows]:
    """Return who the API takes us for, and which cluster it is: the uid of kube-system is its only lasting name."""
    answers: dict[str, Mapping[str, Any]] = {}
    rows: Rows = []
    cluster = cluster.until(Deadline(plan.timeout, "timeout"))
    asked: list[tuple[str, str, str, Callable[..., dict[str, Any]]]] = []
    if "cluster" in plan.what:
        get: Callable[..., dict[str, Any]] = cluster.get
        asked.append(("version", "GET", api_path("version"), get))
        asked.append(("system", "GET", api_path("api", "v1", "namespaces", "kube-system"), get))
    for version in REVIEWS if "who" in plan.what else ():
        path = api_path("apis", "authentication.k8s.io", version, "selfsubjectreviews")

        def reviewed(path: str = path, version: str = version) -> None:
            review = {"apiVersion": f"authentication.k8s.io/{version}", "kind": "SelfSubjectReview"}
            answers["who"] = cluster.post(path, review, f"asking for {path}")

        rows.append({**cluster.watched(f"POST {path}", reviewed), **_NO_FILE})
        if rows[-1]["reason"] != "ApiUnsupported":
            break
    for name, method, path, ask in asked:

        def answer(name: str = name, path: str = path, ask: Callable[..., dict[str, Any]] = ask) -> None:
            answers[name] = ask(path, f"asking for {path}")

        rows.append({**cluster.watched(f"{method} {path}", answer), **_NO_FILE})
    user = (answers.get("who", {}).get("status") or {}).get("userInfo")
    about = {
        "version": answers.get("version", {}).get("gitVersion"),
        "uid": (answers.get("system", {}).get("metadata") or {}).get("uid"),
    }
    # what a webhook adds to a user may be a token
    who = {key: user[key] for key in ("username", "uid", "groups") if key in user} if user else None
    return who, about, rows


_NO_FILE: Mapping[str, Any] = dict.fromkeys(("namespace", "pod", "path", "size", "sha256", "cut"))


def _keep(cluster: RecordingCluster, plan: Plan, names: tuple[str, str]) -> Kept:
    namespace, name = names
    kept = Kept()
    keeper = _Keeper(cluster, plan, namespace, name, kept.rows)
    try:
        _keep_pod(keeper, plan, namespace, name, kept)
    except Failure as failure:
        # what was asked before a file could not be written was asked all the same
        kept.failure = failure
    return kept


def _keep_pod(keeper: _Keeper, plan: Plan, namespace: str, name: str, kept: Kept) -> None:
    pod = keeper.object("pod.json", pod_path(namespace, name))
    if pod is None:
        row = kept.rows[-1]
        kept.failure = Failure(row["reason"] or "NoTarget", row["message"] or f"There is no pod {namespace}/{name}.")
        return
    if "owners" in plan.what:
        _keep_owners(keeper, namespace, pod)
    if "events" in plan.what:
        about = f"involvedObject.kind=Pod,involvedObject.name={name},involvedObject.uid={pod['metadata']['uid']}"
        keeper.object(
            "events.json", api_path("api", "v1", "namespaces", namespace, "events"), [("fieldSelector", about)]
        )
    if "node" in plan.what and pod["spec"].get("nodeName"):
        keeper.object("node.json", api_path("api", "v1", "nodes", pod["spec"]["nodeName"]))
    if "logs" in plan.what:
        for container, is_previous in _logs(pod):
            keeper.log(container, is_previous=is_previous)


def _keep_owners(keeper: _Keeper, namespace: str, pod: Mapping[str, Any]) -> None:
    waiting = list(pod["metadata"].get("ownerReferences") or ())
    for number in range(1, MAX_OWNERS + 1):
        if not waiting:
            return
        reference = waiting.pop(0)
        group, resource = WORKLOADS.get(str(reference["kind"]).lower(), ("", ""))
        if reference["apiVersion"].partition("/")[0] != group:
            # its resource is not in the reference; the reference itself is in the pod's object
            continue
        path = api_path("apis", group, "v1", "namespaces", namespace, resource, reference["name"])
        owner = keeper.object(f"owner_{number}.json", path)
        waiting += (owner or {}).get("metadata", {}).get("ownerReferences") or ()


def _logs(pod: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """Return containers that have or had a log, and whether it is the one of their run before."""
    status = pod.get("status") or {}
    for key in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for entry in status.get(key) or ():
            if "waiting" not in (entry.get("state") or {"waiting": None}):
                yield entry["name"], False
            if entry.get("restartCount"):
                yield entry["name"], True


@dataclass(frozen=True, slots=True)
class _Keeper:
    """Asks for one pod's parts and keeps each answer as a file."""

    cluster: RecordingCluster
    plan: Plan
    namespace: str
    pod: str
    rows: Rows

    def object(self, name: str, path: str, query: Query = ()) -> dict[str, Any] | None:
        """Keeps an object; None where it cannot be had."""
        found: list[dict[str, Any]] = []
        cluster = self.cluster.until(Deadline(self.plan.timeout, "timeout"))
        self._watch(path, query, lambda: found.append(cluster.get(path, f"asking for {path}", query)))
        for answer in found:
            shown = without_values(answer)
            self._file(name, [json.dumps(shown, indent=1).encode() + b"\n"])
        return found[0] if found else None

    def log(self, container: str, *, is_previous: bool) -> None:
        """Keeps the end of a container's log, of which a piece at a time is in memory. Raises DestFailure."""
        name = f"{container}{'.previous' if is_previous else ''}.log"
        query = [("container", container), ("timestamps", "true"), *([("previous", "true")] if is_previous else [])]
        cluster = self.cluster.until(Deadline(self.plan.timeout, "timeout"))
        asked, path = self.plan.log_lines, pod_path(self.namespace, self.pod, "log")
        doing, about, unwritten = f"reading {path}", dict[str, Any](), list[DestFailure]()

        def read() -> None:
            with Dest(self.plan.dest) as dest, ExitStack() as writing:
                partial = writing.enter_context(dest.writer(self._place(name)))
                head = b""

                def begin() -> Callable[[bytes], None]:
                    nonlocal partial, head
                    writing.close()
                    partial, head = writing.enter_context(dest.writer(self._place(name))), b""
                    return take

                def take(piece: bytes) -> None:
                    nonlocal head
                    head += piece[: max(0, _LOST - len(head))]
                    partial.write(piece)

                came = read_tail(cluster, (self.namespace, self.pod), query, asked, MAX_LOG, begin, doing)
                if is_lost(text := head.decode("utf-8", "replace")):
                    raise lost(doing, text)
                partial.commit(length=partial.length, sha256=None)
                about.update(self._written(name, partial.length, partial.sha256))
                if came < asked:
                    words = f"the last {came} of {asked} lines, since more are longer than {MAX_LOG} bytes"
                    about["cut"] = words

        def noting() -> None:
            try:
                read()
            except DestFailure as failure:
                unwritten.append(failure)
                raise

        self._watch(path, [*query, ("tailLines", str(asked))], noting)
        self.rows[-1] |= about
        if unwritten:
            raise unwritten[0]

    def _watch(self, path: str, query: Query, work: Callable[[], None]) -> None:
        shown = "&".join(f"{key}={value}" for key, value in query)
        about = {**_NO_FILE, "namespace": self.namespace, "pod": self.pod}
        self.rows.append({**self.cluster.watched(f"GET {path}{'?' if shown else ''}{shown}", work), **about})

    def _file(self, name: str, pieces: list[bytes]) -> None:
        self.rows[-1] |= self._written(name, *_write(self.plan, self._place(name), *pieces))

    def _place(self, name: str) -> Place:
        return tuple(part.encode() for part in (self.namespace, self.pod, name))

    def _written(self, name: str, size: int, sha256: str) -> dict[str, Any]:
        return {"path": f"{self.namespace}/{self.pod}/{name}", "size": size, "sha256": sha256}


def _write(plan: Plan, place: Place, *pieces: bytes) -> tuple[int, str]:
    """Writes a file; its size and sha256. Raises Failure."""
    with Dest(plan.dest) as dest, dest.writer(place) as partial:
        for piece in pieces:
            partial.write(piece)
        partial.commit(length=partial.length, sha256=None)
        return partial.length, partial.sha256


class RecordingCluster(Cluster):
    """A cluster that remembers, for each thread, the headers of the last answer."""

    def __init__(self, api_client: Any, deadline: Deadline) -> None:
        super().__init__(api_client, deadline)
        self._heard = threading.local()

    def watched(self, request: str, work: Callable[[], None]) -> dict[str, Any]:
        """Does work, which is one request, and returns a row of what became of it.

        Each: request; start and end (RFC 3339, this host's clock); date (the API's own, or None), audit_id (or None);
        offset (seconds that the API's clock is ahead of ours, None without a date) and uncertainty; reason and message
        (None where it was answered).
        """
        self._heard.headers, self._heard.at = {}, None
        started = time.time()
        failure: Failure | None = None
        try:
            work()
        except Failure as met:
            failure = met
        ended = time.time()
        headers: Mapping[str, str] = self._heard.headers
        return {
            "request": request,
            "start": rfc3339(started, "milliseconds"),
            "end": rfc3339(ended, "milliseconds"),
            "date": headers.get("Date"),
            "audit_id": headers.get("Audit-Id"),
            **clock(headers.get("Date"), started, self._heard.at or ended),
            "reason": failure.reason if failure else None,
            "message": failure.message if failure else None,
        }

    def _note(self, headers: Mapping[str, str]) -> None:
        super()._note(headers)
        self._heard.headers = {name: headers[name] for name in ("Date", "Audit-Id") if name in headers}
        # not when all was read: a log that is read for a minute says nothing of the clock
        self._heard.at = time.time()


def clock(date: str | None, asked: float, heard: float) -> dict[str, float | None]:
    """Return how far a clock that said date (a header, in whole seconds) is ahead of ours, which stood at asked and at heard.

    offset and uncertainty in seconds; the true difference is within offset +- uncertainty. Both None without a date.
    """
    try:
        said = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return {"offset": None, "uncertainty": None}
    # a date is cut to the second: what it means is half a second later, give or take as much
    return {
        "offset": round(said + 0.5 - (asked + heard) / 2, 3),
        "uncertainty": round(0.5 + (heard - asked) / 2, 3),
    }
