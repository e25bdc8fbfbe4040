# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bringing files: which are here already, the rest streamed, each proven before it gets its name, failures tried again.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from ansible_collections.incident.distroless.plugins.module_utils._dest import Dest, Place
from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._ground import Ground
from ansible_collections.incident.distroless.plugins.module_utils._listing import Absent, Entry, TargetFiles
from ansible_collections.incident.distroless.plugins.module_utils._partial import DestFailure, Partial
from ansible_collections.incident.distroless.plugins.module_utils._plan import (
    CHECKSUM,
    DEADLINE,
    SECRET,
    Budget,
    FetchOptions,
    Step,
    again,
    place_of,
)
from ansible_collections.incident.distroless.plugins.module_utils._reading import Begin, Data, End, Want, hashes, send
from ansible_collections.incident.distroless.plugins.module_utils._remote import Remote
from ansible_collections.incident.distroless.plugins.module_utils._rows import Row, Status

# what another look at the file may mend: it was written, rotated or replaced at that moment
_PASSING = {"Replaced", "Shrunk", "ReadError", CHECKSUM}


class DeadlineReached(Exception):
    """The moment to stop at has come; what is done is done."""


class Transfer:
    """The files of one target on their way into folder below dest. until: the moment (time.monotonic()) to stop at.

    rows has a row for each step that is done with; transferred counts the bytes that came, those of vain tries as well;
    failure is why it had to stop, refused why this side could not write some file; None if it did not.
    """

    def __init__(
        self,
        remote: Remote,
        dest: Dest,
        folder: Place,
        ground: Ground,
        options: FetchOptions,
        budget: Budget,
        until: float,
    ) -> None:
        self._remote, self._dest, self._folder = remote, dest, folder
        self._ground, self._options, self._budget, self._until = ground, options, budget, until
        # by src: how often a file came out wrong, and whether another look showed that it is being written
        self._vain: dict[bytes, int] = {}
        self._moving: set[bytes] = set()
        self.rows: dict[bytes, Row] = {}
        self.transferred = 0
        self.failure: Failure | None = None
        self.refused: Failure | None = None

    def run(self, steps: Sequence[Step]) -> None:
        """Brings the files of steps. Whatever a file, the connection or the disk does to it is in rows and failure."""
        wanted = {step.item.src: step for step in steps}
        twins = {src: step for src, step in wanted.items() if self._may_be_here(step)}
        self._repeat(twins, self._compare)
        missing = {src: step for src, step in wanted.items() if src not in self.rows}
        if self._options.is_check:
            for step in missing.values():
                self._note(step, "fetched", step.reason)
        else:
            self._repeat(missing, self._receive)

    def _repeat(self, left: dict[bytes, Step], one_pass: Callable[[TargetFiles, dict[bytes, Step]], None]) -> None:
        """Runs passes, each of which takes out of left what it is done with, until nothing is left or nothing helps."""
        while left and self.failure is None:
            try:
                one_pass(self._remote.files(), left)
            except DeadlineReached:
                self._remote.drop()
                for step in left.values():
                    self._note(step, "skipped", DEADLINE)
                left.clear()
            except Failure as failure:
                self._give_up_or_wait(failure)
        if self.failure is not None:
            for step in left.values():
                self._note(step, "failed", self.failure.reason)

    def _give_up_or_wait(self, failure: Failure) -> None:
        try:
            if isinstance(failure, DestFailure):
                self._remote.drop()
                raise failure
            self._remote.failed(failure)
        except Failure as final:
            self.failure = final

    def _may_be_here(self, step: Step) -> bool:
        """Whether the file here has the right size; without checksums its time, which is the target's, decides."""
        facts, entry = self._dest.facts(self._place(step)), step.item.entry
        if facts is None or entry is None or facts[0] != step.length:
            return False
        if self._options.checksum:
            return True
        if facts[1] == entry.mtime_ns:
            self._keep(step, None)
        return False

    def _compare(self, files: TargetFiles, left: dict[bytes, Step]) -> None:
        """Hashes on both sides what may be the same; the target is busy with the next while this side hashes the last."""
        steps = list(left.values())
        for end in hashes(files, _wants(steps), self._ground.readable_ids):
            step = steps[end.index]
            self._check_deadline()
            if end.status == "ok" and end.length == step.length and end.sha256 == self._dest.digest(self._place(step)):
                self._keep(step, end)
            del left[step.item.src]
            self._remote.succeeded()

    def _keep(self, step: Step, end: End | None) -> None:
        """The file here stays as it is."""
        try:
            self._dest.claim(self._place(step))
        except DestFailure as failure:
            self._note(step, "failed", failure.reason)
        else:
            self._note(step, "unchanged", step.reason, end=end)

    def _receive(self, files: TargetFiles, left: dict[bytes, Step]) -> None:
        """Streams files; each is written as it comes."""
        self._look_again(files, left)
        steps = list(left.values())
        file: Partial | None = None
        with ExitStack() as stack:
            for event in send(files, _wants(steps), self._ground.readable_ids, checksum=self._options.checksum):
                self._check_deadline()
                step = steps[event.index]
                # what this side cannot take is let pass: the files behind it come on the same stream
                if isinstance(event, Begin):
                    stack.close()
                    file = self._begin(stack, step)
                elif isinstance(event, Data):
                    self.transferred += len(event.view)
                    file = self._write(step, file, event)
                else:
                    self._finish(step, file, event)
                    stack.close()
                    file = None
                    if step.item.src in self.rows:
                        del left[step.item.src]
                        self._remote.succeeded()

    def _begin(self, stack: ExitStack, step: Step) -> Partial | None:
        try:
            return stack.enter_context(self._dest.writer(self._place(step), step.length))
        except Failure as failure:
            self._refuse(step, failure)
            return None

    def _write(self, step: Step, file: Partial | None, data: Data) -> Partial | None:
        if file is None:
            return None
        if file.length + len(data.view) > step.length:
            raise Failure("ConnectionLost", f"More came than the {step.length} bytes of {step.item.src!r}.")
        try:
            file.write(data.view)
        except Failure as failure:
            self._refuse(step, failure)
            return None
        return file

    def _finish(self, step: Step, file: Partial | None, end: End) -> None:
        """Gives a file its name if it is what the target has; else decides whether to try it again."""
        if step.item.src in self.rows:
            return
        if end.mount is not None and end.mount in self._ground.secret_ids:
            self._note(step, "skipped", SECRET)
        elif end.status == "ok" and file is not None and file.length == step.length == end.length:
            if not self._options.checksum or end.sha256 == file.sha256:
                self._commit(step, file, "fetched", step.reason, end)
            elif self._is_last_try(step, CHECKSUM):
                self._settle(step, file, end)
        elif end.status not in _PASSING or self._is_last_try(step, end.status):
            is_moving = end.status == "Shrunk"
            self._note(
                step,
                "changed_while_reading" if is_moving else "failed",
                end.status if end.status != "ok" else CHECKSUM,
                is_here=False,
            )

    def _settle(self, step: Step, file: Partial, end: End) -> None:
        """A file that never hashed alike: one that is being written is kept as it was read, and said to be so."""
        entry = step.item.entry
        if step.item.src in self._moving or end.grew or (entry is not None and end.size != entry.size):
            self._commit(step, file, "changed_while_reading", None, end)
        else:
            self._note(step, "failed", CHECKSUM, is_here=False)

    def _commit(self, step: Step, file: Partial, status: Status, reason: str | None, end: End) -> None:
        entry = step.item.entry
        try:
            file.commit(length=step.length, sha256=file.sha256, mtime_ns=None if entry is None else entry.mtime_ns)
        except Failure as failure:
            self._refuse(step, failure)
        else:
            self._note(step, status, reason, end=end, sha256=file.sha256)

    def _is_last_try(self, step: Step, reason: str) -> bool:
        """Counts a try that was in vain."""
        vain = self._vain.get(step.item.src, 0) + 1
        self._vain[step.item.src] = vain
        return vain > self._options.retries or reason not in _PASSING

    def _look_again(self, files: TargetFiles, left: dict[bytes, Step]) -> None:
        """Renews what is known of the files that came out wrong: they were rotated, replaced or written."""
        doubtful = [step for src, step in left.items() if src in self._vain]
        for step, found in zip(doubtful, files.walk([_path(step) for step in doubtful]), strict=True):
            src, before = step.item.src, step.item.entry
            if not isinstance(found, Entry):
                self._note(step, "failed", found.reason if isinstance(found, Absent) else "Replaced", is_here=False)
            elif found.type != "file":
                self._note(step, "failed", "Replaced", is_here=False)
            else:
                left[src] = again(step, found, self._options, self._budget)
                if before is not None and (before.mtime_ns, before.ctime_ns, before.size) != (
                    found.mtime_ns,
                    found.ctime_ns,
                    found.size,
                ):
                    self._moving.add(src)
                if left[src].action != "file":
                    self._note(
                        left[src],
                        "failed" if left[src].action == "fail" else "skipped",
                        left[src].reason,
                        is_here=False,
                    )
            if src in self.rows:
                del left[src]

    def _refuse(self, step: Step, failure: Failure) -> None:
        """This side cannot have the file; when it could have no other either, it is the end."""
        self._note(step, "failed", failure.reason, is_here=False)
        if failure.reason == "DestUnwritable":
            self.refused = self.refused or failure
        if isinstance(failure, DestFailure) and failure.is_final:
            raise failure

    def _note(
        self,
        step: Step,
        status: Status,
        reason: str | None,
        *,
        end: End | None = None,
        sha256: str | None = None,
        is_here: bool = True,
    ) -> None:
        is_here = is_here and status in ("fetched", "unchanged", "changed_while_reading")
        self.rows[step.item.src] = Row(
            src=step.item.src,
            resolved=step.item.resolved,
            dest=self._dest.full(self._place(step)) if is_here else None,
            entry=step.item.entry,
            status=status,
            reason=reason,
            sha256=sha256 or (end.sha256 if end is not None else None),
            offset=step.offset,
            length=step.length if step.is_part else None,
            grew=end.grew if end is not None else False,
        )

    def _place(self, step: Step) -> Place:
        return (*self._folder, *place_of(step.item))

    def _check_deadline(self) -> None:
        if time.monotonic() > self._until:
            raise DeadlineReached


def _path(step: Step) -> bytes:
    return step.item.src if step.item.resolved is None else step.item.resolved


def _wants(steps: Iterable[Step]) -> list[Want]:
    return [Want(step.item.entry, step.offset, step.length) for step in steps if step.item.entry is not None]
