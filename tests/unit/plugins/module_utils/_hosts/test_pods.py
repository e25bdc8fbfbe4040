# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which hosts the pods of clusters are, page by page, and what a cluster that does not answer costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._hosts import pods
from ansible_collections.incident.distroless.plugins.module_utils._hosts.pods import (
    Listed,
    Source,
    Wanted,
    hosts_of,
    list_all,
)
from ansible_collections.incident.distroless.plugins.module_utils._k8s.lists import each_item
from ansible_collections.incident.distroless.tests.unit.support.api_replies import Reply
from ansible_collections.incident.distroless.tests.unit.support.fake_cluster import FakeCluster, Fault, fake_cluster
from ansible_collections.incident.distroless.tests.unit.support.pods import pod

# the API server's own words for a token that is too old (apiserver's storage/errors.go, NewResourceExpired)
TOO_OLD = "The provided continue parameter is too old to display a consistent list result."


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """Five pods in shop, one in pay."""
    with fake_cluster() as made:
        made.state.put({"metadata": {"name": "pay", "labels": {"team": "pay"}}}, "namespaces")
        for number in range(5):
            made.state.put(pod(f"api-{number}", metadata={"labels": {"app": "api"}}))
        made.state.put(pod("till", metadata={"namespace": "pay"}))
        yield made


def listed(cluster: FakeCluster, **wanted: Any) -> Listed:
    (found,) = list_all([Source("", cluster.options())], Wanted(**wanted), lambda _sentence: None)
    return found


def names(found: Listed) -> list[str]:
    return [host.name for host in found.hosts]


def expired(following: str) -> Reply:
    status = {
        "kind": "Status",
        "metadata": {"continue": following},
        "message": TOO_OLD,
        "reason": "Expired",
        "code": 410,
    }
    return Reply(410, status)


IN_SHOP = [f"shop/api-{number}/app" for number in range(5)]


def test_all_namespaces_are_one_request(cluster: FakeCluster) -> None:
    assert names(listed(cluster)) == ["pay/till/app", *IN_SHOP]
    assert cluster.requests == ["GET /api/v1/pods?limit=250"]


def test_names_of_namespaces_are_a_request_each_and_ask_for_no_namespaces(cluster: FakeCluster) -> None:
    found = listed(cluster, namespaces=["pay", "shop", "pay"], label_selectors=["app=api"])
    assert names(found) == IN_SHOP
    assert sorted(cluster.requests) == [
        f"GET /api/v1/namespaces/{name}/pods?limit=250&labelSelector=app=api" for name in ("pay", "shop")
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"namespaces": ["s*"]}, IN_SHOP),
        ({"namespaces": ["p?y"]}, ["pay/till/app"]),
        ({"namespace_selectors": ["team=pay"]}, ["pay/till/app"]),
        ({"namespaces": ["shop"], "namespace_selectors": ["team=pay"]}, []),
        ({"namespaces": ["nowhere-*"]}, []),
        ({"field_selectors": ["metadata.name=api-3"]}, IN_SHOP[3:4]),
    ],
)
def test_globs_and_selectors_narrow(cluster: FakeCluster, wanted: dict[str, Any], expected: list[str]) -> None:
    assert names(listed(cluster, **wanted)) == expected


def test_a_list_is_read_page_by_page(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "PAGE", 2)
    assert names(listed(cluster, namespaces=["shop"])) == IN_SHOP
    assert [line.partition("?")[2] for line in cluster.requests] == [
        "limit=2",
        "limit=2&continue=2",
        "limit=2&continue=4",
    ]


def test_a_token_that_is_too_old_goes_on_with_the_one_that_came_with_it(cluster: FakeCluster) -> None:
    cluster.faults.append(Fault("continue=2", expired("2")))
    found = each_item(cluster.client(), "/api/v1/namespaces/shop/pods", "listing", page=2)
    assert [item["metadata"]["name"] for item in found] == [f"api-{number}" for number in range(5)]


