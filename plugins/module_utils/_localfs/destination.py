# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The directory on this host that files are brought to; with _partial, the only code that writes files here.

Names come from a target that may lie, and others may write at dest at the same time. So every step below dest goes from
directory descriptor to directory descriptor and follows no link, and a file gets its final name by a rename when it is
complete and proven. What a rename replaces is the name, never what a link of that name points to.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Self

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.sizes import show_size
from ansible_collections.incident.distroless.plugins.module_utils._localfs.partial_file import (
    READ,
    TEMPORARY,
    DestFailure,
    Partial,
    Taken,
    explained,
    put_link,
    put_whole,
    sweep,
)

# where something lies below dest: the names of its directories and its own, as bytes
Place = tuple[bytes, ...]

# with less room than this a disk counts as full, with more there may be room for other files
_FULL = 16 << 20
# of a file that is hashed
_PIECE = 64 << 10
# whether so few bytes fit is seen as soon by writing them
_LITTLE = 64 << 10
# what a folder that is never changed again has, and what a case has, of one role or of several with a folder each
SEAL, RECORD = "SHA256SUMS", "case.json"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def check_place(place: Place) -> None:
    """Raises Failure InvalidRequest or DestConflict for names that cannot be, or must not be, created as they are."""
    for name in place:
        if name in (b"", b".", b"..") or b"/" in name or b"\0" in name or len(name) > 255:
            raise Failure(
                "InvalidRequest",
                f"{name[:300]!r} is no name that a file can have.",
                "No kernel gives such a name: the answer came from something else.",
            )
        if name.startswith(b".") and TEMPORARY.fullmatch(name):
            raise DestFailure(
                "DestConflict", f"{name.decode()} is a name that files have here while they are being written."
            )
    if not place:
        raise DestFailure("DestConflict", "dest itself is a directory; no file can take its place.")


def link_stays_inside(place: Place, text: bytes, floor: int) -> bool:
    """Return whether a link at place with that text can only lead below the first `floor` directories of place.

    `..` counts at the text's beginning only: there it climbs real directories. After a name it would climb from wherever
    that name leads if it is a link itself, and two links that look harmless could lead out together.
    """
    names = text.split(b"/")
    climbs = next((count for count, name in enumerate(names) if name not in (b"..", b".", b"")), len(names))
    climbed = names[:climbs].count(b"..")
    is_sound = bool(text) and not text.startswith(b"/") and b"\0" not in text and len(text) < 4096
    return is_sound and b".." not in names[climbs:] and climbed <= len(place) - 1 - floor


def refuse_sealed(path: str) -> None:
    """Raise Failure CaseSealed where path is a sealed case or a role's sealed folder in one, or is below it."""
    # what cannot be looked at is for the opening to say
    with suppress(OSError, ValueError, RuntimeError):
        real = Path(path).resolve()
        for folder in (real, *real.parents):
            if (folder / SEAL).is_file() and ((folder / RECORD).is_file() or _is_of_a_role(folder)):
                shown = os.fsencode(folder).decode("utf-8", "backslashreplace")
                raise Failure("CaseSealed", f"{shown} is sealed, and a sealed bundle is never changed.")


def _is_of_a_role(folder: Path) -> bool:
    """Return whether the case around folder notes it as a role's own. Raises OSError where there is none."""
    with suppress(ValueError, TypeError, LookupError, RecursionError):
        looks = json.loads((folder.parent / RECORD).read_bytes())["looks"]
        return folder.name in [look["folder"] for look in looks]
    return False


