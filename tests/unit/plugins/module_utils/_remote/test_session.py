# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.paths import quote
from ansible_collections.incident.distroless.plugins.module_utils._remote.job_output import JobOutput
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import (
    LONG,
    Session,
    exec_command,
    new_nonce,
)
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS, Pipes, open_session, reader
from ansible_collections.incident.distroless.tests.unit.support.lying_remote import Liar
from hypothesis import given
from hypothesis import strategies as st

NONCE = "0123456789abcdef0123456789abcdef"
END = NONCE.encode() + b" 0\n"
EVERY_BYTE = bytes(range(1, 256)) * 2


@pytest.fixture(params=[(shell, has_outlet) for shell in SHELLS for has_outlet in (True, False)], ids=str)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    shell, has_outlet = request.param
    with open_session(shell, has_outlet=has_outlet) as session:
        yield session


def test_lines_come_back_and_then_the_end(session: Session) -> None:
    answer = reader(session.run(b"echo one; echo two; echo wrong >&2; exit 3"))
    assert [answer.line(), answer.line(), answer.line()] == [b"one", b"two", None]
    assert (answer.end(), answer.stderr) == (3, b"wrong\n")


def test_output_without_a_newline_is_told_from_the_end(session: Session) -> None:
    answer = reader(session.run(b"printf tail"))
    assert b"".join(bytes(piece) for piece in answer.rest()) == b"tail"
    assert answer.end() == 0


def test_definitions_stay_and_jobs_do_not_leak_into_each_other(session: Session) -> None:
    session.define(b"hello() { echo hello $1; }\nkept=1\n")
    session.run(b"kept=2; hello() { echo wrong; }").status()
    answer = reader(session.run(b"hello $kept"))
    assert answer.line() == b"hello 1"
    answer.end()


def test_every_byte_passes_through_a_script_and_back(session: Session) -> None:
    answer = reader(session.run(b"x=%s\nprintf '%%s' \"$x\"" % quote(EVERY_BYTE)))
    assert b"".join(bytes(part) for part in answer.exactly(len(EVERY_BYTE))) == EVERY_BYTE
    assert answer.end() == 0


def test_a_script_of_many_lines_arrives_whole(session: Session) -> None:
    lines = [b"%05d \\ \t$HOME" % number for number in range(3000)]
    answer = reader(session.run(b"x=%s\nprintf '%%s\\n' \"$x\"" % quote(b"\n".join(lines))))
    assert [answer.line() for _line in lines] == lines
    answer.end()


