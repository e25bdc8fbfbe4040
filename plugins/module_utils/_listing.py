# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looks at the target's files without following a link or opening a file: what is there, and what it says of itself.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._names import quote
from ansible_collections.incident.distroless.plugins.module_utils._session import Answer, Session

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

_KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
}

# include/uapi/linux/limits.h
PATH_MAX, NAME_MAX = 4096, 255
# of one job: the shell takes its script byte by byte and appends line by line
_MAX_SCRIPT = 16 << 10
# a line holds a whole path at most, or what stands between two newlines in one
_MAX_LINE = 2 * PATH_MAX
_MAX_MOUNTINFO = 4 << 20

# A path that find makes of a normal one never holds `//`, whatever is in its names: a line that begins so begins a record,
# any other goes on with the path before. The text of a link may hold anything, so its length stands before it.
# `read`, `[`, and printf are builtins: walking costs a fork only where something was found.
_TEXTS = rb"""
for file; do
  if [ -h "$file" ]; then
    # what a newline ends would be cut by the substitution
    text=$(readlink -n "$file" && echo x) && text=${text%x} &&
      printf '//L %s %s\n%s%s\n' ${#file} ${#text} "$file" "$text"
  elif [ -d "$file" ] && ! { [ -r "$file" ] && [ -x "$file" ]; }; then
    printf '//U %s\n' "$file"
  fi
done
"""
_FACTS = b"%f %u %g %s %d %i %h %b|%x|%y|%z"
_LOOK = b"stat -c '//E " + _FACTS + b"""|%n' "$@" 2>/dev/null""" + _TEXTS
_PROGRAM = (
    rb"""
export LC_ALL=C TZ=UTC0
texts() {"""
    + _TEXTS
    + rb"""}
facts() {
  stat -c '"""
    + _FACTS
    + rb"""' "$1" 2>/dev/null
}
walk() { # path number $1: $2 below the root
  rest=${2#/} here=$root
  while [ -n "$rest" ]; do
    above=$here here=$here/${rest%%/*}
    case $rest in */*) rest=${rest#*/} ;; *) rest= ;; esac
    if [ -h "$here" ]; then
      echo "//H $1 $((${#here} - ${#root})) $(facts "$here")"
      texts "$here"
      return
    elif [ ! -e "$here" ]; then
      if [ -x "$above/" ]; then echo "//A $1 Missing"; else echo "//A $1 PermissionDenied"; fi
      return
    elif [ -n "$rest" ] && [ ! -d "$here" ]; then
      echo "//A $1 NotADirectory"
      return
    fi
  done
  # /proc/<pid>/root is itself a link, which a slash behind it follows
  [ "$here" != "$root" ] || here=$root/
  echo "//F $1 $(facts "$here")"
}
"""
)


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


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo (man 5 proc_pid_mountinfo); point is where it is in the target's view, device is major:minor."""

    id: int
    parent: int
    device: str
    root: bytes
    point: bytes
    fstype: str
    source: bytes


