# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import (
    check_count,
    choose_container,
    lost_its_node,
    make_target,
    make_targets,
    parse_selection,
    split_candidates,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.selection import is_owned, selector_text
from ansible_collections.incident.distroless.tests.unit.support.pods import pod

NOTHING: dict[str, Any] = {"namespace": "shop", "max_pods": 10}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"pod": "a", "workload": "deploy/a"},
        {"pod": "a", "targets": []},
        {"label_selectors": ["a=b"], "workload": "ds/a"},
    ],
)
def test_exactly_one_way_of_selecting_is_needed(params: dict[str, Any]) -> None:
    with pytest.raises(Failure) as caught:
        parse_selection({**NOTHING, **params})
    assert caught.value.reason == "InvalidRequest"


EMPTY: list[dict[str, Any]] = [
    {way: nothing}
    for way, nothings in {
        "pod": (None, "", " "),
        "workload": (None, "", " "),
        "label_selectors": (None, []),
        "field_selectors": (None, []),
    }.items()
    for nothing in nothings
]


@pytest.mark.parametrize("empty", EMPTY, ids=str)
def test_what_came_out_empty_is_not_given(empty: dict[str, Any]) -> None:
    with pytest.raises(Failure, match="got none") as caught:
        parse_selection({**NOTHING, **empty})
    assert caught.value.reason == "InvalidRequest"
    selection = parse_selection({**NOTHING, **empty, "targets": [{"namespace": "shop", "pod": "api-0"}]})
    assert selection.targets == ({"namespace": "shop", "pod": "api-0"},)
    if "pod" not in empty:
        assert parse_selection({**NOTHING, **empty, "pod": "api-0"}).pod == "api-0"


@pytest.mark.parametrize("way", ["label_selectors", "field_selectors"])
@pytest.mark.parametrize("blank", [[""], [" "], ["a=b", ""], ["", "a=b"], ["\t"]], ids=str)
def test_a_blank_selector_is_refused_and_never_every_pod(way: str, blank: list[str]) -> None:
    with pytest.raises(Failure, match="every pod") as caught:
        parse_selection({**NOTHING, way: blank})
    assert caught.value.reason == "InvalidRequest"


@pytest.mark.parametrize("blank", [",", "a=b,", ",a=b", "a=b,,c=d", " , "])
def test_a_term_of_nothing_between_commas_is_refused_where_the_api_passes_over_it(blank: str) -> None:
    with pytest.raises(Failure, match="every pod"):
        parse_selection({**NOTHING, "field_selectors": [blank]})
    several = ["app in (a,b),tier=web"]
    assert parse_selection({**NOTHING, "label_selectors": several}).label_selectors == tuple(several)


def test_label_and_field_selectors_are_one_way() -> None:
    selection = parse_selection(
        {**NOTHING, "label_selectors": ["app=api"], "field_selectors": ["spec.nodeName=node-1"]}
    )
    assert selection.label_selectors == ("app=api",)


def test_namespace_is_needed_but_for_targets() -> None:
    with pytest.raises(Failure, match="namespace is needed with pod"):
        parse_selection({"pod": "a", "max_pods": 10})
    assert parse_selection({"targets": [{}], "max_pods": 10}).targets == ({},)
    assert parse_selection({"targets": [], "max_pods": 10}).targets == ()
    assert parse_selection({"pod": "a", "namespace": "shop", "max_pods": 10}).targets is None


def test_the_annotation_names_the_default_container() -> None:
    two = [{"name": "proxy"}, {"name": "app"}]
    annotated = pod(containers=two, metadata={"annotations": {"kubectl.kubernetes.io/default-container": "app"}})
    assert choose_container(pod(containers=two), None) == "proxy"
    assert choose_container(annotated, None) == "app"
    assert choose_container(annotated, "proxy") == "proxy"