@pytest.mark.parametrize("size", [LONG, LONG + 1, 65_535, 65_536, 65_537, 200_000])
def test_a_script_of_any_length_arrives_to_the_byte(session: Session, size: int) -> None:
    value = (EVERY_BYTE.replace(b"'", b"") * (size // 500 + 1))[: size - len(b"x=''\nprintf '%s' \"$x\"\n\n")]
    script = b"x='%s'\nprintf '%%s' \"$x\"\n\n" % value
    assert len(script) == size
    answer = reader(session.run(script))
    assert b"".join(bytes(part) for part in answer.exactly(len(value))) == value
    assert answer.end() == 0


@pytest.mark.parametrize("tool", [b"", b"dd() { echo none >&2; return 127; }\n"], ids=["dd", "no dd"])
def test_a_long_script_defines_runs_and_ends_as_a_short_one(session: Session, tool: bytes) -> None:
    padding = b"# nothing\n" * LONG
    session.define(tool)
    session.define(padding + b"kept=1\nhello() { echo hello $1; }\n")
    answer = reader(session.run(padding + b"hello $kept; echo wrong >&2; (exit 3)\n" + padding))
    assert [answer.line(), answer.line()] == [b"hello 1", None]
    assert (answer.end(), answer.stderr) == (3, b"wrong\n")


def test_a_job_has_no_stdin(session: Session) -> None:
    answer = reader(session.run(b"cat; echo after"))
    assert answer.line() == b"after"
    answer.end()


def test_both_streams_come_side_by_side(session: Session) -> None:
    answer = reader(session.run(b"printf 'out'; printf 'err' >&2; sleep 0.1; printf 'more'"))
    got: dict[int, bytes] = {1: b"", 2: b""}
    for channel, view in answer.events():
        got[channel] += view.tobytes()
    assert (got, answer.rc) == ({1: b"outmore", 2: b"err"}, 0)


def test_output_is_given_at_once_and_not_held_back(session: Session) -> None:
    answer = reader(session.run(b"printf 'prompt> '; sleep 100"))
    assert next(iter(answer.events()))[1].tobytes() == b"prompt> "
    answer.cancel()
    answer.end()


@pytest.mark.parametrize(("status_of_job", "code"), [(True, 42), (False, 0)])
def test_the_shell_ends_with_the_status_asked_for(session: Session, status_of_job: bool, code: int) -> None:
    session.run(b"exit 42").status()
    assert session.finish(status_of_job) == code
    with pytest.raises(Failure, match="cannot be used any more"):
        session.run(b":")


def test_a_session_without_a_job_can_finish(session: Session) -> None:
    assert session.finish() == 0


def test_a_job_that_is_killed_says_so(session: Session) -> None:
    assert session.run(b"sh -c 'kill -9 $PPID'; echo not reached").status() == 137


@pytest.mark.parametrize(("silence", "patience"), [(2.0, 10.0), (30.0, 30.0), (3600.0, 60.0)])
def test_a_side_that_takes_in_nothing_is_not_waited_for_longer_than_any(silence: float, patience: float) -> None:
    liar = Liar(b"")
    Session(liar, new_nonce(), timeout=silence)
    assert liar.patience == patience


def test_silence_is_a_time_out_after_which_the_job_can_be_cancelled(session: Session) -> None:
    answer = reader(session.run(b"echo first; sleep 100", timeout=1.0))
    first = ended = None
    # on a busy machine what is said can take longer than the silence that is allowed here
    while first is None:
        with suppress(Failure):
            first = answer.line()
    assert first == b"first"
    with pytest.raises(Failure) as caught:
        answer.line()
    assert caught.value.reason == "WaitTimeout"
    answer.cancel()
    while ended is None:
        with suppress(Failure):
            ended = answer.end()
    assert session.run(b"exit 4").status() == 4


def test_a_deadline_ends_a_job_that_goes_on_and_on(session: Session) -> None:
    answer = reader(session.run(b"while :; do echo y; sleep 0.01; done", deadline=time.monotonic() + 0.2))
    with pytest.raises(Failure) as caught:
        list(iter(answer.line, None))
    assert caught.value.reason == "WaitTimeout"


def test_what_a_job_announced_and_did_not_send_is_a_failure_at_once(session: Session) -> None:
    answer = reader(session.run(b"printf 12345"))
    with pytest.raises(Failure, match="in the middle of its answer"):
        for _part in answer.exactly(1000):
            pass
    assert session.broken


def test_stderr_is_kept_to_64_kib_and_given_whole_to_a_sink(session: Session) -> None:
    size = 0

    def count(view: memoryview) -> None:
        nonlocal size
        size += len(view)

    answer = reader(session.run(b"head -c 200000 /dev/zero >&2; echo done", stderr_sink=count))
    assert answer.line() == b"done"
    answer.end()
    assert (size, len(answer.stderr), answer.stderr_truncated) == (200000, 65536, True)


def test_the_next_job_needs_the_end_of_the_one_before(session: Session) -> None:
    session.run(b"echo unread")
    with pytest.raises(RuntimeError):
        session.run(b":")


def test_a_shell_that_dies_breaks_the_session(session: Session) -> None:
    def lose_the_shell_and_go_on() -> None:
        # with an outlet this job's own answer may tell of it: the shell is looked after meanwhile
        session.run(b"kill -9 $$; sleep 0.1").status()
        session.run(b":").status()

    with pytest.raises(Failure) as caught:
        lose_the_shell_and_go_on()
    assert caught.value.reason == "ConnectionLost"
    with pytest.raises(Failure, match="cannot be used any more"):
        session.define(b":")


class Stream:
    """A remote side that says what it was told to, and then ends the stream."""

    def __init__(self, pieces: list[tuple[int, bytes]]) -> None:
        self.pieces = list(pieces)
        self.failed: str | None = None

    def receive(self, timeout: float) -> tuple[int, memoryview]:
        if not self.pieces:
            self.failed = "the stream ended"
            raise Failure("ConnectionLost", self.failed)
        channel, data = self.pieces.pop(0)
        return channel, memoryview(bytearray(data))

    def cancel(self) -> None:
        """Nothing runs."""

    def fail(self, message: str) -> None:
        self.failed = message


def told(*pieces: tuple[int, bytes]) -> tuple[Stream, JobOutput]:
    stream = Stream(list(pieces))
    return stream, JobOutput(stream, NONCE, 1.0, None, None)


def _read_line(answer: JobOutput) -> object:
    return answer.line(100)


HOSTILE: dict[str, tuple[list[tuple[int, bytes]], Callable[[JobOutput], object]]] = {
    "a line without end": ([(1, b"x" * 99)] * 10, _read_line),
    "a stream cut in a line": ([(1, b"abc")], _read_line),
    "an exit code that is no number": ([(1, NONCE.encode() + b" x\n"), (2, END)], lambda answer: answer.end()),
    "an exit code without end": ([(1, NONCE.encode() + b" 00000000\n"), (2, END)], lambda answer: answer.end()),
    "a channel that there is none of": ([(7, b"x")], lambda answer: answer.end()),
    "a job that never stops sending": ([(1, b"x" * 65536)] * 100, lambda answer: answer.end()),
    "errors that never stop": (
        [(2, b"x" * 65536)] * 10 + [(1, END)],
        lambda answer: list(answer.rest()) and answer.end(),
    ),
    "errors that never stop where output is waited for": ([(2, b"x" * 65536)] * 100, lambda answer: answer.line()),
    "a record longer than announced": ([(1, b"y" * 200)], lambda answer: answer.to(b"\n//", 100)),
    "data cut short": ([(1, b"y" * 200)], lambda answer: list(answer.exactly(201))),
    "data cut short by the job's end": ([(1, b"y" * 200 + END), (2, END)], lambda answer: list(answer.exactly(1000))),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_answer_is_a_lost_connection(case: str) -> None:
    pieces, read = HOSTILE[case]
    stream, answer = told(*pieces)

    def take_all() -> None:
        read(answer)
        answer.end()

    with pytest.raises(Failure) as caught:
        take_all()
    assert caught.value.reason == "ConnectionLost"
    assert stream.failed is not None


KILLED = NONCE.encode() + b" 137\n"


@pytest.mark.parametrize(
    "pieces",
    [
        [(1, END + b"late"), (2, END)],
        [(1, END), (1, b"late"), (2, END)],
        [(1, END[:-1]), (1, b"\nlate"), (2, END)],
        [(1, END), (2, END + b"late")],
    ],
)
def test_what_comes_after_the_end_is_not_the_job_s(pieces: list[tuple[int, bytes]]) -> None:
    """A child of a process that was killed goes on printing; so does what a command leaves in the background."""
    _stream, answer = told((1, b"whole\n"), *pieces)
    assert (answer.line(), answer.line(), answer.end()) == (b"whole", None, 0)
    assert answer.is_followed


def test_a_session_that_a_job_goes_on_printing_into_has_no_other_job(session: Session) -> None:
    # as an orphan does, but in one piece with the end
    session.define(b'tell_end() { printf "%s %d\nlate\n" "$mark" "$1"; printf "%s %d\n" "$mark" "$1" >&2; }\n')
    assert session.run(b"exit 3").status() == 3
    with pytest.raises(Failure) as caught:
        session.run(b":")
    assert caught.value.reason == "ConnectionLost"


@pytest.mark.parametrize(
    "pieces",
    [
        [(1, b"half a li" + KILLED + b"ne\nmore\n"), (2, KILLED)],
        [(2, KILLED), (1, b"half a li"), (1, KILLED[:9]), (1, KILLED[9:]), (1, b"ne\n")],
    ],
)
def test_an_end_in_the_middle_of_a_line_is_the_end(pieces: list[tuple[int, bytes]]) -> None:
    _stream, answer = told((1, b"whole\n"), *pieces)
    assert answer.line() == b"whole"
    with pytest.raises(Failure, match="killed by signal 9") as caught:
        answer.line()
    assert caught.value.reason == "LookBroken"


def test_the_last_line_of_a_good_job_needs_no_newline(session: Session) -> None:
    answer = reader(session.run(b"echo one; printf two"))
    assert (answer.line(), answer.line(), answer.line(), answer.end()) == (b"one", b"two", None, 0)


def test_an_end_that_was_taken_for_data_is_known_by_the_other_stream() -> None:
    stream, answer = told((1, b"data" + KILLED + b"data"), (2, KILLED))

    def silent(timeout: float) -> tuple[int, memoryview]:
        if not stream.pieces:
            raise Failure("WaitTimeout", "nothing came")
        return Stream.receive(stream, timeout)

    stream.receive = silent  # type: ignore[method-assign]
    with pytest.raises(Failure) as caught:
        list(answer.exactly(1000))
    assert caught.value.reason == "LookBroken"


@given(st.binary(max_size=300), st.lists(st.integers(1, 40), min_size=1), st.binary(max_size=30))
def test_however_the_stream_is_cut_the_output_and_the_end_are_found(
    data: bytes, cuts: list[int], errors: bytes
) -> None:
    # what looks like the beginning of the end mark must not be lost
    data += NONCE.encode()[: len(cuts) % 33]
    whole, pieces, at = data + END, [], 0
    while at < len(whole):
        step = cuts[len(pieces) % len(cuts)]
        pieces.append((1, whole[at : at + step]))
        at += step
    _stream, answer = told(*pieces, (2, errors + END))
    assert b"".join(part.tobytes() for part in answer.rest()) == data
    assert (answer.end(), answer.stderr) == (0, errors)


@given(st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), max_size=8), st.integers(1, 70))
def test_lines_are_found_however_the_stream_is_cut(lines: list[bytes], step: int) -> None:
    whole = b"".join(line + b"\n" for line in lines) + END
    _stream, answer = told(*((1, whole[at : at + step]) for at in range(0, len(whole), step)), (2, END))
    assert list(iter(answer.line, None)) == lines
    assert answer.end() == 0


@pytest.mark.parametrize("tools", [("renice",), ("nice",), ("nice", "renice"), ()], ids=" ".join)
@pytest.mark.parametrize("shell", SHELLS)
def test_a_session_gives_way_to_others_by_what_the_image_has(
    shell: str, tools: tuple[str, ...], tmp_path: Path
) -> None:
    for tool in ("cat", "true", *tools):
        (tmp_path / tool).symlink_to(shutil.which(tool, path=SHELLS[shell].env["PATH"]) or "missing")
    (tmp_path / "sh").symlink_to(shutil.which(SHELLS[shell].argv[0]) or "missing")
    nonce = new_nonce()
    words = exec_command(nonce)
    pipes = Pipes([str(tmp_path / "sh"), *words[1:]], {"PATH": str(tmp_path)})
    with Session(pipes, nonce, is_nice=True) as session:
        answer = reader(session.run(b"cat /proc/$$/stat"))
        pid, _bracket, fields = (answer.line() or b"").decode().partition(" (")
        assert answer.end() == 0
        # the 19th field of proc(5)
        niceness = int(fields.rpartition(")")[2].split()[16])
    # ash has busybox's own tools built in, on PATH or not
    # renice of util-linux takes its number for the niceness itself, others add it
    assert niceness in ({10, min(19, 10 + os.nice(0))} if tools or shell == "ash" else {os.nice(0)})
    # the process that the exec started: nothing is left behind, nothing stands between
    assert int(pid) == pipes.process.pid
