# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies in a bundle: hashes of its files, where its links lead, and what else there is; from a folder or from an archive.

Nothing is followed and nothing is unpacked. Names are bytes: they come from a target that may lie.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.checksums import SUMS
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.compressed import decompressed

FILE, HARD_LINK, LINK, DIRECTORY = b"0", b"1", b"2", b"5"
# devices and a pipe, which have no data either
_WITHOUT_DATA = (HARD_LINK, LINK, b"3", b"4", DIRECTORY, b"6")
_LONG_NAME, _LONG_LINK = b"L", b"K"

_BLOCK = 512
_MAGIC = b"ustar  \0"
_MAX_NAME = 1 << 20
_CHUNK = 1 << 20


class NoMember(ValueError):
    """Why an archive is not read any further, as a sentence."""


@dataclass(frozen=True, slots=True)
class Member:
    """kind is its type flag, link what a link leads to, size in bytes. pieces is its data, and gone when the next member is taken."""

    kind: bytes
    name: bytes
    link: bytes
    size: int
    pieces: Iterator[bytes]


def members(stream: IO[bytes]) -> Iterator[Member]:
    """Return the members of an archive. Raises OSError, and NoMember where something else stands, or where data stand behind the end."""
    long: dict[bytes, bytes] = {}
    while any(header := _block(stream)):
        kind, size = _kind(header), _size(header)
        if kind in (_LONG_NAME, _LONG_LINK):
            if kind in long:
                raise NoMember("The archive has two long names for one member.")
            long[kind] = _long(stream, size)
            continue
        if kind != FILE and (kind not in _WITHOUT_DATA or size):
            raise NoMember(f"The archive has a member of the kind {kind!r} with {size} bytes; a bundle has none.")
        name = long.pop(_LONG_NAME, _text(header[:100]))
        pieces = _pieces(stream, size)
        yield Member(kind, name, long.pop(_LONG_LINK, _text(header[157:257])), size, pieces)
        _drain(pieces)
    if long:
        raise NoMember("The archive has a long name for no member.")
    if any(_block(stream)):
        raise NoMember("The archive goes on behind its end.")
    while rest := stream.read(_CHUNK):
        if any(rest):
            raise NoMember("The archive goes on behind its end.")


def _drain(pieces: Iterator[bytes]) -> None:
    for _piece in pieces:
        pass


def _exactly(stream: IO[bytes], size: int) -> bytes:
    found = stream.read(size)
    if len(found) != size:
        raise NoMember("The archive ends before its end.")
    return found


def _block(stream: IO[bytes]) -> bytes:
    return _exactly(stream, _BLOCK)


def _kind(header: bytes) -> bytes:
    """Return the type flag of a header. Raises NoMember for what is no header."""
    checksum = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if header[148:156] != b"%06o\0 " % checksum:
        raise NoMember(
            "The archive has something in place of a member's header, and what stands behind it was not read."
        )
    if header[257:265] != _MAGIC or any(header[345:]):
        raise NoMember(
            "The archive is not in GNU tar's format, which evidence_seal writes: unpack it, and check the folder."
        )
    return header[156:157]


def _size(header: bytes) -> int:
    field = header[124:136]
    if re.fullmatch(rb"[0-7]{11}\0", field):
        return int(field[:11], 8)
    if field[0] == 0x80:
        return int.from_bytes(field[1:])
    raise NoMember("The archive has a member whose size is not understood.")


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _long(stream: IO[bytes], size: int) -> bytes:
    """Return a name that has no place in a header."""
    if size > _MAX_NAME:
        raise NoMember(f"The archive has a name of {size} bytes.")
    name, end, rest = b"".join(_pieces(stream, size)).partition(b"\0")
    if not end or rest:
        raise NoMember("The archive has a long name that is not understood.")
    return name


def _pieces(stream: IO[bytes], size: int) -> Iterator[bytes]:
    for begin in range(0, size, _CHUNK):
        yield _exactly(stream, min(_CHUNK, size - begin))
    if any(_exactly(stream, -size % _BLOCK)):
        raise NoMember("The archive has data between its members.")


