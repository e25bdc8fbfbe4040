# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An exec into a container as a websocket: channels, frames and the exit code that only channel 3 knows.

The Python client's own WSClient collects everything and its cost grows with the square of the stream, so the
connection is made with websocket-client, which copies each frame several times and lets a message grow without bound: frames
are read here, in one buffer, in place. Protocols: k8s.io/apimachinery/pkg/util/remotecommand, RFC 6455.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
import select
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol
from urllib.parse import urlencode

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import LONGEST_WAIT, within
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import (
    parse_status,
    retry_after,
    role_for,
)
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import (
    REQUEST_TIMEOUT,
    Cluster,
    Query,
    pod_path,
)
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import SENDING

# more than one frame of the exec protocol (32 KiB and a byte), so that most reads bring what the socket has
_BUFFER = 256 << 10
# the longest header of a frame without a mask
_HEADER = 10

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_MESSAGES: dict[int, Literal["data", "close", "ping", "pong"]] = {
    _TEXT: "data",
    _BINARY: "data",
    _CLOSE: "close",
    _PING: "ping",
    _PONG: "pong",
}
_MAX_CONTROL = 125


class Socket(Protocol):
    """What is needed of a connected socket, of TLS or not."""

    def settimeout(self, value: float, /) -> None:
        """See socket.socket."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """See socket.socket."""


class Message(NamedTuple):
    """A whole message; the view is valid until the next one is asked for."""

    kind: Literal["data", "close", "ping", "pong"]
    payload: memoryview


class FrameError(Exception):
    """What came is no websocket frame of a server, or a longer one than is taken."""


class Frames:
    """The messages that a server sends on a connected socket, none of them longer than `most` bytes."""

    def __init__(self, socket: Socket, most: int) -> None:
        self._socket, self._most = socket, most
        self._buffer = memoryview(bytearray(_BUFFER))
        # what of the buffer is not yet taken
        self._start = self._end = 0
        # the message whose frames are coming, None between messages
        self._parts: bytearray | None = None

    def next(self, until: float) -> Message:
        """The next message, control frames between the parts of another one as they come.

        until: the moment of time.monotonic(). Raises TimeoutError after it, and nothing is lost: it may be asked again;
        OSError when the connection broke; FrameError.
        """
        while True:
            is_last, opcode, payload = self._frame(until)
            if opcode >= _CLOSE:
                return Message(_MESSAGES[opcode], payload)
            if (opcode == _CONTINUATION) != (self._parts is not None):
                raise FrameError("a part of no message" if self._parts is None else "a message within another one")
            if is_last and self._parts is None:
                return Message("data", payload)
            parts = self._parts if self._parts is not None else bytearray()
            parts += payload
            if len(parts) > self._most:
                raise FrameError("a message that is too long")
            self._parts = None if is_last else parts
            if is_last:
                return Message("data", memoryview(parts))

    def _frame(self, until: float) -> tuple[bool, int, memoryview]:
        """The next frame: whether it is its message's last one, its opcode and its payload."""
        self._need(2, until)
        first, size = self._buffer[self._start], self._buffer[self._start + 1]
        opcode = first & 0x0F
        if first & 0x70 or (opcode != _CONTINUATION and opcode not in _MESSAGES):
            raise FrameError("a frame of a form that was not agreed on")
        if size & 0x80:
            raise FrameError("a frame with a mask, which only clients send")
        if opcode >= _CLOSE and (size > _MAX_CONTROL or not first & 0x80):
            raise FrameError("a control frame that is too long or comes in parts")
        header = 2
        if size > _MAX_CONTROL:
            header = 4 if size == 126 else _HEADER
            self._need(header, until)
            size = int.from_bytes(self._buffer[self._start + 2 : self._start + header], "big")
        if size > self._most:
            raise FrameError(f"a frame of {size} bytes")
        self._need(header + size, until)
        begin = self._start + header
        self._start = begin + size
        return bool(first & 0x80), opcode, self._buffer[begin : begin + size]

    def _need(self, size: int, until: float) -> None:
        """Reads until so many bytes stand in the buffer from start on."""
        if self._end - self._start >= size:
            return
        if self._start + size > len(self._buffer):
            self._make_room(size)
        elif self._start == self._end:
            # views of before are invalid by now
            self._start = self._end = 0
        while self._end - self._start < size:
            # a timeout of 0 would be no timeout but another kind of socket
            self._socket.settimeout(min(LONGEST_WAIT, max(0.01, until - time.monotonic())))
            came = self._socket.recv_into(self._buffer[self._end :])
            if not came:
                raise ConnectionResetError("the stream ended without a close frame")
            self._end += came
            # a server that sends a byte now and then does not get more time by that
            if self._end - self._start < size and time.monotonic() > until:
                raise TimeoutError("no whole message came in time")

    def _make_room(self, size: int) -> None:
        unread = bytes(self._buffer[self._start : self._end])
        if size > len(self._buffer):
            self._buffer = memoryview(bytearray(self._most + _HEADER))
        self._buffer[: len(unread)] = unread
        self._start, self._end = 0, len(unread)


