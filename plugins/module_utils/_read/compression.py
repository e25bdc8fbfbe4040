# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is compressed on the wire: asked for by name, or decided by what the line and the tools can do; and taken apart here.

A stream is taken apart while it comes: where it ends, and never more out of it than was announced. The content of a zstd frame is
had by the package zstandard or the program zstd, whichever this host has; only where the frame ends is found here, by the sizes of
its blocks, for what follows on the same stream is not the frame's. The program says nothing of its end. Of the package that does who
takes all that a piece comes to at once, which is 1 GiB out of 33 kB of zeros; the reader that gives a bounded part keeps to itself
how much it has taken. compression.zstd has both, from Python 3.14 on.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._remote.job_output import JobOutput
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry

Codec = Literal["none", "gzip", "zstd"]
Compress = Literal["auto", "zstd", "gzip", "none"]

# the better first
TOOLS: tuple[Codec, ...] = ("zstd", "gzip")
# what compression must gain to be worth the pod's CPU
_GAIN = 1.2
# below this much in all nothing is gained that a measurement would not cost
WORTH_ASKING = 1 << 20
# a file whose blocks hold less than this part of its size has holes that are worth leaving out
_DENSE = 0.75

# `sh` functions of the remote side. One thread, and a window that fits in a pod's memory: zstd takes 5 MiB like this.
PROGRAM = rb"""
packed() { # stdin, compressed by $1
  case $1 in
    zstd) zstd -1 -q -c --single-thread --zstd=wlog=19 ;;
    gzip) gzip -1 -c ;;
    *) cat ;;
  esac
}
"""


@dataclass(frozen=True, slots=True)
class Packing:
    """What to compress by which codec: groups of small files, single files, and those with holes in them.

    is_sampled: single files only where a sample of theirs shrinks.
    """

    groups: Codec = "none"
    files: Codec = "none"
    sparse: Codec = "none"
    is_sampled: bool = False

    @property
    def tool(self) -> Codec:
        """The one codec that can come of it."""
        return self.files if self.files != "none" else self.sparse

    def word(self, entry: Entry) -> bytes:
        """The codec for a file as the remote program takes it; a question mark: only where a sample shrinks."""
        if self.sparse != "none" and has_holes(entry):
            return self.sparse.encode()
        if self.files != "none" and self.is_sampled:
            return self.files.encode() + b"?"
        return self.files.encode()


NOTHING = Packing()


def has_holes(entry: Entry) -> bool:
    """Return whether a file takes much less room than its size says."""
    return entry.blocks * 512 < entry.size * _DENSE


def by_name(compress: Codec, *, here: Iterable[Codec], there: Iterable[Codec]) -> Packing:
    """All by the codec that was asked for. Raises Failure where one of the two sides lacks the tool."""
    if compress == "none":
        return NOTHING
    if compress not in here:
        raise Failure(
            "InvalidRequest",
            f"compress: {compress} cannot be used: this host has neither the Python package zstandard nor the program zstd.",
            "Install one of them on the host that the module runs on, or leave compress at auto.",
        )
    if compress not in there:
        raise Failure(
            "ImageLacksTool",
            f"compress: {compress} cannot be used: the debug image has no working {compress}.",
            f"Use a debug image with {compress}, or leave compress at auto.",
        )
    return Packing(compress, compress, compress)


def by_measure(rate: float, speeds: Mapping[Codec, float], *, there: Iterable[Codec]) -> Packing:
    """Return what pays on a line of `rate` bytes a second, where a tool takes in `speeds` bytes a second; there are all usable tools.

    A tool that is no faster than the line holds it up, whatever it makes of the bytes.
    """
    usable = [tool for tool in TOOLS if tool in there]
    if not usable:
        return NOTHING
    chosen: Codec = next((tool for tool in usable if speeds.get(tool, 0.0) > _GAIN * rate), NOTHING.tool)
    # one tool for all: the other side can only send what it was asked for
    return Packing(chosen, chosen, usable[0] if chosen == "none" else chosen, is_sampled=True)


# zstd, RFC 8878
_MAGIC = bytes.fromhex("28b52ffd")
# what the remote side uses is 512 KiB; a frame that wants more memory is not from there
_MAX_WINDOW_LOG = 23
_RAW, _RLE, _COMPRESSED = range(3)