def test_a_token_that_is_too_old_and_comes_with_none_is_said(cluster: FakeCluster) -> None:
    cluster.faults.append(Fault("continue=2", expired("")))
    with pytest.raises(Failure) as caught:
        list(each_item(cluster.client(), "/api/v1/namespaces/shop/pods", "listing pods", page=2))
    assert caught.value.reason == "ApiUnreachable"
    assert TOO_OLD in caught.value.message


def test_tokens_that_are_always_too_old_come_to_an_end(cluster: FakeCluster) -> None:
    cluster.faults += [Fault("continue=", expired("2")) for _number in range(200)]
    with pytest.raises(Failure):
        list(each_item(cluster.client(), "/api/v1/namespaces/shop/pods", "listing pods", page=2))
    assert len(cluster.requests) < 200


def test_more_hosts_than_wanted_are_refused(cluster: FakeCluster) -> None:
    assert len(listed(cluster, max_hosts=6).hosts) == 6
    for wanted in ({"max_hosts": 5}, {"max_hosts": 5, "namespaces": ["pay", "shop"]}):
        with pytest.raises(Failure) as caught:
            listed(cluster, **wanted)
        assert caught.value.reason == "LimitExceeded"
        assert "more than 5 hosts" in caught.value.message


def test_a_cluster_that_does_not_answer_costs_its_own_hosts(cluster: FakeCluster) -> None:
    sources = [
        Source("gone", {"host": "http://127.0.0.1:9", "api_key": "x"}),
        Source("late", {**cluster.options(), "api_key": "expired"}),
        Source("here", cluster.options()),
    ]
    gone, late, here = list_all(sources, Wanted(), lambda _sentence: None)
    assert (gone.is_lost, gone.failures[0].reason) == (True, "ApiUnreachable")
    assert (late.is_lost, late.failures[0].reason) == (True, "Unauthorized")
    assert (here.is_lost, len(here.hosts)) == (False, 6)


def test_a_namespace_that_may_not_be_listed_costs_its_own_hosts(cluster: FakeCluster) -> None:
    words = 'pods is forbidden: User "u" cannot list resource "pods" in API group "" in the namespace "pay"'
    cluster.faults.append(Fault("namespaces/pay/pods", Reply(403, {"message": words, "code": 403})))
    found = listed(cluster, namespaces=["pay", "shop"])
    assert names(found) == IN_SHOP
    assert [failure.reason for failure in found.failures] == ["RbacDenied"]
    assert not found.is_lost
    cluster.state.denied.add("list pods")
    assert listed(cluster, namespaces=["pay", "shop"]).is_lost
    assert listed(cluster, namespaces=["shop"]).is_lost
    assert listed(cluster).is_lost


def test_a_namespace_without_such_pods_is_told(cluster: FakeCluster) -> None:
    told: list[str] = []
    list_all([Source("", cluster.options())], Wanted(namespaces=["shpo", "shop"]), told.append)
    assert told == [f"There are no such pods in namespace shpo of {cluster.url}."]


