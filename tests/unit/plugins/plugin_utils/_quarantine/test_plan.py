# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a pod is put into quarantine, who still lets something through, and what is said of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.isolation import (
    MAX_LINES,
    reached,
    seen,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.plan import (
    LABEL,
    POD,
    RECORD,
    closings,
    openings,
    ready_pods,
    selects,
    undo,
)
from ansible_collections.incident.distroless.tests.unit.support.quarantined_pods import (
    GONE,
    LABELS,
    RECORDED,
    judged,
    looked,
    patched,
    planned,
    pod,
    policy,
    service,
)


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        (None, True),
        ({}, True),
        ({"matchLabels": {"app": "api"}}, True),
        ({"matchLabels": {"app": "api", "tier": "x"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["x", "api"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["api"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"app": "api"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_a_selector_takes_labels_as_the_api_says(selector: dict[str, Any] | None, expected: bool) -> None:
    assert selects(selector, LABELS) is expected


def test_a_selector_that_is_not_known_is_no_guess() -> None:
    with pytest.raises(ValueError, match="Gt"):
        selects({"matchExpressions": [{"key": "app", "operator": "Gt", "values": ["1"]}]}, LABELS)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"policyTypes": ["Ingress", "Egress"]}, []),
        ({"ingress": [{}]}, [("ingress", "from anywhere")]),
        ({"egress": [{}]}, [("egress", "to anywhere")]),
        # rules of a direction that the policy is not about are none
        ({"policyTypes": ["Ingress"], "egress": [{}]}, []),
        (
            {"egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 53, "protocol": "UDP"}, {}]}]},
            [("egress", "to 10.0.0.0/8 (UDP 53, TCP any)")],
        ),
        (
            {"ingress": [{"from": [{"namespaceSelector": {}}, {"podSelector": {}}]}]},
            [("ingress", "from all namespaces, all pods of its namespace")],
        ),
        ({"ingress": [{}] * 7}, [("ingress", "; ".join(["from anywhere"] * 5 + ["2 more rules"]))]),
    ],
)
def test_what_a_policy_lets_through_is_said(spec: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    found = openings([policy("p", **spec)], LABELS)
    assert [(row["direction"], row["allows"]) for row in found] == expected


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"ports": [{"port": 1, "endPort": 65535}]}, "to anywhere (TCP 1-65535)"),
        ({"ports": [{"port": 53, "protocol": "UDP"}, {"port": "http"}, {}]}, "to anywhere (UDP 53, TCP http, TCP any)"),
        (
            {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "fd00::/8"]}}]},
            "to 0.0.0.0/0 except 10.0.0.0/8 and fd00::/8",
        ),
        ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": []}}]}, "to 10.0.0.0/8"),
        ({"to": [{"podSelector": {}}]}, "to all pods of its namespace"),
        ({"to": [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}]}, "to some pods"),
        ({"to": [{"namespaceSelector": {}}]}, "to all namespaces"),
        ({"to": [{"namespaceSelector": {}, "podSelector": {}}]}, "to all namespaces"),
        ({"to": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]}, "to some namespaces"),
        (
            {"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"a": "b"}}}]},
            "to some pods of all namespaces",
        ),
        ({"to": [{"podSelector": {}, "namespaceSelector": None}]}, "to all pods of its namespace"),
    ],
)
def test_a_rule_is_told_as_wide_as_it_is(rule: dict[str, Any], said: str) -> None:
    (found,) = openings([policy("p", policyTypes=["Egress"], egress=[rule])], LABELS)
    assert found["allows"] == said


def test_a_policy_for_other_pods_lets_nothing_through_to_this_one_and_closes_nothing() -> None:
    other = policy("p", podSelector={"matchLabels": {"app": "db"}}, ingress=[{}])
    assert openings([other], LABELS) == []
    assert closings([other], LABELS) == set()
    assert closings([policy("p", egress=[{}])], LABELS) == {"ingress", "egress"}


