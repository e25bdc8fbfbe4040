# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A dropped connection leaves nothing in the target's PID namespace, whose PID 1 reaps nothing that is not its own."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._remote import session as session_module
from ansible_collections.incident.distroless.plugins.module_utils._remote.bootstrap import PROLOGUE
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import OUTLET, Session
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS, Pipes, open_session, reader
from ansible_collections.incident.distroless.tests.unit.support.target_things import named_process

BUSY = {
    "nothing": b"",
    "a reader blocked in write": b"cat /dev/zero",
    "a writer that has filled stderr": b"cat /dev/zero >&2",
    "a hash": b"sha256sum /dev/zero",
    "a sleep": b"sleep 1000",
    "many short children": b"while :; do stat / >/dev/null; done",
    "many short subshells": b"while :; do x=$( ( stat / ) ); done",
    "a command with many short subshells": b"sh -c 'while :; do x=$( ( stat / ) ); done'",
    "a pipeline that loops": b"yes | while read -r x; do stat / >/dev/null; done",
    "a substitution": b"x=$(sleep 1000; sleep 1000); sleep 1000",
    "a hash beside its reader": b"h=$(sha256sum </dev/zero & cat /dev/zero >&2; wait); echo $h",
    "background children": b"sleep 1000 & sleep 1000 & ( sleep 1000 & wait ) & wait",
    "find with its tools": b"while :; do find /proc /etc -exec stat -c %n {} +; done 2>/dev/null",
    "a shell under find": b"find /etc -type f -exec sh -c 'for f do stat \"$f\"; done' sh {} + 2>/dev/null",
    "xargs": b"yes /etc | xargs -n 1 stat",
    "a command deaf to signals": b"sh -c 'trap \"\" TERM INT HUP; while :; do sleep 0.01; done'",
    "children deaf to SIGPIPE": b"trap '' PIPE; sleep 1000 & sleep 1000 & wait",
    "an ended job": b"echo done",
}


class Namespace:
    """A PID namespace whose PID 1 sleeps; seen from outside through its own /proc."""

    def __init__(self) -> None:
        unprivileged = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        command = ["unshare", *unprivileged, "--pid", "--fork", "--kill-child", "--mount-proc", "sleep", "1000"]
        init = ""
        while not init:
            # unshare itself fails now and then on a busy machine ("sigprocmask unblock failed"): that is not our subject
            self._unshare = subprocess.Popen(command)
            init = self._first_process()
        self.init = int(init)
        self.enter = ["nsenter", "--target", init, *(["--user"] if unprivileged else []), "--pid", "--mount", "--"]

    def _first_process(self) -> str:
        """The pid of PID 1 as it is seen from here, empty when unshare ended."""
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        while self._unshare.poll() is None:
            with suppress(OSError):
                init = children.read_text().strip()
                if init and Path(f"/proc/{init}/comm").read_text() == "sleep\n":
                    return init
            time.sleep(0.01)
        return ""

    def processes(self) -> dict[int, str]:
        """Every process and zombie there but PID 1, with its state and name."""
        found = {}
        for entry in Path(f"/proc/{self.init}/root/proc").iterdir():
            if entry.name.isdigit() and entry.name != "1":
                try:
                    found[int(entry.name)] = (entry / "stat").read_text().split(maxsplit=3)[1:3].__repr__()
                except OSError:
                    continue
        return found

    def kill(self, pid: int) -> None:
        """Kills a process by its pid there."""
        subprocess.run([*self.enter, "sh", "-c", f"kill -KILL {pid}"], check=True)

    def end(self) -> None:
        """Ends PID 1, and with it all that is left."""
        os.kill(self.init, signal.SIGKILL)
        self._unshare.wait()


class Outlet(Pipes):
    """An outlet that knows what it said of itself."""

    pid: int | None = None

    def receive(self, timeout: float) -> tuple[int, memoryview] | None:
        """See Transport.receive."""
        piece = super().receive(timeout)
        if self.pid is None and piece is not None:
            self.pid = int(bytes(piece[1]))
        return piece


class Killed(Pipes):
    """What a dropped connection is to a command behind an API server before 1.30 and containerd 2: a SIGKILL, not the end of stdin."""

    hears_end = False

    def close(self) -> None:
        """See Transport.close."""
        # nsenter's child is the command; there is none when it has ended
        with suppress(OSError):
            for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
                os.kill(int(child), signal.SIGKILL)
        super().close()


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    namespace = Namespace()
    yield namespace
    namespace.end()


def _drop_after(session: Session, delay: float) -> None:
    time.sleep(delay)
    session.drop()


@pytest.mark.parametrize("has_outlet", [True, False], ids=["outlet", "no outlet"])
@pytest.mark.parametrize("shell", SHELLS)
def test_fifty_drops_leave_no_process_and_no_zombie(shell: str, has_outlet: bool, namespace: Namespace) -> None:
    chance = random.Random(shell)  # noqa: S311 - when to drop, the same each time
    states = list(BUSY)
    for count in range(50):
        state = states[count % len(states)]
        session = open_session(shell, inside=namespace.enter, has_outlet=has_outlet)
        if BUSY[state]:
            session.run(BUSY[state])
        _drop_after(
            session, chance.choice([0.0, 0.002, 0.01, 0.05]) * chance.random() + (0.03 if count < len(states) else 0.0)
        )
        assert namespace.processes() == {}, state


