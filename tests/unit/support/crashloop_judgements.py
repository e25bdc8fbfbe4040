# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pod as the API tells of it, judged by the analyzers of crashloop_triage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.facts import gather_facts
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import (
    Judgement,
    analyze,
    parse_analyzers,
)

CHECKS = Path(__file__).parents[3] / "roles" / "crashloop_triage" / "analyzers"
ANALYZERS = parse_analyzers(read_checks([str(CHECKS)]))
NOW = "2026-11-24T11:00:00Z"
SOURCES = ("pod", "events", "log", "previous_log")

RUNNING = {"running": {"startedAt": "2026-11-24T10:30:00Z"}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}}
CREATING = {"waiting": {"reason": "ContainerCreating"}}
INITIALIZING = {"waiting": {"reason": "PodInitializing"}}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def ended(code: int = 1, reason: str = "Error", message: str = "", at: str = "10:29:00") -> dict[str, Any]:
    times = {"startedAt": "2026-11-24T08:00:00Z", "finishedAt": f"2026-11-24T{at}Z"}
    return {"terminated": {"exitCode": code, "reason": reason, "message": message, **times}}


def status(state: Any, last: Any = None, name: str = "app", **more: Any) -> dict[str, Any]:
    # of one that has not ended, the API counts no restart
    restarts = 4 if last or "terminated" in state or state == BACK_OFF else 0
    return {"name": name, "state": state, "lastState": last or {}, "restartCount": restarts, "ready": False, **more}


def warned(reason: str, message: str, container: str = "", at: str = "10:59:00") -> dict[str, Any]:
    """A Warning event of the pod, or of one of its containers."""
    about = {"name": "api-0", "uid": "u1", **({"fieldPath": f"spec.containers{{{container}}}"} if container else {})}
    time = f"2026-11-24T{at}Z"
    return {"involvedObject": about, "type": "Warning", "reason": reason, "message": message, "lastTimestamp": time}


def condition(kind: str, value: str, **more: str) -> dict[str, str]:
    return {"type": kind, "status": value, **more}


def judged(
    app: dict[str, Any] | None,
    *events: dict[str, Any],
    inits: tuple[dict[str, Any], ...] = (),
    container: str = "app",
    log: str = "",
    previous: str = "",
    spec: Any = None,
    metadata: Any = None,
    cgroup: bytes = b"",
    **pod_status: Any,
) -> list[Judgement]:
    """Return what is said of a container of a pod with one app. inits: the statuses of its init containers; cgroup: what was seen of it inside."""
    pod = {
        "metadata": {"namespace": "shop", "name": "api-0", "uid": "u1", **(metadata or {})},
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": "app"}],
            "initContainers": [{"name": row["name"]} for row in inits],
            **(spec or {}),
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [app] if app else [],
            "initContainerStatuses": list(inits),
            **pod_status,
        },
    }
    return analyze(_facts(pod, events, container, log, previous, cgroup), ANALYZERS, {"within_seconds": 3600})


def said(judgements: list[Judgement], *verdicts: str) -> dict[str, str]:
    """Analyzer -> message, of those with one of the verdicts."""
    return {judgement.analyzer: judgement.message for judgement in judgements if judgement.verdict in verdicts}


def _facts(pod: Any, events: Any, container: str, log: str, previous: str, cgroup: bytes) -> dict[str, Any]:
    target = {"namespace": "shop", "pod": "api-0", "container": container, "error": None}
    answers = [
        {"api": "pod", "namespace": "shop", "name": "api-0", "objects": [pod], "error": None},
        {"api": "events", "namespace": "shop", "name": None, "objects": list(events), "error": None},
        {"api": "log", "text": log, **target},
        {"api": "previous_log", "text": previous, **target},
    ]
    collectors = [{"name": source, "api": source, "parser": "text"} for source in SOURCES]
    collectors += (
        [{"name": "memory_use", "api": None, "file": "cgroup.txt", "parser": "cgroup_memory"}] if cgroup else []
    )
    collected = {"collectors": collectors, "api": answers, "failed_targets": [], "ended": NOW}
    row = {"namespace": "shop", "pod": "api-0", "pod_uid": "u1", "container": container, "node": "n", "commands": []}

    def read(path: str) -> bytes:
        if path == "cgroup.txt":
            return cgroup
        raise FileNotFoundError(path)

    return gather_facts(collected, row, read).facts
