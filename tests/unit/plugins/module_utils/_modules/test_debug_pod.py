# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""debug_pod from its options to its result: what is made, found, replaced and taken away on a cluster."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._modules import debug_pod as _task
from ansible_collections.incident.distroless.tests.unit.support.api_replies import Refused
from ansible_collections.incident.distroless.tests.unit.support.fake_cluster import (
    FakeCluster,
    Fault,
    fake_cluster,
)
from ansible_collections.incident.distroless.tests.unit.support.kubelets import Object, with_running
from ansible_collections.incident.distroless.tests.unit.support.pods import pod
from ansible_collections.incident.distroless.tests.unit.support.tasks import Ended, run_task

CRASHED = {"terminated": {"exitCode": 2, "reason": "Error", "message": "no such flag"}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
PSA = 'violates PodSecurity "restricted:latest": runAsNonRoot != true'


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """A pod that runs; each pod that is made runs at once."""
    with fake_cluster() as found:
        found.state.put(pod())
        yield found


def make(cluster: FakeCluster, **options: Any) -> Ended:
    return run_task(_task.run, cluster, **{"namespace": "shop", "pod": "api-0", "wait_timeout": 30, **options})


def remove(cluster: FakeCluster, **options: Any) -> Ended:
    return make(cluster, state="absent", **options)


def copies(cluster: FakeCluster) -> list[str]:
    return [name for name in cluster.state.names() if name != "api-0"]


def crashing(made: Object) -> Iterator[Object | None]:
    """A kubelet at which app ends in each copy, and the debug container runs."""
    if made["metadata"].get("deletionTimestamp"):
        yield None
        return
    now = with_running(made, "app", reason="CrashLoopBackOff", message="back-off 10s")
    (app,) = (row for row in now["status"]["containerStatuses"] if row["name"] == "app")
    app["lastState"] = CRASHED
    yield now


def without_image(made: Object) -> Iterator[Object | None]:
    """A kubelet that cannot pull the debug image."""
    if made["metadata"].get("deletionTimestamp"):
        yield None
        return
    (name,) = {entry["name"] for entry in made["spec"]["containers"]} - {"app"}
    yield with_running(made, name, reason="ErrImagePull", message="no such host")
    yield with_running(made, name, reason="ImagePullBackOff", message="Back-off pulling image")


def test_a_copy_is_made_beside_the_original_and_is_a_target_for_the_other_modules(cluster: FakeCluster) -> None:
    ended = make(cluster)
    (target,), (name,) = ended["targets"], copies(cluster)
    made = cluster.state.get(name)
    assert ended["msg"] == f"copy {name} of shop/api-0 made"
    assert ended["changed"]
    assert (target["namespace"], target["pod"], target["container"]) == ("shop", name, "app")
    assert target["pod_uid"] == made["metadata"]["uid"] != cluster.state.get("api-0")["metadata"]["uid"]
    assert target["copy_of"] == {"namespace": "shop", "pod": "api-0", "pod_uid": "uid-of-api-0", "container": "app"}
    assert {entry["name"] for entry in made["spec"]["containers"]} == {"app", target["debug_container"]}
    assert (target["reused"], target["started_at"]) == (False, "2026-11-23T03:00:00Z")
    assert target["expires_at"] == "2026-11-23T04:00:00Z"


def test_the_same_request_finds_the_copy_that_it_made(cluster: FakeCluster) -> None:
    first = make(cluster)
    (name,) = copies(cluster)
    # as old as it is, it would have ended long ago
    young = cluster.state.get(name)
    young["status"]["startTime"] = "2126-11-23T03:00:00Z"
    cluster.state.put(young)
    again = make(cluster, has_diff=True)
    assert copies(cluster) == [name]
    assert (again["changed"], again["targets"][0]["reused"]) == (False, True)
    assert again["msg"] == f"copy {name} of shop/api-0 found"
    assert again["targets"][0]["pod_uid"] == first["targets"][0]["pod_uid"]
    assert again["diff"][0]["before"] == again["diff"][0]["after"]


def test_a_name_that_is_taken_is_a_conflict_and_the_pod_of_that_name_stays(cluster: FakeCluster) -> None:
    cluster.state.put(pod("taken"))
    ended = make(cluster, copy_to="taken")
    assert (ended["reason"], ended["changed"]) == ("Conflict", False)
    assert cluster.state.get("taken")["metadata"]["uid"] == "uid-of-taken"


def test_check_mode_asks_the_server_and_makes_nothing(cluster: FakeCluster) -> None:
    ended = make(cluster, is_check=True, has_diff=True, replace=True)
    assert cluster.state.names() == ["api-0"]
    assert ended["changed"]
    assert "would be made, the original would be deleted" in ended["msg"]
    assert "dryRun=All" in cluster.asked_for("POST")[-1]
    (diff,) = ended["diff"]
    assert diff["before"] != diff["after"]


def test_a_replaced_original_is_gone_and_its_owner_is_named(cluster: FakeCluster) -> None:
    owner = {"kind": "ReplicaSet", "name": "api-5d4f", "uid": "r", "apiVersion": "apps/v1", "controller": True}
    cluster.state.put(pod(metadata={"ownerReferences": [owner]}))
    ended = make(cluster, replace=True)
    (name,) = cluster.state.names()
    assert ended["msg"] == f"copy {name} of shop/api-0 made, the original deleted"
    assert "ReplicaSet api-5d4f starts another pod for the one that was replaced" in ended["targets"][0]["warnings"]


def test_a_static_pod_is_not_replaced(cluster: FakeCluster) -> None:
    cluster.state.put(pod(metadata={"annotations": {"kubernetes.io/config.mirror": "x"}}))
    ended = make(cluster, replace=True)
    assert ended["reason"] == "StaticPod"
    assert cluster.state.names() == ["api-0"]


@pytest.mark.parametrize("option", [{"command": ["sh"]}, {"args": ["-c"]}])
def test_a_container_that_is_held_runs_no_command(cluster: FakeCluster, option: dict[str, Any]) -> None:
    ended = make(cluster, hold=True, **option)
    assert ended["reason"] == "InvalidRequest"
    assert cluster.requests == []


@pytest.mark.parametrize(("mounts", "said"), [(True, "which has the volumes of app"), (False, "")])
def test_of_an_app_that_crashes_in_the_copy_too_the_debug_container_is_the_target(
    cluster: FakeCluster, mounts: bool, said: str
) -> None:
    cluster.state.kubelet = crashing
    (target,) = make(cluster, mount_volumes=mounts)["targets"]
    assert target["container"] == target["debug_container"]
    (warning,) = [line for line in target["warnings"] if "does not stay up in the copy" in line]
    assert "Error, exit code 2: no such flag" in warning
    assert ("which has the volumes of app" in warning) is bool(said)


def test_an_app_that_crashed_before_is_watched_for_a_while_in_the_copy(cluster: FakeCluster) -> None:
    before = pod()
    before["status"]["containerStatuses"][0]["restartCount"] = 3
    cluster.state.put(before)

    def later(made: Object) -> Iterator[Object | None]:
        yield with_running(made)
        yield from crashing(made)

    cluster.state.kubelet = later
    (target,) = make(cluster)["targets"]
    assert target["container"] == target["debug_container"]


def test_an_app_that_cannot_be_held_is_told_and_its_copy_is_taken_away(cluster: FakeCluster) -> None:
    cluster.state.kubelet = crashing
    ended = make(cluster, hold=True)
    assert ended["reason"] == "ContainerCreateFailed"
    assert "container app cannot be held: Error, exit code 2: no such flag" in ended["msg"]
    assert cluster.state.names() == ["api-0"]


def test_a_copy_that_does_not_come_up_is_taken_away_and_that_is_said(cluster: FakeCluster) -> None:
    cluster.state.kubelet = without_image
    ended = make(cluster)
    assert ended["reason"] == "ImagePullFailed"
    assert "was deleted" in ended["msg"]
    assert cluster.state.names() == ["api-0"]


def test_a_copy_that_does_not_come_up_and_cannot_be_taken_away_is_named(cluster: FakeCluster) -> None:
    cluster.state.kubelet = without_image
    cluster.state.denied.add("delete pods")
    ended = make(cluster)
    (name,) = copies(cluster)
    assert ended["reason"] == "ImagePullFailed"
    assert f"The copy {name} stays: " in ended["msg"]
    assert 'cannot delete resource "pods"' in ended["msg"]


def test_a_copy_in_the_place_of_the_original_is_kept_whatever_becomes_of_it(cluster: FakeCluster) -> None:
    cluster.state.kubelet = without_image
    ended = make(cluster, replace=True)
    (name,) = copies(cluster)
    # the original is gone, whatever else failed
    assert (ended["reason"], ended["changed"]) == ("ImagePullFailed", True)
    assert name in ended["msg"]


def test_an_original_that_cannot_be_deleted_stays_beside_its_copy_and_both_are_named(cluster: FakeCluster) -> None:
    cluster.state.denied.add("delete pods")
    ended = make(cluster, replace=True, copy_to="mine")
    assert (ended["reason"], ended["changed"]) == ("RbacDenied", True)
    assert "The copy mine stays, and so does the original." in ended["msg"]
    assert cluster.state.names() == ["api-0", "mine"]


def test_without_wait_the_copy_is_handed_over_as_the_server_took_it(cluster: FakeCluster) -> None:
    cluster.state.kubelet = lambda _pod: ()
    (target,) = make(cluster, wait=False)["targets"]
    assert (target["container"], target["container_id"], target["started_at"]) == ("app", None, None)


def test_the_debug_container_becomes_what_admission_lets_in(cluster: FakeCluster) -> None:
    def restricted(made: Object) -> str | None:
        (debug,) = (entry for entry in made["spec"]["containers"] if entry["name"] != "app")
        return None if (debug.get("securityContext") or {}).get("runAsNonRoot") else PSA

    cluster.state.put(pod(user={"uid": 65532, "gid": 65532}))
    cluster.state.admission = restricted
    (target,) = make(cluster)["targets"]
    assert target["profile"] == "restricted"


def test_a_copy_that_admission_never_lets_in_is_refused_in_its_words(cluster: FakeCluster) -> None:
    cluster.state.admission = lambda _made: PSA
    ended = make(cluster)
    assert ended["reason"] == "PodSecurityDenied"
    assert "runAsNonRoot != true" in ended["msg"]
    assert cluster.state.names() == ["api-0"]


def test_copies_are_taken_away_and_the_original_stays(cluster: FakeCluster) -> None:
    make(cluster)
    make(cluster, hold=True)
    ended = remove(cluster, has_diff=True)
    assert cluster.state.names() == ["api-0"]
    assert (ended["msg"], ended["changed"]) == ("2 copies deleted", True)
    assert [row["copy_of"]["pod"] for row in ended["targets"]] == ["api-0", "api-0"]
    assert all(diff["before"] and not diff["after"] for diff in ended["diff"])


def test_nothing_to_take_away_is_no_change(cluster: FakeCluster) -> None:
    ended = remove(cluster)
    assert (ended["msg"], ended["changed"], ended.has_failed) == ("0 copies deleted", False, False)


def test_check_mode_takes_nothing_away(cluster: FakeCluster) -> None:
    make(cluster, copy_to="mine")
    ended = remove(cluster, copy_to="mine", is_check=True)
    assert (ended["msg"], ended["changed"]) == ("1 copy would be deleted", True)
    assert "mine" in cluster.state.names()


def test_a_copy_that_takes_its_time_to_end_is_waited_for(cluster: FakeCluster) -> None:
    make(cluster, copy_to="mine")

    def slowly(made: Object) -> Iterator[Object | None]:
        if made["metadata"].get("deletionTimestamp"):
            yield {**made, "status": {**made["status"], "phase": "Succeeded"}}
            yield None

    cluster.state.kubelet = slowly
    ended = remove(cluster, copy_to="mine")
    assert ended["msg"] == "1 copy deleted"
    assert cluster.state.names() == ["api-0"]


def test_a_copy_that_is_still_there_when_the_time_is_over_is_named_and_was_changed(cluster: FakeCluster) -> None:
    make(cluster, copy_to="mine")
    cluster.state.kubelet = lambda _pod: ()
    # on a busy machine the time can be over before the copy is found
    for seconds in (1, 10, 60):
        ended = remove(cluster, copy_to="mine", wait_timeout=seconds)
        if ended["changed"]:
            break
    assert (ended["changed"], ended["reason"]) == (True, "WaitTimeout")
    assert [(row["pod"], row["reason"]) for row in ended["failed_targets"]] == [("mine", "WaitTimeout")]


@pytest.mark.parametrize("goes_on", [True, False])
def test_of_copies_that_cannot_all_be_taken_away_each_is_told(cluster: FakeCluster, goes_on: bool) -> None:
    make(cluster, copy_to="first")
    make(cluster, copy_to="second")
    refused = Refused(403, "Forbidden", 'User "x" cannot delete resource "pods" in API group ""')
    cluster.faults.append(Fault("DELETE /api/v1/namespaces/shop/pods/first", refused.reply))
    ended = remove(cluster, continue_on_error=goes_on)
    assert ended.has_failed is not goes_on
    assert [(row["pod"], row["reason"]) for row in ended["failed_targets"]] == [("first", "RbacDenied")]
    assert [row["pod"] for row in ended["targets"]] == ["second"]
    assert cluster.state.names() == ["api-0", "first"]


def test_a_copy_that_is_gone_already_is_as_good_as_taken_away(cluster: FakeCluster) -> None:
    make(cluster, copy_to="mine")
    cluster.faults.append(Fault("DELETE", Refused(404, "NotFound", 'pods "mine" not found').reply))
    assert remove(cluster, copy_to="mine")["msg"] == "1 copy deleted"


def test_at_least_one_copy_is_worked_on_at_once(cluster: FakeCluster) -> None:
    assert remove(cluster, concurrency=0)["reason"] == "InvalidRequest"
    assert cluster.requests == []


def test_no_time_is_no_task(cluster: FakeCluster) -> None:
    assert make(cluster, wait_timeout=0)["reason"] == "InvalidRequest"


def test_the_original_stays_as_it_was(cluster: FakeCluster) -> None:
    before = copy.deepcopy(cluster.state.get("api-0"))
    make(cluster)
    remove(cluster)
    assert cluster.state.get("api-0") == before
