# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module's task in a child: what comes back, what is left behind, and what of the parent it can reach."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ansible.module_utils import basic
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import PROGRESS, VARIABLE
from ansible_collections.incident.distroless.plugins.module_utils._modules.forked import answering
from ansible_collections.incident.distroless.plugins.plugin_utils._actions import forking
from ansible_collections.incident.distroless.plugins.plugin_utils._actions.forking import (
    Ended,
    Heard,
    can_fork,
    is_our_python,
    is_wanted,
    run_in_child,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._actions.module_action import listener

# pytest's workers have a thread for their controller, which ansible's have not
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


def child(task: Callable[[], object], **keywords: object) -> Ended:
    """What comes of a task that ends as a module does; what it returns is its answer."""

    def run() -> None:
        result = json.dumps(task())
        with answering():
            print(result)
        sys.exit(0)

    given: dict[str, object] = {"arguments": b"{}", "folder": "/", "environment": dict(os.environ), **keywords}
    return run_in_child(run, **given)  # type: ignore[arg-type]


def answer(task: Callable[[], object], **keywords: object) -> object:
    ended = child(task, **keywords)
    assert (ended.status, ended.signal) == (0, None), ended.stderr.decode()
    return json.loads(ended.answer)


def test_what_libraries_print_is_no_part_of_the_answer() -> None:
    def task() -> str:
        print("by Python")
        os.write(1, b"by C\n")
        print("warning", file=sys.stderr)
        os.write(2, b"{\n")
        subprocess.run(["echo", "by another program"], check=True)
        return "x" * 300_000

    ended = child(task)
    assert json.loads(ended.answer) == "x" * 300_000
    assert sorted(ended.stdout.splitlines()) == [b"by C", b"by Python", b"by another program"]
    assert sorted(ended.stderr.splitlines()) == [b"warning", b"{"]


def test_the_arguments_arrive_where_a_module_looks_for_them() -> None:
    given = json.dumps({"ANSIBLE_MODULE_ARGS": {"a": 1}}).encode()
    assert answer(lambda: str(basic._ANSIBLE_ARGS), arguments=given) == str(given)
    assert basic._ANSIBLE_ARGS is None


def test_a_child_that_is_killed_is_known_by_its_signal() -> None:
    ended = child(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert (ended.answer, ended.signal) == (b"", signal.SIGKILL)


def test_a_child_that_may_have_no_more_memory_ends_alone() -> None:
    import resource

    def task() -> object:
        _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, hard))
        return len(b"x" * (4 << 30))

    ended = child(task)
    assert (ended.answer, ended.status) == (b"", 1)
    assert b"MemoryError" in ended.stderr


def test_an_exit_status_is_the_tasks() -> None:
    assert child(lambda: sys.exit(3)).status == 3
    assert child(lambda: sys.exit("in words")).status == 1


def test_threads_that_were_given_up_end_with_the_child() -> None:
    def task() -> str:
        threading.Thread(target=threading.Event().wait, daemon=False).start()
        return "done"

    assert answer(task) == "done"


