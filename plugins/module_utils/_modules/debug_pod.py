# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The debug_pod module's task: arguments -> the pod -> its copy -> a target for the other modules.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.concurrency import run_concurrently
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, check_seconds
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure, after_change
from ansible_collections.incident.distroless.plugins.module_utils._core.times import rfc3339
from ansible_collections.incident.distroless.plugins.module_utils._debugger.diff import pod_diff
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import known_identity
from ansible_collections.incident.distroless.plugins.module_utils._debugger.target_row import pinned
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._k8s.connect import connect
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import MIRROR_POD, container_spec
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import (
    debugger_spec,
    make_module,
    parse_request,
    parse_wish,
)
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import (
    Report,
    judge,
    run_module,
    was_changed,
)
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.create import (
    Made,
    access_modes,
    copy_attempts,
    create,
    delete,
    ends_at,
    find_place,
    is_up,
    wait_for_copy,
    wait_until_gone,
    why_down,
)
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.manifest import (
    KEEP,
    CopyRequest,
    copy_of,
    debug_name,
)
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.selection import find_copies, find_original
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.shared_resources import what_is_shared
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import (
    FailedTarget,
    Target,
    as_target,
    parse_selection,
)


def argument_spec() -> dict[str, Any]:
    """Return the options of debug_pod beside authentication and selection."""
    return {
        **debugger_spec(),
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "copy_to": {"type": "str"},
        "set_image": {"type": "dict", "default": {}},
        "command": {"type": "list", "elements": "str"},
        "args": {"type": "list", "elements": "str"},
        "hold": {"type": "bool", "default": False},
        "mount_volumes": {"type": "bool", "default": True},
        "share_processes": {"type": "bool", "default": True},
        "same_node": {"type": "bool", "default": False},
        **{f"keep_{word}": {"type": "bool", "default": word == "init_containers"} for word in KEEP},
        "replace": {"type": "bool", "default": False},
        "wait": {"type": "bool", "default": True},
    }


def run() -> None:
    """Runs the task and ends it."""
    run_module(make_module(argument_spec()), work)


def work(module: Any) -> Report:
    """Does what the options ask. Raises Failure when there is nothing to work on."""
    check_seconds(module.params["wait_timeout"], "wait_timeout")
    return (_remove if module.params["state"] == "absent" else _make)(module, Deadline(module.params["wait_timeout"]))


def parse_copy(params: Mapping[str, Any]) -> CopyRequest:
    """Return what to make, from the module's parameters. Raises Failure InvalidRequest."""
    if params["hold"] and (params["command"] is not None or params["args"] is not None):
        raise Failure(
            "InvalidRequest",
            "hold together with command or args: a held container runs neither.",
            "Remove one of them.",
        )
    return CopyRequest(
        debug=parse_request(params),
        copy_to=params["copy_to"],
        set_image={str(name): str(image) for name, image in params["set_image"].items()},
        command=params["command"],
        args=params["args"],
        hold=params["hold"],
        mount_volumes=params["mount_volumes"],
        share_processes=params["share_processes"],
        same_node=params["same_node"],
        keep=frozenset(word for word in KEEP if params[f"keep_{word}"]),
    )


def _make(module: Any, deadline: Deadline) -> Report:
    params, started = module.params, time.monotonic()
    request, wish, selection = parse_copy(params), parse_wish(params), parse_selection(params)
    cluster = connect(module, deadline)
    original = find_original(cluster, selection)
    warnings = _about_replacing(original) if params["replace"] else []
    name, made = find_place(cluster, original, request)
    if made is None:
        modes = access_modes(cluster, original)
        warnings += what_is_shared(original, request, modes, replace=params["replace"])
        attempts = copy_attempts(wish, original, known_identity(original))
        made = create(cluster, original, request, attempts, name, dry_run=module.check_mode)
    diff = [pod_diff(made.pod if made.reused else original.manifest, made.pod)] if module._diff else []
    pod = made.pod
    debugger = debug_name(original, request)
    with after_change(is_changed=not made.reused and not module.check_mode):
        if params["replace"]:
            _replace(cluster, original, made, dry_run=module.check_mode)
        if params["wait"] and not module.check_mode:
            with after_change(is_changed=params["replace"]):
                pod = _wait(cluster, made, original, request, debugger, keep=params["replace"])
    container = original.container
    is_looked_at = params["wait"] and not module.check_mode
    if is_looked_at and not is_up(pod, container):
        warnings.append(_about_a_target_that_is_down(pod, original, debugger, request))
        container = debugger
    row = _row(pod, container, original, debugger, made, time.monotonic() - started, warnings)
    changed = not made.reused or params["replace"]
    message = _summary(made, original, changed=changed, would=module.check_mode, replaced=params["replace"])
    return Report(message, changed, [row], [], {"diff": diff} if module._diff else {}, warnings)


def _replace(cluster: Cluster, original: Target, made: Made, *, dry_run: bool) -> None:
    """Delete the original once its copy is there. Raises Failure, which names what is left."""
    try:
        delete(cluster, original.manifest, at_once=True, dry_run=dry_run)
    except Failure as failure:
        if not dry_run:
            failure.message += f" The copy {made.pod['metadata']['name']} stays, and so does the original."
        raise


def _about_replacing(original: Target) -> list[str]:
    """Return what to know before a pod is deleted. Raises Failure StaticPod."""
    metadata = original.manifest["metadata"]
    if MIRROR_POD in (metadata.get("annotations") or {}):
        raise Failure(
            "StaticPod",
            f"Pod {original.namespace}/{original.pod} is a static pod: its node keeps it, whatever the API deletes.",
            "Remove replace.",
        )
    owners = [owner for owner in metadata.get("ownerReferences") or () if owner.get("controller")]
    return [f"{owner['kind']} {owner['name']} starts another pod for the one that was replaced" for owner in owners]


