# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Facts that are read off others: of which, by what, and what makes one of them a part only.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._collect.pod_facts import (
    comparison,
    ephemeral_storage,
    limited_volumes,
    listeners,
    unserved_ports,
    zombies,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import holding

Row = Mapping[str, Any]
# where any process may write, in most images
TEMPORARY = ("/tmp/", "/var/tmp/", "/dev/shm/", "/run/", "/var/run/")  # noqa: S108 - nothing is written there
# Programs that bring code along as an archive and load it from a file of their own: PyInstaller, .NET, and libraries of Java's
# world that hold native code, by the names that they give to it.
UNPACKED = re.compile(
    r"/_MEI\w+/|/\.net/|/(lib)?(brotli|conscrypt|jansi|jffi|jna|lz4-java|netty|rocksdbjni|snappy|sqlite|zstd-jni)[^/]*\Z"
)

# what programs say that were not let write
NOT_WRITTEN = (
    *("permission denied", "not permitted", "read-only", "no space", "EACCES", "EPERM", "EROFS", "ENOSPC"),
    *("cannot write", "not writable", "cannot create"),
)
# ends that no place to write to would have changed
OTHER_ENDS = ("OOMKilled", "StartError", "ContainerCannotRun", "ContainerStatusUnknown", "Unknown")

# facts that are read off others
DERIVED = {
    "volumes": ("pod",),
    "owners": ("pod",),
    "container": ("pod",),
    "last_run": ("previous_log", "log"),
    "health": ("pod", "events", "previous_log", "log", "node"),
    "limited_volumes": ("pod", "big_folders"),
    "ephemeral_storage": ("pod", "big_folders", "layer"),
    "listeners": ("pod", "sockets", "held_sockets"),
    "unserved_ports": ("pod", "sockets"),
    "zombies": ("processes",),
    "comparison": ("pod", "siblings"),
    "deleted_share": ("disk_usage", "deleted_files"),
    "odd_code": ("loaded", "processes", "mounts"),
    "may_lack_a_place": ("container", "last_run", "places"),
}


def deleted_share(usage: Iterable[Row], deleted: Iterable[Row]) -> list[dict[str, Any]]:
    """Return what of each device is held by files that are deleted: device, use_percent, is_half: half of what is in use there, or more."""
    held: dict[str, int] = {}
    for file in deleted:
        if not file["in_memory"]:
            held[file["device"]] = held.get(file["device"], 0) + int(file["allocated"])
    fullest = {row["device"]: row for row in sorted(usage, key=lambda row: float(row["use_percent"]))}
    return [
        {"device": name, "use_percent": row["use_percent"], "is_half": 2 * held.get(name, 0) >= row["used"]}
        for name, row in fullest.items()
    ]


def odd_code(loaded: Row, processes: Iterable[Row], mounts: Iterable[Row]) -> dict[str, Any]:
    """Return what processes have loaded as code from elsewhere than their image: rows, unpacked (a number), told.

    Each of rows: pid, name, path, why (words), told (LD_PRELOAD, LD_AUDIT). A program's own file is none of them; what is known to be unpacked by
    its program is counted. told: name of each process that was started with such a variable, which can be all right.
    """
    known = {row["pid"]: row for row in processes}
    told: dict[int, list[str]] = {}
    for row in loaded["told"]:
        told.setdefault(row["pid"], []).append(row["name"])
    volumes = sorted(
        (row for row in mounts if row["point"] != "/"), key=lambda row: len(str(row["point"])), reverse=True
    )
    rows: list[dict[str, Any]] = []
    unpacked = 0
    for code in loaded["code"]:
        process = known.get(code["pid"])
        # it has ended since; its own file is judged as what it runs from
        if process is None or (why := _why_odd(code, volumes)) is None or code["path"] == process["exe"]:
            continue
        names = told.get(code["pid"], [])
        if not names and _is_unpacked(code["path"], process["exe"]):
            unpacked += 1
        else:
            about = {"pid": code["pid"], "name": process["name"], "uid": process["uid"]}
            rows.append({**about, "path": code["path"], "why": why, "told": names})
    return {"rows": rows, "unpacked": unpacked, "told": [known[pid]["name"] for pid in told if pid in known]}


