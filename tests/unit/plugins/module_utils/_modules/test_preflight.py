# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""preflight from its options to its result, where an API server answers what a real one cannot be asked to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._modules import preflight as _task
from ansible_collections.incident.distroless.tests.unit.support.api_replies import Refused, Reply, bad_request
from ansible_collections.incident.distroless.tests.unit.support.fake_cluster import (
    TOKEN,
    USER,
    FakeCluster,
    Fault,
    fake_cluster,
)
from ansible_collections.incident.distroless.tests.unit.support.pods import pod
from ansible_collections.incident.distroless.tests.unit.support.tasks import Ended, run_task

# as many as one task asks for at most
EACH = 64


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """A pod that runs, and who may do everything."""
    with fake_cluster() as found:
        found.state.put(pod())
        yield found


def ask(cluster: FakeCluster, **options: Any) -> Ended:
    return run_task(_task.run, cluster, **{"namespace": "shop", "uses": ["look"], **options})


def row(ended: Ended, check: str) -> dict[str, Any]:
    (only,) = [entry for entry in ended["checks"] if entry["check"] == check]
    found: dict[str, Any] = only
    return found


def status(ended: Ended, use: str = "look") -> str:
    (only,) = [entry["status"] for entry in ended["uses"] if entry["use"] == use]
    return str(only)


def refuse(cluster: FakeCluster, asked: str, reply: Reply) -> None:
    cluster.faults += [Fault(asked, reply)] * EACH


def test_nothing_is_changed_and_every_debugger_is_asked_for_by_a_dry_run(cluster: FakeCluster) -> None:
    before = cluster.state.get("api-0")
    ended = ask(cluster, uses=["look", "copy"])
    assert (status(ended), status(ended, "copy"), ended["changed"]) == ("ok", "ok", False)
    written = [line for line in cluster.requests if not line.startswith("GET") and "reviews" not in line]
    assert written
    assert [line for line in written if "dryRun=All" not in line] == []
    assert cluster.state.get("api-0") == before
    assert cluster.state.names() == ["api-0"]
    assert ended["subject"] == USER["username"]
    assert TOKEN not in json.dumps(ended.result)


def test_a_webhook_without_dry_runs_is_not_known_and_no_denial(cluster: FakeCluster) -> None:
    words = 'admission webhook "audit.example" does not support dry run'
    refuse(cluster, "dryRun=All", bad_request(words).reply)
    ended = ask(cluster)
    assert (status(ended), row(ended, "profile auto")["status"]) == ("unknown", "unknown")
    assert words in row(ended, "profile auto")["message"]
    assert "sideEffects" in row(ended, "profile auto")["next"]
    assert not any(entry["needed"] for entry in ended["exceptions"])


def test_what_a_policy_says_is_one_line_and_its_exception_is_marked_as_needed(cluster: FakeCluster) -> None:
    words = "pods \"api-0\" is forbidden: ValidatingAdmissionPolicy 'no-debuggers' with binding 'all' denied request: \x1b[31mno\u202e\n\ncheck: ok"
    refuse(cluster, "dryRun=All", Refused(403, "Forbidden", words).reply)
    ended = ask(cluster)
    assert status(ended) == "denied"
    assert all(line.isprintable() for line in ended["table"])
    (needed,) = [entry for entry in ended["exceptions"] if entry["needed"]]
    assert (needed["engine"], needed["policies"]) == ("ValidatingAdmissionPolicy", ["no-debuggers"])


def test_who_may_not_ask_what_is_allowed_is_told_which_verb_that_needs(cluster: FakeCluster) -> None:
    words = (
        'selfsubjectaccessreviews.authorization.k8s.io is forbidden: User "u" cannot create resource '
        '"selfsubjectaccessreviews" in API group "authorization.k8s.io" at the cluster scope'
    )
    refuse(cluster, "selfsubjectaccessreviews", Refused(403, "Forbidden", words).reply)
    ended = ask(cluster)
    assert not ended.has_failed
    assert (status(ended), row(ended, "permissions")["status"]) == ("unknown", "unknown")
    assert "create on selfsubjectaccessreviews" in row(ended, "permissions")["next"]


