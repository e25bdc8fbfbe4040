# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A remote shell that stays: scripts go in, each answer comes back delimited, whatever it holds.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from ansible_collections.incident.distroless.plugins.module_utils._answer import Answer
from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._loader import PROLOGUE, exec_command

__all__ = ["Answer", "Session", "Transport", "exec_command", "new_nonce"]

# what may still be on its way when the remote shell is told to end
MAX_LEFTOVER = 4 << 20


class Transport(Protocol):
    """The three streams of one remote command."""

    def send(self, data: bytes) -> None:
        """Sends data to its stdin. Raises Failure ConnectionLost."""

    def receive(self, timeout: float) -> tuple[int, memoryview] | None:
        """The next piece of stdout (1) or stderr (2), valid until the next call; None after the clean end.

        Raises Failure WaitTimeout when nothing came for timeout seconds (nothing is lost: it may be called again) and
        ConnectionLost when the stream broke.
        """

    def close(self) -> None:
        """Drops the connection, at once and as often as called."""

    @property
    def exit_code(self) -> int | None:
        """After the end, what channel 3 said; None when it said nothing."""


class Session:
    """One remote shell (see LOADER) and its jobs, one at a time. As a context manager it drops the connection at the end."""

    def __init__(self, transport: Transport, nonce: str, *, timeout: float = 60.0) -> None:
        """transport runs exec_command(nonce); timeout is how many seconds without progress are too many."""
        self.timeout = timeout
        self.broken: str | None = None
        self._transport = transport
        self._nonce = nonce
        # not the nonce: `ps` in a user's command shows that one, and the answer would end there
        self._mark = new_nonce()
        self._answer: Answer | None = None
        self.define(b"mark=%s\n" % self._mark.encode("ascii") + PROLOGUE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def define(self, script: bytes) -> None:
        """Evaluates script in the main shell, for functions and constants of later jobs. It must be quick and silent."""
        self._send(script, b"def")

    def run(
        self,
        script: bytes,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        stderr_sink: Callable[[memoryview], None] | None = None,
    ) -> Answer:
        """Runs script as a job with an empty stdin. The answer must be ended before the next one.

        timeout is for this job in place of the session's; deadline is a moment of time.monotonic(); stderr_sink gets
        stderr as it comes, beside its first 64 KiB in the answer. Raises Failure ConnectionLost.
        """
        if self._answer is not None and self._answer.rc is None:
            raise RuntimeError("the answer before was not read to its end")
        self._send(script, b"run")
        self._answer = Answer(self, self._mark, self.timeout if timeout is None else timeout, deadline, stderr_sink)
        return self._answer

    def finish(self, status_of_job: bool = False) -> int | None:
        """Ends the remote shell and returns its exit code as channel 3 tells it: 0, or the last job's with status_of_job.

        None when channel 3 said nothing, which is no success. Raises Failure WaitTimeout, for instance when a process
        that the job left behind keeps the streams open: the answer's own rc is known then.
        """
        if self._answer is not None and self._answer.rc is None:
            raise RuntimeError("the answer before was not read to its end")
        try:
            self._send(b"", b"end" if status_of_job else b"quit")
            self._drain()
            return self._transport.exit_code
        finally:
            self.close()

    def close(self) -> None:
        """Drops the connection. The remote side ends what it runs, by itself."""
        self.broken = self.broken or "it was closed"
        self._transport.close()

    def cancel(self) -> None:
        """Has the running job ended by the remote side; its answer then ends with rc 137."""
        self._send(b"", b"kill")

    def receive(self, timeout: float) -> tuple[int, memoryview] | None:
        """The transport's next piece, for the answer. A broken stream breaks the session."""
        self._check()
        try:
            return self._transport.receive(timeout)
        except Failure as failure:
            if failure.reason != "WaitTimeout":
                self.fail(failure.message)
            raise

    def fail(self, message: str) -> None:
        """Remembers why this session cannot be used any more, and drops it."""
        self.broken = self.broken or message
        self._transport.close()

    def _check(self) -> None:
        if self.broken is not None:
            raise Failure("ConnectionLost", f"The session cannot be used any more: {self.broken}")

    def _send(self, script: bytes, verb: bytes) -> None:
        self._check()
        if b"\0" in script:
            raise ValueError("a script cannot hold a NUL byte")
        newline = b"" if not script or script.endswith(b"\n") else b"\n"
        try:
            self._transport.send(b"%s%s%s %s\n" % (script, newline, self._nonce.encode("ascii"), verb))
        except Failure as failure:
            self.fail(failure.message)
            raise

    def _drain(self) -> None:
        until = time.monotonic() + self.timeout
        size = 0
        while (piece := self.receive(max(0.0, until - time.monotonic()))) is not None:
            size += len(piece[1])
            if size > MAX_LEFTOVER:
                raise Failure("ConnectionLost", "The remote side does not stop sending after its end.")


def new_nonce() -> str:
    """32 hexadecimal digits that nothing in any file or name can hold: they did not exist before."""
    return secrets.token_hex(16)
