# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pods and which container of each: a selection in, targets out.

A target is one running container of one pod, pinned by the pod's uid and the container's id.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure, failure_of
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import (
    DEFAULT_CONTAINER,
    MIRROR_POD,
    container_spec,
    container_state,
    container_status,
    containers,
    is_finished,
    is_terminating,
    is_windows,
    why_unscheduled,
)


@dataclass(frozen=True, slots=True)
class Selection:
    """What the user asked for: exactly one of pod, workload, selectors and earlier targets."""

    namespace: str | None
    pod: str | None = None
    workload: str | None = None
    label_selectors: tuple[str, ...] = ()
    field_selectors: tuple[str, ...] = ()
    targets: tuple[Mapping[str, Any], ...] | None = None
    container: str | None = None
    max_pods: int = 10
    # pods that have finished or are being deleted too, of a Job the newest: each is a failed target, which names it
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A running container. manifest is the pod as the API gave it; debugger the name that an earlier result gave."""

    namespace: str
    pod: str
    pod_uid: str
    node: str
    container: str
    container_id: str
    image_id: str
    restart_count: int
    started_at: str | None
    manifest: Mapping[str, Any] = field(repr=False, compare=False)
    debugger: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return the container's id without the runtime's prefix, as it stands in cgroup paths."""
        return self.container_id.rpartition("://")[2]

    @property
    def label(self) -> str:
        """Return the target as a person names it."""
        return f"{self.namespace}/{self.pod}/{self.container}"

    @property
    def spec(self) -> Mapping[str, Any]:
        """Return the container's spec in the pod."""
        return container_spec(self.manifest, self.container)

    @property
    def status(self) -> Mapping[str, Any]:
        """Return the container's status in the pod."""
        return container_status(self.manifest, self.container)


@dataclass(frozen=True, slots=True)
class FailedTarget:
    """A pod or container that was asked for and could not be worked on."""

    namespace: str | None
    pod: str | None
    container: str | None
    failure: Failure

    def as_result(self) -> dict[str, Any]:
        """Return the contract's failed target."""
        return {"namespace": self.namespace, "pod": self.pod, "container": self.container, **self.failure.as_result()}


def ways_of_selecting(params: Mapping[str, Any]) -> list[str]:
    """Return those that a module's parameters give; what is None, blank or empty is not given. An empty list of targets is
    one: it means nothing, and never all pods."""
    ways = {
        "pod": (params.get("pod") or "").strip(),
        "workload": (params.get("workload") or "").strip(),
        "label_selectors or field_selectors": params.get("label_selectors") or params.get("field_selectors"),
        "targets": params.get("targets") is not None,
    }
    return [way for way, is_given in ways.items() if is_given]


def parse_selection(params: Mapping[str, Any]) -> Selection:
    """Return the selection in a module's parameters. Raises Failure InvalidRequest when not exactly one way is given, and for
    a selector of nothing, which the API would take for every pod."""
    given = ways_of_selecting(params)
    if len(given) != 1:
        found = f"got {' and '.join(given)}" if given else "got none"
        raise Failure(
            "InvalidRequest",
            f"Exactly one of pod, workload, label_selectors/field_selectors and targets is needed: {found}.",
        )
    for option in ("label_selectors", "field_selectors"):
        _check_selectors(option, params.get(option) or ())
    has_targets = given == ["targets"]
    if not params.get("namespace") and not has_targets:
        raise Failure("InvalidRequest", f"namespace is needed with {given[0]}.", "Set namespace.")
    if not has_targets and params["max_pods"] < 1:
        raise Failure("InvalidRequest", "max_pods must be 1 or more.")
    return Selection(
        namespace=params.get("namespace"),
        pod=params.get("pod") if given == ["pod"] else None,
        workload=params.get("workload") if given == ["workload"] else None,
        label_selectors=tuple(params.get("label_selectors") or ()),
        field_selectors=tuple(params.get("field_selectors") or ()),
        targets=tuple(params["targets"]) if has_targets else None,
        container=params.get("container") or None,
        max_pods=params["max_pods"],
        finished=bool(params.get("finished")),
    )


def _check_selectors(option: str, selectors: Iterable[str]) -> None:
    for index, selector in enumerate(selectors):
        # field selectors pass over what is empty between two commas, so that `,` is every pod too
        terms = selector.split(",") if option == "field_selectors" else [selector]
        if not all(term.strip() for term in terms):
            raise Failure(
                "InvalidRequest",
                f"{option}[{index}] {selector!r} selects nothing in particular, which would be every pod.",
                f"Look why it is empty, or take it out of {option}.",
            )


def lost_its_node(pod: Mapping[str, Any]) -> bool:
    """Return whether the pod's node does not report any more, as far as the pod itself shows it.

    The node controller then sets Ready to False and leaves all else as the kubelet said it last; the kubelet itself
    never says Ready False beside ContainersReady True but for readiness gates (pkg/controller/util/node MarkPodsNotReady).
    """
    status = pod.get("status") or {}
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or []}
    ready, containers_ready = conditions.get("Ready") or {}, conditions.get("ContainersReady") or {}
    marked = ready.get("status") == "False" and containers_ready.get("status") == "True" and not ready.get("reason")
    return status.get("reason") == "NodeLost" or marked


