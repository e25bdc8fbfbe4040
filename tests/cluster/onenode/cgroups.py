# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cgroups of one cluster. Whatever it starts stays below them, so they also say which processes to end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .processes import reap, wait_for_reaping
from .say import Stop

KUBELETS = frozenset({"cpu", "cpuset", "hugetlb", "memory", "pids"})


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """A mounted cgroup hierarchy; with cgroup v1 there are several, one for some controllers each."""

    mount: Path
    version: int
    controllers: frozenset[str]


def hierarchies() -> tuple[Hierarchy, ...]:
    """Every hierarchy mounted whole, as this process sees them."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        front, _dash, back = line.partition(" - ")
        root, mount = front.split()[3:5]
        kind, _source, options = back.split()[:3]
        if kind in ("cgroup", "cgroup2") and root == "/":
            found[mount] = Hierarchy(Path(mount), 2 if kind == "cgroup2" else 1, frozenset(options.split(",")))
    return tuple(found.values())


def unified() -> bool:
    """Return whether this machine has cgroup v2 alone (else Kubernetes uses v1, also where v2 is mounted beside it)."""
    return any(h.version == 2 and h.mount == Path("/sys/fs/cgroup") for h in hierarchies())


def create(name: str) -> Path:
    """Make the cgroup `name` in each hierarchy; returns the cgroup.procs of the one that the daemons belong in."""
    every = hierarchies()
    if not every:
        raise Stop("no cgroup file system is mounted here; Kubernetes cannot run without.")
    for hierarchy in every:
        if hierarchy.version == 2:
            _pass_on_controllers(hierarchy.mount)
        folder = hierarchy.mount / name
        folder.mkdir(exist_ok=True)
        if hierarchy.version == 1 and "cpuset" in hierarchy.controllers:
            for what in ("cpuset.cpus", "cpuset.mems"):  # v1 starts them empty, and empty ones take no process
                (folder / what).write_text((hierarchy.mount / what).read_text(encoding="ascii"), encoding="ascii")
    procs = daemons(name)
    procs.parent.mkdir(exist_ok=True)
    return procs


def daemons(name: str) -> Path:
    """The cgroup.procs that the daemons of the cgroup `name` belong in."""
    every = hierarchies()
    home = next((h for h in every if unified() or "pids" in h.controllers), every[0])
    # a leaf of its own: with v2 a cgroup that has children with controllers may have no members
    return home.mount / name / "daemons" / "cgroup.procs"


def _pass_on_controllers(mount: Path) -> None:
    """With v2 the kubelet wants each controller that it uses in its own root; those that are here already are passed on by the system."""
    here = (mount / "cgroup.controllers").read_text(encoding="ascii").split()
    for controller in sorted(KUBELETS.intersection(here)):
        (mount / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")


def folders(name: str) -> Iterator[Path]:
    """Every cgroup at and below `name`, the innermost first."""
    for hierarchy in hierarchies():
        for folder, _inner, _files in os.walk(hierarchy.mount / name, topdown=False):
            yield Path(folder)


def members(name: str) -> frozenset[int]:
    found: set[int] = set()
    for folder in folders(name):
        with suppress(OSError):
            found.update(map(int, (folder / "cgroup.procs").read_text(encoding="ascii").split()))
    return frozenset(found)


def kill(name: str, seconds: float = 20.0) -> None:
    """End every process at and below the cgroup `name`."""
    end = time.monotonic() + seconds
    killed: set[int] = set()
    while pids := members(name):
        if time.monotonic() > end:
            raise Stop(f"these processes of the cluster do not end: {', '.join(map(str, sorted(pids)))}.")
        for folder in folders(name):
            with suppress(OSError):  # a frozen process of v1 takes no signal
                (folder / "freezer.state").open("r+", encoding="ascii").write("THAWED")
        for pid in pids:
            _kill_member(name, pid)
        killed |= pids
        reap()
        time.sleep(0.02)
    wait_for_reaping(killed)


def _kill_member(name: str, pid: int) -> None:
    """The pidfd is opened before the membership is checked, so the signal can meet no later process of the same pid."""
    with suppress(ProcessLookupError, FileNotFoundError):
        descriptor = os.pidfd_open(pid)
        try:
            paths = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines()
            if any(f"/{name}/" in f"{path}/" for path in paths):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)


def remove(name: str, seconds: float = 10.0) -> None:
    """Remove the cgroup `name` and all below it. The kernel lets go of a cgroup a moment after its last process."""
    end = time.monotonic() + seconds
    while left := list(folders(name)):
        for folder in left:
            with suppress(OSError):
                folder.rmdir()
        if time.monotonic() > end:
            raise Stop(f"these cgroups cannot be removed: {', '.join(map(str, folders(name)))}.")
        time.sleep(0.02)