STDIN, STDOUT, STDERR, STATUS = 0, 1, 2, 3

# a data frame is one channel byte and at most 32 KiB (remotecommand's copy buffer); more is not what we spoke to
MAX_FRAME = 1 << 20
# of what stands unread on a line that broke, in bytes: sockets and their buffers hold less
MAX_UNREAD = 16 << 20

# what runc and crun say through containerd and CRI-O of an exec in which nothing has run
NOT_STARTED = "exec failed: "

# an API server that speaks it (1.30) translates the websocket, and the runtime sees stdin end when the line breaks. Where the
# kubelet has the websocket itself, in v4, containerd 2 kills the command instead
_STREAM_CLOSE = "v5.channel.k8s.io"

_EXIT_CODE = re.compile(r"[0-9]{1,9}")

# how long the API server answers `container not running` after the kubelet reported it as running
START_UP = 5.0
# seconds before an exec is asked for again, at first and at most
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


class ExecStream:
    """The transport of one exec: sends stdin, receives stdout and stderr, knows the exit code after the end."""

    def __init__(self, connection: Any, doing: str, *, hears_end: bool = True) -> None:
        """connection is a connected websocket.WebSocket; doing begins the message of every Failure; hears_end as a Transport's."""
        self.patience = SENDING
        self.hears_end = hears_end
        self._connection = connection
        self._doing = doing
        self._status: Mapping[str, Any] | None = None
        # the handshake was read line by line and byte by byte, so that nothing of the first frame is in another buffer
        self._frames = Frames(connection.sock, MAX_FRAME)

    @property
    def exit_code(self) -> int | None:
        """The remote command's exit code as channel 3 said; None when it said none, which is never a success."""
        return None if self._status is None else exit_code(self._status)

    def send(self, data: bytes) -> None:
        """Sends data to the remote command's stdin."""
        # imported once by open_exec: the library is not loaded for a task that never opens a stream
        import websocket

        view = memoryview(data)
        try:
            # the socket has one time-out for both directions, and receiving leaves there what is left of its own
            self._connection.settimeout(self.patience)
            for start in range(0, len(view), 32768):
                self._connection.send_binary(bytes([STDIN]) + view[start : start + 32768])
        except (OSError, websocket.WebSocketException) as error:
            raise self._broken(error) from error

    def receive(self, timeout: float) -> tuple[int, memoryview] | None:
        """The next piece of stdout or stderr, None after the clean end.

        Raises Failure WaitTimeout when nothing came for timeout seconds, ConnectionLost when the stream broke, LookBroken
        when the runtime could not start the command.
        """
        until = time.monotonic() + timeout
        while True:
            message = self._next(until, timeout)
            if message is None:
                return None
            channel = message[0] if message else None
            if channel in (STDOUT, STDERR) and len(message) > 1:
                return channel, message[1:]
            if channel == STATUS:
                self._status = parse_status(bytes(message[1:]))
            # frames that bring nothing do not prolong the time-out
            if time.monotonic() > until:
                raise self._nothing(timeout)

    def _next(self, until: float, timeout: float) -> memoryview | None:
        """The next message, None after the clean end."""
        import websocket

        try:
            while (message := self._frames.next(until)).kind != "data":
                if message.kind == "close":
                    if self._status is None:
                        raise Failure("ConnectionLost", f"{self._doing}: the stream was closed before its end.")
                    self._check_it_ran(self._status)
                    return None
                if time.monotonic() > until:
                    raise self._nothing(timeout)
                # who does not read answers gets none (RFC 6455, 5.5.3): waiting for room would be a wait beyond the time-out
                if message.kind == "ping" and _has_room(self._connection.sock):
                    self._connection.settimeout(self.patience)
                    # a line that broke since is told by what is read behind the ping
                    with suppress(OSError, websocket.WebSocketException):
                        self._connection.pong(message.payload.tobytes())
        except TimeoutError as error:
            raise self._nothing(timeout) from error
        except FrameError as error:
            raise Failure("ConnectionLost", f"{self._doing}: {error} is none of the exec protocol.") from error
        except (OSError, websocket.WebSocketException) as error:
            if self._status is not None:
                self._check_it_ran(self._status)
                return None
            raise Failure(
                "ConnectionLost", f"{self._doing}: the stream broke before its end ({type(error).__name__})"
            ) from error
        return message.payload

    def _check_it_ran(self, status: Mapping[str, Any]) -> None:
        """Raises Failure where channel 3 told of no command that ran: a pod at its limits has the runtime's own process killed."""
        _before, found, words = str(status.get("message", "")).partition(NOT_STARTED)
        if found and exit_code(status) is None:
            raise Failure("LookBroken", f"{self._doing}: the runtime did not start it: {found}{words[:300]}")

    def _nothing(self, timeout: float) -> Failure:
        return Failure("WaitTimeout", f"{self._doing}: nothing came for {timeout:g} s.")

    def keep_alive(self) -> None:
        """Sends a ping; what comes back is passed over."""
        import websocket

        try:
            self._connection.settimeout(self.patience)
            self._connection.ping()
        except (OSError, websocket.WebSocketException) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> Failure:
        """Return why the other side takes in nothing any more: what it said at its end may stand unread behind its last output."""
        lost = Failure("ConnectionLost", f"{self._doing}: the stream broke ({type(error).__name__})")
        unread = MAX_UNREAD
        try:
            # all of it is here already; long enough for a ping in between
            while unread > 0 and (piece := self.receive(1.0)) is not None:
                unread -= len(piece[1])
        except Failure as failure:
            return failure if failure.reason == "LookBroken" else lost
        return lost

    def close(self) -> None:
        """Drops the connection; what runs remotely sees the end of its stdin."""
        self._connection.shutdown()


