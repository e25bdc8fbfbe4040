# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bringing files: which are here already, the rest streamed, each proven before it gets its name, failures tried again.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.compare import (
    compare,
    keep_known,
    may_be_here,
)
from ansible_collections.incident.distroless.plugins.module_utils._fetch.file_rows import Row
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import (
    DEADLINE,
    Budget,
    FetchOptions,
    Home,
    Step,
)
from ansible_collections.incident.distroless.plugins.module_utils._fetch.receive import Notify, Receiver
from ansible_collections.incident.distroless.plugins.module_utils._fetch.reconnect import DeadlineReached, Remote
from ansible_collections.incident.distroless.plugins.module_utils._fetch.settle import Settlement
from ansible_collections.incident.distroless.plugins.module_utils._localfs.partial_file import DestFailure
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import Codec
from ansible_collections.incident.distroless.plugins.module_utils._read.stream import Mounts
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import ReadPolicy


@dataclass(frozen=True, slots=True)
class Transferred:
    """What the files of one target came to: a row for each, by its src; the bytes that came on the wire, those of vain tries
    as well; what some of them were compressed by; why it had to stop or this side could not have some file, None if neither."""

    rows: dict[bytes, Row]
    moved: int
    codec: Codec
    failure: Failure | None


def transfer(
    steps: Sequence[Step],
    remote: Remote,
    home: Home,
    policy: ReadPolicy,
    options: FetchOptions,
    budget: Budget,
    notify: Notify,
) -> Transferred:
    """Bring the files of steps. Whatever a file, the connection or the disk does to it is in the rows and the failure."""
    mounts = Mounts(policy.readable_ids, policy.unsteady_ids)
    settlement = Settlement(home, policy, options, budget)
    receiver = Receiver(remote, mounts, settlement, notify)
    passes = _Passes(remote, settlement)
    wanted = {step.item.src: step for step in steps}
    for step in steps:
        keep_known(step, policy, settlement)
    left = {src: step for src, step in wanted.items() if src not in settlement.rows}
    twins = {src: step for src, step in left.items() if may_be_here(step, settlement)}
    passes.repeat(lambda left: compare(remote, left, mounts, settlement), twins)
    missing = {src: step for src, step in wanted.items() if src not in settlement.rows}
    if options.is_check:
        for step in missing.values():
            settlement.note(step, "fetched", step.reason)
    else:
        try:
            passes.repeat(receiver.receive, missing)
        finally:
            receiver.drop()
    return Transferred(settlement.rows, receiver.moved, receiver.codec, passes.failure or settlement.refused)


class _Passes:
    """Passes over files, one after another where something broke; failure is why no other one is of use, None while one is."""

    def __init__(self, remote: Remote, settlement: Settlement) -> None:
        self._remote, self._settlement = remote, settlement
        self.failure: Failure | None = None

    def repeat(self, one_pass: Callable[[dict[bytes, Step]], None], left: dict[bytes, Step]) -> None:
        """Runs passes, each of which takes out of left what it is done with, until nothing is left or nothing helps."""
        while left and self.failure is None:
            try:
                one_pass(left)
            except DeadlineReached:
                self._stop(left)
            except Failure as failure:
                if self._remote.is_over(failure):
                    self._stop(left)
                else:
                    self._give_up_or_wait(failure)
        if self.failure is not None:
            for step in left.values():
                self._settlement.note(step, "failed", self.failure.reason)

    def _stop(self, left: dict[bytes, Step]) -> None:
        self._remote.drop()
        for step in left.values():
            self._settlement.note(step, "skipped", DEADLINE)
        left.clear()

    def _give_up_or_wait(self, failure: Failure) -> None:
        try:
            if isinstance(failure, DestFailure):
                self._remote.drop()
                raise failure
            self._remote.failed(failure)
        except Failure as final:
            self.failure = final
