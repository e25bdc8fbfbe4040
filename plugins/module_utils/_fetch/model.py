# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a fetch is asked for, what it finds, and what it does with each thing: the values that its steps hand to each other.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import Dest, Place
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import Compress
from ansible_collections.incident.distroless.plugins.module_utils._read.request import Want
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry

# whose wish a thing is: a path of src itself, a match of a glob of src, what is in a directory that was wished for, or what
# is held open though deleted
Origin = Literal["plain", "match", "inside", "held"]
Oversize = Literal["skip", "tail", "head", "fail"]

# why something is left out, as rows say it; what cannot be read has a word of _listing's Why
SECRET, KERNEL, EXCLUDED, SPECIAL = "Secret", "KernelFilesystem", "Excluded", "SpecialFile"
MAX_SIZE, MAX_TOTAL_SIZE, MAX_FILES, DEADLINE = "MaxSize", "MaxTotalSize", "MaxFiles", "Deadline"
LINK_LEADS_OUT, CHECKSUM = "LinkLeadsOutOfDest", "ChecksumMismatch"


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """What a user asked for. src are paths and globs, exact are paths only; sizes in bytes, 0: no limit. until
    is the moment (time.monotonic()) to give up at, the same for all targets of a task.

    is_throttled is no wish but a fact: the target has less than one core, so that nothing over there should compute much.
    """

    src: tuple[bytes, ...]
    dest: str
    exact: tuple[bytes, ...] = ()
    flat: bool = False
    overwrite: bool = False
    exclude: tuple[bytes, ...] = ()
    include_secrets: bool = False
    follow: bool = False
    open_deleted: bool = False
    max_size: int = 0
    max_total_size: int = 20 << 30
    max_files: int = 100_000
    until: float = math.inf
    oversize: Oversize = "skip"
    retries: int = 3
    checksum: bool = True
    compare: Literal["checksum", "stat"] = "checksum"
    compress: Compress = "auto"
    file_mode: int = 0o600
    directory_mode: int = 0o700
    is_check: bool = False
    is_throttled: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A thing that was found, or not: then entry is None and reason says why not. src is as asked, resolved the target's own path."""

    src: bytes
    resolved: bytes | None
    entry: Entry | None
    origin: Origin
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What to do with an item. offset and length are the part of a file to bring; reason says why less or nothing is brought."""

    item: Item
    action: Literal["file", "directory", "link", "skip", "fail"]
    reason: str | None = None
    offset: int = 0
    length: int = 0

    @property
    def is_part(self) -> bool:
        """Return whether less than the whole file is brought."""
        return self.item.entry is not None and self.action == "file" and self.length != self.item.entry.size

    def want(self, here: int = 0) -> Want:
        """Return the request to read it, of which so many bytes are here already."""
        if self.item.entry is None:
            raise ValueError("a file without an entry cannot be read")
        return Want(self.item.entry, self.offset, self.length, here)


class Budget:
    """What all targets of a task may bring together; safe to share between threads."""

    def __init__(self, max_total_size: int, max_files: int) -> None:
        self._size, self._files = max_total_size or None, max_files or None
        self._lock = threading.Lock()

    def take(self, size: int, files: int = 1) -> str | None:
        """Takes room for so many files of that size together. If there is none it takes nothing and says which limit it is."""
        with self._lock:
            if self._files is not None and self._files < files:
                return MAX_FILES
            if self._size is not None and self._size < size:
                return MAX_TOTAL_SIZE
            self._files = None if self._files is None else self._files - files
            self._size = None if self._size is None else self._size - size
            return None


def place_of(item: Item) -> Place:
    """Where below its target's folder an item lies here: at its path as asked.

    `..` climbs links as the target sees them, so a path with it lies where it leads to.
    """
    names = _names(item.src)
    return tuple(_names(item.resolved) if b".." in names and item.resolved is not None else names)


def _names(path: bytes) -> list[bytes]:
    return [name for name in path.split(b"/") if name]


@dataclass(frozen=True, slots=True)
class Known:
    """What an earlier run of the same container wrote down of a file that it brought whole: size, mtime_ns, ctime_ns, ino and dev over there;
    size, mtime_ns and ino of the copy; its sha256."""

    facts: tuple[int, int, int, int, int]
    local: tuple[int, int, int]
    sha256: str


@dataclass(frozen=True, slots=True)
class Home:
    """Where the files of one target lie here: a folder below dest. known is what is known of them by their src."""

    dest: Dest
    folder: Place
    known: Mapping[bytes, Known] = field(default_factory=dict)

    def place(self, item: Item) -> Place:
        """Return where below dest an item lies."""
        return (*self.folder, *place_of(item))
