# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the isolation of a pod would do to others, said before it is done, and which pod stays."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.impact import (
    Impact,
    around,
    impact,
    sending,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.plan import LABEL
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.room import needs
from ansible_collections.incident.distroless.tests.unit.support.quarantined_pods import patched, planned, pod, service

OPTION = "Set quarantine_allow_no_endpoints to do it all the same."
HTTP = [{"name": "http", "port": 8080, "protocol": "TCP"}]
Object = dict[str, Any]


def stands(name: str = "api-0", ready: bool = True, kind: str | None = "ReplicaSet", **metadata: Any) -> Object:
    """A pod that is ready or not; api-0 is the one that is to be isolated."""
    found = pod(kind=kind, **{"name": name, "uid": f"uid-of-{name}", **metadata})
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    number = name.rpartition("-")[2]
    return {
        **found,
        "status": {"conditions": conditions, "podIPs": [{"ip": f"10.0.0.{number}"}, {"ip": f"fd00::{number}"}]},
    }


def endpoint(name: str, node: str = "node-1", **conditions: bool | None) -> Object:
    reference = {"kind": "Pod", "name": name, "namespace": "shop", "uid": f"uid-of-{name}"}
    return {"addresses": ["10.9.9.9"], "targetRef": reference, "conditions": conditions, "nodeName": node}


def of(name: str, *endpoints: Object, family: str = "IPv4", ports: list[Object] | None = None) -> Object:
    labels = {"kubernetes.io/service-name": name}
    return {
        "metadata": {"labels": labels},
        "addressType": family,
        "ports": HTTP if ports is None else ports,
        "endpoints": list(endpoints),
    }


def answers(**kinds: list[Object] | str) -> list[Object]:
    """The rows of api_objects; a text is why there are no objects."""
    return [
        {
            "item": {"kind": kind},
            "resources": None if isinstance(found, str) else found,
            "reason": "RbacDenied" if isinstance(found, str) else None,
            "msg": found if isinstance(found, str) else None,
        }
        for kind, found in kinds.items()
    ]


def asked(own: Object | None = None, allow: bool = False, taken: tuple[str, ...] = (), **given: Any) -> Impact:
    """What is said of a pod of the Service api, beside what is given."""
    own = own or stands()
    services = given.pop("services", [service("api", {"app": "api"})])
    options = {"keep_labels": given.pop("keep_labels", [])}
    pods = [own, *given.pop("others", [stands("api-1"), stands("api-2")])]
    slices = given.pop("slices", [])
    rows = answers(
        Pod=pods,
        Service=services,
        EndpointSlice=slices,
        **{"ResourceQuota": [], "PodDisruptionBudget": [], **given},
    )
    plan = planned(own, services=services, **options)
    return impact(own, around(rows, taken), plan=plan, allow_no_endpoints=allow)


def said(found: Impact, analyzer: str) -> list[tuple[str, str]]:
    return [(verdict, message) for name, verdict, message in found.findings if name == analyzer]


OWN, NEXT = endpoint("api-0"), endpoint("api-1")
NONE_LEFT = "Without the pod Service api has no ready endpoint"
LEFT = "Without the pod Service api has 1 ready endpoint: api-1."


def test_a_pod_with_others_beside_it_may_go_and_they_are_named() -> None:
    found = asked(slices=[of("api", OWN, NEXT, endpoint("api-2"))])
    assert found.refusal is None
    assert said(found, "endpoints") == [("pass", "Without the pod Service api has 2 ready endpoints: api-1, api-2.")]


