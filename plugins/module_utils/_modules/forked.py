# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A module's task in a process that was forked for it: what a new Python would find, with the imports already made.

The process is made into one that a module could have been started in: signals, files and directory are its own, and what
Ansible's controller keeps in it is out of the task's sight. What the task answers has a pipe of its own, so that nothing
that a library prints is taken for it.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

from ansible.module_utils import basic
from ansible.module_utils.common import warnings
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import PROGRESS, VARIABLE

# linux/prctl.h
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Job:
    """A task and where it runs.

    run: ends like a module, by SystemExit. arguments: JSON, as Ansible hands them to a module. answer, stdout, stderr:
    descriptors to write to. environment: the whole of it. parent: the process id of who waits. blocked: its signal mask.
    """

    run: Callable[[], None]
    arguments: bytes
    answer: int
    stdout: int
    stderr: int
    folder: str
    environment: Mapping[str, str]
    parent: int
    blocked: AbstractSet[int]


def run_and_end(job: Job) -> NoReturn:
    """Run a task in this process, which was just forked with all signals blocked, and end the process like a module's."""
    status = 1
    try:
        # these are the parent's
        atexit._clear()  # noqa: SLF001 - as multiprocessing does
        _be_a_new_process(job)
        _forget_the_controller()
        basic._ANSIBLE_ARGS = job.arguments  # noqa: SLF001 - as the wrapper of a module does
        basic._ANSIBLE_PROFILE = "legacy"  # noqa: SLF001
        with open(job.answer, "w", encoding="utf-8", closefd=False) as answer, _answering_to(answer):
            status = _run(job.run)
        # temporary files, among them those with a credential
        atexit._run_exitfuncs()  # noqa: SLF001
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - nothing of the parent's code may go on in this process
        traceback.print_exc()
    finally:
        os._exit(status)


def _run(run: Callable[[], None]) -> int:
    """Return the exit status of a task."""
    try:
        run()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter's own end
        traceback.print_exc()
        return 1
    return 0


def _be_a_new_process(job: Job) -> None:
    # of which a module that Ansible sends has no use
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != job.parent:
        # it ended before it was asked for
        os._exit(1)
    _separate_files(job)
    _reset_signals(job.blocked)
    os.chdir(job.folder)
    os.environ.clear()
    os.environ.update({**job.environment, "PWD": job.folder})
    # what was taken from the environment when it was imported
    PROGRESS.tell(os.environ.get(VARIABLE))
    if kube_config := sys.modules.get("kubernetes.config.kube_config"):
        kube_config.KUBE_CONFIG_DEFAULT_LOCATION = os.environ.get("KUBECONFIG", "~/.kube/config")  # type: ignore[attr-defined]
    # the collector would write to all that is shared with the parent, and so copy it
    gc.freeze()


def _separate_files(job: Job) -> None:
    """Make stdin empty, stdout and stderr the job's, and all else that the parent has open nothing: its log, its queue."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for source, number in ((nothing, 0), (job.stdout, 1), (job.stderr, 2)):
        os.dup2(source, number)
    for number in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if number > 2 and number not in (nothing, job.answer):
            # not closed: an object of the parent's that is collected would close the number, by then somebody else's
            os.dup2(nothing, number, inheritable=False)
    # as a new Python's: what the parent had not yet written is the parent's
    sys.stdin, sys.stdout, sys.stderr = (
        open(number, mode, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115 - they are the process's own
        for number, mode, errors in ((0, "r", "strict"), (1, "w", "surrogateescape"), (2, "w", "backslashreplace"))
    )


def _reset_signals(blocked: AbstractSet[int]) -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    # the parent's way to end a task; a play that a script started in the background was told to ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _forget_the_controller() -> None:
    """Let Ansible's code for modules be what it is in a module: on a controller it shows warnings instead of returning them."""
    warnings._global_warnings.clear()  # noqa: SLF001
    warnings._global_deprecations.clear()  # noqa: SLF001
    try:
        from ansible.module_utils import _internal
        from ansible.module_utils._internal import _traceback
    except ImportError:
        # before ansible-core 2.19 there is no difference
        return
    _internal.is_controller = False
    _internal.import_controller_module = lambda _name: None
    _internal.get_controller_serialize_map = dict
    _traceback._is_traceback_enabled = _traceback._is_module_traceback_enabled  # noqa: SLF001


_answers: list[TextIO] = []


@contextmanager
def _answering_to(stream: TextIO) -> Iterator[None]:
    _answers.append(stream)
    try:
        yield
    finally:
        _answers.pop()


@contextmanager
def answering() -> Iterator[Any]:
    """Have what is printed inside, which is a module's answer and nothing else, go where it is waited for."""
    if not _answers:
        yield
        return
    with redirect_stdout(_answers[-1]):
        yield
