# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A remote shell that stays: scripts go in, each answer comes back delimited, whatever it holds.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._remote.bootstrap import (
    OUTLET,
    PROLOGUE,
    be_nice,
    can_use_outlet,
    exec_command,
    use_outlet,
)
from ansible_collections.incident.distroless.plugins.module_utils._remote.job import Job
from ansible_collections.incident.distroless.plugins.module_utils._remote.job_output import (
    FORK_REFUSED,
    MAX_STDERR,
    STDERR,
    STDOUT,
    JobOutput,
    broken,
    was_killed,
)

__all__ = ["OUTLET", "Session", "Transport", "exec_command", "new_nonce"]

# what may still be on its way when the remote shell is told to end
MAX_LEFTOVER = 4 << 20

# a script longer than this comes as one piece: the loader's `read` takes a line byte by byte, one system call each
LONG = 4 << 10
_BLOCK = 64 << 10
# dd reads exactly so many blocks and nothing ahead. Where an image has none that can, it takes nothing, and the script is
# read line by line as any other: its last line leaves the status as it is then. The x keeps the newlines at the end.
_TAKE = b"dd bs=%d count=%d iflag=fullblock 2>/dev/null; "
_BULK = b"bulk=\nbulk=$(command eval '%s'; echo x) bulk=${bulk%%x}\n"
_EVALUATE = b'\neval "${bulk:-(exit $?)}"\n'

# how many seconds a job that is given up may take to end before the connection is dropped all the same. A command that starts
# others without a pause ends after 0.02 s on a node at rest; where eight others fill two CPUs, one in twenty needs over 2 s
PARTING = 10.0

# how many seconds the other side may take in nothing of what is sent before it counts as gone
SENDING = 60.0

# how often, in seconds, each line is used while an answer is waited for: what is idle is cut by proxies
TENDING = 5.0
_PID = re.compile(rb"[1-9][0-9]{0,9}\n")


class Transport(Protocol):
    """The three streams of one remote command."""

    # what SENDING is for this one, in seconds
    patience: float
    # whether the command surely sees the end of its stdin when the connection is dropped; else it is killed before that
    hears_end: bool

    def send(self, data: bytes) -> None:
        """Sends data to its stdin. Raises Failure ConnectionLost, after which the exit code is known where it arrived, and LookBroken
        when the command could not be started."""

    def receive(self, timeout: float) -> tuple[int, memoryview] | None:
        """The next piece of stdout (1) or stderr (2), valid until the next call; None after the clean end.

        Raises Failure WaitTimeout when nothing came for timeout seconds (nothing is lost: it may be called again) and
        ConnectionLost when the stream broke, LookBroken when the command could not be started.
        """

    def keep_alive(self) -> None:
        """Sends something that the remote command does not see. Raises Failure ConnectionLost."""

    def close(self) -> None:
        """Drops the connection, at once and as often as called."""

    @property
    def exit_code(self) -> int | None:
        """After the end, what channel 3 said; None when it said nothing."""