@pytest.mark.parametrize(
    ("slices", "others"),
    [
        ([of("api", OWN)], None),
        ([of("api", OWN, endpoint("api-1", ready=False))], None),
        # ready as publishNotReadyAddresses has it, and terminating
        ([of("api", OWN, endpoint("api-1", ready=True, serving=True, terminating=True))], None),
        ([of("api", OWN, endpoint("api-1", ready=True, serving=False))], None),
        # the pod is newer than what its endpoints say
        ([of("api", OWN, NEXT)], [stands("api-1", ready=False)]),
        ([of("api", OWN, NEXT)], [stands("api-1", deletionTimestamp="2026-11-25T02:00:00Z")]),
        ([of("api", OWN, NEXT)], [stands("api-1", labels={LABEL: "uid-of-api-1"})]),
        ([of("api", OWN, NEXT)], [stands("api-1", uid="of-another-one")]),
        ([of("api", OWN, NEXT)], []),
        # of another Service
        ([of("api", OWN), of("other", NEXT)], None),
        # no slice has it yet, and it is ready
        ([], None),
        ([of("api", endpoint("api-1", ready=False))], None),
    ],
    ids=[
        *(
            "alone",
            "not ready",
            "terminating",
            "not serving",
            "pod not ready",
            "pod deleted",
            "in quarantine",
            "replaced",
        ),
        *("gone", "of another", "no slices", "no slice has it"),
    ],
)
def test_the_last_ready_pod_of_a_service_stays(slices: list[Object], others: list[Object] | None) -> None:
    given = {"slices": slices, **({} if others is None else {"others": others})}
    found = asked(**given)
    assert found.refusal == f"{NONE_LEFT}. {OPTION}"
    allowed = asked(allow=True, **given)
    assert allowed.refusal is None
    assert said(allowed, "endpoints") == said(found, "endpoints") == [("warn", f"{NONE_LEFT}.")]


@pytest.mark.parametrize(
    "slices",
    [
        [of("api", OWN, endpoint("api-1", ready=None))],
        [of("api", OWN), of("api", NEXT)],
        # nobody has said what else it is
        [of("api", OWN, {"addresses": ["10.0.0.9"], "conditions": {}}, NEXT, endpoint("api-1"))],
        [of("api", OWN, NEXT), of("api", OWN, NEXT, family="IPv6")],
        # the Service's port has no name, and another number in each pod
        [of("api", OWN, ports=[{"port": 8080}]), of("api", NEXT, ports=[{"port": 9090}])],
        # a headless one without ports
        [of("api", OWN, NEXT, ports=[])],
    ],
    ids=["not said", "two slices", "an address", "two families", "a port without a name", "no ports"],
)
def test_another_ready_endpoint_of_the_same_ports_and_families_is_enough(slices: list[Object]) -> None:
    found = asked(slices=slices)
    assert found.refusal is None
    ((verdict, message),) = said(found, "endpoints")
    assert (verdict, "api-1" in message) == ("pass", True)


