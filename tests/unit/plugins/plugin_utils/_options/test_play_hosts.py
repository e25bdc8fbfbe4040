# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one host of each cluster looks at, of what the variables of all hosts of a play say."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.plugin_utils._options.kinds import Refused
from ansible_collections.incident.distroless.plugins.plugin_utils._options.play_hosts import (
    Gathered,
    check_count,
    gather,
)

TIME, LATER = "2026-11-30T17:00:00Z", "2026-11-30T18:00:00Z"


def host(pod: str, container: str | None = "app", **variables: Any) -> dict[str, Any]:
    names = {"namespace": "shop", "pod": pod, "container": container}
    return {**{f"ansible_debugger_{key}": value for key, value in names.items()}, "k8s_listed_at": TIME, **variables}


def gathered(hosts: dict[str, dict[str, Any]], **environment: str) -> list[Gathered]:
    return list(gather(hosts, environment, []))


def test_each_cluster_has_its_own_targets_and_authentication() -> None:
    hosts = {
        "eu/shop/api-0/app": host("api-0", ansible_debugger_context="eu"),
        "us/shop/api-0/app": host("api-0", ansible_debugger_host="https://us:6443", ansible_debugger_api_key="t"),
        "eu/shop/api-1/app": host("api-1", ansible_debugger_context="eu", k8s_listed_at=LATER),
    }
    eu, us = gathered(hosts)
    assert (eu.leader, eu.prefix, eu.params) == ("eu/shop/api-0/app", "eu", {"context": "eu"})
    assert [row["pod"] for row in eu.targets] == ["api-0", "api-1"]
    assert eu.inventory() == {"hosts": 2, "listed": [TIME, LATER], "cluster": "eu"}
    assert (us.prefix, us.params) == ("us", {"host": "https://us:6443", "api_key": "t"})
    assert us.targets == [{"namespace": "shop", "pod": "api-0", "container": "app"}]
    assert us.inventory() == {"hosts": 1, "listed": [TIME], "cluster": "us"}


def test_values_come_as_text_and_blank_ones_are_not_given() -> None:
    (cluster,) = gathered(
        {"shop/api-0/app": host("api-0", "", ansible_debugger_validate_certs="false", ansible_debugger_context=None)}
    )
    assert cluster.params == {"validate_certs": False}
    assert cluster.targets == [{"namespace": "shop", "pod": "api-0"}]


@pytest.mark.parametrize("time", [None, 1, "{{ 7 * 7 }}", "yesterday", f"{TIME}\n# all is well"])
def test_a_time_that_is_none_is_not_known(time: object) -> None:
    (cluster,) = gathered({"a": host("api-0", k8s_listed_at=time), "b": host("api-1")})
    assert cluster.inventory() == {"hosts": 2, "listed": ["", TIME]}


@pytest.mark.parametrize("name", ["{{ lookup('pipe', 'id') }}", "../api", "API", 7, ["api-0"], {"a": 1}])
def test_what_is_no_name_is_refused_as_it_is_written(name: Any) -> None:
    with pytest.raises(Refused, match=r"ansible_debugger_pod of a: expected the name of a pod, got"):
        gathered({"a": host(name)})


def test_hosts_that_are_no_pods_are_refused_by_their_names() -> None:
    others = {f"web-{number}": {"ansible_host": "x"} for number in range(7)}
    with pytest.raises(Refused, match=r"^web-0, .*, web-4 and 2 more: no host of the inventory"):
        gathered({"shop/api-0/app": host("api-0"), **others})


@pytest.mark.parametrize("variable", ["K8S_AUTH_HOST", "K8S_AUTH_API_KEY", "K8S_AUTH_USERNAME", "K8S_AUTH_PASSWORD"])
def test_what_the_environment_says_of_one_cluster_is_not_taken_to_another_one(variable: str) -> None:
    two = {name: host("api-0", ansible_debugger_context=name) for name in ("eu", "us")}
    with pytest.raises(Refused, match=rf"^{variable} is set, and the hosts are of 2 clusters\."):
        gathered(two, **{variable: "x"})


def test_the_environment_must_not_name_another_cluster_than_the_host() -> None:
    with pytest.raises(Refused, match=r"^K8S_AUTH_HOST is set, and variables of the hosts name a cluster as well\."):
        gathered({"a": host("api-0", ansible_debugger_context="eu")}, K8S_AUTH_HOST="https://us")
    # as AWX has it: the credential alone says which cluster it is
    assert gathered({"a": host("api-0")}, K8S_AUTH_HOST="https://us", K8S_AUTH_API_KEY="t")[0].params == {}
    # a token is for the host that the inventory names
    named = {"a": host("api-0", ansible_debugger_host="https://us")}
    assert gathered(named, K8S_AUTH_HOST="https://us", K8S_AUTH_API_KEY="t")[0].params == {"host": "https://us"}


def test_containers_of_one_pod_are_one_pod_of_the_most() -> None:
    clusters = gathered({"a": host("api-0", "app"), "b": host("api-0", "log"), "c": host("api-1")})
    check_count(clusters, 2, "pod_triage_max_pods")
    with pytest.raises(
        Failure, match=r"are 2 pods, more than pod_triage_max_pods \(1\); nothing was changed"
    ) as caught:
        check_count(clusters, 1, "pod_triage_max_pods")
    assert caught.value.reason == "TooManyPods"
