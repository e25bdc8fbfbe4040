# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of the remote reader: parts of files, and the scripts that ask for them.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ansible_collections.incident.distroless.plugins.module_utils._core.paths import quote
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import Packing
from ansible_collections.incident.distroless.plugins.module_utils._read.remote_program import SMALL
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.stat_protocol import relative

# of one job, which the remote shell holds in memory; a longer one would be too much to ask file by file when it gets stuck
MAX_SCRIPT = 128 << 10
# what cannot be opened is said on stdout; a redirection for each file would cost as much as opening it
_QUIET = b"exec 2>/dev/null\n"


@dataclass(frozen=True, slots=True)
class Want:
    """A file to read: length bytes from offset on, None for all up to the listed size.

    Of them the first `here` are here already: they are not sent, but the hash at the end is of all.
    """

    entry: Entry
    offset: int = 0
    length: int | None = None
    here: int = 0

    @property
    def count(self) -> int:
        """Return how many bytes."""
        return self.entry.size - self.offset if self.length is None else self.length

    @property
    def is_small(self) -> bool:
        """Return whether it is read in a group."""
        return self.offset == self.here == 0 and self.count == self.entry.size <= SMALL


def jobs(wants: Sequence[Want], packing: Packing) -> Iterator[tuple[bytes, list[int]]]:
    """Scripts of a bearable length, each with the indexes that it is about."""
    lines: list[bytes] = []
    indexes: list[int] = []
    length = 0
    for index, want in enumerate(wants):
        if want.is_small:
            line = b"add %d %s %d %s\n" % (index, _identity(want), want.count, quote(relative(want.entry.path)))
        else:
            line = b"together\n" + line_for(index, want, packing)
        lines.append(line)
        indexes.append(index)
        length += len(line)
        if length > MAX_SCRIPT:
            yield b"".join([_QUIET, *lines, b"together\n"]), indexes
            lines, indexes, length = [], [], 0
    if lines:
        yield b"".join([_QUIET, *lines, b"together\n"]), indexes


def line_for(index: int, want: Want, packing: Packing) -> bytes:
    """The line that has a file read alone."""
    return _QUIET + b"one %d %s %d %d %d %s %s\n" % (
        index,
        _identity(want),
        want.offset,
        want.count,
        want.here,
        packing.word(want.entry),
        quote(relative(want.entry.path)),
    )


def _identity(want: Want) -> bytes:
    return b"%d:%d" % (want.entry.dev, want.entry.ino)
