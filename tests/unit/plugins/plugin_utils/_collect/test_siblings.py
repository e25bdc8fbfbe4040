# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pod beside one of the same workload that is well."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._k8s.pods import is_sibling
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import api_requests
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.facts import Known, _ask
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.pod_facts import comparison
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.subjects import with_subjects


def pod(
    name: str, uid: str = "rs-1", owner: str = "web-1a", revision: str = "1a", *, ready: str = "True", **spec: Any
) -> dict[str, Any]:
    app = {"name": "app", "image": "web:1", "env": [{"name": "SHOP", "value": "hidden"}], **spec}
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": "2026-11-24T10:00:00Z",
            "labels": {"app": "web", "pod-template-hash": revision},
            "ownerReferences": [{"kind": "ReplicaSet", "name": owner, "uid": uid, "controller": True}] if owner else [],
        },
        "spec": {"nodeName": "node-1", "containers": [app]},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [{"name": "app", "imageID": "sha256:1", "restartCount": 0}],
        },
    }


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (pod("b"), True),
        (pod("b", "rs-2", "web-2b", "2b"), True),
        (pod("b", "rs-3", "cache-2b", "2b"), False),
        (pod("b", "rs-3", "", ""), False),
        (pod("a"), False),
    ],
)
def test_pods_of_a_deployment_are_siblings_across_its_revisions(other: dict[str, Any], expected: bool) -> None:
    assert is_sibling(pod("a"), other) is expected


def test_a_pod_of_nobody_has_no_siblings() -> None:
    alone = pod("a", owner="")
    assert not is_sibling(alone, pod("b", owner=""))
    assert comparison(alone, "app", [pod("b")]) is None


def test_what_differs_is_told_by_names_and_never_by_values() -> None:
    limits = {"limits": {"memory": "64Mi"}}
    env = [{"name": "SHOP", "value": "hidden"}, {"name": "DB", "value": "hidden"}]
    found = comparison(pod("a", image="web:2", resources=limits, env=env), "app", [pod("b")])
    assert found is not None
    assert (found["pod"], found["node"]) == ("b", "node-1")
    assert {row["what"]: (row["here"], row["there"]) for row in found["differences"]} == {
        "image": ("web:2", "web:1"),
        "limits": ("memory 64Mi", "none"),
        "environment names": ("DB, SHOP", "SHOP"),
    }
    assert "hidden" not in str(found)


def test_it_is_compared_with_one_that_is_well_of_its_own_revision_first() -> None:
    of_another, same = pod("b", "rs-0", "web-0z", "0z"), pod("c")
    found = comparison(pod("a"), "app", [of_another, pod("d", ready="False"), same])
    assert found is not None
    assert found["pod"] == "c"
    assert comparison(pod("a"), "app", [pod("d", ready="False")]) is None


def test_siblings_are_asked_for_where_not_all_of_a_namespace_is_asked_for_anyway() -> None:
    rows = [{"api": "pod"}, {"api": "siblings"}]
    one = {"namespace": "shop", "pod": "a", "node": "node-1"}
    asked = api_requests(rows, [one])
    assert [(row["api"], row["name"], row.get("like")) for row in asked] == [
        ("pod", "a", None),
        ("siblings", None, "a"),
    ]
    assert [row["api"] for row in api_requests(rows, [one, {**one, "pod": "b"}])] == ["pod"]


@pytest.mark.parametrize(
    ("of", "kept"), [("a", ["c"]), ("c", ["a"]), ("alone", []), ("gone", ["a", "b", "c", "alone"])]
)
def test_of_all_pods_of_a_namespace_a_target_keeps_its_siblings_alone(of: str, kept: list[str]) -> None:
    """Else a case of a thousand pods holds a million."""
    everybody = [pod("a"), pod("b", "rs-3", "cache-2b", "2b"), pod("c"), pod("alone", owner="")]
    answer = {"api": "pod", "name": None, "namespace": "shop", "objects": everybody, "error": None}
    known = Known()
    _ask(known, {"api": [answer]}, {"namespace": "shop", "pod": of, "container": "app"}, "siblings")
    assert [row["metadata"]["name"] for row in known.facts["siblings"]] == kept


def test_a_container_that_was_looked_into_is_a_target_once() -> None:
    looked = {"namespace": "shop", "pod": "a", "container": "app", "commands": [{"name": "processes"}]}
    outside = [{**looked, "commands": []}, {**looked, "container": "side", "commands": []}]
    assert with_subjects([looked], outside) == [looked, outside[1]]
