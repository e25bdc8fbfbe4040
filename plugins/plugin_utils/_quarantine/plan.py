# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a pod is put into quarantine and taken out of it: decided here, from its object, as patches for api_change.

All its labels go, so that no Service, controller or policy of before selects it, and one comes that no other pod has. An annotation
keeps what was before.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import is_ready
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable

Labels = Mapping[str, str]
Objects = Iterable[Mapping[str, Any]]
# field of a rule, by direction
PEERS = {"ingress": "from", "egress": "to"}
MAX_RULES = 5


def selects(selector: Mapping[str, Any] | None, labels: Labels) -> bool:
    """Return whether a LabelSelector (matchLabels, matchExpressions) takes these labels; an empty one takes all.

    Raises ValueError for an operator that is not known.
    """
    given = selector or {}
    wanted = given.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        holds(expression, labels) for expression in given.get("matchExpressions") or ()
    )


def holds(expression: Mapping[str, Any], labels: Labels) -> bool:
    """Return whether one expression (key, operator, values) of a selector is true of labels. Raises ValueError."""
    key, operator, values = expression["key"], expression["operator"], expression.get("values") or ()
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        # as the API has it: a label that is not there is not in the list
        return labels.get(key) not in values
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    raise ValueError(f"operator {operator!r} of a selector is not known")


def services_of(services: Objects, labels: Labels) -> list[str]:
    """Return the names of the Services that send traffic to a pod with these labels; one without a selector is nobody's, and an
    ExternalName has no endpoints."""
    return sorted(
        service["metadata"]["name"]
        for service in services
        if (selector := (spec := service.get("spec") or {}).get("selector"))
        and spec.get("type") != "ExternalName"
        and selects({"matchLabels": selector}, labels)
    )


def openings(policies: Objects, labels: Labels) -> list[dict[str, str]]:
    """Return what NetworkPolicies of the pod's namespace still let through: policy, direction (ingress, egress), allows (in words)."""
    return [
        {"policy": policy["metadata"]["name"], "direction": direction, "allows": _in_words(rules, PEERS[direction])}
        for policy in policies
        if selects((policy.get("spec") or {}).get("podSelector"), labels)
        for direction in PEERS
        if (rules := _rules(policy["spec"], direction))
    ]


def closings(policies: Objects, labels: Labels) -> set[str]:
    """Return the directions that some policy closes but for what policies allow; in others all passes."""
    return {
        direction
        for policy in policies
        if selects((policy.get("spec") or {}).get("podSelector"), labels)
        for direction in PEERS
        if direction in _types(policy["spec"])
    }


def _types(spec: Mapping[str, Any]) -> set[str]:
    """Return the directions that a policy is about; without policyTypes it is ingress, and egress where it has such rules."""
    given = spec.get("policyTypes")
    if given:
        return {kind.lower() for kind in given}
    return {"ingress", "egress"} if spec.get("egress") else {"ingress"}


def _rules(spec: Mapping[str, Any], direction: str) -> list[Mapping[str, Any]]:
    return list(spec.get(direction) or ()) if direction in _types(spec) else []


def _in_words(rules: list[Mapping[str, Any]], peers: str) -> str:
    said = [f"{peers} {_peers(rule.get(peers))}{_ports(rule.get('ports'))}" for rule in rules[:MAX_RULES]]
    left = len(rules) - len(said)
    return printable("; ".join(said + ([f"{left} more rules"] if left else [])))


def _peers(peers: Iterable[Mapping[str, Any]] | None) -> str:
    if not peers:
        return "anywhere"
    return ", ".join(_peer(peer) for peer in peers)


def _peer(peer: Mapping[str, Any]) -> str:
    if "ipBlock" in peer:
        excepted = " and ".join(peer["ipBlock"].get("except") or ())
        return f"{peer['ipBlock']['cidr']}{f' except {excepted}' if excepted else ''}"
    pods, namespaces = peer.get("podSelector"), peer.get("namespaceSelector")
    if namespaces is None:
        return "all pods of its namespace" if _takes_all(pods) else "some pods"
    of = "all namespaces" if _takes_all(namespaces) else "some namespaces"
    return of if _takes_all(pods) else f"some pods of {of}"


def _takes_all(selector: Mapping[str, Any] | None) -> bool:
    return not any((selector or {}).values())


def _ports(ports: Iterable[Mapping[str, Any]] | None) -> str:
    if not ports:
        return ""
    return f" ({', '.join(_port(port) for port in ports)})"


def _port(port: Mapping[str, Any]) -> str:
    last = f"-{port['endPort']}" if port.get("endPort") else ""
    return f"{port.get('protocol') or 'TCP'} {port.get('port', 'any')}{last}"


# on the pod and on the policy, the pod's uid; and on the policy the pod's name
LABEL = "incident.distroless/quarantine"
RECORD = "incident.distroless/before-quarantine"
POD = "incident.distroless/pod"
# what a controller does when its pod is released from it
HARM = {
    "DaemonSet": "it starts another pod on the same node beside this one, which may hold its ports and files",
    "Job": "it starts another pod, and the work is done twice",
    "Node": "it is a static pod, which only its node's kubelet manages",
    "StatefulSet": "it cannot make another pod of that name while this one is there",
}
# a case's name becomes a folder's, and who may change a pod may change its annotation
_CASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
HARMLESS = ("ReplicaSet", "ReplicationController")


