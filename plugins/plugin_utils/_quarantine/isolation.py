# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a pod in quarantine is isolated: what policies say, and what a probe from inside found.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import READ
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.network import REACHED, peers
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.sockets import sockets
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.impact import SERVICE, sending
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.plan import (
    Objects,
    closings,
    openings,
    services_of,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._report.summary import is_failure

MAX_CONNECTIONS = 5
MAX_LINES = 20
_TARGET = (
    *("image_id", "restart_count", "target_started_at", "target_identity", "isolation"),
    *("debugger", "image", "reused", "started_at"),
)
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is around the pod now: objects of its namespace, and who does its work."""

    policies: Objects
    services: Objects
    # EndpointSlices, None where they are not known
    slices: Objects | None
    # the controller's other pods that are ready, of which `wanted` were before
    successors: Sequence[str]
    wanted: int


def isolation(
    pod: Mapping[str, Any], around: Surroundings, *, plan: Mapping[str, Any], looked: Rows, fail_on: str
) -> dict[str, Any]:
    """Return what came of it. pod: as it is now; looked: the targets of ephemeral_debug now.

    Gives isolation (isolated, not_isolated, unknown), verdict (of all findings), findings (analyzer, verdict, message), summary (at
    most 20 lines), is_failure.
    """
    labels, policies = pod["metadata"].get("labels") or {}, list(around.policies)
    still = None if around.slices is None else sending(pod, around.slices)
    impact = plan.get("impact") or []
    found = {
        "policies": _policies(pod, policies, labels),
        "enforced": _enforced(
            plan["record"].get("reached"),
            reaching(looked),
            is_let_out=_is_let_out(pod, policies, labels),
            node=_addresses(pod.get("status") or {}),
        ),
        "services": _services(plan, services_of(around.services, labels), still),
        "successors": _successors(plan, around.successors, around.wanted),
        "probes": _probes(pod),
        "connections": _connections(_sockets(looked)),
    }
    word = _word([*found["policies"], *found["enforced"]])
    findings = [
        *({"analyzer": name, "verdict": verdict, "message": message} for name, verdict, message in impact),
        *(
            {"analyzer": name, "verdict": verdict, "message": printable(message)}
            for name, rows in found.items()
            for verdict, message in rows
        ),
    ]
    findings.sort(key=lambda entry: READ.index(entry["verdict"]))
    verdict = next((entry["verdict"] for entry in findings), "unknown")
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    return {
        "isolation": word,
        "verdict": verdict,
        "findings": findings,
        "summary": _summary(f"{name}: {word}", findings),
        "is_failure": is_failure(verdict, fail_on),
    }


def seen(looked: Rows, slices: Objects | None, folder: str, services: Sequence[str]) -> dict[str, Any]:
    """Return what is seen of a pod, as the case keeps it: reached (None where it was not tried), connections (the same), endpoints (of
    these Services; None where they are not known), files (what commands printed, below that folder of the case, with its sha256) and target (how it
    runs, {} where no debugger told)."""
    rows = _sockets(looked)
    keys = ("protocol", "local", "local_port", "remote", "remote_port")
    return {
        "reached": reached(looked),
        "connections": None if rows is None else [{key: row[key] for key in keys} for row in _open(rows)],
        "endpoints": None if slices is None else [row for row in endpoints(slices) if row["service"] in services],
        "files": {
            row["name"]: {"path": f"{folder}/{row['name']}.txt", "sha256": row["dest_sha256"]}
            for target in looked
            for row in target["commands"]
            if row.get("dest_sha256")
        },
        "target": {key: looked[0].get(key) for key in _TARGET} if looked else {},
    }


def endpoints(slices: Objects) -> list[dict[str, Any]]:
    """Return the pods that Services send traffic to (EndpointSlices); each: service, pod, is_ready."""
    rows = {
        (str(service), str(entry["targetRef"]["name"])): (entry.get("conditions") or {}).get("ready") is not False
        for found in slices
        if (service := (found["metadata"].get("labels") or {}).get(SERVICE))
        for entry in found.get("endpoints") or ()
        if (entry.get("targetRef") or {}).get("kind") == "Pod"
    }
    return [{"service": service, "pod": pod, "is_ready": is_ready} for (service, pod), is_ready in sorted(rows.items())]


def reached(looked: Rows) -> list[str] | None:
    """Return whom a pod reaches, as host:port, from the command `reach` in it (targets of ephemeral_debug); None where it could not run."""
    tried = reaching(looked)
    return None if tried is None else [peer for peer, is_reached in tried.items() if is_reached]


def reaching(looked: Rows) -> dict[str, bool] | None:
    """Return whom it was tried to reach from a pod, as host:port, and whether that went well; None where the command could not run."""
    said = _printed(looked, "reach")
    try:
        rows = None if said is None else peers(said)
    except ValueError:
        # the debug image has another nc: that it reaches nobody says nothing of the pod, which is isolated all the same
        return None
    return None if rows is None else {f"{row['host']}:{row['port']}": row["outcome"] == REACHED for row in rows}


def _sockets(looked: Rows) -> list[dict[str, Any]] | None:
    said = _printed(looked, "sockets")
    return None if said is None else sockets(said)


def _printed(looked: Rows, name: str) -> bytes | None:
    rows = [row for target in looked for row in target["commands"] if row["name"] == name and row["rc"] == 0]
    return str(rows[0]["stdout"]).encode("utf-8", "surrogateescape") if rows else None


Found = list[tuple[str, str]]


def _word(found: Found) -> str:
    verdicts = {verdict for verdict, _message in found}
    if "fail" in verdicts:
        return "not_isolated"
    return "unknown" if "unknown" in verdicts else "isolated"


def _policies(pod: Mapping[str, Any], policies: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> Found:
    found: Found = []
    if pod["spec"].get("hostNetwork"):
        found.append(("fail", "The pod uses its node's network, to which no NetworkPolicy applies."))
    if missing := {"ingress", "egress"} - closings(policies, labels):
        found.append(("fail", f"No NetworkPolicy restricts {' and '.join(sorted(missing))} of this pod."))
    found += [
        ("fail", f"NetworkPolicy {row['policy']} still lets {row['direction']} through: {row['allows']}.")
        for row in openings(policies, labels)
    ]
    return found or [("pass", "Of the NetworkPolicies of this namespace none lets anything through.")]


def _is_let_out(pod: Mapping[str, Any], policies: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> bool:
    """Return whether something is let out of the pod even where policies are enforced."""
    return (
        bool(pod["spec"].get("hostNetwork"))
        or "egress" not in closings(policies, labels)
        or any(row["direction"] == "egress" for row in openings(policies, labels))
    )


def _addresses(status: Mapping[str, Any]) -> set[str]:
    """Return those of a pod's own node."""
    return {str(status.get("hostIP")), *(str(entry.get("ip")) for entry in status.get("hostIPs") or ())}


def _enforced(
    before: Sequence[str] | None, tried: Mapping[str, bool] | None, *, is_let_out: bool, node: AbstractSet[str]
) -> Found:
    """Return whether policies are enforced.

    before: whom the pod reached, None where that is not known; tried: whom it was tried to reach now, and whether it does.
    """
    plugin = "the cluster's network plugin"
    after = [peer for peer, is_reached in (tried or {}).items() if is_reached]
    cut = [peer for peer in before or () if tried and tried.get(peer) is False]
    if after:
        said = f"The pod {'still reaches' if set(after) <= set(before or ()) else 'reaches'} {', '.join(after)}"
        if cut:
            return [
                ("fail", f"{said}, and no longer {', '.join(cut)}: {plugin} enforces policies, but lets that through.")
            ]
        if is_let_out:
            return [
                (
                    "fail",
                    f"{said}: what lets egress through may be why, and whether {plugin} enforces policies is not known.",
                )
            ]
        # Kubernetes excepts that from policies
        or_else = ", or lets a pod out to its own node" if {_host(peer) for peer in after} <= node else ""
        return [("fail", f"{said}: {plugin} does not enforce this policy{or_else}.")]
    if cut:
        return [("pass", f"The pod no longer reaches {', '.join(cut)}.")]
    if before or tried is None:
        return [("unknown", f"Whether {plugin} enforces policies was not tried from inside the pod.")]
    then = "whom the pod reached before is not known" if before is None else "the pod reached nothing before"
    now = f", and it does not reach {', '.join(tried)} now" if tried else ""
    advice = "name a host:port that it must not reach in quarantine_probes"
    return [("unknown", f"Whether {plugin} enforces policies is not known: {then}{now}; {advice}.")]


def _host(peer: str) -> str:
    return peer.rpartition(":")[0]


def _services(plan: Mapping[str, Any], selecting: Sequence[str], still: Sequence[str] | None) -> Found:
    if selecting:
        return [("fail", f"Service {', '.join(selecting)} still selects the pod.")]
    if still:
        return [("fail", f"Service {', '.join(still)} still has the pod among its endpoints.")]
    if still is None:
        return [("unknown", "No Service selects it; whether one still sends it traffic is not known.")]
    if plan["services"]:
        return [("pass", f"It was removed from Service {', '.join(plan['services'])}.")]
    return [("pass", "No Service selects it.")]


def _successors(plan: Mapping[str, Any], successors: Sequence[str], wanted: int) -> Found:
    owner = plan["owner"]
    if owner is None:
        # told before it was done
        return []
    ready = f"{owner['kind']} {owner['name']} has {len(successors)} of {wanted} pods ready without it"
    if len(successors) < wanted:
        return [("warn", f"{ready}.")]
    return [("pass", f"{ready}: {', '.join(successors)}.")]


def _probes(pod: Mapping[str, Any]) -> Found:
    lost = (
        "where that fails, the kubelet restarts the container, and what is in its memory and in its own files is lost"
    )
    return [
        ("warn", f"Container {container['name']} has a liveness probe ({_how(container['livenessProbe'])}): {lost}.")
        for container in (*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ()))
        if container.get("livenessProbe")
    ]


