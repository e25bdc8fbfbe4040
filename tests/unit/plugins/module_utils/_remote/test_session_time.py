# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The moments after which a session is not waited for, whatever comes and whatever does not: on a clock of our own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from unittest import mock

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch import reconnect
from ansible_collections.incident.distroless.plugins.module_utils._fetch.reconnect import Remote
from ansible_collections.incident.distroless.plugins.module_utils._remote import job_output, session
from ansible_collections.incident.distroless.plugins.module_utils._remote.job import Job
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import PARTING, Session, new_nonce
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS, open_session, reader
from hypothesis import example, given
from hypothesis import strategies as st


@pytest.mark.parametrize("shell", SHELLS)
def test_the_end_of_a_sessions_time_ends_every_job_of_it(shell: str) -> None:
    with open_session(shell) as session:
        session.until = time.monotonic() + 0.2
        answer = reader(session.run(b"while :; do echo y; sleep 0.01; done", timeout=60))
        with pytest.raises(Failure) as caught:
            list(iter(answer.line, None))
        assert caught.value.reason == "WaitTimeout"


class Clock:
    """A clock that goes on only when somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@contextmanager
def virtual() -> Iterator[Clock]:
    """The clock of all that waits for a session."""
    clock = Clock()
    modules = (session, job_output, reconnect)
    with (
        mock.patch.multiple(session, time=clock),
        mock.patch.multiple(job_output, time=clock),
        mock.patch.multiple(reconnect, time=clock),
    ):
        assert all(module.time is clock for module in modules)  # type: ignore[attr-defined]
        yield clock


# so many seconds after the piece before: a piece of stdout, of stderr, the end of the job, of the stream, or a break of it
GAPS = st.floats(0, 200)
WHAT = st.sampled_from(["stdout", "stderr", "job ends", "stream ends", "stream breaks"])
EVENTS = st.lists(st.tuples(GAPS, WHAT), max_size=12)


class Weak:
    """A transport on which pieces come when they come, and which takes in what is sent after so many seconds."""

    patience = 60.0

    def __init__(self, clock: Clock, events: list[tuple[float, str]], sending: float, hears_end: bool) -> None:
        self.hears_end = hears_end
        self._clock, self._events, self._sending = clock, list(events), sending
        self._mark, self._at = b"", clock.now
        self._ends: list[tuple[int, bytes]] = []

    def send(self, data: bytes) -> None:
        """See Transport.send."""
        if data.startswith(b"mark="):
            self._mark = data[5:].partition(b"\n")[0]
        self._clock.sleep(min(self._sending, self.patience))
        if self._sending > self.patience:
            raise Failure("ConnectionLost", "it takes in nothing")

    def receive(self, timeout: float) -> tuple[int, memoryview] | None:
        """See Transport.receive."""
        if self._ends:
            channel, end = self._ends.pop()
            return channel, memoryview(end)
        gap, what = self._events[0] if self._events else (float("inf"), "")
        self._at = max(self._at, self._clock.now) if gap == float("inf") else self._at
        due = self._at + gap
        if due > self._clock.now + timeout:
            self._clock.sleep(timeout)
            raise Failure("WaitTimeout", "nothing came")
        self._clock.now = self._at = max(due, self._clock.now)
        self._events.pop(0)
        if what == "stream breaks":
            raise Failure("ConnectionLost", "it broke")
        if what == "stream ends":
            return None
        if what == "job ends":
            self._ends = [(channel, self._mark + b" 0\n") for channel in (1, 2)]
            return self.receive(timeout)
        return (1 if what == "stdout" else 2), memoryview(b"x\n")

    def keep_alive(self) -> None:
        """See Transport.keep_alive."""

    def close(self) -> None:
        """See Transport.close."""

    @property
    def exit_code(self) -> int | None:
        """See Transport.exit_code."""
        return 0


WAYS: dict[str, Callable[[Job], object]] = {
    "output": lambda job: job.output(1000),
    "status": lambda job: job.status(),
    "copy": lambda job: job.copy(lambda _channel, _view: None),
    "lines": lambda job: list(job.read(lambda answer: iter(answer.line, None))),
}


@given(
    EVENTS,
    st.sampled_from(sorted(WAYS)),
    st.floats(0.1, 100),
    st.floats(0.1, 100),
    st.floats(0.1, 100),
    st.floats(0, 100),
    st.booleans(),
)
def test_no_job_is_waited_for_longer_than_its_silence_its_deadline_and_its_session_allow(
    events: list[tuple[float, str]],
    way: str,
    silence: float,
    deadline: float,
    until: float,
    sending: float,
    hears_end: bool,
) -> None:
    with virtual() as clock:
        # what is sent before it is known when the time is up
        transport = Weak(clock, events, 0.0, hears_end)
        shell = Session(transport, new_nonce(), timeout=silence)
        shell.until = began = clock.now
        shell.until += until
        transport._sending = sending
        with suppress(Failure):
            job = shell.run(b"x", deadline=began + deadline)
            begun = clock.now
            # one that takes in nothing is not waited for beyond the session's time, but for what ends a job
            assert begun <= began + max(until, PARTING)
            WAYS[way](job)
        sent = clock.now if not transport._mark else began + min(sending, max(until, PARTING))
        # a piece that came in time may be the last that is looked at
        assert clock.now <= max(began + min(deadline, until), sent) + 1e-6
        ended = clock.now
        shell.close()
        # to end the job: the sends, and the wait for its end
        assert clock.now <= ended + 3 * PARTING


# the last try ends right before the time does
@example([(0.0, [(9.9, "stream breaks")])], 5, 10.0)
@given(st.lists(st.tuples(st.floats(0, 50), EVENTS), max_size=6), st.integers(0, 5), st.floats(0.1, 300))
def test_tries_and_their_pauses_end_with_the_time_of_all(
    sessions: list[tuple[float, list[tuple[float, str]]]], retries: int, limit: float
) -> None:
    with virtual() as clock:
        until = clock.now + limit
        left = list(sessions)

        def opening() -> Session:
            seconds, events = left.pop(0) if left else (float("inf"), [])
            # the door keeps the same time
            clock.sleep(min(seconds, max(0.0, until - clock.now)))
            if clock.now >= until:
                raise Failure("WaitTimeout", "opening")
            opened = Session(Weak(clock, events, 0.0, True), new_nonce(), timeout=60.0)
            opened.until = until
            return opened

        parted: list[float] = []

        def close(opened: Session) -> None:
            before = clock.now
            closing(opened)
            parted.append(clock.now - before)

        remote = Remote(opening, 1, root=b"/", retries=retries, until=until)
        closing = Session.close
        with mock.patch.object(Session, "close", close):
            with suppress(Failure):
                remote.ask(lambda files: files.session.run(b"x").output(100))
            remote.drop()
        # but for what it takes to end the jobs that ran
        assert clock.now - sum(parted) <= until + 1e-6
