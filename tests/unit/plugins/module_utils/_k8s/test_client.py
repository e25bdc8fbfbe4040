# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server that swallows what is sent to it, as a firewall does: no connection is ever made and nothing is refused."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, within
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.pace import Pace
from ansible_collections.incident.distroless.plugins.module_utils._k8s import client as client_module
from ansible_collections.incident.distroless.plugins.module_utils._k8s.answers import parse_event
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._k8s.lists import each_item
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import open_exec
from ansible_collections.incident.distroless.tests.unit.support.fake_cluster import Fault, Reply, fake_cluster
from kubernetes import client


@pytest.fixture
def black_hole() -> Iterator[Cluster]:
    """A listener whose backlog is full: the kernel drops every further SYN."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _number in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(listener.getsockname())
        configuration = client.Configuration(host=f"http://127.0.0.1:{listener.getsockname()[1]}")
        yield Cluster(client.ApiClient(configuration), Deadline(1))
        for connection in waiting:
            connection.close()


PODS = "/api/v1/namespaces/shop/pods"
CALLS: dict[str, Callable[[Cluster], object]] = {
    "get": lambda cluster: cluster.get("/api/v1/pods", "looking"),
    "watch": lambda cluster: cluster.watch("/api/v1/pods", "watching", ()).__enter__(),
    "exec": lambda cluster: open_exec(cluster, "shop", "api-0", "app", ["sh"]),
}


@pytest.mark.parametrize("call", CALLS)
def test_no_answer_takes_much_longer_than_the_deadline(black_hole: Cluster, call: str) -> None:
    began = time.monotonic()
    with pytest.raises(Failure) as caught:
        CALLS[call](black_hole)
    assert time.monotonic() - began < 20
    # it has never answered: there is nothing that it is slow in
    assert caught.value.reason == "ApiUnreachable"
    assert black_hole.host in caught.value.message


@pytest.mark.parametrize("body", [{}, {"items": {}}, {"items": "no pods"}, {"kind": "Login", "url": "/sign-in"}])
def test_what_a_gateway_says_in_place_of_a_list_is_not_taken_for_an_empty_one(body: dict[str, object]) -> None:
    with fake_cluster() as found:
        found.faults += [Fault("/pods", Reply(200, body))]
        with pytest.raises(Failure) as caught:
            list(each_item(found.client(), PODS, "looking for pods"))
    assert (caught.value.reason, "not a list" in caught.value.message) == ("ApiUnreachable", True)


def test_an_empty_list_is_one_however_it_is_written() -> None:
    with fake_cluster() as found:
        found.faults += [Fault("/pods", Reply(200, {"kind": "PodList", "items": None}))]
        assert list(each_item(found.client(), PODS, "looking for pods")) == []


@pytest.mark.parametrize(
    ("event", "is_one"),
    [
        ({"type": "MODIFIED", "object": {"metadata": {"resourceVersion": "7"}}}, True),
        ({"type": "ERROR", "object": {"kind": "Status", "code": 410}}, True),
        ({"type": "MODIFIED", "object": {"metadata": {}}}, False),
        ({"type": "MODIFIED", "object": {"metadata": "none"}}, False),
        ({"type": "ADDED", "object": {}}, False),
        ({"object": {"metadata": {"resourceVersion": "7"}}}, False),
    ],
)
def test_a_watch_event_is_of_a_version(event: dict[str, object], *, is_one: bool) -> None:
    assert (parse_event(json.dumps(event).encode()) is not None) == is_one


def test_requests_and_streams_wait_for_their_place_in_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    # from the true one, by which deadlines are set: a machine that has just started has lived for less than any number
    clock, slept = [time.monotonic()], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    with fake_cluster() as found:
        cluster = found.client(60, Pace(1))
        monkeypatch.setattr(
            client_module, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep, time=time.time)
        )
        for _number in range(6):
            cluster.until(Deadline(60)).get(PODS, "looking")
        cluster.dial("opening a stream").close()
    assert [round(seconds, 3) for seconds in slept] == [0, 0, 0, 0, 0, 1, 1]


def test_a_place_that_comes_after_the_deadline_is_not_waited_for() -> None:
    with fake_cluster() as found:
        cluster = found.client(60, Pace(0.001))
        cluster.get(PODS, "looking")
        with pytest.raises(Failure) as caught:
            cluster.get(PODS, "looking once more")
    assert caught.value.reason == "WaitTimeout"
    assert "requests_per_second" in str(caught.value.hint)


def test_after_the_deadline_no_place_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    with fake_cluster() as found:
        cluster = found.client(60, Pace(0.001))
        cluster.get(PODS, "looking")
        monkeypatch.setattr(client_module.time, "sleep", slept.append)
        with pytest.raises(Failure) as caught:
            cluster.until(Deadline(-1)).dial("opening a stream")
    assert caught.value.reason == "WaitTimeout"
    assert slept == []


# more than anybody waits for, a byte at a time
ENDLESS = 600


@pytest.fixture
def dripping(request: pytest.FixtureRequest) -> Iterator[tuple[str, list[bytes]]]:
    """The URL of a server that answers at once, and whose answer's body comes a byte at a time; what it has said of that so far."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        is_over = threading.Event()
        said: list[bytes] = []

        def answer() -> None:
            with suppress(OSError):
                connection, _address = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    head = f"HTTP/1.1 {request.param}\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n"
                    connection.sendall(head.encode())
                    for _byte in range(ENDLESS):
                        connection.sendall(b" ")
                        said.append(b" ")
                        if is_over.wait(0.1):
                            return

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", said
        is_over.set()


