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
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure

TEMPORARY = re.compile(rb"\.incident-distroless\.[0-9a-f]{16}\.part")
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

# what file systems give room by
_BLOCK = 4096
_ZEROS = bytes(_BLOCK)

# what stands in the way: renames over a directory, a link or a file where a directory must be
_CONFLICTS = {errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EEXIST, errno.ENOTEMPTY}
# what the next file will meet as well
_FINAL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE}


class DestFailure(Failure):
    """A DestConflict or DestUnwritable. is_final: no other file could be written either, such as on a full disk."""

    def __init__(self, reason: str, message: str, *, is_final: bool = False, hint: str | None = None) -> None:
        super().__init__(reason, message, hint)
        self.is_final = is_final


class explained:  # noqa: N801 - a verb, as suppress is
    """Turns the operating system's errors about path into DestFailure, in a with statement."""

    # not a generator: each of ten thousand files enters several
    __slots__ = ("_path",)

    def __init__(self, path: bytes) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError):
            return
        shown = self._path.decode("utf-8", "backslashreplace")
        if error.errno in _CONFLICTS:
            hint = "A directory, link or file of another kind is in its way; move it away or choose another dest."
            raise DestFailure("DestConflict", f"{shown}: {error.strerror}.", hint=hint) from error
        raise DestFailure("DestUnwritable", f"{shown}: {error.strerror}.", is_final=error.errno in _FINAL) from error


@dataclass(slots=True)
class Taken:
    """The files that this run has put in place.

    Two names that the file system takes for one (case, Unicode forms) are told by the inode that they share. places has the
    directory and the name that a file was put at, by its inode.
    """

    places: dict[tuple[int, int], tuple[tuple[int, int], bytes]] = field(default_factory=dict)

    def check(self, name: bytes, parent: int) -> None:
        """Raises DestFailure DestConflict when the name in the directory parent is one of them."""
        try:
            found = _inode(os.stat(name, dir_fd=parent, follow_symlinks=False))
        except FileNotFoundError:
            return
        if found not in self.places:
            return
        directory, noted = self.places[found]
        with suppress(FileNotFoundError):
            # an inode is given again when another task has replaced the file that it was
            if directory == _inode(os.fstat(parent)) and found == _inode(
                os.stat(noted, dir_fd=parent, follow_symlinks=False)
            ):
                shown = name.decode("utf-8", "backslashreplace")
                raise DestFailure(
                    "DestConflict",
                    f"another path of the target is already here as {shown}: this file system takes two names for one.",
                )

    def add(self, found: os.stat_result, name: bytes, parent: int) -> None:
        """Notes a file that has the name in the directory parent."""
        self.places[_inode(found)] = (_inode(os.fstat(parent)), name)