def test_all_labels_go_one_comes_and_what_was_before_is_written_down() -> None:
    found = planned(pod())
    assert found["refusal"] is None
    assert found["services"] == ["api"]
    assert found["patch"]["metadata"]["uid"] == "uid-1"
    assert found["patch"]["metadata"]["labels"] == {"app": None, "pod-template-hash": None, LABEL: "uid-1"}
    record = json.loads(found["patch"]["metadata"]["annotations"][RECORD])
    assert record == {
        **RECORDED,
        "case": "quarantine-1",
        "labels": LABELS,
        "owner": {"kind": "ReplicaSet", "name": "api-5d4f"},
    }
    assert found["policy"]["spec"] == {
        "podSelector": {"matchLabels": {LABEL: "uid-1"}},
        "policyTypes": ["Ingress", "Egress"],
    }


def test_a_label_that_is_kept_stays() -> None:
    found = planned(pod(), keep_labels=["app"])
    assert found["patch"]["metadata"]["labels"] == {"app": "api", "pod-template-hash": None, LABEL: "uid-1"}


def test_a_second_time_asks_for_nothing_new() -> None:
    before = pod()
    first = planned(before)
    after = patched(before, first["patch"])
    again = planned(after, record={"at": "later", "by": "another", "reached": None})
    assert again["is_quarantined"]
    assert again["services"] == ["api"]
    assert again["owner"] == {"kind": "ReplicaSet", "name": "api-5d4f"}
    assert again["record"]["by"] == "oncall"
    assert again["policy"] == first["policy"]
    assert patched(after, again["patch"]) == after


def test_undo_brings_back_what_was_before() -> None:
    before = pod(annotations={"note": "x"})
    after = patched(before, planned(before)["patch"])
    back = undo(after, [], "api-0")
    restored = patched(after, back["patch"])
    assert restored["metadata"]["labels"] == LABELS
    assert restored["metadata"]["annotations"] == {"note": "x"}
    assert undo(restored, [], "api-0")["patch"] is None


def test_the_case_of_a_pod_in_quarantine_is_the_one_that_is_written_down() -> None:
    after = patched(pod(), planned(pod())["patch"])
    back = undo(after, [], "api-0")
    assert back["case"] == "quarantine-1"
    assert back["said"].startswith("has its labels back")
    assert planned(after, record={"case": "another"})["record"]["case"] == "quarantine-1"


@pytest.mark.parametrize("case", ["../../etc", "/etc", "..", ".", "", "a/b", "a" * 200, "new\nline", 7, None, ["x"]])
def test_a_name_of_a_case_that_is_none_is_not_taken_from_a_pod(case: Any) -> None:
    after = patched(pod(), planned(pod(), record={"case": case})["patch"])
    assert undo(after, [], "api-0")["case"] == ""


@pytest.mark.parametrize("record", [None, "{", '{"labels": 1}', '{"labels": {"a": 1}}', "[]", '"x"'])
def test_undo_without_a_good_record_is_refused(record: str | None) -> None:
    annotations = {RECORD: record} if record else {}
    with pytest.raises(ValueError, match="missing or broken"):
        undo(pod(labels={LABEL: "uid-1"}, annotations=annotations), [], "api-0")


def test_the_policies_of_a_pod_are_found_when_it_is_gone_and_nobody_elses() -> None:
    def made(name: str, labels: dict[str, str], of: str) -> dict[str, Any]:
        return {"metadata": {"name": name, "labels": labels, "annotations": {POD: of}}}

    policies = [made("a", {LABEL: "uid-0"}, "api-0"), made("b", {LABEL: "uid-9"}, "db-0"), made("c", {}, "api-0")]
    assert undo(None, [*policies, policy("d")], "api-0") == {
        "is_quarantined": False,
        "owner": None,
        "case": "",
        "patch": None,
        "policies": ["a"],
        "said": "is gone",
    }


