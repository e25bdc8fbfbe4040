# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the target's files: the bytes, framed by their length, and what the remote side's sha256 says of them.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._listing import Entry, TargetFiles
from ansible_collections.incident.distroless.plugins.module_utils._names import quote
from ansible_collections.incident.distroless.plugins.module_utils._reader import (
    MOST_TOGETHER,
    PROGRAM,
    SMALL,
)
from ansible_collections.incident.distroless.plugins.module_utils._session import Session

ReadStatus = Literal["ok", "Missing", "PermissionDenied", "Replaced", "Escaped", "ReadError", "Shrunk"]
_STATUSES: tuple[ReadStatus, ...] = ("ok", "Missing", "PermissionDenied", "Replaced", "Escaped", "ReadError", "Shrunk")

# of one job: the shell takes its script byte by byte and appends line by line
MAX_SCRIPT = 64 << 10
MAX_LINE = 4096
# a hash says nothing until it is done: bytes a second that the slowest pod still manages
SLOWEST = 4 << 20

_SHA256 = re.compile(rb"[0-9a-f]{64}\Z")
_SUM_LINE = re.compile(rb"([0-9a-f]{64})  ?\*?/proc/self/fd/([0-9]+)\Z")


@dataclass(frozen=True, slots=True)
class Want:
    """A file to read: length bytes from offset on, None for all up to the listed size."""

    entry: Entry
    offset: int = 0
    length: int | None = None

    @property
    def count(self) -> int:
        """How many bytes."""
        return self.entry.size - self.offset if self.length is None else self.length

    @property
    def is_small(self) -> bool:
        """Whether it is read in a group."""
        return self.offset == 0 and self.count == self.entry.size <= SMALL


