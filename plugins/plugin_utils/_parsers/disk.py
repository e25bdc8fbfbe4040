# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is on the target's disks: mounts and how full they are, what keeps an app's user from writing where the app works; which
files and folders there are, which are held open, and which grow.

Names are hostile. Where one can hold a newline it travels as hexadecimal digits; see the collectors that print these lines.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import (
    CUT,
    device,
    from_hex,
    in_target,
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
    file system), turned_read_only (the whole file system, and not by the wish of who mounted it here).
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
        # who asks for it has both; an error, or a claim that none may write to, is known by that (errors=remount-ro)
        "turned_read_only": "ro" in of_all and "ro" not in options,
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


# what stat calls a block, whatever the file system's own
BLOCK = 512
DELETED = b" (deleted)"

# when, and each file's size, device and inode by its kind and path
Look = tuple[float, dict[tuple[bytes, bytes], tuple[int, str, int]]]


def file_sizes(data: bytes) -> list[dict[str, Any]]:
    """Return files, the biggest first, from lines `n size blocks mtime uid path` and `x size blocks mtime uid hex-path`.

    Each: path, size, allocated (bytes on the disk), mtime (epoch seconds), uid.
    """
    found: dict[bytes, dict[str, Any]] = {}
    for line in lines(data):
        kind, size, blocks, mtime, uid, name = words(line, 6)
        path = _name(kind, name)
        found[path] = {
            "path": shown(in_target(path)),
            "size": number(size),
            "allocated": number(blocks) * BLOCK,
            "mtime": number(mtime),
            "uid": number(uid),
        }
    return sorted(found.values(), key=lambda row: (-row["allocated"], row["path"]))


# logs, caches and work files of apps that are installed below /opt or /usr and write there
_DATA = re.compile(
    r"/(?:logs?|tmp|temp|work|\.?cache|run|sessions|__pycache__)/|\.(?:log|pid|lock|out|pyc)(?:[.-][\w.-]*)?\Z",
    re.IGNORECASE,
)


def file_changes(data: bytes) -> dict[str, Any]:
    """Return files with their times, the last changed first, from a line `s start`, lines `n ctime mtime size uid,mode path` and `x ...`,
    and `cut` where there were more.

    Returns started (epoch seconds), is_complete, and files, each with path, ctime, mtime (epoch seconds), size, uid, is_executable (of
    one whose mode is not there as well) and is_data: what apps write beside themselves, by its name.
    """
    started: int | None = None
    is_complete = True
    rows: list[dict[str, Any]] = []
    for line in lines(data):
        if line == CUT:
            is_complete = False
            continue
        if line.startswith(b"s "):
            started = number(line[2:])
            continue
        kind, ctime, mtime, size, uid, name = words(line, 6)
        owner, _comma, mode = uid.partition(b",")
        path = shown(in_target(_name(kind, name)))
        is_executable = not mode or bool(int(mode, 8) & 0o111)
        rows.append(
            {
                "path": path,
                "ctime": number(ctime),
                "mtime": number(mtime),
                "size": number(size),
                "uid": number(owner),
                "is_executable": is_executable,
                "is_data": not is_executable and _DATA.search(path) is not None,
            }
        )
    if started is None:
        raise ValueError("no line says when the container started")
    files = sorted(rows, key=lambda row: (-row["ctime"], row["path"]))
    return {"started": started, "files": files, "is_complete": is_complete}


def _name(kind: bytes, word: bytes) -> bytes:
    if kind == b"n":
        return word
    if kind == b"x":
        return from_hex(word)
    raise not_understood(kind)


def folder_sizes(data: bytes) -> dict[str, Any]:
    """Return folders with all that is in them, the biggest first, from lines `d kibibytes hex-path`; a line `cut` says that time ran out.

    Returns folders, each with path and allocated (bytes on the disk), and is_complete.
    """
    found: dict[bytes, int] = {}
    is_complete = True
    for line in lines(data):
        if line == CUT:
            is_complete = False
            continue
        kind, size, name = words(line, 3)
        if kind != b"d":
            raise not_understood(line)
        found[in_target(from_hex(name))] = number(size) * 1024
    rows = [{"path": shown(path), "allocated": size} for path, size in found.items()]
    return {"folders": sorted(rows, key=lambda row: (-row["allocated"], row["path"])), "is_complete": is_complete}


def deleted_files(data: bytes) -> dict[str, Any]:
    """Return files without a name that processes hold open, the biggest first, and the processes that could not be asked.

    From lines `pid fd size blocks device inode uid hex-of-comm hex-of-link`, both with an underscore before, since a name can be
    empty; `unseen pid hex-of-comm`; and `cut` where there were more. Returns is_complete; unseen, each with pid and name; files,
    each with path (as it was), size, allocated, device, inode, uid, in_memory (a memfd: no disk holds it), holders (a list of pid,
    fd, name); and sums, one for each process and device, each with pid, name, device, allocated, biggest (bytes) and count: of
    files, a memfd left out.
    """
    found: dict[tuple[str, int], dict[str, Any]] = {}
    unseen: list[dict[str, Any]] = []
    is_complete = True
    for line in lines(data):
        if line == CUT:
            is_complete = False
        elif line.startswith(b"unseen "):
            _kind, pid, name = words(line, 3)
            unseen.append({"pid": number(pid), "name": _comm(name)})
        else:
            _hold(found, line)
    files = sorted(found.values(), key=lambda row: (-row["allocated"], row["path"]))
    return {"files": files, "sums": _sums(files), "unseen": unseen, "is_complete": is_complete}