def first_event(cluster: Cluster) -> object:
    with cluster.watch("/api/v1/pods", "watching", ()) as events:
        return next(events)


READS: dict[str, Callable[[Cluster], object]] = {
    "get": CALLS["get"],
    "stream": lambda cluster: cluster.stream("/api/v1/log", "reading", (), lambda _piece: None),
    "watch": first_event,
}


@pytest.mark.parametrize("dripping", ["200 OK", "403 Forbidden"], indirect=True)
@pytest.mark.parametrize("call", READS)
def test_an_answer_that_comes_byte_by_byte_gets_no_more_time_than_any_other(
    dripping: tuple[str, list[bytes]], call: str
) -> None:
    url, said = dripping
    cluster = Cluster(client.ApiClient(client.Configuration(host=url)), Deadline(1))
    with pytest.raises(Failure) as caught:
        READS[call](cluster)
    assert len(said) < ENDLESS
    assert caught.value.reason == "WaitTimeout"


def test_after_a_pause_that_the_server_asked_for_only_what_is_left_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits: list[float] = []

    def measured(seconds: float, call: Callable[[], object], **options: bool) -> object:
        limits.append(seconds)
        return within(seconds, call, **options)

    with fake_cluster() as server:
        server.faults += [Fault("/pods", Reply(429, {}, {"Retry-After": "9"}))]
        cluster = server.client(20)

        def pause(seconds: float) -> None:
            cluster.deadline._at -= seconds

        monkeypatch.setattr(client_module, "within", measured)
        monkeypatch.setattr(client_module.time, "sleep", pause)
        with pytest.raises(Failure, match="not found"):
            cluster.get("/api/v1/namespaces/shop/pods/nobody", "looking")
        assert len(server.asked_for("/pods")) == 2
    before, after = limits[1], limits[-1]
    assert before <= 20
    assert after <= 11


def test_a_credential_plugin_that_hangs_is_started_once_for_all_that_wait_for_it(tmp_path: Path) -> None:
    started = tmp_path / "started"

    def refresh(_configuration: client.Configuration) -> None:
        # what a kubeconfig's plugin is run by
        subprocess.run(["sh", "-c", f"echo $$ >>{started}; exec sleep 600"], check=True)

    configuration = client.Configuration(host="https://192.0.2.1")
    configuration.api_key = {"authorization": "Bearer expired", "BearerToken": "Bearer expired"}
    configuration.refresh_api_key_hook = refresh
    cluster = Cluster(client.ApiClient(configuration), Deadline(3))
    before = set(threading.enumerate())
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(cluster.headers, "looking") for _number in range(8)]
    failures = [future.exception() for future in asked]
    # on a busy machine some began to ask when the time was up
    assert {failure.reason for failure in failures if isinstance(failure, Failure)} <= {"ApiUnreachable", "WaitTimeout"}
    assert None not in failures
    until = time.monotonic() + 60
    while set(threading.enumerate()) - before:
        assert time.monotonic() < until, "somebody still waits for a plugin"
        time.sleep(0.02)
    pids = started.read_text(encoding="ascii").split() if started.exists() else []
    assert len(pids) <= 1
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_what_a_call_raises_in_time_is_raised_as_it_is() -> None:
    def refuse() -> None:
        raise Failure("NoTarget", "none")

    with pytest.raises(Failure) as caught:
        within(10, refuse)
    assert caught.value.reason == "NoTarget"
    assert within(10, lambda: 7) == 7
