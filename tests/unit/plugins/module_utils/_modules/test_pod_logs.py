# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ends of logs, and what a task may say about whose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._modules import pod_logs as _logs_task
from ansible_collections.incident.distroless.plugins.module_utils._modules.pod_logs import End, Log, parse
from ansible_collections.incident.distroless.tests.unit.support.fake_cluster import FakeCluster, fake_cluster
from ansible_collections.incident.distroless.tests.unit.support.pods import pod
from ansible_collections.incident.distroless.tests.unit.support.tasks import Ended, run_task

NAMED = {"namespace": "shop", "pod": "api-0", "container": "app"}


def ended(limit: int, *pieces: bytes) -> End:
    end = End(limit)
    for piece in pieces:
        end.take(piece)
    return end


@pytest.mark.parametrize(
    ("pieces", "text", "is_cut"),
    [
        ((), "", False),
        ((b"one\n", b"two\n"), "one\ntwo\n", False),
        ((b"0123456789",), "0123456789", False),
        ((b"a long line\n", b"two\n"), "two\n", True),
        # no line begins in what is left
        ((b"x" * 50,), "x" * 10, True),
        # the last line is longer than all that is kept
        ((b"x" * 50 + b"\n",), "x" * 9 + "\n", True),
        ((b"x" * 9 + b"\n", b""), "x" * 9 + "\n", False),
        # cut in the middle of a letter
        ((b"\xc3\xa9" * 7,), "\u00e9" * 5, True),
        ((b"\xff\n",), "\ufffd\n", False),
    ],
)
def test_the_end_of_a_log_is_kept_from_a_whole_line_on(pieces: tuple[bytes, ...], text: str, is_cut: bool) -> None:
    end = ended(10, *pieces)
    assert (end.text(), end.is_cut) == (text, is_cut)
    assert len(end.data) <= 10


