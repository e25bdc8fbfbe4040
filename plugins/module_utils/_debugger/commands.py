# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The user's commands: from options to the shell job that runs one in the debugger, and to what it printed.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import MAX_SECONDS
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.paths import quote
from ansible_collections.incident.distroless.plugins.module_utils._core.times import rfc3339
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import variables
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import ProbeResult, run_text
from ansible_collections.incident.distroless.plugins.module_utils._debugger.shell import Shells
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import Dest, Place
from ansible_collections.incident.distroless.plugins.module_utils._localfs.partial_file import DestFailure, Partial
from ansible_collections.incident.distroless.plugins.module_utils._remote.job import Job
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import STDERR, STDOUT
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session

DEFAULT_TIMEOUT = 60
DEFAULT_MAX_OUTPUT = 64 << 10

# stdin travels as text of the job's script, which the remote shell holds in memory for as long as the command runs
MAX_STDIN = 1 << 20
# the same in its escaped form, which is up to five times as long; the shell's memory peaks at about four times that
MAX_ESCAPED_STDIN = 5 << 18


@dataclass(frozen=True, slots=True)
class Command:
    """One command: a shell line (str) or an argv (tuple). timeout in seconds, max_output in bytes of each stream, of stdout max_stdout
    where given; dest is an absolute path here; beside: it runs while the others do; shared: others run in its shell."""

    run: str | tuple[str, ...]
    name: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    chdir: str | None = None
    timeout: int = DEFAULT_TIMEOUT
    max_output: int = DEFAULT_MAX_OUTPUT
    changed: bool = True
    stdin: bytes | None = field(default=None, repr=False)
    dest: str | None = None
    beside: bool = False
    max_stdout: int | None = None
    shared: bool = False


def parse_commands(entries: Sequence[object]) -> list[Command]:
    """Return the commands in the option's list. Raises Failure InvalidRequest that names the index and the key."""
    commands = [_parse(entry, f"commands[{index}]") for index, entry in enumerate(entries)]
    first: dict[str, int] = {}
    for index, command in enumerate(commands):
        if command.dest is not None and first.setdefault(command.dest, index) != index:
            raise Failure(
                "InvalidRequest",
                f"commands[{index}].dest is the same file as commands[{first[command.dest]}].dest.",
                "Give each command a file of its own.",
            )
    return commands


def _parse(entry: object, where: str) -> Command:
    if isinstance(entry, str):
        entry = {"cmd": entry}
    if not isinstance(entry, Mapping):
        raise Failure("InvalidRequest", f"{where} is neither a string nor a dictionary.")
    unknown = sorted(str(key) for key in entry.keys() - _PARSERS.keys())
    if unknown:
        raise Failure(
            "InvalidRequest",
            f"{where} has unknown keys: {', '.join(unknown)}.",
            f"Known keys: {', '.join(sorted(_PARSERS))}.",
        )
    values: dict[str, Any] = {}
    for key, value in entry.items():
        try:
            values[key] = _PARSERS[key](value)
        except (TypeError, ValueError) as error:
            # the value itself may be secret (env)
            raise Failure("InvalidRequest", f"{where}.{key} is not {error}.") from error
    cmd, argv = values.pop("cmd", None), values.pop("argv", None)
    if (cmd is None) == (argv is None):
        raise Failure("InvalidRequest", f"{where} needs exactly one of cmd and argv.")
    return Command(run=cmd if argv is None else argv, **values)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("a string that is not empty and has no NUL")
    return value


