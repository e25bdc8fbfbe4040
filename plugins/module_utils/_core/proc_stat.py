# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""/proc/<pid>/stat (man 5 proc_pid_stat): which process that is, whose child, and when it began.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# where in what follows the name: state, parent, and the start
_STATE, _PARENT, _STARTED = 0, 1, 19
_NUMBER = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True)
class ProcStat:
    """A process: its name as the process chose it, its state (one letter), the pid of its parent, its start in ticks since boot."""

    pid: int
    name: str
    state: str
    parent: int
    started: int


def parse_stat(text: str) -> ProcStat | None:
    """Return what the file says, None for what is not the kernel's."""
    # the name stands in brackets and may hold anything, brackets, spaces and newlines included
    head, _bracket, tail = text.rpartition(")")
    pid, bracket, name = head.partition(" (")
    fields = tail.split()
    if not bracket or len(fields) <= _STARTED:
        return None
    if not all(map(_NUMBER.fullmatch, (pid, fields[_PARENT], fields[_STARTED]))):
        return None
    return ProcStat(int(pid), name, fields[_STATE], int(fields[_PARENT]), int(fields[_STARTED]))
