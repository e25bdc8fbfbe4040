# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answer of one remote job: read by lines, by lengths or to its end, with bounded memory whatever it says.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure

STDOUT, STDERR = 1, 2

# how a shell ends that cannot fork: ash and dash, bash
FORK_REFUSED = (2, 254)

# bash tries a fork that was refused again for 15 seconds, each time with these words, before it gives it up
RETRIES = b"fork: retry: "

# of stderr what is kept to be shown
MAX_STDERR = 64 << 10

# what end() may find unread before it takes the remote side for one that never stops
MAX_UNREAD = 4 << 20


class Source(Protocol):
    """What an answer needs of its session."""

    def receive(self, timeout: float) -> tuple[int, memoryview]:
        """See Session.receive."""

    def cancel(self) -> None:
        """Has the job ended."""

    def fail(self, message: str) -> None:
        """Makes the session unusable."""


class _Cut:
    """Parts a stream at a marker: gives what surely stands before it and holds back what may be its beginning."""

    def __init__(self, marker: bytes) -> None:
        self._marker = marker
        self._held = b""
        self.after: bytes | None = None

    def feed(self, view: memoryview) -> memoryview:
        raw = self._held + view.tobytes()
        found = raw.find(self._marker)
        if found >= 0:
            self._held, self.after = b"", raw[found + len(self._marker) :]
            return memoryview(raw)[:found]
        keep = self._beginning(raw)
        self._held = raw[len(raw) - keep :]
        return memoryview(raw)[: len(raw) - keep]

    def _beginning(self, raw: bytes) -> int:
        """Return how many of the last bytes could be the marker's first ones."""
        start = max(0, len(raw) - len(self._marker) + 1)
        while (start := raw.find(self._marker[:1], start)) >= 0:
            if self._marker.startswith(raw[start:]):
                return len(raw) - start
            start += 1
        return 0


class _EndMark:
    """Parts a stream at the job's end: the mark, the exit code, a newline."""

    def __init__(self, mark: str) -> None:
        self._cut = _Cut(mark.encode("ascii") + b" ")
        self._code = b""
        self.rc: int | None = None
        # whether something came after it: what the job has left behind goes on printing
        self.is_followed = False

    def feed(self, view: memoryview) -> memoryview:
        """Return what of view is the job's own. Raises ValueError when no exit code follows the mark."""
        if self.rc is not None:
            self.is_followed = self.is_followed or len(view) > 0
            return view[:0]
        if self._cut.after is None:
            own = self._cut.feed(view)
            self._code = self._cut.after or b""
        else:
            own, self._code = view[:0], self._code + view[:8].tobytes()
        code, newline, more = self._code.partition(b"\n")
        if len(code) > 3 or not (code.isdigit() or (code == newline == b"")):
            raise ValueError("no exit code at the end of the job")
        if newline:
            self.rc, self.is_followed = int(code), more != b""
        return own