def _inode(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def put_whole(
    parent: int, name: bytes, path: bytes, data: bytes, mode: int, taken: Taken, mtime_ns: int
) -> os.stat_result:
    """Puts a file of data in the directory parent, as a Partial that is committed at once; what it is then. Raises DestFailure.

    It lives too short to be locked: where another task's sweep takes it for a dead one's, it is written again.
    """
    with explained(path):
        while True:
            temporary = temporary_name()
            descriptor = os.open(temporary, _CREATE, 0o600, dir_fd=parent)
            try:
                at = 0
                while at < len(data):
                    at += os.pwrite(descriptor, data[at:], at)
                # a time that this file system cannot hold is in the manifest
                with suppress(OSError, OverflowError):
                    os.utime(descriptor, ns=(mtime_ns, mtime_ns))
                found = os.fstat(descriptor)
                if stat.S_IMODE(found.st_mode) != mode:
                    os.fchmod(descriptor, mode)
                taken.check(name, parent)
                with suppress(FileNotFoundError):
                    os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
                    temporary = b""
                    taken.add(found, name, parent)
                    return found
            finally:
                os.close(descriptor)
                if temporary:
                    with suppress(FileNotFoundError):
                        os.unlink(temporary, dir_fd=parent)


class Partial:
    """A file that is being written in the directory parent (a descriptor that is this object's own from now on).

    path is shown in messages; is_sparse leaves holes where blocks are all zeros. Every method raises DestFailure. As a
    context manager it is closed at the end; without commit nothing of it stays then.
    """

    def __init__(
        self, parent: int, name: bytes, path: bytes, mode: int, taken: Taken, *, is_sparse: bool = False
    ) -> None:
        self._parent, self._name, self._path, self._mode, self._taken = parent, name, path, mode, taken
        self._is_sparse = is_sparse
        self._sha256 = hashlib.sha256()
        self._digest: str | None = None
        self.length = 0
        try:
            with explained(path):
                self._temporary, self._descriptor, self._mode_now = _create(parent)
        except DestFailure:
            os.close(parent)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def sha256(self) -> str:
        """The sha256 of what was written so far, in hexadecimal."""
        if self._digest is None:
            self._digest = self._sha256.hexdigest()
        return self._digest

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Appends data."""
        view = memoryview(data)
        self._sha256.update(view)
        self._digest = None
        with explained(self._path):
            for start, end in _solid(view, self.length) if self._is_sparse else ((0, len(view)),):
                left, at = view[start:end], self.length + start
                while left:
                    written = os.pwrite(self._descriptor, left, at)
                    left, at = left[written:], at + written
        self.length += len(view)

    def commit(self, *, length: int, sha256: str | None, mtime_ns: int | None = None) -> os.stat_result:
        """Gives the file its final name if it is `length` bytes long and has that sha256 (None: not known elsewhere); what it is then.

        mtime_ns becomes the file's modification time: with `ls -l` alone a reader sees when the target wrote it.
        """
        if self.length != length or sha256 not in (None, self.sha256):
            raise DestFailure(
                "DestUnwritable",
                f"{self._path!r}: {self.length} bytes with sha256 {self.sha256} are not what was announced.",
            )
        with explained(self._path):
            if self._is_sparse:
                # a hole at the end is only there by the length
                os.ftruncate(self._descriptor, self.length)
            if self._mode != self._mode_now:
                os.fchmod(self._descriptor, self._mode)
            if mtime_ns is not None:
                # a time that this file system cannot hold is in the manifest
                with suppress(OSError, OverflowError):
                    os.utime(self._descriptor, ns=(mtime_ns, mtime_ns))
            self._taken.check(self._name, self._parent)
            os.replace(self._temporary, self._name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
            self._temporary = b""
            found = os.fstat(self._descriptor)
            self._taken.add(found, self._name, self._parent)
        return found

    def close(self) -> None:
        """Ends the writing; what was not committed is removed."""
        os.close(self._descriptor)
        try:
            if self._temporary:
                with explained(self._path), suppress(FileNotFoundError):
                    os.unlink(self._temporary, dir_fd=self._parent)
        finally:
            os.close(self._parent)


def _solid(view: memoryview, offset: int) -> Iterator[tuple[int, int]]:
    """From where to where in view there is something else than blocks of zeros; view begins at that offset of its file."""
    data = view.tobytes()
    start = None
    at = 0
    while at < len(data):
        end = min(len(data), at + _BLOCK - (offset + at) % _BLOCK)
        is_hole = data[at:end] == _ZEROS[: end - at]
        if is_hole and start is not None:
            yield start, at
            start = None
        elif not is_hole and start is None:
            start = at
        at = end
    if start is not None:
        yield start, at


def _create(parent: int) -> tuple[bytes, int, int | None]:
    """A temporary file under a lock that ends with the process, so that sweep can tell the living from the dead; its name, its
    descriptor, and its mode where that was looked at."""
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
            return name, descriptor, None
        found = os.fstat(descriptor)
        if found.st_nlink:
            return name, descriptor, stat.S_IMODE(found.st_mode)
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
