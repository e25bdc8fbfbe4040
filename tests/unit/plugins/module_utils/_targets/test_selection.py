# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a selection means, and that one of nothing never means everything."""

from __future__ import annotations

import gc
import threading
from typing import Any
from weakref import WeakSet

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, api_path, pod_path
from ansible_collections.incident.distroless.plugins.module_utils._modules.proc_fs_fetch import parse_mode
from ansible_collections.incident.distroless.plugins.module_utils._pod_copy.selection import find_copies, find_original
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import parse_selection
from ansible_collections.incident.distroless.plugins.module_utils._targets.selection import select
from ansible_collections.incident.distroless.tests.unit.support.pods import pod
from kubernetes import client

EMPTY: dict[str, Any] = {"targets": [], "max_pods": 10}


@pytest.fixture
def nowhere() -> Cluster:
    """A cluster that nothing is asked of: there is none."""
    return Cluster(
        client.ApiClient(client.Configuration(host="https://user:pass@word@api.example:6443/k8s/x")), Deadline(5)
    )


@pytest.mark.parametrize("namespace", [None, "shop"])
def test_an_empty_list_of_targets_is_no_target_and_never_all_pods(nowhere: Cluster, namespace: str | None) -> None:
    selection = parse_selection({**EMPTY, "namespace": namespace})
    for find in (select, find_original):
        with pytest.raises(Failure) as caught:
            find(nowhere, selection)
        assert caught.value.reason == "NoTarget"
    assert find_copies(nowhere, {**EMPTY, "namespace": namespace, "copy_to": "mine"}) == []


