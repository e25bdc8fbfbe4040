# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asks the API for the pods that a selection means: by name, workload, selector or from an earlier result.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import NOT_THERE
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, api_path, pod_path
from ansible_collections.incident.distroless.plugins.module_utils._k8s.lists import each_item
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import (
    FailedTarget,
    Selection,
    Target,
    check_count,
    make_target,
    make_targets,
    newest_of_jobs,
    split_candidates,
    why_no_pods,
    without_use,
)

# kubectl's names of the kinds that own pods: (API group, resource)
WORKLOADS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("deployment", "deployments", "deploy"), ("apps", "deployments")),
    **dict.fromkeys(("statefulset", "statefulsets", "sts"), ("apps", "statefulsets")),
    **dict.fromkeys(("daemonset", "daemonsets", "ds"), ("apps", "daemonsets")),
    **dict.fromkeys(("replicaset", "replicasets", "rs"), ("apps", "replicasets")),
    **dict.fromkeys(("job", "jobs"), ("batch", "jobs")),
    **dict.fromkeys(("cronjob", "cronjobs", "cj"), ("batch", "cronjobs")),
}

# requests at once for the pods of an earlier result
LOOKS = 8


@dataclass(frozen=True, slots=True)
class Selected:
    """What a selection came to."""

    targets: list[Target]
    failed: list[FailedTarget]
    warnings: list[str]


def select(cluster: Cluster, selection: Selection) -> Selected:
    """Return the targets that a selection means. Raises Failure when there is none or too many, or the API refuses."""
    if selection.targets is not None:
        return _earlier(cluster, selection.targets, selection.container)
    namespace = selection.namespace or ""
    if selection.pod:
        pod = get_pod(cluster, namespace, selection.pod)
        return Selected([make_target(pod, selection.container)], [], [])
    # of ten thousand that have finished, no more than what a message says of them is ever held
    pods, what, why = _matching(cluster, selection, without_use)
    usable, warnings = (newest_of_jobs(pods), []) if selection.finished else split_candidates(pods)
    check_count(len(usable), selection.max_pods, what, why)
    targets, failed = make_targets(usable, selection.container)
    return Selected(targets, failed, warnings)


def matching_pods(
    cluster: Cluster, selection: Selection, fits: Callable[[Mapping[str, Any]], bool] = bool
) -> tuple[list[str], str]:
    """Return the names of the pods of a workload or of selectors, whatever their state, of those alone that fit; and how a
    message names the selection."""

    def name_of(pod: Mapping[str, Any]) -> str | None:
        return str(pod["metadata"]["name"]) if fits(pod) else None

    names, what, _why = _matching(cluster, selection, name_of)
    return sorted(name for name in names if name is not None), what


Left = TypeVar("Left")
Cut = Callable[[Mapping[str, Any]], Left]


def _matching(cluster: Cluster, selection: Selection, cut: Cut[Left]) -> tuple[list[Left], str, str]:
    """Return what cut leaves of each of them, and what the workload itself says of why there may be none."""
    namespace = selection.namespace or ""
    if selection.workload:
        pods, why = _pods_of_workload(cluster, namespace, selection.workload, cut, finished=selection.finished)
        return pods, f"{selection.workload} in namespace {namespace}", why
    labels, fields = ",".join(selection.label_selectors), ",".join(selection.field_selectors)
    try:
        pods = [cut(pod) for pod in each_pod(cluster, namespace, labels, fields)]
    except Failure as failure:
        if failure.reason == "InvalidRequest":
            given = [option for option, text in (("label_selectors", labels), ("field_selectors", fields)) if text]
            failure.message = f"{' or '.join(given)}: {failure.message}"
        raise
    return pods, f"{' and '.join(filter(None, (labels, fields)))} in namespace {namespace}", ""


def refresh(cluster: Cluster, target: Target) -> Mapping[str, Any]:
    """Return the target's pod as it is now. Raises Failure PodGone when it is gone or another one."""
    doing = f"looking again for pod {target.namespace}/{target.pod}"
    pod = cluster.get(pod_path(target.namespace, target.pod), doing)
    if pod["metadata"]["uid"] != target.pod_uid:
        raise Failure("PodGone", f"Pod {target.namespace}/{target.pod} was replaced by another of the same name.")
    return pod


def _earlier(cluster: Cluster, rows: Sequence[Mapping[str, Any]], container: str | None) -> Selected:
    if not rows:
        # a list that was filtered until nothing was left means nothing, and never all pods
        raise Failure("NoTarget", "targets is empty.", "Look why the earlier task found none, or skip this one.")
    for index, row in enumerate(rows):
        check_row(index, row)

    def look(row: Mapping[str, Any]) -> Target:
        pod = get_pod(cluster, row["namespace"], row["pod"])
        return make_target(pod, container or row.get("container") or None, row)

    # a list that was put together of several results can name one more than once; two debuggers of one target are two
    targets: dict[tuple[str, str, str | None], Target] = {}
    failed: dict[tuple[str, str, str | None], FailedTarget] = {}
    for row, outcome in zip(rows, run_concurrently(look, rows, LOOKS), strict=True):
        if isinstance(outcome, Failure):
            wanted = container or row.get("container") or None
            lost = FailedTarget(row["namespace"], row["pod"], wanted, outcome)
            failed.setdefault((row["namespace"], row["pod"], wanted), lost)
        else:
            targets.setdefault((outcome.pod_uid, outcome.container, outcome.debugger), outcome)
    return Selected([*targets.values()], [*failed.values()], [])