class Session:
    """One remote shell (see LOADER) and its jobs, one at a time. As a context manager it is closed at the end."""

    def __init__(
        self,
        transport: Transport,
        nonce: str,
        *,
        timeout: float = 60.0,
        is_nice: bool = False,
        open_outlet: Callable[[], Transport] | None = None,
    ) -> None:
        """transport runs exec_command(nonce); timeout is how many seconds without progress are too many; is_nice: what
        runs there gives way to all others; open_outlet runs OUTLET beside it, and is called before the first job.

        Without an outlet, or where the runtime keeps its streams from us, jobs write to the transport itself.
        """
        self.timeout = timeout
        # time.monotonic() after which no job of it is waited for, whatever it prints
        self.until = math.inf
        self.broken: str | None = None
        # a side that takes in nothing is as silent as one that says nothing; a command that may be silent for an hour still listens
        self._patience = transport.patience = min(SENDING, max(PARTING, timeout))
        self._transport = transport
        self._open_outlet = open_outlet
        self._outlet: Transport | None = None
        self._tended = 0.0
        self._nonce = nonce
        # not the nonce: `ps` in a user's command shows that one, and the answer would end there
        self._mark = new_nonce()
        self._answer: JobOutput | None = None
        self._is_asked = False
        if is_nice:
            self.define(be_nice(nonce))
        self.define(b"mark=%s\n" % self._mark.encode("ascii") + PROLOGUE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def define(self, script: bytes) -> None:
        """Evaluates script in the main shell, for functions and constants of later jobs. It must be quick and silent."""
        self._say(script, b"def")

    def run(
        self,
        script: bytes,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        stderr_sink: Callable[[memoryview], None] | None = None,
    ) -> Job:
        """Runs script as a job with an empty stdin. The answer must be ended before the next one.

        timeout is for this job in place of the session's; deadline is a moment of time.monotonic(); stderr_sink gets
        stderr as it comes. Raises Failure, as open_outlet does or ConnectionLost.
        """
        self._check_ended()
        if self._open_outlet is not None:
            opening, self._open_outlet = self._open_outlet, None
            self._attach(opening())
        self._say(script, b"run")
        self._is_asked = False
        timeout, until = self.timeout if timeout is None else timeout, min(self.until, deadline or math.inf)
        self._answer = JobOutput(self, self._mark, timeout, until, stderr_sink)
        return Job(self._answer)

    def ask(self, script: bytes) -> Job:
        """Runs a script that is quick and prints little, and no NUL, on stdout. It cannot be cancelled, and answers when it
        is through: no process of it is left then, whatever becomes of the connection. Raises Failure ConnectionLost."""
        self._check_ended()
        self._say(script, b"ask")
        self._is_asked = True
        self._answer = JobOutput(self, self._mark, self.timeout, self.until, None)
        return Job(self._answer)

    def finish(self, status_of_job: bool = False) -> int | None:
        """Ends the remote shell and returns its exit code as channel 3 tells it: 0, or the last job's with status_of_job.

        None when channel 3 said nothing, which is no success. Raises Failure WaitTimeout, for instance when a process
        that the job left behind keeps the streams open: the answer's own rc is known then.
        """
        self._check_ended()
        try:
            self._send(b"", b"end" if status_of_job else b"quit")
            until = min(self.until, time.monotonic() + self.timeout)
            self._drain(self._transport, until)
            if self._outlet is not None:
                # it ends with the last process that holds its streams
                self._outlet.send(b"\n")
                self._drain(self._outlet, until)
            return self._transport.exit_code
        finally:
            self.close()

    def close(self) -> None:
        """Ends the job that runs, if one does, and the connection. Waits at most PARTING seconds, and with an outlet not
        at all, unless the remote shell would be killed: else it ends its job by itself."""
        is_killed = not self._transport.hears_end
        # a question says nothing while it has a process: killed with its answer on the way the shell leaves nothing
        may_leave = self._is_busy() and self._outlet is None and not self._is_asked
        if self.broken is None and (is_killed or may_leave):
            with suppress(Failure):
                self._part()
        self.drop()

    def drop(self) -> None:
        """Drops the connection at once. The remote side ends what it runs, by itself, but without an outlet, or where it does
        not hear of it, see LOADER."""
        self.fail("it was closed")

    def cancel(self) -> None:
        """Has the running job ended by the remote side; its answer then ends with rc 137."""
        self._send(b"", b"kill")

    def receive(self, timeout: float) -> tuple[int, memoryview]:
        """The next piece for the answer, as Transport.receive gives it. A stream that breaks or ends breaks the session."""
        self._check()
        try:
            stream = self._outlet or self._transport
            piece = self._from(stream, timeout)
            if piece is None:
                raise _ended(stream)
            return piece
        except Failure as failure:
            if failure.reason != "WaitTimeout":
                self.fail(failure.message)
            raise

    def fail(self, message: str) -> None:
        """Remembers why this session cannot be used any more, and drops it."""
        self.broken = self.broken or message
        self._transport.close()
        if self._outlet is not None:
            self._outlet.close()

    @property
    def is_free(self) -> bool:
        """Return whether another job can run in it, and nothing of those before would be in its answer as far as is known."""
        return (
            self.broken is None and not self._is_busy() and not (self._answer is not None and self._answer.is_followed)
        )

    def _is_busy(self) -> bool:
        return self._answer is not None and self._answer.rc is None

    def _check_ended(self) -> None:
        if self._is_busy():
            raise RuntimeError("the answer before was not read to its end")
        if self._answer is not None and self._answer.is_followed:
            self.fail("What a job left behind goes on printing.")

    def _check(self) -> None:
        if self.broken is not None:
            raise Failure("ConnectionLost", f"The session cannot be used any more: {self.broken}")

    def _say(self, script: bytes, verb: bytes) -> None:
        """Sends a script of any length."""
        if len(script) > LONG:
            blocks, rest = divmod(len(script), _BLOCK)
            takes = [_TAKE % (size, count) for size, count in ((_BLOCK, blocks), (rest, 1)) if size * count]
            self._send(_BULK % b"".join(takes), b"def")
            script += _EVALUATE
        self._send(script, verb)

    def _send(self, script: bytes, verb: bytes) -> None:
        self._check()
        if b"\0" in script:
            raise ValueError("a script cannot hold a NUL byte")
        newline = b"" if not script or script.endswith(b"\n") else b"\n"
        # the end of a session's time ends a send as well, but for what ends a job
        self._transport.patience = min(self._patience, max(PARTING, self.until - time.monotonic()))
        try:
            self._transport.send(b"%s%s%s %s\n" % (script, newline, self._nonce.encode("ascii"), verb))
        except Failure as lost:
            # a shell that was killed before it read this has said so
            failure = lost if self._transport.exit_code is None else _ended(self._transport)
            self.fail(failure.message)
            raise failure from lost

    def _part(self) -> None:
        """Has the job ended and the shell after it, and waits until it has: nothing is left to be killed with."""
        until = time.monotonic() + PARTING
        self._patience = PARTING
        running = self._answer if self._is_busy() else None
        if running is not None:
            self.cancel()
        self._send(b"", b"quit")
        # what is still on its way is read and thrown away: unread, it would have the runtime kill the remote shell
        if running is not None and self._outlet is not None:
            running.drain(until)
        while (left := until - time.monotonic()) > 0 and self._transport.receive(left) is not None:
            pass

    def _drain(self, transport: Transport, until: float) -> None:
        size = 0
        while (piece := transport.receive(max(0.0, until - time.monotonic()))) is not None:
            size += len(piece[1])
            if size > MAX_LEFTOVER:
                raise Failure("ConnectionLost", "The remote side does not stop sending after its end.")

    def _attach(self, outlet: Transport) -> None:
        """Has everything that the remote side says come through the outlet from now on, if it can write there."""
        try:
            pid = self._pid_of(outlet)
            if self.ask(can_use_outlet(pid)).status() != 0:
                outlet.close()
                return
            self.define(use_outlet(pid))
        except BaseException:
            outlet.close()
            raise
        self._outlet = outlet

    def _pid_of(self, outlet: Transport) -> int:
        said = {STDOUT: bytearray(), STDERR: bytearray()}
        while not said[STDOUT].endswith(b"\n") and max(map(len, said.values())) < MAX_STDERR:
            piece = outlet.receive(self.timeout)
            if piece is None:
                # no room for it, for example: the runtime's words are on stderr
                raise _ended(outlet, bytes(said[STDERR]))
            channel, view = piece
            said[channel] += view
        if not _PID.fullmatch(said[STDOUT]):
            raise Failure("ConnectionLost", "The remote side cannot be understood: it does not say its pid.")
        return int(said[STDOUT])

    def _from(self, stream: Transport, timeout: float) -> tuple[int, memoryview] | None:
        """The next piece of the stream that answers come on; keeps it alive meanwhile, and the shell's own line where it is another."""
        until = time.monotonic() + timeout
        while True:
            if time.monotonic() > self._tended + TENDING:
                self._tend(stream)
            try:
                return stream.receive(max(0.0, min(TENDING, until - time.monotonic())))
            except Failure as failure:
                if failure.reason != "WaitTimeout":
                    raise
                if time.monotonic() >= until:
                    raise Failure("WaitTimeout", f"Nothing came for {timeout:g} s.") from failure

    def _tend(self, stream: Transport) -> None:
        self._tended = time.monotonic()
        stream.keep_alive()
        if stream is self._transport:
            return
        # the shell behind the outlet may have ended
        self._transport.keep_alive()
        try:
            piece = self._transport.receive(0.0)
        except Failure as failure:
            if failure.reason != "WaitTimeout":
                raise
        else:
            if piece is None:
                raise _ended(self._transport)


def _ended(transport: Transport, said: bytes = b"") -> Failure:
    """Return the failure of a shell that ended though nobody told it to; said is its stderr where that is known."""
    code = transport.exit_code
    if code is not None and (code in FORK_REFUSED or was_killed(code)):
        return broken(code, said or b"the remote shell has ended")
    return Failure("ConnectionLost", "The remote shell has ended.")


def new_nonce() -> str:
    """32 hexadecimal digits that nothing in any file or name can hold: they did not exist before."""
    return secrets.token_hex(16)
