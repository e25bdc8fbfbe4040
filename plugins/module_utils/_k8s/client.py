# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API server as we use it: a client that kubernetes.core authenticated, JSON requests and watches, all with time-outs.

Requests go through the connection pool of that client (its TLS, proxy and token settings) without the typed API
classes, whose import costs more than the request.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, within
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.pace import Pace
from ansible_collections.incident.distroless.plugins.module_utils._k8s.answers import close, parse_event, read
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import (
    failure_from_status,
    parse_status,
    retry_after,
)
from ansible_collections.incident.distroless.plugins.module_utils._k8s.certificates import refusal
from ansible_collections.incident.distroless.plugins.module_utils._k8s.redaction import (
    harmless,
    with_port,
    without_password,
)

Query = Sequence[tuple[str, str]]

# one request; the work as a whole has its own deadline
REQUEST_TIMEOUT = 30.0
# a watch event carries a whole pod (the API's own limit is 1.5 MiB in etcd)
MAX_EVENT = 8 << 20
CHUNK = 1 << 16
_LEAST_PAUSE = 0.1

PLUGIN_HINT = "Run the kubeconfig's credential plugin by itself, and see what it waits for."


def api_path(*segments: str) -> str:
    """A path of the API whose segments are quoted, so that a name with a slash is a name with a slash.

    Raises Failure InvalidRequest for a segment that would make it the path of something else.
    """
    for segment in segments:
        if segment in ("", ".", ".."):
            raise Failure("InvalidRequest", f"{segment!r} is not a valid object name.", "Set the name of the object.")
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def pod_path(namespace: str, name: str, *subresource: str) -> str:
    """The path of a pod or of its subresource."""
    return api_path("api", "v1", "namespaces", namespace, "pods", name, *subresource)


@dataclass(slots=True)
class _Learned:
    """What an API server's answers have shown: how far its clock is ahead of ours in seconds, if they say so, and that there is one."""

    clock_offset: float | None = None
    has_answered: bool = False