def _argv(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or any("\0" in str(word) for word in value):
        raise ValueError("a list that is not empty, of words without NUL")
    return tuple(str(word) for word in value)


def _env(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(
        _is_variable(str(key)) and "\0" not in str(text) for key, text in value.items()
    ):
        raise ValueError("a dictionary of environment variables")
    try:
        return variables(value, "env")
    except Failure as failure:
        raise ValueError(f"a dictionary of texts: {failure.message.rstrip('.')}") from failure


def _is_variable(name: str) -> bool:
    return name.isascii() and name.isidentifier()


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdigit() or not int(value):
        raise ValueError("a number of 1 or more")
    return int(value)


def _count_or_none(value: object) -> int:
    return 0 if value in (0, "0") and not isinstance(value, bool) else _count(value)


def _seconds(value: object) -> int:
    seconds = _count(value)
    if seconds > MAX_SECONDS:
        raise ValueError(f"a number of seconds up to {MAX_SECONDS}")
    return seconds


def _flag(value: object) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError("a boolean")
    return words[str(value).lower()]


def _stdin(value: object) -> bytes:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("a string")
    data = str(value).encode("utf-8", "surrogateescape")
    if len(data) > MAX_STDIN or len(_escaped(data)) > MAX_ESCAPED_STDIN:
        raise ValueError(f"within {MAX_STDIN} bytes, of which few are control characters, quotes and backslashes")
    return data


def _file(value: object) -> str:
    # as Ansible's own type path does
    path = os.path.expanduser(os.path.expandvars(_text(value)))  # noqa: PTH111 - pathlib raises for a user that is not there
    if Path(path).name in ("", "..") or path.endswith(("/", "/.")):
        raise ValueError("the path of a file")
    return os.path.normpath(Path(path).absolute())


_PARSERS: dict[str, Callable[[object], Any]] = {
    "argv": _argv,
    "beside": _flag,
    "changed": _flag,
    "chdir": _text,
    "cmd": _text,
    "dest": _file,
    "env": _env,
    "max_output": _count,
    "max_stdout": _count_or_none,
    "name": _text,
    "shared": _flag,
    "stdin": _stdin,
    "timeout": _seconds,
}


def script_for(command: Command, sight: ProbeResult) -> bytes:
    """Return the job that runs a command: its own process, so that none of our shell's functions or variables reach it."""
    variables = {"TARGET_PID": str(sight.pid), "TARGET_ROOT": sight.root, **command.env}
    lines = [b"export %s=%s" % (name.encode(), quote(text.encode())) for name, text in variables.items()]
    words = ("sh", "-c", command.run) if isinstance(command.run, str) else command.run
    run = b"exec " + b" ".join(quote(word.encode()) for word in words)
    if command.chdir is not None:
        run = b"cd " + quote(_not_an_option(command.chdir).encode()) + b" && " + run
    return _stdin_for(command.stdin) + b"( " + b"\n".join([*lines, run]) + b"\n)\n"


# one line whatever the text holds: the remote shell appends line by line, at a cost that grows with the square of their number
_ESCAPED = [bytes([byte]) if 0x20 <= byte != 0x7F else b"\\0%03o" % byte for byte in range(256)]
_ESCAPED[ord("\n")], _ESCAPED[ord("\\")], _ESCAPED[ord("'")] = b"\\n", b"\\\\", b"\\0047"


def _stdin_for(data: bytes | None) -> bytes:
    """Return the beginning of a pipeline: printf is a builtin, so nothing shows in a listing of processes or goes to a disk."""
    if data is None:
        return b""
    # a command that does not read all of it is no error
    return b"printf %b '" + _escaped(data) + b"' 2>/dev/null | "


def _not_an_option(directory: str) -> str:
    """Return a directory that cd takes for one: `cd -` and `cd -P` mean something else."""
    return f"./{directory}" if directory.startswith("-") else directory


def _escaped(data: bytes) -> bytes:
    """Return the bytes as printf's %b takes them, between single quotes."""
    return b"".join(map(_ESCAPED.__getitem__, data))


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


def run_command(shells: Shells, command: Command, sight: ProbeResult, folders: tuple[str, ...] = ()) -> Ran:
    """Runs one command. rc is what channel 3 says, None after a time-out; of one that shares a shell, what that shell says.

    folders go before the name of its dest. Raises Failure when the stream breaks or the file cannot be written: an output
    that was cut is no result. Then, and after a time-out, dest is as it was.
    """
    is_later = shells.has(is_shared=command.shared)
    try:
        with _file_for(command.dest, folders) as file:
            return _run(shells, command, sight, file)
    except Failure as failure:
        # a line that carries many commands may be too old for a proxy on its way, which each one's own would not have been
        if failure.reason != "ConnectionLost" or not is_later:
            raise
    return run_command(shells, command, sight, folders)


def _run(shells: Shells, command: Command, sight: ProbeResult, file: _File | None) -> Ran:
    kept_of_stdout = command.max_output if command.max_stdout is None else command.max_stdout
    captures = {STDOUT: _Capture(kept_of_stdout), STDERR: _Capture(command.max_output)}
    started = time.time()
    until = time.monotonic() + command.timeout
    rc: int | None = None

    def take(channel: int, chunk: memoryview) -> None:
        captures[channel].take(chunk)
        if file is not None and channel == STDOUT:
            file.partial.write(chunk)

    session = shells.take(command.timeout, is_shared=command.shared)
    try:
        check_target(session, sight)
        # whatever is over before the command has begun is not the command's time
        job = session.run(script_for(command, sight), timeout=float(command.timeout), deadline=until)
        rc = _status(session, job, take, None if command.shared else until)
    finally:
        if command.shared and rc is not None:
            shells.keep(session)
        else:
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


def _status(session: Session, job: Job, take: Callable[[int, memoryview], None], until: float | None) -> int | None:
    """Return the exit code of a command, None where its time is over; until: of its shell, None where that goes on. Raises Failure."""
    try:
        status = job.copy(take)
        if until is None:
            return status
        # the streams end with the last process that holds them
        session.timeout = max(0.1, until - time.monotonic())
        rc = session.finish(status_of_job=True)
    except Failure as failure:
        if failure.reason != "WaitTimeout":
            raise
        return None
    if rc is None:
        raise Failure("ConnectionLost", "The command's stream ended without an exit code.")
    return rc


def check_target(session: Session, sight: ProbeResult) -> None:
    """Raises Failure TargetRestarted where the number that was the target's process is another one's by now, or nobody's."""
    if sight.started is None:
        return
    if run_text(session, _STARTED_AT + b"started_at %d\n" % sight.pid)[0] != str(sight.started):
        raise Failure(
            "TargetRestarted",
            f"The target's process {sight.pid} has ended since the debugger looked: the command was not run.",
        )


# the 22nd field of stat, the 20th behind the name of the program, which can hold anything
_STARTED_AT = rb"""
started_at() {
  stat=
  read -r stat 2>/dev/null <"/proc/$1/stat"
  set -- ${stat##*)}
  printf '%s\n' "${20-}"
}
"""


@contextmanager
def _file_for(path: str | None, folders: tuple[str, ...]) -> Iterator[_File | None]:
    """Give the file to write, or None. What stands in its way is said before the command runs."""
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
    """Return the row of a command that check mode did not run."""
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
