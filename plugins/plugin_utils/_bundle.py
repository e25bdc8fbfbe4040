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
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ansible_collections.incident.distroless.plugins.plugin_utils._sums import SUMS
from ansible_collections.incident.distroless.plugins.plugin_utils._zst import decompressed

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

    texts are the bytes of those files that a bundle is judged by; size is of all files together.
    """

    files: dict[bytes, str] = field(default_factory=dict)
    links: dict[bytes, bytes] = field(default_factory=dict)
    others: list[bytes] = field(default_factory=list)
    texts: dict[bytes, bytes] = field(default_factory=dict)
    size: int = 0

    def add(self, name: bytes, file: IO[bytes]) -> None:
        """Hashes a file. Raises OSError, and ValueError for one that is too large for what it is."""
        sha256 = hashlib.sha256()
        text = bytearray()
        while piece := file.read(_CHUNK):
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
                content.add(name, file)
        else:
            content.others.append(name)
    return content


def read_archive(path: Path) -> Content:
    """The content of a tar.gz or tar.zst, read as a stream. Raises OSError and ValueError.

    Its members lie in one folder, whose name is left out; what lies elsewhere, or twice, is among the others.
    """
    content = Content()
    with decompressed(path) as stream, tarfile.open(fileobj=stream, mode="r|", format=tarfile.GNU_FORMAT) as archive:
        top: bytes | None = None
        for member in archive:
            first, _slash, name = os.fsencode(member.name).partition(b"/")
            top = first if top is None else top
            is_known = name in content.files or name in content.links
            if first != top or is_known or b".." in name.split(b"/"):
                content.others.append(os.fsencode(member.name))
            elif member.isreg():
                file = archive.extractfile(member)
                if file is not None:
                    content.add(name, file)
            elif member.issym():
                content.links[name] = os.fsencode(member.linkname)
            elif not member.isdir():
                content.others.append(name)
    return content
