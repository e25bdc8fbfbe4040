# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs in the debugger. What it prints is had only together with how it ended.

A listing that broke off looks like a short one, and what is missing in it like something that is gone. So nobody reads a
job's bytes but by a method that looks at its status after them.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._remote.job_output import JobOutput, broken

Thing = TypeVar("Thing")


class Job:
    """A script under way. One of its methods must be called, and brought to its end, before the session's next job."""

    def __init__(self, printed: JobOutput) -> None:
        self._printed = printed

    def read(self, parse: Callable[[JobOutput], Iterator[Thing]]) -> Iterator[Thing]:
        """Stream what parse makes of stdout as it comes. Raises Failure LookBroken at its end unless the status is 0.

        Not after cancel(), which parse may call: it knows then that there was more.
        """
        try:
            yield from parse(self._printed)
        except Failure as failure:
            if (why := self._why(failure)) is failure:
                raise
            raise why from failure
        self._check(self._printed.end())

    def output(self, most: int) -> bytes:
        """Return stdout. Raises Failure LookBroken unless the status is 0, ConnectionLost after more than most bytes."""
        text = bytearray()
        for view in self._printed.rest():
            text += view
            if len(text) > most:
                raise self._printed.misunderstood(f"expected at most {most} bytes, got more")
        self._check(self._printed.end())
        return bytes(text)

    def copy(self, sink: Callable[[int, memoryview], None]) -> int:
        """Hand all pieces of stdout (1) and stderr (2) to sink as they come and return the status that they end with."""
        for channel, view in self._printed.events():
            sink(channel, view)
        return self._printed.end()

    def status(self) -> int:
        """Return the status, and throw away what is printed."""
        return self._printed.end()

    def give_up(self) -> None:
        """Have it ended by the remote side, last process first."""
        self._printed.cancel()
        self._printed.end()

    def _why(self, failure: Failure) -> Failure:
        """Return why an answer cannot be understood: what printed it may have been killed, as its status says."""
        if failure.reason != "ConnectionLost":
            return failure
        try:
            status = self._printed.end()
        except Failure:
            # the stream itself is broken
            return failure
        return broken(status, self._printed.stderr) if status and not self._printed.is_cancelled else failure

    def _check(self, status: int) -> None:
        if status and not self._printed.is_cancelled:
            raise broken(status, self._printed.stderr)