def settings() -> dict[str, object]:
    """What belongs to a process as a whole, in this one."""
    mask = os.umask(0)
    os.umask(mask)
    return {
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "umask": mask,
        "signals": {int(number): str(signal.getsignal(number)) for number in signal.valid_signals()},
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "context": str(ssl._create_default_https_context),
        "files": sorted(entry.name for entry in Path("/proc/self/fd").iterdir()),
        "streams": [id(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
    }


def test_whatever_a_task_does_to_its_process_the_parent_is_as_before(tmp_path: Path) -> None:
    def task() -> str:
        os.environ["SECRET"] = "x"
        os.umask(0o777)
        os.chdir(tmp_path)
        for number in (signal.SIGTERM, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        ssl._create_default_https_context = ssl._create_unverified_context
        PROGRESS.tell("/somewhere")
        return "done"

    before = settings()
    assert answer(task) == "done"
    assert settings() == before
    assert PROGRESS._path is None


@contextmanager
def handler(number: signal.Signals, handle: Callable[..., object]) -> Iterator[None]:
    before = signal.signal(number, handle)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_a_child_has_the_signals_directory_and_environment_of_a_new_process(tmp_path: Path) -> None:
    def task() -> object:
        return {
            "handlers": [str(signal.getsignal(number)) for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGUSR1)],
            "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
            "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
            "folder": str(Path.cwd()),
            "environment": dict(os.environ),
        }

    # a shell that starts a play in the background has it ignore SIGINT
    ignored = handler(signal.SIGUSR1, signal.SIG_IGN), handler(signal.SIGINT, signal.SIG_IGN)
    with handler(signal.SIGALRM, lambda *_: None), ignored[0], ignored[1]:
        found = answer(task, folder=str(tmp_path), environment={"A": "b"})
    assert found == {
        "handlers": [str(signal.SIG_DFL), str(signal.SIG_DFL), str(signal.SIG_IGN)],
        "interrupt": True,
        "blocked": [],
        "folder": str(tmp_path),
        "environment": {"A": "b", "PWD": str(tmp_path)},
    }


def test_what_the_parent_has_open_is_out_of_a_childs_reach(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("w") as opened:
        opened.write("not yet written, ")
        descriptor = opened.fileno()

        def task() -> object:
            os.write(descriptor, b"of the child")
            os.write(descriptor, b"of the child")
            # and nothing that is opened has a number that one of the parent's objects will close
            with (tmp_path / "other").open("w") as other:
                return other.fileno() > descriptor

        assert answer(task) is True
    assert log.read_text() == "not yet written, "


def test_what_the_parent_does_at_its_end_is_not_done_by_a_child_which_does_its_own(tmp_path: Path) -> None:
    parents, childs = tmp_path / "parents", tmp_path / "childs"
    atexit.register(parents.touch)
    try:
        answer(lambda: str(atexit.register(childs.touch)))
    finally:
        atexit.unregister(parents.touch)
    assert childs.exists()
    assert not parents.exists()


def test_what_ansibles_code_for_modules_warns_of_is_in_the_answer_and_not_on_a_screen() -> None:
    from ansible.module_utils.common.warnings import get_warning_messages, warn
    from ansible.utils.display import Display

    # by the controller's own part of ansible, which such a process has
    assert Display()

    def task() -> object:
        warn("of a task")
        return list(get_warning_messages())

    assert answer(task) == ["of a task"]


class TimeIsUpError(BaseException):
    """As ansible's own for the keyword timeout."""


def child_until_its_time_is_up(task: Callable[[], None]) -> None:
    """Runs a task in a child of a play in the background; its time is up when it sends its parent a SIGUSR1."""

    def raise_(*_arguments: object) -> None:
        raise TimeIsUpError

    with handler(signal.SIGUSR1, raise_), handler(signal.SIGINT, signal.SIG_IGN):
        child(task)


def test_a_task_whose_time_is_up_is_ended_and_tidies_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "GRACE", 300.0)
    begun, tidied = tmp_path / "begun", tmp_path / "tidied"

    def task() -> None:
        atexit.register(tidied.touch)
        begun.write_text(str(os.getpid()))
        os.kill(os.getppid(), signal.SIGUSR1)
        threading.Event().wait()

    with pytest.raises(TimeIsUpError):
        child_until_its_time_is_up(task)
    assert tidied.exists()
    assert not Path("/proc", begun.read_text()).exists()


def test_a_task_that_does_not_listen_is_ended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking, "GRACE", 0.1)
    begun = tmp_path / "begun"

    def task() -> None:
        begun.write_text(str(os.getpid()))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.kill(os.getppid(), signal.SIGUSR1)
        threading.Event().wait()

    with pytest.raises(TimeIsUpError):
        child_until_its_time_is_up(task)
    assert not Path("/proc", begun.read_text()).exists()


def test_a_child_of_which_its_parent_cannot_know_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a signal that another thread of the parent takes interrupts it between the fork and the assignment of what it returned
    fork, begun, children = os.fork, tmp_path / "begun", []

    def interrupted() -> int:
        if pid := fork():
            children.append(pid)
            raise TimeIsUpError
        return pid

    monkeypatch.setattr(os, "fork", interrupted)
    with pytest.raises(TimeIsUpError):
        child(begun.touch)
    _pid, status = os.waitpid(children[0], 0)
    assert os.waitstatus_to_exitcode(status) == 1
    assert not begun.exists()


def test_a_child_ends_with_its_parent_however_that_ends(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    def task() -> None:
        with fifo.open("wb", buffering=0) as opened:
            opened.write(b"here")
            threading.Event().wait()

    worker = os.fork()
    if worker == 0:
        try:
            child(task)
        finally:
            os._exit(1)
    with fifo.open("rb", buffering=0) as opened:
        assert opened.read(4) == b"here"
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        # the only one that writes is gone
        assert opened.read(1) == b""


def test_what_a_task_says_is_shown_while_it_works_and_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ansible.constants.DEFAULT_LOCAL_TMP", str(tmp_path))
    shown: list[bytes] = []

    def show(data: bytes) -> None:
        shown.append(data)
        if data == b"t: first":
            (tmp_path / "shown").touch()

    def task() -> str:
        PROGRESS.say("t", "first")
        while not (tmp_path / "shown").exists():
            select.select([], [], [], 0.01)
        PROGRESS.say("t", "last")
        return "done"

    with listener() as made:
        assert made
        environment = {**os.environ, VARIABLE: made.getsockname()}
        assert answer(task, environment=environment, heard=Heard(made, show)) == "done"
    assert shown == [b"t: first", b"t: last"]


def virtual(folder: Path, program: str = sys.executable) -> Path:
    """A virtual environment's Python, as venv makes it."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(os.path.realpath(program))
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return python


def test_a_python_is_ours_when_it_imports_what_we_have_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = virtual(tmp_path / "ours")
    monkeypatch.setattr(sys, "executable", str(ours))
    other_name = ours.with_name("python3")
    other_name.symlink_to("python")
    (tmp_path / "current").symlink_to("ours")
    assert all(map(is_our_python, (str(ours), str(other_name), str(tmp_path / "current" / "bin" / "python"))))
    # the same program, but with other libraries: another environment, or none
    others: list[object] = [str(virtual(tmp_path / "theirs")), os.path.realpath(ours)]
    # another program, in an environment or not
    others += [str(virtual(tmp_path / "shell", "/bin/sh")), "/bin/sh", str(tmp_path / "missing")]
    # what a shell makes of it is not known here
    others += ["python3", f"{ours} -s", "/usr/bin/env python3", "~/bin/python", None, 3]
    assert [other for other in others if is_our_python(other)] == []


def test_words_for_yes_and_no_are_those_of_ansible() -> None:
    assert all(map(is_wanted, (None, "", True, "yes", "1", "true", 1)))
    assert not any(map(is_wanted, (False, "no", "0", "False", 0)))
    with pytest.raises(TypeError):
        is_wanted("perhaps")


def test_the_libraries_of_modules_are_imported_where_children_are_made() -> None:
    code = (
        "import sys; from ansible_collections.incident.distroless.plugins.plugin_utils._actions import forking; "
        "before = 'kubernetes' in sys.modules; print(before, forking.can_fork(), 'kubernetes.stream' in sys.modules)"
    )
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": path}
    )
    assert (done.stdout, done.stderr) == ("False True True\n", "")
    assert can_fork()
