# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the target's files: the bytes, framed by their length, and what the remote side's sha256 says of them.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._listing import Entry, TargetFiles
from ansible_collections.incident.distroless.plugins.module_utils._names import quote
from ansible_collections.incident.distroless.plugins.module_utils._reader import (
    GROUP_DESCRIPTORS,
    MOST_TOGETHER,
    PROGRAM,
    SMALL,
)
from ansible_collections.incident.distroless.plugins.module_utils._session import Answer

ReadStatus = Literal["ok", "Missing", "PermissionDenied", "Replaced", "Escaped", "ReadError", "Shrunk"]
_STATUSES: tuple[ReadStatus, ...] = ("ok", "Missing", "PermissionDenied", "Replaced", "Escaped", "ReadError", "Shrunk")

# of one job: the shell takes its script byte by byte and appends line by line
MAX_SCRIPT = 16 << 10
MAX_LINE = 4096

_SHA256 = re.compile(rb"[0-9a-f]{64}\Z")
_SUM_LINE = re.compile(rb"([0-9a-f]{64})  ?\*?/proc/self/fd/([0-9])\Z")


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
    """length bytes of file number index follow, which is on mount. A second one for an index starts that file again."""

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
        job = _Job(target.session.run(script), wants, is_sending=is_sending, has_sums=checksum)
        yield from job.events()
        missing = set(indexes) - job.ended - job.again
        if missing:
            raise Failure("ConnectionLost", f"The remote side left out {len(missing)} files of {len(indexes)}.")
        # a file of a group that had another size by then: alone it can be read up to the listed one
        for index in sorted(job.again):
            answer = target.session.run(_line_for(target.root, index, wants[index]))
            alone = _Job(answer, wants, is_sending=is_sending, has_sums=checksum)
            yield from alone.events()
            if index not in alone.ended:
                raise Failure("ConnectionLost", "The remote side left out a file.")


def _jobs(root: bytes, wants: Sequence[Want]) -> Iterator[tuple[bytes, list[int]]]:
    """Scripts of a bearable length, each with the indexes that it is about."""
    lines: list[bytes] = []
    indexes: list[int] = []
    members = 0
    for index, want in enumerate(wants):
        if want.is_small:
            lines.append(b"add %d %d %d %s\n" % (GROUP_DESCRIPTORS[members], index, want.entry.ino, quote(root + want.entry.path)))
            members += 1
        else:
            if members:
                lines.append(b"together\n")
            members = 0
            lines.append(_line_for(root, index, want))
        if members == len(GROUP_DESCRIPTORS):
            lines.append(b"together\n")
            members = 0
        indexes.append(index)
        if sum(map(len, lines)) > MAX_SCRIPT and not members:
            yield b"".join(lines), indexes
            lines, indexes = [], []
    if members:
        lines.append(b"together\n")
    if lines:
        yield b"".join(lines), indexes


def _line_for(root: bytes, index: int, want: Want) -> bytes:
    return b"one %d %d %d %d %s\n" % (index, want.entry.ino, want.offset, want.count, quote(root + want.entry.path))


class _Job:
    """One answer on its way in. ended: the indexes that are done with; again: those to be read alone."""

    def __init__(self, answer: Answer, wants: Sequence[Want], *, is_sending: bool, has_sums: bool) -> None:
        self.ended: set[int] = set()
        self.again: set[int] = set()
        self._answer, self._wants = answer, wants
        self._is_sending, self._has_sums = is_sending, has_sums
        # of the group: descriptor -> (index, mount), descriptor -> sha256
        self._group: dict[int, tuple[int, int]] = {}
        self._sums: dict[int, str] = {}

    def events(self) -> Iterator[Begin | Data | End]:
        """What the answer says, to its end."""
        while (line := self._answer.line(MAX_LINE)) is not None:
            word, _space, rest = line.partition(b" ")
            try:
                yield from self._take(word, rest, line)
            except (ValueError, IndexError, KeyError) as error:
                raise Failure("ConnectionLost", f"The remote side cannot be understood: {line[:100]!r}.") from error
        self._answer.end()

    def _take(self, word: bytes, rest: bytes, line: bytes) -> Iterator[Begin | Data | End]:
        if word == b"begin":
            index, length, mount = (int(field) for field in rest.split())
            if length != self._wants[index].count:
                raise ValueError("another length than was asked for")
            yield Begin(index, length, mount)
            yield from (Data(index, view) for view in self._answer.exactly(length))
        elif word == b"end":
            yield self._end(rest.split())
        elif word == b"in":
            descriptor, index, mount = (int(field) for field in rest.split())
            self._group[descriptor] = (index, mount)
        elif word in (b"bytes", b"sizes"):
            total, *sizes = (int(field) for field in rest.split())
            yield from self._members(total, sizes, has_bytes=word == b"bytes")
        elif word == b"done":
            self.again |= {index for index, _mount in self._group.values()}
            self._group, self._sums = {}, {}
        else:
            found = _SUM_LINE.match(line)
            if found is None:
                raise ValueError("a line of no form")
            self._sums[int(found[2])] = found[1].decode()

    def _end(self, fields: Sequence[bytes]) -> End:
        index, status = int(fields[0]), next(word for word in _STATUSES if word.encode() == fields[1])
        mount = None if fields[2] == b"-" else int(fields[2])
        length, size = int(fields[3]), int(fields[4])
        sha256 = fields[5].decode() if _SHA256.match(fields[5]) else None
        self.ended.add(index)
        return End(index, status, size > self._wants[index].entry.size, size, mount, sha256, length)

    def _members(self, total: int, sizes: Sequence[int], *, has_bytes: bool) -> Iterator[Begin | Data | End]:
        """The files of a group, one after another; a size that is not the listed one makes its bytes useless."""
        members = sorted(self._group.items())
        if len(sizes) != len(members) or sum(sizes) != total or (has_bytes and total > MOST_TOGETHER):
            raise ValueError("sizes that do not fit")
        self._group = {}
        for (descriptor, (index, mount)), size in zip(members, sizes, strict=True):
            want = self._wants[index]
            is_right = (
                size == want.count
                and (descriptor in self._sums or not self._has_sums)
                and (has_bytes or not self._is_sending)
            )
            if has_bytes and is_right:
                yield Begin(index, size, mount)
            for view in self._answer.exactly(size) if has_bytes else ():
                if is_right:
                    yield Data(index, view)
            if is_right:
                self.ended.add(index)
                yield End(index, "ok", False, size, mount, self._sums.get(descriptor), size)
            else:
                self.again.add(index)