@dataclass(frozen=True, slots=True)
class Begin:
    """length bytes of file number index follow, which is on mount; fewer than asked for where it has shrunk. A second one
    for an index starts that file again."""

    index: int
    length: int
    mount: int


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of the file; the view is valid until the next step."""

    index: int
    view: memoryview


@dataclass(frozen=True, slots=True)
class End:
    """What became of file number index: its size now, whether it grew since the listing, the sha256 of length bytes sent
    (or looked at) as the remote side saw them, None without one."""

    index: int
    status: ReadStatus
    grew: bool
    size: int
    mount: int | None
    sha256: str | None
    length: int


def send(
    target: TargetFiles, wants: Sequence[Want], mounts: Iterable[int], *, checksum: bool = True
) -> Iterator[Begin | Data | End]:
    """Streams files. mounts are the ids of those that may be read from: the target's, less the secret ones.

    One End for each index. Raises Failure when the stream breaks or does not keep to its form.
    """
    yield from _read(target, wants, mounts, is_sending=True, checksum=checksum)


def hashes(target: TargetFiles, wants: Sequence[Want], mounts: Iterable[int]) -> Iterator[End]:
    """What the files hash to, by the same proof of what they are, without their bytes."""
    for event in _read(target, wants, mounts, is_sending=False, checksum=True):
        if isinstance(event, End):
            yield event


def _read(
    target: TargetFiles, wants: Sequence[Want], mounts: Iterable[int], *, is_sending: bool, checksum: bool
) -> Iterator[Begin | Data | End]:
    settings = b"mounts='%s' sending=%s checksum=%s most=%d\n" % (
        b" ".join(b"%d" % mount for mount in sorted(mounts)),
        b"yes" if is_sending else b"no",
        b"yes" if checksum else b"no",
        MOST_TOGETHER,
    )
    target.session.define(PROGRAM + settings)
    for script, indexes in _jobs(target.root, wants):
        job = _Job(target.session, script, indexes, wants, is_sending=is_sending, has_sums=checksum)
        yield from job.events()
        # a file of a group that had another size by then: alone it can be read up to the listed one
        for index in sorted(job.again):
            line = _line_for(target.root, index, wants[index])
            alone = _Job(target.session, line, [index], wants, is_sending=is_sending, has_sums=checksum)
            yield from alone.events()
            if alone.again:
                raise Failure("ConnectionLost", "The remote side does not say what became of a file.")


def _jobs(root: bytes, wants: Sequence[Want]) -> Iterator[tuple[bytes, list[int]]]:
    """Scripts of a bearable length, each with the indexes that it is about."""
    lines: list[bytes] = []
    indexes: list[int] = []
    length = 0
    for index, want in enumerate(wants):
        if want.is_small:
            line = b"add %d %s %d %s\n" % (index, _identity(want), want.count, quote(root + want.entry.path))
        else:
            line = b"together\n" + _line_for(root, index, want)
        lines.append(line)
        indexes.append(index)
        length += len(line)
        if length > MAX_SCRIPT:
            yield b"".join([*lines, b"together\n"]), indexes
            lines, indexes, length = [], [], 0
    if lines:
        yield b"".join([*lines, b"together\n"]), indexes


def _line_for(root: bytes, index: int, want: Want) -> bytes:
    return b"one %d %s %d %d %s\n" % (
        index,
        _identity(want),
        want.offset,
        want.count,
        quote(root + want.entry.path),
    )


def _identity(want: Want) -> bytes:
    return b"%d:%d" % (want.entry.dev, want.entry.ino)


class _Job:
    """One answer on its way in. again: the indexes that are to be read alone."""

    def __init__(
        self,
        session: Session,
        script: bytes,
        indexes: Sequence[int],
        wants: Sequence[Want],
        *,
        is_sending: bool,
        has_sums: bool,
    ) -> None:
        self.again: set[int] = set()
        self._patience = session.timeout + sum(wants[index].count for index in indexes) / SLOWEST
        # what is stuck is found out here first, where one file can be told from the others
        self._answer = session.run(script, timeout=self._patience + 5)
        self._left, self._wants = list(indexes), wants
        self._is_sending, self._has_sums = is_sending, has_sums
        # in, ok, a hash, begin, end, and what ends a group: an answer of more lines than that never ends
        self._lines = 8 * (len(indexes) + 1)
        # index -> how many bytes were announced for it
        self._begun: dict[int, int] = {}
        # of the group: descriptor -> index, descriptor -> (mount, size), descriptor -> sha256
        self._group: dict[int, int] = {}
        self._proven: dict[int, tuple[int, int]] = {}
        self._sums: dict[int, str] = {}

    def events(self) -> Iterator[Begin | Data | End]:
        """What the answer says, to its end. Raises Failure when it leaves out a file or does not keep to its form."""
        while self._answer.wait(self._patience):
            line = self._answer.line(MAX_LINE)
            if line is None:
                self._answer.end()
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
        if set(self._left) - self.again:
            raise Failure("ConnectionLost", f"The remote side left out files: {len(self._left)}.")

    def _stuck(self) -> Iterator[End]:
        """Ends a job that waits for ever: a fifo was put in the place of a file between the look and the open."""
        self._answer.cancel()
        self._answer.end()
        waiting = [index for index in self._left if index not in self._group.values()]
        # after the proofs it is a hash that does not end: one of the group has grown, and alone it is read to its length
        if waiting and not self._proven:
            yield self._done(End(waiting[0], "Replaced", False, 0, None, None, 0))
        self.again |= set(self._left)

    def _done(self, end: End) -> End:
        self._left.remove(end.index)
        return end

    def _take(self, word: bytes, rest: bytes, line: bytes) -> Iterator[Begin | Data | End]:
        if word == b"begin":
            index, length, mount = (_number(field) for field in rest.split())
            if index not in self._left or index in self._begun or length > self._wants[index].count:
                raise ValueError("more than was asked for")
            self._begun[index] = length
            yield Begin(index, length, mount)
            yield from (Data(index, view) for view in self._answer.exactly(length))
        elif word == b"end":
            yield self._end(rest.split())
        elif word == b"in":
            descriptor, index = (_number(field) for field in rest.split())
            if index not in self._left:
                raise ValueError("nobody asked for that")
            self._group[descriptor] = index
        elif word == b"ok":
            descriptor, mount, size = (_number(field) for field in rest.split())
            self._proven[descriptor] = (mount, size)
        elif word in (b"bytes", b"sizes"):
            yield from self._members(_number(rest), has_bytes=word == b"bytes")
        elif word == b"done":
            self.again |= set(self._group.values()) & set(self._left)
            self._group, self._proven, self._sums = {}, {}, {}
        else:
            found = _SUM_LINE.match(line)
            if found is None:
                raise ValueError("a line of no form")
            self._sums[int(found[2])] = found[1].decode()

    def _end(self, fields: Sequence[bytes]) -> End:
        index, length, size = (_number(fields[place]) for place in (0, 3, 4))
        status = _STATUSES[[word.encode() for word in _STATUSES].index(fields[1])]
        mount = None if fields[2] == b"-" else _number(fields[2])
        sha256 = fields[5].decode() if _SHA256.match(fields[5]) else None
        want = self._wants[index]
        if length != (self._begun.get(index, 0) if self._is_sending else min(length, want.count)):
            raise ValueError("another length than was announced")
        is_whole = length == want.count and mount is not None and (sha256 is not None or not self._has_sums)
        if status == "ok" and not (is_whole and (index in self._begun or not self._is_sending)):
            raise ValueError("less than was asked for")
        return self._done(End(index, status, size > want.entry.size, size, mount, sha256, length))

    def _members(self, total: int, *, has_bytes: bool) -> Iterator[Begin | Data | End]:
        """The files of a group, one after another; what cannot be right is read alone later."""
        if sum(size for _mount, size in self._proven.values()) != total or (has_bytes and total > MOST_TOGETHER):
            raise ValueError("sizes that do not fit")
        for descriptor, (mount, size) in self._proven.items():
            index, expected, seen = self._group[descriptor], self._sums.get(descriptor), hashlib.sha256()
            is_right = size == self._wants[index].count and expected is not None and (has_bytes or not self._is_sending)
            if has_bytes and is_right:
                yield Begin(index, size, mount)
            for view in self._answer.exactly(size) if has_bytes else ():
                if is_right:
                    if not self._has_sums:
                        seen.update(view)
                    yield Data(index, view)
            # nobody else would see that a file before has moved these bytes
            if is_right and (self._has_sums or seen.hexdigest() == expected):
                yield self._done(End(index, "ok", False, size, mount, expected if self._has_sums else None, size))


def _number(field: bytes) -> int:
    """A count as the remote side said it. Raises ValueError; a negative one would be taken for one without end."""
    if not field.isdigit() or len(field) > 20:
        raise ValueError("no count")
    return int(field)
