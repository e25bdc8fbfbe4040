# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pod that is followed through what happens to watches, and what an injection makes of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.inject import (
    inject,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import (
    Debugger,
)
from ansible_collections.incident.distroless.plugins.module_utils._k8s import watch
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import make_target
from ansible_collections.incident.distroless.tests.unit.support.api_replies import Refused
from ansible_collections.incident.distroless.tests.unit.support.fake_cluster import (
    CUT,
    END,
    SILENT,
    FakeCluster,
    Fault,
    Reply,
    Stream,
    fake_cluster,
)
from ansible_collections.incident.distroless.tests.unit.support.kubelets import Object, with_running
from ansible_collections.incident.distroless.tests.unit.support.pods import pod

CONTAINER = {"name": "debugger-1", "image": "busybox:1.37", "command": ["sleep", "60"], "targetContainerName": "app"}
BUSY = Refused(500, "InternalError", "etcdserver: leader changed").reply
WATCH = "watch=true"


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """A pod to follow, in which what is added runs at once."""
    with fake_cluster() as found:
        found.state.put(pod())
        yield found


def change(cluster: FakeCluster, word: str) -> Object:
    """The pod with another label."""
    return cluster.state.put({**cluster.state.get("api-0"), **pod(metadata={"labels": {"word": word}})})


def version(found: Object) -> str:
    return str(found["metadata"]["resourceVersion"])


def follow(cluster: FakeCluster, since: Object, count: int, seconds: float = 20) -> list[str]:
    """The words of the next changes."""
    opened = watch.pod_changes(cluster.client(seconds), "shop", "api-0", version(since), "following")
    with opened as pods:
        return [next(pods)["metadata"].get("labels", {}).get("word", "") for _number in range(count)]


def watched_from(cluster: FakeCluster) -> list[str]:
    """The versions from which watches were asked for."""
    return [line.partition("resourceVersion=")[2].partition("&")[0] for line in cluster.asked_for(WATCH)]


def fail(cluster: FakeCluster, *answers: Stream | Reply) -> None:
    """What the next watches come to."""
    cluster.faults += [Fault(WATCH, answer) for answer in answers]


def test_each_change_is_seen_once_and_in_its_order(cluster: FakeCluster) -> None:
    since = cluster.state.get("api-0")
    for word in ("one", "two", "three"):
        change(cluster, word)
    assert follow(cluster, since, 3) == ["one", "two", "three"]
    assert watched_from(cluster) == [version(since)]


