# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether ResourceQuotas leave room for one more pod like a given one, as the API server's admission counts it.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.plan import holds

# resources that a quota names without saying that requests are meant (k8s.io/kubernetes, pkg/quota/v1/evaluator/core)
PLAIN = ("cpu", "memory", "ephemeral-storage")
# what a quota with such a limit refuses a pod without
ASKED = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")
Amounts = dict[str, Decimal]


def rooms(pod: Mapping[str, Any], quotas: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return a verdict and a sentence for each quota that counts pods like this one."""
    needed = needs(pod["spec"])
    found = [row for quota in quotas if (row := _room(pod, quota, needed)) is not None]
    return found or [("pass", "No ResourceQuota counts pods like it.")]


def _room(pod: Mapping[str, Any], quota: Mapping[str, Any], needed: Amounts) -> tuple[str, str] | None:
    name, spec, status = (
        f"ResourceQuota {quota['metadata']['name']}",
        quota.get("spec") or {},
        quota.get("status") or {},
    )
    counts = _counts(spec, pod)
    if counts is False:
        return None
    hard, used, wanted = status.get("hard") or {}, status.get("used") or {}, spec.get("hard") or {}
    limits = {key: value for key, value in wanted.items() if key in needed}
    # a LimitRange may set it for the next one
    missing = sorted(key for key in wanted if key in ASKED and key not in needed)
    if not limits and not missing:
        return None
    if counts is None:
        return "unknown", f"Whether {name} counts pods like it is not known."
    if missing:
        return "unknown", f"{name} requires each pod to set {', '.join(missing)}, which this one does not."
    if any(key not in used or hard.get(key) != value for key, value in limits.items()):
        return "unknown", f"{name} has not been counted yet."
    full = [
        f"{key} {used[key]} of {value}"
        for key, value in sorted(limits.items())
        if amount(used[key]) + needed[key] > amount(value)
    ]
    if full:
        return "warn", f"{name} leaves no room for another pod like it: {', '.join(full)} used."
    return "pass", f"{name} leaves room for another pod like it."


def needs(spec: Mapping[str, Any]) -> Amounts:
    """Return what a pod counts for in a quota, by the names that quotas have for it."""
    found: Amounts = {"pods": Decimal(1), "count/pods": Decimal(1)}
    for kind in ("requests", "limits"):
        total = _effective(spec, kind)
        found |= {f"{kind}.{name}": value for name, value in total.items()}
        if kind == "requests":
            found |= {name: value for name, value in total.items() if name in PLAIN}
    return found


def _effective(spec: Mapping[str, Any], kind: str) -> Amounts:
    """Return what the scheduler counts: all that run at once, or an init container with the sidecars before it, if that is more."""
    running: Amounts = {}
    most: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = _of(container, kind)
        # a sidecar stays (KEP-753)
        if container.get("restartPolicy") == "Always":
            running = _sum(running, own)
            most = _most(most, running)
        else:
            most = _most(most, _sum(running, own))
    for container in spec.get("containers") or ():
        running = _sum(running, _of(container, kind))
    # what is set for the pod as a whole holds for it (KEP-2837)
    whole = {**_most(most, running), **_of(spec, kind)}
    overhead = {name: amount(value) for name, value in (spec.get("overhead") or {}).items()}
    if kind == "limits":
        # a pod without a limit has none by its overhead
        overhead = {name: value for name, value in overhead.items() if name in whole}
    return _sum(whole, overhead)


def _of(thing: Mapping[str, Any], kind: str) -> Amounts:
    return {name: amount(value) for name, value in ((thing.get("resources") or {}).get(kind) or {}).items()}


def _sum(one: Amounts, other: Amounts) -> Amounts:
    return {name: one.get(name, Decimal(0)) + other.get(name, Decimal(0)) for name in one.keys() | other.keys()}


def _most(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, Decimal(0)), other.get(name, Decimal(0))) for name in one.keys() | other.keys()}


def amount(value: object) -> Decimal:
    """Return a Kubernetes quantity (64Mi, 250m). Raises ValueError."""
    from kubernetes.utils.quantity import parse_quantity

    found: Decimal = parse_quantity(value)  # type: ignore[no-untyped-call]
    return found


def _counts(spec: Mapping[str, Any], pod: Mapping[str, Any]) -> bool | None:
    """Return whether a quota's scopes take the pod; None where that cannot be said."""
    terms = [{"scopeName": name, "operator": "Exists"} for name in spec.get("scopes") or ()]
    terms += (spec.get("scopeSelector") or {}).get("matchExpressions") or ()
    said = [_in_scope(term, pod) for term in terms]
    if False in said:
        return False
    return None if None in said else True


def _in_scope(term: Mapping[str, Any], pod: Mapping[str, Any]) -> bool | None:
    spec = pod["spec"]
    has_deadline = spec.get("activeDeadlineSeconds") is not None
    is_best_effort = not _effective(spec, "requests") and not _effective(spec, "limits")
    scopes = {
        "Terminating": has_deadline,
        "NotTerminating": not has_deadline,
        "BestEffort": is_best_effort,
        "NotBestEffort": not is_best_effort,
    }
    if term["scopeName"] == "PriorityClass":
        name = spec.get("priorityClassName")
        try:
            return holds({**term, "key": "class"}, {"class": name} if name else {})
        except ValueError:
            return None
    return scopes.get(term["scopeName"])
