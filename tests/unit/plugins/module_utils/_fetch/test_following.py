# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A watch through what happens to watches: a real HTTP server and the real client, without a cluster behind them."""

from __future__ import annotations

import copy
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.inject import inject
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.tests.unit.support.pods import pod, target
from kubernetes.client import ApiClient, Configuration

CONTAINER = {"name": "debugger-1", "image": "busybox:1.37", "command": ["sleep", "60"], "targetContainerName": "app"}
STARTED = {"running": {"startedAt": "2026-11-23T03:00:00Z"}}
EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}
BOOKMARK = {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": "40"}}}
# what a connection does after its events
CUT, END, SILENT = "cut", "end", "silent"


def seen(version: int, state: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    """The pod with the debugger in it, in a state."""
    now = copy.deepcopy(pod(ephemeralContainers=[CONTAINER]))
    now["metadata"]["resourceVersion"] = str(version)
    now["status"].update(status)
    if state is not None:
        now["status"]["ephemeralContainerStatuses"] = [{"name": "debugger-1", "state": state}]
    return now


def modified(*pods: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "MODIFIED", "object": entry} for entry in pods]


class Server(ThreadingHTTPServer):
    """Answers each watch by the next of watches, a GET of the pod by now, a PATCH by the pod with the debugger."""

    daemon_threads = True

    def __init__(self, watches: list[tuple[list[dict[str, Any]], str]], now: dict[str, Any] | None) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.watches = watches
        self.now = now
        self.versions: list[str] = []
        self.over = threading.Event()


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *words: Any) -> None:
        """Prints nothing."""

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.whole(200, seen(8))

    def do_GET(self) -> None:
        if "watch=true" not in self.path:
            gone = {"kind": "Status", "code": 404, "message": 'pods "api-0" not found'}
            self.whole(200 if self.server.now else 404, self.server.now or gone)
            return
        self.server.versions.append(self.path.partition("resourceVersion=")[2].partition("&")[0])
        events, then = self.server.watches.pop(0) if self.server.watches else ([], CUT)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in events:
            line = json.dumps(event).encode() + b"\n"
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
        if then == SILENT:
            self.server.over.wait(20)
        if then == END:
            self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def whole(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


Serve = Callable[..., tuple[Cluster, Server]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers, and ends them with the test."""
    servers: list[Server] = []

    def start(*watches: tuple[list[dict[str, Any]], str], now: dict[str, Any] | None = None) -> tuple[Cluster, Server]:
        server = Server(list(watches), now)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return Cluster(ApiClient(Configuration(host=f"http://127.0.0.1:{server.server_port}"))), server

    yield start
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()


def test_a_watch_that_the_server_ends_goes_on_where_it_ended_also_behind_a_bookmark(serve: Serve) -> None:
    cluster, server = serve(([BOOKMARK], END), (modified(seen(41, STARTED)), SILENT))
    assert inject(cluster, target(), CONTAINER, Deadline(5)).is_running
    assert server.versions == ["7", "40"]


def test_a_watch_that_breaks_goes_on_from_the_pod_as_it_is_now(serve: Serve) -> None:
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    cluster, server = serve(
        (modified(seen(9, waiting)), CUT), (modified(seen(21, STARTED)), SILENT), now=seen(20, waiting)
    )
    assert inject(cluster, target(), CONTAINER, Deadline(5)).is_running
    assert server.versions == ["7", "20"]


def test_a_version_that_the_server_has_forgotten_is_no_failure(serve: Serve) -> None:
    cluster, server = serve(([EXPIRED], END), now=seen(50, STARTED))
    assert inject(cluster, target(), CONTAINER, Deadline(5)).is_running
    assert server.versions == ["7"]


def test_what_happened_while_the_watch_was_broken_is_not_missed(serve: Serve) -> None:
    backing_off = {"waiting": {"reason": "ImagePullBackOff", "message": "no such host"}}
    cluster, _server = serve(([], CUT), now=seen(20, backing_off))
    with pytest.raises(Failure, match="no such host") as caught:
        inject(cluster, target(), CONTAINER, Deadline(5))
    assert caught.value.reason == "ImagePullFailed"


def test_a_pod_that_went_while_the_watch_was_broken_is_gone(serve: Serve) -> None:
    cluster, _server = serve(([], CUT))
    with pytest.raises(Failure) as caught:
        inject(cluster, target(), CONTAINER, Deadline(5))
    assert caught.value.reason == "PodGone"


def test_a_server_that_only_breaks_watches_is_given_up(serve: Serve) -> None:
    cluster, server = serve(now=seen(20))
    with pytest.raises(Failure) as caught:
        inject(cluster, target(), CONTAINER, Deadline(3))
    assert caught.value.reason == "WaitTimeout"
    assert len(server.versions) < 8


@pytest.mark.parametrize("watches", [[([], SILENT)], [([], END)] * 50, [([BOOKMARK], CUT)] * 50])
def test_waiting_never_takes_longer_than_it_may(serve: Serve, watches: list[tuple[list[dict[str, Any]], str]]) -> None:
    cluster, _server = serve(*watches, now=seen(20))
    began = time.monotonic()
    with pytest.raises(Failure):
        inject(cluster, target(), CONTAINER, Deadline(1))
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (
            seen(20, conditions=[{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}]),
            "NodeNotReady",
        ),
        (
            seen(
                20,
                conditions=[
                    {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady"},
                    {"type": "ContainersReady", "status": "True"},
                ],
            ),
            None,
        ),
    ],
)
def test_a_node_that_is_lost_meanwhile_is_said_as_soon_as_the_pod_shows_it(
    serve: Serve, now: dict[str, Any], reason: str | None
) -> None:
    cluster, _server = serve((modified(now, seen(21, STARTED)), SILENT))
    if reason is None:
        assert inject(cluster, target(), CONTAINER, Deadline(5)).is_running
        return
    with pytest.raises(Failure) as caught:
        inject(cluster, target(), CONTAINER, Deadline(5))
    assert caught.value.reason == reason
