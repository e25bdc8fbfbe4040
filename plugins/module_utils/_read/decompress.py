# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes a compressed stream apart while it comes: where it ends, and never more out of it than was announced.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import Codec
from ansible_collections.incident.distroless.plugins.module_utils._read.zstd import Frame, unzstd
from ansible_collections.incident.distroless.plugins.module_utils._remote.job_output import JobOutput

# of decompressed bytes at a time
CHUNK = 256 << 10


class Plain:
    """A piece of an answer as it is; beside Packed."""

    def __init__(self, answer: JobOutput) -> None:
        self._answer, self._moved = answer, 0

    def exactly(self, n: int) -> Iterator[memoryview]:
        """Streams the next n bytes."""
        for view in self._answer.exactly(n):
            self._moved += len(view)
            yield view

    def end(self) -> None:
        """Nothing: its length is its end."""

    def taken(self) -> int:
        """How many bytes came on the wire since it was asked last."""
        moved, self._moved = self._moved, 0
        return moved


class Packed:
    """One compressed piece of an answer, whose decompressed length was announced."""

    def __init__(self, answer: JobOutput, codec: Codec, length: int) -> None:
        self._answer, self._moved, self._told = answer, 0, 0
        # even what does not shrink grows by less than this; empty blocks could otherwise go on without end
        self._most = length + length // 64 + (64 << 10)
        self._chunks = {"gzip": _gunzip, "zstd": _unzstd}[codec](self)
        self._chunk = memoryview(b"")

    def exactly(self, n: int) -> Iterator[memoryview]:
        """Streams the next n decompressed bytes. Raises Failure ConnectionLost when there are less."""
        while n:
            if not self._chunk:
                self._chunk = memoryview(self._next())
                if not self._chunk:
                    raise broken("it ends early")
            view, self._chunk = self._chunk[:n], self._chunk[n:]
            n -= len(view)
            yield view

    def end(self) -> None:
        """Reads the end of the stream. Raises Failure ConnectionLost when more comes out than was announced."""
        if self._chunk or self._next():
            raise broken("more comes out of it than was announced")

    def _next(self) -> bytes:
        return next(self._chunks, b"")

    def taken(self) -> int:
        """How many bytes came on the wire since it was asked last; less than none for what was given back."""
        moved, self._told = self._moved - self._told, self._moved
        return moved

    def piece(self) -> memoryview:
        """The next compressed bytes, and perhaps what follows them; valid until the next call."""
        view = self._answer.piece()
        self._moved += len(view)
        if self._moved > self._most:
            raise broken("it is longer than what it stands for")
        return view

    def give_back(self, rest: bytes | memoryview) -> None:
        """Returns what of the last piece is not the stream's own."""
        self._moved -= len(rest)
        self._answer.give_back(rest)


def _gunzip(packed: Packed) -> Iterator[bytes]:
    engine = zlib.decompressobj(wbits=31)
    try:
        while not engine.eof:
            data: bytes | memoryview = packed.piece()
            while True:
                chunk = engine.decompress(data, CHUNK)
                data = engine.unconsumed_tail
                if chunk:
                    yield chunk
                # with all input taken in there can still be more to come out
                if engine.eof or not (data or len(chunk) == CHUNK):
                    break
    except zlib.error as error:
        raise broken(str(error)) from error
    packed.give_back(engine.unused_data)


def _unzstd(packed: Packed) -> Iterator[bytes]:
    frame = Frame()

    def pieces() -> bytes:
        if frame.is_over:
            return b""
        view = packed.piece()
        try:
            own = frame.feed(view)
        except ValueError as error:
            raise broken(str(error)) from error
        data = view[:own].tobytes()
        if own < len(view):
            packed.give_back(view[own:])
        return data

    more: Callable[[], bytes] = pieces
    try:
        yield from unzstd(more, CHUNK)
    except ValueError as error:
        raise broken(str(error)) from error


def broken(message: str) -> Failure:
    """What a stream is that cannot be decompressed to what was announced."""
    return Failure("ConnectionLost", f"The compressed stream cannot be understood: {message}.")
