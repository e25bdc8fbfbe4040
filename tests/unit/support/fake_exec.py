# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An exec endpoint at the level of websocket frames: a real shell of this machine answers, and what it says can be changed.

What no kubelet would send can only be had from a fake.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure

from .local_shells import SHELLS, Pipes

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
# as remotecommand sends it
_PIECE = 32 << 10

Change = Callable[[bytes], "bytes | Iterable[bytes]"]


@dataclass(frozen=True, slots=True)
class Lie:
    """What is changed: the answer to the handshake; what a job prints whose script holds `job`; or the frames of that.

    status is what channel 3 says when the shell has ended, None: nothing.
    """

    job: bytes = b""
    stdout: Change | None = None
    stderr: Change | None = None
    frames: Callable[[bytes], Iterable[bytes]] | None = None
    handshake: Change | None = None
    status: bytes | None = b'{"metadata":{},"status":"Success"}'


def frame(payload: bytes, *, first: int = 0x82, length: int | None = None) -> bytes:
    """A frame as a server sends it; length is what its header says."""
    size = len(payload) if length is None else length
    if size < 126:
        return bytes([first, size]) + payload
    if size < 1 << 16:
        return bytes([first, 126]) + size.to_bytes(2, "big") + payload
    return bytes([first, 127]) + size.to_bytes(8, "big") + payload


@dataclass(slots=True)
class Server:
    """Where the endpoint is, and how often it has lied."""

    url: str
    lie: Lie
    told: int = 0


@contextmanager
def exec_server(lie: Lie) -> Iterator[Server]:
    """Runs the endpoint. Every connection tells the same lie."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []
    server = Server(f"http://127.0.0.1:{listener.getsockname()[1]}", lie)

    def accept() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            connections.append(connection)
            thread = threading.Thread(target=_serve, args=(connection, server), daemon=True)
            threads.append(thread)
            thread.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        for end in (listener, *connections):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in (acceptor, *threads):
            thread.join()


def _serve(connection: socket.socket, server: Server) -> None:
    # the client is gone: that is what most lies come to
    with suppress(OSError, Failure, ValueError), connection:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            if not (byte := connection.recv(1)):
                return
            head += byte
        path = head.split(b" ")[1].decode()
        # a refused exec may be asked for once more without it, for the words of the refusal
        keys = (line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        key = next(keys, b"").partition(b":")[2].strip()
        answer = accepted(key)
        if server.lie.handshake is not None:
            server.told += 1
            for piece in _pieces(server.lie.handshake(answer)):
                connection.sendall(piece)
            return
        connection.sendall(answer)
        _Conversation(connection, server, parse_qs(urlsplit(path).query)["command"]).carry()


def accepted(key: bytes) -> bytes:
    """The head of the answer to a handshake with that key."""
    accept = base64.b64encode(hashlib.sha1(key + _GUID.encode(), usedforsecurity=False).digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
    ).encode()


def _pieces(answer: bytes | Iterable[bytes]) -> Iterable[bytes]:
    return (answer,) if isinstance(answer, bytes) else answer


class _Conversation:
    """One exec: scripts go to the shell as they come, and its answers back, job by job, changed where the lie is about them."""

    def __init__(self, connection: socket.socket, server: Server, command: list[str]) -> None:
        shell = SHELLS["dash"]
        self._connection, self._server = connection, server
        self._nonce = command[-1].encode()
        self._shell = Pipes([*shell.argv, *command[1:]], {**shell.env, "LC_ALL": "C.UTF-8"})
        self._mark = b""

    def carry(self) -> None:
        script = b""
        try:
            for payload in self._received():
                if payload[:1] != b"\0":
                    continue
                data = payload[1:]
                if data.startswith(b"mark="):
                    self._mark = data[5:].partition(b"\n")[0]
                self._shell.send(data)
                script += data
                if script.endswith((self._nonce + b" run\n", self._nonce + b" ask\n")):
                    self._answer(script)
                if script.endswith((b" run\n", b" ask\n", b" def\n", b" kill\n")):
                    script = b""
        finally:
            self._shell.close()

    def _answer(self, script: bytes) -> None:
        """Takes all that the job prints, and then sends it, or what is to be said in its place."""
        printed = {1: bytearray(), 2: bytearray()}
        codes: dict[int, bytes] = {}
        while len(codes) < 2:
            piece = self._shell.receive(60)
            if piece is None:
                return
            channel, view = piece
            printed[channel] += view
            before, mark, after = bytes(printed[channel]).rpartition(self._mark + b" ")
            if mark and after.endswith(b"\n"):
                printed[channel], codes[channel] = bytearray(before), after
        lie = self._server.lie
        if not lie.job or lie.job not in script:
            lie = Lie()
        for channel, change in ((2, lie.stderr), (1, lie.stdout)):
            end = self._mark + b" " + codes[channel]
            honest = bytes(printed[channel])
            said = change(honest) if change is not None else honest
            self._server.told += said != honest or lie.frames is not None
            for piece in _pieces(said):
                self._send(channel, piece, lie)
            self._send(channel, end, lie)
        if lie.frames is not None:
            # whatever came of that, nothing more is said
            raise OSError("the conversation is over")

    def _send(self, channel: int, data: bytes, lie: Lie) -> None:
        for start in range(0, len(data), _PIECE):
            payload = bytes([channel]) + data[start : start + _PIECE]
            for wire in lie.frames(payload) if lie.frames is not None else (frame(payload),):
                self._connection.sendall(wire)

    def _received(self) -> Iterator[bytes]:
        while head := self._exactly(2):
            size = head[1] & 0x7F
            if size > 125:
                size = int.from_bytes(self._exactly({126: 2, 127: 8}[size]), "big")
            mask, payload = self._exactly(4), self._exactly(size)
            if head[0] & 0x0F == 0x8:
                return
            whole = int.from_bytes(payload, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")
            yield whole.to_bytes(size, "big")

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._connection.recv(size - len(data))
            if not piece:
                return b""
            data += piece
        return bytes(data)
