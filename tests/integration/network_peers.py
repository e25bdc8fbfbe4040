# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a pod can meet in its network, here on the node: a nameserver, a TLS server, a peer that takes no more connections."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress


@contextmanager
def serving(work: Callable[[], None], *sockets: socket.socket) -> Iterator[None]:
    """Does the work again and again in the background, until the sockets are closed."""

    def loop() -> None:
        # that is how it ends
        with suppress(OSError):
            while True:
                work()

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        for entry in sockets:
            with suppress(OSError):
                entry.shutdown(socket.SHUT_RDWR)
            entry.close()
        thread.join(5)


@contextmanager
def nameserver(address: str, names: Mapping[str, str], *, silent: str) -> Iterator[list[str]]:
    """Knows these names (name -> IPv4 address) and no other; gives what it was asked for, a name each time.

    It never answers for names in the zone `silent`: an address at which nobody listens would not keep that silence, since a
    pod can get it.
    """
    asked: list[str] = []
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))

    def reply() -> None:
        question, who = server.recvfrom(512)
        if not question:
            raise OSError("it was shut down")
        end = question.index(b"\0", 12)
        name, kind = _name(question[12:end]), struct.unpack_from(">H", question, end + 1)[0]
        asked.append(name)
        if name.endswith(f".{silent}"):
            return
        known = names.get(name)
        records = b""
        if known and kind == 1:
            records = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(known)
        # an answer, and NXDOMAIN where the name is not known (RFC 1035, 4.1.1)
        flags = 0x8180 if known else 0x8183
        head = question[:2] + struct.pack(">HHHHH", flags, 1, 1 if records else 0, 0, 0)
        server.sendto(head + question[12 : end + 5] + records, who)

    with serving(reply, server):
        yield asked


def _name(labels: bytes) -> str:
    found = []
    while labels:
        found.append(labels[1 : 1 + labels[0]].decode())
        labels = labels[1 + labels[0] :]
    return ".".join(found)


@contextmanager
def tls_server(address: str, context: ssl.SSLContext) -> Iterator[int]:
    """Shows the context's certificate; gives its port."""
    server = socket.create_server((address, 0))

    def greet() -> None:
        connection, _who = server.accept()
        # who looks at certificates finishes no handshake
        with connection, suppress(ssl.SSLError, ConnectionError):
            context.wrap_socket(connection, server_side=True).close()

    with serving(greet, server):
        yield server.getsockname()[1]


@contextmanager
def open_port(address: str) -> Iterator[int]:
    """Takes each connection and says nothing; gives its port."""
    server = socket.create_server((address, 0))

    def take() -> None:
        connection, _who = server.accept()
        connection.close()

    with serving(take, server):
        yield server.getsockname()[1]


@contextmanager
def full_port(address: str) -> Iterator[int]:
    """Takes no connection: its queue is full, so that the kernel drops what comes."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind((address, 0))
        server.listen(0)
        for _count in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@contextmanager
def knocking(address: str, port: int) -> Iterator[None]:
    """Tries to connect there again and again."""
    is_over = threading.Event()

    def knock() -> None:
        while not is_over.wait(0.05):
            with suppress(OSError):
                socket.create_connection((address, port), timeout=1).close()

    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(5)
