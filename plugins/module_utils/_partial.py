# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A file while it is being written: a temporary name until it is complete and proven, nothing left if it never is.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ansible_collections.incident.distroless.plugins.module_utils._errors import Failure

TEMPORARY = re.compile(rb"\.incident-distroless\.[0-9a-f]{16}\.part")
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

# what stands in the way: renames over a directory, a link or a file where a directory must be
_CONFLICTS = {errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EEXIST, errno.ENOTEMPTY}
# what the next file will meet as well
_FINAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE}


class DestFailure(Failure):
    """A DestConflict or DestUnwritable. is_final: no other file could be written either, such as on a full disk."""

    def __init__(self, reason: str, message: str, *, is_final: bool = False, hint: str | None = None) -> None:
        super().__init__(reason, message, hint)
        self.is_final = is_final


@contextmanager
def explained(path: bytes) -> Iterator[None]:
    """Turns the operating system's errors about path into DestFailure."""
    try:
        yield
    except OSError as error:
        shown = path.decode("utf-8", "backslashreplace")
        if error.errno in _CONFLICTS:
            hint = "A directory, link or file of another kind is in its way; move it away or choose another dest."
            raise DestFailure("DestConflict", f"{shown}: {error.strerror}", hint=hint) from error
        raise DestFailure("DestUnwritable", f"{shown}: {error.strerror}", is_final=error.errno in _FINAL) from error


@dataclass(slots=True)
class Taken:
    """The files that this run has put in place.

    Two names that the file system takes for one (case, Unicode forms) are told by the inode that they share.
    """

    inodes: set[tuple[int, int]] = field(default_factory=set)

    def check(self, name: bytes, parent: int) -> None:
        """Raises DestFailure DestConflict when the name in the directory parent is one of them."""
        with suppress(FileNotFoundError):
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
            if (found.st_dev, found.st_ino) in self.inodes:
                shown = name.decode("utf-8", "backslashreplace")
                raise DestFailure(
                    "DestConflict",
                    f"another path of the target is already here as {shown}: this file system takes two names for one.",
                )

    def add(self, found: os.stat_result) -> None:
        """Notes a file."""
        self.inodes.add((found.st_dev, found.st_ino))


class Partial:
    """A file that is being written in the directory parent (a descriptor that this object does not own).

    path is shown in messages. Every method raises DestFailure. Without commit, close leaves nothing.
    """

    def __init__(self, parent: int, name: bytes, path: bytes, mode: int, taken: Taken) -> None:
        self._parent, self._name, self._path, self._mode, self._taken = parent, name, path, mode, taken
        self._sha256 = hashlib.sha256()
        self.length = 0
        with explained(path):
            self._temporary, self._descriptor = _create(parent)

    @property
    def sha256(self) -> str:
        """The sha256 of what was written so far, in hexadecimal."""
        return self._sha256.hexdigest()

    def write(self, data: bytes | memoryview) -> None:
        """Appends data."""
        left = memoryview(data)
        self._sha256.update(left)
        self.length += len(left)
        with explained(self._path):
            while left:
                left = left[os.write(self._descriptor, left) :]

    def commit(self, *, length: int, sha256: str | None, mtime_ns: int | None = None) -> None:
        """Gives the file its final name if it is `length` bytes long and has that sha256 (None: not known elsewhere).

        mtime_ns becomes the file's modification time: with `ls -l` alone a reader sees when the target wrote it.
        """
        if self.length != length or sha256 not in (None, self.sha256):
            raise DestFailure(
                "DestUnwritable",
                f"{self._path!r}: {self.length} bytes with sha256 {self.sha256} are not what was announced.",
            )
        with explained(self._path):
            os.fchmod(self._descriptor, self._mode)
            if mtime_ns is not None:
                # a time that this file system cannot hold is in the manifest
                with suppress(OSError, OverflowError):
                    os.utime(self._descriptor, ns=(mtime_ns, mtime_ns))
            self._taken.check(self._name, self._parent)
            os.replace(self._temporary, self._name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
            self._temporary = b""
            self._taken.add(os.fstat(self._descriptor))

    def close(self) -> None:
        """Ends the writing; what was not committed is removed."""
        os.close(self._descriptor)
        if self._temporary:
            with explained(self._path), suppress(FileNotFoundError):
                os.unlink(self._temporary, dir_fd=self._parent)


def _create(parent: int) -> tuple[bytes, int]:
    """A temporary file under a lock that ends with the process, so that sweep can tell the living from the dead."""
    while True:
        name = temporary_name()
        descriptor = os.open(name, _CREATE, 0o600, dir_fd=parent)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            # another task's sweep was faster
            os.close(descriptor)
            continue
        except OSError:
            # a file system without locks is never swept either
            return name, descriptor
        if os.fstat(descriptor).st_nlink:
            return name, descriptor
        os.close(descriptor)


def temporary_name() -> bytes:
    """A name that no file of a target gets: see TEMPORARY."""
    return b".incident-distroless.%s.part" % secrets.token_hex(8).encode()


def put_link(parent: int, name: bytes, text: bytes) -> None:
    """Puts a link in place of whatever has that name in the directory parent. Raises OSError."""
    temporary = temporary_name()
    os.symlink(text, temporary, dir_fd=parent)
    try:
        os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError:
        os.unlink(temporary, dir_fd=parent)
        raise


def sweep(parent: int) -> None:
    """Removes what a killed run left in the directory parent; the files of a running one are locked."""
    for name in filter(TEMPORARY.fullmatch, map(os.fsencode, os.listdir(parent))):
        with suppress(OSError):
            if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                continue
            descriptor = os.open(name, READ, dir_fd=parent)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(name, dir_fd=parent)
            finally:
                os.close(descriptor)
