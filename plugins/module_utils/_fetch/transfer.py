# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bringing files: which are here already, the rest streamed, each proven before it gets its name, failures tried again.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.file_rows import Row, Status
from ansible_collections.incident.distroless.plugins.module_utils._fetch.plan import (
    CHECKSUM,
    DEADLINE,
    SECRET,
    Budget,
    FetchOptions,
    Step,
    place_of,
)
from ansible_collections.incident.distroless.plugins.module_utils._fetch.reconnect import (
    PASSING,
    Incoming,
    Remote,
    RetryLedger,
)
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import Dest, Place
from ansible_collections.incident.distroless.plugins.module_utils._localfs.partial_file import DestFailure, Partial
from ansible_collections.incident.distroless.plugins.module_utils._read.bandwidth import decide, local_tools
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import NOTHING, Codec, Packing
from ansible_collections.incident.distroless.plugins.module_utils._read.events import Begin, Data, End, Whole
from ansible_collections.incident.distroless.plugins.module_utils._read.request import Want
from ansible_collections.incident.distroless.plugins.module_utils._read.stream import Mounts, hashes, send
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import TargetFiles
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import ReadPolicy


class DeadlineReached(Exception):
    """The moment to stop at has come; what is done is done."""


class Transfer:
    """The files of one target on their way into folder below dest. until: the moment (time.monotonic()) to stop at; notify
    gets, again and again, the bytes of files that came of how many, and the files that are done of how many.

    rows has a row for each step that is done with; transferred counts the bytes that came on the wire, those of vain
    tries as well; codec is what some of them were compressed by; failure is why it had to stop, refused why this side
    could not write some file; None if it did not.
    """

    def __init__(
        self,
        remote: Remote,
        dest: Dest,
        folder: Place,
        policy: ReadPolicy,
        options: FetchOptions,
        budget: Budget,
        until: float,
        notify: Callable[[int, int, int, int], None],
    ) -> None:
        self._remote, self._dest, self._folder = remote, dest, folder
        self._policy, self._options, self._until, self._notify = policy, options, until, notify
        self._doubts, self._incoming = RetryLedger(options, budget), Incoming(dest)
        self._mounts = Mounts(policy.readable_ids, policy.unsteady_ids)
        self._packing: Packing | None = None
        self.rows: dict[bytes, Row] = {}
        self.transferred = 0
        self.codec: Codec = "none"
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
            try:
                self._repeat(missing, self._receive)
            finally:
                self._incoming.drop()

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
        for end in hashes(files, [self._want(step) for step in steps], self._mounts):
            step = steps[end.index]
            self._check_deadline()
            is_whole = end.status == "ok" and end.length == step.length
            if is_whole and end.drift(step.item.entry) == "other":
                # it is another one by now, or becomes one: what is known of it is too old
                self._doubts.doubt(step)
            elif is_whole and end.sha256 == self._dest.digest(self._place(step)):
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
        """Streams files; each is written as it comes. What a broken stream brought of a file is where the next one goes on."""
        for second in self._doubts.look_again(files, left):
            left[second.step.item.src] = second.step
            if second.status is not None:
                self._note(second.step, second.status, second.reason, is_here=False)
                del left[second.step.item.src]
        steps = sorted(left.values(), key=lambda step: not self._incoming.here(step))
        came, size = 0, sum(step.length - self._incoming.here(step) for step in steps)
        wants = [self._want(step, self._incoming.here(step)) for step in steps]
        packing = self._choose(files, wants)
        for event in send(files, wants, self._mounts, checksum=self._options.checksum, packing=packing):
            self._check_deadline()
            step = steps[(event.end if isinstance(event, Whole) else event).index]
            if isinstance(event, Begin):
                self._begin(step, event.start, event.codec)
            elif isinstance(event, Data):
                self._write(step, event.view, event.moved)
                came += len(event.view)
                self._notify(came, size, len(steps) - len(left), len(steps))
            else:
                if isinstance(event, Whole):
                    self._begin(step, 0, event.codec)
                    self._write(step, event.data, event.moved)
                    came += len(event.data)
                    self._notify(came, size, len(steps) - len(left), len(steps))
                self._finish(step, self._incoming.file, event.end if isinstance(event, Whole) else event)
                self._incoming.drop()
                if step.item.src in self.rows:
                    del left[step.item.src]
                    self._remote.succeeded()

    def _choose(self, files: TargetFiles, wants: Sequence[Want]) -> Packing:
        """What to compress; the line is measured once."""
        if self._packing is None:
            options = self._options
            # a line that breaks while it is measured is not measured again: that would bring nothing, try after try
            self._packing = NOTHING if options.compress == "auto" else None
            self._packing = decide(
                files.session, options.compress, wants, is_throttled=options.is_throttled, here=local_tools()
            )
        return self._packing

    def _begin(self, step: Step, start: int, codec: Codec) -> None:
        self.codec = codec if codec != "none" else self.codec
        try:
            self._incoming.begin(step, self._place(step), start)
        except Failure as failure:
            self._refuse(step, failure)

    def _write(self, step: Step, data: memoryview | bytes, moved: int) -> None:
        self.transferred += moved
        file = self._incoming.file
        # what this side cannot take is let pass: the files behind it come on the same stream
        if file is None:
            return
        if file.length + len(data) > step.length:
            raise Failure("ConnectionLost", f"More came than the {step.length} bytes of {step.item.src!r}.")
        try:
            file.write(data)
        except Failure as failure:
            self._refuse(step, failure)
            self._incoming.drop()
        else:
            # what came stays, so a line that is cut every minute gets to the end of a file that takes an hour
            self._remote.succeeded()

    def _finish(self, step: Step, file: Partial | None, end: End) -> None:
        """Gives a file its name if it is what the target has; else decides whether to try it again."""
        if step.item.src in self.rows:
            return
        if end.mount is not None and end.mount in self._policy.secret_ids:
            self._note(step, "skipped", SECRET)
        elif end.status == "ok" and file is not None and file.length == step.length == end.length:
            drift = end.drift(step.item.entry)
            is_same = end.sha256 == file.sha256 or (end.sha256 is None and not self._options.checksum)
            # of what grew the beginning is proven by a hash that was taken after it was read
            if is_same and (drift == "none" or (drift == "grew" and end.sha256 is not None)):
                self._commit(step, file, "fetched", step.reason, end)
            elif self._doubts.is_last_try(step, CHECKSUM):
                self._settle(step, file, end)
        elif end.status not in PASSING or self._doubts.is_last_try(step, end.status):
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
        if self._doubts.is_moving(step) or end.drift(entry) != "none":
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
            atime_moved=end.moved_atime(step.item.entry) if is_here and end is not None else False,
        )

    def _want(self, step: Step, here: int = 0) -> Want:
        if step.item.entry is None:
            raise ValueError("a file without an entry cannot be read")
        return Want(step.item.entry, step.offset, step.length, here)

    def _place(self, step: Step) -> Place:
        return (*self._folder, *place_of(step.item))

    def _check_deadline(self) -> None:
        if time.monotonic() > self._until:
            raise DeadlineReached
