# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How one container lives and died, read off the pod's own object.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.times import epoch
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import (
    container_status,
    container_statuses,
    is_finished,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable

KINDS = (("containers", "app"), ("initContainers", "init"))
# a container that has not been made yet waits with these, and nothing is wrong
ON_ITS_WAY = ("", "ContainerCreating", "PodInitializing")
# the runtime's own number for the time that never was
NEVER = "1970-01-01T00:00:00Z"
# within it a kubelet tells that all of a pod has ended
LAG = 15
# man 7 signal, x86 and arm
KILL, TERM = 9, 15
SIGNALS = {1: "HUP", 2: "INT", 3: "QUIT", 4: "ILL", 5: "TRAP", 6: "ABRT", 7: "BUS", 8: "FPE", KILL: "KILL", 11: "SEGV"}
SIGNALS |= {13: "PIPE", 14: "ALRM", TERM: "TERM", 24: "XCPU", 25: "XFSZ", 31: "SYS"}


def container_names(pod: Mapping[str, Any]) -> list[str]:
    """Return the containers of a pod, without debuggers; those that start first come last, as the pod's spec names them."""
    return [entry["name"] for key, _kind in KINDS for entry in pod["spec"].get(key) or ()]


def container_life(pod: Mapping[str, Any], name: str, now: str) -> dict[str, Any]:
    """Return how a container lives. now: RFC 3339. Raises ValueError where the pod has no such container.

    name, kind (app, init, sidecar), state (running, waiting, terminated, "" where the API has none), reason and message (of a
    state of waiting, else of the last end), ready, restarts, started_at and running_seconds (None where it does not run), has_ended,
    end_reason, exit_code (None where it never ended), signal (KILL ... or ""), ended_at, ran_seconds (None where it never ran),
    memory_limit (as in the spec, or ""), command (what the spec has of it), pod_waits (whether nothing in its pod can be started,
    for volumes, network or sandbox are not there yet), waits_for (the container of its pod that has to come first, or ""), and
    trouble_age and waits_for_trouble_age (seconds since something was wrong with the one or the other: 0 where it is now, None
    where it never was, as far as the API remembers).
    """
    kind, spec = _spec(pod, name)
    status = container_status(pod, name)
    state, state_row = _only(status.get("state"))
    last = (status.get("lastState") or {}).get("terminated")
    end = (state_row if state == "terminated" else last) or {}
    tells_more = state_row.get("reason") != "CrashLoopBackOff" or not end
    told = state_row if state == "waiting" and tells_more and state_row.get("message") else end
    waits_for = _waits_for(pod, name) if state in ("", "waiting") else ""
    code = end.get("exitCode")
    ended_at, began_at = end.get("finishedAt"), end.get("startedAt")
    return {
        "name": name,
        "kind": kind,
        "state": state,
        "reason": str(state_row.get("reason", "")) if state != "running" else "",
        "message": printable(str(told.get("message", "")).strip()),
        "ready": bool(status.get("ready")),
        "restarts": int(status.get("restartCount") or 0),
        "started_at": state_row.get("startedAt") if state == "running" else None,
        "running_seconds": seconds(state_row.get("startedAt"), now) if state == "running" else None,
        "has_ended": bool(end),
        "end_reason": str(end.get("reason", "")),
        "exit_code": code,
        "signal": _signal(end),
        "ended_at": ended_at,
        "ran_seconds": None if not end or began_at == NEVER else seconds(began_at, ended_at),
        "memory_limit": str(((spec.get("resources") or {}).get("limits") or {}).get("memory", "")),
        "command": [*(spec.get("command") or ()), *(spec.get("args") or ())],
        "pod_waits": _pod_waits(pod),
        "waits_for": waits_for,
        "waits_for_trouble_age": container_life(pod, waits_for, now)["trouble_age"] if waits_for else None,
        "trouble_age": _trouble_age((state, state_row), end, _is_as_it_should(pod, kind, spec, end), now),
    }


def _spec(pod: Mapping[str, Any], name: str) -> tuple[str, Mapping[str, Any]]:
    for key, kind in KINDS:
        for entry in pod["spec"].get(key) or ():
            if entry["name"] == name:
                # an init container that is always started again is a sidecar (KEP-753)
                return ("sidecar" if kind == "init" and entry.get("restartPolicy") == "Always" else kind), entry
    raise ValueError(f"the pod has no container {name}")


def _pod_waits(pod: Mapping[str, Any]) -> bool:
    if is_finished(pod) or any("running" in (row.get("state") or {}) for row in container_statuses(pod)):
        return False
    for condition in (pod.get("status") or {}).get("conditions") or ():
        # a node that starts anew makes another sandbox (KEP-3085, since Kubernetes 1.29)
        if condition["type"] == "PodReadyToStartContainers":
            return bool(condition["status"] != "True")
    return not any(
        "terminated" in {**(row.get("state") or {}), **(row.get("lastState") or {})} for row in container_statuses(pod)
    )


def _only(state: Mapping[str, Any] | None) -> tuple[str, Mapping[str, Any]]:
    """Return the one state that a ContainerState holds."""
    return next(((name, row or {}) for name, row in (state or {}).items()), ("", {}))


def _signal(end: Mapping[str, Any]) -> str:
    # a runtime says 128 + n for a program that a signal ended, and seldom fills in the field
    number = end.get("signal") or (end.get("exitCode") or 0) - 128
    return SIGNALS.get(number, "")


def _waits_for(pod: Mapping[str, Any], name: str) -> str:
    """Return the first of the init containers and sidecars before it that does not let it begin."""
    if _pod_waits(pod):
        return ""
    for entry in pod["spec"].get("initContainers") or ():
        if entry["name"] == name:
            return ""
        status = container_status(pod, entry["name"])
        if _spec(pod, entry["name"])[0] == "sidecar":
            has_passed = bool(status.get("started"))
        else:
            has_passed = ((status.get("state") or {}).get("terminated") or {}).get("exitCode") == 0
        if not has_passed:
            return str(entry["name"])
    return ""


def _trouble_age(state: tuple[str, Mapping[str, Any]], end: Mapping[str, Any], is_well: bool, now: str) -> int | None:
    name, row = state
    if name == "waiting" and row.get("reason", "") not in ON_ITS_WAY:
        return 0
    if not end or is_well:
        return None
    return max(0, seconds(end.get("finishedAt"), now) or 0) if name == "running" else 0


def _is_as_it_should(pod: Mapping[str, Any], kind: str, spec: Mapping[str, Any], end: Mapping[str, Any]) -> bool:
    """Return whether nothing is wrong with an end."""
    # the kubelet stops the sidecars once the apps are done, and does not mind how they end
    if kind == "sidecar" and is_finished(pod):
        return True
    if end.get("exitCode") in (0, 128 + TERM) and _was_deleted_before(pod, end.get("finishedAt")):
        return True
    # kubernetes#131530: a process in it was killed, and the one that was left ended well
    if end.get("reason") == "OOMKilled":
        return False
    if outlived_grace(pod, end.get("exitCode"), end.get("finishedAt")):
        return True
    return end.get("exitCode") == 0 and not is_to_stay(pod, kind, spec)


def _was_deleted_before(pod: Mapping[str, Any], moment: str | None) -> bool:
    # the API sets the time at which the grace period is over
    left = seconds(moment, (pod.get("metadata") or {}).get("deletionTimestamp"))
    return left is not None and left <= _grace(pod) + (LAG if _is_let_go(pod) else 0)


def outlived_grace(pod: Mapping[str, Any], code: int | None, ended_at: str | None) -> bool:
    """Return whether a container took no note of its pod's deletion, so that the kubelet killed it after the grace period."""
    left = seconds(ended_at, (pod.get("metadata") or {}).get("deletionTimestamp"))
    if code != 128 + KILL or left is None:
        return False
    # the kubelet's count of the seconds begins in between two of the API's
    return _was_deleted_before(pod, ended_at) if _is_let_go(pod) else left <= 1


def _is_let_go(pod: Mapping[str, Any]) -> bool:
    """Return whether the kubelet has ended all of a pod that was deleted: it deletes it once more, with no grace period, and where a
    finalizer keeps it the time of its deletion is that one's."""
    return (pod.get("metadata") or {}).get("deletionGracePeriodSeconds") == 0


def _grace(pod: Mapping[str, Any]) -> int:
    return int(
        pod["metadata"].get("deletionGracePeriodSeconds") or pod["spec"].get("terminationGracePeriodSeconds") or 0
    )


def is_to_stay(pod: Mapping[str, Any], kind: str, spec: Mapping[str, Any]) -> bool:
    """Return whether a container is started again even where it ended well."""
    policy = spec.get("restartPolicy") or pod["spec"].get("restartPolicy", "Always")
    return kind == "sidecar" or (kind == "app" and (policy == "Always" or bool(rule_for(spec, 0))))


def rule_for(spec: Mapping[str, Any], code: int | None) -> Mapping[str, Any]:
    """Return the container's own rule (KEP-5307) by which it is started again after that exit code; empty where it has none."""
    for rule in spec.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        is_named = code in (codes.get("values") or ())
        if code is not None and codes.get("operator") == ("In" if is_named else "NotIn"):
            return dict(rule)
    return {}


def seconds(begin: str | None, end: str | None) -> int | None:
    """Return the seconds from begin to end, both RFC 3339; None where one of them is not known."""
    if not begin or not end:
        return None
    return round(epoch(end) - epoch(begin))