@pytest.mark.parametrize(
    ("kind", "is_refused"),
    [
        (None, False),
        ("ReplicaSet", False),
        ("ReplicationController", False),
        ("StatefulSet", True),
        ("DaemonSet", True),
        ("Job", True),
        ("Node", True),
        ("GameServer", True),
    ],
)
def test_owners_for_which_a_released_pod_does_harm_are_refused_unless_forced(
    kind: str | None, is_refused: bool
) -> None:
    assert bool(planned(pod(kind=kind))["refusal"]) is is_refused
    assert planned(pod(kind=kind), is_forced=True)["refusal"] is None


def test_a_pod_that_is_being_deleted_is_refused_always() -> None:
    given = pod(deletionTimestamp="2026-11-25T02:00:00Z")
    assert planned(given, is_forced=True)["refusal"] == "The pod is being deleted."


def test_pods_of_the_same_controller_that_are_ready_are_named() -> None:
    def with_state(name: str, ready: str = "True", **metadata: Any) -> dict[str, Any]:
        found = pod(**{"name": name, "uid": name, **metadata})
        return {**found, "status": {"conditions": [{"type": "Ready", "status": ready}]}}

    pods = [
        with_state("b"),
        with_state("a"),
        with_state("self"),
        with_state("ill", ready="False"),
        with_state("going", deletionTimestamp="now"),
        with_state("other", kind="Job"),
    ]
    assert ready_pods(pods, {"kind": "ReplicaSet", "name": "api-5d4f"}, "self") == ["a", "b"]
    assert ready_pods(pods, None, "") == []


def without(reached_before: list[str] | None, *peers: tuple[str, int, int]) -> dict[str, Any]:
    """The options for a pod of which it was found out that it reaches these, and peers are tried now."""
    return {
        "plan": {**planned(pod()), "record": {"reached": reached_before}},
        "looked": looked(*peers) if peers else GONE,
    }


def messages(found: dict[str, Any], verdict: str) -> str:
    return " ".join(entry["message"] for entry in found["findings"] if entry["verdict"] == verdict)


def test_a_pod_that_reaches_nobody_any_more_is_isolated() -> None:
    found = judged()
    assert (found["isolation"], found["verdict"], found["is_failure"]) == ("isolated", "pass", False)
    assert found["summary"][0] == "shop/api-0: isolated"
    assert "no longer reaches 10.0.0.1:443" in messages(found, "pass")


@pytest.mark.parametrize(
    ("options", "word", "said"),
    [
        ({"others": [policy("allow-all", egress=[{}])]}, "not_isolated", "allow-all still lets egress through"),
        ({"looked": looked(("10.0.0.1", 443, 0))}, "not_isolated", "still reaches 10.0.0.1:443"),
        ({"looked": []}, "unknown", "was not tried from inside"),
        (without([]), "unknown", "the pod reached nothing before, and it does not reach 10.0.0.1:443 now"),
        (without(None), "unknown", "whom the pod reached before is not known, and it does not reach 10.0.0.1:443 now"),
        ({**without(None), "looked": []}, "unknown", "was not tried from inside"),
        ({**without([]), "looked": looked()}, "unknown", "the pod reached nothing before; name a host:port"),
        # whatever it reached before, what it reaches now it is not isolated from
        (
            without([], ("10.96.0.1", 443, 0)),
            "not_isolated",
            "The pod reaches 10.96.0.1:443: the cluster's network plugin",
        ),
        (
            without(None, ("10.96.0.1", 443, 0)),
            "not_isolated",
            "The pod reaches 10.96.0.1:443: the cluster's network plugin",
        ),
        # of the peer of before it is not known whether it is cut off
        ({"looked": looked(("10.0.0.9", 53, 143))}, "unknown", "was not tried from inside"),
        ({"given": {**pod(), "spec": {"containers": [], "hostNetwork": True}}}, "not_isolated", "node's network"),
        # someone has put another label on it
        ({"given": pod()}, "not_isolated", "No NetworkPolicy restricts egress and ingress"),
    ],
)
def test_what_keeps_a_pod_from_being_isolated_is_said(options: dict[str, Any], word: str, said: str) -> None:
    found = judged(**options)
    assert found["isolation"] == word
    assert said in messages(found, "fail" if word == "not_isolated" else "unknown")
    assert found["is_failure"] is (word == "not_isolated")


