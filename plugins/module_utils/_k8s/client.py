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
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline, within
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import (
    failure_from_status,
    parse_status,
    retry_after,
)

Query = Sequence[tuple[str, str]]

# one request; the work as a whole has its own deadline
REQUEST_TIMEOUT = 30.0
# a watch event carries a whole pod (the API's own limit is 1.5 MiB in etcd)
MAX_EVENT = 8 << 20
CHUNK = 1 << 16


def api_path(*segments: str) -> str:
    """A path of the API whose segments are quoted, so that a name with a slash is a name with a slash.

    Raises Failure InvalidRequest for a segment that would make it the path of something else.
    """
    for segment in segments:
        if segment in ("", ".", ".."):
            raise Failure("InvalidRequest", f"{segment!r} is no name of an object.", "Set the name that was meant.")
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def pod_path(namespace: str, name: str, *subresource: str) -> str:
    """The path of a pod or of its subresource."""
    return api_path("api", "v1", "namespaces", namespace, "pods", name, *subresource)


class Cluster:
    """An API server and how to reach it. Safe to use from several threads."""

    def __init__(self, api_client: Any) -> None:
        """api_client is a kubernetes.client.ApiClient."""
        self.configuration = api_client.configuration
        self._default_headers: Mapping[str, str] = api_client.default_headers
        self._pool = api_client.rest_client.pool_manager
        self._clock_offset = 0.0

    @property
    def host(self) -> str:
        """The URL of the API server, for requests: somebody can have put a password into it."""
        return str(self.configuration.host).rstrip("/")

    @property
    def name(self) -> str:
        """The URL of the API server without what stands before its @, which names the cluster to people and in manifests."""
        return re.sub(r"//[^/]*@", "//", self.host)

    def now(self) -> float:
        """Seconds since the epoch on the API server's clock, by the Date of its last answer."""
        return time.time() + self._clock_offset

    def headers(self) -> list[tuple[str, str]]:
        """Authentication and impersonation headers; a refreshing token is asked for again.

        A list: impersonating several groups repeats a header.
        """
        headers = [(str(name), str(value)) for name, value in self._default_headers.items()]
        settings = self.configuration.auth_settings().values()
        return headers + [
            (str(setting["key"]), str(setting["value"]))
            for setting in settings
            if setting["in"] == "header" and setting["value"]
        ]

    def get(self, path: str, doing: str, deadline: Deadline, query: Query = ()) -> dict[str, Any]:
        """GET path. Raises Failure, whose message begins with doing."""
        return self._json("GET", path, doing, deadline, query)

    def patch(
        self, path: str, body: Mapping[str, Any], doing: str, deadline: Deadline, query: Query = ()
    ) -> dict[str, Any]:
        """PATCH path with a strategic merge patch. Raises Failure, whose message begins with doing."""
        return self._json("PATCH", path, doing, deadline, query, body, "application/strategic-merge-patch+json")

    def post(
        self, path: str, body: Mapping[str, Any], doing: str, deadline: Deadline, query: Query = ()
    ) -> dict[str, Any]:
        """POST an object to a collection's path. Raises Failure, whose message begins with doing."""
        return self._json("POST", path, doing, deadline, query, body)

    def delete(
        self, path: str, options: Mapping[str, Any], doing: str, deadline: Deadline, query: Query = ()
    ) -> dict[str, Any]:
        """DELETE path with DeleteOptions (preconditions among them). Raises Failure, whose message begins with doing."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        return self._json("DELETE", path, doing, deadline, query, body)

    @contextmanager
    def watch(self, path: str, doing: str, deadline: Deadline, query: Query) -> Iterator[Iterator[dict[str, Any]]]:
        """A watch on path: events as dictionaries, until the server ends it or the deadline passes (WaitTimeout)."""
        seconds = deadline.remaining(doing)
        answer = self._open(
            "GET", path, doing, deadline, [*query, ("watch", "true"), ("timeoutSeconds", str(int(seconds) + 1))]
        )
        try:
            yield self._events(answer, doing, deadline)
        finally:
            answer.close()

    def stream(self, path: str, doing: str, deadline: Deadline, query: Query, take: Callable[[bytes], None]) -> None:
        """GET path, whose answer is text, and hands it over piece by piece. Raises Failure."""
        answer = self._open("GET", path, doing, deadline, query)
        try:
            pieces: Iterator[bytes] = answer.stream(CHUNK)
            while piece := self._guard(lambda: next(pieces, b""), doing, deadline):
                take(piece)
                deadline.remaining(doing)
        finally:
            answer.close()

    def _json(
        self,
        method: str,
        path: str,
        doing: str,
        deadline: Deadline,
        query: Query,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        answer = self._open(method, path, doing, deadline, query, body, content_type)
        try:
            parsed = json.loads(self._guard(answer.read, doing, deadline))
        except (ValueError, RecursionError) as error:
            raise Failure("ApiUnreachable", f"{doing}: the answer is not JSON") from error
        finally:
            answer.release_conn()
        if not isinstance(parsed, dict):
            raise Failure("ApiUnreachable", f"{doing}: the answer is not a JSON object")
        return parsed

    def _open(
        self,
        method: str,
        path: str,
        doing: str,
        deadline: Deadline,
        query: Query,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> Any:
        import urllib3
        from urllib3._collections import HTTPHeaderDict

        # impersonating several groups repeats a header, which a dict cannot hold
        headers = HTTPHeaderDict(self.headers())
        headers["Accept"] = "application/json"
        if body is not None:
            headers["Content-Type"] = content_type
        url = f"{self.host}{path}" + (f"?{urlencode(query)}" if query else "")
        seconds = min(REQUEST_TIMEOUT, deadline.remaining(doing))
        ask = partial(
            self._pool.request,
            method,
            url,
            headers=headers,
            body=None if body is None else json.dumps(body).encode(),
            timeout=urllib3.Timeout(total=seconds),
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
            # each try and each address of the host has the whole time-out
            answer = self._guard(lambda: within(seconds, ask), doing, deadline)
            self._note(answer.headers)
            if answer.status < 300:
                return answer
            status = parse_status(self._guard(partial(answer.read, 1 << 20), doing, deadline))
            answer.close()
            pause = retry_after(answer.status, answer.headers.get("Retry-After"))
            if pause is None or pause >= deadline.left():
                raise failure_from_status(answer.status, status, doing)
            # a server that says 0 must not be asked a thousand times a second
            time.sleep(max(pause, 0.1))

    def _events(self, answer: Any, doing: str, deadline: Deadline) -> Iterator[dict[str, Any]]:
        rest = b""
        chunks = answer.stream(CHUNK)
        while True:
            # urllib3 keeps the request's time-out on the socket; a watch may be silent for as long as the deadline allows
            self._limit_read(answer, deadline.remaining(doing))
            chunk = self._guard(lambda: next(chunks, b""), doing, deadline)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > MAX_EVENT:
                raise Failure("ApiUnreachable", f"{doing}: a watch event is longer than {MAX_EVENT} bytes")
            for line in filter(None, lines):
                event = _event(line, doing)
                if event["type"] == "ERROR":
                    status = event["object"]
                    code = status.get("code")
                    raise failure_from_status(code if isinstance(code, int) and code else 500, status, doing)
                yield event

    @staticmethod
    def _limit_read(answer: Any, seconds: float) -> None:
        sock = getattr(answer.connection, "sock", None)
        if sock is not None:
            sock.settimeout(seconds)

    def _guard(self, call: Callable[[], Any], doing: str, deadline: Deadline) -> Any:
        import urllib3

        try:
            return call()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if deadline.left() <= 0:
                raise deadline.expired(doing) from error
            # the text of these exceptions can hold a proxy's URL with its password: only what is known to be harmless is shown
            cause = getattr(error, "reason", None) or error.__cause__ or error
            raise Failure(
                "ApiUnreachable", f"{doing}: {self.name} does not answer as it should ({harmless(cause)})"
            ) from error

    def _note(self, headers: Mapping[str, str]) -> None:
        if date := headers.get("Date"):
            try:
                self._clock_offset = parsedate_to_datetime(date).timestamp() - time.time()
            except (ValueError, OverflowError):
                return


def _event(line: bytes, doing: str) -> dict[str, Any]:
    """A watch event, whose object is one. Raises Failure ApiUnreachable for anything else."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Failure("ApiUnreachable", f"{doing}: a watch event is not JSON") from error
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict) or "type" not in event:
        raise Failure("ApiUnreachable", f"{doing}: a watch event is none: {line[:100]!r}")
    return event


def harmless(error: BaseException) -> str:
    """What an exception says that cannot hold a credential."""
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    inner = error.__cause__ or error.__context__
    return harmless(inner) if inner is not None else type(error).__name__
