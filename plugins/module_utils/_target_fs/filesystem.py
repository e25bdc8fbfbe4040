# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at the target's files without following a link or opening a file: what is there, and what it says of itself.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._remote.job_output import JobOutput
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.mountinfo import Mount, parse_mounts
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.stat_protocol import (
    NAME_MAX,
    PATH_MAX,
    misunderstood,
    program_for,
    records,
    scan_script,
    walk_line,
)

# what find complains of, of one path: it went meanwhile, or the listing has a record of its own for it
_OF_A_PATH = (
    b"Permission denied",
    b"No such file or directory",
    b"Not a directory",
    b"Too many levels of symbolic links",
    b"File name too long",
)
# and of itself: it could not start what looks, or that was killed
_OF_THE_LOOK = (
    b"Resource temporarily unavailable",
    b"Cannot allocate memory",
    b"emory exhausted",
    b"ut of memory",
    b"Too many open files",
    b"Too many open files in system",
)
_KILLED = b"terminated by signal"
# of a complaint that is still coming: a path, and words
_LONGEST_COMPLAINT = 16 << 10
_MOST_KEPT = 8
# of all complaints of one find: a hundred thousand directories that it may not look into
_MOST_SAID = 16 << 20


class Complaints:
    """What came of one find: its stderr, the runs of its script that began and ended, its status.

    others are complaints of neither kind, such as of a disk that gives errors.
    """

    def __init__(self) -> None:
        self.others: list[str] = []
        self._rest = b""
        self._size = 0
        self._broken: bytes | None = None
        self._has_said_anything = False
        self._open = 0
        self._status: bytes | None = None

    def take(self, view: memoryview) -> None:
        """Take a piece of stderr. Raises Failure for complaints without end.

        A name can have newlines in it, so a complaint goes on up to the next one.
        """
        self._size += len(view)
        if self._size > _MOST_SAID:
            raise misunderstood(b"complaints without end")
        *whole, self._rest = (self._rest + view.tobytes()).replace(b"\nfind: ", b"\n\0").split(b"\n\0")
        for complaint in whole:
            self._judge(complaint)
        # of a longer one the end tells
        self._rest = self._rest[-_LONGEST_COMPLAINT:]

    def note(self, kind: bytes, fields: Sequence[bytes]) -> None:
        """Note a record: a run of the script that began (B) or ended (Z), or the end of all (Y) with find's status."""
        self._open += {b"B": 1, b"Z": -1}.get(kind, 0)
        if kind == b"Y":
            self._status = fields[0]

    def check(self) -> None:
        """Raise Failure LookBroken unless the listing came to its end; what cannot be looked into is no such thing."""
        self._judge(self._rest)
        self._rest = b""
        silent = self._status not in (None, b"0") and not self._has_said_anything
        if self._broken is not None or self._open or silent:
            words = (self._broken or b"what it started was killed").decode("utf-8", "backslashreplace")
            raise Failure("LookBroken", f"A listing broke off: {words[-300:]}")

    def _judge(self, complaint: bytes) -> None:
        complaint = complaint.strip()
        if not complaint:
            return
        self._has_said_anything = True
        if complaint.endswith(_OF_THE_LOOK) or _KILLED in complaint:
            self._broken = self._broken or complaint
        elif not complaint.endswith(_OF_A_PATH) and len(self.others) < _MOST_KEPT:
            self.others.append(complaint[-300:].decode("utf-8", "backslashreplace"))


Why = Literal[
    "Missing",
    "NotADirectory",
    "PermissionDenied",
    "Loop",
    "MagicLink",
    "NameTooLong",
    "Escaped",
    "Replaced",
    "ReadError",
]
Kind = Literal["file", "directory", "link", "fifo", "socket", "char", "block"]

# nanoseconds
_SECOND = 10**9
_KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
}

# of one job: each line of it costs a few processes
_MAX_SCRIPT = 16 << 10
_MAX_MOUNTINFO = 4 << 20
# links whose text is still to come, and records that say nothing new: find gives a shell 128 KiB of names at once
_MAX_IDLE = 1 << 16
# a directory that lies deeper than so many bytes below where a listing began is listed by itself, from where it is: what
# find and stat are given is never too long then
_DEEP = 3072


@dataclass(frozen=True, slots=True)
class Entry:
    """What lstat says of a path. mode has the permission bits, blocks are of 512 bytes, link is a link's text."""

    path: bytes
    type: Kind
    mode: int
    uid: int
    gid: int
    size: int
    dev: int
    ino: int
    nlink: int
    blocks: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int
    link: bytes | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """A path with a link in it: path is the first component that is one, text where it points to."""

    path: bytes
    text: bytes
    entry: Entry