def _sums(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what each process holds on each device, a file once, however many of its descriptors lead to it."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for file in files:
        for pid, name in {(holder["pid"], holder["name"]) for holder in file["holders"] if not file["in_memory"]}:
            nothing = {"allocated": 0, "biggest": 0, "count": 0}
            row = found.setdefault(
                (pid, file["device"]), {"pid": pid, "name": name, "device": file["device"], **nothing}
            )
            row["allocated"] += file["allocated"]
            row["biggest"] = max(row["biggest"], file["allocated"])
            row["count"] += 1
    return sorted(found.values(), key=lambda row: (-row["allocated"], row["pid"], row["device"]))


def _hold(found: dict[tuple[str, int], dict[str, Any]], line: bytes) -> None:
    """Adds a descriptor to the deleted file that it holds."""
    pid, fd, size, blocks, on, inode, uid, name, link = words(line, 9)
    path = from_hex(link.removeprefix(b"_")).removesuffix(DELETED)
    row = found.setdefault(
        (device(on), number(inode)),
        {
            "path": shown(path),
            "size": number(size),
            "allocated": number(blocks) * BLOCK,
            "device": device(on),
            "inode": number(inode),
            "uid": number(uid),
            "in_memory": path.startswith(b"/memfd:"),
            "holders": [],
        },
    )
    row["holders"].append({"pid": number(pid), "fd": number(fd), "name": _comm(name)})


def _comm(word: bytes) -> str:
    return shown(from_hex(word.removeprefix(b"_")).rstrip(b"\n"))


def growth(data: bytes) -> dict[str, Any]:
    """Return files that grew between two looks, the fastest first.

    A look is a line `t seconds-of-uptime`, then `n size device inode path` for a file and `f size device inode path` for one
    without a name, whose path is /proc/<pid>/fd/<n>; and `cut` where there were more. Returns is_complete; files, each with path,
    is_deleted, device, inode, size, bytes (grown), seconds, bytes_per_second; and devices, each with device, bytes_per_second,
    count (of files) and fastest (the path of one).
    """
    looks: list[Look] = []
    is_complete = True
    for line in lines(data):
        if line == CUT:
            is_complete = False
            continue
        if line.startswith(b"t "):
            looks.append((float(line[2:]), {}))
            continue
        kind, size, on, inode, path = words(line, 5)
        if kind not in (b"n", b"f") or not looks:
            raise not_understood(line)
        looks[-1][1][kind, path] = (number(size), device(on), number(inode))
    if len(looks) != 2:
        raise ValueError(f"{len(looks)} looks instead of two")
    files = _grown(*looks)
    return {"files": files, "devices": _by_device(files), "is_complete": is_complete}


def _by_device(files: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what files take together of the room that they share; files: the fastest first."""
    found: dict[str, dict[str, Any]] = {}
    # many descriptors can lead to one file
    for file in {(row["device"], row["inode"]): row for row in reversed(files)}.values():
        nothing = {"device": file["device"], "bytes_per_second": 0, "count": 0}
        row = found.setdefault(file["device"], nothing)
        row["bytes_per_second"] += file["bytes_per_second"]
        row["count"] += 1
        row["fastest"] = file["path"]
    return sorted(found.values(), key=lambda row: (-row["bytes_per_second"], row["device"]))


def _grown(before: Look, after: Look) -> list[dict[str, Any]]:
    (first_at, first), (second_at, second) = before, after
    seconds = max(second_at - first_at, 0.01)
    rows = []
    for (kind, path), (length, place, inode) in second.items():
        # the first look leaves out what nobody wrote to for a while: such a file's size then is not known, and not 0
        grown = length - first.get((kind, path), (length, "", 0))[0]
        if grown > 0:
            rows.append(
                {
                    "path": shown(in_target(path)),
                    "is_deleted": kind == b"f",
                    "device": place,
                    "inode": inode,
                    "size": length,
                    "bytes": grown,
                    "seconds": round(seconds, 2),
                    "bytes_per_second": round(grown / seconds),
                }
            )
    return sorted(rows, key=lambda row: (-row["bytes_per_second"], row["path"]))


def archive(data: bytes) -> list[dict[str, Any]]:
    """Return the files of a tar: name, size, sha256. Of one that printed nothing there are none."""
    rows: list[dict[str, Any]] = []
    if not data:
        return rows
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file is not None:
                    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
                    rows.append({"name": shown(os.fsencode(member.name)), "size": member.size, "sha256": sha256})
    except tarfile.TarError as error:
        raise not_understood(data) from error
    return rows
