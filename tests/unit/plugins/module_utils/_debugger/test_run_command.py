# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands in real shells, each in a session of its own, and the files that they leave here."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.commands import (
    MAX_STDIN,
    Command,
    Ran,
    not_run,
    run_command,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import Credentials, ProbeResult
from ansible_collections.incident.distroless.plugins.module_utils._debugger.shell import Shells
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import (
    Session,
    exec_command,
    new_nonce,
)
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS, Pipes, open_session

NOBODY = Credentials(65532, 65532, (), ())
SIGHT = ProbeResult(pid=7, debugger=NOBODY, target=NOBODY, root_readable=True)
EVERY_BYTE = bytes(range(256)) * 3

Run = Callable[..., Ran]


@pytest.fixture(params=SHELLS)
def run(request: pytest.FixtureRequest) -> Run:
    def run_in_shell(command: Command, *folders: str) -> Ran:
        def opening(silence: float) -> Session:
            return open_session(request.param, timeout=silence)

        return run_command(Shells(opening), command, SIGHT, folders)

    return run_in_shell


def test_stdin_arrives_byte_for_byte(run: Run, tmp_path: Path) -> None:
    run(Command("cat", stdin=EVERY_BYTE, dest=str(tmp_path / "copy")))
    assert (tmp_path / "copy").read_bytes() == EVERY_BYTE


@pytest.mark.parametrize("text", ["%s %d \\n \\c \\0101", "-n", "'\"$(touch x)`id`", "ünï\r\n\tend", "", "\n\n"])
def test_stdin_means_nothing_to_the_shell(run: Run, text: str) -> None:
    assert run(Command("cat", stdin=text.encode())).row["stdout"] == text


def test_the_largest_stdin_of_many_lines_arrives_in_time(run: Run) -> None:
    data = (b"a line\n" * MAX_STDIN)[:MAX_STDIN]
    row = run(Command("sha256sum", stdin=data, timeout=30)).row
    assert row["stdout"].split()[0] == hashlib.sha256(data).hexdigest()


def test_without_stdin_a_command_reads_nothing(run: Run) -> None:
    assert run(Command("cat; echo end")).row["stdout"] == "end\n"


def test_a_command_that_leaves_its_stdin_unread_is_no_error(run: Run) -> None:
    row = run(Command(("sh", "-c", "exit 3"), stdin=b"x" * (300 << 10))).row
    assert (row["rc"], row["stderr"]) == (3, "")


def test_a_file_gets_all_of_stdout_and_the_result_its_beginning(run: Run, tmp_path: Path) -> None:
    command = Command("head -c 300000 /dev/zero; echo no file >&2", max_output=5, dest=str(tmp_path / "new" / "zeros"))
    ran = run(command)
    file = tmp_path / "new" / "zeros"
    assert (ran.wrote, file.stat().st_size) == (True, 300000)
    assert (ran.row["stdout"], ran.row["stdout_truncated"]) == ("\0" * 5, True)
    assert (ran.row["dest"], ran.row["dest_size"]) == (str(file), 300000)
    assert ran.row["dest_sha256"] == hashlib.sha256(bytes(300000)).hexdigest()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_result_can_have_nothing_of_stdout_and_the_end_of_what_went_wrong(run: Run, tmp_path: Path) -> None:
    row = run(Command("echo secret; echo no file >&2", max_stdout=0, dest=str(tmp_path / "x"))).row
    assert (row["stdout"], row["stdout_truncated"], row["stderr"]) == ("", True, "no file\n")
    assert (tmp_path / "x").read_text() == "secret\n"


def test_bytes_that_are_no_text_are_exact_in_the_file_and_replaced_in_the_result(run: Run, tmp_path: Path) -> None:
    row = run(Command(r"printf 'a\000b\377\303\n'", dest=str(tmp_path / "x"))).row
    assert (tmp_path / "x").read_bytes() == b"a\0b\xff\xc3\n"
    assert row["stdout"] == "a\0b\ufffd\ufffd\n"


def test_a_failed_command_leaves_its_file_and_its_code(run: Run, tmp_path: Path) -> None:
    row = run(Command("echo begun; exit 4", dest=str(tmp_path / "x"))).row
    assert (row["rc"], (tmp_path / "x").read_text()) == (4, "begun\n")


