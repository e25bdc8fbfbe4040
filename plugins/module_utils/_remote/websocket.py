# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a server's websocket frames in one buffer, in place: what is handed on is a view into it. Protocol: RFC 6455.

websocket-client makes the handshake and sends; its own reading copies each frame several times, and a message may grow without bound.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from typing import Literal, NamedTuple, Protocol

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import LONGEST_WAIT

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