class Frame:
    """Finds the end of a frame in the pieces of a stream: header, blocks, checksum."""

    def __init__(self) -> None:
        self.is_over = False
        # a part whose bytes are needed, as far as it came, and how many it will have
        self._part, self._need = bytearray(), 5
        self._parse: Callable[[bytes], None] = self._descriptor
        self._skip = 0
        self._is_last = self._has_checksum = False

    def feed(self, view: memoryview) -> int:
        """Return how many bytes of the view are the frame's own. Raises ValueError for what is no frame."""
        at = 0
        while at < len(view) and not self.is_over:
            if self._skip:
                step = min(self._skip, len(view) - at)
                self._skip -= step
            else:
                step = min(self._need - len(self._part), len(view) - at)
                self._part += view[at : at + step]
                if len(self._part) == self._need:
                    part, self._part = bytes(self._part), bytearray()
                    self._parse(part)
            at += step
            self.is_over = self._is_last and not self._skip
        return at

    def _descriptor(self, part: bytes) -> None:
        if part[:4] != _MAGIC:
            raise ValueError("this is no zstd frame")
        flags = part[4]
        is_single = bool(flags & 0x20)
        self._has_checksum = bool(flags & 0x04)
        size_bytes = (int(is_single), 2, 4, 8)[flags >> 6]
        # the window's byte, the dictionary's number, the content's size: the decompressor judges them
        self._skip = (0 if is_single else 1) + (0, 1, 2, 4)[flags & 3] + size_bytes
        self._need, self._parse = 3, self._block

    def _block(self, part: bytes) -> None:
        header = int.from_bytes(part, "little")
        kind, size = header >> 1 & 3, header >> 3
        if kind > _COMPRESSED:
            raise ValueError("a block of no known type")
        self._is_last = bool(header & 1)
        self._skip = (1 if kind == _RLE else size) + (4 if self._is_last and self._has_checksum else 0)


def unzstd(pieces: Callable[[], bytes], chunk: int) -> Iterator[bytes]:
    """The content of a frame in at most chunk bytes at a time; pieces gives its bytes, b"" at its end.

    Raises ValueError for what cannot be decompressed.
    """
    return _by_package(pieces, chunk) if find_spec("zstandard") is not None else _by_program(pieces, chunk)


class _Source:
    """What the package reads from."""

    def __init__(self, pieces: Callable[[], bytes]) -> None:
        self._pieces, self._left = pieces, b""

    def read(self, size: int) -> bytes:
        data = self._left or self._pieces()
        self._left = data[size:]
        return data[:size]


def _by_package(pieces: Callable[[], bytes], chunk: int) -> Iterator[bytes]:
    import zstandard

    source: Any = _Source(pieces)
    engine = zstandard.ZstdDecompressor(max_window_size=1 << _MAX_WINDOW_LOG)
    try:
        with engine.stream_reader(source, read_across_frames=False) as reader:
            while data := reader.read(chunk):
                yield data
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error


def _by_program(pieces: Callable[[], bytes], chunk: int) -> Iterator[bytes]:
    command = [
        "zstd",
        "--decompress",
        "--stdout",
        "--quiet",
        "--single-thread",
        f"--memory={1 << _MAX_WINDOW_LOG - 20}MB",
    ]
    # a stream in both directions, which AnsibleModule.run_command has not: pylint: disable-next=ansible-bad-function
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    if process.stdin is None or process.stdout is None:
        raise ValueError("no pipes")
    try:
        with selectors.DefaultSelector() as selector:
            yield from _pumped(process.stdin.fileno(), process.stdout.fileno(), selector, pieces, chunk, process)
        if process.wait():
            raise ValueError(f"zstd ended with status {process.returncode}")
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            stream.close()


def _pumped(
    sink: int,
    source: int,
    selector: selectors.DefaultSelector,
    pieces: Callable[[], bytes],
    chunk: int,
    process: subprocess.Popen[bytes],
) -> Iterator[bytes]:
    """Feeds the program and reads what it prints, whichever it is ready for: each of the two pipes can be full."""
    os.set_blocking(sink, False)
    selector.register(sink, selectors.EVENT_WRITE)
    selector.register(source, selectors.EVENT_READ)
    data, is_fed = b"", False
    while True:
        for key, _events in selector.select():
            if key.fd == source:
                printed = os.read(source, chunk)
                if not printed:
                    return
                yield printed
            elif not is_fed:
                data = data or pieces()
                if data:
                    try:
                        data = data[os.write(sink, data) :]
                    except BrokenPipeError as error:
                        raise ValueError("zstd does not take the stream") from error
                else:
                    is_fed = True
                    selector.unregister(sink)
                    if process.stdin is not None:
                        process.stdin.close()


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
        """Return how many bytes came on the wire since it was asked last."""
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
        """Return how many bytes came on the wire since it was asked last; less than none for what was given back."""
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
    """Return what a stream is that cannot be decompressed to what was announced."""
    return Failure("ConnectionLost", f"The compressed stream cannot be understood: {message}.")
