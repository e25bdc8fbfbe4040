# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was done to a pod in quarantine, when and by whom, as a case: told by its log, which the undo continues.

A row of the log has `time`, `namespace`, `pod` and `action`, and what that action is about:
begin (state, by, reason, who, pod_uid, node, container, owner, services, reached, connections, endpoints, files, target),
policy (name, spec), labels (before, after), policies_deleted (names), judged (isolation, findings, reached, connections, endpoints,
files), end (message).

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._collect.facts import label
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import Finding, document
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable

ROLE = "quarantine"
# of each finding of _isolation: its title, what to do next, the files that it stands on, and its order
ABOUT: dict[str, tuple[str, str, tuple[str, ...], int]] = {
    "policies": (
        "What NetworkPolicies let through",
        "Change what the finding names so that it is not about this pod, and run the playbook again.",
        (),
        90,
    ),
    "enforced": (
        "Whether the network enforces the policy",
        "Name what it must not reach in quarantine_probes, and run the playbook again. Where it does, isolate it by other means.",
        ("reach",),
        95,
    ),
    "services": (
        "Whether Services send traffic to it",
        "See what gives it that Service, and run the playbook again.",
        (),
        80,
    ),
    "endpoints": ("Who else serves its Services", "See why no other pod of these Services is ready.", (), 75),
    "kept": (
        "Which Services send it traffic that does not arrive",
        "Take it out of what the finding names: its labels, or that Service's own endpoints.",
        (),
        78,
    ),
    "owner": ("Who makes another pod", "Make another one if its work is needed.", (), 40),
    "quota": ("Whether another pod may be made", "Make room in the quota, or raise it.", (), 65),
    "budget": ("What disruption budgets allow", "Disrupt no other pod of it until one more is healthy.", (), 55),
    "successors": ("Who does its work now", "See why its controller has fewer pods ready than before.", (), 60),
    "probes": ("What restarts it", "Save what is in its memory and in its own files before that happens.", (), 70),
    "connections": (
        "What it is connected to",
        "End connections that must not stay open at their other end.",
        ("sockets",),
        50,
    ),
}

Row = Mapping[str, Any]
Rows = Sequence[Row]


def case_of(rows: Rows, case_id: str) -> dict[str, Any]:
    """Return the content of findings.json. rows: the log's, of which each pod's first is a begin; the verdict is of each pod's last run.

    Raises ValueError where a pod has a row before that.
    """
    findings: list[Finding] = []
    entries: list[dict[str, Any]] = []
    facts: dict[str, dict[str, Any]] = {}
    targets: list[dict[str, Any]] = []
    for runs in _by_pod(rows):
        first, own = runs[0][0], [row for run in runs for row in run]
        keys = ("namespace", "pod", "pod_uid", "node", "container")
        targets.append({**first["target"], **{key: first[key] for key in keys}, "commands": []})
        name = label(first)
        findings += _findings(runs[-1], name)
        told = [*((row["time"], _told(row)) for row in own), *_debuggers(own)]
        entries += [{"time": time, "target": name, "source": ROLE, "text": printable(text)} for time, text in told]
        facts[name] = _tables(own, runs[-1])
    collected = {
        "role": ROLE,
        "case_id": case_id,
        "examiner": rows[0]["by"],
        "reason": rows[0]["reason"],
        "started": rows[0]["time"],
        "ended": rows[-1]["time"],
        "targets": targets,
        "failed_targets": [],
    }
    return document(collected, findings, entries, facts)


def _by_pod(rows: Rows) -> list[list[list[Row]]]:
    """Return the runs of each pod, each from its begin on: an incident has one case, and can have several pods, also at once."""
    found: dict[tuple[str, str], list[list[Row]]] = {}
    for row in rows:
        runs = found.setdefault((row["namespace"], row["pod"]), [])
        if row["action"] == "begin":
            runs.append([])
        if not runs:
            raise ValueError(f"expected the first row of a pod to have the action begin, got {row['action']!r}")
        runs[-1].append(row)
    return list(found.values())


def _findings(run: Rows, target: str) -> list[Finding]:
    last = run[-1]
    if last["action"] == "judged":
        return [_finding(target, row, last["files"]) for row in last["findings"]]
    if last["action"] == "end":
        return [_own(target, "pass", "The pod is out of quarantine", last["message"], "")]
    message = f"The play did not finish. The last thing known of it: {_told(last)}"
    return [_own(target, "unknown", "What was begun was not finished", message, "Run the playbook again.")]


