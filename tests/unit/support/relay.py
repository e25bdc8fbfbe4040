# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries bytes between two connections, of TLS or not, in one thread: OpenSSL's are not safe to use from two."""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import suppress


def relay(one: socket.socket, other: socket.socket) -> None:
    """Carry what comes on either to the other, until one of them ends; then both are closed."""
    with suppress(OSError), one, other:
        while True:
            # what TLS has taken off the socket is not seen by select
            ready = [end for end in (one, other) if isinstance(end, ssl.SSLSocket) and end.pending()]
            for source in ready or select.select([one, other], [], [])[0]:
                sink = other if source is one else one
                source.setblocking(False)
                try:
                    data = source.recv(1 << 16)
                except (ssl.SSLWantReadError, BlockingIOError):
                    continue
                finally:
                    source.setblocking(True)
                if not data:
                    return
                sink.sendall(data)