@pytest.mark.parametrize("has_outlet", [True, False], ids=["outlet", "no outlet"])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_that_a_drop_kills_is_let_end_first(
    shell: str, has_outlet: bool, namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a busy machine
    monkeypatch.setattr(session_module, "PARTING", 120.0)
    for state, script in BUSY.items():
        session = open_session(shell, inside=namespace.enter, has_outlet=has_outlet, carried_by=Killed)
        if script:
            session.run(script)
        session.close()
        assert namespace.processes() == {}, state


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_that_a_drop_kills_leaves_nothing_of_jobs_that_ended(shell: str, namespace: Namespace) -> None:
    with open_session(shell, inside=namespace.enter, has_outlet=True, carried_by=Killed) as session:
        assert session.run(b"exit 5").status() == 5
    assert namespace.processes() == {}


@pytest.mark.parametrize("shell", SHELLS)
def test_an_outlet_that_is_killed_in_the_middle_of_output_leaves_nothing(shell: str, namespace: Namespace) -> None:
    """As containerd does when the line breaks with output on its way; the shell itself sees the end of its stdin."""
    for state in ("a reader blocked in write", "a hash beside its reader", "a pipeline that loops", "xargs") * 3:
        outlet = Outlet([*namespace.enter, *SHELLS[shell].argv, *OUTLET[1:]], SHELLS[shell].env)
        session = open_session(shell, inside=namespace.enter, outlet=outlet)
        session.run(BUSY[state])
        assert outlet.pid is not None, "jobs write to the session itself"
        time.sleep(0.02)
        namespace.kill(outlet.pid)
        session.drop()
        assert namespace.processes() == {}, state


@pytest.mark.parametrize("shell", SHELLS)
def test_a_question_is_answered_when_no_process_of_it_is_left(shell: str, namespace: Namespace) -> None:
    """A shell that prints is one that may be killed."""
    with open_session(shell, inside=namespace.enter) as session:
        for _number in range(10):
            answer = reader(session.ask(b"for x in 1 2 3; do ls / | cat; done; echo end; (exit 3)"))
            next(iter(answer.events()))
            # the namespace's PID 1 has one child, the shell, and that has none
            assert len(namespace.processes()) == 1
            assert answer.end() == 3


@pytest.mark.parametrize("shell", SHELLS)
def test_nobody_parts_from_a_question(shell: str, namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends by itself, and until then it says nothing with which it could be killed."""
    monkeypatch.setattr(Session, "_part", lambda _session: pytest.fail("it was waited for"))
    session = open_session(shell, inside=namespace.enter)
    session.ask(b"for x in 1 2 3; do ls / | cat; done; echo end")
    session.close()
    assert namespace.processes() == {}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_cancelled_job_leaves_only_the_shell(shell: str, namespace: Namespace) -> None:
    with open_session(shell, inside=namespace.enter) as session:
        for state in (
            "a sleep",
            "many short children",
            "a command deaf to signals",
            "a hash beside its reader",
            "xargs",
        ):
            answer = reader(session.run(BUSY[state] + b"\n"))
            time.sleep(0.02)
            answer.cancel()
            for _piece in answer.events():
                pass
            # killed, or its script came to its end because what it waited for was
            assert answer.rc is not None, state
            # the shell, and the job that it reaps when the next one starts
            assert len(namespace.processes()) <= 2, state
        assert session.run(b"exit 5").status() == 5
        assert session.finish(status_of_job=True) == 5
    assert namespace.processes() == {}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_job_that_is_cancelled_before_it_has_begun_ends(shell: str, namespace: Namespace) -> None:
    with open_session(shell, inside=namespace.enter) as session:
        for _number in range(20):
            answer = reader(session.run(b"sleep 1000\n", timeout=10))
            answer.cancel()
            for _piece in answer.events():
                pass
            assert answer.rc is not None
        assert session.run(b"exit 5").status() == 5


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("state", ["a hash beside its reader", "many short subshells", "a command deaf to signals"])
def test_a_job_that_is_given_up_ends_before_its_streams_do(shell: str, namespace: Namespace, state: str) -> None:
    session = open_session(shell, inside=namespace.enter)
    session.run(BUSY[state])
    time.sleep(0.02)
    seen: list[dict[int, str]] = []
    drop = session.drop
    session.drop = lambda: (seen.append(namespace.processes()), drop())[1]  # type: ignore[method-assign]
    session.close()
    assert seen == [{}]
    assert namespace.processes() == {}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ["plain", "two\nlines", "a) Z 1\nb"])
def test_a_process_is_seen_whatever_it_calls_itself(shell: str, name: str) -> None:
    with open_session(shell) as session, named_process(name) as pid:
        session.define(PROLOGUE)
        line = reader(session.run(b'look %d; printf "%%s\\n" "$state $parent"\n' % pid)).line()
    # it may just be about to wait
    assert line in {b"%s %d" % (state, os.getpid()) for state in (b"S", b"R")}


@pytest.mark.parametrize("shell", SHELLS)
def test_children_are_found_without_the_kernel_telling_them(shell: str, namespace: Namespace) -> None:
    """As on a kernel without CONFIG_PROC_CHILDREN."""
    session = open_session(shell, inside=namespace.enter)
    session.define(PROLOGUE.replace(b"[ -r /proc/$$/task/$$/children ]", b"false"))
    session.run(BUSY["background children"] + b"\n")
    _drop_after(session, 0.05)
    assert namespace.processes() == {}