class JobOutput:
    """What a job prints, until both its streams have ended; see Job for who gets to read it. Views are valid until the next
    step of their iterator.

    Every way of reading raises Failure: ConnectionLost when the stream ends early or does not keep to its form,
    WaitTimeout when nothing came for timeout seconds or deadline (time.monotonic()) has passed. After WaitTimeout one
    may cancel() and read on.
    """

    def __init__(
        self,
        source: Source,
        mark: str,
        timeout: float,
        deadline: float | None,
        stderr_sink: Callable[[memoryview], None] | None,
    ) -> None:
        self.rc: int | None = None
        self.stderr_truncated = False
        self.is_cancelled = False
        self._source = source
        self._mark = mark.encode("ascii")
        self._timeout = timeout
        self._deadline = deadline
        self._sink = stderr_sink
        self._stderr = bytearray()
        self._marks = {STDOUT: _EndMark(mark), STDERR: _EndMark(mark)}
        self._waiting: tuple[int, memoryview] | None = None
        # the piece of stdout that is being read, and how far; the last bytes that exactly() gave
        self._piece = b""
        self._at = 0
        self._tail = b""

    @property
    def stderr(self) -> bytes:
        """The beginning of stderr, at most 64 KiB; complete after the end unless stderr_truncated."""
        return bytes(self._stderr)

    def line(self, limit: int = 65536) -> bytes | None:
        """The next line of stdout without its newline, None when the job has ended. More than limit bytes: ConnectionLost."""
        if self._marks[STDOUT].rc is not None:
            return None
        line = self.to(b"\n", limit + len(self._mark) + 8)
        at = line.find(self._mark)
        if at >= 0:
            self._own(STDOUT, memoryview(line[at:] + b"\n"))
            # what stands before it is half a line of something whose parent was killed, and which may go on printing
            if at and self._marks[STDOUT].rc:
                raise self._cut_short()
            line = line[:at]
        if len(line) > limit:
            raise self._lost(f"more than {limit} bytes came where less was announced")
        return None if at == 0 else line

    def to(self, marker: bytes, limit: int) -> bytes:
        """Stdout up to marker, which is taken away. More than limit bytes before it: ConnectionLost."""
        found = self._piece.find(marker, self._at)
        if found < 0:
            return b"".join(part.tobytes() for part in self.until(marker, limit))
        part, self._at = self._piece[self._at : found], found + len(marker)
        if len(part) > limit:
            raise self._lost(f"more than {limit} bytes came where less was announced")
        return part

    def until(self, marker: bytes, limit: int) -> Iterator[memoryview]:
        """Streams stdout up to marker, which is taken away. More than limit bytes before it: ConnectionLost."""
        cut = _Cut(marker)
        size = 0
        while cut.after is None:
            part = cut.feed(self._next_piece())
            size += len(part)
            if size > limit:
                raise self._lost(f"more than {limit} bytes came where less was announced")
            self._piece, self._at = cut.after or b"", 0
            if part:
                yield part

    def exactly(self, n: int) -> Iterator[memoryview]:
        """Streams the next n bytes of stdout, whatever they are."""
        while n:
            if len(self._piece) - self._at > n:
                # of many short pieces none copies what follows it
                view = memoryview(self._piece)[self._at : self._at + n]
                self._at += n
            else:
                view = self._next_piece()
                if len(view) > n:
                    self._piece, self._at = view[n:].tobytes(), 0
                    view = view[:n]
            n -= len(view)
            self._note_tail(view)
            yield view
        self._tail = b""

    def piece(self) -> memoryview:
        """The next bytes of stdout, as many as came together; valid until the next call."""
        view = self._next_piece()
        self._note_tail(view)
        return view

    def give_back(self, rest: bytes | memoryview) -> None:
        """Has the rest of the last piece() read again, by whatever way of reading comes next."""
        self._piece, self._at, self._tail = bytes(rest), 0, b""

    def _note_tail(self, view: memoryview) -> None:
        self._tail = view[-48:].tobytes() if len(view) >= 48 else (self._tail + view.tobytes())[-48:]

    def rest(self) -> Iterator[memoryview]:
        """Streams stdout up to the job's end."""
        mark = self._marks[STDOUT]
        while mark.rc is None:
            if own := self._own(STDOUT, self._next_piece()):
                yield own

    def events(self) -> Iterator[tuple[int, memoryview]]:
        """Streams (1, stdout) and (2, stderr) side by side, to the end of both. It does not collect stderr."""
        while True:
            if self._at < len(self._piece):
                channel, view = STDOUT, self._next_piece()
            elif self._ended():
                return
            else:
                channel, view = self._receive()
            if own := self._own(channel, view):
                yield channel, own

    def wait(self, seconds: float) -> bool:
        """Return whether anything more can be read now or comes within seconds; True as well when the job has ended."""
        if self._waiting is not None or self._at < len(self._piece) or self._ended():
            return True
        try:
            self._waiting = self._receive(seconds)
        except Failure as failure:
            if failure.reason != "WaitTimeout":
                raise
            return False
        return True

    def cancel(self) -> None:
        """Has the job ended by the remote side, its last process first. The answer then ends as any other, with rc 137."""
        self._deadline = None
        self.is_cancelled = True
        self._source.cancel()

    def end(self) -> int:
        """Reads what is left, throws it away, and returns the job's exit code."""
        size = 0
        for channel, view in self.events():
            if channel == STDERR:
                self._keep(view)
            else:
                size += len(view)
            if size > MAX_UNREAD:
                raise self._lost("the job does not stop sending")
        return self.rc or 0

    def drain(self, until: float) -> None:
        """Reads what is left and throws it away, whatever its size, until the moment (time.monotonic()) at the latest."""
        self._timeout, self._deadline = math.inf, until
        for _piece in self.events():
            pass

    def _ended(self) -> bool:
        if self.rc is None and all(mark.rc is not None for mark in self._marks.values()):
            self.rc = self._marks[STDOUT].rc
        return self.rc is not None

    def _next_piece(self) -> memoryview:
        """The unread rest of stdout's piece, or its next one; what comes on stderr meanwhile is kept."""
        if self._at < len(self._piece):
            view, self._piece, self._at = memoryview(self._piece)[self._at :], b"", 0
            return view
        size = 0
        while True:
            if self._marks[STDOUT].rc is not None or self._ended_within_data():
                raise self._cut_short()
            channel, view = self._receive()
            if channel == STDOUT:
                return view
            self._keep(self._own(STDERR, view))
            size += len(view)
            if size > MAX_UNREAD and self._sink is None:
                raise self._lost("the job prints errors without end")

    @property
    def is_followed(self) -> bool:
        """Return whether something that the job has left behind went on printing after its end."""
        return any(mark.is_followed for mark in self._marks.values())

    def _ended_within_data(self) -> bool:
        """Return whether the last bytes taken for data are the job's end: it was killed before it had sent what it announced."""
        rc = self._marks[STDERR].rc
        return rc is not None and self._tail.endswith(self._mark + f" {rc}\n".encode())

    def _receive(self, timeout: float | None = None) -> tuple[int, memoryview]:
        if self._waiting is not None:
            piece, self._waiting = self._waiting, None
            return piece
        is_brief = timeout is not None
        timeout = self._timeout if timeout is None else timeout
        if self._deadline is not None:
            timeout = min(timeout, self._deadline - time.monotonic())
        try:
            if timeout <= 0:
                raise Failure("WaitTimeout", "The job took longer than its deadline allows.")
            return self._source.receive(timeout)
        except Failure as failure:
            if failure.reason != "WaitTimeout" or is_brief:
                raise
            if RETRIES in self._stderr:
                raise broken(FORK_REFUSED[1], self.stderr) from failure
            # its end was taken for data, in the middle of what an orphan of it printed
            if self._marks[STDOUT].rc is None and self._marks[STDERR].rc:
                raise self._cut_short() from failure
            raise

    def _own(self, channel: int, view: memoryview) -> memoryview:
        try:
            return self._marks[channel].feed(view)
        except (KeyError, ValueError) as error:
            raise self._lost(f"the answer does not keep to its form: {error}") from error

    def _keep(self, view: memoryview) -> None:
        if self._sink is not None and view:
            self._sink(view)
        room = MAX_STDERR - len(self._stderr)
        self._stderr += view[:room]
        self.stderr_truncated = self.stderr_truncated or len(view) > room

    def _cut_short(self) -> Failure:
        """The failure of a job that ended in the middle of its answer, by its status if it told one."""
        lost = self._lost("the job ended in the middle of its answer")
        rc = self._marks[STDOUT].rc or self._marks[STDERR].rc
        return broken(rc, self.stderr) if rc else lost

    def misunderstood(self, message: str) -> Failure:
        """Return the failure of an answer that cannot be what was asked for; the session is of no more use."""
        return self._lost(message)

    def _lost(self, message: str) -> Failure:
        self._source.fail(message)
        return Failure("ConnectionLost", f"The remote side cannot be understood: {message}.")


def was_killed(status: int) -> bool:
    """Return whether a status is that of a process which a signal has ended, as a shell tells it."""
    return 128 < status < 193


def broken(status: int, stderr: bytes) -> Failure:
    """Return the failure of a job that did not come to its end, by its status and what it said of it."""
    how = f"was killed by signal {status - 128}" if was_killed(status) else f"ended with status {status}"
    if status in FORK_REFUSED:
        how += ", as where no process can be started"
    said = stderr.decode("utf-8", "backslashreplace").strip().replace("\n", " ")[-300:]
    return Failure("LookBroken", f"What looked into the target {how}{f': {said}' if said else '.'}")
