# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fetch that goes on after something broke: the connection made again, files looked at again, and the file that was arriving.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self, TypeVar

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.file_rows import Status
from ansible_collections.incident.distroless.plugins.module_utils._fetch.plan import (
    CHECKSUM,
    Budget,
    FetchOptions,
    Step,
    again,
)
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import Dest, Place
from ansible_collections.incident.distroless.plugins.module_utils._localfs.partial_file import Partial
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import has_holes
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import (
    Absent,
    Entry,
    TargetFiles,
)
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.tools import LOOKING, try_tools

Answer = TypeVar("Answer")

# what another try may mend; a pod that is gone or a permission that is missing stays so
_MAY_PASS = {"ConnectionLost", "ApiUnreachable", "WaitTimeout", "LookBroken"}
_PAUSE = 0.2
_LONGEST_PAUSE = 5.0


class Remote:
    """A target's files behind a session that can be opened again. until: the moment (time.monotonic()) to give up at."""

    def __init__(
        self, open_session: Callable[[], Session], pid: int, *, root: bytes | None, retries: int, until: float
    ) -> None:
        self._open_session, self._pid, self._root = open_session, pid, root
        self._retries, self._until = retries, until
        self._session: Session | None = None
        self._files: TargetFiles | None = None
        self._failures = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.drop()

    def files(self) -> TargetFiles:
        """The target's files; opens a session if there is none. Raises Failure."""
        if self._files is None:
            self._session = self._open_session()
            try_tools(self._session, LOOKING)
            self._files = TargetFiles(self._session, self._pid, root=self._root)
        return self._files

    def drop(self) -> None:
        """Ends the session, whatever it is doing; the remote side ends its work by itself."""
        session, self._session, self._files = self._session, None, None
        if session is not None:
            session.close()

    def succeeded(self) -> None:
        """Something was completed: the tries are counted anew, or a long work on a weak line could never end."""
        self._failures = 0

    def failed(self, failure: Failure) -> None:
        """Drops the session after a failure and waits a little. Raises the failure when trying again is of no use."""
        self.drop()
        self._failures += 1
        pause = min(_PAUSE * 2**self._failures, _LONGEST_PAUSE)
        if failure.reason not in _MAY_PASS or self._failures > self._retries or time.monotonic() + pause > self._until:
            raise failure
        time.sleep(pause)

    def ask(self, work: Callable[[TargetFiles], Answer]) -> Answer:
        """What work gives, tried again on a new session when the connection is lost. Raises Failure."""
        while True:
            try:
                answer = work(self.files())
            except Failure as failure:
                self.failed(failure)
            else:
                self.succeeded()
                return answer


# what another look at the file may mend: it was written, rotated or replaced at that moment
PASSING = {"Replaced", "Shrunk", "ReadError", CHECKSUM}


@dataclass(frozen=True, slots=True)
class Second:
    """What a second look at a file gave: the step to take now, or the status and reason to end it with."""

    step: Step
    status: Status | None = None
    reason: str | None = None


class RetryLedger:
    """The files of one target that came out wrong. budget is what a larger one takes from."""

    def __init__(self, options: FetchOptions, budget: Budget) -> None:
        self._options, self._budget = options, budget
        # by src: how often a file came out wrong, and whether another look showed that it is being written
        self._vain: dict[bytes, int] = {}
        self._moving: set[bytes] = set()
        # those that came out wrong since they were last looked at: one that is renewed whenever a line breaks would begin anew
        # each time, and a log that grows never come to its end
        self._unseen: set[bytes] = set()

    def is_last_try(self, step: Step, reason: str) -> bool:
        """Counts a try that was in vain."""
        vain = self._vain.get(step.item.src, 0) + 1
        self._vain[step.item.src] = vain
        self._unseen.add(step.item.src)
        return vain > self._options.retries or reason not in PASSING

    def doubt(self, step: Step) -> None:
        """Has the file looked at before it is read again."""
        self._unseen.add(step.item.src)

    def is_moving(self, step: Step) -> bool:
        """Whether the file is known to be written while it is read."""
        return step.item.src in self._moving

    def look_again(self, files: TargetFiles, left: Mapping[bytes, Step]) -> Iterator[Second]:
        """Renews what is known of the files that came out wrong: they were rotated, replaced or written."""
        doubtful = [step for src, step in left.items() if src in self._unseen]
        for step, found in zip(doubtful, files.walk([_path(step) for step in doubtful]), strict=True):
            self._unseen.discard(step.item.src)
            if not isinstance(found, Entry):
                yield Second(step, "failed", found.reason if isinstance(found, Absent) else "Replaced")
            elif found.type != "file":
                yield Second(step, "failed", "Replaced")
            else:
                yield self._renewed(step, found)

    def _renewed(self, step: Step, found: Entry) -> Second:
        before = step.item.entry
        if before is not None and _written(before) != _written(found):
            self._moving.add(step.item.src)
        fresh = again(step, found, self._options, self._budget)
        if fresh.action == "file":
            return Second(fresh)
        return Second(fresh, "failed" if fresh.action == "fail" else "skipped", fresh.reason)


def _written(entry: Entry) -> tuple[int, int, int]:
    return entry.mtime_ns, entry.ctime_ns, entry.size


def _path(step: Step) -> bytes:
    return step.item.src if step.item.entry is None else step.item.entry.path


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