def test_an_unknown_container_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(Failure) as caught:
        choose_container(pod(containers=[{"name": "proxy"}, {"name": "app"}]), "web")
    assert caught.value.reason == "ContainerNotFound"
    assert "proxy, app" in caught.value.hint


def test_a_sidecar_can_be_the_target() -> None:
    with_sidecar = pod(initContainers=[{"name": "mesh", "restartPolicy": "Always"}])
    with_sidecar["status"]["initContainerStatuses"] = [
        {"name": "mesh", "containerID": "containerd://abc", "state": {"running": {"startedAt": "2026-11-23T03:00:00Z"}}}
    ]
    assert make_target(with_sidecar, "mesh").container_id == "containerd://abc"


def waiting(reason: str) -> dict[str, Any]:
    stuck = pod()
    stuck["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": reason, "message": "back-off 5m0s"}}
    return stuck


OS_IS_WINDOWS = {"key": "kubernetes.io/os", "operator": "In", "values": ["windows"]}


def by_affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    """The affinity of a pod whose node must meet one of these."""
    selector = {"nodeSelectorTerms": [{"matchExpressions": [term]} for term in terms]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": selector}}


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeSelector": {"kubernetes.io/os": "linux"}},
        {"affinity": by_affinity(OS_IS_WINDOWS, {"key": "zone", "operator": "In", "values": ["a"]})},
        {"affinity": by_affinity({**OS_IS_WINDOWS, "values": ["linux", "windows"]})},
        {"os": {"name": "linux"}, "nodeSelector": {"kubernetes.io/os": "windows"}},
        {"affinity": {"nodeAffinity": {}}},
    ],
)
def test_a_pod_that_may_be_on_linux_is_looked_into(spec: dict[str, Any]) -> None:
    assert make_target(pod(**spec), None).container == "app"


@pytest.mark.parametrize(
    ("unusable", "reason", "words"),
    [
        (pod(phase="Succeeded"), "TargetNotRunning", "finished"),
        (pod(metadata={"deletionTimestamp": "2026-11-23T03:00:00Z"}), "TargetNotRunning", "being deleted"),
        (waiting("CrashLoopBackOff"), "TargetNotRunning", "CrashLoopBackOff back-off 5m0s"),
        (pod(metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}), "StaticPod", "static pod of node node-1"),
        (pod(os={"name": "windows"}), "WindowsNode", "Windows"),
        (pod(nodeSelector={"kubernetes.io/os": "windows"}), "WindowsNode", "Windows"),
        (pod(nodeSelector={"beta.kubernetes.io/os": "windows"}), "WindowsNode", "Windows"),
        (pod(affinity=by_affinity(OS_IS_WINDOWS)), "WindowsNode", "Windows"),
        (
            pod(affinity=by_affinity({**OS_IS_WINDOWS, "operator": "NotIn", "values": ["linux"]})),
            "WindowsNode",
            "Windows",
        ),
    ],
)
def test_what_cannot_be_looked_into_says_why(unusable: dict[str, Any], reason: str, words: str) -> None:
    with pytest.raises(Failure, match=words) as caught:
        make_target(unusable, None)
    assert caught.value.reason == reason


def test_another_pod_of_the_same_name_is_not_the_earlier_target() -> None:
    with pytest.raises(Failure) as caught:
        make_target(pod(), None, {"pod_uid": "another"})
    assert caught.value.reason == "PodGone"


def test_a_restart_since_the_earlier_result_is_said() -> None:
    found = make_target(pod(), None, {"pod_uid": "uid-of-api-0", "container_id": "containerd://old", "debugger": "d"})
    assert found.debugger == "d"
    assert "restarted" in found.warnings[0]


def test_another_container_than_the_earlier_one_is_another_target() -> None:
    two = pod(containers=[{"name": "app"}, {"name": "proxy"}])
    earlier = {"pod_uid": "uid-of-api-0", "container": "app", "container_id": "containerd://gone", "debugger": "mine"}
    proxy = make_target(two, "proxy", earlier)
    assert (proxy.container, proxy.warnings, proxy.debugger) == ("proxy", (), None)
    assert "restarted" in make_target(two, "app", earlier).warnings[0]
    assert make_target(two, "app", earlier).debugger == "mine"