def test_a_container_is_named_with_its_run() -> None:
    assert parse(0, NAMED) == Log("shop", "api-0", "app")
    assert parse(0, {**NAMED, "previous": True}) == Log("shop", "api-0", "app", previous=True)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({}, "lacks one of"),
        ({**NAMED, "pod": ""}, "lacks one of"),
        ({**NAMED, "pod": 1}, "lacks one of"),
        ({**NAMED, "previous": "yes"}, "neither true nor false"),
        ({**NAMED, "since": 5}, "unknown keys: since"),
    ],
)
def test_what_names_no_container_is_refused_with_its_place(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(Failure, match=r"containers\[3\].*" + said) as caught:
        parse(3, entry)
    assert caught.value.reason == "InvalidRequest"


LOST = b"unable to retrieve container logs for containerd://4f2b"


@pytest.mark.parametrize(
    ("previous", "answers", "text", "pauses"),
    [
        (True, [LOST, b"panic: no config\n"], "panic: no config\n", 1),
        (True, [LOST] * 9, None, 3),
        (True, [b"all is well\n"], "all is well\n", 0),
        # the log of a run that goes on does not come back
        (False, [LOST, b"x\n"], None, 0),
        # what an app itself prints is its log
        (False, [LOST + b"\n"], LOST.decode() + "\n", 0),
    ],
)
def test_of_a_run_before_that_is_deleted_meanwhile_the_next_one_s_log_is_read(
    monkeypatch: pytest.MonkeyPatch, previous: bool, answers: list[bytes], text: str | None, pauses: int
) -> None:
    left, slept = iter(answers), list[float]()

    class Kubelet:
        def until(self, deadline: Deadline) -> Self:
            self.deadline = deadline
            return self

        def stream(self, _path: str, _doing: str, _query: Any, take: Any) -> None:
            take(next(left))

    monkeypatch.setattr(_logs_task.time, "sleep", slept.append)
    kubelet: Any = Kubelet()
    of = Log("shop", "api-0", "app", previous)
    if text is None:
        with pytest.raises(Failure, match="no log of that run any more") as caught:
            _logs_task._read(kubelet, 100, 1000, 60, of)
        assert caught.value.reason == "NoTarget"
    else:
        assert _logs_task._read(kubelet, 100, 1000, 60, of).text() == text
    assert len(slept) == pauses


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """A pod whose app says three lines, and one without a node."""
    with fake_cluster() as found:
        found.state.put(pod(containers=[{"name": "app", "image": "x"}, {"name": "proxy", "image": "x"}]))
        found.state.put(pod("api-1"))
        found.state.logs["shop", "api-0", "app", False] = b"one\ntwo\nthree\n"
        found.state.logs["shop", "api-0", "app", True] = b"panic: no config\n"
        yield found


def read(cluster: FakeCluster, *containers: dict[str, Any], **options: Any) -> Ended:
    return run_task(_logs_task.run, cluster, containers=list(containers or [NAMED]), **options)


def test_each_log_that_was_asked_for_has_its_row_in_the_order_of_the_task(cluster: FakeCluster) -> None:
    ended = read(cluster, {**NAMED, "container": "proxy"}, {**NAMED, "previous": True}, NAMED)
    assert [row["log"] for row in ended["logs"]] == ["", "panic: no config\n", "one\ntwo\nthree\n"]
    assert [row["previous"] for row in ended["logs"]] == [False, True, False]
    assert (ended["msg"], ended["changed"], ended.has_failed) == ("3 of 3 logs read", False, False)


def test_of_a_log_that_is_too_long_the_end_comes_home(cluster: FakeCluster) -> None:
    (row,) = read(cluster, tail_lines=2)["logs"]
    assert (row["log"], row["truncated"]) == ("two\nthree\n", False)
    (row,) = read(cluster, max_bytes=7)["logs"]
    assert (row["log"], row["truncated"]) == ("three\n", True)


def test_the_end_of_a_tail_is_the_end_however_long_it_is(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_logs_task, "MAX_READ", 1 << 20)
    lines = [b"%07d " % number + b"x" * 8000 + b"\n" for number in range(400)]
    cluster.state.logs["shop", "api-0", "app", False] = b"".join(lines) + b"panic: out of luck\n"
    (row,) = read(cluster, tail_lines=400, max_bytes=100_000)["logs"]
    assert row["log"].endswith("panic: out of luck\n")
    assert (row["truncated"], row["reason"]) == (True, None)
    assert row["cut"].startswith("only the last 100 of 400 lines were read, since more are longer than 1048576 bytes; ")
    assert [line.partition("tailLines=")[2] for line in cluster.asked_for("/log?")] == ["400", "100"]
    (row,) = read(cluster, tail_lines=3)["logs"]
    assert (row["truncated"], row["cut"]) == (False, None)


def test_a_long_log_in_small_pieces_costs_what_it_is_long() -> None:
    end = End(1 << 20)
    for _piece in range(20_000):
        end.take(b"y" * 1000)
    # each byte is moved about twice, where it was moved a thousand times
    assert (len(end.data), end.size, len(end._kept) <= 3 << 20) == (1 << 20, 20_000_000, True)


@pytest.mark.parametrize(
    ("entry", "reason", "said"),
    [
        ({**NAMED, "pod": "nobody"}, "PodGone", 'pods "nobody" not found'),
        ({**NAMED, "container": "nobody"}, "InvalidRequest", "container nobody is not valid for pod api-0"),
        ({**NAMED, "container": "proxy", "previous": True}, "InvalidRequest", 'terminated container "proxy"'),
    ],
)
def test_a_log_that_cannot_be_had_is_told_beside_those_that_can(
    cluster: FakeCluster, entry: dict[str, Any], reason: str, said: str
) -> None:
    ended = read(cluster, entry, NAMED)
    lost, found = ended["logs"]
    assert (lost["log"], lost["truncated"], lost["reason"]) == (None, False, reason)
    assert said in lost["msg"]
    assert found["log"] == "one\ntwo\nthree\n"
    assert not ended.has_failed
    assert [row["reason"] for row in ended["failed_targets"]] == [reason]


def test_a_task_of_which_no_log_came_has_failed(cluster: FakeCluster) -> None:
    cluster.state.denied.add("get pods/log")
    ended = read(cluster)
    assert ended.has_failed
    assert ended["reason"] == "RbacDenied"
    assert 'resources: ["pods/log"], verbs: ["get"]' in ended["hint"]


def test_a_pod_without_a_node_has_an_empty_log(cluster: FakeCluster) -> None:
    waiting = pod("api-2")
    del waiting["spec"]["nodeName"]
    cluster.state.put(waiting)
    (row,) = read(cluster, {**NAMED, "pod": "api-2"})["logs"]
    assert (row["log"], row["reason"]) == ("", None)


@pytest.mark.parametrize("option", ["tail_lines", "max_bytes", "concurrency", "timeout"])
def test_nothing_is_asked_where_an_option_is_not_to_be_had(cluster: FakeCluster, option: str) -> None:
    ended = read(cluster, **{option: 0})
    assert ended.has_failed
    assert ended["reason"] == "InvalidRequest"
    assert option in ended["msg"]
    assert cluster.requests == []
