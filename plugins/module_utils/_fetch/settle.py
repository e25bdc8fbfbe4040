# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What becomes of each file in the end: its name here, another try, or the reason why it is not here.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.file_rows import Local, Row, Status
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import (
    CHECKSUM,
    SECRET,
    Budget,
    FetchOptions,
    Home,
    Step,
)
from ansible_collections.incident.distroless.plugins.module_utils._fetch.plan import again
from ansible_collections.incident.distroless.plugins.module_utils._localfs.partial_file import DestFailure, Partial
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import has_holes
from ansible_collections.incident.distroless.plugins.module_utils._read.events import End
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import (
    Absent,
    Entry,
    TargetFiles,
)
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import ReadPolicy

# what another look at the file may mend: it was written, rotated or replaced at that moment
PASSING = {"Replaced", "Shrunk", "ReadError", CHECKSUM}
# so many seconds after a file's ctime the next write has another one
_SETTLED = 2


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
        """Return whether the file is known to be written while it is read."""
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


class Settlement:
    """What the files of one target came to. policy has the mounts that nothing may come from.

    rows has a row for each file that is done with, by its src; refused is why this side could not have some file, None where
    it took all.
    """

    def __init__(self, home: Home, policy: ReadPolicy, options: FetchOptions, budget: Budget) -> None:
        self.home, self.options = home, options
        self.tries = RetryLedger(options, budget)
        self.rows: dict[bytes, Row] = {}
        self.refused: Failure | None = None
        self._secrets = policy.secret_ids
        # a later write may have no later ctime: file systems count it in ticks, some in seconds
        self._settled_ns = (policy.looked_at - _SETTLED) * 10**9

    def keep(self, step: Step, end: End | None, local: Local | None = None, *, known: str | None = None) -> None:
        """The file here stays as it is. local is what it is now, where it is proven; known its sha256, where an earlier run is trusted."""
        try:
            self.home.dest.claim(self.home.place(step.item))
        except DestFailure as failure:
            self.note(step, "failed", failure.reason)
        else:
            is_verified = known is None
            told = self._told(step, local)
            self.note(step, "unchanged", step.reason, end=end, sha256=known, local=told, is_verified=is_verified)

    def finish(self, step: Step, file: Partial | None, end: End) -> None:
        """Gives a file its name if it is what the target has; else decides whether to try it again, and has no row then.

        Raises DestFailure where no other file could be written either.
        """
        if step.item.src in self.rows:
            return
        if end.mount is not None and end.mount in self._secrets:
            self.note(step, "skipped", SECRET)
        elif end.status == "ok" and file is not None and file.length == step.length == end.length:
            if self._is_proven(step, file.sha256, end):
                self._commit(step, file, "fetched", step.reason, end)
            elif self.tries.is_last_try(step, CHECKSUM):
                self._settle(step, file, end)
        elif end.status not in PASSING or self.tries.is_last_try(step, end.status):
            is_moving = end.status == "Shrunk"
            self.note(
                step,
                "changed_while_reading" if is_moving else "failed",
                end.status if end.status != "ok" else CHECKSUM,
                is_here=False,
            )

    def put(self, step: Step, data: bytes, end: End) -> bool:
        """Gives a small file its name at once where it is what the target has; False: what becomes of it is for finish to say.

        Raises DestFailure where no other file could be written either.
        """
        entry, sha256 = step.item.entry, hashlib.sha256(data).hexdigest()
        if (
            entry is None
            or step.item.src in self.rows
            or end.mount in self._secrets
            or not (end.status == "ok" and len(data) == step.length == end.length)
            or not self._is_proven(step, sha256, end)
            or has_holes(entry)
        ):
            return False
        try:
            found = self.home.dest.put(self.home.place(step.item), data, entry.mtime_ns)
        except Failure as failure:
            self.refuse(step, failure)
        else:
            self._note_brought(step, "fetched", step.reason, end, sha256, found)
        return True

    def refuse(self, step: Step, failure: Failure) -> None:
        """This side cannot have the file. Raises the failure when it could have no other either."""
        self.note(step, "failed", failure.reason, is_here=False)
        if failure.reason == "DestUnwritable":
            self.refused = self.refused or failure
        if isinstance(failure, DestFailure) and failure.is_final:
            raise failure

    def _is_proven(self, step: Step, sha256: str, end: End) -> bool:
        drift = end.drift(step.item.entry)
        is_same = end.sha256 == sha256 or (end.sha256 is None and not self.options.checksum)
        # of what grew the beginning is proven by a hash that was taken after it was read
        return is_same and (drift == "none" or (drift == "grew" and end.sha256 is not None))

    def _settle(self, step: Step, file: Partial, end: End) -> None:
        """A file that never hashed alike: one that is being written is kept as it was read, and said to be so."""
        entry = step.item.entry
        if self.tries.is_moving(step) or end.drift(entry) != "none":
            self._commit(step, file, "changed_while_reading", None, end)
        else:
            self.note(step, "failed", CHECKSUM, is_here=False)

    def _commit(self, step: Step, file: Partial, status: Status, reason: str | None, end: End) -> None:
        entry = step.item.entry
        try:
            found = file.commit(
                length=step.length, sha256=file.sha256, mtime_ns=None if entry is None else entry.mtime_ns
            )
        except Failure as failure:
            self.refuse(step, failure)
        else:
            self._note_brought(step, status, reason, end, file.sha256, found)

    def _note_brought(
        self, step: Step, status: Status, reason: str | None, end: End, sha256: str, found: os.stat_result
    ) -> None:
        is_whole = status == "fetched" and not end.grew
        told = self._told(step, (found.st_size, found.st_mtime_ns, found.st_ino)) if is_whole else None
        self.note(step, status, reason, end=end, sha256=sha256, local=told)

    def _told(self, step: Step, local: Local | None) -> Local | None:
        """Return the copy where a later run may take it for the file, by what both are now: it is whole, and a later write
        would show."""
        entry = step.item.entry
        is_settled = entry is not None and entry.ctime_ns < self._settled_ns and step.item.origin != "held"
        return local if is_settled and not step.is_part else None

    def note(
        self,
        step: Step,
        status: Status,
        reason: str | None,
        *,
        end: End | None = None,
        sha256: str | None = None,
        local: Local | None = None,
        is_verified: bool = True,
        is_here: bool = True,
    ) -> None:
        """Notes how a file ended: end is what the target said of it, sha256 what was hashed here of it; the rest as in a Row."""
        is_here = is_here and status in ("fetched", "unchanged", "changed_while_reading")
        self.rows[step.item.src] = Row(
            src=step.item.src,
            resolved=step.item.resolved,
            dest=self.home.dest.full(self.home.place(step.item)) if is_here else None,
            entry=step.item.entry,
            status=status,
            reason=reason,
            sha256=sha256 or (end.sha256 if end is not None else None),
            offset=step.offset,
            length=step.length if step.is_part else None,
            grew=end.grew if end is not None else False,
            atime_moved=end.moved_atime(step.item.entry) if is_here and end is not None else False,
            local=local,
            is_verified=is_verified,
        )
