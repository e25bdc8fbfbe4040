# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The api_objects module's task: what a role asks the API server, several questions in one task.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, check_seconds
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import NOT_THERE
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, Query, api_path
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import connect
from ansible_collections.incident.distroless.plugins.module_utils._k8s.lists import get_list
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import controller_of, is_ready, is_sibling
from ansible_collections.incident.distroless.plugins.module_utils._k8s.redaction import without_values
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import make_module
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import Report, judge, run_module
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import FailedTarget

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """Where the API has the objects of a kind. api_version is as manifests say it."""

    api_version: str
    resource: str
    is_namespaced: bool = True


KINDS: dict[str, Kind] = {
    "EndpointSlice": Kind("discovery.k8s.io/v1", "endpointslices"),
    "Event": Kind("v1", "events"),
    "NetworkPolicy": Kind("networking.k8s.io/v1", "networkpolicies"),
    "Node": Kind("v1", "nodes", is_namespaced=False),
    "Pod": Kind("v1", "pods"),
    "PodDisruptionBudget": Kind("policy/v1", "poddisruptionbudgets"),
    "ResourceQuota": Kind("v1", "resourcequotas"),
    "Service": Kind("v1", "services"),
}
_SELECTORS = ("field_selectors", "label_selectors")
_KEYS = frozenset({"api", "fields", "kind", "like", "namespace", "name", *_SELECTORS})
# labels that tell pods of one workload apart
_OWN_LABELS = (
    *("pod-template-hash", "controller-revision-hash", "pod-template-generation"),
    *("statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"),
    *("batch.kubernetes.io/job-completion-index",),
)
# of a workload's pods: how many are listed, and how many are given back
_LISTED, _KEPT = 100, 5


@dataclass(frozen=True, slots=True)
class Question:
    """The object of a name, or all objects of a kind that the selectors let through; of each only these fields, or all of it. like: of all
    pods those of this one's workload."""

    kind: str
    namespace: str | None
    name: str | None
    query: Query
    fields: tuple[str, ...] = ()
    like: str | None = None


def argument_spec() -> dict[str, Any]:
    """Return the options of api_objects beside authentication."""
    return {
        "requests": {"type": "list", "elements": "dict", "required": True},
        "namespace": {"type": "str"},
        "continue_on_error": {"type": "bool", "default": False},
        "concurrency": {"type": "int", "default": 8},
        "timeout": {"type": "int", "default": 60},
    }


def run() -> None:
    """Run the task and end it."""
    run_module(make_module(argument_spec(), selects=False), work)


def work(module: Any) -> Report:
    """Do what the options ask. Raises Failure InvalidRequest for a request that cannot be made."""
    params = module.params
    check_seconds(params["timeout"], "timeout")
    if params["concurrency"] < 1:
        raise Failure("InvalidRequest", "concurrency is less than 1.")
    asked = [parse(index, entry, params["namespace"]) for index, entry in enumerate(params["requests"])]
    outcomes, clock_offset = _answers(module, asked)
    rows = [_row(entry, outcome) for entry, outcome in zip(params["requests"], outcomes, strict=True)]
    failed = [
        FailedTarget(question.namespace, question.name if question.kind == "Pod" else None, None, outcome)
        for question, outcome in zip(asked, outcomes, strict=True)
        if isinstance(outcome, Failure)
    ]
    answered = len(rows) - len(failed)
    message, failure = judge(
        failed,
        answered,
        continue_on_error=params["continue_on_error"],
        message=f"{answered} of {len(rows)} requests answered",
    )
    return Report(message, False, [], failed, {"answers": rows, "clock_offset": clock_offset}, failure=failure)


def _answers(module: Any, asked: list[Question]) -> tuple[list[list[Object] | Failure], int]:
    """Return what came of the requests, and the seconds by which the API server's clock is ahead of this machine's."""
    timeout = module.params["timeout"]
    try:
        cluster = connect(module, Deadline(timeout, "timeout"))
    except Failure as failure:
        # a caller that goes on past failures has a row for each of its requests
        return [failure for _question in asked], 0
    outcomes = run_concurrently(partial(ask, cluster, timeout), asked, module.params["concurrency"])
    # its Date has whole seconds: less than two are none
    offset = round(cluster.clock_offset)
    return outcomes, offset if abs(offset) > 1 else 0