@dataclass(frozen=True, slots=True)
class Absent:
    """A path that leads nowhere."""

    path: bytes
    reason: Why


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A directory whose names cannot be read, or something that was gone again; path None: nobody knows where."""

    path: bytes | None
    reason: Why
    message: str


class TargetFiles:
    """The files of one target. root is its root filesystem as the session's shell names it, /proc/<pid>/root if None."""

    def __init__(self, session: Session, pid: int, *, root: bytes | None = None) -> None:
        self.session = session
        self.pid = pid
        session.define(program_for(b"/proc/%d/root" % pid if root is None else root))

    def walk(self, paths: Sequence[bytes]) -> list[Entry | Hop | Absent]:
        """For each normal path without `..`: its entry, or the first of its components that is a link, or why there is none.

        Raises Failure when the stream breaks or does not keep to its form.
        """
        found: dict[int, Entry | Hop | Absent] = {
            index: Absent(path, "NameTooLong") for index, path in enumerate(paths) if self._is_too_long(path)
        }
        asked = deque(index for index in range(len(paths)) if index not in found)
        while asked:
            lines: list[bytes] = []
            while asked and sum(map(len, lines)) < _MAX_SCRIPT:
                index = asked.popleft()
                lines.append(walk_line(index, paths[index]))
            found.update(self._walked(b"".join(lines), paths))
        if len(found) != len(paths):
            raise misunderstood(b"an answer is missing")
        return [found[index] for index in range(len(paths))]

    def scan(
        self,
        dirs: Sequence[bytes],
        *,
        prune: Sequence[bytes] = (),
        max_depth: int | None = None,
        max_entries: int = 100_000,
    ) -> Iterator[Entry | Unlisted]:
        """Each directory, and what is in it down to max_depth; not what is in those of prune, nor what links lead to.

        Raises Failure LimitExceeded after max_entries, and when the stream breaks or does not keep to its form.
        """
        left = max_entries
        for top in dirs:
            deep = deque([top])
            while deep:
                here = deep.popleft()
                complaints = Complaints()
                job = self.session.run(scan_script(here, prune, max_depth), stderr_sink=complaints.take)
                for thing in job.read(partial(self._listed, here, complaints)):
                    if left <= 0:
                        job.give_up()
                        raise Failure(
                            "LimitExceeded", f"There are more than {max_entries} names below what is asked for."
                        )
                    left -= 1
                    yield from _shallow(thing, top, here, deep)
                complaints.check()
                yield from (Unlisted(here, "ReadError", words) for words in complaints.others)

    def mounts(self) -> tuple[list[Mount], int]:
        """The target's mounts, and what its clock said before: seconds since the epoch, 0 where nobody can tell."""
        script = b'echo "$(date +%%s 2>/dev/null)"\ncat /proc/%d/mountinfo\n' % self.pid
        clock, _newline, text = self.session.run(script).output(_MAX_MOUNTINFO).partition(b"\n")
        return parse_mounts(text), int(clock) if re.fullmatch(rb"[0-9]{1,12}", clock) else 0

    def _is_too_long(self, path: bytes) -> bool:
        # the kernel counts the NUL as well
        return len(path) >= PATH_MAX or any(len(name) > NAME_MAX for name in path.split(b"/"))

    def _walked(self, script: bytes, paths: Sequence[bytes]) -> dict[int, Entry | Hop | Absent]:
        found: dict[int, Entry | Hop | Absent] = {}
        hops: list[tuple[int, Entry]] = []
        for number, (kind, fields, payload) in enumerate(self.session.run(script + b"exit 0\n").read(records)):
            # a link has two, a directory in its place another one
            if number > 4 * len(paths):
                raise misunderstood(b"answers without end")
            if kind == b"L":
                # the text of the link that the record before it is about
                for index, link in hops[-1:]:
                    found[index] = Hop(link.path, payload[1], replace(link, link=payload[1]))
                continue
            if kind in (b"U", b"C"):
                # a directory in a link's place, put there since the look before: no longer there
                continue
            index = _index(fields[0], len(paths))
            path = paths[index]
            # what was there a moment ago and is gone by now was never there
            found[index] = Absent(path, _why(fields[1]) if kind == b"A" else "Missing")
            if kind == b"H" and fields[2]:
                hops.append((index, parse_entry(path[: _index(fields[1], len(path) + 1)], b" ".join(fields[2:]))))
            elif kind == b"F" and fields[1]:
                entry = parse_entry(path, b" ".join(fields[1:]))
                # it was none a moment ago, and its text is not known
                found[index] = Absent(path, "Replaced") if entry.type == "link" else entry
        return found

    def _listed(self, top: bytes, complaints: Complaints, answer: JobOutput) -> Iterator[Entry | Unlisted]:
        links: dict[bytes, Entry] = {}
        idle = 0
        for kind, fields, payload in records(answer):
            idle += 1
            if max(idle, len(links)) > _MAX_IDLE:
                raise misunderstood(b"records of nothing")
            if kind in (b"B", b"Z", b"Y"):
                complaints.note(kind, fields)
            if kind in (b"B", b"C", b"Z", b"Y"):
                continue
            remote = payload[0]
            if (remote != b"." and not remote.startswith(b"./")) or b"\0" in remote:
                raise misunderstood(b"a name of another directory: " + remote)
            path = top.rstrip(b"/") + remote[1:] or b"/"
            if kind == b"U":
                yield Unlisted(path, "PermissionDenied", f"{_shown(path)} cannot be listed")
            elif kind == b"L" and path in links:
                idle = 0
                yield replace(links.pop(path), link=payload[1])
            elif kind == b"E":
                entry = parse_entry(path, b" ".join(fields))
                if entry.type == "link":
                    links[path] = entry
                else:
                    idle = 0
                    yield entry
        for path in links:
            yield Unlisted(path, "Missing", f"{_shown(path)} was gone again")