class Cluster:
    """An API server, how to reach it, and until when: what is asked later raises WaitTimeout. Safe to use from several threads."""

    def __init__(self, api_client: Any, deadline: Deadline, pace: Pace | None = None) -> None:
        """api_client is a kubernetes.client.ApiClient. pace: of requests and new streams; None for no limit."""
        self.deadline = deadline
        self._pace = pace
        self.configuration = api_client.configuration
        # a kubeconfig's token, when it is asked for, sets the configuration's host to the kubeconfig's: the options have the last word
        self._host = str(self.configuration.host).rstrip("/")
        self._default_headers: Mapping[str, str] = api_client.default_headers
        self._pool = api_client.rest_client.pool_manager
        self._learned = _Learned()
        self._credentials = threading.Lock()

    def until(self, deadline: Deadline) -> Self:
        """Return the same server, connections and credentials for work that has a deadline of its own."""
        other = copy(self)
        other.deadline = deadline
        return other

    @property
    def host(self) -> str:
        """The URL of the API server, for requests: somebody can have put a password into it."""
        return self._host

    @property
    def name(self) -> str:
        """The URL of the API server without what stands before its @, which names the cluster to people and in manifests."""
        return without_password(self.host)

    @property
    def place(self) -> str:
        """The URL of the API server without a password and with its port, for messages."""
        return with_port(self.name)

    def now(self) -> float:
        """Seconds since the epoch on the API server's clock, by the Date of its last answer."""
        return time.time() + self.clock_offset

    @property
    def clock_offset(self) -> float:
        """Return the seconds by which the API server's clock is ahead of this machine's, by the Date of its last answer."""
        return self._learned.clock_offset or 0.0

    @property
    def has_clock(self) -> bool:
        """Return whether an answer had a Date."""
        return self._learned.clock_offset is not None

    def headers(self, doing: str) -> list[tuple[str, str]]:
        """Return authentication and impersonation headers; a refreshing token is asked for again, within the deadline.

        A list: impersonating several groups repeats a header. Raises Failure.
        """
        seconds = min(REQUEST_TIMEOUT, self.deadline.remaining(doing))
        # the same moment for all that share the deadline
        until = min(time.monotonic() + REQUEST_TIMEOUT, self.deadline.moment)
        try:
            return within(seconds, lambda: self._headers(until), ends_programs=True)
        except TimeoutError as error:
            why = f"{doing}: the credentials for {self.place} cannot be had in time."
            raise Failure("ApiUnreachable", why, PLUGIN_HINT) from error

    def _headers(self, until: float) -> list[tuple[str, str]]:
        headers = [(str(name), str(value)) for name, value in self._default_headers.items()]
        # an expired token sends every thread to the credential plugin: the first one runs it, the others have what it got
        with self._credentials:
            # else each of those that waited would start it once more, when the first one's time was up and theirs too
            if time.monotonic() >= until:
                raise TimeoutError
            settings = self.configuration.auth_settings().values()
        return headers + [
            (str(setting["key"]), str(setting["value"]))
            for setting in settings
            if setting["in"] == "header" and setting["value"]
        ]

    def get(self, path: str, doing: str, query: Query = ()) -> dict[str, Any]:
        """GET path. Raises Failure, whose message begins with doing."""
        return self._json("GET", path, doing, query)

    def patch(self, path: str, body: Mapping[str, Any], doing: str, query: Query = ()) -> dict[str, Any]:
        """PATCH path with a strategic merge patch. Raises Failure, whose message begins with doing."""
        return self._json("PATCH", path, doing, query, body, "application/strategic-merge-patch+json")

    def post(self, path: str, body: Mapping[str, Any], doing: str, query: Query = ()) -> dict[str, Any]:
        """POST an object to a collection's path. Raises Failure, whose message begins with doing."""
        return self._json("POST", path, doing, query, body)

    def delete(self, path: str, options: Mapping[str, Any], doing: str, query: Query = ()) -> dict[str, Any]:
        """DELETE path with DeleteOptions (preconditions among them). Raises Failure, whose message begins with doing."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        return self._json("DELETE", path, doing, query, body)

    @contextmanager
    def watch(self, path: str, doing: str, query: Query) -> Iterator[Iterator[dict[str, Any]]]:
        """A watch on path: events as dictionaries, until the server ends it or the deadline passes (WaitTimeout)."""
        seconds = self.deadline.remaining(doing)
        answer = self._open("GET", path, doing, [*query, ("watch", "true"), ("timeoutSeconds", str(int(seconds) + 1))])
        try:
            yield self._events(answer, doing)
        finally:
            close(answer)

    def stream(self, path: str, doing: str, query: Query, take: Callable[[bytes], None]) -> None:
        """GET path, whose answer is text, and hands it over piece by piece. Raises Failure."""
        answer = self._open("GET", path, doing, query)
        try:
            pieces: Iterator[bytes] = answer.stream(CHUNK)
            while piece := self._read(answer, lambda: next(pieces, b""), doing):
                take(piece)
        finally:
            close(answer)

    def _json(
        self,
        method: str,
        path: str,
        doing: str,
        query: Query,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        answer = self._open(method, path, doing, query, body, content_type)
        try:
            data = self._read(answer, answer.read, doing)
        except BaseException:
            close(answer)
            raise
        answer.release_conn()
        try:
            parsed = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self._unreachable(doing, "its answer is not JSON") from error
        if not isinstance(parsed, dict):
            raise self._unreachable(doing, "its answer is not a JSON object")
        return parsed

    def _open(
        self,
        method: str,
        path: str,
        doing: str,
        query: Query,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Any:
        import urllib3
        from urllib3._collections import HTTPHeaderDict

        # impersonating several groups repeats a header, which a dict cannot hold
        headers = HTTPHeaderDict(self.headers(doing))
        headers["Accept"] = "application/json"
        if body is not None:
            headers["Content-Type"] = content_type
        url = f"{self.host}{path}" + (f"?{urlencode(query)}" if query else "")
        ask = partial(
            self._pool.request,
            method,
            url,
            headers=headers,
            body=None if body is None else json.dumps(body).encode(),
            retries=urllib3.Retry(
                total=2,
                connect=2,
                read=0,
                redirect=0,
                status=0,
                other=0,
                backoff_factor=0.1,
                # else it takes such an answer for itself, for GET alone, and counts it as one too many
                respect_retry_after_header=False,
            ),
            preload_content=False,
            decode_content=True,
        )
        while True:
            self._wait_for_a_place(doing)
            # after a pause there is less of it
            seconds = min(REQUEST_TIMEOUT, self.deadline.remaining(doing))
            timed = partial(ask, timeout=urllib3.Timeout(total=seconds))
            # each try and each address of the host has the whole time-out
            answer = self._guard(partial(within, seconds, timed), doing)
            self._note(answer.headers)
            if answer.status < 300:
                return answer
            try:
                status = parse_status(self._read(answer, partial(answer.read, 1 << 20), doing))
            finally:
                close(answer)
            pause = retry_after(answer.status, answer.headers.get("Retry-After"))
            # a server that says 0 must not be asked a thousand times a second
            if pause is None or max(pause, _LEAST_PAUSE) >= self.deadline.left():
                raise self.refused(answer.status, status, doing)
            time.sleep(max(pause, _LEAST_PAUSE))

    def _events(self, answer: Any, doing: str) -> Iterator[dict[str, Any]]:
        rest = b""
        chunks = answer.stream(CHUNK)
        while True:
            # urllib3 keeps the request's time-out on the socket; a watch may be silent for as long as the deadline allows
            self._limit_read(answer, self.deadline.remaining(doing))
            chunk = self._read(answer, lambda: next(chunks, b""), doing)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > MAX_EVENT:
                raise self._unreachable(doing, f"a watch event is longer than {MAX_EVENT} bytes")
            for line in filter(None, lines):
                event = parse_event(line)
                if event is None:
                    raise self._unreachable(doing, f"expected a watch event, got {line[:100]!r}")
                if event["type"] == "ERROR":
                    status = event["object"]
                    code = status.get("code")
                    raise self.refused(code if isinstance(code, int) and code else 500, status, doing)
                yield event

    @staticmethod
    def _limit_read(answer: Any, seconds: float) -> None:
        sock = getattr(answer.connection, "sock", None)
        if sock is not None:
            sock.settimeout(seconds)

    def dial(self, doing: str) -> Any:
        """Return a connected socket to the API server, by the way that requests go: the same proxy, certificates and names.

        Its time-out is what is left, at most REQUEST_TIMEOUT. Raises Failure.
        """
        self._wait_for_a_place(doing)
        seconds = min(REQUEST_TIMEOUT, self.deadline.remaining(doing))
        # each address of the host and each line of a proxy's answer has the whole time-out
        return self._guard(lambda: within(seconds, partial(self._connected, seconds)), doing)

    def _connected(self, seconds: float) -> Any:
        from http.client import HTTPException

        from urllib3.exceptions import HTTPError, ProtocolError, ProxyError

        # what urllib3 itself does before it sends a request: a stream is no request, and it has no public way to ask for one
        pool = self._pool.connection_from_url(self.host)
        connection = pool._new_conn()  # noqa: SLF001
        connection.timeout = seconds
        try:
            if pool.proxy is None:
                connection.connect()
            elif pool.scheme == "https":
                pool._prepare_proxy(connection)  # noqa: SLF001
            else:
                parts = urlsplit(self.host)
                connection.set_tunnel(parts.hostname, parts.port or 80, headers=pool.proxy_headers)
                connection.connect()
        except (HTTPException, OSError, ValueError, HTTPError) as error:
            is_at_proxy = pool.proxy is not None and not getattr(connection, "has_connected_to_proxy", True)
            connection.close()
            if is_at_proxy:
                raise ProxyError("no connection to the proxy", error) from error
            raise ProtocolError("no connection", error) from error
        connection.sock.settimeout(seconds)
        return connection.sock

    def _wait_for_a_place(self, doing: str) -> None:
        pause = self._pace.take(time.monotonic()) if self._pace else 0.0
        if pause and pause >= self.deadline.left():
            failure = self.deadline.expired(doing)
            failure.hint = f"Raise {self.deadline.option} or requests_per_second."
            raise failure
        time.sleep(pause)

    def _read(self, answer: Any, call: Callable[[], bytes], doing: str) -> bytes:
        """Return what a call reads of an answer. Raises Failure."""
        data: bytes = self._guard(partial(read, answer, call, self.deadline.remaining(doing)), doing)
        return data

    def _guard(self, call: Callable[[], Any], doing: str) -> Any:
        import urllib3

        try:
            answer = call()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if refused := refusal(error, doing, self.place):
                raise refused from error
            if self.deadline.left() <= 0:
                # a server that has never said anything is not slow
                raise (
                    self.deadline.expired(doing)
                    if self._learned.has_answered
                    else self._unreachable(doing, f"no answer within {self.deadline.seconds:g} s")
                ) from error
            # the text of these exceptions can hold a proxy's URL with its password: only what is known to be harmless is shown
            cause = getattr(error, "reason", None) or error.__cause__ or error
            raise self._unreachable(doing, harmless(cause)) from error
        self._learned.has_answered = True
        return answer

    def _unreachable(self, doing: str, why: str) -> Failure:
        return Failure("ApiUnreachable", f"{doing}: {self.place} does not answer as it should ({why}).")

    def refused(self, code: int, status: Mapping[str, Any], doing: str) -> Failure:
        """Return what an error answer means; one that no object or rule explains names the server."""
        failure = failure_from_status(code, status, doing)
        if failure.reason == "ApiUnreachable":
            failure.message += f" from {self.place}"
        return failure

    def _note(self, headers: Mapping[str, str]) -> None:
        if date := headers.get("Date"):
            try:
                self._learned.clock_offset = parsedate_to_datetime(date).timestamp() - time.time()
            except (ValueError, OverflowError):
                return
