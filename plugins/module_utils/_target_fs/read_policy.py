# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be read of a target, judged by what is mounted where: secrets and the kernel's own file systems are left out.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ansible_collections.incident.distroless.plugins.module_utils._target_fs.mountinfo import Mount

Denial = Literal["Secret", "KernelFilesystem"]

# never walked, whatever is mounted there
KERNEL_PATHS = (b"/proc", b"/sys", b"/dev")
# and these nowhere, such as a node's /proc in a monitoring agent; tmpfs and overlay hold real files
_KERNEL_TYPES = set(
    "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nsfs proc pstore "
    "resctrl rpc_pipefs securityfs selinuxfs sysfs tracefs".split()
)
# these note a change in a file's times, that by mmap as well when the page is first written to or written back; tmpfs, network
# and user space file systems do not, or on a clock of their own (fs/*, page_mkwrite and file_update_time)
_STEADY_TYPES = set("btrfs erofs ext2 ext3 ext4 f2fs overlay squashfs xfs".split())
# an inode of these is one file's as long as it is mounted; network and user space file systems may give it to another one
_STABLE_TYPES = set("btrfs ext4 overlay tmpfs xfs".split())
# where runtimes and kubelets put credentials by convention, mounted or not
SECRET_PATHS = (b"/run/secrets", b"/var/run/secrets")
# what a kubelet calls the folders of its volumes (pkg/volume, GetPluginName with ~ for /): a pod that has the node's folders has those
# of all pods of the node. What is in memory among the others is what an injector keeps there.
_VOLUMES = b"/volumes/kubernetes.io~"
_OF_SECRETS = (b"/volumes/kubernetes.io~secret/", b"/volumes/kubernetes.io~projected/")
_IN_MEMORY = ("tmpfs", "ramfs")
# a tmpfs there is what the pod's processes share
_SHARED_MEMORY = b"/dev/shm"


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """The target's mounts by their points, those that are secret, the ids of those that may be read, what is not walked.
    Of what is on unsteady ones the times do not tell all that is written.

    hidden are the paths that count as secret wherever no mount of its own says otherwise. looked_at is what the target's clock
    said before anything was looked at: seconds since the epoch, 0 where nobody can tell.
    """

    points: Mapping[bytes, Mount]
    secret_ids: frozenset[int]
    readable_ids: frozenset[int]
    pruned: tuple[bytes, ...]
    hidden: tuple[bytes, ...]
    unsteady_ids: frozenset[int] = frozenset()
    looked_at: int = 0

    def denial(self, path: bytes) -> Denial | None:
        """Why the thing at path must be left out; path is absolute and normalized, no component of it is a link."""
        if is_below_any(path, self.hidden) or (self.hidden and any(one in path + b"/" for one in _OF_SECRETS)):
            return "Secret"
        if is_below_any(path, self.pruned) and not self._is_shared(path):
            return "KernelFilesystem"
        mount = self._mount_of(path)
        return "Secret" if mount is not None and mount.id in self.secret_ids else None

    def is_stable(self, path: bytes) -> bool:
        """Return whether an inode tells one file from another where path is, which is as in denial."""
        mount = self._mount_of(path)
        return mount is not None and mount.fstype in _STABLE_TYPES

    def denial_as_asked(self, path: bytes) -> Denial | None:
        """The same for a path as it was asked for, before anything is looked at."""
        if is_below_any(path, self.hidden):
            return "Secret"
        return "KernelFilesystem" if is_below_any(path, KERNEL_PATHS) and not self._is_shared(path) else None

    def _mount_of(self, path: bytes) -> Mount | None:
        return next((self.points[point] for point in upwards(path) if point in self.points), None)

    def _is_shared(self, path: bytes) -> bool:
        """Return whether it is in the memory that the pod's processes share."""
        mount = self.points.get(_SHARED_MEMORY)
        return mount is not None and mount.fstype == "tmpfs" and is_below(path, _SHARED_MEMORY)


def policy_of(
    mounts: Iterable[Mount], secret_paths: Iterable[bytes], *, include_secrets: bool, looked_at: int = 0
) -> ReadPolicy:
    """The policy of a target. secret_paths: where the pod's spec mounts secrets, with links in the target resolved."""
    # of several mounts at one point the last is the one that is seen
    points = {mount.point: mount for mount in mounts}
    kernel = {mount.point for mount in points.values() if mount.fstype in _KERNEL_TYPES}
    secret = set() if include_secrets else {*secret_paths}
    # by whatever way the same file system is reached; of one on a disk that would be the whole disk
    devices = {points[path].device for path in secret if path in points and points[path].fstype in _IN_MEMORY}
    secret_ids = frozenset(
        mount.id
        for point, mount in points.items()
        if point in secret
        or (mount.fstype in _IN_MEMORY and mount.device in devices)
        or (not include_secrets and _is_of_another_pod(mount))
    )
    return ReadPolicy(
        points=points,
        secret_ids=secret_ids,
        readable_ids=frozenset(mount.id for mount in points.values() if mount.point not in kernel) - secret_ids,
        unsteady_ids=frozenset(mount.id for mount in points.values() if mount.fstype not in _STEADY_TYPES),
        pruned=tuple(sorted({*KERNEL_PATHS, *(kernel - {b"/"})})),
        # a path that the spec names and that is no mount here is hidden by its name
        hidden=()
        if include_secrets
        else tuple(sorted({*SECRET_PATHS, *(path for path in secret if path not in points)})),
        looked_at=looked_at,
    )


def _is_of_another_pod(mount: Mount) -> bool:
    """Return whether a mount is a secret of some pod that is reached through the node's folders."""
    below = mount.point + b"/"
    return any(one in below for one in _OF_SECRETS) or (mount.fstype in _IN_MEMORY and _VOLUMES in below)


def is_below(path: bytes, above: bytes) -> bool:
    """Return whether path is above itself or something in it."""
    return path == above or path.startswith(above.rstrip(b"/") + b"/")


def is_below_any(path: bytes, above: tuple[bytes, ...]) -> bool:
    """Return whether path is one of above or something in one; asked several times of each of a hundred thousand paths."""
    return path.startswith(above) and any(is_below(path, one) for one in above)


def upwards(path: bytes) -> Iterator[bytes]:
    """A path and the directories that it is in, down to the root."""
    while len(path) > 1:
        yield path
        path = path.rpartition(b"/")[0]
    yield b"/"
