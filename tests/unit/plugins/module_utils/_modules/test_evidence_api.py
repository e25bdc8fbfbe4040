# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""evidence_api from its options to the files that it leaves: what the API says of pods, and who asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._modules import evidence_api as _task
from ansible_collections.incident.distroless.tests.unit.support.fake_cluster import (
    CUT,
    USER,
    FakeCluster,
    Fault,
    Reply,
    Stream,
    fake_cluster,
)
from ansible_collections.incident.distroless.tests.unit.support.pods import pod
from ansible_collections.incident.distroless.tests.unit.support.schemas import differences, schema, undescribed
from ansible_collections.incident.distroless.tests.unit.support.tasks import Ended, run_task

API_0 = {"namespace": "shop", "pod": "api-0"}
REPLICAS = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "api-5d4f", "uid": "r", "controller": True}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api", "uid": "d", "controller": True}
OPERATOR = {"apiVersion": "example.org/v1", "kind": "Shop", "name": "shop", "uid": "s", "controller": True}


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """A pod of a deployment of an operator's, whose app restarted once; what it says, where it runs, what happened to it."""
    with fake_cluster() as found:
        state = found.state
        app = {"name": "app", "image": "x", "env": [{"name": "TOKEN", "value": "hunter2"}]}
        about = pod(containers=[app], metadata={"ownerReferences": [REPLICAS]})
        about["status"]["containerStatuses"][0]["restartCount"] = 1
        state.put(about)
        state.logs["shop", "api-0", "app", False] = b"now\n"
        state.logs["shop", "api-0", "app", True] = b"panic\n"
        for resource, owner, reference in (
            ("replicasets", REPLICAS, DEPLOYMENT),
            ("deployments", DEPLOYMENT, OPERATOR),
        ):
            metadata = {"name": owner["name"], "namespace": "shop", "ownerReferences": [reference]}
            state.put({"kind": owner["kind"], "metadata": metadata}, resource)
        state.put({"metadata": {"name": "node-1"}, "status": {"nodeInfo": {"kernelVersion": "6.1"}}}, "nodes")
        for name, uid in (("api-0.1", "uid-of-api-0"), ("api-0.2", "uid of an older one")):
            involved = {"kind": "Pod", "name": "api-0", "uid": uid}
            state.put({"metadata": {"name": name, "namespace": "shop"}, "involvedObject": involved}, "events")
        yield found


def keep(cluster: FakeCluster, dest: Path, *pods: Any, **options: Any) -> Ended:
    return run_task(_task.run, cluster, dest=str(dest), pods=list(pods or [API_0]), **options)