def parse(index: int, entry: Mapping[str, Any], namespace: str | None) -> Question:
    """Return a request as the task names it. Raises Failure InvalidRequest that names its place."""
    where = f"requests[{index}]"
    if unknown := sorted(map(str, entry.keys() - _KEYS)):
        raise Failure("InvalidRequest", f"{where} has unknown keys: {', '.join(unknown)}.")
    kind = KINDS.get(str(entry.get("kind")))
    if kind is None:
        raise Failure("InvalidRequest", f"{where}.kind: expected one of {', '.join(KINDS)}, got {entry.get('kind')!r}.")
    for key in ("namespace", "name", "like"):
        if not isinstance(entry.get(key), str | None):
            raise Failure("InvalidRequest", f"{where}.{key}: expected text, got {entry[key]!r}.")
    namespace = (entry.get("namespace") or namespace) if kind.is_namespaced else None
    if kind.is_namespaced and not namespace:
        raise Failure("InvalidRequest", f"{where}.namespace: expected the namespace of a {entry['kind']}, got none.")
    query: list[tuple[str, str]] = []
    for key, parameter in zip(_SELECTORS, ("fieldSelector", "labelSelector"), strict=True):
        terms = _texts(entry, key, where, "selectors")
        query += [(parameter, ",".join(terms))] if terms else []
    name = entry.get("name") or None
    if name and query:
        raise Failure(
            "InvalidRequest", f"{where} has a name and selectors.", "One object is asked for by its name alone."
        )
    like = entry.get("like") or None
    if like and (name or query or entry["kind"] != "Pod"):
        raise Failure("InvalidRequest", f"{where}.like is for pods, and goes with neither a name nor selectors.")
    fields = _texts(entry, "fields", where, "paths of fields")
    return Question(str(entry["kind"]), namespace, name, query, fields, like)


def _texts(entry: Mapping[str, Any], key: str, where: str, what: str) -> tuple[str, ...]:
    given = entry.get(key) or []
    if not isinstance(given, list) or not all(isinstance(text, str) and text.strip() for text in given):
        # a blank selector would be every object
        raise Failure("InvalidRequest", f"{where}.{key}: expected a list of {what}, got {given!r}.")
    return tuple(given)


def picked(thing: Any, paths: Sequence[Sequence[str]]) -> Any:
    """Return of an object what the paths (names of keys, from the top) name and it has; a path goes through a list to each of its elements."""
    if isinstance(thing, list):
        return [picked(element, paths) for element in thing]
    if not isinstance(thing, Mapping):
        return thing
    below: dict[str, list[Sequence[str]]] = {}
    for first, *rest in paths:
        below.setdefault(first, []).append(rest)
    return {
        key: picked(thing[key], rests) if all(rests) else thing[key] for key, rests in below.items() if key in thing
    }


def path_of(kind: Kind, namespace: str | None, name: str | None = None) -> str:
    """Return the path of an object, or without a name of all of its kind."""
    group = ("apis", *kind.api_version.split("/")) if "/" in kind.api_version else ("api", kind.api_version)
    where = ("namespaces", namespace) if namespace else ()
    return api_path(*group, *where, kind.resource, *((name,) if name else ()))


def ask(cluster: Cluster, timeout: int, question: Question) -> list[Object]:
    """Return the objects, none for a name that the API does not have. Values of environment variables are left out."""
    kind = KINDS[question.kind]
    whose = " ".join(word for word in (question.kind, question.name) if word)
    doing = f"asking for {whose}" + (f" in namespace {question.namespace}" if question.namespace else "")
    path = path_of(kind, question.namespace, question.name)
    server = cluster.until(Deadline(timeout, "timeout"))
    if question.like:
        return _cut(question, _alike(server, question.namespace or "", question.like))
    try:
        answer = (
            server.get(path, doing, question.query) if question.name else get_list(server, path, doing, question.query)
        )
    except Failure as failure:
        # 404 of an object, whatever its kind
        if question.name and failure.reason in NOT_THERE:
            return []
        raise
    # the API says once for a whole list what its objects are
    about = {"apiVersion": kind.api_version, "kind": question.kind}
    found = [answer] if question.name else [{**about, **entry} for entry in answer["items"]]
    return _cut(question, found)


def _cut(question: Question, found: list[Object]) -> list[Object]:
    whole = [without_values(entry) for entry in found]
    paths = [field.split(".") for field in question.fields]
    return [picked(entry, paths) for entry in whole] if paths else whole


def _alike(cluster: Cluster, namespace: str, name: str) -> list[Object]:
    """Return other pods of the workload that a pod is of, those first that are ready."""
    doing = f"asking for pods like {name} in namespace {namespace}"
    pod = cluster.get(path_of(KINDS["Pod"], namespace, name), doing)
    labels = pod["metadata"].get("labels") or {}
    terms = [f"{key}={value}" for key, value in labels.items() if key not in _OWN_LABELS]
    if not controller_of(pod) or not terms:
        return []
    query = [("labelSelector", ",".join(terms)), ("limit", str(_LISTED))]
    answer = get_list(cluster, path_of(KINDS["Pod"], namespace), doing, query)
    found = [entry for entry in answer["items"] if is_sibling(pod, entry)]
    found.sort(key=lambda entry: not is_ready(entry))
    return found[:_KEPT]


def _row(asked: Mapping[str, Any], outcome: list[Object] | Failure) -> dict[str, Any]:
    if isinstance(outcome, Failure):
        return {"item": asked, "resources": None, "reason": outcome.reason, "msg": outcome.message}
    return {"item": asked, "resources": outcome, "reason": None, "msg": None}