def _how(probe: Mapping[str, Any]) -> str:
    for kind in ("httpGet", "tcpSocket", "grpc"):
        if kind in probe:
            return f"{kind} port {probe[kind].get('port')}"
    return "exec" if "exec" in probe else "unknown"


def _connections(sockets_seen: Rows | None) -> Found:
    if sockets_seen is None:
        return [("unknown", "Its connections could not be listed from inside.")]
    listening = {row["local_port"] for row in sockets_seen if row["state"] == "LISTEN"}
    rows = _open(sockets_seen)
    if not rows:
        return [("pass", "No connection is open.")]
    said = [
        f"{row['remote']} port {row['remote_port']} {'to its port' if row['local_port'] in listening else 'from port'} {row['local_port']}"
        for row in rows[:MAX_CONNECTIONS]
    ]
    more = f" and {len(rows) - MAX_CONNECTIONS} more" if len(rows) > MAX_CONNECTIONS else ""
    return [("warn", f"{len(rows)} connections are open, which many plugins do not cut: {', '.join(said)}{more}.")]


def _open(rows: Rows) -> list[Mapping[str, Any]]:
    return [row for row in rows if row["state"] == "ESTABLISHED" and row["protocol"].startswith("tcp")]


def _summary(heading: str, findings: Sequence[Mapping[str, str]]) -> list[str]:
    lines = [heading, *(f"{entry['verdict']}: {entry['message']}" for entry in findings)]
    if len(lines) <= MAX_LINES:
        return lines
    return [*lines[: MAX_LINES - 1], f"{len(lines) - MAX_LINES + 1} more."]