# what of a pod that cannot be looked into says why
_OF_ITS_OWN = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "ownerReferences")
_OF_ITS_NODE = ("nodeName", "os", "nodeSelector", "affinity")


def without_use(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is said of a pod that has finished or is terminating, which is little, and any other pod as it is."""
    if not is_finished(pod) and not is_terminating(pod):
        return pod
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    kept = {key: metadata[key] for key in _OF_ITS_OWN if key in metadata}
    if MIRROR_POD in (metadata.get("annotations") or {}):
        kept["annotations"] = {MIRROR_POD: ""}
    return {
        "metadata": kept,
        "spec": {key: spec[key] for key in _OF_ITS_NODE if key in spec},
        "status": {"phase": (pod.get("status") or {}).get("phase")},
    }


def split_candidates(pods: Iterable[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Return those pods that can be looked into, by name, and a warning for those that are finished or terminating."""
    usable: list[Mapping[str, Any]] = []
    left_out: list[str] = []
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"])):
        if is_finished(pod) or is_terminating(pod):
            left_out.append(str(pod["metadata"]["name"]))
        else:
            usable.append(pod)
    if not left_out:
        return usable, []
    names = ", ".join(left_out[:10]) + (f" and {len(left_out) - 10} more" if len(left_out) > 10 else "")
    return usable, [f"left out because finished or terminating: {names}"]


def choose_container(pod: Mapping[str, Any], wanted: str | None) -> str:
    """Return the name of the target container. Raises Failure ContainerNotFound, naming those there are."""
    names = [str(spec["name"]) for spec in containers(pod)]
    name = wanted or (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER) or names[0]
    if name in names:
        return str(name)
    where = "container" if wanted else f"the annotation {DEFAULT_CONTAINER}"
    raise Failure(
        "ContainerNotFound",
        f"Pod {_pod_label(pod)} has no container {name!r} ({where}).",
        f"Set container to one of: {', '.join(names)}.",
    )


def make_target(pod: Mapping[str, Any], wanted: str | None, earlier: Mapping[str, Any] | None = None) -> Target:
    """Return the target in a pod. Raises Failure TargetNotRunning, StaticPod, WindowsNode, NodeNotReady, ContainerNotFound or PodGone."""
    metadata = pod["metadata"]
    label = _pod_label(pod)
    if earlier is not None and earlier.get("pod_uid") not in (None, metadata["uid"]):
        raise Failure(
            "PodGone",
            f"Pod {label} is another one than in targets: its uid is {metadata['uid']}, not {earlier['pod_uid']}.",
        )
    if MIRROR_POD in (metadata.get("annotations") or {}):
        raise Failure("StaticPod", f"Pod {label} is a static pod of node {(pod.get('spec') or {}).get('nodeName')}.")
    if is_windows(pod):
        raise Failure("WindowsNode", f"Pod {label} runs Windows containers.")
    if is_finished(pod):
        raise Failure("TargetNotRunning", f"Pod {label} is finished ({pod['status']['phase']}).")
    if is_terminating(pod):
        raise Failure("TargetNotRunning", f"Pod {label} is being deleted since {metadata['deletionTimestamp']}.")
    name = choose_container(pod, wanted)
    if lost_its_node(pod):
        raise Failure(
            "NodeNotReady", f"Pod {label}: its node {(pod.get('spec') or {}).get('nodeName')} does not report any more."
        )
    status = container_status(pod, name)
    if (status.get("state") or {}).get("running") is None or not status.get("containerID"):
        raise Failure(
            "TargetNotRunning", f"Container {name} of pod {label} does not run: {_why_not_running(pod, status)}."
        )
    warnings: tuple[str, ...] = ()
    if earlier is not None and (earlier.get("container") or name) != name:
        # what an earlier result says of another container says nothing of this one
        earlier = None
    if earlier is not None and earlier.get("container_id") not in (None, status["containerID"]):
        warnings = (f"container {name} restarted since the earlier result: restart count {status.get('restartCount')}",)
    return replace(
        as_target(pod, name),
        debugger=None if earlier is None else earlier.get("debugger"),
        warnings=warnings + crowding(pod),
    )


def as_target(pod: Mapping[str, Any], container: str) -> Target:
    """Return a container of a pod as it is described, whether it runs or not; its id is empty where it never did."""
    metadata, status = pod["metadata"], container_status(pod, container)
    return Target(
        namespace=metadata["namespace"],
        pod=metadata["name"],
        pod_uid=metadata["uid"],
        node=(pod.get("spec") or {}).get("nodeName", ""),
        container=container,
        container_id=status.get("containerID", ""),
        image_id=status.get("imageID", ""),
        restart_count=int(status.get("restartCount") or 0),
        started_at=(container_state(pod, container).get("running") or {}).get("startedAt"),
        manifest=pod,
    )


def make_targets(pods: Sequence[Mapping[str, Any]], wanted: str | None) -> tuple[list[Target], list[FailedTarget]]:
    """Return the targets in many pods, and those that cannot be one, with the reason."""
    targets: list[Target] = []
    failed: list[FailedTarget] = []
    for pod in pods:
        try:
            targets.append(make_target(pod, wanted))
        except Exception as error:  # noqa: BLE001 - a pod of a form that we do not know costs none of the others
            failure = failure_of(error)
            failed.append(FailedTarget(pod["metadata"]["namespace"], pod["metadata"]["name"], wanted, failure))
    return targets, failed


# the newest of a Job's pods that are looked at after it failed
NEWEST = 10


def newest_of_jobs(pods: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the pods by name, of those of each Job the newest ten alone."""
    kept: list[Mapping[str, Any]] = []
    met: dict[str, int] = {}
    for pod in sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True):
        owners = pod["metadata"].get("ownerReferences") or ()
        job = next((str(owner.get("uid")) for owner in owners if owner.get("kind") == "Job"), None)
        if job is not None:
            met[job] = met.get(job, 0) + 1
        if job is None or met[job] <= NEWEST:
            kept.append(pod)
    return sorted(kept, key=lambda pod: str(pod["metadata"]["name"]))


# a workload's own words for why it has no pods; of Progressing it is False that tells
_TELLS = {
    "ReplicaFailure": "True",
    "Failed": "True",
    "FailureTarget": "True",
    "Suspended": "True",
    "Progressing": "False",
}


def why_no_pods(owners: Iterable[Mapping[str, Any]]) -> str:
    """Return what workloads say of themselves where they have no pods, such as that a quota or Pod Security refuses them; or ""."""
    told: list[str] = []
    for owner in owners:
        rows = (owner.get("status") or {}).get("conditions") or ()
        bad = [row for row in rows if _TELLS.get(str(row.get("type"))) == row.get("status")]
        # the failure to make pods tells more than that there is no progress, which follows from it
        bad.sort(key=lambda row: list(_TELLS).index(str(row["type"])))
        told += [": ".join(str(row[key]) for key in ("type", "reason", "message") if row.get(key)) for row in bad[:1]]
        if (owner.get("spec") or {}).get("replicas") == 0:
            told.append("it asks for 0 replicas")
    return "; ".join(dict.fromkeys(told))


def check_count(count: int, max_pods: int, what: str, why: str = "") -> None:
    """Raises Failure NoTarget or TooManyPods, before anything was changed. why: what is known of why there is none."""
    if count == 0:
        raise Failure("NoTarget", f"No running pod matches {what}{': ' + why.rstrip('.') if why else ''}.")
    if count > max_pods:
        raise Failure(
            "TooManyPods", f"{count} pods match {what}, more than max_pods ({max_pods}); nothing was changed."
        )


def _pod_label(pod: Mapping[str, Any]) -> str:
    return f"{pod['metadata'].get('namespace')}/{pod['metadata'].get('name')}"


def _why_not_running(pod: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    if not status:
        phase, unscheduled = (pod.get("status") or {}).get("phase", "unknown"), why_unscheduled(pod)
        return f"the pod is {phase}" + (f" ({unscheduled})" if unscheduled is not None else "")
    state = status.get("state") or {}
    if "waiting" in state:
        waiting = state["waiting"] or {}
        return f"waiting: {waiting.get('reason', 'unknown')} {waiting.get('message', '')}".rstrip()
    if "terminated" in state:
        ended = state["terminated"] or {}
        return f"terminated: {ended.get('reason', 'unknown')}, exit code {ended.get('exitCode')}"
    return "the kubelet has not reported it yet"


# Measured from delete to gone (tests/integration/test_no_harm.py; containerd 2.2 on two busy cores): 1 to 3 s with up to
# twelve running debuggers, 37 s with 14, 60 s with 16, 83 to 89 s with 20, 208 s with 40. The kubelet stops all at once,
# and the runtime's answers run into its time-out. With 40 that have ended it is 3 s.
MANY_RUNNING = 10
# Each adds about 1.2 kB to an object that the API server sends to each of its watchers, whether it runs or not.
MANY_ENTRIES = 20


def crowding(pod: Mapping[str, Any]) -> tuple[str, ...]:
    """Return warnings of what a pod's ephemeral containers, whoever made them, have come to."""
    entries = len((pod.get("spec") or {}).get("ephemeralContainers") or ())
    statuses = (pod.get("status") or {}).get("ephemeralContainerStatuses") or ()
    running = sum("running" in (status.get("state") or {}) for status in statuses)
    warnings: list[str] = []
    if running >= MANY_RUNNING:
        warnings.append(
            f"{running} ephemeral containers run in the pod: with a few more it takes minutes to be deleted; state absent ends ours"
        )
    if entries >= MANY_ENTRIES:
        size = len(json.dumps(pod, separators=(",", ":")))
        warnings.append(
            f"the pod has {entries} ephemeral containers, which stay until it is replaced: its object has {size} bytes"
        )
    return tuple(warnings)
