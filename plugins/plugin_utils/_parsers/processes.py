# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Processes, as a collector's lines of hexadecimal /proc files tell of them, with what they hold open, the names in their
environment, their limits and their cgroup's figures.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.proc_stat import parse_stat
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import (
    CUT,
    from_hex,
    in_target,
    lines,
    not_understood,
    number,
    printable,
    shown,
    words,
)

DELETED = b" (deleted)"
NEAR_PERCENT = 90
# programs that run what a file holds that their command line names, by family: interpreters, and the loaders of glibc and musl
FAMILIES = {
    "shell": re.compile(rb"sh|ash|hush|dash|bash|zsh|ksh|mksh"),
    "python": re.compile(rb"python[0-9.]*|pypy[0-9.]*"),
    "perl": re.compile(rb"perl[0-9.]*|ruby[0-9.]*|lua(jit|[0-9.]*)"),
    "node": re.compile(rb"node|nodejs|deno|bun"),
    "java": re.compile(rb"java"),
    "other": re.compile(rb"php[0-9.]*|tclsh[0-9.]*|Rscript"),
    "loader": re.compile(rb"ld-linux.*\.so\.[0-9]|ld-musl-.*\.so\.1|ld-[0-9.]+\.so"),
}
# options after which comes code and no file; those that take a word of their own; and those of which that word is run
CODE = {
    "shell": re.compile(rb"-[a-zA-Z]*c"),
    "python": re.compile(rb"-[a-zA-Z]*c|-m"),
    "perl": re.compile(rb"-[a-zA-Z]*[eE]"),
    "node": re.compile(rb"-[a-zA-Z]*[ep]|-pe|--eval|--print"),
    "other": re.compile(rb"-r|-e"),
}
TAKE_A_WORD = {
    "shell": (b"-o", b"+o", b"-O", b"+O", b"--rcfile", b"--init-file"),
    "python": (b"-W", b"-X"),
    "perl": (b"-I", b"-r"),
    "node": (b"-r", b"--require", b"--import", b"-C", b"--conditions"),
    "other": (b"-c", b"-d", b"-z"),
    "loader": (
        b"--library-path",
        b"--preload",
        b"--argv0",
        b"--glibc-hwcaps-prepend",
        b"--glibc-hwcaps-mask",
        b"--audit",
    ),
}
RUN_A_WORD = {"java": (b"-jar",), "other": (b"-f",)}
BUSYBOX = b"busybox"
SUPERVISORS, SERVICE = ("s6-supervise", "runsv"), re.compile(r"(?:/var)?/run/.+/run")


def processes(data: bytes) -> list[dict[str, Any]]:
    """Return the process table, by pid, from lines `pid hex-of-stat hex-of-status hex-of-cmdline hex-of-exe hex-of-cwd
    hex-of-stdin`.

    stat, status and cmdline are the files of /proc/<pid>, exe and cwd what its links say, stdin that of descriptor 0 where 0 and 1
    are sockets (cwd and stdin may be left out); each with an underscore before, since each can be empty.

    Each: pid, parent, name, state, uid, gid, threads, rss (bytes), start_ticks (since boot), command (one line), exe (in the target's
    view, "" where it cannot be read), exe_deleted, script (what an interpreter or a loader runs, as its command line names it, from its
    working directory; "" where it names nothing or is none of them), is_supervised (whether that is the script of a service, which s6
    and runit run from /run), prompt_socket (the inode of the socket that a shell without a script or code takes its commands from and
    answers to, None where it is no such shell).
    """
    # what a line `cut` says is completeness's to tell
    rows = [_process(line) for line in lines(data) if line != CUT]
    supervisors = {row["pid"] for row in rows if row["name"] in SUPERVISORS}
    for row in rows:
        row["is_supervised"] = row["parent"] in supervisors and SERVICE.fullmatch(row["script"]) is not None
    return sorted(rows, key=lambda row: int(row["pid"]))


