# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The user's commands, run in the debugger: from options to a shell job to a row of the result.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._exec import STDERR, STDOUT
from ansible_collections.incident.distroless.plugins.module_utils._names import quote
from ansible_collections.incident.distroless.plugins.module_utils._probe import Sight
from ansible_collections.incident.distroless.plugins.module_utils._result import timestamp
from ansible_collections.incident.distroless.plugins.module_utils._session import Session

DEFAULT_TIMEOUT = 60
DEFAULT_MAX_OUTPUT = 64 << 10


@dataclass(frozen=True, slots=True)
class Command:
    """One command: a shell line (str) or an argv (tuple). timeout in seconds, max_output in bytes of each stream."""

    run: str | tuple[str, ...]
    name: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    chdir: str | None = None
    timeout: int = DEFAULT_TIMEOUT
    max_output: int = DEFAULT_MAX_OUTPUT
    changed: bool = True


def parse_commands(entries: Sequence[object]) -> list[Command]:
    """The commands in the option's list. Raises Failure InvalidRequest that names the index and the key."""
    return [_parse(entry, f"commands[{index}]") for index, entry in enumerate(entries)]


def _parse(entry: object, where: str) -> Command:
    if isinstance(entry, str):
        entry = {"cmd": entry}
    if not isinstance(entry, Mapping):
        raise Failure("InvalidRequest", f"{where} is neither a string nor a dictionary.")
    unknown = sorted(str(key) for key in entry.keys() - _PARSERS.keys())
    if unknown:
        raise Failure("InvalidRequest", f"{where} has unknown keys: {', '.join(unknown)}.", f"Known keys: {', '.join(sorted(_PARSERS))}.")
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
    if not isinstance(value, Mapping) or not all(_is_variable(str(key)) and "\0" not in str(text) for key, text in value.items()):
        raise ValueError("a dictionary of environment variables")
    return {str(key): str(text) for key, text in value.items()}


def _is_variable(name: str) -> bool:
    return name.isascii() and name.isidentifier()


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdigit() or not int(value):
        raise ValueError("a number of 1 or more")
    return int(value)


def _flag(value: object) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError("a boolean")
    return words[str(value).lower()]


_PARSERS: dict[str, Callable[[object], Any]] = {
    "argv": _argv,
    "changed": _flag,
    "chdir": _text,
    "cmd": _text,
    "env": _env,
    "max_output": _count,
    "name": _text,
    "timeout": _count,
}


def script_for(command: Command, sight: Sight) -> bytes:
    """The job that runs a command: its own process, so that none of our shell's functions or variables reach it."""
    variables = {"TARGET_PID": str(sight.pid), "TARGET_ROOT": sight.root, **command.env}
    lines = [b"export %s=%s" % (name.encode(), quote(text.encode())) for name, text in variables.items()]
    words = ("sh", "-c", command.run) if isinstance(command.run, str) else command.run
    run = b"exec " + b" ".join(quote(word.encode()) for word in words)
    if command.chdir is not None:
        run = b"cd " + quote(_not_an_option(command.chdir).encode()) + b" && " + run
    return b"( " + b"\n".join([*lines, run]) + b"\n)\n"


def _not_an_option(directory: str) -> str:
    """A directory that cd takes for one: `cd -` and `cd -P` mean something else."""
    return f"./{directory}" if directory.startswith("-") else directory


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


def run_command(opening: Callable[..., Session], command: Command, sight: Sight) -> dict[str, Any]:
    """Runs one command in an exec of its own and returns its row. rc is what channel 3 says, None after a time-out.

    opening opens a session and takes silence, the seconds without output that are too many. Raises Failure when the stream breaks: an output that
    was cut is no result.
    """
    captures = {STDOUT: _Capture(command.max_output), STDERR: _Capture(command.max_output)}
    started = time.time()
    until = time.monotonic() + command.timeout
    timed_out = False
    rc: int | None = None
    session = opening(silence=float(command.timeout))
    try:
        answer = session.run(script_for(command, sight), deadline=until)
        for channel, chunk in answer.events():
            captures[channel].take(chunk)
        rc = session.finish(status_of_job=True)
        if rc is None:
            raise Failure("ConnectionLost", "The command's stream ended without an exit code.")
    except Failure as failure:
        if failure.reason != "WaitTimeout":
            raise
        timed_out = True
    finally:
        # a drop: the remote shell sees the end of its stdin and ends the command's processes
        session.close()
    ended = time.time()
    return {
        "name": command.name,
        "cmd": command.run if isinstance(command.run, str) else list(command.run),
        "rc": rc,
        **_output_rows(captures[STDOUT], captures[STDERR]),
        "start": timestamp(started),
        "end": timestamp(ended),
        "delta": round(ended - started, 3),
        "timed_out": timed_out,
    }


def not_run(command: Command) -> dict[str, Any]:
    """The row of a command that check mode did not run."""
    nothing = _output_rows(_Capture(0), _Capture(0))
    cmd = command.run if isinstance(command.run, str) else list(command.run)
    return {"name": command.name, "cmd": cmd, "rc": None, **nothing, "start": None, "end": None, "delta": None, "timed_out": False}


def _output_rows(stdout: _Capture, stderr: _Capture) -> dict[str, Any]:
    return {
        "stdout": stdout.text(),
        "stderr": stderr.text(),
        "stdout_lines": stdout.text().splitlines(),
        "stderr_lines": stderr.text().splitlines(),
        "stdout_truncated": stdout.is_truncated,
        "stderr_truncated": stderr.is_truncated,
    }