@pytest.mark.parametrize(
    "options",
    [
        {"others": [policy("allow-some", egress=[{"ports": [{"port": 443}]}])]},
        {"given": pod()},
        {"given": {**pod(labels={LABEL: "uid-1"}), "spec": {"containers": [], "hostNetwork": True}}},
    ],
    ids=["a policy", "no policy", "the node's network"],
)
def test_a_network_is_not_blamed_for_what_is_let_out_anyway(options: dict[str, Any]) -> None:
    said = messages(judged(**options, looked=looked(("10.0.0.1", 443, 0))), "fail")
    assert "The pod still reaches 10.0.0.1:443: what lets egress through may be why" in said
    assert "does not enforce" not in said


def test_a_network_that_cuts_off_some_and_not_others_does_enforce_policies() -> None:
    made = planned(pod(), record={**RECORDED, "reached": ["10.0.0.1:443", "10.0.0.2:53"]})
    seen = looked(("10.0.0.1", 443, 0), ("10.0.0.2", 53, 1))
    found = judged(plan=made, looked=seen)
    assert found["isolation"] == "not_isolated"
    assert (
        "The pod still reaches 10.0.0.1:443, and no longer 10.0.0.2:53: the cluster's network plugin enforces policies, "
        "but lets that through."
    ) in messages(found, "fail")


def test_a_peer_that_was_named_only_now_is_told_beside_those_of_before() -> None:
    made = planned(pod(), record={**RECORDED, "reached": ["10.0.0.1:443"]})
    found = judged(plan=made, looked=looked(("10.0.0.1", 443, 143), ("db", 5432, 0), ("db", 5432, 0)))
    assert "The pod reaches db:5432, and no longer 10.0.0.1:443: " in messages(found, "fail")
    found = judged(plan=made, looked=looked(("10.0.0.1", 443, 143), ("db", 5432, 143)))
    assert found["isolation"] == "isolated"
    assert "The pod no longer reaches 10.0.0.1:443." in messages(found, "pass")


@pytest.mark.parametrize("status", [{"hostIP": "10.0.0.1"}, {"hostIP": "fd00::1", "hostIPs": [{"ip": "10.0.0.1"}]}])
def test_of_a_pod_s_own_node_it_is_told_that_a_network_may_let_it_through(status: dict[str, Any]) -> None:
    given = {**patched(pod(), planned(pod())["patch"]), "status": status}
    found = judged(given=given, looked=looked(("10.0.0.1", 443, 0)))
    assert found["isolation"] == "not_isolated"
    said = "The pod still reaches 10.0.0.1:443: the cluster's network plugin does not enforce this policy, or lets a pod out to its own node."
    assert said in messages(found, "fail")
    elsewhere = judged(given=given, **without([], ("10.0.0.1", 443, 0), ("10.0.0.2", 443, 0)))
    assert "does not enforce this policy." in messages(elsewhere, "fail")


def test_a_service_that_still_selects_it_fails() -> None:
    found = judged(services=[service("all", {LABEL: "uid-1"})])
    assert "Service all still selects the pod." in messages(found, "fail")


def slices(*pods: str, service: str = "api", ready: bool | None = True) -> list[dict[str, Any]]:
    rows = [{"targetRef": {"kind": "Pod", "name": name}, "conditions": {"ready": ready}} for name in pods]
    labels = {"kubernetes.io/service-name": service}
    # one of an address without a pod, and one that is nobody's
    return [{"metadata": {"labels": labels}, "endpoints": [*rows, {}]}, {"metadata": {}, "endpoints": rows}]


