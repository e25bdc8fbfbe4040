# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the isolation of a pod would do to others: decided before anything is done, from what the API has beside the pod.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import is_called_ready
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import printable
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.plan import (
    HARM,
    HARMLESS,
    LABEL,
    Objects,
    selects,
    services_of,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.room import rooms

SERVICE = "kubernetes.io/service-name"
MAX_NAMES = 5
# by the kind that is asked for: the permission, and what is not known without it
GRANTS = {
    "EndpointSlice": ("endpointslices.discovery.k8s.io", "Which other endpoints its Services have"),
    "ResourceQuota": ("resourcequotas", "Whether a ResourceQuota leaves room for another pod"),
    "PodDisruptionBudget": ("poddisruptionbudgets.policy", "Whether a PodDisruptionBudget allows it"),
}
Found = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said to a list of one kind: the objects, or None and why there are none."""

    objects: Sequence[Mapping[str, Any]] | None
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Around:
    """What stands beside the pod in its namespace."""

    pods: Objects
    services: Objects
    slices: Answer
    quotas: Answer
    budgets: Answer
    # uids of pods that the same play would take before this one
    taken: AbstractSet[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Impact:
    """What would be done to others, as (analyzer, verdict, message), and why it is refused, or None."""

    findings: Sequence[tuple[str, str, str]]
    refusal: str | None


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One address of a Service: whose it is, through which ports of which family, and whether it gets traffic and can serve it."""

    service: str
    family: str
    ports: frozenset[str]
    who: str
    node: str
    is_own: bool
    is_sent_to: bool
    is_ready: bool


@dataclass(frozen=True, slots=True)
class _Left:
    """What a Service has without the pod: names of those that serve in its place, by the port and family that has the fewest."""

    service: str
    others: Sequence[str]
    where: str
    # the setting that keeps traffic on a node where no other endpoint is, or ""
    local: str = ""


def impact(
    pod: Mapping[str, Any], around: Around, *, plan: Mapping[str, Any], allow_no_endpoints: bool = False
) -> Impact:
    """Return what it would do to others to isolate the pod as planned.

    plan: owner, services (that selected it before), is_quarantined (then nothing is refused, and only its Services are looked at),
    labels (that it will have).
    """
    namespace, is_in = pod["metadata"]["namespace"], bool(plan["is_quarantined"])
    left = None if around.slices.objects is None else _left(pod, around, plan)
    endpoints = (
        [("unknown", _not_known("EndpointSlice", around.slices, namespace))] if left is None else _endpoints(left)
    )
    found = {"endpoints": endpoints, "owner": _owner(plan, pod["metadata"].get("labels") or {})}
    if not is_in:
        found["kept"] = _kept(plan, around.services, sending(pod, around.slices.objects or ()))
        found["quota"] = _quota(pod, around.quotas, plan["owner"])
        found["budget"] = _budget(pod, around.budgets)
    return Impact(
        [(name, verdict, printable(message)) for name, rows in found.items() for verdict, message in rows],
        None if is_in or allow_no_endpoints else _refusal(left, endpoints),
    )


def _refusal(left: Sequence[_Left] | None, endpoints: Found) -> str | None:
    """Return why the pod stays: it is a Service's last one that is ready, or that is not known."""
    option = "Set quarantine_allow_no_endpoints to do it all the same."
    if left is None:
        return printable(f"{endpoints[0][1]} {option}")
    last = [f"{_nobody(entry)}." for entry in left if not entry.others]
    return printable(f"{' '.join(last)} {option}") if last else None


def _not_known(kind: str, answer: Answer, namespace: str) -> str:
    permission, what = GRANTS[kind]
    grant = f" Grant list on {permission} in namespace {namespace}." if answer.reason == "RbacDenied" else ""
    return f"{what} is not known: {answer.message or 'it was not asked for.'}{grant}"


def _endpoints(left: Sequence[_Left]) -> Found:
    if not left:
        return [("pass", "No Service sends it traffic.")]
    found: Found = []
    for entry in left:
        if not entry.others:
            found.append(("warn", f"{_nobody(entry)}."))
            continue
        names = ", ".join(entry.others[:MAX_NAMES]) + (", ..." if len(entry.others) > MAX_NAMES else "")
        found.append(
            ("pass", f"Without the pod Service {entry.service} has {_count(len(entry.others), 'endpoint')}: {names}.")
        )
        if entry.local:
            found.append(
                ("warn", f"Service {entry.service} has no other endpoint on the pod's node ({entry.local}: Local).")
            )
    return found


def _nobody(entry: _Left) -> str:
    return f"Without the pod Service {entry.service} has no ready endpoint{entry.where}"


def _count(number: int, what: str) -> str:
    return f"{number} ready {what}{'' if number == 1 else 's'}"


def _left(pod: Mapping[str, Any], around: Around, plan: Mapping[str, Any]) -> list[_Left]:
    """Return what each Service has without the pod, of those that send it traffic, or did before it was taken out."""
    known = {service["metadata"]["name"]: service for service in around.services}
    rows = [row for row in _rows(pod, around) if row.service in known]
    of: dict[str, list[_Endpoint]] = {}
    for row in rows:
        of.setdefault(row.service, []).append(row)
    ready = is_called_ready(pod)
    # its Services of before; or those whose endpoints do not have it yet
    names = {
        name
        for name in plan["services"]
        if plan["is_quarantined"] or ready or (known.get(name, {}).get("spec") or {}).get("publishNotReadyAddresses")
    }
    names |= {row.service for row in rows if row.is_own and row.is_sent_to}
    return [_without(of.get(name, []), known[name], is_ready=ready) for name in sorted(names & known.keys())]


def _without(rows: Sequence[_Endpoint], service: Mapping[str, Any], *, is_ready: bool) -> _Left:
    """Return what is left of a Service: for each family and port that the pod serves somebody else has to, at the same readiness."""
    own = [row for row in rows if row.is_own]
    # where not even the pod is ready, and is sent traffic, others like it do as well
    is_lax = bool(own) and not is_ready
    others = [row for row in rows if not row.is_own and (row.is_ready or (is_lax and row.is_sent_to))]
    # a Service that has no port has none that somebody else could lack
    places = sorted({(row.family, port) for row in own for port in row.ports or {""}}) or [("", "")]
    served = {
        (family, port): sorted(
            {row.who for row in others if (not family or row.family == family) and (not port or port in row.ports)}
        )
        for family, port in places
    }
    place = min(places, key=lambda found: len(served[found]))
    spec, nodes = service.get("spec") or {}, {row.node for row in own if row.node}
    local = next((key for key in ("internalTrafficPolicy", "externalTrafficPolicy") if spec.get(key) == "Local"), "")
    is_alone = bool(nodes) and not nodes & {row.node for row in others}
    # where all ports are the same, none of them says more
    is_part = len({tuple(names) for names in served.values()}) > 1
    port = place[1].partition("/")[0]
    words = [f"port {port}" if port else "", place[0]]
    where = f" for {' over '.join(word for word in words if word)}" if is_part else ""
    return _Left(service["metadata"]["name"], served[place], where, local if is_alone else "")


def _rows(pod: Mapping[str, Any], around: Around) -> Iterator[_Endpoint]:
    pods = {entry["metadata"]["name"]: entry for entry in around.pods}
    for found in around.slices.objects or ():
        service = (found["metadata"].get("labels") or {}).get(SERVICE)
        if not service:
            continue
        ports = frozenset(_port(port) for port in found.get("ports") or ())
        for entry in found.get("endpoints") or ():
            conditions, own = entry.get("conditions") or {}, _is_own(entry, pod)
            stays = own or _stays(entry, pods, around.taken, str(pod["metadata"]["namespace"]))
            # what is not said is as ready says, and ready where that is not said either
            is_sent_to = stays and conditions.get("ready") is not False
            yield _Endpoint(
                service=str(service),
                family=str(found.get("addressType") or "IPv4"),
                ports=ports,
                who=_who(entry),
                node=str(entry.get("nodeName") or ""),
                is_own=own,
                is_sent_to=is_sent_to,
                is_ready=is_sent_to
                and conditions.get("serving") is not False
                and not conditions.get("terminating")
                and _is_ready_now(entry, pods),
            )


def _port(port: Mapping[str, Any]) -> str:
    # by its name, which is the Service's: its number can be another one in each pod
    return f"{port.get('name') or ''}/{port.get('protocol') or 'TCP'}"


def _who(entry: Mapping[str, Any]) -> str:
    """Return the pod of an endpoint, or its address."""
    target = entry.get("targetRef") or {}
    return str(target.get("name") or ", ".join(map(str, entry.get("addresses") or ())) or "an endpoint")


def _is_own(entry: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    metadata, target, status = pod["metadata"], entry.get("targetRef") or {}, pod.get("status") or {}
    if target:
        return target.get("kind") == "Pod" and all(
            target.get(key) in (None, metadata[key]) for key in ("name", "namespace", "uid")
        )
    # who writes endpoints himself may name nothing but an address; that of a node is not the pod's alone
    addresses = {str(row.get("ip")) for row in (status.get("podIPs") or ({"ip": status.get("podIP")},))}
    return not pod["spec"].get("hostNetwork") and bool(addresses & set(entry.get("addresses") or ()))


def _pod_of(entry: Mapping[str, Any], pods: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any] | None:
    target = entry.get("targetRef") or {}
    found = pods.get(str(target.get("name")))
    return found if found is not None and target.get("uid") in (None, found["metadata"].get("uid")) else None


def _stays(
    entry: Mapping[str, Any], pods: Mapping[str, Mapping[str, Any]], taken: AbstractSet[str], namespace: str
) -> bool:
    """Return whether the pod of an endpoint is there, and stays: endpoints are a moment behind their pods."""
    target = entry.get("targetRef") or {}
    if target.get("kind") != "Pod" or target.get("namespace") not in (None, namespace):
        return True
    found = _pod_of(entry, pods)
    if found is None or found["metadata"].get("deletionTimestamp"):
        return False
    metadata = found["metadata"]
    return (metadata.get("labels") or {}).get(LABEL) != metadata["uid"] and metadata["uid"] not in taken


def _is_ready_now(entry: Mapping[str, Any], pods: Mapping[str, Mapping[str, Any]]) -> bool:
    found = _pod_of(entry, pods)
    return found is None or is_called_ready(found)


def _owner(plan: Mapping[str, Any], labels: Mapping[str, str]) -> Found:
    owner = plan["owner"]
    if owner is None:
        return [("warn", "No controller makes another pod in its place.")]
    name = f"{owner['kind']} {owner['name']}"
    if owner["kind"] in HARMLESS and labels and not plan["is_quarantined"] and labels.items() <= plan["labels"].items():
        return [("warn", f"{name} makes no other pod in its place: it keeps all of its labels.")]
    if owner["kind"] in HARMLESS:
        return [("pass", f"{name} is to make another pod in its place.")]
    harm = HARM.get(owner["kind"], "what it does when a pod is released from it is not known")
    return [("warn", f"{name}: {harm}.")]


def _kept(plan: Mapping[str, Any], services: Objects, now: Sequence[str]) -> Found:
    """Return which Services send it traffic afterwards, when none reaches it: by labels that stay, or by endpoints that no selector makes."""
    has_selector = {entry["metadata"]["name"] for entry in services if (entry.get("spec") or {}).get("selector")}
    return [
        ("warn", f"Service {name} keeps sending it traffic, which then no longer arrives.")
        for name in sorted({*services_of(services, plan["labels"]), *(set(now) - has_selector)})
    ]


def sending(pod: Mapping[str, Any], slices: Objects) -> list[str]:
    """Return the Services that have a pod among their endpoints (EndpointSlices), by its name or its address."""
    return sorted(
        {
            str(service)
            for found in slices
            if (service := (found["metadata"].get("labels") or {}).get(SERVICE))
            and any(_is_own(entry, pod) for entry in found.get("endpoints") or ())
        }
    )


def _quota(pod: Mapping[str, Any], answer: Answer, owner: Mapping[str, str] | None) -> Found:
    if owner is None or owner["kind"] in ("Node", "StatefulSet"):
        # nobody makes another one
        return []
    if answer.objects is None:
        return [("unknown", _not_known("ResourceQuota", answer, pod["metadata"]["namespace"]))]
    if not answer.objects:
        return [("pass", "No ResourceQuota limits its namespace.")]
    return rooms(pod, answer.objects)


def _budget(pod: Mapping[str, Any], answer: Answer) -> Found:
    if answer.objects is None:
        return [("unknown", _not_known("PodDisruptionBudget", answer, pod["metadata"]["namespace"]))]
    labels = pod["metadata"].get("labels") or {}
    # one without a selector is nobody's, one with an empty one everybody's
    own = [
        entry
        for entry in answer.objects
        if (entry.get("spec") or {}).get("selector") is not None and selects(entry["spec"]["selector"], labels)
    ]
    return [_of_budget(entry, is_counted=is_called_ready(pod)) for entry in own] or [
        ("pass", "No PodDisruptionBudget selects it.")
    ]


def _of_budget(budget: Mapping[str, Any], *, is_counted: bool) -> tuple[str, str]:
    name, status = f"PodDisruptionBudget {budget['metadata']['name']}", budget.get("status") or {}
    if not is_counted:
        return "pass", f"{name} does not count the pod, which is not ready."
    allowed, healthy, wanted = (status.get(key) for key in ("disruptionsAllowed", "currentHealthy", "desiredHealthy"))
    is_old = (status.get("observedGeneration") or 0) < (budget["metadata"].get("generation") or 0)
    if is_old or allowed is None or healthy is None or wanted is None:
        return "unknown", f"{name} has not been counted yet."
    figures = f"{healthy} healthy, {wanted} needed"
    if allowed > 0:
        return "pass", f"{name} allows it: {figures}."
    return "warn", f"{name} allows no disruption now: {figures}."


def around(answers: Iterable[Mapping[str, Any]], taken: Iterable[str] = ()) -> Around:
    """Return what stands beside a pod out of the rows that api_objects gave: of each kind the last one that names no object."""
    given = {
        row["item"]["kind"]: Answer(row.get("resources"), row.get("reason") or "", row.get("msg") or "")
        for row in answers
        if not row["item"].get("name")
    }
    nothing = Answer(None)
    return Around(
        pods=given.get("Pod", nothing).objects or (),
        services=given.get("Service", nothing).objects or (),
        slices=given.get("EndpointSlice", nothing),
        quotas=given.get("ResourceQuota", nothing),
        budgets=given.get("PodDisruptionBudget", nothing),
        taken=frozenset(taken),
    )
