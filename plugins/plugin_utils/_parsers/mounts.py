# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is mounted in the target, how full it is, and what keeps an app's user from writing where the app works.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import (
    from_hex,
    lines,
    not_understood,
    number,
    shown,
    unescaped,
    words,
)


def mountinfo(data: bytes) -> list[dict[str, Any]]:
    """Return the mounts of /proc/<pid>/mountinfo (man 5 proc_pid_mountinfo).

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
    """Return how full each file system is, from lines `point fstype device block-size blocks free available inodes free-inodes`.

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
    """Return whole percents to show, rounded up: 99.2 % of a disk must not look like room."""
    return -(-100 * part // whole) if whole > 0 else 0


ROLES = {b"volume": "volume", b"work": "working directory", b"temporary": "temporary directory"}
STATES = (b"there", b"missing", b"denied", b"unseen")


def places(data: bytes) -> list[dict[str, Any]]:
    """Return the places of lines `role state _hex-path`, and for one that is there
    `role state _hex-path fstype read-only may-write mode uid gid size available inodes inodes-free`.

    Each: role, path, state, trouble ("" where the app's user can write), and fstype, read_only, may_write (by owner, group and
    mode), mode (octal digits), uid, gid, size and available (bytes), inodes, inodes_free, all None where it is not there.
    """
    return [_place(line) for line in lines(data)]


def _place(line: bytes) -> dict[str, Any]:
    role, state, path, *rest = words(line, 13 if b" there " in line else 3)
    if role not in ROLES or state not in STATES:
        raise not_understood(line)
    known: dict[str, Any] = {
        "role": ROLES[role],
        "path": shown(from_hex(path.removeprefix(b"_"))),
        "state": state.decode("ascii"),
    }
    found = _found(rest) if rest else dict.fromkeys(KEYS)
    return {**known, "trouble": _trouble({**known, **found}), **found}


KEYS = ("fstype", "read_only", "may_write", "mode", "uid", "gid", "size", "available", "inodes", "inodes_free")


def _found(rest: list[bytes]) -> dict[str, Any]:
    fstype, read_only, may_write, mode, *counts = rest
    return {
        "fstype": fstype.decode("utf-8", "replace"),
        "read_only": bool(number(read_only)),
        "may_write": bool(number(may_write)),
        "mode": mode.decode("ascii", "replace"),
        **dict(zip(KEYS[4:], map(number, counts), strict=True)),
    }


def _trouble(place: Mapping[str, Any]) -> str:
    """Return what keeps the app's user from writing: not_there, no_way, read_only, no_permission, full, no_inodes, or "" for nothing.

    What the debugger itself could not see is unseen.
    """
    if place["state"] != "there":
        return {"missing": "not_there", "denied": "no_way", "unseen": "unseen"}[str(place["state"])]
    if place["read_only"]:
        return "read_only"
    if not place["may_write"]:
        return "no_permission"
    # a file system that counts no blocks, or no inodes, says 0 of 0
    if place["size"] and not place["available"]:
        return "full"
    return "no_inodes" if place["inodes"] and not place["inodes_free"] else ""