def test_a_time_out_leaves_what_was_there_before(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("before")
    seconds = 1
    ran = run(Command("echo begun; sleep 600", timeout=seconds, dest=str(tmp_path / "x")))
    # on a busy machine it has not come to that when its time is up
    while not ran.row["stdout"] and seconds < 600:
        seconds *= 2
        ran = run(Command("echo begun; sleep 600", timeout=seconds, dest=str(tmp_path / "x")))
    assert (ran.wrote, ran.row["dest"], ran.row["timed_out"], ran.row["stdout"]) == (False, None, True, "begun\n")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x", "before")]


def test_a_file_that_holds_the_same_already_is_not_written(run: Run, tmp_path: Path) -> None:
    command = Command("echo same", dest=str(tmp_path / "x"))
    assert [run(command).wrote, run(command).wrote] == [True, False]


def test_each_target_has_a_file_of_its_own(run: Run, tmp_path: Path) -> None:
    command = Command("echo one", dest=str(tmp_path / "x.txt"))
    ran = run(command, "shop", "api-0", "api")
    assert ran.row["dest"] == str(tmp_path / "shop/api-0/api/x.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


@pytest.mark.parametrize(("way", "reason"), [("directory", "DestConflict"), ("file", "DestUnwritable")])
def test_what_is_in_the_way_of_a_file_is_said_before_the_command_runs(
    run: Run, tmp_path: Path, way: str, reason: str
) -> None:
    dest = tmp_path / "x"
    dest.mkdir()
    if way == "file":
        dest = dest / "file" / "below"
        dest.parent.write_text("")
    with pytest.raises(Failure) as caught:
        run(Command(f"touch {tmp_path / 'ran'}", dest=str(dest)))
    assert caught.value.reason in (reason, "DestConflict")
    assert not (tmp_path / "ran").exists()


class Breaking(Pipes):
    """A stream that is lost after its first piece."""

    pieces = 0

    def receive(self, timeout: float) -> tuple[int, memoryview] | None:
        self.pieces += 1
        if self.pieces > 1:
            raise Failure("ConnectionLost", "lost")
        return super().receive(timeout)


def test_a_stream_that_breaks_leaves_no_file(tmp_path: Path) -> None:
    def opening(silence: float) -> Session:
        nonce = new_nonce()
        return Session(Breaking(exec_command(nonce)), nonce, timeout=silence)

    with pytest.raises(Failure) as caught:
        run_command(Shells(opening), Command("echo begun; sleep 1; echo end", dest=str(tmp_path / "x")), SIGHT)
    assert caught.value.reason == "ConnectionLost"
    assert list(tmp_path.iterdir()) == []


def test_what_check_mode_did_not_run_has_the_same_keys(run: Run) -> None:
    command = Command("true")
    assert not_run(command).keys() == run(command).row.keys()


def own_start() -> int:
    """When this process started, in clock ticks after boot."""
    return int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])


@pytest.mark.parametrize("shell", SHELLS)
def test_a_pid_that_became_another_process_is_not_looked_into(shell: str, tmp_path: Path) -> None:
    there = replace(SIGHT, pid=os.getpid(), started=own_start())
    opening = partial(open_session, shell)

    def run(sight: ProbeResult) -> Ran:
        shells = Shells(lambda silence: opening(timeout=silence))
        return run_command(shells, Command(f"touch {tmp_path}/ran"), sight)

    for gone in (replace(there, started=own_start() + 1), replace(there, pid=2**22 + 1)):
        with pytest.raises(Failure) as caught:
            run(gone)
        assert caught.value.reason == "TargetRestarted"
        assert not (tmp_path / "ran").exists()
    assert run(there).row["rc"] == 0
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_that_never_began_fails_with_the_openings_own_reason(shell: str) -> None:
    def never() -> Pipes:
        raise Failure("WaitTimeout", "exec in shop/api-0/debugger: not done within 1 s.")

    def opening(silence: float) -> Session:
        session = open_session(shell, timeout=silence)
        session._open_outlet = never
        return session

    with pytest.raises(Failure, match="exec in shop/api-0/debugger") as caught:
        run_command(Shells(opening), Command("true"), SIGHT)
    assert caught.value.reason == "WaitTimeout"


