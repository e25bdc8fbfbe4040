# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers as their node sees them, which is this machine: what happens to them from outside of their pod."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

CGROUPS = Path("/sys/fs/cgroup")


def folders_of(container_id: str) -> list[Path]:
    """The cgroups of a container, as each of containerd's drivers names them."""
    found = [*CGROUPS.glob(f"**/{container_id}"), *CGROUPS.glob(f"**/cri-containerd-{container_id}.scope")]
    assert found, f"no cgroup of {container_id}"
    return found


def processes_of(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "cgroup.procs").read_text(encoding="ascii").split()]


def leave_its_cgroups(container_id: str) -> None:
    """Moves a container's processes up into its pod's own cgroups: nothing names the container then."""
    for folder in folders_of(container_id):
        for pid in processes_of(folder):
            (folder.parent / "cgroup.procs").write_text(str(pid), encoding="ascii")


def end_container(container_id: str) -> None:
    """Tells a container's processes to end; its kubelet starts it again."""
    for pid in {pid for folder in folders_of(container_id) for pid in processes_of(folder)}:
        os.kill(pid, signal.SIGTERM)


@contextmanager
def limited(pod_uid: str, kind: Literal["pids", "memory"], room: int) -> Iterator[None]:
    """Leaves a pod room for so many processes, or bytes, beside what it has now."""
    names = {"pids": ("pids.max", "pids.current"), "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes")}
    if not (CGROUPS / kind).is_dir():
        names["memory"] = ("memory.max", "memory.current")
    limit, used = names[kind]
    (folder,) = {path.parent for path in CGROUPS.glob(f"**/*pod{pod_uid}*/{limit}")}
    before = (folder / limit).read_text(encoding="ascii")
    if kind == "memory":
        _drop_what_was_read(folder)
    (folder / limit).write_text(str(int((folder / used).read_text(encoding="ascii")) + room), encoding="ascii")
    try:
        yield
    finally:
        (folder / limit).write_text(before, encoding="ascii")


def _drop_what_was_read(group: Path) -> None:
    """Has the kernel take back the pages of files, for which there is always room."""
    if (group / "memory.force_empty").exists():
        (group / "memory.force_empty").write_text("0", encoding="ascii")
        return
    try:
        (group / "memory.reclaim").write_text("1G", encoding="ascii")
    except OSError as error:
        # it could not find as much
        if error.errno != errno.EAGAIN:
            raise


@contextmanager
def killing(container_id: str, program: str, folder: str) -> Iterator[list[int]]:
    """Kills the first process of a container that is called so and works in a folder of that name; gives its pid."""
    killed: list[int] = []
    is_over = threading.Event()
    group = folders_of(container_id)[0]

    def watch() -> None:
        while not killed and not is_over.is_set():
            for pid in processes_of(group):
                if is_at_work(pid, program, folder):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    return

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield killed
    finally:
        is_over.set()
        watching.join()


def is_at_work(pid: int, program: str, folder: str) -> bool:
    """Return whether a process is called so, which busybox's tools are whose command line is their shell's, and works there."""
    process = Path("/proc", str(pid))
    try:
        name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
        return name == program and (process / "cwd").readlink().name == folder
    except (FileNotFoundError, ProcessLookupError):
        return False