class TargetFiles:
    """The files of one target. root is its root filesystem as the session's shell names it, /proc/<pid>/root if None."""

    def __init__(self, session: Session, pid: int, *, root: bytes | None = None) -> None:
        self.session = session
        self.pid = pid
        self.root = b"/proc/%d/root" % pid if root is None else root
        session.define(_PROGRAM + b"root=%s\n" % quote(self.root))

    def walk(self, paths: Sequence[bytes]) -> list[Entry | Hop | Absent]:
        """For each normal path without `..`: its entry, or the first of its components that is a link, or why there is none.

        Raises Failure when the stream breaks or does not keep to its form.
        """
        found: dict[int, Entry | Hop | Absent] = {
            index: Absent(path, "NameTooLong") for index, path in enumerate(paths) if self._is_too_long(path)
        }
        asked = [index for index in range(len(paths)) if index not in found]
        while asked:
            lines: list[bytes] = []
            while asked and sum(map(len, lines)) < _MAX_SCRIPT:
                index = asked.pop(0)
                lines.append(b"walk %d %s\n" % (index, quote(paths[index])))
            found.update(self._walked(b"".join(lines), paths))
        if len(found) != len(paths):
            raise _misunderstood(b"an answer is missing")
        return [found[index] for index in range(len(paths))]

    def scan(
        self, dirs: Sequence[bytes], *, prune: Sequence[bytes] = (), max_depth: int | None = None, max_entries: int = 100_000
    ) -> Iterator[Entry | Unlisted]:
        """Each directory, and what is in it down to max_depth; not what is in those of prune, nor what links lead to.

        Raises Failure LimitExceeded after max_entries, and when the stream breaks or does not keep to its form.
        """
        left = max_entries
        for top in dirs:
            prefix = self.root + top.rstrip(b"/") + b"/."
            # the dot behind it makes find enter the root, which is a link, and nothing that has become one
            words = [b"find", quote(prefix), b"-maxdepth %d" % max_depth if max_depth is not None else b""]
            words += [b"-exec sh -c", quote(_LOOK), b"sh {} +", _pruning(prefix, top, prune), b"2>/dev/null\n"]
            answer = self.session.run(b" ".join(words))
            for thing in self._listed(answer, prefix, top):
                if left <= 0:
                    answer.cancel()
                    answer.end()
                    raise Failure("LimitExceeded", f"There are more than {max_entries} names below what is asked for.")
                left -= 1
                yield thing
            answer.end()

    def mounts(self) -> list[Mount]:
        """The target's mounts."""
        answer = self.session.run(b"cat /proc/%d/mountinfo\n" % self.pid)
        text = bytearray()
        for view in answer.rest():
            text += view
            if len(text) > _MAX_MOUNTINFO:
                raise _misunderstood(b"mountinfo does not end")
        answer.end()
        return parse_mounts(bytes(text))

    def _is_too_long(self, path: bytes) -> bool:
        # the kernel counts the NUL as well
        return len(self.root + path) >= PATH_MAX or any(len(name) > NAME_MAX for name in path.split(b"/"))

    def _walked(self, script: bytes, paths: Sequence[bytes]) -> dict[int, Entry | Hop | Absent]:
        answer = self.session.run(script)
        found: dict[int, Entry | Hop | Absent] = {}
        hop: tuple[int, bytes, Entry] | None = None
        for kind, fields, payload in _records(answer):
            if kind == b"L" and hop is not None:
                index, at, entry = hop
                found[index] = Hop(at, payload[1], replace(entry, link=payload[1]))
                hop = None
                continue
            index = int(fields[0])
            if kind == b"A":
                found[index] = Absent(paths[index], _why(fields[1]))
                continue
            length = int(fields.pop(1)) if kind == b"H" else len(paths[index])
            facts = b" ".join(fields[1:])
            # what was there a moment ago and is gone by now was never there
            found[index] = Absent(paths[index], "Missing")
            if facts:
                entry = _entry(paths[index][:length], facts)
                hop = (index, paths[index][:length], entry) if kind == b"H" else None
                found[index] = found[index] if kind == b"H" else entry
        answer.end()
        return found

    def _listed(self, answer: Answer, prefix: bytes, top: bytes) -> Iterator[Entry | Unlisted]:
        links: dict[bytes, Entry] = {}
        for kind, fields, payload in _records(answer):
            remote = payload[0]
            if remote != prefix and not remote.startswith(prefix + b"/"):
                raise _misunderstood(b"a name of another directory: " + remote)
            path = top.rstrip(b"/") + remote[len(prefix) :] or b"/"
            if kind == b"U":
                yield Unlisted(path, "PermissionDenied", f"{path.decode('utf-8', 'backslashreplace')} cannot be listed")
            elif kind == b"L" and path in links:
                yield replace(links.pop(path), link=payload[1])
            elif kind == b"E":
                entry = _entry(path, b" ".join(fields))
                if entry.type == "link":
                    links[path] = entry
                else:
                    yield entry
        for path in links:
            yield Unlisted(path, "Missing", f"{path.decode('utf-8', 'backslashreplace')} was gone again")


def _records(answer: Answer) -> Iterator[tuple[bytes, list[bytes], tuple[bytes, bytes]]]:
    """The records of an answer: kind, fields, and the path (and the text) that came with it."""
    pending: bytes | None = None
    while (line := answer.line(_MAX_LINE)) is not None:
        if pending is not None and not line.startswith(b"//"):
            pending += b"\n" + line
            if len(pending) > _MAX_LINE:
                raise _misunderstood(b"a path that does not end")
            continue
        if pending is not None:
            yield _with_path(pending)
            pending = None
        if line.startswith((b"//E ", b"//U ")):
            pending = line
        elif line.startswith(b"//L "):
            yield b"L", [], _lengths_and_texts(answer, line)
        elif line.startswith((b"//A ", b"//F ", b"//H ")):
            yield line[2:3], line[4:].split(b" "), (b"", b"")
        else:
            raise _misunderstood(line)
    if pending is not None:
        yield _with_path(pending)


