# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which files there are, by their sizes and hashes and never by what is in them, and how those of two pods differ.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import (
    CUT,
    in_target,
    lines,
    not_understood,
    number,
    shown,
    unescaped,
    words,
)

Row = Mapping[str, Any]

# what the kubelet writes for each pod
OF_EACH_POD = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
# of what differs, rows that are told, and characters of a name
MAX_TOLD, MAX_NAME = 20, 120


def file_hashes(data: bytes) -> dict[str, Any]:
    """Return files from lines `s size path` and `h sha256  path`, `m point` for what is mounted among them and was not looked into,
    and `cut`.

    Returns files (path, size, sha256: None of what could not be read or is large), mounts (paths) and is_complete.
    """
    sizes: dict[str, int] = {}
    hashes: dict[str, str] = {}
    mounts: list[str] = []
    is_complete = True
    for line in lines(data):
        if line == CUT:
            is_complete = False
            continue
        kind, rest = words(line, 2)
        if kind == b"m":
            mounts.append(shown(unescaped(rest)))
        elif kind == b"s":
            size, path = words(rest, 2)
            sizes[shown(in_target(path))] = number(size)
        elif kind == b"h" and (found := re.fullmatch(rb"([0-9a-f]{64}) [ *](.+)", rest)):
            hashes[shown(in_target(found[2]))] = found[1].decode("ascii")
        else:
            raise not_understood(line)
    files = [{"path": path, "size": size, "sha256": hashes.get(path)} for path, size in sorted(sizes.items())]
    return {"files": files, "mounts": sorted(set(mounts)), "is_complete": is_complete}


def compared_files(here: Row, there: Row) -> tuple[list[dict[str, str]], str]:
    """Return how the files of two pods (file_hashes of each) differ, as rows of what, here and there, and a sentence on what was compared.

    What is on a mount in one of them, or is the kubelet's, is left out, and so is that a file is in one only where of the other one
    not all was seen.
    """
    aside = (*OF_EACH_POD, *here["mounts"], *there["mounts"])
    ours, theirs = (
        {row["path"]: row for row in seen["files"] if not _is_below(row["path"], aside)} for seen in (here, there)
    )
    rows: list[dict[str, str]] = []
    unread = 0
    for path in sorted(ours.keys() | theirs.keys()):
        own, other = ours.get(path), theirs.get(path)
        if own is not None and other is not None:
            is_same = own["size"] == other["size"] and None not in (own["sha256"], other["sha256"])
            unread += own["size"] == other["size"] and not is_same
            differs = own["size"] != other["size"] or (is_same and own["sha256"] != other["sha256"])
        else:
            differs = (there if other is None else here)["is_complete"]
        if differs:
            rows.append({"what": _cut(path), "here": _said(own), "there": _said(other)})
    said = [f"{len(ours.keys() & theirs.keys())} files of /etc are in both, {len(rows)} of /etc differ"]
    said += [f"the first {MAX_TOLD} are told"] if len(rows) > MAX_TOLD else []
    said += [f"{unread} of the same size could not be read"] if unread else []
    said += ["not all could be seen"] if not (here["is_complete"] and there["is_complete"]) else []
    return rows[:MAX_TOLD], ", ".join(said)


def _is_below(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _said(row: Row | None) -> str:
    if row is None:
        return "none"
    return f"{row['size']} bytes" + (f", sha256 {row['sha256'][:12]}" if row["sha256"] else "")


def _cut(path: str) -> str:
    return path if len(path) <= MAX_NAME else f"{path[:MAX_NAME]}..."
