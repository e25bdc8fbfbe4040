# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster behind a real HTTP server of this process, so that all that speaks to it is the real thing.

What no API server would do when asked to (a watch that breaks, an answer that is none) is laid down as a Fault.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.pace import Pace
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from kubernetes.client import ApiClient, Configuration

from .api_replies import Refused, Reply
from .api_state import ApiState
from .fake_exec import accepted
from .kubelets import Kubelet, Object, runs

TOKEN = "the-on-call-person's"
USER = {
    "username": "oncall@example.org",
    "groups": ["sre"],
    "extra": {"authentication.kubernetes.io/credential-id": ["x"]},
}
VERSION = {"major": "1", "minor": "36", "gitVersion": "v1.36.3", "platform": "linux/amd64"}
# what a connection does after the events of a Stream
CUT, END, SILENT = "cut", "end", "silent"


@dataclass(frozen=True, slots=True)
class Stream:
    """A watch's answer as it is laid down."""

    events: Sequence[Mapping[str, Any]] = ()
    then: str = END


# an answer that never begins, and that of an exec which is accepted and says nothing
MUTE, SPEECHLESS = Stream(then="mute"), Stream(then="speechless")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is answered in the place of the truth, once, to the first request whose line has `asked` in it."""

    asked: str
    answer: Reply | Stream


class FakeCluster:
    """The cluster: its state, the requests that came, and what is answered wrongly."""

    def __init__(self, url: str, kubelet: Kubelet) -> None:
        self.url = url
        self.state = ApiState(kubelet)
        self.faults: list[Fault] = []
        # METHOD path?query of each request, as people read it
        self.requests: list[str] = []
        self.bodies: list[Object] = []
        self.over = threading.Event()

    def client(self, seconds: float = 20, pace: Pace | None = None) -> Cluster:
        """Return the collection's own client of it, for so many seconds from now on."""
        configuration = Configuration(host=self.url, api_key={"authorization": f"Bearer {TOKEN}"})
        return Cluster(ApiClient(configuration), Deadline(seconds), pace)

    def options(self) -> dict[str, Any]:
        """Return the options with which a task reaches it."""
        return {"host": self.url, "api_key": TOKEN}

    def asked_for(self, word: str) -> list[str]:
        """Return the requests with a word in them, in the order in which they came."""
        return [line for line in self.requests if word in line]

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply | Stream | Watch:
        """Return what is answered to a request. Raises Refused."""
        line = f"{method} {unquote(path)}"
        place, query = urlsplit(path), dict(parse_qsl(urlsplit(path).query))
        given = json.loads(body) if body else {}
        with self.state.changed:
            self.requests.append(line)
            self.bodies.append(given)
            for fault in self.faults:
                if fault.asked in line:
                    self.faults.remove(fault)
                    return fault.answer
        if headers.get("authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "Unauthorized", "Unauthorized", has_details=False)
        return self._route(method, [unquote(part) for part in place.path.split("/")[1:]], query, given, headers)

    def _route(
        self, method: str, parts: list[str], query: dict[str, str], given: Object, headers: Mapping[str, str]
    ) -> Reply | Watch:
        match parts:
            case ["version"]:
                return Reply(200, VERSION)
            case ["apis", "authentication.k8s.io", "v1", "selfsubjectreviews"]:
                review = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
                metadata = {"creationTimestamp": "2026-11-23T03:00:00Z"}
                return Reply(201, {**review, "metadata": metadata, "status": {"userInfo": USER}})
            case ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"]:
                about = given["spec"]["resourceAttributes"]
                what = "/".join(part for part in (about["resource"], about.get("subresource")) if part)
                allowed = f"{about['verb']} {what}" not in self.state.denied
                return Reply(201, {**given, "status": {"allowed": allowed}})
            case ["api", "v1", "namespaces", namespace, resource, *rest]:
                pass
            case ["apis", ("apps" | "batch"), "v1", "namespaces", namespace, resource, *rest]:
                pass
            case ["api", "v1", ("namespaces" | "nodes" | "pods") as resource, *rest]:
                namespace = ""
            case _:
                return Reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})
        name, subresource = (*rest, "", "")[:2]
        self._authorize(method, namespace, resource, name, subresource, query, headers)
        if method == "GET" and subresource == "log":
            return self.state.log(namespace, name, query)
        return self._do(method, (namespace, resource, name), subresource, query, given, headers)

    def _authorize(
        self,
        method: str,
        namespace: str,
        resource: str,
        name: str,
        subresource: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
    ) -> None:
        verb = {"GET": "get", "POST": "create", "PATCH": "patch", "DELETE": "delete"}[method]
        if verb == "get" and not name:
            verb = "watch" if query.get("watch") == "true" else "list"
        what = f"{resource}/{subresource}" if subresource else resource
        user = headers.get("impersonate-user", USER["username"])
        if user == USER["username"] and f"{verb} {what}" not in self.state.denied:
            return
        of = f'{resource} "{name}"' if name else resource
        where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
        words = f'User "{user}" cannot {verb} resource "{what}" in API group ""{where}'
        details = {"kind": resource, **({"name": name} if name else {})}
        raise Refused(403, "Forbidden", f"{of} is forbidden: {words}", details=details)

    def _do(
        self,
        method: str,
        key: tuple[str, str, str],
        subresource: str,
        query: dict[str, str],
        given: Object,
        headers: Mapping[str, str],
    ) -> Reply | Watch:
        namespace, resource, name = key
        match method, bool(name):
            case "GET", True:
                return Reply(200, self.state.get(name, namespace, resource))
            case "GET", False if query.get("watch") == "true":
                return Watch(namespace, resource, query)
            case "GET", False:
                return Reply(200, self.state.items(namespace, resource, query))
            case "POST", False:
                return Reply(201, self.state.create(namespace, resource, given, query))
            case "PATCH", True:
                content_type = headers.get("content-type", "")
                return Reply(200, self.state.patch(key, subresource, given, content_type, query))
            case "DELETE", True:
                return Reply(200, self.state.delete(key, given, query))
        words = "the server does not allow this method on the requested resource"
        raise Refused(405, "MethodNotAllowed", words)