METRICS = [{"name": "metrics", "port": 9090, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("slices", "where"),
    [
        ([of("api", OWN, ports=[*HTTP, *METRICS]), of("api", NEXT)], "for port metrics over IPv4"),
        ([of("api", OWN, NEXT), of("api", OWN, family="IPv6")], "for port http over IPv6"),
        # the same name by another protocol is another port
        (
            [of("api", OWN, ports=[*HTTP, {**HTTP[0], "protocol": "UDP"}]), of("api", NEXT)],
            "for port http over IPv4",
        ),
    ],
    ids=["a port", "a family", "a protocol"],
)
def test_who_is_the_last_one_of_a_port_or_a_family_stays(slices: list[Object], where: str) -> None:
    assert asked(slices=slices).refusal == f"{NONE_LEFT} {where}. {OPTION}"


def test_a_pod_that_is_one_of_many_in_a_service_and_the_last_in_another_stays_for_that_one() -> None:
    services = [service("api", {"app": "api"}), service("admin", {"app": "api"})]
    found = asked(services=services, slices=[of("api", OWN, NEXT), of("admin", OWN, endpoint("api-1", ready=False))])
    assert found.refusal == f"Without the pod Service admin has no ready endpoint. {OPTION}"
    assert said(found, "endpoints") == [
        ("warn", "Without the pod Service admin has no ready endpoint."),
        ("pass", LEFT),
    ]


def test_a_pod_that_is_not_ready_takes_nothing_away() -> None:
    found = asked(
        stands(ready=False), slices=[of("api", endpoint("api-0", ready=False), endpoint("api-1", ready=False))]
    )
    assert (found.refusal, said(found, "endpoints")) == (None, [("pass", "No Service sends it traffic.")])


@pytest.mark.parametrize(
    ("others", "is_refused"),
    [([], True), ([endpoint("api-1", ready=True, serving=False)], False)],
    ids=["the only one", "one like it"],
)
def test_of_a_service_that_publishes_who_is_not_ready_somebody_like_it_is_left(
    others: list[Object], is_refused: bool
) -> None:
    services = [{"metadata": {"name": "api"}, "spec": {"selector": {"app": "api"}, "publishNotReadyAddresses": True}}]
    slices = [of("api", endpoint("api-0", ready=True, serving=False), *others)]
    found = asked(stands(ready=False), services=services, others=[stands("api-1", ready=False)], slices=slices)
    assert bool(found.refusal) is is_refused
    # one that is ready is worth more than one that is not
    assert asked(services=services, others=[stands("api-1", ready=False)], slices=slices).refusal


@pytest.mark.parametrize(
    "own",
    [OWN, {"addresses": ["10.0.0.0"]}, {"addresses": ["fd00::0"], "conditions": {"ready": True}}],
    ids=["by name", "by address", "by another address"],
)
def test_endpoints_that_no_selector_makes_count_as_well_and_go_on_sending(own: Object) -> None:
    """Of a Service without a selector, and of Endpoints that the API server mirrors."""
    services = [service("legacy", None)]
    found = asked(services=services, slices=[of("legacy", own)])
    assert found.refusal == f"Without the pod Service legacy has no ready endpoint. {OPTION}"
    assert said(found, "kept") == [("warn", "Service legacy keeps sending it traffic, which then no longer arrives.")]
    beside = {"addresses": ["10.0.0.77"]}
    assert asked(services=services, slices=[of("legacy", own, beside)]).refusal is None
    assert sending(stands(), [of("legacy", own)]) == ["legacy"]


def test_a_slice_whose_service_is_gone_and_an_external_name_send_nothing() -> None:
    external = {"metadata": {"name": "out"}, "spec": {"type": "ExternalName", "selector": {"app": "api"}}}
    found = asked(services=[external], slices=[of("gone", OWN), {"metadata": {}, "endpoints": [OWN]}])
    assert (found.refusal, said(found, "endpoints")) == (None, [("pass", "No Service sends it traffic.")])


def test_the_address_of_a_node_is_not_the_pods_alone() -> None:
    own = stands()
    own["spec"]["hostNetwork"] = True
    assert sending(own, [of("legacy", {"addresses": ["10.0.0.0"]})]) == []


def test_a_label_that_is_kept_makes_its_service_send_what_does_not_arrive() -> None:
    found = asked(keep_labels=["app"], slices=[of("api", OWN, NEXT)])
    assert said(found, "kept") == [("warn", "Service api keeps sending it traffic, which then no longer arrives.")]


def test_two_pods_that_one_play_takes_are_counted_together() -> None:
    slices = [of("api", OWN, NEXT)]
    assert asked(slices=slices).refusal is None
    assert asked(slices=slices, taken=("uid-of-api-1",)).refusal == f"{NONE_LEFT}. {OPTION}"


@pytest.mark.parametrize("policy", ["internalTrafficPolicy", "externalTrafficPolicy"])
def test_traffic_that_stays_on_its_node_is_told(policy: str) -> None:
    services = [{"metadata": {"name": "api"}, "spec": {"selector": {"app": "api"}, policy: "Local"}}]
    found = asked(services=services, slices=[of("api", OWN, endpoint("api-1", node="node-2"))])
    assert said(found, "endpoints") == [
        ("pass", LEFT),
        ("warn", f"Service api has no other endpoint on the pod's node ({policy}: Local)."),
    ]
    assert len(said(asked(services=services, slices=[of("api", OWN, NEXT)]), "endpoints")) == 1


def test_where_endpoints_cannot_be_listed_the_pod_stays_and_the_verb_is_named() -> None:
    words = "Asking for EndpointSlice: forbidden."
    found = asked(slices=words)
    unknown = (
        f"Which other endpoints its Services have is not known: {words} "
        "Grant list on endpointslices.discovery.k8s.io in namespace shop."
    )
    assert (found.refusal, said(found, "endpoints")) == (f"{unknown} {OPTION}", [("unknown", unknown)])
    assert asked(slices=words, allow=True).refusal is None
    assert "not asked for" in str(impact(stands(), around([]), plan=planned(stands())).refusal)


def test_a_pod_that_is_out_already_is_not_refused_and_its_services_are_still_looked_at() -> None:
    before = stands()
    after = patched(before, planned(before)["patch"])
    found = asked(after, slices=[of("api")])
    assert (found.refusal, said(found, "endpoints")) == (None, [("warn", f"{NONE_LEFT}.")])
    assert asked(after, slices="forbidden").refusal is None
    assert {name for name, _verdict, _message in found.findings} == {"endpoints", "owner"}


@pytest.mark.parametrize(
    ("kind", "verdict", "words"),
    [
        ("ReplicaSet", "pass", "ReplicaSet api-5d4f is to make another pod in its place."),
        (None, "warn", "No controller makes another pod in its place."),
        (
            "StatefulSet",
            "warn",
            "StatefulSet api-5d4f: it cannot make another pod of that name while this one is there.",
        ),
        ("GameServer", "warn", "GameServer api-5d4f: what it does when a pod is released from it is not known."),
    ],
)
def test_who_makes_another_one_is_said(kind: str | None, verdict: str, words: str) -> None:
    assert said(asked(stands(kind=kind)), "owner") == [(verdict, words)]


def test_a_pod_that_keeps_all_of_its_labels_is_not_replaced() -> None:
    found = asked(keep_labels=["app", "pod-template-hash"])
    assert said(found, "owner") == [
        ("warn", "ReplicaSet api-5d4f makes no other pod in its place: it keeps all of its labels.")
    ]


def budget(allowed: int | None, selector: Object | None, generation: int = 1) -> Object:
    status = {"observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": 2, "desiredHealthy": 2}
    return {"metadata": {"name": "api", "generation": generation}, "spec": {"selector": selector}, "status": status}


@pytest.mark.parametrize(
    ("given", "verdict", "words"),
    [
        (budget(1, {"matchLabels": {"app": "api"}}), "pass", "PodDisruptionBudget api allows it: 2 healthy, 2 needed."),
        (budget(0, {}), "warn", "PodDisruptionBudget api allows no disruption now: 2 healthy, 2 needed."),
        (budget(0, None), "pass", "No PodDisruptionBudget selects it."),
        (budget(0, {"matchLabels": {"app": "db"}}), "pass", "No PodDisruptionBudget selects it."),
        (budget(1, {}, generation=2), "unknown", "PodDisruptionBudget api has not been counted yet."),
        (budget(None, {}), "unknown", "PodDisruptionBudget api has not been counted yet."),
        ({**budget(0, {}), "status": None}, "unknown", "PodDisruptionBudget api has not been counted yet."),
    ],
)
def test_what_a_disruption_budget_allows_is_said(given: Object, verdict: str, words: str) -> None:
    found = asked(PodDisruptionBudget=[given], slices=[of("api", OWN, NEXT)])
    assert (said(found, "budget"), found.refusal) == ([(verdict, words)], None)


def test_a_pod_that_is_not_ready_is_in_no_budget_and_what_cannot_be_listed_is_not_known() -> None:
    own = stands(ready=False)
    assert said(asked(own, PodDisruptionBudget=[budget(0, {})]), "budget")[0][0] == "pass"
    found = asked(slices=[of("api", OWN, NEXT)], PodDisruptionBudget="Forbidden.", ResourceQuota="Forbidden.")
    assert found.refusal is None
    for analyzer, permission in (("budget", "poddisruptionbudgets.policy"), ("quota", "resourcequotas")):
        ((verdict, message),) = said(found, analyzer)
        assert verdict == "unknown"
        assert message.endswith(f"is not known: Forbidden. Grant list on {permission} in namespace shop.")


def quota(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> Object:
    return {"metadata": {"name": "team"}, "spec": {"hard": hard, **spec}, "status": {"hard": hard, "used": used or {}}}


ROOM, NO_ROOM = (
    "ResourceQuota team leaves room for another pod like it.",
    "ResourceQuota team leaves no room for another pod like it",
)
NOBODYS = "No ResourceQuota counts pods like it."
UNCOUNTED = "ResourceQuota team has not been counted yet."


@pytest.mark.parametrize(
    ("given", "verdict", "words"),
    [
        (quota({"pods": "5"}, {"pods": "4"}), "pass", ROOM),
        (quota({"pods": "5"}, {"pods": "5"}), "warn", f"{NO_ROOM}: pods 5 of 5 used."),
        (quota({"requests.cpu": "1"}, {"requests.cpu": "750m"}), "pass", ROOM),
        (quota({"requests.cpu": "1"}, {"requests.cpu": "751m"}), "warn", f"{NO_ROOM}: requests.cpu 751m of 1 used."),
        (quota({"cpu": "1"}, {"cpu": "900m"}), "warn", f"{NO_ROOM}: cpu 900m of 1 used."),
        (quota({"limits.memory": "1Gi"}, {"limits.memory": "960Mi"}), "pass", ROOM),
        (
            quota({"limits.memory": "1Gi"}, {"limits.memory": "961Mi"}),
            "warn",
            f"{NO_ROOM}: limits.memory 961Mi of 1Gi used.",
        ),
        (
            quota({"limits.cpu": "1"}, {"limits.cpu": "0"}),
            "unknown",
            "ResourceQuota team requires each pod to set limits.cpu, which this one does not.",
        ),
        (quota({"services": "5"}, {"services": "5"}), "pass", NOBODYS),
        (quota({"pods": "5"}), "unknown", UNCOUNTED),
        (
            {**quota({"pods": "5"}, {"pods": "5"}), "status": {"hard": {"pods": "9"}, "used": {"pods": "5"}}},
            "unknown",
            UNCOUNTED,
        ),
        (quota({"pods": "5"}, {"pods": "5"}, scopes=["BestEffort"]), "pass", NOBODYS),
        (quota({"pods": "5"}, {"pods": "5"}, scopes=["Terminating"]), "pass", NOBODYS),
        (
            quota({"pods": "5"}, {"pods": "5"}, scopes=["NotBestEffort", "NotTerminating"]),
            "warn",
            f"{NO_ROOM}: pods 5 of 5 used.",
        ),
        (
            quota({"pods": "5"}, {"pods": "5"}, scopes=["CrossNamespacePodAffinity"]),
            "unknown",
            "Whether ResourceQuota team counts pods like it is not known.",
        ),
        (
            quota(
                {"pods": "5"},
                {"pods": "5"},
                scopeSelector={
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]
                },
            ),
            "warn",
            f"{NO_ROOM}: pods 5 of 5 used.",
        ),
        (
            quota(
                {"pods": "5"},
                {"pods": "5"},
                scopeSelector={"matchExpressions": [{"scopeName": "PriorityClass", "operator": "DoesNotExist"}]},
            ),
            "pass",
            NOBODYS,
        ),
    ],
)
def test_whether_a_quota_leaves_room_for_another_pod_is_said(given: Object, verdict: str, words: str) -> None:
    own = stands()
    resources = {"requests": {"cpu": "250m", "memory": "64Mi"}, "limits": {"memory": "64Mi"}}
    own["spec"] = {"containers": [{"name": "app", "resources": resources}], "priorityClassName": "high"}
    found = asked(own, ResourceQuota=[given], slices=[of("api", OWN, NEXT)])
    assert (said(found, "quota"), found.refusal) == ([(verdict, words)], None)


@pytest.mark.parametrize("kind", [None, "StatefulSet", "Node"])
def test_of_whom_no_other_pod_is_made_no_quota_is_asked(kind: str | None) -> None:
    assert said(asked(stands(kind=kind), ResourceQuota=[quota({"pods": "1"}, {"pods": "1"})]), "quota") == []


def cpu(request: str, **more: Any) -> Object:
    return {"name": "x", "resources": {"requests": {"cpu": request}}, **more}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": [cpu("1"), cpu("500m")]}, "1.5"),
        # an init container runs alone, a sidecar beside all that come after it
        ({"initContainers": [cpu("3")], "containers": [cpu("1")]}, "3"),
        ({"initContainers": [cpu("1", restartPolicy="Always"), cpu("3")], "containers": [cpu("1")]}, "4"),
        ({"initContainers": [cpu("3"), cpu("1", restartPolicy="Always")], "containers": [cpu("1")]}, "3"),
        ({"containers": [cpu("1")], "overhead": {"cpu": "250m"}}, "1.25"),
        ({"containers": [cpu("1")], "resources": {"requests": {"cpu": "5"}}}, "5"),
    ],
)
def test_a_pod_needs_what_its_containers_need_at_once(spec: Object, expected: str) -> None:
    assert str(needs(spec)["requests.cpu"].normalize()) == expected


def test_nothing_that_a_name_holds_reaches_a_terminal() -> None:
    services = [service("api\x1b[2J", {"app": "api"})]
    found = asked(services=services, slices=[of("api\x1b[2J", OWN)])
    assert str(found.refusal).isprintable()
    assert all(message.isprintable() for _analyzer, _verdict, message in found.findings)
