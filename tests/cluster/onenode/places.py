# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where things are kept: what every checkout shares in the cache, and what belongs to the cluster of one checkout."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .say import Stop, heartbeat, say

SOURCES = Path(__file__).resolve().parents[1]
CHECKOUT = SOURCES.parents[1]
# The daemons see folders of their own there (see sandbox.py), which would hide a state folder below them.
HIDDEN = ("/run", "/var/run", "/var/lib", "/var/log")


@dataclass(frozen=True, slots=True)
class Places:
    """Folders of one cluster; `ident` tells the clusters of several checkouts apart in every name that the machine sees."""

    cache: Path
    ident: str
    published: Path  # .cluster in the checkout: what tests and people use
    release: str = ""  # an older Kubernetes, as in `1.29`; the empty one is that of go.mod

    @property
    def home(self) -> Path:
        """Survives `down`: the lock, and the addresses and ports that were given to this cluster."""
        return self.cache / "clusters" / self.ident

    @property
    def state(self) -> Path:
        """All that a running cluster writes; removed by `down`."""
        return self.home / "state"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def conf(self) -> Path:
        return self.state / "conf"

    @property
    def logs(self) -> Path:
        return self.state / "log"

    @property
    def kept_logs(self) -> Path:
        """The logs of the last start that failed."""
        return self.home / "failed-start"

    @property
    def pids(self) -> Path:
        return self.state / "pids"

    @property
    def audit_log(self) -> Path:
        return self.logs / "audit.log"

    @property
    def containerd_socket(self) -> Path:
        return self.state / "run" / "containerd.sock"

    @property
    def runc_root(self) -> Path:
        return self.state / "run" / "runc"

    @property
    def static_pods(self) -> Path:
        """The kubelet runs the pods whose manifests lie there."""
        return self.state / "static-pods"

    @property
    def cgroup(self) -> str:
        """The name of the cgroup, in each hierarchy, below which every process of the cluster lives."""
        return f"incident-distroless-{self.ident}"

    @property
    def bridge(self) -> str:
        return f"idl{self.ident[:10]}"  # the kernel allows 15 characters


def places(release: str = "") -> Places:
    base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().resolve()
    if not any(base.is_relative_to(folder) for folder in HIDDEN):
        whole = os.fsencode(CHECKOUT) + (f"\0{release}".encode() if release else b"")
        published = CHECKOUT / ".clusters" / release if release else CHECKOUT / ".cluster"
        return Places(base / "incident-distroless", hashlib.sha256(whole).hexdigest()[:12], published, release)
    raise Stop(
        f"the cluster's files cannot live below {base}; set XDG_CACHE_HOME to a folder outside of {', '.join(HIDDEN)}."
    )


@contextmanager
def locked(path: Path, waiting: str, *, with_children: bool = False) -> Iterator[None]:
    """Hold the lock file `path`; says `waiting` when another process has it. The kernel frees it when this process dies.

    `with_children`: programs started by `run` meanwhile hold it too, so that when this process is killed the next one waits for
    a child that still writes, instead of writing beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(waiting)
            with heartbeat():
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.set_inheritable(descriptor, with_children)
        yield
    finally:
        os.close(descriptor)


def made(path: Path, making: str, make: Callable[[Path], None]) -> Path:
    """`path`, a file or a folder, as `make` makes it: once, whole, and by one launcher at a time; `making` says what in words.

    `make` gets the path to fill, which is renamed when it is done; what a killed launcher left there is thrown away.
    """
    if path.exists():
        return path
    with locked(
        path.with_name(f".{path.name}.lock"), f"Another launcher is {making}; waiting for it.", with_children=True
    ):
        if not path.exists():
            fresh = path.with_name(f".{path.name}.making")
            if fresh.is_dir():
                shutil.rmtree(fresh)
            fresh.unlink(missing_ok=True)
            make(fresh)
            fresh.rename(path)
    return path


def write(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    """`path` with that content, never seen half-written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
    fresh.replace(path)
    return path
