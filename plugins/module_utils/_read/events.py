# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What comes of reading the target's files, as it comes: beginnings, pieces, ends.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ansible_collections.incident.distroless.plugins.module_utils._read.compression import Codec
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry

ReadStatus = Literal["ok", "Missing", "PermissionDenied", "Replaced", "Escaped", "ReadError", "Shrunk"]


@dataclass(frozen=True, slots=True)
class Begin:
    """The bytes from start to length of file number index follow, which is on mount; length is less than was asked for
    where it has shrunk. A second one for an index starts that file again."""

    index: int
    length: int
    mount: int
    start: int = 0
    codec: Codec = "none"


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of the file, for which so many bytes came on the wire; the view is valid until the next step."""

    index: int
    view: memoryview
    moved: int


Drift = Literal["none", "grew", "other"]


@dataclass(frozen=True, slots=True)
class Times:
    """The times of an open file, in nanoseconds; their fractions are 0 where they could not be said."""

    atime_ns: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class End:
    """What became of file number index: its size now, whether it grew since the listing, the sha256 of length bytes sent
    (or looked at) as the remote side saw them, None without one. times: what they were after the last byte, None: not known."""

    index: int
    status: ReadStatus
    grew: bool
    size: int
    mount: int | None
    sha256: str | None
    length: int
    times: Times | None = None

    def moved_atime(self, before: Entry | None) -> bool | None:
        """Return whether the access time is another one than it was before the reading; None: not known."""
        if before is None or self.times is None:
            return None
        return not _same(before.atime_ns, self.times.atime_ns)

    def drift(self, before: Entry | None) -> Drift:
        """Return what happened to the file between the look at it and its last byte: none, it grew, or other."""
        if before is None or self.times is None:
            return "other"
        is_same = _same(before.mtime_ns, self.times.mtime_ns) and _same(before.ctime_ns, self.times.ctime_ns)
        if self.size > before.size:
            return "grew"
        return "none" if is_same and self.size == before.size else "other"


def _same(one: int, other: int) -> bool:
    if one == other:
        return True
    was, now = divmod(one, 10**9), divmod(other, 10**9)
    # nanoseconds that could not be said are 0
    return was[0] == now[0] and 0 in (was[1], now[1])


@dataclass(frozen=True, slots=True)
class Whole:
    """A small file at once: its bytes, for which so many came on the wire, and how it ended. Nothing else comes of it."""

    end: End
    data: bytes
    moved: int
    codec: Codec


# quoted: pylint takes the operator for one of values
Event: TypeAlias = "Begin | Data | End | Whole"