def test_a_watch_that_the_server_ends_goes_on_where_it_ended_also_behind_a_bookmark(cluster: FakeCluster) -> None:
    since = cluster.state.get("api-0")
    missed, seen = change(cluster, "before the bookmark"), change(cluster, "behind it")
    bookmark = {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": version(missed)}}}
    fail(cluster, Stream([bookmark], END), Stream([{"type": "MODIFIED", "object": seen}], END))
    change(cluster, "last")
    assert follow(cluster, since, 2) == ["behind it", "last"]
    assert watched_from(cluster) == [version(since), version(missed), version(seen)]


def test_a_watch_that_breaks_goes_on_from_the_pod_as_it_is_now(cluster: FakeCluster) -> None:
    since = cluster.state.get("api-0")
    first = change(cluster, "one")
    fail(cluster, Stream([{"type": "MODIFIED", "object": first}], CUT))
    now = change(cluster, "while it was broken")
    assert follow(cluster, since, 2) == ["one", "while it was broken"]
    change(cluster, "later")
    assert follow(cluster, now, 1) == ["later"]


def test_a_version_that_the_server_has_forgotten_is_no_failure(cluster: FakeCluster) -> None:
    since = cluster.state.get("api-0")
    cluster.state.oldest = int(version(change(cluster, "long after")))
    assert follow(cluster, since, 1) == ["long after"]


def test_a_watch_that_cannot_be_opened_begins_with_the_pod_as_it_is_when_it_is_read(cluster: FakeCluster) -> None:
    since = cluster.state.get("api-0")
    fail(cluster, BUSY)
    opened = watch.pod_changes(cluster.client(), "shop", "api-0", version(since), "following")
    with opened as pods:
        change(cluster, "after it was opened")
        assert next(pods)["metadata"]["labels"] == {"word": "after it was opened"}


def test_a_watch_that_nobody_may_open_is_refused_at_once(cluster: FakeCluster) -> None:
    cluster.state.denied.add("watch pods")
    with pytest.raises(Failure) as caught:
        follow(cluster, cluster.state.get("api-0"), 1)
    assert caught.value.reason == "RbacDenied"
    assert len(cluster.requests) == 1


def test_a_pod_that_is_deleted_is_gone(cluster: FakeCluster) -> None:
    since = cluster.state.get("api-0")
    cluster.state.remove("api-0")
    with pytest.raises(Failure, match="the pod was deleted") as caught:
        follow(cluster, since, 1)
    assert caught.value.reason == "PodGone"


def test_a_pod_that_went_while_the_watch_was_broken_is_gone(cluster: FakeCluster) -> None:
    since = cluster.state.get("api-0")
    fail(cluster, Stream((), CUT))
    cluster.state.remove("api-0")
    with pytest.raises(Failure) as caught:
        follow(cluster, since, 1)
    assert caught.value.reason == "PodGone"


def test_a_server_that_only_breaks_watches_is_given_up(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PAUSE", 0.0)
    fail(cluster, *[Stream((), CUT)] * 50)
    # a look brings the pod each time, which is no change
    with pytest.raises(Failure) as caught:
        follow(cluster, cluster.state.get("api-0"), 50)
    assert caught.value.reason == "ApiUnreachable"
    assert len(watched_from(cluster)) == watch.MAX_BREAKS + 1


def test_a_change_between_them_makes_breaks_count_anew(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PAUSE", 0.0)
    since = cluster.state.get("api-0")
    seen = {"type": "MODIFIED", "object": change(cluster, "one")}
    fail(cluster, *[Stream([seen], CUT)] * (watch.MAX_BREAKS + 3))
    assert len(follow(cluster, since, 2 * watch.MAX_BREAKS + 4)) == 2 * watch.MAX_BREAKS + 4


@pytest.mark.parametrize("answer", [Stream((), SILENT), Stream((), END), Stream((), CUT)], ids=lambda one: one.then)
def test_waiting_never_takes_longer_than_it_may(cluster: FakeCluster, answer: Stream) -> None:
    fail(cluster, *[answer] * 100)
    began = time.monotonic()
    with pytest.raises(Failure):
        follow(cluster, cluster.state.get("api-0"), 100, seconds=1)
    assert time.monotonic() - began < 20


def added(cluster: FakeCluster) -> Debugger:
    """A debugger that is added to the pod and waited for."""
    target = make_target(cluster.state.get("api-0"), None)
    return inject(cluster.client(), target, CONTAINER)


def test_a_debugger_that_starts_while_the_watch_is_broken_is_seen(cluster: FakeCluster) -> None:
    fail(cluster, Stream((), CUT))
    assert added(cluster).is_running


def test_what_became_of_an_image_while_the_watch_was_broken_is_not_missed(cluster: FakeCluster) -> None:
    def kubelet(now: Object) -> Iterator[Object | None]:
        yield with_running(now, "debugger-1", reason="ImagePullBackOff", message="no such host")

    cluster.state.kubelet = kubelet
    fail(cluster, Stream((), CUT))
    with pytest.raises(Failure, match="no such host") as caught:
        added(cluster)
    assert caught.value.reason == "ImagePullFailed"


@pytest.mark.parametrize(("ready", "is_lost"), [({}, True), ({"reason": "ReadinessGatesNotReady"}, False)])
def test_a_node_that_is_lost_meanwhile_is_said_as_soon_as_the_pod_shows_it(
    cluster: FakeCluster, ready: dict[str, Any], is_lost: bool
) -> None:
    conditions = [{"type": "Ready", "status": "False", **ready}, {"type": "ContainersReady", "status": "True"}]

    def kubelet(now: Object) -> Iterator[Object | None]:
        waiting = with_running(now, "debugger-1")
        waiting["status"]["conditions"] = conditions
        yield waiting
        yield with_running(now)

    cluster.state.kubelet = kubelet
    if not is_lost:
        assert added(cluster).is_running
        return
    with pytest.raises(Failure) as caught:
        added(cluster)
    assert caught.value.reason == "NodeNotReady"
