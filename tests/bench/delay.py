# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A TCP proxy that gives every byte on half a round trip after it came, in both directions, and a connection a whole one late.

It can also be one that has to be asked by CONNECT, and one that cuts what says nothing for too long.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# read ahead in one direction of one connection: more than a fast long line holds, so that the delay never costs rate
MOST_UNDERWAY = 2 << 20
CHUNK = 1 << 16


class Pulse:
    """When something came last, in either direction of one connection."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._last = self._clock()

    def beat(self) -> None:
        self._last = self._clock()

    async def stopped(self, silence: float | None) -> None:
        """Return when nothing has come for so many seconds; without them, never."""
        if silence is None:
            await asyncio.Event().wait()
        else:
            while (left := self._last + silence - self._clock()) > 0:  # noqa: ASYNC110 - each byte puts its end off
                await asyncio.sleep(left)


class Line:
    """Bytes under way in one direction."""

    def __init__(self, delay: float, pulse: Pulse) -> None:
        self._delay = delay
        self._pulse = pulse
        self._underway: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._size = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """From source to sink until the source ends, whose end is passed on as late as the bytes."""
        await asyncio.gather(self._take(source), self._give(sink))

    async def _take(self, source: asyncio.StreamReader) -> None:
        clock = asyncio.get_running_loop().time
        data = b"-"
        while data:
            try:
                data = await source.read(CHUNK)
            except OSError:
                data = b""
            self._pulse.beat()
            self._count(len(data))
            self._underway.put_nowait((clock() + self._delay, data))
            await self._has_room.wait()

    async def _give(self, sink: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, data = await self._underway.get()
            await asyncio.sleep(max(0.0, due - clock()))
            self._count(-len(data))
            try:
                if not data:
                    sink.write_eof()
                    return
                sink.write(data)
                await sink.drain()
            except OSError:
                # the other side went: nothing more is wanted, and _take shall not wait for room
                while data:
                    _due, data = await self._underway.get()
                    self._count(-len(data))
                return

    def _count(self, size: int) -> None:
        self._size += size
        if self._size < MOST_UNDERWAY:
            self._has_room.set()
        else:
            self._has_room.clear()


async def _asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
    """The server that a client asks for by CONNECT; None where it asks for something else, which it is told."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return None
    method, place, *_version = head.split(b" ", 2)
    if method != b"CONNECT":
        writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\nContent-Length: 0\r\n\r\n")
        return None
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    host, _colon, port = place.decode().rpartition(":")
    return host.strip("[]"), int(port)


@contextmanager
def delaying(
    address: str, server: tuple[str, int] | None, round_trip: float, silence: float | None = None
) -> Iterator[int]:
    """Runs the proxy in a thread, in front of server, or of what it is asked for by CONNECT where there is none.

    Gives the port that it listens on at address. A connection in which nothing comes for silence seconds is reset.
    """
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    ready = threading.Event()
    ports: list[int] = []
    connections: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            connections.add(task)
            task.add_done_callback(connections.discard)
        # the handshake, which the kernel did without delay
        await asyncio.sleep(round_trip)
        place = server or await _asked(reader, writer)
        try:
            if place is None:
                raise OSError
            far_reader, far_writer = await asyncio.open_connection(*place)
        except OSError:
            writer.close()
            return
        pulse = Pulse()
        one_way, other_way = Line(round_trip / 2, pulse), Line(round_trip / 2, pulse)
        carrying = asyncio.gather(one_way.carry(reader, far_writer), other_way.carry(far_reader, writer))
        stopping = asyncio.ensure_future(pulse.stopped(silence))
        try:
            # one that is cancelled at the end shall not be complained about by Python 3.11
            with suppress(asyncio.CancelledError):
                await asyncio.wait((carrying, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            is_cut = stopping.done()
            for work in (carrying, stopping):
                work.cancel()
            await asyncio.gather(carrying, stopping, return_exceptions=True)
            for end in (writer, far_writer):
                if is_cut:
                    end.transport.abort()
                end.close()

    async def serve() -> None:
        listener = await asyncio.start_server(connected, address, 0)
        ports.append(listener.sockets[0].getsockname()[1])
        ready.set()
        await stop.wait()
        listener.close()
        left = tuple(connections)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            ready.set()
            loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    if not ports:
        raise OSError(f"cannot listen on {address}")
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
