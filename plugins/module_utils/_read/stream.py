# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the target's files: the bytes, framed by their length, and what the remote side's sha256 says of them.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import (
    NOTHING,
    Codec,
    Packed,
    Packing,
    Plain,
)
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import PROGRAM as PACKED
from ansible_collections.incident.distroless.plugins.module_utils._read.events import (
    Begin,
    Data,
    End,
    Event,
    ReadStatus,
    Times,
    Whole,
)
from ansible_collections.incident.distroless.plugins.module_utils._read.remote_program import MOST_TOGETHER, PROGRAM
from ansible_collections.incident.distroless.plugins.module_utils._read.request import Want, jobs, line_for
from ansible_collections.incident.distroless.plugins.module_utils._remote.job_output import JobOutput
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import TargetFiles, times_of

_STATUSES: tuple[ReadStatus, ...] = ("ok", "Missing", "PermissionDenied", "Replaced", "Escaped", "ReadError", "Shrunk")

MAX_LINE = 4096
# a hash says nothing until it is done: bytes a second that the slowest pod still manages
SLOWEST = 4 << 20

_SHA256 = re.compile(rb"[0-9a-f]{64}\Z")
_SUM_LINE = re.compile(rb"([0-9a-f]{64})  ?\*?/proc/self/fd/([0-9]+)\Z")


@dataclass(frozen=True, slots=True)
class Mounts:
    """The ids of those that may be read from: the target's, less the secret ones. Of the unsteady ones among them the times
    do not tell all that is written."""

    readable: frozenset[int]
    unsteady: frozenset[int] = frozenset()


def send(
    target: TargetFiles,
    wants: Sequence[Want],
    mounts: Mounts,
    *,
    checksum: bool = True,
    packing: Packing = NOTHING,
) -> Iterator[Event]:
    """Stream files from mounts.

    One End for each index, on its own or in a Whole. Raises Failure when the stream breaks or does not keep to its form.
    """
    yield from _read(target, wants, mounts, is_sending=True, checksum=checksum, packing=packing)


def hashes(target: TargetFiles, wants: Sequence[Want], mounts: Mounts) -> Iterator[End]:
    """Yield what the files hash to, by the same proof of what they are, without their bytes."""
    for event in _read(target, wants, mounts, is_sending=False, checksum=True, packing=NOTHING):
        if isinstance(event, End):
            yield event


def _read(
    target: TargetFiles,
    wants: Sequence[Want],
    mounts: Mounts,
    *,
    is_sending: bool,
    checksum: bool,
    packing: Packing,
) -> Iterator[Event]:
    settings = b"mounts='%s' volatile='%s' sending=%s checksum=%s most=%d group_codec=%s\n" % (
        b" ".join(b"%d" % mount for mount in sorted(mounts.readable)),
        b" ".join(b"%d" % mount for mount in sorted(mounts.unsteady)),
        b"yes" if is_sending else b"no",
        b"yes" if checksum else b"no",
        MOST_TOGETHER,
        packing.groups.encode(),
    )
    how = _How(is_sending, checksum, packing.tool)
    target.session.define(PACKED + PROGRAM + settings)
    for script, indexes in jobs(wants, packing):
        job = _Job(target.session, script, indexes, wants, how)
        yield from job.events()
        # a file of a group that had another size by then: alone it can be read up to the listed one
        for index in sorted(job.again):
            line = line_for(index, wants[index], packing)
            alone = _Job(target.session, line, [index], wants, how)
            yield from alone.events()
            if alone.again:
                raise Failure("ConnectionLost", "The remote side does not say what became of a file.")


@dataclass(frozen=True, slots=True)
class _How:
    """What jobs are asked for: the bytes or their hashes alone, hashes with the bytes, and the codec that may come."""

    is_sending: bool
    has_sums: bool
    codec: Codec