def _has_room(sock: Any) -> bool:
    """Return whether the kernel takes in a control frame for the other side at once."""
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    return bool(poller.poll(0))


def exit_code(status: Mapping[str, Any]) -> int | None:
    """The exit code in channel 3's Status object: 0 for Success, the ExitCode cause otherwise, None without one."""
    if status.get("status") == "Success":
        return 0
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    for cause in causes if isinstance(causes, list) else ():
        if isinstance(cause, dict) and cause.get("reason") == "ExitCode":
            code = str(cause.get("message", ""))
            return int(code) if _EXIT_CODE.fullmatch(code) else None
    return None


def open_exec(cluster: Cluster, namespace: str, pod: str, container: str, command: Sequence[str]) -> ExecStream:
    """Starts command in a container, with stdin, stdout and stderr. Raises Failure when the API or the kubelet refuses."""
    import websocket

    doing = f"exec in {namespace}/{pod}/{container}"
    query = [("container", container), ("stdin", "true"), ("stdout", "true"), ("stderr", "true")]
    query += [("command", word) for word in command]
    url = f"{cluster.host}{pod_path(namespace, pod, 'exec')}?{urlencode(query)}"
    # http:// only where the user's own configuration says so, such as behind kubectl proxy
    url = "ws" + url.removeprefix("http")
    first_try, tries = time.monotonic(), 0
    while True:
        tries += 1
        connection: Any = websocket.WebSocket(skip_utf8_validation=True)
        dial = partial(
            connection.connect,
            url,
            header=[f"{name}: {value}" for name, value in cluster.headers(doing)],
            subprotocols=[_STREAM_CLOSE, "v4.channel.k8s.io"],
            suppress_origin=True,
            redirect_limit=0,
            # else it would decide by itself about proxies, and speak to an https proxy in clear
            socket=cluster.dial(doing),
        )
        # what credentials and the connection took is gone
        seconds = min(REQUEST_TIMEOUT, max(0.01, cluster.deadline.left()))
        connection.settimeout(seconds)
        try:
            # each line of the answer has the whole time-out
            within(seconds, dial)
        except websocket.WebSocketBadStatusException as error:
            pause = retry_after(error.status_code, (error.resp_headers or {}).get("retry-after"))
            # the kubelet learns of a start a moment before the runtime can exec in it
            if pause is None and error.status_code == 500 and time.monotonic() - first_try < START_UP:
                pause = 0.0
            # a server in trouble is not asked twenty times a second, by each of many threads
            growing = min(_FIRST_PAUSE * 2 ** (tries - 1), _LONGEST_PAUSE)
            if pause is None or max(pause, growing) >= cluster.deadline.left():
                raise _refused(error, cluster, (namespace, pod), query) from error
            time.sleep(max(pause, growing))
            continue
        except (OSError, websocket.WebSocketException) as error:
            # an answer that goes on without end is read no further
            connection.shutdown()
            cluster.deadline.remaining(doing)
            raise Failure(
                "ApiUnreachable", f"{doing}: no stream to {cluster.place} ({type(error).__name__})"
            ) from error
        return ExecStream(connection, doing, hears_end=connection.getsubprotocol() == _STREAM_CLOSE)


def _refused(error: Any, cluster: Cluster, place: tuple[str, str], query: Query) -> Failure:
    """Return what a handshake that was answered with an error means; error is a WebSocketBadStatusException."""
    namespace, pod = place
    doing = f"exec in {namespace}/{pod}/{dict(query)['container']}"
    # websocket-client up to 1.5 (Debian 12, EPEL 9) keeps no body
    body = getattr(error, "resp_body", None) or b""
    status = parse_status(body if isinstance(body, bytes) else str(body).encode())
    failure = cluster.refused(error.status_code, status, doing)
    if not body and 400 <= error.status_code < 500:
        # the same without an upgrade starts nothing, and is refused in words that can be read
        try:
            cluster.get(pod_path(namespace, pod, "exec"), doing, query)
        except Failure as again:
            if again.reason not in ("InvalidRequest", "WaitTimeout"):
                failure = again
    if failure.reason == "RbacDenied" and str(status.get("message", "")).endswith("is forbidden: "):
        # since Kubernetes 1.35 a websocket needs create besides get, and the refusal does not say so
        failure.message += f"the credentials cannot create pods/exec in the namespace {namespace}"
        failure.hint = f"Grant the verb create on pods/exec: {role_for('create', 'pods/exec', '', namespace)}"
    return failure
