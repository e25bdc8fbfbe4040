# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that came out wrong: how often, what another look at them says, and when it is enough.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.incident.distroless.plugins.module_utils._fetch.file_rows import Status
from ansible_collections.incident.distroless.plugins.module_utils._fetch.plan import (
    CHECKSUM,
    Budget,
    FetchOptions,
    Step,
    again,
)
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import (
    Absent,
    Entry,
    TargetFiles,
)

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