def _with_path(record: bytes) -> tuple[bytes, list[bytes], tuple[bytes, bytes]]:
    body = record[4:]
    if record.startswith(b"//U"):
        return b"U", [], (body, b"")
    *facts, path = body.split(b"|", 4)
    if len(facts) != 4:
        raise _misunderstood(record)
    return b"E", [b"|".join(facts)], (path, b"")


def _lengths_and_texts(answer: Answer, line: bytes) -> tuple[bytes, bytes]:
    try:
        of_path, of_text = (int(field) for field in line[4:].split())
    except ValueError as error:
        raise _misunderstood(line) from error
    if not 0 < of_path <= _MAX_LINE or not 0 <= of_text <= PATH_MAX:
        raise _misunderstood(line)
    both = b"".join(bytes(view) for view in answer.exactly(of_path + of_text + 1))
    return both[:of_path], both[of_path:-1]


def _entry(path: bytes, facts: bytes) -> Entry:
    """An entry from stat's `%f %u %g %s %d %i %h %b|%x|%y|%z`."""
    try:
        numbers, *times = facts.split(b"|")
        mode, *counts = numbers.split()
        uid, gid, size, dev, ino, nlink, blocks = (int(count) for count in counts)
        atime, mtime, ctime = (nanoseconds(time.decode("ascii")) for time in times)
        bits = int(mode, 16)
        kind = _KINDS[stat.S_IFMT(bits)]
    except (ValueError, KeyError) as error:
        raise _misunderstood(facts) from error
    return Entry(path, kind, stat.S_IMODE(bits), uid, gid, size, dev, ino, nlink, blocks, atime, mtime, ctime)


def nanoseconds(text: str) -> int:
    """Nanoseconds since the epoch of stat's `2026-11-23 21:03:00.123456789 +0000`."""
    seconds, _point, rest = text.partition(".")
    fraction = rest.partition(" ")[0]
    moment = datetime.fromisoformat(f"{seconds}+00:00")
    return int(moment.timestamp()) * 10**9 + int(fraction.ljust(9, "0")[:9])


def parse_mounts(text: bytes) -> list[Mount]:
    """The mounts in a mountinfo."""
    mounts: list[Mount] = []
    for line in text.splitlines():
        before, separator, after = line.partition(b" - ")
        fields, rest = before.split(b" "), after.split(b" ")
        if not separator or len(fields) < 6 or len(rest) < 2:
            raise _misunderstood(line)
        number, parent, device, root, point = fields[:5]
        source = _unescaped(rest[1])
        mounts.append(
            Mount(int(number), int(parent), device.decode(), _unescaped(root), _unescaped(point), rest[0].decode("utf-8", "replace"), source)
        )
    return mounts


def _unescaped(field: bytes) -> bytes:
    """The kernel writes space, tab, newline and backslash as octal escapes (fs/seq_file.c, mangle_path)."""
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), field)


def _pruning(prefix: bytes, top: bytes, prune: Sequence[bytes]) -> bytes:
    """find's words that keep it out of directories."""
    own = top.rstrip(b"/")
    inside = [path for path in prune if path == top or path.startswith(own + b"/")]
    if not inside:
        return b""
    # -path is a pattern: what is special in one is escaped
    patterns = [re.sub(rb"([*?\[\]\\])", rb"\\\1", prefix + path[len(own) :].rstrip(b"/")) for path in inside]
    return rb"\( " + b" -o ".join(b"-path " + quote(pattern) for pattern in patterns) + rb" \) -prune"


def _why(word: bytes) -> Why:
    words: tuple[Why, ...] = ("Missing", "NotADirectory", "PermissionDenied")
    for known in words:
        if known.encode() == word:
            return known
    raise _misunderstood(word)


def _misunderstood(what: bytes) -> Failure:
    return Failure("ConnectionLost", f"The remote side cannot be understood: {what[:200]!r}.")
