# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which NetworkPolicies and Services are about a pod with given labels, and what such policies still let through.

Policies are a union of allows: where several select a pod, what one of them allows is allowed.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable

Labels = Mapping[str, str]
Objects = Iterable[Mapping[str, Any]]
# field of a rule, by direction
PEERS = {"ingress": "from", "egress": "to"}
MAX_RULES = 5


def selects(selector: Mapping[str, Any] | None, labels: Labels) -> bool:
    """Whether a LabelSelector (matchLabels, matchExpressions) takes these labels; an empty one takes all.

    Raises ValueError for an operator that is not known.
    """
    given = selector or {}
    wanted = given.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in given.get("matchExpressions") or ()
    )


def _holds(expression: Mapping[str, Any], labels: Labels) -> bool:
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
    """The names of the Services that send traffic to a pod with these labels; one without a selector is nobody's."""
    return sorted(
        service["metadata"]["name"]
        for service in services
        if (selector := (service.get("spec") or {}).get("selector")) and selects({"matchLabels": selector}, labels)
    )


def openings(policies: Objects, labels: Labels) -> list[dict[str, str]]:
    """What NetworkPolicies of the pod's namespace still let through: policy, direction (ingress, egress), allows (in words)."""
    return [
        {"policy": policy["metadata"]["name"], "direction": direction, "allows": _in_words(rules, PEERS[direction])}
        for policy in policies
        if selects((policy.get("spec") or {}).get("podSelector"), labels)
        for direction in PEERS
        if (rules := _rules(policy["spec"], direction))
    ]


def closings(policies: Objects, labels: Labels) -> set[str]:
    """The directions that some policy closes but for what policies allow; in others all passes."""
    return {
        direction
        for policy in policies
        if selects((policy.get("spec") or {}).get("podSelector"), labels)
        for direction in PEERS
        if direction in _types(policy["spec"])
    }


def _types(spec: Mapping[str, Any]) -> set[str]:
    """The directions that a policy is about; without policyTypes it is ingress, and egress where it has such rules."""
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
