# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mount namespace for the daemons: what they mount is seen by them alone, and gone with the last of them, however it ended.

It also answers to folders that are fixed in their code: /run (network namespaces, shims' sockets), /var/lib (kubelet, CNI) and
/var/log (pod logs) are private there, so nothing on the machine is touched and a tool that stacks mounts on /run/netns outside
cannot keep pods from ending.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from . import processes
from .places import Places
from .processes import Process
from .say import Stop

HOLDER = "namespace"
# The state folder by a path that any user may walk: a home directory is often closed, and a pod with a user namespace
# (hostUsers: false) reaches its root filesystem as a user that nobody knows.
STATE = Path("/run/cluster")
# Mounts made outside go on arriving (slave), and what is mounted inside is shared among the pods (shared), as kubelets expect it.
_SETUP = """
set -e
mount --make-rshared /
mount -t overlay overlay -o "lowerdir=/var/lib,upperdir=$1/varlib/upper,workdir=$1/varlib/work" /var/lib
mount --bind "$1/varlog" /var/log
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
mkdir -p /run/netns /run/lock /run/cluster
mount --bind "$1" /run/cluster
mount --make-private /run/cluster
mount --make-shared /run/cluster
: > "$1/namespace-ready"
exec sleep infinity
"""


def enter(places: Places, procs: Path) -> Process:
    """Start the process that holds the namespace; it stays until the cluster goes down."""
    for folder in ("varlib/upper", "varlib/work", "varlog", "run", "static-pods"):
        (places.state / folder).mkdir(parents=True, exist_ok=True)
    command = ["unshare", "--mount", "--propagation", "slave", "--", "sh", "-c", _SETUP, "sh", str(places.state)]
    log = places.logs / f"{HOLDER}.log"
    holder = processes.start(HOLDER, command, log, places.pids, procs)
    end = time.monotonic() + 10
    while not (places.state / "namespace-ready").exists():
        if not processes.alive(holder) or time.monotonic() > end:
            raise Stop(
                f"a mount namespace could not be set up:\n{processes.tail(log)}\n"
                "Inside a container this needs a privileged one, with the cache on a volume (overlay on overlay does not work)."
            )
        time.sleep(0.01)
    return holder


def inside(holder: Process, command: Sequence[str | Path]) -> list[str]:
    """The command line that runs `command` in the namespace."""
    return ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", "--", *map(str, command)]
