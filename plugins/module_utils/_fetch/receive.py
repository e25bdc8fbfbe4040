# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bytes on their way in: each file is written as it comes, and goes on where a broken stream left it.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import Home, Step
from ansible_collections.incident.distroless.plugins.module_utils._fetch.reconnect import Remote
from ansible_collections.incident.distroless.plugins.module_utils._fetch.settle import Settlement
from ansible_collections.incident.distroless.plugins.module_utils._localfs.partial_file import Partial
from ansible_collections.incident.distroless.plugins.module_utils._read.bandwidth import decide, local_tools
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import (
    NOTHING,
    Codec,
    Packing,
    has_holes,
)
from ansible_collections.incident.distroless.plugins.module_utils._read.events import Begin, Data, End, Whole
from ansible_collections.incident.distroless.plugins.module_utils._read.request import Want
from ansible_collections.incident.distroless.plugins.module_utils._read.stream import Mounts, send
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import TargetFiles

# gets, again and again, the bytes of files that came of how many, and the files that are done of how many
# less than so many new bytes of a file are no progress before its hash has proven them
_PROGRESS = 16 << 10
Notify = Callable[[int, int, int, int], None]


class Incoming:
    """One file at a time. What is here of it is proven by the hash of the whole at its end, never by trust in the first part."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._step: Step | None = None
        self.file: Partial | None = None

    def here(self, step: Step) -> int:
        """Return how many bytes of that part of that very file are here."""
        return self.file.length if self.file is not None and self._step is not None and _same(self._step, step) else 0

    def begin(self, step: Step, start: int) -> None:
        """Readies for the bytes from start on: goes on where `here` says so, begins anew at 0. Raises Failure."""
        if start and start == self.here(step):
            return
        self.drop()
        self._step = step
        entry = step.item.entry
        is_sparse = entry is not None and has_holes(entry)
        room = min(step.length, entry.blocks * 512) if entry is not None and is_sparse else step.length
        self.file = self._home.dest.writer(self._home.place(step.item), room, is_sparse=is_sparse)

    def drop(self) -> None:
        """Removes what was not committed."""
        file, self._step, self.file = self.file, None, None
        if file is not None:
            file.close()


def _same(one: Step, other: Step) -> bool:
    """Return whether both are the same part of the same file; one that was renewed meanwhile has another inode."""
    return _key(one) == _key(other)


def _key(step: Step) -> tuple[object, ...]:
    entry = step.item.entry
    return (step.item.src, step.offset, step.length, entry and (entry.dev, entry.ino))


class Receiver:
    """Streams the files of one target.

    moved counts the bytes that came on the wire, those of vain tries as well; codec is what some of them were compressed by.
    """

    def __init__(self, remote: Remote, mounts: Mounts, settlement: Settlement, notify: Notify) -> None:
        self._remote, self._mounts, self._settlement, self._notify = remote, mounts, settlement, notify
        self._incoming = Incoming(settlement.home)
        self._packing: Packing | None = None
        # by src: how many bytes of it came at most
        self._furthest: dict[bytes, int] = {}
        self.moved = 0
        self.codec: Codec = "none"

    def receive(self, left: dict[bytes, Step]) -> None:
        """Streams files, and takes those that it is done with out of left; what a broken stream brought of a file is where the
        next one goes on. Raises Failure or DeadlineReached."""
        files, options = self._remote.files(), self._settlement.options
        self._renew(files, left)
        steps = sorted(left.values(), key=lambda step: not self._incoming.here(step))
        came, size = 0, sum(step.length - self._incoming.here(step) for step in steps)
        wants = [step.want(self._incoming.here(step)) for step in steps]
        packing = self._choose(files, wants)
        for event in send(files, wants, self._mounts, checksum=options.checksum, packing=packing):
            self._remote.check_deadline()
            if isinstance(event, Whole):
                if self._put(steps[event.end.index], event, left):
                    came += len(event.data)
                    self._notify(came, size, len(steps) - len(left), len(steps))
                    continue
                self._begin(steps[event.end.index], 0, event.codec)
                data: bytes | memoryview = event.data
                end: End | None = event.end
                self._write(steps[event.end.index], data, event.moved)
            elif isinstance(event, Data):
                data, end = event.view, None
                self._write(steps[event.index], data, event.moved)
            elif isinstance(event, Begin):
                self._begin(steps[event.index], event.start, event.codec)
                continue
            else:
                data, end = b"", event
            if data:
                came += len(data)
                self._notify(came, size, len(steps) - len(left), len(steps))
            if end is not None:
                self._end(steps[end.index], end, left)

    def _put(self, step: Step, whole: Whole, left: dict[bytes, Step]) -> bool:
        """Have a small file done with that is as it should be; False: it takes the way of any other."""
        if not self._settlement.put(step, whole.data, whole.end):
            return False
        self._incoming.drop()
        self.moved += whole.moved
        self.codec = whole.codec if whole.codec != "none" else self.codec
        del left[step.item.src]
        self._remote.succeeded()
        return True

    def _end(self, step: Step, end: End, left: dict[bytes, Step]) -> None:
        self._settlement.finish(step, self._incoming.file, end)
        self._incoming.drop()
        if step.item.src in self._settlement.rows:
            del left[step.item.src]
            self._remote.succeeded()

    def drop(self) -> None:
        """Removes what is not settled."""
        self._incoming.drop()

    def _renew(self, files: TargetFiles, left: dict[bytes, Step]) -> None:
        """Has what came out wrong looked at again."""
        for second in self._settlement.tries.look_again(files, left):
            left[second.step.item.src] = second.step
            if second.status is not None:
                self._settlement.note(second.step, second.status, second.reason, is_here=False)
                del left[second.step.item.src]

    def _choose(self, files: TargetFiles, wants: Sequence[Want]) -> Packing:
        """Return what to compress; the line is measured once."""
        if self._packing is None:
            options = self._settlement.options
            # a line that breaks while it is measured is not measured again: that would bring nothing, try after try
            self._packing = NOTHING if options.compress == "auto" else None
            self._packing = decide(
                files.session, options.compress, wants, is_throttled=options.is_throttled, here=local_tools()
            )
        return self._packing

    def _begin(self, step: Step, start: int, codec: Codec) -> None:
        self.codec = codec if codec != "none" else self.codec
        try:
            self._incoming.begin(step, start)
        except Failure as failure:
            self._settlement.refuse(step, failure)

    def _write(self, step: Step, data: memoryview | bytes, moved: int) -> None:
        self.moved += moved
        file = self._incoming.file
        # what this side cannot take is let pass: the files behind it come on the same stream
        if file is None:
            return
        if file.length + len(data) > step.length:
            raise Failure("ConnectionLost", f"More came than the {step.length} bytes of {step.item.src!r}.")
        try:
            file.write(data)
        except Failure as failure:
            self._settlement.refuse(step, failure)
            self._incoming.drop()
        else:
            self._count_progress(step, file)

    def _count_progress(self, step: Step, file: Partial) -> None:
        """Let the tries be counted anew for bytes that no try before brought, where they are more than a few.

        So a line that is cut every minute gets to the end of a file that takes an hour, and one that brings the same bytes
        again and again, or a little of what nothing has proven, comes to its own.
        """
        if file.length >= self._furthest.get(step.item.src, 0) + _PROGRESS:
            self._furthest[step.item.src] = file.length
            self._remote.succeeded()
