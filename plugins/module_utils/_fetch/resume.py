# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file that is arriving. It outlives the stream that brought its beginning, so that the next one goes on there.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from contextlib import ExitStack

from ansible_collections.incident.distroless.plugins.module_utils._fetch.plan import Step
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import Dest, Place
from ansible_collections.incident.distroless.plugins.module_utils._localfs.partial_file import Partial
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import has_holes


class Incoming:
    """One file at a time. What is here of it is proven by the hash of the whole at its end, never by trust in the first part."""

    def __init__(self, dest: Dest) -> None:
        self._dest = dest
        self._stack = ExitStack()
        self._step: Step | None = None
        self.file: Partial | None = None

    def here(self, step: Step) -> int:
        """How many bytes of that part of that very file are here."""
        return self.file.length if self.file is not None and self._step is not None and _same(self._step, step) else 0

    def begin(self, step: Step, place: Place, start: int) -> None:
        """Readies for the bytes from start on: goes on where `here` says so, begins anew at 0. Raises Failure."""
        if start and start == self.here(step):
            return
        self.drop()
        self._step = step
        entry = step.item.entry
        is_sparse = entry is not None and has_holes(entry)
        room = min(step.length, entry.blocks * 512) if entry is not None and is_sparse else step.length
        self.file = self._stack.enter_context(self._dest.writer(place, room, is_sparse=is_sparse))

    def drop(self) -> None:
        """Removes what was not committed."""
        self._step = self.file = None
        self._stack.close()


def _same(one: Step, other: Step) -> bool:
    """Whether both are the same part of the same file; one that was renewed meanwhile has another inode."""
    return _key(one) == _key(other)


def _key(step: Step) -> tuple[object, ...]:
    entry = step.item.entry
    return (step.item.src, step.offset, step.length, entry and (entry.dev, entry.ino))
