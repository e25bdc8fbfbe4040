# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How much of what commands printed a task's result holds.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

# of all commands of all targets together, in bytes of the result, which holds each stream as text and as lines: AWX drops
# the event of a task whose result is larger than 700 kB, and fifty targets need 70 to 100 kB beside it, by their names
MAX_TASK_OUTPUT = 390_000
MAX_BESIDE = 100_000
# of what the rows repeat: each target's commands are the task's own
MAX_TASK_COMMANDS = 32_000


def limit_output(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Cuts the output of all commands of one task together: the long ones, so that the short ones stay whole whoever comes first.
    Returns a warning when it did."""
    _shorten_commands(rows)
    streams = [(command, name) for row in rows for command in row["commands"] for name in ("stdout", "stderr")]
    sizes = [_size(command[name]) for command, name in streams]
    beside = len(json.dumps(rows)) - sum(sizes)
    share = _share(sizes, max(0, MAX_TASK_OUTPUT - max(0, beside - MAX_BESIDE)))
    cut = [stream for stream, size in zip(streams, sizes, strict=True) if size > share]
    for command, name in cut:
        command[name] = _fitting(command[name], share)
        command[f"{name}_lines"] = command[name].splitlines()
        command[f"{name}_truncated"] = True
    hint = "a command's dest keeps all that it prints"
    return [f"the output of this task's commands was cut, to keep its result below 500 kB; {hint}"] if cut else []


def _share(sizes: Sequence[int], room: int) -> int:
    """Return the most that one may take so that all fit into the room."""
    left = room
    for count, size in zip(range(len(sizes), 0, -1), sorted(sizes), strict=True):
        if size * count > left:
            return left // count
        left -= size
    return room


def _shorten_commands(rows: Sequence[dict[str, Any]]) -> None:
    """Leaves the beginnings of long commands only, from where all of them together are too long."""
    left = MAX_TASK_COMMANDS
    for row in rows:
        for command in row["commands"]:
            size = len(json.dumps(command["cmd"]))
            if size > left:
                cmd = command["cmd"]
                command["cmd"] = _beginning(cmd) if isinstance(cmd, str) else [_beginning(cmd[0]), "..."]
            left -= min(left, size)


def _beginning(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."


def _size(text: str) -> int:
    """Return how many bytes of the result a stream takes."""
    return len(json.dumps(text)) + len(json.dumps(text.splitlines())) if text else 0


def _fitting(text: str, size: int) -> str:
    """Return the longest beginning that takes no more than size bytes of the result."""
    return text[: bisect_right(range(1, len(text) + 1), size, key=lambda length: _size(text[:length]))]