def _why_odd(code: Row, volumes: Iterable[Row]) -> str | None:
    """Return why a file is not one that an image brings, in words; None where it may be."""
    path = str(code["path"])
    if path.startswith("/memfd:"):
        return "which is in no file system"
    if code["is_deleted"]:
        return "which is deleted"
    if path.startswith(TEMPORARY):
        return "a place for temporary files"
    mount = next((row for row in volumes if f"{path}/".startswith(f"{row['point']}/")), None)
    # what it may only read, as what a device's driver brings along, the container did not put there
    return (
        None if mount is None or mount["read_only"] else f"in {mount['point']}, which is mounted and can be written to"
    )


def _is_unpacked(path: str, exe: str) -> bool:
    is_java = exe.rpartition("/")[2] == "java" and path.startswith(TEMPORARY)
    return is_java or UNPACKED.search(path) is not None


def may_lack_a_place(container: Row, said: Iterable[str]) -> bool:
    """Return whether a container may have ended because it could not write: by itself, and without a last word or with one of that."""
    ended_by_itself = container["exit_code"] not in (None, 0) and not container["signal"]
    words = list(said)
    return (
        ended_by_itself
        and container["end_reason"] not in OTHER_ENDS
        and (not words or bool(holding(words, *NOT_WRITTEN)))
    )


def _of_listeners(facts: Mapping[str, Any]) -> tuple[str, ...]:
    # who holds which socket is asked in a node's network only
    return ("sockets", "held_sockets") if facts["pod"]["spec"].get("hostNetwork") else ("sockets",)


@dataclass(frozen=True, slots=True)
class Derivation:
    """How a fact is read off its sources. of: makes it; cut_by: returns the sources of which a part makes a part of it."""

    of: Callable[[Mapping[str, Any]], Any]
    cut_by: Callable[[Mapping[str, Any]], tuple[str, ...]]


# of volumes each says itself whether it was measured
DERIVATIONS: dict[str, Derivation] = {
    "limited_volumes": Derivation(
        lambda facts: limited_volumes(facts["volumes"], facts["big_folders"]["folders"]), lambda _facts: ()
    ),
    "ephemeral_storage": Derivation(
        lambda facts: ephemeral_storage(
            facts["pod"],
            facts["target"]["container"],
            facts["volumes"],
            facts["big_folders"]["folders"],
            facts["layer"]["allocated"],
        ),
        lambda _facts: (),
    ),
    "listeners": Derivation(
        lambda facts: listeners(facts["sockets"], facts["pod"], facts["held_sockets"]), _of_listeners
    ),
    "unserved_ports": Derivation(
        lambda facts: unserved_ports(facts["sockets"], facts["pod"], facts["target"]["container"]),
        lambda _facts: ("sockets",),
    ),
    "zombies": Derivation(lambda facts: zombies(facts["processes"]), lambda _facts: ("processes",)),
    "comparison": Derivation(
        lambda facts: comparison(
            facts["pod"], facts["target"]["container"], facts["siblings"], facts["target"].get("beside", ())
        ),
        lambda _facts: (),
    ),
    "deleted_share": Derivation(
        lambda facts: deleted_share(facts["disk_usage"], facts["deleted_files"]["files"]),
        lambda _facts: ("deleted_files",),
    ),
    "odd_code": Derivation(
        lambda facts: odd_code(facts["loaded"], facts["processes"], facts["mounts"]), lambda _facts: ("loaded",)
    ),
    "may_lack_a_place": Derivation(
        lambda facts: may_lack_a_place(facts["container"], facts["last_run"]), lambda _facts: ()
    ),
}
