# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Containers as their node sees them, which is this machine: what happens to them from outside of their pod."""

from __future__ import annotations

import os
import signal
from pathlib import Path

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