@dataclass(frozen=True, slots=True)
class Watch:
    """A watch that follows the state."""

    namespace: str
    resource: str
    query: Mapping[str, str]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    cluster: FakeCluster


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # head and body go out in two writes: the second would wait for the answer to the first
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *words: Any) -> None:
        """Prints nothing."""

    def handle_one(self) -> None:
        cluster = self.server.cluster
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            answer = cluster.answer(
                self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body
            )
            if isinstance(answer, Watch):
                self._follow(answer, cluster)
            elif isinstance(answer, Stream):
                self._stream(answer, cluster)
            else:
                self._whole(answer)
        except Refused as refused:
            self._whole(refused.reply)
        except OSError:
            # the client has heard enough of a watch
            self.close_connection = True

    # the names under which http.server looks for them
    do_GET = do_POST = do_PATCH = do_DELETE = handle_one  # noqa: N815

    def _whole(self, reply: Reply) -> None:
        data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        about = {"Content-Type": "application/json", "Content-Length": str(len(data))} if reply.status != 204 else {}
        for name, value in {**about, "Audit-Id": "4711", **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The time as a Date header says it."""
        return formatdate(timestamp, usegmt=True)

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _send(self, event: Mapping[str, Any]) -> None:
        line = json.dumps(event).encode() + b"\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

    def _stream(self, stream: Stream, cluster: FakeCluster) -> None:
        if stream is SPEECHLESS:
            self.wfile.write(accepted(self.headers["Sec-WebSocket-Key"].encode()))
        if stream in (MUTE, SPEECHLESS):
            self.close_connection = True
            cluster.over.wait(60)
            return
        self._begin()
        for event in stream.events:
            self._send(event)
        if stream.then == SILENT:
            cluster.over.wait(60)
        if stream.then == END:
            self.wfile.write(b"0\r\n\r\n")
            return
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _follow(self, watch: Watch, cluster: FakeCluster) -> None:
        state, seen = cluster.state, int(watch.query["resourceVersion"])
        seconds = int(watch.query.get("timeoutSeconds", 60))
        self._begin()
        try:
            while not cluster.over.is_set():
                with state.changed:
                    news = state.events(watch.namespace, watch.resource, watch.query, seen)
                    if not news and not state.changed.wait(seconds):
                        break
                for version, event in news:
                    self._send(event)
                    seen = version
        except Refused as refused:
            self._send({"type": "ERROR", "object": refused.reply.body})
        self.wfile.write(b"0\r\n\r\n")


@contextmanager
def fake_cluster(kubelet: Kubelet = runs) -> Iterator[FakeCluster]:
    """Run a cluster, whose namespace shop is empty, and end it with all its watches."""
    server = _Server(("127.0.0.1", 0), _Handler)
    cluster = server.cluster = FakeCluster(f"http://127.0.0.1:{server.server_port}", kubelet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield cluster
    finally:
        cluster.over.set()
        with cluster.state.changed:
            cluster.state.changed.notify_all()
        server.shutdown()
        server.server_close()
        thread.join()