def _finding(target: str, row: Row, files: Mapping[str, Row]) -> Finding:
    title, following, needs, severity = ABOUT[row["analyzer"]]
    evidence = [{"collector": name, **files[name]} for name in needs if name in files]
    found = _own(target, row["verdict"], title, row["message"], following)
    return {**found, "analyzer": row["analyzer"], "severity": severity, "evidence": evidence}


def _own(target: str, verdict: str, title: str, message: str, following: str) -> Finding:
    return {
        "role": ROLE,
        "analyzer": "ended",
        "target": target,
        "verdict": verdict,
        "title": title,
        "message": printable(message),
        "next": following,
        "severity": 100,
        "evidence": [],
    }


def _told(row: Row) -> str:
    """Return a row as a sentence."""
    match row["action"]:
        case "begin":
            who = f", whom the API takes for {row['who']['username']}," if row["who"] else ""
            why = f": {row['reason']}" if row["reason"] else ""
            return f"{row['by']}{who} began to {'isolate it' if row['state'] == 'present' else 'take it out'}{why}"
        case "policy":
            return f"NetworkPolicy {row['name']} stands, which lets nothing in or out of it"
        case "labels":
            gone, came = _differing(row["before"], row["after"]), _differing(row["after"], row["before"])
            return f"Its labels were changed, from {gone or 'none'} to {came or 'none'}"
        case "policies_deleted":
            return f"NetworkPolicy {', '.join(row['names'])} was deleted"
        case "judged":
            return f"Judged: {row['isolation']}"
    return str(row["message"])


def _debuggers(rows: Rows) -> Iterator[tuple[str, str]]:
    """Return those that were put into the pod to look from inside; what was there already is no change to it."""
    for row in rows:
        seen = row.get("target") or {}
        if seen.get("debugger") and not seen["reused"]:
            yield seen["started_at"], f"Debugger {seen['debugger']} started in it, from {seen['image']}"


def _differing(labels: Mapping[str, str], others: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(labels.items()) if others.get(key) != value)


def _tables(rows: Rows, run: Rows) -> dict[str, list[dict[str, Any]]]:
    """Return what the report shows as tables: what was before and after the last run, and what was changed last."""
    before = run[0]
    after = next((row for row in run if row["action"] == "judged"), {})
    # none are open is known as well
    now = after.get("connections")
    changed = next((row for row in reversed(rows) if row["action"] == "labels"), None)
    deleted = {name for row in rows if row["action"] == "policies_deleted" for name in row["names"]}
    made = {row["name"]: row["spec"] for row in rows if row["action"] == "policy"}
    return {
        "labels": _of_labels(changed) if changed else [],
        "policies": [
            {
                "name": name,
                "closes": spec["policyTypes"],
                "selector": spec["podSelector"],
                "is_deleted": name in deleted,
            }
            for name, spec in made.items()
        ],
        "endpoints": _of_endpoints(before.get("endpoints"), after.get("endpoints")),
        "reached": _of_peers(before.get("reached"), after.get("reached")),
        "connections": before.get("connections") or [] if now is None else now,
    }


def _of_labels(row: Row) -> list[dict[str, Any]]:
    before, after = row["before"], row["after"]
    names = sorted(before.keys() | after.keys())
    return [{"label": name, "before": before.get(name), "after": after.get(name)} for name in names]


def _of_endpoints(before: Rows | None, after: Rows | None) -> list[dict[str, Any]]:
    """Return each pod of each Service, and whether it was and is sent traffic to; of what is not known nothing is said."""
    states = [{(row["service"], row["pod"]): row["is_ready"] for row in found or ()} for found in (before, after)]
    return [
        {
            "service": service,
            "pod": pod,
            "before": _state(before, states[0], place),
            "after": _state(after, states[1], place),
        }
        for place in sorted(states[0].keys() | states[1].keys())
        for service, pod in [place]
    ]


def _state(found: Rows | None, states: Mapping[tuple[str, str], bool], place: tuple[str, str]) -> str | None:
    if found is None:
        return None
    return {None: "not there", True: "ready", False: "not ready"}[states.get(place)]


def _of_peers(before: Sequence[str] | None, after: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return each peer, and whether it was and is reached. One that was not reached before may not have been tried then."""
    peers = dict.fromkeys([*(before or ()), *(after or ())])
    return [
        {
            "peer": peer,
            "before": True if peer in (before or ()) else None,
            "after": None if after is None else peer in after,
        }
        for peer in peers
    ]
