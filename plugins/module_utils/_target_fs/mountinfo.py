# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mounts of a process, as /proc/<pid>/mountinfo says.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.incident.distroless.plugins.module_utils._target_fs.stat_protocol import misunderstood


@dataclass(frozen=True, slots=True)
class Mount:
    """A line of mountinfo (man 5 proc_pid_mountinfo); point is where it is in the target's view, device is major:minor."""

    id: int
    parent: int
    device: str
    root: bytes
    point: bytes
    fstype: str
    source: bytes


def parse_mounts(text: bytes) -> list[Mount]:
    """The mounts in a mountinfo."""
    # not splitlines: of what ends a line for Python, the kernel escapes the newline only
    return [_mount(line) for line in text.split(b"\n") if line]


def _mount(line: bytes) -> Mount:
    before, separator, after = line.partition(b" - ")
    fields, rest = before.split(b" "), after.split(b" ")
    if not separator or len(fields) < 6 or len(rest) < 2:
        raise misunderstood(line)
    number, parent, device, root, point = fields[:5]
    try:
        return Mount(
            int(number),
            int(parent),
            device.decode("ascii"),
            _unescaped(root),
            _unescaped(point),
            rest[0].decode("utf-8", "replace"),
            _unescaped(rest[1]),
        )
    except ValueError as error:
        raise misunderstood(line) from error


def _unescaped(field: bytes) -> bytes:
    """The kernel writes space, tab, newline and backslash as octal escapes (fs/seq_file.c, mangle_path)."""
    return re.sub(rb"\\([0-3][0-7]{2})", lambda match: bytes([int(match[1], 8)]), field)