def test_a_service_that_still_has_it_among_its_endpoints_fails() -> None:
    assert "Service api still has the pod among" in messages(judged(slices=slices("api-0", "api-1")), "fail")
    assert "removed from Service api" in messages(judged(slices=slices("api-1")), "pass")


def test_what_is_seen_of_a_pod_is_kept_as_values_and_what_is_not_seen_is_not_known() -> None:
    line = "   0: 0100000A:C350 0900000A:1538 01 00000000:00000000 00:00000000 00000000 0 0 3\n"
    found = looked(("10.0.0.1", 443, 0), sockets=f"==> tcp\n{line}")
    found[0] |= {"restart_count": 2, "debugger": "debugger-1"}
    found[0]["commands"][1]["dest_sha256"] = "a" * 64
    of_others = slices("c", service="other")
    assert seen(found, slices("b", "a", ready=None) + of_others, "run/before", ["api"]) == {
        "reached": ["10.0.0.1:443"],
        "connections": [
            {"protocol": "tcp", "local": "10.0.0.1", "local_port": 50000, "remote": "10.0.0.9", "remote_port": 5432}
        ],
        "endpoints": [{"service": "api", "pod": name, "is_ready": True} for name in ("a", "b")],
        "files": {"reach": {"path": "run/before/reach.txt", "sha256": "a" * 64}},
        "target": {
            "image_id": None,
            "restart_count": 2,
            "target_started_at": None,
            "target_identity": None,
            "isolation": None,
            "debugger": "debugger-1",
            "image": None,
            "reused": None,
            "started_at": None,
        },
    }
    nothing = {"reached": None, "connections": None, "endpoints": None, "files": {}, "target": {}}
    assert seen([], None, "", []) == nothing


def test_open_connections_a_missing_successor_and_a_liveness_probe_are_warnings() -> None:
    line = "   {}: 0100000A:{} 0900000A:1538 {} 00000000:00000000 00:00000000 00000000 0 0 {}\n"
    table = (
        "==> tcp\n"
        + line.format(0, "1F90", "0A", 1)
        + line.format(1, "1F90", "01", 2)
        + line.format(2, "C350", "01", 3)
    )
    given = patched(pod(), planned(pod())["patch"])
    given["spec"] = {"containers": [{"name": "app", "livenessProbe": {"httpGet": {"port": 8080}}}]}
    found = judged(given=given, looked=looked(("10.0.0.1", 443, 1), sockets=table), successors=[])
    said = messages(found, "warn")
    assert (found["isolation"], found["verdict"]) == ("isolated", "warn")
    assert "2 connections are open" in said
    assert "10.0.0.9 port 5432 to its port 8080, 10.0.0.9 port 5432 from port 50000" in said
    assert "liveness probe (httpGet port 8080)" in said
    assert "ReplicaSet api-5d4f has 0 of 1 pods ready without it." in said


def test_a_summary_has_no_more_than_twenty_lines_and_nothing_hostile_in_it() -> None:
    many = [policy(f"p{number}\x1b[2J", ingress=[{}]) for number in range(30)]
    found = judged(others=many)
    assert len(found["summary"]) == MAX_LINES
    assert all(line.isprintable() for line in found["summary"])


def test_whom_a_pod_reaches_is_read_off_the_command_and_without_it_not_known() -> None:
    assert reached(looked(("10.0.0.1", 443, 0), ("10.0.0.2", 53, 1))) == ["10.0.0.1:443"]
    assert reached([{"commands": [{"name": "reach", "rc": 1, "stdout": ""}]}]) is None
    # an nc that is another one, and none: that they reach nobody says nothing of the pod
    another = f"given db 5432 no 1 0 _{b'nc: invalid option -- e'.hex()}\n"
    assert reached([{"commands": [{"name": "reach", "rc": 0, "stdout": another}]}]) is None
    assert reached(looked(("10.0.0.1", 443, 127))) is None
    assert reached([]) is None