@pytest.mark.parametrize("answer", [{}, {"status": None}, {"status": "allowed"}, {"status": {"allowed": "true"}}])
def test_an_answer_that_says_neither_yes_nor_no_is_not_known(cluster: FakeCluster, answer: dict[str, Any]) -> None:
    refuse(cluster, "selfsubjectaccessreviews", Reply(201, answer))
    assert row(ask(cluster), "permissions")["status"] == "unknown"
    cluster.faults.clear()
    refuse(cluster, "selfsubjectreviews", Reply(201, answer))
    ended = ask(cluster)
    assert (row(ended, "subject")["status"], ended["subject"], status(ended)) == ("unknown", None, "ok")
    assert "RoleBinding" not in ended["role"]


@pytest.mark.parametrize("there", ["v1beta1", "v1alpha1", None])
def test_an_older_release_says_who_this_is_in_its_own_version(cluster: FakeCluster, there: str | None) -> None:
    if there:
        who = Reply(201, {"kind": "SelfSubjectReview", "status": {"userInfo": {"username": "oncall"}}})
        cluster.faults.append(Fault(f"{there}/selfsubjectreviews", who))
    nothing = Reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})
    cluster.faults += [Fault("selfsubjectreviews", nothing)] * 3
    ended = ask(cluster)
    assert (ended["subject"], row(ended, "subject")["status"]) == (("oncall", "ok") if there else (None, "unknown"))


def test_verbs_that_a_use_goes_on_without_do_not_make_it_impossible(cluster: FakeCluster) -> None:
    cluster.state.denied |= {"list events", "get jobs", "list pods"}
    ended = ask(cluster, pod="api-0")
    assert status(ended) == "ok"
    lost = [entry for entry in ended["checks"] if entry["check"] == "further permissions"]
    assert [entry["message"].partition(";")[0] for entry in lost] == [
        "not allowed: list on pods",
        "not allowed: get on jobs",
        "not allowed: list on events",
    ]
    assert not any(entry["needed"] for entry in lost)
    # and what it goes on without is in no Role
    assert "events" not in ended["role"]


def test_a_named_pod_that_is_not_there_or_static_cannot_be_looked_into(cluster: FakeCluster) -> None:
    absent = ask(cluster, pod="gone")
    assert (status(absent), row(absent, "pod")["status"]) == ("missing", "missing")
    static = pod("etcd")
    static["metadata"].setdefault("annotations", {})["kubernetes.io/config.mirror"] = "0f"
    cluster.state.put(static)
    assert status(ask(cluster, pod="etcd")) == "denied"
    # where none is named another one is found
    assert row(ask(cluster), "pod")["message"] == "asked about pod api-0, container app"


def test_a_kind_of_server_that_knows_no_version_is_still_asked(cluster: FakeCluster) -> None:
    cluster.faults.append(Fault("/version", Refused(404, "NotFound", "404 page not found").reply))
    ended = ask(cluster)
    assert (row(ended, "version of API server")["status"], status(ended)) == ("unknown", "ok")
    cluster.faults.append(Fault("/version", Reply(200, {"gitVersion": None})))
    assert row(ask(cluster), "version of API server")["status"] == "unknown"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"namespace": None}, "namespaces is needed"),
        ({"namespaces": ["shop\n---"]}, "is not a valid name of a namespace"),
        ({"namespaces": ["../shop"]}, "is not a valid name of a namespace"),
        ({"namespaces": [f"n{number}" for number in range(21)]}, "21 namespaces are more than 20"),
        ({"pod": "api-0/exec"}, "is not a valid name of a pod"),
        ({"namespaces": ["shop", "billing"], "pod": "api-0"}, "pod is in one namespace, got 2"),
        ({"uses": []}, "uses: expected at least one of look"),
        ({"concurrency": 0}, "concurrency must be 1 or more"),
        ({"timeout": 0}, "timeout must be 1"),
    ],
)
def test_what_cannot_be_asked_about_is_refused_by_name_before_anything_is_asked(
    cluster: FakeCluster, options: dict[str, Any], words: str
) -> None:
    ended = ask(cluster, **options)
    assert ended.has_failed
    assert (ended["reason"], ended["checks"], cluster.requests) == ("InvalidRequest", [], [])
    assert words in ended["msg"]
