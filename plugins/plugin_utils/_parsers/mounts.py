# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is mounted where, and how full it is.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import (
    lines,
    not_understood,
    number,
    shown,
    unescaped,
    words,
)


def mountinfo(data: bytes) -> list[dict[str, Any]]:
    """The mounts of /proc/<pid>/mountinfo (man 5 proc_pid_mountinfo).

    Each: id, parent, device (major:minor), root, point, fstype, source, options (list), read_only (of the mount or of the whole
    file system).
    """
    return [_mount(line) for line in lines(data)]


def _mount(line: bytes) -> dict[str, Any]:
    before, separator, after = line.partition(b" - ")
    fields, rest = before.split(b" "), after.split(b" ")
    if not separator or len(fields) < 6 or len(rest) < 3:
        raise not_understood(line)
    options, of_all = (text.decode("utf-8", "replace").split(",") for text in (fields[5], rest[2]))
    return {
        "id": number(fields[0]),
        "parent": number(fields[1]),
        "device": fields[2].decode("ascii", "replace"),
        "root": shown(unescaped(fields[3])),
        "point": shown(unescaped(fields[4])),
        "fstype": rest[0].decode("utf-8", "replace"),
        "source": shown(unescaped(rest[1])),
        "options": options,
        "read_only": "ro" in options or "ro" in of_all,
    }


def disk_usage(data: bytes) -> list[dict[str, Any]]:
    """How full each file system is, from lines `point fstype device block-size blocks free available inodes free-inodes`.

    The point is escaped as in mountinfo, the rest is what `stat -f -c '%S %b %f %a %c %d'` prints. Each: point, fstype, device;
    size, used, available (bytes); use_percent, as df counts it, so that what is kept for root is no free space; inodes,
    inodes_used, inodes_percent (0 where the file system counts none).
    """
    return [_usage(line) for line in lines(data)]


def _usage(line: bytes) -> dict[str, Any]:
    point, fstype, device, *counts = words(line, 9)
    block, blocks, free, available, inodes, inodes_free = map(number, counts)
    used = (blocks - free) * block
    return {
        "point": shown(unescaped(point)),
        "fstype": fstype.decode("utf-8", "replace"),
        "device": device.decode("ascii", "replace"),
        "size": blocks * block,
        "used": used,
        "available": available * block,
        "use_percent": _percent(used, used + available * block),
        "inodes": inodes,
        "inodes_used": inodes - inodes_free,
        "inodes_percent": _percent(inodes - inodes_free, inodes),
    }


def _percent(part: int, whole: int) -> int:
    """Rounded up: 99.2 % of a disk must not look like room."""
    return -(-100 * part // whole) if whole > 0 else 0