def test_no_variable_of_the_environment_reaches_one_of_several_clusters(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K8S_AUTH_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("K8S_AUTH_API_KEY", "of another cluster")
    monkeypatch.setenv("K8S_AUTH_IMPERSONATE_USER", "somebody")
    (alone,) = list_all([Source("a", cluster.options(), uses_environment=False)], Wanted(), lambda _sentence: None)
    assert len(alone.hosts) == 6
    other = Source("a", {**cluster.options(), "api_key": None})
    (given,) = list_all([other], Wanted(), lambda _sentence: None)
    assert given.failures[0].reason == "Unauthorized"


DEPLOYED = {
    "labels": {"app": "api", "pod-template-hash": "7c9"},
    "ownerReferences": [{"kind": "ReplicaSet", "name": "api-7c9", "uid": "r", "controller": True}],
}
SIDECAR = [{"name": "mesh", "restartPolicy": "Always"}, {"name": "migrate"}]
TWO = [{"name": "app"}, {"name": "log"}]


@pytest.mark.parametrize(
    ("has_all", "annotation", "expected"),
    [
        (False, None, ["app"]),
        (False, "log", ["log"]),
        (False, "mesh", ["mesh"]),
        (False, "nobody", ["app"]),
        (True, "log", ["app", "log", "mesh"]),
    ],
)
def test_the_default_container_or_all_of_them(has_all: bool, annotation: str | None, expected: list[str]) -> None:
    annotations = {"kubectl.kubernetes.io/default-container": annotation} if annotation else {}
    seen = pod(containers=TWO, initContainers=SIDECAR, metadata={"annotations": annotations})
    assert [host.container for host in hosts_of(seen, Wanted(has_all_containers=has_all), {})] == expected


def test_a_host_tells_what_it_is_and_in_which_groups() -> None:
    seen = pod("api-7c9-x", metadata=DEPLOYED, rows={"app": {"restartCount": 3}})
    seen["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    (host,) = hosts_of(seen, Wanted(), {})
    assert list(host.groups()) == [
        "namespace_shop",
        "workload_deployment/api",
        "node_node-1",
        "phase_Running",
        "ready",
    ]
    assert host.variables() == {
        "ansible_debugger_namespace": "shop",
        "ansible_debugger_pod": "api-7c9-x",
        "ansible_debugger_container": "app",
        "k8s_labels": {"app": "api", "pod-template-hash": "7c9"},
        "k8s_owner": "deployment/api",
        "k8s_phase": "Running",
        "k8s_restarts": 3,
    }
    (host,) = hosts_of(seen, Wanted(), {}, "2026-11-30T17:00:00Z")
    assert host.variables()["k8s_listed_at"] == "2026-11-30T17:00:00Z"


def test_a_pod_of_which_hardly_anything_is_said_is_a_host_too() -> None:
    bare = {"metadata": {"namespace": "shop", "name": "p"}, "spec": {"containers": [{"name": "app"}]}}
    (host,) = hosts_of(bare, Wanted(), {})
    assert list(host.groups()) == ["namespace_shop", "not_ready"]
    assert hosts_of({**bare, "spec": {}}, Wanted(), {}) == []


def test_environment_arguments_and_other_annotations_are_not_told() -> None:
    secret = "s3cr3t"
    container = {"name": "app", "env": [{"name": "A", "value": secret}], "args": [secret], "command": [secret]}
    seen = pod(containers=[container], metadata={"annotations": {"tier": "gold", "other": secret}})
    (host,) = hosts_of(seen, Wanted(annotations=["tier", "none"]), {})
    assert host.variables()["k8s_annotations"] == {"tier": "gold"}
    assert secret not in repr(host)


@pytest.mark.parametrize("name", ["{{ x }}", "../etc", "", "a/b", "A", "x\n", "-a"])
def test_a_name_that_kubernetes_does_not_allow_is_no_host(name: str) -> None:
    assert hosts_of(pod(name), Wanted(), {}) == []
    assert hosts_of(pod(containers=[{"name": name}]), Wanted(), {}) == []
    assert hosts_of(pod(metadata={"namespace": name}), Wanted(), {}) == []


def test_what_a_connection_needs_is_handed_on_without_secrets() -> None:
    params = {
        "context": "prod",
        "kubeconfig": {"users": [{"token": "s3cr3t"}]},
        "host": "https://u:s3cr3t@api.example",
        "proxy": "http://proxy.example",
        "api_key": "s3cr3t",
        "password": "s3cr3t",
        "validate_certs": False,
    }
    assert Source("x", params).handed_on() == {
        "context": "prod",
        "proxy": "http://proxy.example",
        "validate_certs": False,
    }
    assert "s3cr3t" not in repr(Source("x", params))