class Opened:
    """Shells for commands, each with the session that it was opened as."""

    def __init__(self, shell: str) -> None:
        self._shell = shell
        self.sessions: list[Session] = []
        self.shells = Shells(self.open)

    def open(self, silence: float) -> Session:
        self.sessions.append(open_session(self._shell, timeout=silence))
        return self.sessions[-1]

    def run(self, line: str, **options: Any) -> Ran:
        return run_command(self.shells, Command(line, **{"shared": True, **options}), SIGHT)


@pytest.fixture(params=SHELLS)
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    made = Opened(request.param)
    with made.shells:
        yield made


def test_commands_that_share_a_shell_know_nothing_of_each_other(opened: Opened, tmp_path: Path) -> None:
    first = opened.run(
        "X=1; cd /; trap '' TERM; exec 5>&1; echo one; echo oops >&2; exit 3", env={"Y": "2"}, chdir=str(tmp_path)
    )
    other = opened.run(
        'echo "${X-none} ${Y-none} $(pwd)"; read -r line || echo end; { echo >&5; } 2>/dev/null || echo 5'
    )
    assert (first.row["rc"], first.row["stdout"], first.row["stderr"]) == (3, "one\n", "oops\n")
    assert other.row["stdout"] == f"none none {Path.cwd()}\nend\n5\n"
    assert (other.row["rc"], len(opened.sessions)) == (0, 1)


def test_of_commands_that_share_a_shell_each_has_all_of_its_output(opened: Opened, tmp_path: Path) -> None:
    rows = [opened.run(f"head -c {size} /dev/zero", dest=str(tmp_path / str(size))).row for size in (300000, 0, 7)]
    assert [row["dest_size"] for row in rows] == [300000, 0, 7]
    assert len(opened.sessions) == 1


def test_a_command_of_another_kind_has_its_own_shell_between_those_that_share_one(opened: Opened) -> None:
    counted = []
    for shared in (True, False, True):
        opened.run("true", shared=shared)
        counted.append(len(opened.sessions))
    assert counted == [1, 2, 2]
    assert [session.is_free for session in opened.sessions] == [True, False]


def test_a_time_out_ends_the_shell_that_was_shared_and_the_next_has_another(opened: Opened, tmp_path: Path) -> None:
    opened.run("true")
    late = opened.run(f"touch {tmp_path}/begun; sleep 30", timeout=3)
    assert (late.row["timed_out"], late.row["rc"]) == (True, None)
    assert (opened.run("echo on").row["stdout"], len(opened.sessions)) == ("on\n", 2)


def test_a_shell_into_which_something_still_prints_is_not_used_again(opened: Opened) -> None:
    opened.run("true")
    (session,) = opened.sessions
    assert session._answer is not None
    # what came together with the end of the last answer
    session._answer._marks[1].feed(memoryview(b"late"))
    opened.shells.take(60, is_shared=True)
    opened.shells.keep(session)
    assert opened.run("echo clean").row["stdout"] == "clean\n"
    assert len(opened.sessions) == 2


def test_a_shared_line_that_is_lost_costs_no_command(opened: Opened, tmp_path: Path) -> None:
    opened.run("true")
    opened.sessions[0]._transport.close()
    ran = opened.run("echo there", dest=str(tmp_path / "x"))
    assert (ran.row["stdout"], (tmp_path / "x").read_text()) == ("there\n", "there\n")
    assert len(opened.sessions) == 2


def test_a_line_that_no_command_ran_on_is_not_opened_again(opened: Opened) -> None:
    def open_broken(silence: float) -> Session:
        session = Opened.open(opened, silence)
        session._transport.close()
        return session

    opened.shells._opening = open_broken
    with pytest.raises(Failure, match=r"stdin|The remote shell has ended"):
        opened.run("true")
    assert len(opened.sessions) == 1


def test_when_all_have_run_the_shared_shell_has_ended(opened: Opened) -> None:
    with opened.shells:
        opened.run("true")
    assert opened.sessions[0]._transport.exit_code == 0