def _wait(
    cluster: Cluster,
    made: Made,
    original: Target,
    request: CopyRequest,
    debugger: str,
    *,
    keep: bool,
) -> Mapping[str, Any]:
    in_copy = as_target(made.pod, original.container)
    # what crashed before is likely to do it again; a held one runs nothing of its own
    may_crash = not request.hold and (original.restart_count > 0 or not is_up(original.manifest, original.container))
    try:
        pod = wait_for_copy(cluster, in_copy, debugger, may_crash=may_crash)
        if request.hold and not is_up(pod, original.container):
            raise Failure(
                "ContainerCreateFailed",
                f"Copy {in_copy.namespace}/{in_copy.pod}: container {original.container} cannot be held: {why_down(pod, original.container)}.",
                "hold needs a debug image with a statically linked busybox, such as the default, and an image of the target that the node can get.",
            )
    except Failure as failure:
        if keep:
            name = made.pod["metadata"]["name"]
            failure.message += f" The original {original.pod} was deleted; its copy {name} stays."
        if made.reused or keep:
            raise
        raise Failure(failure.reason, f"{failure.message} {_discard(cluster, made)}", failure.hint) from failure
    return pod


def _discard(cluster: Cluster, made: Made) -> str:
    """Deletes a copy that does not come up: one that never gets a node would not be ended by its ttl. Says what came of it."""
    name = made.pod["metadata"]["name"]
    try:
        delete(cluster.until(Deadline(10)), made.pod, at_once=True)
    except Failure as failure:
        return f"The copy {name} stays: {failure.message}"
    return f"The copy {name} was deleted."


def _about_a_target_that_is_down(pod: Mapping[str, Any], original: Target, debugger: str, request: CopyRequest) -> str:
    shows = f"targets names the debug container {debugger}"
    if request.mount_volumes:
        shows += f", which has the volumes of {original.container} (no secrets) where {original.container} has them"
    return (
        f"container {original.container} does not stay up in the copy ({why_down(pod, original.container)}): {shows}; "
        f"for the files of its image set hold: true, or a command that stays"
    )


def _row(
    pod: Mapping[str, Any],
    container: str,
    original: Target,
    debugger: str,
    made: Made,
    elapsed: float,
    warnings: list[str],
) -> dict[str, Any]:
    in_copy, debug = as_target(pod, container), as_target(pod, debugger)
    row = {key: None if value == "" else value for key, value in pinned(in_copy).items()}
    return {
        **row,
        "copy_of": {
            "namespace": original.namespace,
            "pod": original.pod,
            "pod_uid": original.pod_uid,
            "container": original.container,
        },
        "debug_container": debugger,
        "debugger": None,
        "image": container_spec(pod, debugger).get("image"),
        "profile": None if made.attempt is None else made.attempt.profile,
        "reused": made.reused,
        "started_at": debug.started_at,
        "expires_at": None if (ends := ends_at(pod)) is None else rfc3339(ends),
        "elapsed": round(elapsed, 3),
        "commands": [],
        "warnings": list(warnings),
    }


def _summary(made: Made, original: Target, *, changed: bool, would: bool, replaced: bool) -> str:
    name, what = made.pod["metadata"]["name"], f"{original.namespace}/{original.pod}"
    maybe = "would be " if would else ""
    words = f"copy {name} of {what} {'found' if made.reused else f'{maybe}made'}"
    return words + (f", the original {maybe}deleted" if replaced and changed else "")


def _remove(module: Any, deadline: Deadline) -> Report:
    params = module.params
    if params["concurrency"] < 1:
        raise Failure("InvalidRequest", "concurrency must be 1 or more.")
    cluster = connect(module, deadline)
    copies = find_copies(cluster, params)
    end = partial(_end, cluster, wait=params["wait"], dry_run=module.check_mode)
    outcomes = run_concurrently(end, copies, params["concurrency"])
    rows: list[dict[str, Any]] = []
    failed: list[FailedTarget] = []
    for pod, outcome in zip(copies, outcomes, strict=True):
        if isinstance(outcome, Failure):
            failed.append(FailedTarget(pod["metadata"]["namespace"], pod["metadata"]["name"], None, outcome))
        else:
            rows.append(outcome)
    count = f"{len(rows)} {'copy' if len(rows) == 1 else 'copies'} {'would be ' if module.check_mode else ''}deleted"
    message, failure = judge(failed, len(rows), continue_on_error=params["continue_on_error"], message=count)
    fields = {"diff": [pod_diff(pod, None) for pod in copies]} if module._diff else {}
    return Report(message, bool(rows) or was_changed(failed), rows, failed, fields, [], failure)


def _end(cluster: Cluster, pod: Mapping[str, Any], *, wait: bool, dry_run: bool) -> dict[str, Any]:
    started, metadata = time.monotonic(), pod["metadata"]
    answer = delete(cluster, pod, dry_run=dry_run)
    if answer is not None and wait and not dry_run:
        with after_change():
            wait_until_gone(cluster, pod)
    return {
        "namespace": metadata["namespace"],
        "pod": metadata["name"],
        "pod_uid": metadata["uid"],
        "copy_of": {"namespace": metadata["namespace"], "pod": copy_of(pod)},
        "elapsed": round(time.monotonic() - started, 3),
        "warnings": [],
    }