MANIFEST = "manifest.json"
LOG = "acquisition.jsonl"
SIGNATURE = f"{SUMS}.sig"
# the files that a bundle is judged by
_READ = {name.encode() for name in (MANIFEST, LOG, SIGNATURE, SUMS)}
_MAX_READ = 256 << 20


@dataclass(slots=True)
class Content:
    """Paths below the bundle: files with their hashes, links with their texts, and what is neither (nor a directory).

    texts are the bytes of those files that a bundle is judged by; size is of all files together; fault says why an archive was not read
    to its end, "" where it was.
    """

    files: dict[bytes, str] = field(default_factory=dict)
    links: dict[bytes, bytes] = field(default_factory=dict)
    others: list[bytes] = field(default_factory=list)
    texts: dict[bytes, bytes] = field(default_factory=dict)
    size: int = 0
    fault: str = ""

    def add(self, name: bytes, pieces: Iterable[bytes]) -> None:
        """Hashes a file. Raises OSError, and ValueError for one that is too large for what it is."""
        sha256 = hashlib.sha256()
        text = bytearray()
        for piece in pieces:
            sha256.update(piece)
            self.size += len(piece)
            if name in _READ:
                text += piece
                if len(text) > _MAX_READ:
                    raise ValueError(f"{name.decode()} is larger than {_MAX_READ} bytes")
        self.files[name] = sha256.hexdigest()
        if name in _READ:
            self.texts[name] = bytes(text)


def walk(folder: Path) -> Iterator[tuple[bytes, os.DirEntry[bytes]]]:
    """Return everything below a folder but the directories, with its path below it, in the order of names. Raises OSError."""
    waiting = [b""]
    while waiting:
        below = waiting.pop()
        with os.scandir(b"/".join((os.fsencode(folder), below))) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            name = below + entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append(name + b"/")
            else:
                yield name, entry


@contextmanager
def opened(path: bytes) -> Iterator[IO[bytes]]:
    """Return a regular file, read without following a link of that name. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{os.fsdecode(path)!r} is no file")
        yield file


def read_folder(folder: Path) -> Content:
    """Return the content of a folder. Raises OSError and ValueError."""
    content = Content()
    for name, entry in walk(folder):
        if entry.is_symlink():
            content.links[name] = os.readlink(entry.path)  # noqa: PTH115 - names are bytes
        elif entry.is_file(follow_symlinks=False):
            with opened(entry.path) as file:
                content.add(name, iter(partial(file.read, _CHUNK), b""))
        else:
            content.others.append(name)
    return content


def read_archive(path: Path) -> Content:
    """Return the content of a tar.gz or tar.zst, read as a stream. Raises OSError and ValueError.

    Its members lie in one folder, whose name is left out; what lies elsewhere, or twice, is among the others.
    """
    content = Content()
    top: bytes | None = None
    with decompressed(path) as stream:
        try:
            for member in members(stream):
                top = member.name.partition(b"/")[0] if top is None else top
                _take(content, member, top)
        except NoMember as error:
            if top is None:
                raise
            content.fault = str(error)
    return content


def _take(content: Content, member: Member, top: bytes) -> None:
    """Adds a member. One file must not have two names: of a name that is taken, unpacking leaves what comes last."""
    first, _slash, inside = member.name.partition(b"/")
    name = inside.removesuffix(b"/") if member.kind == DIRECTORY else inside
    if first != top or first in (b"", b".."):
        content.others.append(member.name)
    elif member.kind == DIRECTORY and not name:
        return
    elif name in content.files or name in content.links or not {b"", b".", b".."}.isdisjoint(name.split(b"/")):
        content.others.append(member.name)
    elif member.kind == FILE:
        content.add(name, member.pieces)
    elif member.kind == LINK:
        content.links[name] = member.link
    elif member.kind != DIRECTORY:
        content.others.append(name)