def _shallow(thing: Entry | Unlisted, top: bytes, here: bytes, deep: deque[bytes]) -> Iterator[Entry | Unlisted]:
    """Yield what a listing of here, which began at top, says itself; what is in deep directories their own listings say."""
    path = thing.path or here
    above = len(path) - len(path.rpartition(b"/")[2]) - 1
    if path == here:
        # said before by the listing that it was found in
        if here == top:
            yield thing
    elif above - len(here) <= _DEEP and above < PATH_MAX:
        if len(path) >= PATH_MAX:
            yield Unlisted(path, "NameTooLong", f"{_shown(path[:80])}... is longer than a path can be")
            return
        if isinstance(thing, Entry) and thing.type == "directory" and len(path) - len(here) > _DEEP:
            deep.append(path)
        yield thing


def _index(field: bytes, end: int) -> int:
    """A number below end, as the remote side said it."""
    if not field.isdigit() or len(field) > 9 or int(field) >= end:
        raise misunderstood(field)
    return int(field)


def parse_entry(path: bytes, facts: bytes) -> Entry:
    """An entry from stat's `%f %u %g %s %d %i %h %b %X %Y %Z|%x|%y|%z`."""
    try:
        numbers, *texts = facts.split(b"|")
        mode, *counts = numbers.split()
        values = list(map(int, counts))
        uid, gid, size, dev, ino, nlink, blocks, *seconds = values
        if min(values[:7]) < 0 or max(values) >= 1 << 64 or min(values) <= -1 << 64:
            raise ValueError("a number that the kernel has not")
        atime, mtime, ctime = times_of(seconds, texts)
        bits = int(mode, 16)
        kind = _KINDS[stat.S_IFMT(bits)]
    except (ValueError, KeyError, OverflowError) as error:
        raise misunderstood(facts) from error
    return Entry(path, kind, stat.S_IMODE(bits), uid, gid, size, dev, ino, nlink, blocks, atime, mtime, ctime)


def times_of(seconds: Sequence[int], texts: Sequence[bytes]) -> tuple[int, int, int]:
    """Nanoseconds from stat's `%X %Y %Z` and `%x|%y|%z`. Raises ValueError unless there are three of each."""
    (accessed, written, changed), (by_access, by_write, by_change) = seconds, texts
    return (
        accessed * _SECOND + _fraction(by_access),
        written * _SECOND + _fraction(by_write),
        changed * _SECOND + _fraction(by_change),
    )


def _fraction(text: bytes) -> int:
    """The nanoseconds in stat's `2026-11-23 21:03:00.123456789 +0000`; 0 where it could not say them."""
    digits = text[20:29]
    if text[19:20] != b"." or text[29:30] != b" ":
        # another year has more digits, another stat fewer in its fractions
        digits = text.partition(b".")[2].partition(b" ")[0][:9].ljust(9, b"0")
    return int(digits) if digits.isdigit() else 0


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


def _why(word: bytes) -> Why:
    words: tuple[Why, ...] = ("Missing", "NotADirectory", "PermissionDenied")
    for known in words:
        if known.encode() == word:
            return known
    raise misunderstood(word)
