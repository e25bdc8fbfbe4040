# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module's task in a child of this process, where a module would run in a new Python that is the same as this one.

What a new Python costs is the unpacking, compiling and importing of what this process has already. All else that a process
is good for stays: the task can be killed or run out of memory, its threads and its settings end with it.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import importlib
import os
import selectors
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.incident.distroless.plugins.module_utils._modules.forked import Job, run_and_end

# either turns it off
SETTING = "INCIDENT_DISTROLESS_IN_PROCESS"
VARIABLE = "ansible_distroless_in_process"

# what modules import only when they need it
LIBRARIES = (
    "ansible_collections.kubernetes.core.plugins.module_utils.k8s.client",
    "jsonpatch",
    "kubernetes.client",
    "kubernetes.config",
    "kubernetes.stream",
    "urllib3",
    "websocket",
    "yaml",
)
# of output that should not be there, in bytes: the end is shown where the task gave no answer
MAX_OUTPUT = 1 << 16
# seconds that a task has to end by itself when nobody waits for it any more
GRACE = 3.0


def is_wanted(setting: object) -> bool:
    """Return what the value of SETTING or VARIABLE says. Raises TypeError for a value that is not a boolean."""
    return setting in (None, "") or bool(boolean(setting))


@cache
def can_fork() -> bool:
    """Return whether children of this process can do what modules do: whether the libraries are here. They are imported.

    Not on macOS, whose libraries do not survive a fork.
    """
    if not sys.platform.startswith("linux") or not hasattr(os, "memfd_create"):
        return False
    try:
        with warnings.catch_warnings():
            # a library's opinion of another one would be printed into the play
            warnings.simplefilter("ignore")
            for name in LIBRARIES:
                importlib.import_module(name)
    except Exception:  # noqa: BLE001 - whatever a library does where it is broken; the module says what is missing
        return False
    return True


def is_our_python(interpreter: object) -> bool:
    """Return whether a path is a Python that would import what this process has imported."""
    return (
        isinstance(interpreter, str) and interpreter.startswith("/") and _python(interpreter) == _python(sys.executable)
    )


def _python(path: str) -> tuple[str, str | None]:
    """Return what makes a Python what it is: its program, and its virtual environment, which is found by the path as it stands."""
    folder = Path(path).parent
    home = next(
        (os.path.realpath(place) for place in (folder, folder.parent) if (place / "pyvenv.cfg").is_file()), None
    )
    return os.path.realpath(path), home


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: all that it answered, and of its other output the end. signal: what killed it, or None."""

    answer: bytes
    stdout: bytes
    stderr: bytes
    status: int
    signal: int | None


@dataclass(frozen=True, slots=True)
class Heard:
    """What is said while a child works, and what is done with each datagram."""

    socket: socket.socket
    show: Callable[[bytes], None]


def run_in_child(
    run: Callable[[], None], arguments: bytes, folder: str, environment: Mapping[str, str], heard: Heard | None = None
) -> Ended:
    """Run a module's task in a child, and wait until it has ended.

    Where the wait is broken off by an exception, as by the time-out of a task, the child is ended. Raises OSError where there
    can be no child.
    """
    with ExitStack() as opened:
        stdout, stderr = os.memfd_create("stdout"), os.memfd_create("stderr")
        ours, theirs = os.pipe()
        # the child begins when its parent knows of it: a process with threads can be interrupted before os.fork has returned here
        known, make_known = os.pipe()
        for descriptor in (stdout, stderr, ours, known):
            opened.callback(os.close, descriptor)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        job = Job(run, arguments, theirs, stdout, stderr, folder, environment, os.getpid(), before)
        child = None
        try:
            try:
                child = os.fork()
                if child == 0:
                    _run_when_known(job, known, make_known)
                os.write(make_known, b"\n")
            finally:
                os.close(make_known)
                os.close(theirs)
                # what arrived meanwhile arrives here
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            answer = _answer(ours, heard)
        except BaseException:
            if child is not None:
                _end(child, ours)
            raise
        _pid, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        return Ended(answer, _end_of(stdout), _end_of(stderr), code, -code if code < 0 else None)


def _run_when_known(job: Job, known: int, make_known: int) -> NoReturn:
    """Run a task in this process, the child, when its parent says that it can end it; a parent that never can closes the pipe."""
    try:
        os.close(make_known)
        if os.read(known, 1):
            run_and_end(job)
    finally:
        os._exit(1)


def _answer(descriptor: int, heard: Heard | None) -> bytes:
    """Return all that a child answers, which ends when the child does. What is heard meanwhile is shown."""
    pieces: list[bytes] = []
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        if heard:
            selector.register(heard.socket, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _events in selector.select()}
            # what was said before the end is shown before the end
            if heard and heard.socket.fileno() in ready:
                heard.show(heard.socket.recv(1 << 16))
            elif piece := os.read(descriptor, 1 << 16):
                pieces.append(piece)
            else:
                return b"".join(pieces)


def _end(child: int, descriptor: int) -> None:
    """End a child for which nobody waits any more: first as Ctrl-C does, so that it tidies up, then at once."""
    os.kill(child, signal.SIGINT)
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while selector.select(GRACE):
            if not os.read(descriptor, 1 << 16):
                break
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def _end_of(descriptor: int) -> bytes:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, MAX_OUTPUT, max(0, size - MAX_OUTPUT))
