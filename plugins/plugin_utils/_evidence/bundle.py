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
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.checksums import SUMS
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.compressed import decompressed
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.strict_tar import (
    DIRECTORY,
    FILE,
    LINK,
    Member,
    NoMember,
    members,
)

MANIFEST = "manifest.json"
LOG = "acquisition.jsonl"
SIGNATURE = f"{SUMS}.sig"
# the files that a bundle is judged by
_READ = {name.encode() for name in (MANIFEST, LOG, SIGNATURE, SUMS)}
_MAX_READ = 256 << 20
_CHUNK = 1 << 20


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
    """Everything below a folder but the directories, with its path below it, in the order of names. Raises OSError."""
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
    """A regular file, read without following a link of that name. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{os.fsdecode(path)!r} is no file")
        yield file


def read_folder(folder: Path) -> Content:
    """The content of a folder. Raises OSError and ValueError."""
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
    """The content of a tar.gz or tar.zst, read as a stream. Raises OSError and ValueError.

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