def _process(line: bytes) -> dict[str, Any]:
    # a collector of a user's own may not know of the working directory, nor of what it reads from
    pid, *parts = words(line, min(line.count(b" ") + 1, 7) if line.count(b" ") > 4 else 5)
    stat, status, command, link, cwd, stdin = (from_hex(part.removeprefix(b"_")) for part in (*parts, b"_", b"_")[:6])
    # readlink ends what it prints by a newline
    link = link.removesuffix(b"\n")
    found = parse_stat(stat.decode("utf-8", "surrogateescape"))
    if found is None:
        raise not_understood(line)
    known = _fields(status)
    arguments = command.rstrip(b"\0").split(b"\0") if command else []
    program = _Program.of(link.removesuffix(DELETED), arguments)
    return {
        "pid": number(pid),
        "parent": found.parent,
        "name": shown(found.name.encode("utf-8", "surrogateescape")),
        "state": printable(found.state),
        "uid": number(known.get(b"Uid", b"-1").split()[0]),
        "gid": number(known.get(b"Gid", b"-1").split()[0]),
        "threads": number(known.get(b"Threads", b"0").strip()),
        "rss": number(known.get(b"VmRSS", b"0 kB").split()[0]) * 1024,
        "start_ticks": found.started,
        "command": " ".join(shown(word) for word in arguments),
        "exe": shown(in_target(link.removesuffix(DELETED))) if link else "",
        "exe_deleted": link.endswith(DELETED),
        "script": shown(_found(program.script, cwd.removesuffix(b"\n"))),
        "prompt_socket": _inode(stdin) if program.asks else None,
    }


def _inode(link: bytes) -> int | None:
    match = re.fullmatch(rb"socket:\[([0-9]{1,20})\]\n?", link)
    return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class _Program:
    """What a program runs as its command line names it: script, b"" where it is no interpreter, or runs code that no file holds; asks:
    whether it is a shell that was given neither."""

    script: bytes = b""
    asks: bool = False

    @classmethod
    def of(cls, program: bytes, arguments: list[bytes]) -> _Program:
        """Return it. program: the file that it runs from, b"" where that cannot be read."""
        called = [*arguments] or [b""]
        name = posixpath.basename(program or called[0])
        if name == BUSYBOX:
            # by whatever link it was called
            called = called[1:] if posixpath.basename(called[0]) == BUSYBOX else called
            name = posixpath.basename(called[0]) if called else b""
            if not FAMILIES["shell"].fullmatch(name.lstrip(b"-")):
                return cls()
        family = next((key for key, pattern in FAMILIES.items() if pattern.fullmatch(name.lstrip(b"-"))), "")
        rest = iter(called[1:] if family else ())
        for word in rest:
            if word in TAKE_A_WORD.get(family, ()):
                next(rest, b"")
            elif word in RUN_A_WORD.get(family, ()):
                return cls(next(rest, b""))
            elif family in CODE and CODE[family].fullmatch(word):
                return cls()
            elif not word.startswith((b"-", b"+")):
                # of Java that is a class
                return cls() if family == "java" else cls(word)
        return cls(asks=family == "shell")


def _found(script: bytes, cwd: bytes) -> bytes:
    """Return the whole path of a script, in the target's view; one of an unknown place as it is."""
    if not script:
        return b""
    return posixpath.normpath(posixpath.join(in_target(cwd), in_target(script)) if cwd else in_target(script))


def _fields(status: bytes) -> dict[bytes, bytes]:
    """Return the lines of /proc/<pid>/status. The name of a process is escaped there."""
    pairs = (line.partition(b":\t") for line in status.split(b"\n"))
    return {key: value for key, colon, value in pairs if colon}


def limits(data: bytes) -> list[dict[str, Any]]:
    """Return the limits of /proc/<pid>/limits: name, soft, hard (None: unlimited), unit."""
    return [_limit(line) for line in list(lines(data))[1:]]


def _limit(line: bytes) -> dict[str, Any]:
    match = re.fullmatch(r"(.+?) {2,}(unlimited|[0-9]+) +(unlimited|[0-9]+) *(\S*) *", line.decode("utf-8", "replace"))
    if not match:
        raise not_understood(line)
    soft, hard = (None if value == "unlimited" else int(value) for value in match.group(2, 3))
    return {"name": match[1], "soft": soft, "hard": hard, "unit": match[4]}


def process_limits(data: bytes) -> dict[str, Any]:
    """Return how near processes are to limits of their own, from lines `pid uid threads open open-limit process-limit name`.

    Gives files, of those that could be counted and have a limit, the nearest first: pid, name, open, limit, is_near_limit; unseen
    (pid, name); users, other than root, whom that limit does not hold: uid, threads (here; others of the user's on the node count as
    well), limit, is_near_limit; and is_complete.
    """
    files: list[dict[str, Any]] = []
    unseen: list[dict[str, Any]] = []
    users: dict[int, dict[str, Any]] = {}
    is_complete = True
    for line in lines(data):
        if line == CUT:
            is_complete = False
            continue
        pid, uid, threads, count, open_limit, process_limit, name = words(line, 7)
        about = {"pid": number(pid), "name": shown(name)}
        if count == b"-":
            unseen.append(about)
        elif open_limit != b"unlimited":
            files.append({**about, **_nearness("open", number(count), number(open_limit))})
        if process_limit != b"unlimited" and number(uid):
            user = users.setdefault(number(uid), {"threads": 0, "limit": number(process_limit)})
            user["threads"] += number(threads)
            user["limit"] = min(user["limit"], number(process_limit))
    return {
        "files": sorted(files, key=lambda row: (-row["open"] / max(row["limit"], 1), row["pid"])),
        "unseen": unseen,
        "users": [
            {"uid": uid, **_nearness("threads", user["threads"], user["limit"])} for uid, user in sorted(users.items())
        ],
        "is_complete": is_complete,
    }