class Dest:
    """The directory that the user named, and everything below it. For one thread; each target has its own.

    path may lead through links, for it is the user's own; nothing below it may. With is_check nothing is created, and
    what is not there yet reads as empty. What writes raises Failure DestConflict, DestUnwritable or InvalidRequest; none is made
    in a sealed case (CaseSealed).
    """

    def __init__(
        self, path: str, *, file_mode: int = 0o600, directory_mode: int = 0o700, is_check: bool = False
    ) -> None:
        absolute = Path(path).absolute()
        self.path = os.fsencode(absolute)
        self._file_mode, self._directory_mode = file_mode, directory_mode
        self._taken = Taken()
        self._swept: set[tuple[int, int]] = set()
        self._parent: tuple[Place, int] | None = None
        self._is_swept = False
        self._root: int | None = None
        refuse_sealed(path)
        with explained(self.path):
            if not is_check:
                _make_directories(absolute, directory_mode)
            with suppress(FileNotFoundError):
                self._root = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._forget_parent()
        if self._root is not None:
            os.close(self._root)
            self._root = None

    def full(self, place: Place) -> bytes:
        """The path of a place as a user of this host writes it."""
        return b"/".join((self.path.rstrip(b"/"), *place))

    def directory(self, place: Place) -> bool:
        """Makes sure that a directory is there; whether it had to be made."""
        check_place(place)
        with explained(self.full(place)):
            made, descriptor = _enter(self._open_parent(place[:-1], is_made=True), place[-1], self._directory_mode)
            os.close(descriptor)
            return made

    def writer(self, place: Place, size_hint: int = 0, *, is_sparse: bool = False) -> Partial:
        """A file to write and commit, as a context manager; without a commit nothing of it stays. size_hint: bytes that it
        takes on the disk; is_sparse: what is all zeros need not take any."""
        # of ten thousand files in one directory that one is looked at once
        is_known = self._parent is not None and self._parent[0] == place[:-1]
        check_place(place[-1:] if is_known else place)
        path = self.full(place)
        with explained(path):
            # its own descriptor: others may be asked for while this file is being written
            parent = os.dup(self._open_parent(place[:-1], is_made=True))
        try:
            if size_hint > _LITTLE:
                _check_room(parent, size_hint, path)
        except DestFailure:
            os.close(parent)
            raise
        return Partial(parent, place[-1], path, self._file_mode, self._taken, is_sparse=is_sparse)

    def put(self, place: Place, data: bytes, mtime_ns: int) -> os.stat_result:
        """Puts a small file in place at once; what it is then. As writer, write and commit, which cost more than most small files."""
        is_known = self._parent is not None and self._parent[0] == place[:-1]
        check_place(place[-1:] if is_known else place)
        path = self.full(place)
        with explained(path):
            parent = self._open_parent(place[:-1], is_made=True)
        return put_whole(parent, place[-1], path, data, self._file_mode, self._taken, mtime_ns)

    def link(self, place: Place, text: bytes, floor: int) -> bool:
        """Makes sure that a link with that text is there; whether it had to be made. floor as in link_stays_inside."""
        check_place(place)
        if not link_stays_inside(place, text, floor):
            raise DestFailure("DestConflict", f"a link to {text!r} could lead out of dest.")
        with explained(self.full(place)):
            parent = self._open_parent(place[:-1], is_made=True)
            if self.holds_link(place, text):
                return False
            self._taken.check(place[-1], parent)
            put_link(parent, place[-1], text)
            return True

    def claim(self, place: Place) -> None:
        """Notes that the file at place stays as it is, so that no other path of this run may replace it."""
        with explained(self.full(place)):
            parent = self._open_parent(place[:-1], is_made=False)
            self._taken.check(place[-1], parent)
            self._taken.add(os.stat(place[-1], dir_fd=parent, follow_symlinks=False), place[-1], parent)

    def holds_directory(self, place: Place) -> bool:
        """Return whether a real directory is at place."""
        with suppress(OSError):
            self._open_parent(place, is_made=False)
            return True
        return False

    def holds_link(self, place: Place, text: bytes) -> bool:
        """Return whether a link with that text is at place."""
        with suppress(OSError):
            return os.readlink(place[-1], dir_fd=self._open_parent(place[:-1], is_made=False)) == text
        return False

    def facts(self, place: Place) -> tuple[int, int, int] | None:
        """Size in bytes, modification time in nanoseconds and inode of the regular file at place; None if there is none."""
        with suppress(OSError):
            found = os.stat(place[-1], dir_fd=self._open_parent(place[:-1], is_made=False), follow_symlinks=False)
            return (found.st_size, found.st_mtime_ns, found.st_ino) if stat.S_ISREG(found.st_mode) else None
        return None

    def read(self, place: Place) -> BufferedReader | None:
        """The regular file at place, opened; None if there is none or it cannot be read."""
        descriptor = self._open_file(place)
        return None if descriptor is None else os.fdopen(descriptor, "rb")

    def digest(self, place: Place) -> str | None:
        """The sha256 of the regular file at place, in hexadecimal; None if there is none or it cannot be read."""
        descriptor = self._open_file(place)
        if descriptor is None:
            return None
        seen = hashlib.sha256()
        try:
            # hashlib.file_digest takes 256 KiB of memory for each of ten thousand small files
            while piece := os.read(descriptor, _PIECE):
                seen.update(piece)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return seen.hexdigest()

    def _open_file(self, place: Place) -> int | None:
        with suppress(OSError):
            descriptor = os.open(place[-1], READ, dir_fd=self._open_parent(place[:-1], is_made=False))
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return descriptor
            os.close(descriptor)
        return None

    def _open_parent(self, place: Place, *, is_made: bool) -> int:
        """The descriptor of a directory below dest; it stays open until another is asked for. Raises OSError."""
        if self._root is None:
            raise FileNotFoundError(2, "No such directory", self.path)
        if self._parent is None or self._parent[0] != place:
            descriptor = os.dup(self._root)
            try:
                for name in place:
                    above = descriptor
                    try:
                        _made, descriptor = _enter(above, name, self._directory_mode if is_made else None)
                    finally:
                        if descriptor != above:
                            os.close(above)
            except OSError:
                os.close(descriptor)
                raise
            self._forget_parent()
            self._parent, self._is_swept = (place, descriptor), False
        if is_made and not self._is_swept:
            self._sweep_once(self._parent[1])
            self._is_swept = True
        return self._parent[1]

    def _forget_parent(self) -> None:
        if self._parent is not None:
            os.close(self._parent[1])
            self._parent = None

    def _sweep_once(self, parent: int) -> None:
        found = os.fstat(parent)
        if (found.st_dev, found.st_ino) not in self._swept:
            self._swept.add((found.st_dev, found.st_ino))
            sweep(parent)


def _enter(parent: int, name: bytes, mode: int | None) -> tuple[bool, int]:
    """Return whether a directory had to be made (with mode; None: never), and its descriptor. Raises OSError."""
    try:
        return False, os.open(name, _DIRECTORY, dir_fd=parent)
    except FileNotFoundError:
        if mode is None:
            raise
    # another thread or task may make the same one at this moment
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
    os.fchmod(descriptor, mode)
    return True, descriptor


def _make_directories(path: Path, mode: int) -> None:
    """mkdir -p with one mode for all that it makes, whatever the umask. Raises OSError."""
    if path.is_dir():
        return
    if path.parent != path:
        _make_directories(path.parent, mode)
    try:
        path.mkdir(0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        path.chmod(mode)


def _check_room(parent: int, size: int, path: bytes) -> None:
    """Says that the disk is too full before bytes are moved for nothing."""
    with explained(path):
        found = os.fstatvfs(parent)
    room = found.f_bfree * found.f_frsize
    # some file systems say 0 because they do not know
    if size > room > 0:
        shown = path.decode("utf-8", "backslashreplace")
        message = f"{shown}: {show_size(size)} do not fit in the {show_size(room)} that are free."
        raise DestFailure("DestUnwritable", message, is_final=room < _FULL)
