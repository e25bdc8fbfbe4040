# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module says while it works, for whoever watches: short lines that cost nothing where nobody does.

The action of a module listens on a socket and names it in the module's environment; without that nothing is said.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import show_size

# the environment variable that names the socket
VARIABLE = "INCIDENT_DISTROLESS_PROGRESS"

# characters of a line; what a pod says is as long as it likes
MAX_LINE = 300
# a terminal is read by a person: lines a second in the long run, and at once after a silence
LINES_A_SECOND, BURST = 4.0, 16.0
# seconds between two lines on the bytes of one target
BETWEEN = 2.0


def visible(text: str, most: int = MAX_LINE) -> str:
    """Return one line of printable characters: terminal escapes, newlines and marks that change the direction of text are shown
    as Python escapes them. Cut to so many characters."""
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text[:most]
    )
    return shown if len(text) <= most and len(shown) <= most else f"{shown[: most - 3]}..."


class Rate:
    """How many lines may still be said: LINES_A_SECOND, and as many as BURST after a silence."""

    def __init__(self, now: float) -> None:
        self._left, self._at = BURST, now

    def take(self, now: float) -> bool:
        """Return whether one more may be said now."""
        self._left, self._at = min(BURST, self._left + (now - self._at) * LINES_A_SECOND), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


@dataclass(slots=True)
class _Move:
    """When the bytes of a target began to move (and how many were there), and when that was said last."""

    began: float
    at_first: int
    said: float


class Progress:
    """Says lines to the socket at path; says nothing where that is None. Safe to share between threads, never waits."""

    def __init__(self, path: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._lock = threading.Lock()
        self._rate = Rate(clock())
        self._moves: dict[str, _Move] = {}
        self._socket: socket.socket | None = None

    def tell(self, path: str | None) -> None:
        """Say what comes to the socket at another path, or to nobody, before anything was said."""
        self._path = path

    def say(self, target: str, text: str) -> None:
        """Says what happens with a target now, unless too much was said a moment ago."""
        if self._path is not None:
            with self._lock:
                self._say(f"{target}: {text}")

    def moved(self, target: str, done: int, total: int, files_done: int, files_total: int) -> None:
        """Says how far the files of a target are, now and then. done and total are bytes; to be called as often as one likes."""
        if self._path is None:
            return
        with self._lock:
            now = self._clock()
            move = self._moves.setdefault(target, _Move(now, done, now))
            if now - move.said >= BETWEEN:
                move.said = now
                text = moved_line(done, total, files_done, files_total, (done - move.at_first) / (now - move.began))
                self._say(f"{target}: {text}")

    def _say(self, line: str) -> None:
        if not self._rate.take(self._clock()):
            return
        # nobody listens any more, or not fast enough: the work goes on
        with suppress(OSError):
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            self._socket.sendto(visible(line).encode(), str(self._path))


def moved_line(done: int, total: int, files_done: int, files_total: int, rate: float) -> str:
    """Return how far some files are, as a person reads it. rate: bytes a second, 0 where it is not known."""
    parts = [f"{show_size(done)} of {show_size(total)}", f"{files_done} of {files_total} files"]
    if rate > 0:
        parts.append(f"{show_size(int(rate))}/s")
        parts.append(f"{_duration(max(0, total - done) / rate)} left")
    return ", ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes // 60} h {minutes % 60} min"
        if minutes >= 60
        else f"{minutes} min {rest} s"
        if minutes
        else f"{rest} s"
    )


PROGRESS = Progress(os.environ.get(VARIABLE))
