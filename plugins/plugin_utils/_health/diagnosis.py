# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The health of one container in its pod: what is wrong, by what cause, and what is not known.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import container_statuses, is_finished
from ansible_collections.incident.distroless.plugins.plugin_utils._health.causes import Cause, because
from ansible_collections.incident.distroless.plugins.plugin_utils._health.container_life import container_life
from ansible_collections.incident.distroless.plugins.plugin_utils._health.ends import (
    still_running,
    why_ended,
    why_kept_up,
    why_waiting,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._health.evidence import (
    A_MOMENT,
    LATE,
    View,
    condition,
    described,
    if_not_asked,
    patience,
    said_of,
    told_of,
    unmet_gates,
    waiting_for,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable

VOLUME_EVENTS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
SANDBOX_EVENTS = (
    "FailedCreatePodSandBox",
    "FailedCreatePodContainer",
    "NetworkNotReady",
    "FailedPrepareDynamicResources",
)
# a start that takes longer is trouble to who waits for it, however patient its probe is
SLOW = 600
MANY, SPARSE = 20, 330
HANGS = 60


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a container's health. causes: the one that leads first; notes: what is seen and is no trouble;
    stale: why what the API says is old, or ""."""

    causes: tuple[Cause, ...]
    notes: tuple[str, ...]
    stale: str

    def as_fact(self) -> dict[str, Any]:
        """Return what analyzers see of it: causes (name, title, verdict, message, next, severity, sure), notes, stale, is_well."""
        return {
            "causes": [cause.as_fact() for cause in self.causes],
            "notes": list(self.notes),
            "stale": self.stale,
            "is_well": not self.causes,
        }


def diagnose(view: View) -> Health:
    """Return the health of the container that a view is of."""
    for find in (_node_lost, _failed_as_a_whole, _not_scheduled, _stuck):
        if found := find(view):
            stale = found.message if found.kind.name == "node_lost" else ""
            return Health((found,), (), stale)
    causes = [cause for cause in (_of_container(view), _disrupted(view)) if cause]
    causes.sort(key=lambda cause: (("fail", "warn", "unknown").index(cause.verdict), -cause.kind.severity))
    return Health(tuple(causes), tuple(_notes(view)), "")


def _of_container(view: View) -> Cause | None:
    for find in _IN_ORDER:
        if found := find(view):
            return found
    return None


def _is_recent(view: View) -> bool:
    age = view.life["trouble_age"]
    return age is not None and age <= view.within


def _node_lost(view: View) -> Cause | None:
    status = view.pod.get("status") or {}
    node = view.pod["spec"].get("nodeName") or ""
    old = f"What the API says of {view.name} is old: node {node} "
    if is_finished(view.pod) or not node:
        return None
    ready = condition(view.node or {}, "Ready")
    if ready and ready.get("status") != "True":
        how = "is not ready" if ready.get("status") == "False" else "is not heard of"
        return because("node_lost", f"{old}{how}: {said_of(ready)}")
    if status.get("reason") == "NodeLost" or status.get("phase") == "Unknown":
        told = f": {printable(str(status['message']))}" if status.get("message") else ""
        return because("node_lost", f"{old}is not heard of{told}")
    contradicts = (
        condition(view.pod, "Ready").get("status") == "False"
        and condition(view.pod, "ContainersReady").get("status") == "True"
        and view.life["state"] == "running"
        and view.life["ready"]
        and not list(unmet_gates(view.pod))
        and not ready
    )
    if contradicts:
        message = f"{old}is not heard of: ContainersReady is True, and Ready is False, which is set for such a node"
        return because("node_lost", message, sure="inferred")
    return None


def _failed_as_a_whole(view: View) -> Cause | None:
    status = view.pod.get("status") or {}
    if status.get("phase") != "Failed" or not status.get("reason"):
        return None
    return because("evicted", f"The pod failed: {status['reason']}: {printable(str(status.get('message') or ''))}")


def _not_scheduled(view: View) -> Cause | None:
    row = condition(view.pod, "PodScheduled")
    if row.get("status") != "False":
        return None
    message = f"No node takes the pod: {printable(str(row.get('message') or row.get('reason')))}"
    if row.get("reason") == "SchedulingGated":
        gates = ", ".join(str(gate["name"]) for gate in view.pod["spec"].get("schedulingGates") or ())
        message += f" ({gates})" if gates else ""
        return because("not_scheduled", message, following="Let what set the schedulingGates of the pod take them off.")
    return because("not_scheduled", message)


def _stuck(view: View) -> Cause | None:
    about = view.pod["metadata"]
    late = view.age(about.get("deletionTimestamp"))
    if late is None or late <= A_MOMENT:
        return None
    runs = [row["name"] for row in container_statuses(view.pod) if "running" in (row.get("state") or {})]
    hooks = [row["message"] for row in view.events if row["reason"] == "FailedPreStopHook"]
    finalizers = ", ".join(map(printable, about.get("finalizers") or ()))
    if runs:
        why = f"{', '.join(runs)} is still said to run{'; ' + hooks[-1] if hooks else ''}"
    elif finalizers:
        why = f"no container runs any more, and finalizers keep it: {finalizers}"
    else:
        why = f"no container runs any more{'; ' + hooks[-1] if hooks else ''}"
    return because("stuck_deleted", f"The pod was deleted, was to be gone {late} s ago, and is still there: {why}")


def _disrupted(view: View) -> Cause | None:
    row = condition(view.pod, "DisruptionTarget")
    if row.get("status") != "True":
        return None
    return because("disrupted", f"The pod is being removed from its node: {said_of(row)}")


def _volume_or_sandbox(view: View) -> Cause | None:
    if not view.life["pod_waits"]:
        return None
    rows = [row for row in view.events if row["reason"] in (*SANDBOX_EVENTS, *VOLUME_EVENTS)]
    # each try is an event of its own, for it names another sandbox, and is made after the volumes are mounted
    if rows and rows[-1]["reason"] in SANDBOX_EVENTS:
        return because("no_sandbox", f"{view.name} waits for its pod's sandbox: {rows[-1]['message']}")
    if rows:
        volumes = list(dict.fromkeys(row["message"] for row in rows if row["reason"] in VOLUME_EVENTS))
        return because("missing_volume", f"{view.name} waits for a volume: {'; '.join(volumes[-3:])}")
    return None


def _waits_for_other(view: View) -> Cause | None:
    other = view.life["waits_for"]
    if not other or view.life["trouble_age"] is not None:
        return None
    lead = of_other(view, other)
    if lead is None or lead.verdict == "warn":
        return None
    return because("waits_for_other", f"{view.name} has not been started: it waits for {other}: {lead.message}")


def of_other(view: View, name: str) -> Cause | None:
    """Return what is wrong with another container of the pod, of whose log and cgroup nothing is known."""
    life = container_life(view.pod, name, view.now)
    return _of_container(replace(view, life=life, words=None, no_words="", memory=None))


def _end_or_start(view: View) -> Cause | None:
    if found := why_waiting(view):
        return found
    if view.life["has_ended"] and _is_recent(view) and not view.runs_after_all:
        return why_ended(view)
    return None


def _end_forgotten(view: View) -> Cause | None:
    life = view.life
    if not life["restarts"] or life["has_ended"] or life["state"] != "running":
        return None
    message = f"{view.name} has had {life['restarts']} restarts, and the API has no end of it: why is not known"
    return because("end_forgotten", message)


def _not_up(view: View) -> Cause | None:
    probe = view.spec.get("startupProbe")
    elapsed = _starting_for(view)
    if not probe or elapsed is None or elapsed <= min(patience(probe), SLOW):
        return None
    answer = view.unhealthy("Startup")
    asks = f"its startup probe asks for {described(probe)}"
    told = f"{answer['message']} ({answer['count']} times)" if answer else "no answer of it is left in the events"
    message = f"{view.name} runs for {elapsed} s, and is not up: {asks}; {told}"
    return because("never_up", message, following=if_not_asked(answer))


def _starting_for(view: View) -> int | None:
    """Return for how many seconds the container has been starting, None where it is up or does not run."""
    if view.life["state"] != "running" or view.status.get("started") is not False:
        return None
    return view.age(view.life["started_at"])


def _hangs(view: View) -> Cause | None:
    life = view.life
    behind = [
        name
        for name in waiting_for(view.pod, view.name)
        if container_life(view.pod, name, view.now)["waits_for"] == view.name
    ]
    elapsed = view.age(life["started_at"])
    if life["state"] != "running" or not behind or elapsed is None or elapsed <= HANGS:
        return None
    return because("hangs", f"{', '.join(behind)} waits for {view.name}, {_since(view, life, elapsed)}")


def _since(view: View, life: Mapping[str, Any], elapsed: int) -> str:
    # who waits says the same again and again
    said = " / ".join(dict.fromkeys(view.says))
    return f"which runs since {life['started_at']} ({elapsed} s)" + (f" and says: {said}" if said else "")


def _failing_now(view: View) -> Cause | None:
    life, answer = view.life, view.unhealthy("Liveness")
    period = int((view.spec.get("livenessProbe") or {}).get("periodSeconds") or 10)
    if life["state"] != "running" or not answer or _is_leaving(view):
        return None
    age, run = view.age(answer["time"]), view.age(life["started_at"])
    # the kubelet sends 25 events of a pod, and from then on one in five minutes (client-go, EventSourceObjectSpamFilter)
    fresh = SPARSE if sum(row["count"] for row in view.unhealthy_rows("Liveness")) >= MANY else max(LATE, 3 * period)
    if age is None or age > fresh + view.late or (run is not None and age > run):
        return None
    told = told_of(answer, view.spec.get("livenessProbe") or {})
    if following := if_not_asked(answer):
        message = (
            f"{told}: whether {view.name} answers is not known to the kubelet, which does not start it again for that"
        )
        return because("failing_now", message, following=following)
    return because("failing_now", f"{told}; {view.name} still runs")


def _not_ready(view: View) -> Cause | None:
    life, ready = view.life, condition(view.pod, "Ready")
    is_starting = _starting_for(view) is not None and view.spec.get("startupProbe")
    if life["state"] != "running" or life["kind"] == "init" or is_starting or _is_leaving(view):
        return None
    if not _is_past_a_moment(view):
        return None
    if not life["ready"]:
        if not ready and not view.unhealthy("Readiness"):
            return None
        answer, probe = view.unhealthy("Readiness"), view.spec.get("readinessProbe")
        told = told_of(answer, probe or {}) if answer else said_of(ready)
        asks = f"; its readiness probe asks for {described(probe)}" if probe and not answer else ""
        return because("not_ready", f"{view.name} is not ready: {told}{asks}", following=if_not_asked(answer))
    if ready.get("status") != "False":
        return None
    if condition(view.pod, "ContainersReady").get("status") != "False":
        return next((_gate(gate, row) for gate, row in unmet_gates(view.pod)), None)
    return None


def _other_not_ready(view: View) -> Cause | None:
    ready = condition(view.pod, "ContainersReady")
    is_up = view.life["state"] == "running" and view.life["ready"] and not _is_leaving(view)
    if not is_up or ready.get("status") != "False" or not _is_past_a_moment(view):
        return None
    return because("other_not_ready", f"{view.name} is ready, and its pod is not: {said_of(ready)}")


def _gate(gate: str, row: Mapping[str, Any]) -> Cause:
    how = f"is {row.get('status')}: {said_of(row)}" if row else "was never set"
    return because("gate", f"The pod gets no traffic: its readiness gate {gate} {how}")


def _is_past_a_moment(view: View) -> bool:
    ready = condition(view.pod, "Ready")
    age = view.age(ready.get("lastTransitionTime") if ready.get("status") == "False" else view.life["started_at"])
    run = view.age(view.life["started_at"])
    return min(value for value in (age, run, LATE) if value is not None) > A_MOMENT and not view.is_asked_later


def _is_leaving(view: View) -> bool:
    return bool(view.pod["metadata"].get("deletionTimestamp"))


def _other_warning(view: View) -> Cause | None:
    life = view.life
    if life["state"] == "running" or life["has_ended"] or life["trouble_age"] is not None or life["waits_for"]:
        return None
    known = (*VOLUME_EVENTS, *SANDBOX_EVENTS, "FailedScheduling")
    rows = [
        row
        for row in view.events
        if row["type"] == "Warning" and row["container"] in (None, view.name) and row["reason"] not in known
    ]
    if not rows:
        return None
    told = [f"{row['reason']}: {row['message']} ({row['count']} times)" for row in rows[-3:]]
    return because("other_warning", "; ".join(told))


def _not_begun(view: View) -> Cause | None:
    life = view.life
    if life["state"] == "running" or life["has_ended"] or life["trouble_age"] is not None:
        return None
    message = f"{view.name} has not been started"
    if life["waits_for"]:
        other = container_life(view.pod, life["waits_for"], view.now)
        elapsed = view.age(other["started_at"])
        message += f": it waits for {other['name']}" + (
            f", {_since(view, other, elapsed)}" if elapsed is not None else ""
        )
    elif pull := _pulling(view):
        message += f": {pull['message']}, since {pull['time']} ({view.age(pull['time'])} s)"
    elif not view.pod["spec"].get("nodeName"):
        scheduler = view.pod["spec"].get("schedulerName") or "default-scheduler"
        message += f": no node was chosen for its pod, which the scheduler {scheduler} does"
    return because("not_begun", f"{message.rstrip('.')}.")


def _pulling(view: View) -> Mapping[str, Any] | None:
    """Return the event that the container's image is being pulled, None where that has ended or was not begun."""
    rows = [
        row for row in view.events if row["reason"] in ("Pulling", "Pulled", "Failed") and row["container"] == view.name
    ]
    return rows[-1] if rows and rows[-1]["reason"] == "Pulling" else None


def _restarted_before(view: View) -> Cause | None:
    life = view.life
    if life["trouble_age"] is None or life["trouble_age"] <= view.within:
        return None
    message = (
        f"{view.name} runs since {life['started_at']}. It ended at {life['ended_at']} with {life['exit_code']} "
        f"({life['end_reason']}), {life['restarts']} restarts so far"
    )
    return because("restarted_before", message)


def _notes(view: View) -> Iterator[str]:
    """Return what is seen and is no trouble yet."""
    yield from view.of_deletion()
    for kind in ("PodResizePending", "PodResizeInProgress"):
        resize = condition(view.pod, kind)
        if resize.get("status") == "True":
            told = f" ({said_of(resize)})" if said_of(resize) else ""
            yield f"{kind}{told}: the resources that the spec asks for are not all in force."
    if others := still_running(view):
        yield f"Its pod ends when {', '.join(others)} has ended, too."
    elapsed, probe = _starting_for(view), view.spec.get("startupProbe")
    if elapsed is not None and probe:
        yield f"It has been starting for {elapsed} s; its startup probe waits for {patience(probe)} s."
    elif condition(view.pod, "Ready").get("status") == "False" and not is_finished(view.pod):
        later = "; the readiness probe has not asked yet, by its initialDelaySeconds" if view.is_asked_later else ""
        yield f"The pod has not been ready since {condition(view.pod, 'Ready').get('lastTransitionTime')}{later}."


Find = Callable[[View], Cause | None]
_IN_ORDER: tuple[Find, ...] = (
    _volume_or_sandbox,
    _waits_for_other,
    _end_or_start,
    _end_forgotten,
    _not_up,
    _failing_now,
    _not_ready,
    _hangs,
    _other_warning,
    _not_begun,
    _restarted_before,
    why_kept_up,
    _other_not_ready,
)
