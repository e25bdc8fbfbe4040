# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a job printed is had with its end, or not at all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._remote.job import Job
from ansible_collections.incident.distroless.plugins.module_utils._remote.job_output import JobOutput
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS, open_session

WAYS_TO_FAIL = {
    "exit 1": "ended with status 1",
    "nowhere": "ended with status 127",
    "sh -c 'kill -9 $$'": "was killed by signal 9",
}


@pytest.fixture(params=SHELLS)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    with open_session(request.param) as session:
        yield session


def _lines(answer: JobOutput) -> Iterator[bytes]:
    yield from iter(answer.line, None)


@pytest.mark.parametrize("way", WAYS_TO_FAIL)
def test_what_did_not_come_to_its_end_is_no_answer(session: Session, way: str) -> None:
    script = b"echo one; echo why >&2; %s" % way.encode()
    seen: list[bytes] = []
    with pytest.raises(Failure, match=WAYS_TO_FAIL[way]) as whole:
        session.run(script).output(99)
    with pytest.raises(Failure, match=WAYS_TO_FAIL[way]) as streamed:
        seen.extend(session.run(script).read(_lines))
    assert {whole.value.reason, streamed.value.reason} == {"LookBroken"}
    assert "why" in whole.value.message
    # a stream gives what came, and raises before anybody can take that for all
    assert seen == [b"one"]


def _numbers(answer: JobOutput) -> Iterator[int]:
    for line in iter(answer.line, None):
        if not line.isdigit():
            raise Failure("ConnectionLost", "that is no number")
        yield int(line)


@pytest.mark.parametrize(("status", "reason"), [(137, "LookBroken"), (0, "ConnectionLost")])
def test_what_cannot_be_understood_is_judged_by_how_it_ended(session: Session, status: int, reason: str) -> None:
    with pytest.raises(Failure) as caught:
        list(session.run(b"echo 1; echo one; echo two; exit %d" % status).read(_numbers))
    assert caught.value.reason == reason


def test_a_question_that_failed_is_no_answer(session: Session) -> None:
    with pytest.raises(Failure) as caught:
        session.ask(b"echo one; (exit 2)").output(99)
    assert caught.value.reason == "LookBroken"
    assert session.ask(b"echo two").output(99) == b"two\n"


def test_a_command_s_streams_come_with_their_status(session: Session) -> None:
    got: dict[int, bytes] = {1: b"", 2: b""}

    def take(channel: int, view: memoryview) -> None:
        got[channel] += view.tobytes()

    assert session.run(b"echo out; echo err >&2; exit 3").copy(take) == 3
    assert got == {1: b"out\n", 2: b"err\n"}


def test_more_than_was_expected_is_no_answer(session: Session) -> None:
    with pytest.raises(Failure, match="expected at most 10 bytes"):
        session.run(b"echo 12345678901234567890").output(10)
    assert session.broken


def test_a_job_that_is_given_up_leaves_the_session_as_it_was(session: Session) -> None:
    job = session.run(b"while :; do echo y; done")
    for line in job.read(_lines):
        assert line == b"y"
        job.give_up()
        break
    assert session.run(b"echo next").output(99) == b"next\n"


def test_nothing_but_its_methods_gives_its_bytes() -> None:
    """make types has the other half: tests/types/job_bytes.py."""
    assert {name for name in vars(Job) if not name.startswith("_")} == {"copy", "give_up", "output", "read", "status"}
