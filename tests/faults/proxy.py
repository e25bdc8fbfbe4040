# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy between the collection and the API server that lets connections fail as it is told to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from .faults import Fault
from .frames import CLOSE, Frame, Splitter

_BUFFER = 1 << 16
_FLUSH = 0.5
_NOW = struct.pack("ii", 1, 0)
_STATUS = '{"kind":"Status","apiVersion":"v1","status":"Failure","message":"%s","code":%d}'
_REASONS = {429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable"}


@dataclass(frozen=True, slots=True)
class Upstream:
    """The API server. tls: how to speak to it as a client when the proxy itself terminates TLS."""

    host: str
    port: int
    tls: ssl.SSLContext


@dataclass(slots=True)
class Proxy:
    """One trial's proxy. fault may be set at any time and counts for connections made from then on; connections counts them
    all, hit those that were made to fail."""

    upstream: Upstream
    fault: Fault
    port: int = 0
    connections: int = 0
    hit: int = 0
    _server: asyncio.Server | None = None
    _lines: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Where a client finds it: in the clear where the proxy terminates TLS."""
        return f"{'http' if self.fault.is_above_tls else 'https'}://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=_BUFFER)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        number, self.connections = self.connections, self.connections + 1
        fault = self.fault if self.fault.meets(number) else None
        try:
            await _Line(self, fault, reader, writer).carry()
        finally:
            self._lines.discard(task)


class _Line:
    """One connection, carried in both directions until it ends or its fault ends it."""

    def __init__(
        self, proxy: Proxy, fault: Fault | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._proxy, self._fault = proxy, fault
        self._client = (reader, writer)
        self._is_over = asyncio.Event()
        self._swapped: Frame | None = None

    async def carry(self) -> None:
        writers = [self._client[1]]
        work: list[asyncio.Task[None]] = []
        try:
            if self._fault is not None and self._fault.answer:
                self._note()
                await self._client[0].readuntil(b"\r\n\r\n")
                await _send(self._client[1], _answer(self._fault))
                return
            if self._is("refused"):
                self._note()
                return
            upstream = self._proxy.upstream
            is_above = self._proxy.fault.is_above_tls
            reader, writer = await asyncio.open_connection(
                upstream.host,
                upstream.port,
                limit=_BUFFER,
                ssl=upstream.tls if is_above else None,
                server_hostname=upstream.host if is_above else None,
            )
            writers.append(writer)
            up, down = (self._client[0], writer), (reader, self._client[1])
            work = [asyncio.create_task(self._pump("up", *up)), asyncio.create_task(self._pump("down", *down))]
            if self._fault is not None and self._fault.kind == "lifetime":
                work.append(asyncio.create_task(self._live(self._fault.seconds)))
            await self._is_over.wait()
        except (OSError, asyncio.IncompleteReadError):
            # one of the two does not take part any more
            return
        finally:
            for task in work:
                task.cancel()
            try:
                await asyncio.gather(*work, return_exceptions=True)
                await asyncio.gather(*(self._end(writer) for writer in writers))
            finally:
                # also where the proxy is stopped meanwhile: a connection that is kept open keeps what runs behind it
                for writer in writers:
                    writer.transport.abort()

    async def _end(self, writer: asyncio.StreamWriter) -> None:
        """Closes one side; what is still to be sent there goes out first, if it is taken soon."""
        if not self._is("reset"):
            writer.close()
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), _FLUSH)
                return
        writer.transport.abort()

    def _is(self, kind: str) -> bool:
        return self._fault is not None and self._fault.kind == kind

    def _note(self) -> None:
        self._proxy.hit += 1

    async def _live(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._note()
        self._is_over.set()

    async def _pump(self, direction: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self._fault if self._fault is not None and self._fault.direction == direction else None
        try:
            if fault is None or fault.kind in ("lifetime", "refused"):
                while data := await reader.read(_BUFFER):
                    await _send(writer, data)
            elif fault.is_above_tls:
                await self._frames(fault, reader, writer)
            else:
                await self._bytes(fault, reader, writer)
        except (OSError, ssl.SSLError):
            self._is_over.set()
            return
        if writer.can_write_eof() and fault is not None and fault.kind == "half-close":
            # the other direction goes on
            writer.write_eof()
            while await reader.read(_BUFFER):
                pass
            return
        self._is_over.set()

    async def _bytes(self, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await reader.read(_BUFFER):
            place = fault.at - passed
            passed += len(data)
            if not 0 <= place < len(data):
                await _send(writer, data)
                continue
            self._note()
            if fault.kind == "bit below TLS":
                await _send(writer, data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
                continue
            await _send(writer, data[:place])
            if fault.kind == "stall":
                await asyncio.Event().wait()
            if fault.kind == "reset":
                for end in (writer, self._client[1]):
                    end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOW)
            return

    async def _frames(self, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter, number = Splitter(), 0
        while data := await reader.read(_BUFFER):
            for part in splitter.feed(data):
                if isinstance(part, bytes) or not part.is_data:
                    await _send(writer, part if isinstance(part, bytes) else part.wire())
                    continue
                is_it, number = number == fault.at, number + 1
                wire, goes_on = self._damaged(fault, part, is_it)
                await _send(writer, wire)
                if not goes_on:
                    return

    def _damaged(self, fault: Fault, frame: Frame, is_it: bool) -> tuple[bytes, bool]:
        """Return what goes out in the place of a frame, and whether the connection goes on."""
        if self._swapped is not None:
            wire, self._swapped = frame.wire() + self._swapped.wire(), None
            return wire, True
        if not is_it:
            return frame.wire(), True
        self._note()
        match fault.kind:
            case "frame lost" | "input lost":
                return b"", True
            case "frame doubled" | "input doubled":
                return frame.wire() * 2, True
            case "frames swapped":
                self._swapped = frame
                return b"", True
            case "frame shortened":
                return frame.shortened().wire(), True
            case "frame broken off":
                return frame.wire()[: 1 + len(frame.wire()) // 2], False
            case "bit of the output":
                return frame.flipped(fault.at * 7919).wire(), True
            case "wrong channel":
                return frame.on_channel(7).wire(), True
            case "wrong opcode":
                return frame.with_opcode(0x3).wire(), True
            case "early close":
                return Frame(0x80 | CLOSE, b"", (1000).to_bytes(2, "big")).wire(), True
        raise ValueError(fault.kind)


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


def _answer(fault: Fault) -> bytes:
    body = (_STATUS % ("the proxy says so", fault.answer)).encode()
    later = "Retry-After: 1\r\n" if "Retry-After" in fault.kind else ""
    head = f"HTTP/1.1 {fault.answer} {_REASONS[fault.answer]}\r\nContent-Type: application/json\r\n{later}"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


class Loop:
    """The thread that all proxies run in."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @contextmanager
    def proxy(self, upstream: Upstream, fault: Fault) -> Iterator[Proxy]:
        """A proxy for as long as the context lasts; connections that are still open are cut then."""
        proxy = Proxy(upstream, fault)
        asyncio.run_coroutine_threadsafe(proxy.start(), self._loop).result()
        try:
            yield proxy
        finally:
            asyncio.run_coroutine_threadsafe(proxy.stop(), self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        with suppress(RuntimeError):
            self._loop.close()