class Pods:
    """A cluster of these pods that answers requests for one of them, side by side."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = {pod_path("shop", pod["metadata"]["name"]): pod for pod in pods}

    def get(self, path: str, doing: str) -> dict[str, Any]:
        if path not in self.pods:
            raise Failure("PodGone", f"{doing}: not found")
        return self.pods[path]


def earlier_targets(*rows: dict[str, Any], container: str | None = None) -> Any:
    two = [{"name": "app"}, {"name": "proxy"}]
    selection = parse_selection({"targets": [*rows], "container": container, "max_pods": 10})
    return select(Pods(pod("a", containers=two), pod("b")), selection)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"label_selectors": ["a in b"]}, "label_selectors: "),
        ({"field_selectors": ["spec.image=x"]}, "field_selectors: "),
        ({"label_selectors": ["a"], "field_selectors": ["b=c"]}, "label_selectors or field_selectors: "),
    ],
)
def test_a_selector_that_the_api_refuses_is_named_by_its_option(given: dict[str, Any], named: str) -> None:
    class Strict:
        def get(self, _path: str, doing: str, _query: Any) -> dict[str, Any]:
            raise Failure("InvalidRequest", f"{doing}: unable to parse requirement")

    selection = parse_selection({**EMPTY, "targets": None, "namespace": "shop", **given})
    with pytest.raises(Failure) as caught:
        select(Strict(), selection)  # type: ignore[arg-type]
    assert caught.value.reason == "InvalidRequest"
    assert caught.value.message.startswith(f"{named}listing the pods that match")


def test_namespace_and_pod_alone_are_enough_for_a_target() -> None:
    found = earlier_targets({"namespace": "shop", "pod": "a"}, {"namespace": "shop", "pod": "b", "container": ""})
    assert [(entry.pod, entry.container) for entry in found.targets] == [("a", "app"), ("b", "app")]


def test_what_is_named_twice_is_worked_on_once() -> None:
    bare, whole = {"namespace": "shop", "pod": "a"}, {"namespace": "shop", "pod": "a", "container": "app"}
    proxy, gone = {**whole, "container": "proxy"}, {"namespace": "shop", "pod": "gone"}
    found = earlier_targets(bare, whole, proxy, bare, gone, gone)
    assert [(entry.pod, entry.container) for entry in found.targets] == [("a", "app"), ("a", "proxy")]
    assert [(entry.pod, entry.failure.reason) for entry in found.failed] == [("gone", "NoTarget")]
    named = earlier_targets({**whole, "debugger": "one"}, {**whole, "debugger": "two"}, {**whole, "debugger": "one"})
    assert [entry.debugger for entry in named.targets] == ["one", "two"]


def test_the_pods_of_many_rows_are_looked_up_side_by_side() -> None:
    both = threading.Barrier(2)

    class Slow(Pods):
        def get(self, path: str, doing: str) -> dict[str, Any]:
            # neither is answered before the other is asked for
            both.wait(60)
            return super().get(path, doing)

    rows = [{"namespace": "shop", "pod": "a"}, {"namespace": "shop", "pod": "b"}]
    selection = parse_selection({"targets": rows, "max_pods": 10})
    found = select(Slow(pod("a"), pod("b")), selection)  # type: ignore[arg-type]
    assert ([entry.pod for entry in found.targets], found.failed) == (["a", "b"], [])


@pytest.mark.parametrize(
    "wrong", [{}, {"namespace": "shop"}, {"namespace": " ", "pod": "a"}, {"namespace": "shop", "pod": 1}]
)
def test_a_row_that_names_no_pod_is_refused_with_its_place(wrong: dict[str, Any]) -> None:
    with pytest.raises(Failure, match=r"targets\[1\]") as caught:
        earlier_targets({"namespace": "shop", "pod": "a"}, wrong)
    assert caught.value.reason == "InvalidRequest"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_lead_to_another_path_of_the_api_is_refused(name: str) -> None:
    with pytest.raises(Failure) as caught:
        api_path("api", "v1", "namespaces", "shop", "pods", name)
    assert caught.value.reason == "InvalidRequest"
    assert api_path("pods", "a/../b", "..a") == "/pods/a%2F..%2Fb/..a"


def test_a_cluster_is_named_without_the_password_in_its_url(nowhere: Cluster) -> None:
    assert nowhere.name == "https://api.example:6443/k8s/x"
    assert nowhere.host == "https://user:pass@word@api.example:6443/k8s/x"
    plain = client.Configuration(host="https://api.example:6443/a@b")
    assert Cluster(client.ApiClient(plain), Deadline(5)).name == "https://api.example:6443/a@b"


# YAML makes 416 of 0640 without quotes
@pytest.mark.parametrize(("value", "mode"), [("0640", 0o640), ("640", 0o640), (416, 0o640), (0o600, 0o600), (0, 0)])
def test_a_mode_is_octal_text_or_the_number_itself(value: object, mode: int) -> None:
    assert parse_mode(value, "file_mode") == mode


@pytest.mark.parametrize("value", ["416x", "9", "4755", "u=rw", "", 0o1755, 640, -1, True, None, 4.5, ["0640"]])
def test_what_is_no_mode_is_refused(value: object) -> None:
    with pytest.raises(Failure) as caught:
        parse_mode(value, "file_mode")
    assert caught.value.reason == "InvalidRequest"


class Owned:
    """A cluster with one workload, and the pods that its selector matches."""

    def __init__(self, path: str, owner: dict[str, Any], *pods: dict[str, Any]) -> None:
        self.answers = {path: owner, "/api/v1/namespaces/shop/pods": {"items": list(pods)}}

    def get(self, path: str, doing: str, query: Any = ()) -> dict[str, Any]:
        return self.answers[path]


SELECTOR = {"matchLabels": {"app": "x"}}


def of_job(name: str, created: str, phase: str = "Failed") -> dict[str, Any]:
    owner = {"kind": "Job", "name": "x", "uid": "j1", "controller": True}
    about = {"ownerReferences": [owner], "creationTimestamp": created}
    return pod(name, phase=phase, metadata=about)


def job(*pods: dict[str, Any], **status: Any) -> Any:
    owner = {"metadata": {"name": "x", "uid": "j1"}, "spec": {"selector": SELECTOR}, "status": status}
    return Owned("/apis/batch/v1/namespaces/shop/jobs/x", owner, *pods)


def test_pods_that_have_finished_are_named_where_they_are_wanted_and_of_a_job_the_newest_ten() -> None:
    cluster = job(*(of_job(f"x-{number:02}", f"2026-11-30T04:{number:02}:00Z") for number in range(12)))
    params = {"namespace": "shop", "workload": "job/x", "max_pods": 10}
    found = select(cluster, parse_selection({**params, "finished": True}))
    assert [entry.pod for entry in found.failed] == [f"x-{number:02}" for number in range(2, 12)]
    assert {entry.failure.reason for entry in found.failed} == {"TargetNotRunning"}
    assert (found.targets, found.warnings) == ([], [])
    with pytest.raises(Failure) as caught:
        select(cluster, parse_selection(params))
    assert caught.value.reason == "NoTarget"


class Shown(dict[str, Any]):
    """A pod of an answer, which can be told to be held still."""

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)


class Pages:
    """A cluster whose namespace has so many pages of pods, all but one of which have finished. held: how many of them were held
    whole whenever a page was asked for."""

    def __init__(self, pages: int) -> None:
        self.pages, self.held, self._shown = pages, list[int](), WeakSet[Any]()

    def get(self, path: str, doing: str, query: Any = ()) -> dict[str, Any]:
        gc.collect()
        self.held.append(len(self._shown))
        number = int(dict(query).get("continue", 0))
        owner = {"kind": "Job", "name": "x", "uid": "j1", "controller": True}
        phases = ["Succeeded"] * 19 + ["Running" if number == 1 else "Failed"]
        items = [
            Shown(pod(f"p-{number}-{index:02}", phase=phase, metadata={"ownerReferences": [owner]}))
            for index, phase in enumerate(phases)
        ]
        if not path.endswith("/pods"):
            return {"metadata": {"name": "x", "uid": "j1"}, "spec": {"selector": SELECTOR}}
        for item in items:
            self._shown.add(item)
        following = {"continue": str(number + 1)} if number + 1 < self.pages else {}
        return {"items": items, "metadata": following}


@pytest.mark.parametrize("by", [{"workload": "job/x"}, {"label_selectors": ["app=x"]}], ids=lambda by: next(iter(by)))
def test_of_thousands_that_have_finished_no_more_than_a_page_is_held(by: dict[str, Any]) -> None:
    cluster = Pages(10)
    found = select(cluster, parse_selection({"namespace": "shop", "max_pods": 1, **by}))  # type: ignore[arg-type]
    assert [target.pod for target in found.targets] == ["p-1-19"]
    first = ", ".join(f"p-0-{index:02}" for index in range(10))
    assert found.warnings == [f"left out because finished or terminating: {first} and 189 more"]
    # the page before the one that is asked for, and the pod that can be looked into
    assert max(cluster.held) <= 21 < 200


def test_of_thousands_that_have_finished_no_more_than_a_page_is_held_where_they_are_wanted_either() -> None:
    cluster = Pages(10)
    given: Any = {"namespace": "shop", "max_pods": 10, "label_selectors": ["app=x"], "finished": True}
    found = select(cluster, parse_selection(given))  # type: ignore[arg-type]
    # the newest of the one Job that all of them are of
    assert len(found.targets) + len(found.failed) == 10
    assert all(
        lost.failure.message.endswith((" is finished (Succeeded).", " is finished (Failed).")) for lost in found.failed
    )
    assert max(cluster.held) <= 21 < 200


def test_of_thousands_of_pods_one_of_which_is_to_be_copied_names_alone_are_held() -> None:
    cluster = Pages(10)
    given: Any = {"namespace": "shop", "max_pods": 10, "label_selectors": ["app=x"]}
    with pytest.raises(Failure) as caught:
        find_original(cluster, parse_selection(given))  # type: ignore[arg-type]
    assert caught.value.reason == "TooManyPods"
    assert "p-0-09 and 190 more" in caught.value.message
    assert max(cluster.held) <= 21 < 200


class Scheduled:
    """A cluster with a CronJob, Jobs and pods, which answers for a Job by its name and for pods by their label or their owner."""

    def __init__(self, active: list[str], *jobs: tuple[str, str | None, list[str]]) -> None:
        batch = "/apis/batch/v1/namespaces/shop"
        self.answers: dict[str, Any] = {
            f"{batch}/cronjobs/tidy": {
                "metadata": {"name": "tidy", "uid": "c1"},
                "spec": {},
                "status": {"active": [{"name": name} for name in active]},
            }
        }
        self.pods: list[dict[str, Any]] = []
        for name, maker, pods in jobs:
            owner = {"kind": "Job", "name": name, "uid": f"uid-{name}", "controller": True}
            about = {"ownerReferences": [owner], "creationTimestamp": "2026-11-30T04:00:00Z"}
            self.pods += [pod(entry, phase="Failed", metadata=about) for entry in pods]
            if maker is not None:
                self.answers[f"{batch}/jobs/{name}"] = {
                    "metadata": {"name": name, "uid": f"uid-{name}", "ownerReferences": [{"uid": maker}]},
                    "spec": {"selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": f"uid-{name}"}}},
                }

    def get(self, path: str, doing: str, query: Any = ()) -> dict[str, Any]:
        if path == "/api/v1/namespaces/shop/pods":
            return {"items": self.pods}
        if path not in self.answers:
            raise Failure("PodGone", f"{doing}: not found")
        return dict(self.answers[path])


@pytest.mark.parametrize(
    ("cluster", "expected"),
    [
        # of two that have ended the last, by the minute and not by the text of its name
        (Scheduled([], ("tidy-9", "c1", ["old-1"]), ("tidy-10", "c1", ["new-1", "new-2"])), ["new-1", "new-2"]),
        # one runs
        (Scheduled(["tidy-8"], ("tidy-8", "c1", ["runs"]), ("tidy-10", "c1", ["new"])), ["runs"]),
        # another's, whose name begins alike; one that was made by hand; one that is gone meanwhile
        (
            Scheduled(
                [],
                ("tidy-up-11", "c2", ["up"]),
                ("tidy-12", "", ["hand"]),
                ("tidy-13", None, ["gone"]),
                ("tidy-5", "c1", ["own"]),
            ),
            ["own"],
        ),
    ],
)
def test_of_a_cronjob_that_runs_nothing_the_last_job_is_looked_at(cluster: Any, expected: list[str]) -> None:
    params = {"namespace": "shop", "workload": "cronjob/tidy", "max_pods": 10}
    found = select(cluster, parse_selection({**params, "finished": True}))
    assert [entry.pod for entry in found.failed] == expected


def test_a_cronjob_of_which_nothing_is_there_is_no_target() -> None:
    params = {"namespace": "shop", "workload": "cronjob/tidy", "max_pods": 10}
    done = Scheduled([], ("tidy-9", "c1", ["old-1"]))
    for cluster, finished in ((Scheduled([]), True), (done, False)):
        with pytest.raises(Failure) as caught:
            select(cluster, parse_selection({**params, "finished": finished}))  # type: ignore[arg-type]
        assert caught.value.reason == "NoTarget"


QUOTA = 'pods "api-7f9-x" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2'


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (
            [
                {
                    "type": "Progressing",
                    "status": "False",
                    "reason": "ProgressDeadlineExceeded",
                    "message": "timed out",
                },
                {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": QUOTA},
            ],
            f"deployment/api in namespace shop: ReplicaFailure: FailedCreate: {QUOTA}.",
        ),
        (
            [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out."}],
            "deployment/api in namespace shop: Progressing: ProgressDeadlineExceeded: timed out.",
        ),
        ([{"type": "Progressing", "status": "True"}], "deployment/api in namespace shop."),
    ],
)
def test_a_workload_that_makes_no_pods_says_why(conditions: Any, said: str) -> None:
    owner = {
        "metadata": {"name": "api", "uid": "d1"},
        "spec": {"selector": SELECTOR},
        "status": {"conditions": conditions},
    }
    cluster: Any = Owned("/apis/apps/v1/namespaces/shop/deployments/api", owner)
    with pytest.raises(Failure) as caught:
        select(cluster, parse_selection({"namespace": "shop", "workload": "deployment/api", "max_pods": 10}))
    assert caught.value.reason == "NoTarget"
    assert caught.value.message == f"No running pod matches {said}"