class _Job:
    """One answer on its way in. again: the indexes that are to be read alone."""

    def __init__(
        self,
        session: Session,
        script: bytes,
        indexes: Sequence[int],
        wants: Sequence[Want],
        how: _How,
    ) -> None:
        self.again: set[int] = set()
        self._patience = session.timeout + sum(wants[index].count for index in indexes) / SLOWEST
        # what is stuck is found out here first, where one file can be told from the others
        self._job = session.run(script + b"exit 0\n", timeout=self._patience + 5)
        self._answer: JobOutput
        self._left, self._wants = list(indexes), wants
        self._is_sending, self._has_sums, self._codec = how.is_sending, how.has_sums, how.codec
        # in, ok, a hash, a time, begin, end, and what ends a group: an answer of more lines than that never ends
        self._lines = 8 * (len(indexes) + 1)
        # index -> how many bytes were announced for it
        self._begun: dict[int, int] = {}
        # of the group: descriptor -> index, descriptor -> (mount, size), descriptor -> sha256, and the times in order
        self._group: dict[int, int] = {}
        self._proven: dict[int, tuple[int, int]] = {}
        self._sums: dict[int, str] = {}
        self._times: list[Times] = []

    def events(self) -> Iterator[Event]:
        """Yield what the answer says, to its end. Raises Failure when it leaves out a file or does not keep to its form."""
        yield from self._job.read(self._parse)
        if set(self._left) - self.again:
            raise Failure("ConnectionLost", f"The remote side left out files: {len(self._left)}.")

    def _parse(self, answer: JobOutput) -> Iterator[Event]:
        self._answer = answer
        while self._answer.wait(self._patience):
            line = self._answer.line(MAX_LINE)
            if line is None:
                break
            self._lines -= 1
            word, _space, rest = line.partition(b" ")
            try:
                if self._lines < 0:
                    raise ValueError("more lines than files can have")
                yield from self._take(word, rest, line)
            except (ValueError, IndexError, KeyError) as error:
                raise Failure("ConnectionLost", f"The remote side cannot be understood: {line[:100]!r}.") from error
        else:
            yield from self._stuck()

    def _stuck(self) -> Iterator[End]:
        """Ends a job that waits for ever: a fifo was put in the place of a file between the look and the open."""
        self._answer.cancel()
        self._answer.end()
        waiting = [index for index in self._left if index not in self.again]
        # which one of a group it is shows when each is asked for alone; there even what grows without end comes to its length
        is_known = len(waiting) == 1 or (waiting and not self._wants[waiting[0]].is_small)
        if is_known and not self._group:
            yield self._done(End(waiting[0], "Replaced", False, 0, None, None, 0))
        self.again |= set(self._left)

    def _done(self, end: End) -> End:
        self._left.remove(end.index)
        return end

    def _take(self, word: bytes, rest: bytes, line: bytes) -> Iterator[Event]:
        found = _SUM_LINE.match(line)
        if found is not None:
            self._sums[int(found[2])] = found[1].decode()
        elif word == b"read":
            said, _space, times = rest.partition(b" ")
            _number(said)
            self._times.append(_times(times))
        elif word == b"begin":
            *counts, word = rest.split()
            index, length, mount = (_number(field) for field in counts)
            if index not in self._left or index in self._begun or length > self._wants[index].count:
                raise ValueError("more than was asked for")
            self._begun[index], here = length, self._wants[index].here
            yield Begin(index, length, mount, here, self._codec if word != b"none" else "none")
            yield from self._stream(index, word, max(0, length - here))
        elif word == b"end":
            yield self._end(rest.split(b" ", 6))
        elif word == b"in":
            first, count = (_number(field) for field in rest.split())
            self._group = self._members_from(first, count)
        elif word == b"all":
            mount = _number(rest)
            self._proven = {descriptor: (mount, self._wants[index].count) for descriptor, index in self._group.items()}
        elif word == b"ok":
            descriptor, mount, size = (_number(field) for field in rest.split())
            self._proven[descriptor] = (mount, size)
        elif word in (b"bytes", b"sizes"):
            total, *codecs = rest.split()
            (codec,) = codecs or [b"none"]
            yield from self._members(_number(total), codec, has_bytes=word == b"bytes")
        elif word == b"done":
            self.again |= set(self._group.values()) & set(self._left)
            self._group, self._proven, self._sums, self._times = {}, {}, {}, []
        else:
            raise ValueError("a line of no form")

    def _members_from(self, first: int, count: int) -> dict[int, int]:
        """A group's indexes by their descriptors: the next ones that were asked for and did not end."""
        small = (index for index in self._left if index not in self.again and self._wants[index].is_small)
        waiting = list(islice(small, count))
        if self._group or len(waiting) != count:
            raise ValueError("nobody asked for that")
        return dict(enumerate(waiting, first))

    def _end(self, fields: Sequence[bytes]) -> End:
        index, length, size = (_number(fields[place]) for place in (0, 3, 4))
        status = _STATUSES[[word.encode() for word in _STATUSES].index(fields[1])]
        mount = None if fields[2] == b"-" else _number(fields[2])
        sha256 = fields[5].decode() if _SHA256.match(fields[5]) else None
        want = self._wants[index]
        if length != (self._begun.get(index, 0) if self._is_sending else min(length, want.count)):
            raise ValueError("another length than was announced")
        has_sum = self._has_sums or want.here > 0
        is_whole = length == want.count and mount is not None and (sha256 is not None or not has_sum)
        if status == "ok" and not (is_whole and (index in self._begun or not self._is_sending)):
            raise ValueError("less than was asked for")
        times = _times(fields[6]) if fields[6:] and fields[6] != b"-" else None
        return self._done(End(index, status, size > want.entry.size, size, mount, sha256, length, times))

    def _stream(self, index: int, word: bytes, length: int) -> Iterator[Data]:
        """The bytes of a file that comes alone."""
        packed = self._opened(word, length)
        yield from (Data(index, view, packed.taken()) for view in packed.exactly(length))
        packed.end()
        yield Data(index, memoryview(b""), packed.taken())

    def _opened(self, word: bytes, length: int) -> Plain | Packed:
        if word not in (b"none", self._codec.encode()):
            raise ValueError("a codec that nobody asked for")
        return Plain(self._answer) if word == b"none" or not length else Packed(self._answer, self._codec, length)

    def _members(self, total: int, word: bytes, *, has_bytes: bool) -> Iterator[Event]:
        """The files of a group, one after another; what cannot be right is read alone later."""
        last = next(reversed(self._proven), None)
        if sum(size for _mount, size in self._proven.values()) != total or (has_bytes and total > MOST_TOGETHER):
            raise ValueError("sizes that do not fit")
        packed = self._opened(word, total)
        codec = self._codec if word != b"none" else "none"
        parts = (
            _parted(packed, [size for _mount, size in self._proven.values()])
            if has_bytes
            else [b""] * len(self._proven)
        )
        # without a time for each nobody knows whose they are
        all_times = self._times if len(self._times) == len(self._proven) else [None] * len(self._proven)
        for data, (descriptor, (mount, size)), times in zip(parts, self._proven.items(), all_times, strict=True):
            index, expected = self._group[descriptor], self._sums.get(descriptor)
            if has_bytes and descriptor == last:
                packed.end()
            is_right = size == self._wants[index].count and expected is not None and (has_bytes or not self._is_sending)
            # nobody else would see that a file before has moved these bytes
            if is_right and (self._has_sums or hashlib.sha256(data).hexdigest() == expected):
                sum_of_all = expected if self._has_sums else None
                end = self._done(End(index, "ok", False, size, mount, sum_of_all, size, times))
                yield Whole(end, data, packed.taken(), codec) if has_bytes else end


def _parted(packed: Plain | Packed, sizes: Sequence[int]) -> Iterator[bytes]:
    """Pieces of these sizes of what comes, each as soon as it is here."""
    views = packed.exactly(sum(sizes))
    have, at = b"", 0
    for size in sizes:
        while len(have) - at < size:
            have, at = have[at:] + next(views).tobytes(), 0  # pylint: disable=stop-iteration-return
        yield have[at : at + size]
        at += size
    # what exactly() has to say at its end
    for _nothing in views:
        pass


def _number(field: bytes) -> int:
    """A count as the remote side said it. Raises ValueError; a negative one would be taken for one without end."""
    if not field.isdigit() or len(field) > 20:
        raise ValueError("no count")
    return int(field)


def _times(said: bytes) -> Times:
    """Times from stat's `%X %Y %Z|%x|%y|%z`. Raises ValueError."""
    numbers, *texts = said.split(b"|")
    if len(numbers) > 64:
        raise ValueError("no times")
    return Times(*times_of(list(map(int, numbers.split())), texts))
