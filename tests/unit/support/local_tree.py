# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tree of this machine looked at as TargetFiles looks at the target's, but by lstat in this process."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import (
    Absent,
    Entry,
    Hop,
    Kind,
    Unlisted,
    Why,
)

_KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
}


class LocalTree:
    """A looker on a directory of this machine, which stands for the target's root. It counts what it is asked for: questions
    are the round trips, scans those that list, paths and names what was looked at by either."""

    def __init__(self, root: Path) -> None:
        # there before anything is told to enter it: a remote shell does so when its turn comes, not when it is told
        root.mkdir(exist_ok=True)
        self.root = os.fsencode(root)
        self.questions = self.scans = self.paths = self.names = 0

    def at(self, path: bytes) -> Path:
        """Where something of it is on this machine."""
        return Path(os.fsdecode(self.root + path))

    def make(self, path: bytes, content: bytes = b"") -> Entry:
        """Writes a file, and what it is in."""
        self.at(path).parent.mkdir(parents=True, exist_ok=True)
        self.at(path).write_bytes(content)
        return self.entry(path)

    def walk(self, paths: Sequence[bytes]) -> list[Entry | Hop | Absent]:
        self.questions += 1
        self.paths += len(paths)
        return [self._walk(path) for path in paths]

    def scan(
        self,
        dirs: Sequence[bytes],
        *,
        prune: Sequence[bytes] = (),
        max_depth: int | None = None,
        max_entries: int = 100_000,
    ) -> Iterator[Entry | Unlisted]:
        self.questions += 1
        self.scans += 1
        for number, thing in enumerate(thing for top in dirs for thing in self._scan(top, prune, max_depth)):
            if number >= max_entries:
                raise Failure("LimitExceeded", "There are too many names.")
            self.names += 1
            yield thing

    def _scan(self, path: bytes, prune: Sequence[bytes], depth: int | None) -> Iterator[Entry | Unlisted]:
        entry = self.entry(path)
        yield entry
        if entry.type == "directory" and depth != 0 and path not in prune:
            for name in sorted(os.listdir(self.root + path)):  # noqa: PTH208 - names are bytes
                yield from self._scan(path.rstrip(b"/") + b"/" + name, prune, None if depth is None else depth - 1)

    def _walk(self, path: bytes) -> Entry | Hop | Absent:
        here = b""
        names = [name for name in path.split(b"/") if name]
        for index, name in enumerate(names):
            here += b"/" + name
            try:
                entry = self.entry(here)
            except FileNotFoundError:
                return Absent(path, "Missing")
            if entry.link is not None:
                return Hop(here, entry.link, entry)
            if entry.type != "directory" and index < len(names) - 1:
                return Absent(path, "NotADirectory")
        return self.entry(path)

    def entry(self, path: bytes) -> Entry:
        """Return what lstat says."""
        found = os.lstat(self.root + path)
        is_link = stat.S_ISLNK(found.st_mode)
        return Entry(
            path=path,
            type=_KINDS[stat.S_IFMT(found.st_mode)],
            mode=stat.S_IMODE(found.st_mode),
            uid=found.st_uid,
            gid=found.st_gid,
            size=found.st_size,
            dev=found.st_dev,
            ino=found.st_ino,
            nlink=found.st_nlink,
            blocks=found.st_blocks,
            atime_ns=found.st_atime_ns,
            mtime_ns=found.st_mtime_ns,
            ctime_ns=found.st_ctime_ns,
            link=os.readlink(self.root + path) if is_link else None,  # noqa: PTH115 - bytes again
        )


REASONS: dict[int, Why] = {2: "Missing", 20: "NotADirectory", 40: "Loop"}


HOSTILE_NAMES = [
    b"new\nline",
    b"\n",
    b"ends in a newline\n",
    b"a\n //E 81a4 0 0 5 1 1 1 8 1 1 1|.0 |.0 |.0 |",
    b"quote'and\"both",
    b"-rf",
    b"--help",
    b"back\\slash\\n",
    b"  spaces  ",
    b"$(touch made-by-a-name)",
    b"`id`;$HOME&|>x",
    b"\xff\xfe\x80",
    "grün €".encode(),
    b"*",
    b"?[a-z]",
    b"x" * 255,
    b"|pipe|",
    b"%n%s\\0",
    b"~",
    b"\x01\x1b[31m\x7f\r\t",
]