def record(dest: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((dest / "record.json").read_text(encoding="utf-8"))
    assert [*differences(found, schema("record")), *undescribed(found, schema("record"))] == []
    return found


def kept(dest: Path, name: str) -> Any:
    return json.loads((dest / "shop" / "api-0" / name).read_text(encoding="utf-8"))


def files(dest: Path) -> list[str]:
    return sorted(str(path.relative_to(dest)) for path in dest.rglob("*") if path.is_file())


def test_all_that_the_api_says_of_a_pod_is_kept_as_files(cluster: FakeCluster, tmp_path: Path) -> None:
    ended = keep(cluster, tmp_path)
    names = "app.log app.previous.log events.json node.json owner_1.json owner_2.json pod.json".split()
    assert files(tmp_path) == sorted(["record.json", *(f"shop/api-0/{name}" for name in names)])
    assert (tmp_path / "shop/api-0/app.log").read_bytes() == b"2026-11-23T03:00:00Z now\n"
    assert (tmp_path / "shop/api-0/app.previous.log").read_bytes() == b"2026-11-23T03:00:00Z panic\n"
    assert [kept(tmp_path, f"owner_{number}.json")["kind"] for number in (1, 2)] == ["ReplicaSet", "Deployment"]
    assert kept(tmp_path, "node.json")["status"] == {"nodeInfo": {"kernelVersion": "6.1"}}
    assert [row["metadata"]["name"] for row in kept(tmp_path, "events.json")["items"]] == ["api-0.1"]
    assert (ended["msg"], ended["changed"], ended.has_failed) == (
        "1 pod, 10 requests, 0 without an answer",
        True,
        False,
    )


def test_values_of_variables_are_not_kept(cluster: FakeCluster, tmp_path: Path) -> None:
    keep(cluster, tmp_path)
    (variable,) = kept(tmp_path, "pod.json")["spec"]["containers"][0]["env"]
    assert variable["name"] == "TOKEN"
    assert not any(b"hunter2" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_the_record_says_who_asked_which_cluster_what_and_when(cluster: FakeCluster, tmp_path: Path) -> None:
    ended = keep(cluster, tmp_path)
    about = record(tmp_path)
    # what a webhook adds to a user may be a token
    assert about["who"] == ended["who"] == {"username": USER["username"], "groups": USER["groups"]}
    uid = cluster.state.get("kube-system", "", "namespaces")["metadata"]["uid"]
    assert about["cluster"] == ended["cluster"] == {"server": cluster.url, "version": "v1.36.3", "uid": uid}
    asked = [row["request"] for row in about["requests"]]
    assert sorted(asked) == sorted(cluster.requests)
    rows = {row["path"]: row for row in about["requests"] if row["path"]}
    for path, row in rows.items():
        content = (tmp_path / path).read_bytes()
        assert (row["size"], row["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert all(row["audit_id"] == "4711" and abs(row["offset"]) < 60 for row in about["requests"])
    assert [row["start"] for row in about["requests"]] == sorted(row["start"] for row in about["requests"])


def test_only_what_was_asked_for_is_asked(cluster: FakeCluster, tmp_path: Path) -> None:
    ended = keep(cluster, tmp_path, what=["pod"])
    assert files(tmp_path) == ["record.json", "shop/api-0/pod.json"]
    assert ended["who"] is None
    assert ended["cluster"] == {"server": cluster.url, "version": None, "uid": None}


@pytest.mark.parametrize("is_check", [True, False])
def test_a_sealed_case_is_refused_before_anything_is_asked(
    cluster: FakeCluster, tmp_path: Path, is_check: bool
) -> None:
    for name in ("case.json", "SHA256SUMS"):
        (tmp_path / name).write_text("{}")
    ended = keep(cluster, tmp_path / "api", is_check=is_check)
    assert ended["reason"] == "CaseSealed"
    assert cluster.requests == []
    assert files(tmp_path) == ["SHA256SUMS", "case.json"]


def test_check_mode_asks_nothing_and_leaves_nothing(cluster: FakeCluster, tmp_path: Path) -> None:
    ended = keep(cluster, tmp_path / "case", API_0, {**API_0, "pod": "api-1"}, is_check=True)
    assert ended["msg"] == f"Would keep what the API says of 2 pods in {tmp_path / 'case'}"
    assert ended["changed"]
    assert cluster.requests == []
    assert not (tmp_path / "case").exists()


def test_a_pod_that_is_gone_is_told_beside_those_that_are_there(cluster: FakeCluster, tmp_path: Path) -> None:
    ended = keep(cluster, tmp_path, {**API_0, "pod": "nobody"}, API_0)
    assert not ended.has_failed
    assert [(row["pod"], row["reason"]) for row in ended["failed_targets"]] == [("nobody", "PodGone")]
    assert "shop/api-0/pod.json" in files(tmp_path)
    (lost,) = [row for row in record(tmp_path)["requests"] if row["pod"] == "nobody"]
    assert (lost["reason"], lost["path"], lost["size"]) == ("PodGone", None, None)


def test_a_task_of_which_no_pod_was_there_has_failed_and_its_record_is_kept(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    ended = keep(cluster, tmp_path, {**API_0, "pod": "nobody"})
    assert (ended.has_failed, ended["reason"]) == (True, "PodGone")
    assert len(record(tmp_path)["requests"]) == 4


def test_what_may_not_be_read_is_said_and_all_else_is_kept(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.state.denied |= {"get nodes", "get pods/log", "get deployments", "list events"}
    ended = keep(cluster, tmp_path)
    assert files(tmp_path) == ["record.json", "shop/api-0/owner_1.json", "shop/api-0/pod.json"]
    assert ended["msg"] == "1 pod, 10 requests, 5 without an answer"
    refused = [row for row in record(tmp_path)["requests"] if row["reason"]]
    assert {row["reason"] for row in refused} == {"RbacDenied"}
    assert all(row["path"] is None for row in refused)


def test_a_log_that_breaks_off_is_no_file(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.faults.append(Fault("/log?", Stream((), CUT)))
    keep(cluster, tmp_path, what=["pod", "logs"])
    (row,) = [row for row in record(tmp_path)["requests"] if row["reason"]]
    assert row["reason"] == "ApiUnreachable"
    assert files(tmp_path) == ["record.json", "shop/api-0/app.previous.log", "shop/api-0/pod.json"]


def test_of_a_log_that_is_too_long_the_end_is_kept_and_what_is_missing_is_said(
    cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_task, "MAX_LOG", 100_000)
    said = b"".join(b"%05d %s\n" % (number, b"x" * 1000) for number in range(200)) + b"panic\n"
    cluster.state.logs["shop", "api-0", "app", False] = said
    keep(cluster, tmp_path, log_lines=200)
    log = (tmp_path / "shop/api-0/app.log").read_bytes()
    assert (log.count(b"\n"), log.splitlines()[-1].split()[-1]) == (50, b"panic")
    (row,) = [row for row in record(tmp_path)["requests"] if row["path"] == "shop/api-0/app.log"]
    assert row["cut"] == "the last 50 of 200 lines, since more are longer than 100000 bytes"
    assert (row["size"], row["sha256"]) == (len(log), hashlib.sha256(log).hexdigest())


def test_what_the_kubelet_says_in_place_of_a_log_is_none(cluster: FakeCluster, tmp_path: Path) -> None:
    lost = Reply(200, b"unable to retrieve container logs for containerd://4f2b", {"Content-Type": "text/plain"})
    cluster.faults.append(Fault("/log?", lost))
    keep(cluster, tmp_path, what=["pod", "logs"])
    (row,) = [row for row in record(tmp_path)["requests"] if row["reason"]]
    assert (row["reason"], row["path"]) == ("NoTarget", None)
    assert "unable to retrieve container logs for containerd://4f2b" in row["message"]
    assert "shop/api-0/app.log" not in files(tmp_path)


@pytest.mark.parametrize("in_the_way", ["app.log", "pod.json"])
def test_what_was_asked_before_a_file_could_not_be_written_stays_in_the_record(
    cluster: FakeCluster, tmp_path: Path, in_the_way: str
) -> None:
    (tmp_path / "shop/api-0" / in_the_way / "x").mkdir(parents=True)
    ended = keep(cluster, tmp_path)
    assert [row["reason"] for row in ended["failed_targets"]] == ["DestConflict"]
    asked = [row["request"] for row in record(tmp_path)["requests"]]
    assert any("pods/api-0" in request for request in asked)
    assert sorted(request.partition("?")[0] for request in asked) == sorted(
        request.partition("?")[0] for request in cluster.requests
    )


@pytest.mark.parametrize(("there", "tried"), [("v1beta1", 2), ("v1alpha1", 3), (None, 3)])
def test_an_older_release_is_asked_who_we_are_in_its_own_version(
    cluster: FakeCluster, tmp_path: Path, there: str | None, tried: int
) -> None:
    nothing = Reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})
    cluster.faults.append(Fault("k8s.io/v1/selfsubjectreviews", nothing))
    if there:
        review = {"kind": "SelfSubjectReview", "status": {"userInfo": USER}}
        cluster.faults.append(Fault(f"{there}/selfsubjectreviews", Reply(201, review)))
    who = keep(cluster, tmp_path)["who"]
    assert who == ({"username": USER["username"], "groups": USER["groups"]} if there else None)
    asked = [row for row in record(tmp_path)["requests"] if "selfsubjectreviews" in row["request"]]
    assert len(asked) == tried
    assert [row["reason"] for row in asked][: tried - 1] == ["ApiUnsupported"] * (tried - 1)


def test_an_api_server_that_tells_no_user_is_recorded_as_it_is(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.faults.append(Fault("selfsubjectreviews", Reply(201, {"kind": "SelfSubjectReview", "status": {}})))
    assert keep(cluster, tmp_path)["who"] is None


def test_containers_that_have_no_log_are_not_asked_for_one(cluster: FakeCluster, tmp_path: Path) -> None:
    waiting = pod(containers=[{"name": "app", "image": "x"}, {"name": "proxy", "image": "x"}])
    waiting["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ContainerCreating"}}
    del waiting["spec"]["nodeName"]
    cluster.state.put(waiting)
    keep(cluster, tmp_path)
    assert [line.partition("container=")[2].partition("&")[0] for line in cluster.asked_for("/log?")] == ["proxy"]
    assert "shop/api-0/node.json" not in files(tmp_path)


def test_owners_are_followed_four_times_at_most(cluster: FakeCluster, tmp_path: Path) -> None:
    for number in range(6):
        owner = {**DEPLOYMENT, "name": f"d{number + 1}"}
        metadata = {"name": f"d{number}", "namespace": "shop", "ownerReferences": [owner]}
        cluster.state.put({"metadata": metadata}, "deployments")
    cluster.state.put(pod(metadata={"ownerReferences": [{**DEPLOYMENT, "name": "d0"}]}))
    keep(cluster, tmp_path)
    assert [name for name in files(tmp_path) if "owner" in name][-1] == "shop/api-0/owner_4.json"


@pytest.mark.parametrize("entry", [{}, {"namespace": "shop"}, {"namespace": "shop", "pod": ""}, {**API_0, "pod": 7}])
def test_an_entry_that_names_no_pod_is_refused_with_its_place(
    cluster: FakeCluster, tmp_path: Path, entry: dict[str, Any]
) -> None:
    ended = keep(cluster, tmp_path, API_0, entry)
    assert ended["reason"] == "InvalidRequest"
    assert "pods[1]" in ended["msg"]
    assert cluster.requests == []
