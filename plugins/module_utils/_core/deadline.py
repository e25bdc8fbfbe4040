# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long something may take, shared by all the steps of one piece of work.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure

Answer = TypeVar("Answer")

# what Kubernetes' own fields of seconds hold
MAX_SECONDS = 2**31 - 1
# a socket waits by poll(2), whose milliseconds are an int: Python cuts off what does not fit, and would wait for less
LONGEST_WAIT = 2_000_000.0
# how often it is looked for programs that are to be ended, at most, and the seconds between two looks
_LOOKS, _BETWEEN_LOOKS = 100, 0.01


def check_seconds(seconds: int, option: str, least: int = 1) -> None:
    """Raises Failure InvalidRequest for a number of seconds that no clock can count to."""
    if not least <= seconds <= MAX_SECONDS:
        raise Failure("InvalidRequest", f"{option} must be {least} to {MAX_SECONDS} seconds.")


class Deadline:
    """A moment on the monotonic clock, `seconds` from its making; option names the module option that set it."""

    __slots__ = ("_at", "option", "seconds")

    def __init__(self, seconds: float, option: str = "wait_timeout") -> None:
        self._at = time.monotonic() + seconds
        self.seconds = seconds
        self.option = option

    @property
    def moment(self) -> float:
        """Return the moment on the clock of time.monotonic()."""
        return self._at

    def left(self) -> float:
        """Return seconds until the moment; 0 or less when it has passed."""
        return self._at - time.monotonic()

    def remaining(self, waiting_for: str) -> float:
        """Return seconds to wait at once, more than 0. Raises Failure WaitTimeout, which says what was waited for."""
        left = self.left()
        if left <= 0:
            raise self.expired(waiting_for)
        return min(left, LONGEST_WAIT)

    def expired(self, waiting_for: str) -> Failure:
        """Return the failure to raise when the moment has passed while waiting for something."""
        return Failure(
            "WaitTimeout",
            f"{waiting_for}: not done within {self.seconds:g} s.",
            f"Raise {self.option}, or look at what it waited for.",
        )


def within(seconds: float, call: Callable[[], Answer], *, ends_programs: bool = False) -> Answer:
    """Return what call gives, or raises. Raises TimeoutError after so many seconds; the call then goes on for nobody.

    For calls whose own time-out counts for each of their steps anew: each address of a name, each try, each line read.
    ends_programs: a program that the call waits for, and what that one has started, is killed then.
    """
    future: Future[Answer] = Future()
    thread = 0

    def work() -> None:
        nonlocal thread
        thread = threading.get_native_id()
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        return future.result(max(0.0, seconds))
    except TimeoutError:
        if ends_programs:
            _end_programs(future, lambda: Path(f"/proc/self/task/{thread}"))
        raise


def _end_programs(future: Future[Answer], thread: Callable[[], Path]) -> None:
    """End the programs that a thread has started, also one that it is just about to, until it is done or starts no more."""
    looks = 0
    while not future.done() and looks < _LOOKS:
        programs = _children(thread())
        _kill_all(programs)
        # each that is killed may be followed by another one
        looks += 1 if programs else _LOOKS // 10
        wait([future], _BETWEEN_LOOKS)


def _kill_all(pids: list[int]) -> None:
    """Kill processes and all that came of them, the last first: a shell whose program ended would start its next one."""
    for pid in pids:
        # it starts no other while its own are looked for
        with suppress(OSError):
            os.kill(pid, signal.SIGSTOP)
        _kill_all([child for thread in _threads(pid) for child in _children(thread)])
        with suppress(OSError):
            # a group that it made has those in it as well whose parent is gone; one that it only joined is somebody else's
            (os.killpg if os.getpgid(pid) == pid else os.kill)(pid, signal.SIGKILL)


def _threads(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return []


def _children(thread: Path) -> list[int]:
    """Return the processes that a thread has started (proc_pid_children(5)); none where the kernel does not tell."""
    try:
        return [int(word) for word in (thread / "children").read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return []
