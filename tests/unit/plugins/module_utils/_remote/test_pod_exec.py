# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stream of an exec on a line that takes its time."""

from __future__ import annotations

import socket
import threading

import pytest
import websocket
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import ExecStream

# more than a socket holds, so that the sender waits for the other side
MUCH = 8 << 20


@pytest.mark.parametrize("says", ["a script", "a ping"])
def test_what_was_received_leaves_the_sender_a_time_out_of_its_own(says: str) -> None:
    ours, theirs = socket.socketpair()
    connection = websocket.WebSocket()
    connection.sock = ours
    connection.connected = True
    stream = ExecStream(connection, "exec in shop/app-0/debugger")
    # nothing has come yet, and nobody wanted to wait: that is what the session asks while an answer is on its way
    with pytest.raises(Failure, match="nothing came"):
        stream.receive(0.0)
    if says == "a ping":
        stream.keep_alive()
        assert ours.gettimeout() == 60.0
    is_waiting = threading.Event()
    came = bytearray()

    def take_slowly() -> None:
        # a round trip or two later than the ten milliseconds that receiving had left
        is_waiting.wait(0.3)
        while len(came) < MUCH:
            came.extend(theirs.recv(1 << 16))

    taking = threading.Thread(target=take_slowly, daemon=True)
    taking.start()
    stream.send(bytes(MUCH))
    taking.join()
    assert len(came) >= MUCH
