# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy in front of the real API server that misbehaves as it is told: other paths, other answers, cut and mute streams."""

from __future__ import annotations

import json
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .upstream import tls_of

# how an event begins in a watch's chunks
_EVENT = rb'\r\n\{"type"'


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came: the method, the path with its query, and all of its bytes."""

    method: str
    path: str
    head: bytes
    body: bytes

    @property
    def is_watch(self) -> bool:
        return "watch=true" in self.path


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to a request instead of passing it on.

    path: what it asks the server for instead. answer: what it gets without asking the server. events: so many lines of the
    body come and the beginning of the next, and then the connection is closed or, with silent, left open and mute.
    """

    path: str | None = None
    answer: bytes | None = None
    events: int | None = None
    silent: bool = False


def answer(status: int, body: Mapping[str, Any], **headers: str) -> Fault:
    """An answer of the proxy's own; `Retry_After` becomes a header's name."""
    payload = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Fault", "Content-Type: application/json", f"Content-Length: {len(payload)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return Fault(answer="\r\n".join([*lines, "Connection: close", "", ""]).encode() + payload)


def stream(*events: Mapping[str, Any], silent: bool = False) -> Fault:
    """A watch of the proxy's own that gives these events and ends, or with silent stays open and says nothing more."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    return Fault(answer=head + b"".join(json.dumps(event).encode() + b"\n" for event in events), silent=silent)


@dataclass(slots=True)
class FaultyProxy:
    """Where to point clients at, what is done to a request (None: nothing), and the requests that came."""

    interfere: Callable[[Request], Fault | None]
    url: str = ""
    requests: list[Request] = field(default_factory=list)

    def count(self, matches: Callable[[Request], bool]) -> int:
        return sum(matches(request) for request in self.requests)


@contextmanager
def faulty(
    kubeconfig: Mapping[str, Any], folder: Path, interfere: Callable[[Request], Fault | None]
) -> Iterator[FaultyProxy]:
    """Runs the proxy with the credentials of a kubeconfig (its content, client certificates inside)."""
    tls = tls_of(kubeconfig, folder)
    place = urlsplit(kubeconfig["clusters"][0]["cluster"]["server"])
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = FaultyProxy(interfere, f"http://127.0.0.1:{listener.getsockname()[1]}")
    over = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _address = listener.accept()
                threading.Thread(target=handle, args=(client,), daemon=True).start()

    def handle(client: socket.socket) -> None:
        with client, suppress(OSError):
            request = _read(client)
            proxy.requests.append(request)
            fault = proxy.interfere(request) or Fault()
            if fault.answer is not None:
                client.sendall(fault.answer)
            else:
                raw = socket.create_connection((str(place.hostname), place.port or 443))
                with tls.wrap_socket(raw, server_hostname=place.hostname) as server:
                    server.sendall(_rewritten(request, fault.path or request.path, place.netloc))
                    _answer(server, client, fault)
            if fault.silent:
                over.wait()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        over.set()
        # accept() is not woken by close() alone
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _read(client: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(client)
    head, _blank, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += _some(client)
    method, path, _version = head.split(b"\r\n")[0].decode().split(" ")
    return Request(method, path, head, body)


def _some(source: socket.socket) -> bytes:
    data = source.recv(1 << 16)
    if not data:
        raise ConnectionError("closed")
    return data


def _rewritten(request: Request, path: str, netloc: str) -> bytes:
    _line, *headers = request.head.decode("latin-1").split("\r\n")
    is_upgrade = any(header.lower().startswith("upgrade:") for header in headers)
    # one request a connection: then the end of an answer is the end of the connection, whatever its form
    dropped = ("host:", "accept-encoding:", "authorization:", *(() if is_upgrade else ("connection:",)))
    kept = [header for header in headers if not header.lower().startswith(dropped)]
    kept += [f"Host: {netloc}", *([] if is_upgrade else ["Connection: close"])]
    return "\r\n".join([f"{request.method} {path} HTTP/1.1", *kept, "", ""]).encode("latin-1") + request.body


def _answer(server: ssl.SSLSocket, client: socket.socket, fault: Fault) -> None:
    if fault.events is None:
        _tunnel(server, client)
        return
    data, sent = b"", 0
    while len(re.findall(_EVENT, data)) <= fault.events:
        data += _some(server)
        # what comes before the event that is cut is passed on at once, the head of the answer first
        starts = [found.start() for found in re.finditer(_EVENT, data)]
        complete = len(data) if len(starts) <= fault.events else starts[fault.events] + 20
        client.sendall(data[sent:complete])
        sent = complete


def _tunnel(server: ssl.SSLSocket, client: socket.socket) -> None:
    # one thread for both directions: OpenSSL wants no two in one connection
    while True:
        readable = [server] if server.pending() else select.select([server, client], [], [])[0]
        for source, sink in ((server, client), (client, server)):
            if source in readable:
                sink.sendall(_some(source))
