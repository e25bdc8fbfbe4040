# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom a role is about that asks the API only: containers that crash, have finished or never came up take no debugger, so
they are told by their pod's object, and looked into in copies of it.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import (
    DEFAULT_CONTAINER,
    MIRROR_POD,
    container_state,
    container_status,
    is_finished,
)
from ansible_collections.incident.distroless.plugins.module_utils._k8s.waiting import NO_IMAGE
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.pod_facts import volumes
from ansible_collections.incident.distroless.plugins.plugin_utils._health.container_life import (
    container_life,
    container_names,
    seconds,
)

Rows = Iterable[Mapping[str, Any]]


def known_pods(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the pods that a result of ephemeral_debug names, also those that it could not look into: namespace, pod, node (or None)."""
    rows = [*(found.get("targets") or ()), *filter(_is_there, found.get("failed_targets") or ())]
    return [{"namespace": row["namespace"], "pod": row["pod"], "node": row.get("node")} for row in rows]


def subjects(found: Mapping[str, Any], answers: Rows, container: str, now: str) -> dict[str, list[dict[str, Any]]]:
    """Return the targets and failed_targets of a case that is made of the API's answers (those of api_answers), and under waited
    the containers that have to come before those: namespace, pod, container.

    The targets of a pod are the container that is named; without a name its default one, and all that something is wrong with.
    They have the keys of ephemeral_debug's, with null for what only a debugger knows. now: RFC 3339. Of a pod that was asked for
    twice the first answer counts.
    """
    pods = _pods(answers)
    targets: list[dict[str, Any]] = []
    met: set[tuple[str, str]] = set()
    for row in known_pods(found):
        key = (row["namespace"], row["pod"])
        names = _containers(pods[key], container, now) if key in pods else []
        targets += [_target(pods[key], name) for name in names]
        met |= {key} if names else set()
    failed = [row for row in found.get("failed_targets") or () if (row.get("namespace"), row.get("pod")) not in met]
    return {"targets": targets, "failed_targets": [dict(row) for row in failed], "waited": _waited(targets, pods, now)}


def _waited(targets: Rows, pods: Mapping[tuple[str, str], Mapping[str, Any]], now: str) -> list[dict[str, Any]]:
    """Return the containers that have to come before targets and are none themselves, each once."""
    known = {(row["namespace"], row["pod"], row["container"]) for row in targets}
    first = {(where, pod, container_life(pods[where, pod], name, now)["waits_for"]) for where, pod, name in known}
    return [{"namespace": where, "pod": pod, "container": name} for where, pod, name in sorted(first - known) if name]


def with_subjects(looked: Rows, outside: Rows) -> list[dict[str, Any]]:
    """Return the targets that were looked into (rows of ephemeral_debug), and those of `subjects` that were not."""
    rows = [dict(row) for row in looked]
    seen = {(row["namespace"], row["pod"], row["container"]) for row in rows}
    return rows + [dict(row) for row in outside if (row["namespace"], row["pod"], row["container"]) not in seen]


def changed_pods(rows: Rows, asked: Rows, found: Mapping[str, Any], looked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return those of rows (each has namespace and pod) whose pod is another than when the API was asked: a container that was
    looked into is not the one that the API told of, or a pod that could be looked into could not be after all.

    asked: of api_answers; found, looked: results of ephemeral_debug, before and after.
    """
    told = _pods(asked)
    failed = {(row.get("namespace"), row.get("pod")) for row in looked.get("failed_targets") or ()}
    changed = failed - {(row.get("namespace"), row.get("pod")) for row in found.get("failed_targets") or ()}
    for row in looked.get("targets") or ():
        pod = told.get((row["namespace"], row["pod"]))
        if pod and row.get("container_id") != container_status(pod, row["container"]).get("containerID"):
            changed.add((row["namespace"], row["pod"]))
    return [dict(row) for row in rows if (row["namespace"], row["pod"]) in changed]


def _pods(answers: Rows) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {
        (entry["metadata"].get("namespace"), entry["metadata"]["name"]): entry
        for answer in reversed(list(answers))
        if answer["api"] == "pod"
        for entry in answer["objects"] or ()
    }


def _is_there(failed: Mapping[str, Any]) -> bool:
    return bool(failed.get("namespace") and failed.get("pod")) and failed["reason"] != "NoTarget"


def _containers(pod: Mapping[str, Any], wanted: str, now: str) -> list[str]:
    names = container_names(pod)
    if wanted:
        return [wanted] if wanted in names else []
    lives = [container_life(pod, name, now) for name in names]
    default = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER)
    chosen = default if default in names else names[0]
    # one that runs and is not ready has no end to be in trouble by
    return [
        life["name"]
        for life in lives
        if life["name"] == chosen
        or life["trouble_age"] is not None
        or (life["state"] == "running" and not life["ready"] and life["kind"] != "init")
    ]


def _target(pod: Mapping[str, Any], container: str) -> dict[str, Any]:
    row = container_status(pod, container)
    return {
        "namespace": pod["metadata"]["namespace"],
        "pod": pod["metadata"]["name"],
        "pod_uid": pod["metadata"]["uid"],
        "node": pod["spec"].get("nodeName"),
        "container": container,
        "container_id": row.get("containerID"),
        "image_id": row.get("imageID"),
        "restart_count": row.get("restartCount", 0),
        "target_started_at": (container_state(pod, container).get("running") or {}).get("startedAt"),
        **dict.fromkeys(("debugger", "image", "profile", "identity", "target_identity", "isolation", "pid", "root")),
        "root_readable": False,
        "reused": False,
        "started_at": None,
        "commands": [],
    }


