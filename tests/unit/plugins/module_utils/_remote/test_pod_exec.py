# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stream of an exec: on a line that takes its time, and of a command that never began."""

from __future__ import annotations

import json
import socket
import threading

import pytest
import websocket
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import ExecStream

# more than a socket holds, so that the sender waits for the other side
MUCH = 8 << 20


def streams() -> tuple[ExecStream, socket.socket]:
    """A stream of ours, and the other end of its line."""
    ours, theirs = socket.socketpair()
    connection = websocket.WebSocket()
    connection.sock = ours
    connection.connected = True
    return ExecStream(connection, "exec in shop/app-0/debugger"), theirs


@pytest.mark.parametrize("says", ["a script", "a ping"])
def test_what_was_received_leaves_the_sender_a_time_out_of_its_own(says: str) -> None:
    stream, theirs = streams()
    ours = stream._connection.sock
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


# as a kubelet of 1.36 passes on what containerd says: of a pod at its limits, where runc's own process cannot live, and of one
# that has ended
REFUSED = "Internal error occurred: error executing command in container: failed to exec in container: "
FULL = (
    f'{REFUSED}failed to start exec "d1c0": OCI runtime exec failed: exec failed: unable to start container process: '
    "procReady not received (possibly OOM-killed)"
)
ENDED = f"{REFUSED}container is in CONTAINER_EXITED state"


def said(message: str, code: str | None = None) -> bytes:
    """A frame of channel 3, and the end."""
    causes = [{"reason": "ExitCode", "message": code} if code else {"message": message}]
    status = {"status": "Failure", "message": message, "details": {"causes": causes}}
    payload = b"\3" + json.dumps(status).encode()
    return b"\x82\x7e" + len(payload).to_bytes(2, "big") + payload + b"\x88\x02\x03\xe8"


def test_a_command_that_the_runtime_could_not_start_is_a_look_that_broke() -> None:
    stream, theirs = streams()
    theirs.sendall(said(FULL))
    with pytest.raises(Failure) as caught:
        stream.receive(5.0)
    assert caught.value.reason == "LookBroken"
    assert caught.value.message.endswith("procReady not received (possibly OOM-killed)")
    assert "d1c0" not in caught.value.message


@pytest.mark.parametrize(("message", "code"), [(ENDED, None), ("command terminated: exec failed: 3", "3")])
def test_any_other_end_is_one_without_an_answer(message: str, code: str | None) -> None:
    stream, theirs = streams()
    theirs.sendall(said(message, code))
    assert stream.receive(5.0) is None
    assert stream.exit_code == (code and int(code))


def sending(stream: ExecStream) -> None:
    """Sends until the other side, which is gone, takes in nothing."""
    for _each in range(100):
        stream.send(bytes(MUCH))


@pytest.mark.parametrize("says", ["a script", "a ping"])
def test_an_end_that_stands_unread_is_why_nothing_can_be_sent(says: str) -> None:
    say = sending if says == "a script" else ExecStream.keep_alive
    for message, code, reason in ((FULL, None, "LookBroken"), (ENDED, "137", "ConnectionLost")):
        stream, theirs = streams()
        # output that nobody read, a question, and the end
        theirs.sendall(b"\x82\x05\x01some" + b"\x89\x00" + said(message, code))
        theirs.close()
        with pytest.raises(Failure) as caught:
            say(stream)
        assert (caught.value.reason, stream.exit_code) == (reason, code and int(code))


def test_a_line_that_ends_without_a_word_says_what_broke() -> None:
    stream, theirs = streams()
    theirs.close()
    with pytest.raises(Failure, match=r"the stream broke \(BrokenPipeError\)"):
        stream.send(b"x")
    assert stream.exit_code is None


def test_a_question_that_cannot_be_answered_hides_nothing_behind_it() -> None:
    stream, theirs = streams()
    theirs.sendall(b"\x89\x00" + said(ENDED, "3"))
    theirs.close()
    assert stream.receive(5.0) is None
    assert stream.exit_code == 3