def plan(
    pod: Mapping[str, Any],
    services: Objects,
    *,
    is_forced: bool,
    keep_labels: Sequence[str],
    record: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what to do to the pod. record: more to remember, such as who does it and why.

    Gives refusal (None, or why not), is_quarantined (it is already), labels (those that it will have), services (that it is taken
    out of), owner (kind and name of its controller, or None), record, policy and patch (objects for api_change).
    """
    metadata = pod["metadata"]
    labels = metadata.get("labels") or {}
    before = read_record(metadata) if labels.get(LABEL) == metadata["uid"] else None
    owner = before["owner"] if before else _owner(metadata)
    kept = {key: value for key, value in labels.items() if key in keep_labels or (before and key != LABEL)}
    wanted = {**kept, LABEL: metadata["uid"]}
    told = before or {"labels": dict(labels), "owner": owner, **record}
    return {
        "refusal": _refusal(pod, owner, is_forced=is_forced, is_quarantined=before is not None),
        "is_quarantined": before is not None,
        "labels": wanted,
        "services": services_of(services, told["labels"]),
        "owner": owner,
        "record": told,
        "policy": _policy(metadata),
        "patch": _patch(metadata, {**dict.fromkeys(labels), **wanted}, json.dumps(told, sort_keys=True)),
    }


def undo(pod: Mapping[str, Any] | None, policies: Objects, name: str) -> dict[str, Any]:
    """Return how to take a pod of this name out, which may be gone: is_quarantined, owner (of before), case (or ""), patch (or None),
    policies (names of those to delete), said (what came of it, once it is done).

    Raises ValueError where the pod is in quarantine and nothing is written down of before.
    """
    made = [
        entry["metadata"]["name"]
        for entry in policies
        if LABEL in (entry["metadata"].get("labels") or {})
        and (entry["metadata"].get("annotations") or {}).get(POD) == name
    ]
    metadata = pod["metadata"] if pod else {}
    if LABEL not in (metadata.get("labels") or {}) and RECORD not in (metadata.get("annotations") or {}):
        said = "is not in quarantine" if pod else "is gone"
        return {"is_quarantined": False, "owner": None, "case": "", "patch": None, "policies": made, "said": said}
    before = read_record(metadata)
    if before is None:
        raise ValueError(f"The annotation {RECORD} of the pod is missing or broken: its original labels are not known.")
    owner = before["owner"]
    again = f"; {owner['kind']} {owner['name']} may take it in again, and then deletes one of its pods" if owner else ""
    return {
        "is_quarantined": True,
        "owner": owner,
        "case": before["case"],
        "patch": _patch(metadata, {**before["labels"], LABEL: None}, None),
        "policies": made,
        "said": f"has its labels back{again}",
    }


def read_record(metadata: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what the annotation says of before, None where it is missing or not as this collection writes it."""
    try:
        found = json.loads((metadata.get("annotations") or {})[RECORD])
        labels = found["labels"]
        is_good = isinstance(labels, dict) and all(isinstance(value, str) for value in labels.values())
    except (KeyError, TypeError, ValueError):
        return None
    if not is_good:
        return None
    case = found.get("case")
    return {"owner": None, **found, "case": case if isinstance(case, str) and _CASE.fullmatch(case) else ""}


def _owner(metadata: Mapping[str, Any]) -> dict[str, str] | None:
    owners = metadata.get("ownerReferences") or ()
    return next(({"kind": it["kind"], "name": it["name"]} for it in owners if it.get("controller")), None)


def _refusal(
    pod: Mapping[str, Any], owner: Mapping[str, str] | None, *, is_forced: bool, is_quarantined: bool
) -> str | None:
    if pod["metadata"].get("deletionTimestamp"):
        return "The pod is being deleted."
    if is_quarantined or is_forced or owner is None or owner["kind"] in HARMLESS:
        return None
    harm = HARM.get(owner["kind"], "what it does when a pod is released from it is not known")
    return printable(
        f"The pod belongs to the {owner['kind']} {owner['name']}: {harm}. Set quarantine_force to do it all the same."
    )


def _policy(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy that lets nothing in and nothing out, for the one pod that has the label."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": f"quarantine-{metadata['uid']}",
            "namespace": metadata["namespace"],
            "labels": {LABEL: metadata["uid"]},
            "annotations": {POD: metadata["name"]},
        },
        "spec": {"podSelector": {"matchLabels": {LABEL: metadata["uid"]}}, "policyTypes": ["Ingress", "Egress"]},
    }


def _patch(metadata: Mapping[str, Any], labels: Mapping[str, str | None], record: str | None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            # another pod under this name is refused by the API
            "uid": metadata["uid"],
            "labels": dict(labels),
            "annotations": {RECORD: record},
        },
    }


def ready_pods(pods: Objects, owner: Mapping[str, str] | None, uid: str) -> list[str]:
    """Return the names of the controller's pods that are ready and stay, but for the one with this uid."""
    return sorted(
        pod["metadata"]["name"]
        for pod in pods
        if owner is not None
        and _owner(pod["metadata"]) == dict(owner)
        and pod["metadata"]["uid"] != uid
        and is_ready(pod)
    )