# a container that runs for less, and has ended before, may end again while it is looked into
STAYS = 60
# what holds the original back holds the copy back too, and the API says all of it
NEVER_MADE = NO_IMAGE | {"CreateContainerConfigError"}
# what an app writes to; the others are the kubelet's to fill
NOT_TO_WRITE = ("configMap", "secret", "downwardAPI", "projected", "image")
_LONGEST_NAME = 253
# of the target in the copy, what the case says of the original
_SEEN = ("target_identity", "identity", "isolation", "profile", "image", "debugger", "root_readable")

Row = Mapping[str, Any]


def copies_to_make(targets: Iterable[Row], answers: Iterable[Row], now: str, salt: str) -> list[dict[str, Any]]:
    """Return the targets (of `subjects`) of which a copy tells more than the API: those that do not stay up, have finished or are static.

    Of pods of one controller the first stands for all. Each: namespace, pod, pod_uid, container, node, why, copy_to (another
    name with another salt), program (the first word of the spec's command, or ""), points (where the spec mounts what an app
    writes to, one a line), inits and others (the names of the containers that run in the copy as they are). answers: those of
    api_answers; now: RFC 3339.
    """
    pods = {
        entry["metadata"]["uid"]: entry for answer in answers if answer["api"] == "pod" for entry in answer["objects"]
    }
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for target in targets:
        pod = pods[target["pod_uid"]]
        if why := _why(pod, target["container"], now):
            found.setdefault((_maker(pod), target["container"]), _to_make(pod, target, why, salt))
    return list(found.values())


def _why(pod: Row, container: str, now: str) -> str:
    """Return why it cannot be looked into as it is, "" where it can, or where a copy would come no further than the original."""
    life = container_life(pod, container, now)
    if life["kind"] == "init" or life["reason"] in NEVER_MADE:
        return ""
    if is_finished(pod):
        return "has finished"
    if life["trouble_age"] == 0:
        return "does not stay up"
    if (
        life["state"] == "running"
        and life["trouble_age"] is not None
        and (seconds(life["started_at"], now) or 0) < STAYS
    ):
        return "does not stay up"
    return "is static" if MIRROR_POD in (pod["metadata"].get("annotations") or {}) else ""


def _maker(pod: Row) -> str:
    """Return the uid of the controller, whose pods are all alike, else of the pod itself."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return str(next((owner["uid"] for owner in owners if owner.get("controller")), pod["metadata"]["uid"]))


def _to_make(pod: Row, target: Row, why: str, salt: str) -> dict[str, Any]:
    five = hashlib.sha256(f"{salt}/{target['pod_uid']}/{target['container']}".encode()).hexdigest()[:5]
    ending = f"-triage-{five}"
    containers, inits = pod["spec"]["containers"], pod["spec"].get("initContainers") or ()
    spec = next(entry for entry in (*containers, *inits) if entry["name"] == target["container"])
    points = [
        volume["point"]
        for volume in volumes(pod, target["container"])
        if not volume["read_only"] and volume["kind"] not in NOT_TO_WRITE and "\n" not in volume["point"]
    ]
    return {
        **{key: target[key] for key in ("namespace", "pod", "pod_uid", "container", "node")},
        "why": why,
        "copy_to": target["pod"][: _LONGEST_NAME - len(ending)].rstrip("-.") + ending,
        "program": (spec.get("command") or [""])[0],
        "points": "\n".join(points),
        "inits": [entry["name"] for entry in inits if entry["name"] != target["container"]],
        "others": [entry["name"] for entry in containers if entry["name"] != target["container"]],
    }


def with_copies(targets: Iterable[Row], copies: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the targets with what was seen in their copies, and under `copied` what came of making one; None where none was wanted.

    copies: each original (of copies_to_make), and the results of the tasks that asked for it, made it, looked into it and
    deleted it: asked, made, looked, deleted.
    """
    by_original = {(copy["original"]["pod_uid"], copy["original"]["container"]): copy for copy in copies}
    return [_with_copy(target, by_original.get((target["pod_uid"], target["container"]))) for target in targets]


def _with_copy(target: Row, came: Row | None) -> dict[str, Any]:
    if came is None:
        return {**target, "copied": None}
    original = came["original"]
    made, looked = ((came[step].get("targets") or [{}])[0] for step in ("made", "looked"))
    copy = {
        **{key: original[key] for key in ("why", "program", "inits", "others")},
        "namespace": original["namespace"],
        "pod": original["copy_to"],
        "node": made.get("node"),
        "expires_at": made.get("expires_at"),
        "warnings": list((made or (came["asked"].get("targets") or [{}])[0]).get("warnings") or ()),
        "failure": next(_failures(came, "asked", "made", "looked"), None) if not looked else None,
        "left": next(_failures(came, "deleted"), None),
    }
    return {
        **target,
        **{key: looked[key] for key in _SEEN if looked},
        "commands": looked.get("commands", []),
        "copied": copy,
    }


def _failures(came: Row, *steps: str) -> Iterator[dict[str, str]]:
    """Return why steps did not do what they are for, each reason, message and hint."""
    for step in steps:
        result = came[step]
        for failed in result.get("failed_targets") or ():
            yield {key: str(failed.get(key) or "") for key in ("reason", "message", "hint")}
        if result.get("failed_targets") is None and not result.get("skipped"):
            yield {"reason": "InvalidRequest", "message": str(result.get("msg", "")), "hint": ""}