def check_row(index: int, row: Mapping[str, Any]) -> None:
    """Raises Failure InvalidRequest for a row of targets that names no pod."""
    missing = [key for key in ("namespace", "pod") if not isinstance(row.get(key), str) or not row[key].strip()]
    if missing:
        raise Failure(
            "InvalidRequest",
            f"targets[{index}] has no {' and no '.join(missing)}.",
            "Hand over the list targets of an earlier result, or write {namespace: ..., pod: ...}.",
        )
    if not isinstance(row.get("container"), str | None):
        raise Failure("InvalidRequest", f"targets[{index}].container is not a string.", "Correct it or leave it out.")


def get_pod(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    """Return a pod by name. Raises Failure NoTarget when there is none."""
    try:
        return cluster.get(pod_path(namespace, name), f"looking for pod {namespace}/{name}")
    except Failure as failure:
        if failure.reason != "PodGone":
            raise
        raise Failure("NoTarget", f"There is no pod {name} in namespace {namespace}.") from failure


def _pods_of_workload(
    cluster: Cluster, namespace: str, workload: str, cut: Cut[Left], *, finished: bool
) -> tuple[list[Left], str]:
    kind, _slash, name = workload.partition("/")
    group_and_resource = WORKLOADS.get(kind.lower().split(".")[0])
    if group_and_resource is None or not name:
        raise Failure(
            "InvalidRequest",
            f"workload: expected kind/name with a kind that owns pods, got {workload!r}.",
            "Kinds: deployment, statefulset, daemonset, replicaset, job, cronjob.",
        )
    group, resource = group_and_resource
    owner = _get_owner(cluster, namespace, group, resource, name)
    if resource == "cronjobs":
        running = (owner.get("status") or {}).get("active") or []
        owners = [_get_owner(cluster, namespace, "batch", "jobs", str(job["name"])) for job in running]
        if finished and not owners:
            owners = _last_job(cluster, namespace, owner)
    else:
        owners = [owner]
    pods: list[Left] = []
    for item in owners:
        labels = selector_text((item.get("spec") or {}).get("selector") or {})
        pods += [cut(pod) for pod in each_pod(cluster, namespace, labels, "") if is_owned(pod, item, resource)]
    return pods, why_no_pods([owner] if owner in owners else [owner, *owners])


def _last_job(cluster: Cluster, namespace: str, cronjob: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the last Job that a CronJob made and whose pods are there yet, found by them: to list Jobs is one permission more."""
    # the controller names them after it and the minute that they were due
    named = re.compile(re.escape(str(cronjob["metadata"]["name"])) + "-([0-9]+)")
    found = {
        str(owner["name"]): int(match[1])
        for pod in each_pod(cluster, namespace, "job-name", "")
        for owner in pod["metadata"].get("ownerReferences") or ()
        if owner.get("kind") == "Job" and (match := named.fullmatch(str(owner["name"])))
    }
    for name in sorted(found, key=lambda name: -found[name])[:LOOKS]:
        try:
            job = _get_owner(cluster, namespace, "batch", "jobs", name)
        except Failure as failure:
            if failure.reason != "NoTarget":
                raise
            continue
        owners = job["metadata"].get("ownerReferences") or ()
        if any(owner.get("uid") == cronjob["metadata"]["uid"] for owner in owners):
            return [job]
    return []


def _get_owner(cluster: Cluster, namespace: str, group: str, resource: str, name: str) -> dict[str, Any]:
    path = api_path("apis", group, "v1", "namespaces", namespace, resource, name)
    try:
        return cluster.get(path, f"looking for {resource} {namespace}/{name}")
    except Failure as failure:
        if failure.reason not in NOT_THERE:
            raise
        raise Failure(
            "NoTarget", f"There is no {resource.removesuffix('s')} {name} in namespace {namespace}."
        ) from failure


def is_owned(pod: Mapping[str, Any], owner: Mapping[str, Any], resource: str) -> bool:
    """Return whether a pod that a workload's selector matches is that workload's own.

    A deployment owns by way of its ReplicaSets, which are named after it and the pod-template-hash; asking for them
    would need one more permission.
    """
    controllers = [ref for ref in pod["metadata"].get("ownerReferences") or [] if ref.get("controller")]
    if resource != "deployments":
        return any(ref.get("uid") == owner["metadata"]["uid"] for ref in controllers)
    revision = (pod["metadata"].get("labels") or {}).get("pod-template-hash")
    return any(
        ref.get("kind") == "ReplicaSet" and ref.get("name") == f"{owner['metadata']['name']}-{revision}"
        for ref in controllers
    )


def selector_text(selector: Mapping[str, Any]) -> str:
    """Return a LabelSelector (matchLabels, matchExpressions) in the form of a query parameter."""
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or []:
        key, operator, values = expression["key"], expression["operator"], ",".join(expression.get("values") or [])
        terms.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[operator]
        )
    return ",".join(terms)


def list_pods(cluster: Cluster, namespace: str, labels: str, fields: str) -> list[dict[str, Any]]:
    """Return the pods of a namespace that label and field selectors (query parameters, empty: all) match."""
    return [*each_pod(cluster, namespace, labels, fields)]


def each_pod(cluster: Cluster, namespace: str, labels: str, fields: str) -> Iterator[dict[str, Any]]:
    """Yield the same, of which a page at a time is held. Raises Failure."""
    given = (("labelSelector", labels), ("fieldSelector", fields))
    path = api_path("api", "v1", "namespaces", namespace, "pods")
    doing = f"listing the pods that match {labels or fields or 'all'}"
    yield from each_item(cluster, path, doing, [(key, text) for key, text in given if text])