def loaded(data: bytes) -> dict[str, Any]:
    """Return the code that processes have loaded, from lines `pid m path` (a private executable mapping of a file, as /proc/<pid>/maps
    has it), `pid e NAME` (a variable that makes the loader load more) and `pid u` (it cannot be read).

    Gives code (pid, path, is_deleted), told (pid, name), and is_complete.
    """
    code: dict[tuple[int, bytes], None] = {}
    told: list[dict[str, Any]] = []
    is_complete = True
    for line in lines(data):
        pid, _space, rest = line.partition(b" ")
        kind, _space, what = rest.partition(b" ")
        if kind == b"m":
            code[number(pid), what] = None
        elif kind == b"e":
            told.append({"pid": number(pid), "name": shown(what)})
        elif line == CUT or kind == b"u":
            is_complete = False
        else:
            raise not_understood(line)
    rows = [
        {"pid": pid, "path": shown(in_target(path.removesuffix(DELETED))), "is_deleted": path.endswith(DELETED)}
        for pid, path in code
    ]
    return {"code": rows, "told": told, "is_complete": is_complete}


def strays(data: bytes) -> dict[str, Any]:
    """Return processes that are in no container, from lines as `processes` takes them, or `node` where that is nothing to wonder at:
    rows, is_known (whether it can be told), is_complete."""
    rows = list(lines(data))
    is_known, is_complete = b"node" not in rows, CUT not in rows
    return {"rows": processes(data) if is_known else [], "is_known": is_known, "is_complete": is_complete}


def _nearness(name: str, count: int, limit: int) -> dict[str, Any]:
    return {name: count, "limit": limit, "is_near_limit": 100 * count >= NEAR_PERCENT * limit}


def held_sockets(data: bytes) -> dict[str, Any]:
    """Return the inodes of the sockets that processes hold, from lines of one each, and `cut`: inodes, is_complete."""
    rows = list(lines(data))
    return {"inodes": [number(line) for line in rows if line != CUT], "is_complete": CUT not in rows}


def counters(data: bytes) -> dict[str, Any]:
    """Return files of `name value` lines, as those of a cgroup: numbers where they are some, text otherwise ("max")."""
    found: dict[str, Any] = {}
    for line in lines(data):
        name, value = words(line, 2)
        found[printable(name.decode("utf-8", "replace"))] = (
            int(value) if re.fullmatch(rb"-?[0-9]{1,20}", value) else printable(value.decode("utf-8", "replace"))
        )
    return found


def open_files(data: bytes) -> list[dict[str, Any]]:
    """Open files from lines `pid fd _hex-link _hex-fdinfo`: pid, fd, file, position (bytes), flags (octal, as open's)."""
    rows = [_open_file(line) for line in lines(data) if line != CUT]
    return sorted(rows, key=lambda row: (row["pid"], row["fd"]))


def _open_file(line: bytes) -> dict[str, Any]:
    pid, fd, link, info = words(line, 4)
    about = dict(row.partition(b":")[::2] for row in from_hex(info.removeprefix(b"_")).split(b"\n"))
    return {
        "pid": number(pid),
        "fd": number(fd),
        "file": shown(from_hex(link.removeprefix(b"_")).removesuffix(b"\n")),
        "position": number(about.get(b"pos", b"0").strip()),
        "flags": shown(about.get(b"flags", b"").strip()),
    }


def variable_names(data: bytes) -> list[dict[str, Any]]:
    """Return names of environment variables, never values, from lines `pid NAME`: pid, names."""
    found: dict[int, list[str]] = {}
    for line in lines(data):
        if line == CUT:
            continue
        pid, name = words(line, 2)
        found.setdefault(number(pid), []).append(shown(name))
    return [{"pid": pid, "names": names} for pid, names in sorted(found.items())]


def environments(data: bytes) -> list[dict[str, Any]]:
    """Return how much of each process's environment was kept, from lines `pid _hex`: pid, variables (their number), bytes."""
    rows = (words(line, 2) for line in lines(data))
    kept = ((number(pid), from_hex(text.removeprefix(b"_"))) for pid, text in rows)
    return [
        {"pid": pid, "variables": len([entry for entry in text.split(b"\0") if entry]), "bytes": len(text)}
        for pid, text in kept
    ]
