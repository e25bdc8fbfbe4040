# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A TCP proxy in front of the real API server that cuts a connection after so many bytes of its answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(slots=True)
class Cutter:
    """url is where clients are pointed at, cuts how many connections were cut, sizes what each connection brought."""

    limit: int
    url: str = ""
    cuts: int = 0
    sizes: list[int] = field(default_factory=list)


@contextmanager
def cutting(server: str, limit: int) -> Iterator[Cutter]:
    """Runs the proxy in front of that URL. Each connection is reset after limit bytes from the server."""
    address = urlsplit(server)
    cutter = Cutter(limit)
    listener = socket.create_server(("127.0.0.1", 0))
    cutter.url = f"https://127.0.0.1:{listener.getsockname()[1]}"

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _peer = listener.accept()
                upstream = socket.create_connection((str(address.hostname), int(address.port or 443)))
                threading.Thread(target=_carry, args=(client, upstream, None), daemon=True).start()
                threading.Thread(target=_carry, args=(upstream, client, cutter), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield cutter
    finally:
        # close alone does not wake a thread that waits in accept
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _carry(source: socket.socket, sink: socket.socket, cutter: Cutter | None) -> None:
    carried = 0
    with suppress(OSError):
        while data := source.recv(1 << 16):
            carried += len(data)
            if cutter is not None and carried > cutter.limit:
                cutter.cuts += 1
                break
            sink.sendall(data)
    if cutter is not None:
        cutter.sizes.append(carried)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
