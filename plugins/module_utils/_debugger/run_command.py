# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs one of the user's commands and keeps what it prints: the beginning in the result's row, all of it in a file.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.times import rfc3339
from ansible_collections.incident.distroless.plugins.module_utils._debugger.commands import Command, script_for
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import ProbeResult
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import Dest, Place
from ansible_collections.incident.distroless.plugins.module_utils._localfs.partial_file import DestFailure, Partial
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import STDERR, STDOUT
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a command: its row, and whether a file was written."""

    row: dict[str, Any]
    wrote: bool


@dataclass(slots=True)
class _Capture:
    """The beginning of a stream, and whether there was more."""

    limit: int
    data: bytearray = field(default_factory=bytearray)
    is_truncated: bool = False

    def take(self, chunk: memoryview) -> None:
        room = self.limit - len(self.data)
        self.data += chunk[:room]
        self.is_truncated = self.is_truncated or len(chunk) > room

    def text(self) -> str:
        return self.data.decode("utf-8", "replace")


@dataclass(slots=True)
class _File:
    """The file that gets all of stdout. It has its name when the command has ended, and only then."""

    dest: Dest
    place: Place
    partial: Partial
    wrote: bool = False

    def commit(self) -> dict[str, Any]:
        """Puts the file in place, unless the one there is the same, and returns what the row says of it."""
        partial = self.partial
        if self.dest.digest(self.place) != partial.sha256:
            partial.commit(length=partial.length, sha256=None)
            self.wrote = True
        path = self.dest.full(self.place).decode("utf-8", "backslashreplace")
        return {"dest": path, "dest_size": partial.length, "dest_sha256": partial.sha256}


_NO_FILE = {"dest": None, "dest_size": None, "dest_sha256": None}


def run_command(
    opening: Callable[..., Session], command: Command, sight: ProbeResult, folders: tuple[str, ...] = ()
) -> Ran:
    """Runs one command in an exec of its own. rc is what channel 3 says, None after a time-out.

    opening opens a session and takes silence, the seconds without output that are too many; folders go before the name of
    the command's dest. Raises Failure when the stream breaks or the file cannot be written: an output that was cut is no
    result. Then, and after a time-out, dest is as it was.
    """
    with _file_for(command.dest, folders) as file:
        return _run(opening, command, sight, file)


def _run(opening: Callable[..., Session], command: Command, sight: ProbeResult, file: _File | None) -> Ran:
    captures = {STDOUT: _Capture(command.max_output), STDERR: _Capture(command.max_output)}
    started = time.time()
    until = time.monotonic() + command.timeout
    rc: int | None = None

    def take(channel: int, chunk: memoryview) -> None:
        captures[channel].take(chunk)
        if file is not None and channel == STDOUT:
            file.partial.write(chunk)

    session = opening(silence=float(command.timeout))
    try:
        session.run(script_for(command, sight), deadline=until).copy(take)
        # the streams end with the last process that holds them
        session.timeout = max(0.1, until - time.monotonic())
        rc = session.finish(status_of_job=True)
        if rc is None:
            raise Failure("ConnectionLost", "The command's stream ended without an exit code.")
    except Failure as failure:
        if failure.reason != "WaitTimeout":
            raise
    finally:
        # a drop: the remote shell sees the end of its stdin and ends the command's processes
        session.close()
    ended = time.time()
    kept = _NO_FILE if file is None or rc is None else file.commit()
    row = {
        "name": command.name,
        "cmd": _shown(command),
        "rc": rc,
        **_output_rows(captures[STDOUT], captures[STDERR]),
        **kept,
        "start": rfc3339(started),
        "end": rfc3339(ended),
        "delta": round(ended - started, 3),
        "timed_out": rc is None,
    }
    return Ran(row, file is not None and file.wrote)


@contextmanager
def _file_for(path: str | None, folders: tuple[str, ...]) -> Iterator[_File | None]:
    """The file to write, or None. What stands in its way is said before the command runs."""
    if path is None:
        yield None
        return
    folder, name = os.path.split(path)
    place = (*(os.fsencode(part) for part in folders), os.fsencode(name))
    with Dest(folder) as dest:
        if dest.holds_directory(place):
            shown = dest.full(place).decode("utf-8", "backslashreplace")
            raise DestFailure(
                "DestConflict", f"{shown} is a directory.", hint="The dest of a command is a file; add a name."
            )
        with dest.writer(place) as partial:
            yield _File(dest, place, partial)


def not_run(command: Command) -> dict[str, Any]:
    """The row of a command that check mode did not run."""
    nothing = {**_output_rows(_Capture(0), _Capture(0)), **_NO_FILE}
    never = {"start": None, "end": None, "delta": None, "timed_out": False}
    return {"name": command.name, "cmd": _shown(command), "rc": None, **nothing, **never}


def _shown(command: Command) -> str | list[str]:
    return command.run if isinstance(command.run, str) else list(command.run)


def _output_rows(stdout: _Capture, stderr: _Capture) -> dict[str, Any]:
    return {
        "stdout": stdout.text(),
        "stderr": stderr.text(),
        "stdout_lines": stdout.text().splitlines(),
        "stderr_lines": stderr.text().splitlines(),
        "stdout_truncated": stdout.is_truncated,
        "stderr_truncated": stderr.is_truncated,
    }