def test_finished_and_terminating_pods_are_left_out_with_a_warning() -> None:
    usable, warnings = split_candidates([pod("b"), pod("a"), pod("done", phase="Failed")])
    assert [entry["metadata"]["name"] for entry in usable] == ["a", "b"]
    assert warnings == ["left out because finished or terminating: done"]


def test_one_pod_that_cannot_be_a_target_does_not_hide_the_others() -> None:
    targets, failed = make_targets([pod("a"), waiting("ContainerCreating")], None)
    assert [target.pod for target in targets] == ["a"]
    assert [(entry.pod, entry.failure.reason) for entry in failed] == [("api-0", "TargetNotRunning")]


@pytest.mark.parametrize(("count", "reason"), [(0, "NoTarget"), (11, "TooManyPods")])
def test_none_and_too_many_fail_before_anything_is_changed(count: int, reason: str) -> None:
    with pytest.raises(Failure) as caught:
        check_count(count, 10, "app=api")
    assert caught.value.reason == reason


def test_a_deployment_owns_the_pods_of_its_own_replica_sets_only() -> None:
    def owned_by(replica_set: str) -> dict[str, Any]:
        reference = {"kind": "ReplicaSet", "name": replica_set, "uid": "r", "controller": True}
        return pod(metadata={"labels": {"pod-template-hash": "7f9"}, "ownerReferences": [reference]})

    deployment = {"metadata": {"name": "api", "uid": "d"}}
    assert is_owned(owned_by("api-7f9"), deployment, "deployments")
    assert not is_owned(owned_by("api-canary-7f9"), deployment, "deployments")
    assert not is_owned(pod(), deployment, "deployments")


def test_a_selector_of_every_operator_becomes_a_query() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["web", "api"]},
        {"key": "old", "operator": "DoesNotExist"},
        {"key": "new", "operator": "Exists"},
        {"key": "zone", "operator": "NotIn", "values": ["b"]},
    ]
    text = selector_text({"matchLabels": {"app": "shop"}, "matchExpressions": expressions})
    assert text == "app=shop,tier in (web,api),!old,new,zone notin (b)"


def test_a_pod_full_of_ephemeral_containers_is_warned_of_with_the_size_of_its_object() -> None:
    few, many = ([{"name": f"debugger-{number}"} for number in range(count)] for count in (19, 20))
    assert make_target(pod(ephemeralContainers=few), None).warnings == ()
    (warning,) = make_target(pod(ephemeralContainers=many), None).warnings
    assert "20 ephemeral containers" in warning
    assert "bytes" in warning


def test_a_pod_in_which_many_debuggers_run_is_warned_of_its_slow_end_and_dead_ones_do_not_count() -> None:
    def warnings(running: int, ended: int = 0) -> tuple[str, ...]:
        states: list[dict[str, Any]] = [{"running": {}}] * running + [{"terminated": {}}] * ended
        crowded = pod(ephemeralContainers=[{"name": f"debugger-{number}"} for number in range(len(states))])
        crowded["status"]["ephemeralContainerStatuses"] = [{"name": "debugger", "state": state} for state in states]
        return make_target(crowded, None).warnings

    assert warnings(9, ended=10) == ()
    (warning,) = warnings(10)
    assert "10 ephemeral containers run" in warning
    assert "state absent" in warning


@pytest.mark.parametrize(
    ("status", "lost"),
    [
        ({"reason": "NodeLost"}, True),
        ({"conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]}, False),
        ({"conditions": [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}]}, False),
    ],
)
def test_a_pod_shows_that_its_node_is_lost(status: dict[str, object], lost: bool) -> None:
    assert lost_its_node({"status": status}) is lost
