# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A reverse proxy in front of the real API server that keeps every PATCH and POST and what the server answered to it."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .upstream import tls_of

# those of one connection, and those that this proxy sets itself (RFC 9110, 7.6.1)
_HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "te", "transfer-encoding", "upgrade"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One PATCH: who sent it (User-Agent), its path with query, its content type and body, and the server's answer."""

    sender: str
    path: str
    content_type: str
    body: dict[str, Any]
    status: int
    answer: dict[str, Any]

    def ephemeral_container(self, name: str) -> dict[str, Any]:
        """The container of that name as it was sent."""
        return _named(self.body, name)

    def admitted(self, name: str) -> dict[str, Any]:
        """The container of that name as the API server answered it: defaults filled in, admission done."""
        return _named(self.answer, name)


@dataclass(frozen=True, slots=True)
class Created:
    """One POST: who sent it, its path with query, the server's status and the object that it would have made.

    kubectl sends protobuf, which only the API server reads: what is compared is what it makes of both requests.
    """

    sender: str
    path: str
    status: int
    answer: dict[str, Any]


def _named(pod: Mapping[str, Any], name: str) -> dict[str, Any]:
    (found,) = (entry for entry in pod["spec"]["ephemeralContainers"] if entry.get("name") == name)
    container: dict[str, Any] = found
    return container


@dataclass(slots=True)
class Recorder:
    """What was recorded so far, and the address to point clients at."""

    url: str = ""
    patches: list[Recorded] = field(default_factory=list)
    creations: list[Created] = field(default_factory=list)

    def adding(self, name: str) -> Recorded:
        """The one PATCH that added the ephemeral container of that name."""
        (found,) = (
            patch
            for patch in self.patches
            if any(entry.get("name") == name for entry in patch.body["spec"]["ephemeralContainers"])
        )
        return found

    def creating(self, name: str) -> Created:
        """The one POST that made the pod of that name."""
        (found,) = (made for made in self.creations if (made.answer.get("metadata") or {}).get("name") == name)
        return found


@contextmanager
def recording(kubeconfig: Mapping[str, Any], folder: Path) -> Iterator[Recorder]:
    """Runs the proxy with the credentials of a kubeconfig (its content, client certificates inside).

    A PATCH or POST goes on as a dry run: the API server decodes, validates, defaults and admits it, and nothing changes.
    """
    netloc = urlsplit(kubeconfig["clusters"][0]["cluster"]["server"]).netloc
    recorder = Recorder()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(recorder, netloc, tls_of(kubeconfig, folder)))
    server.daemon_threads = True
    recorder.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(recorder: Recorder, netloc: str, tls: ssl.SSLContext) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._forward(self.path, None)

        def do_PATCH(self) -> None:
            body, status, answer = self._ask()
            sender, kind = self.headers["User-Agent"] or "", self.headers["Content-Type"]
            recorder.patches.append(Recorded(sender, self.path, kind, json.loads(body), status, json.loads(answer)))

        def do_POST(self) -> None:
            _body, status, answer = self._ask()
            recorder.creations.append(Created(self.headers["User-Agent"] or "", self.path, status, json.loads(answer)))

        def _ask(self) -> tuple[bytes, int, bytes]:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            joint = "&" if "?" in self.path else "?"
            # kubectl asks for protobuf; what is compared here is JSON
            return body, *self._forward(f"{self.path}{joint}dryRun=All", body, accept="application/json")

        def _forward(self, path: str, body: bytes | None, accept: str | None = None) -> tuple[int, bytes]:
            headers = {key: value for key, value in self.headers.items() if key.lower() not in _HOP_BY_HOP}
            headers |= {"Accept-Encoding": "identity"} | ({"Accept": accept} if accept else {})
            connection = http.client.HTTPSConnection(netloc, context=tls, timeout=60)
            try:
                connection.request(self.command, path, body, headers)
                response = connection.getresponse()
                answer = response.read()
            finally:
                connection.close()
            self.send_response(response.status)
            for key, value in response.getheaders():
                if key.lower() not in _HOP_BY_HOP | {"date"}:
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            return response.status, answer

        def log_message(self, *_words: object) -> None:
            """Nothing: the test prints what matters."""

    return Handler
