# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packs a bundle's folder into one archive, as a stream: links stay links, and nothing outside is read.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path
from typing import IO

from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import link_stays_inside
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import opened, walk
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.compressed import (
    Codec,
    compressing,
    has_zstd,
)


def packed(folder: Path, wanted: str) -> dict[str, str | None]:
    """Packs folder into an archive beside it; the keys archive and archive_sha256 of a result. wanted: auto, gz, zst or none.

    Raises OSError and ValueError.
    """
    if wanted == "none":
        return {"archive": None, "archive_sha256": None}
    codec: Codec = "zst" if wanted == "zst" or (wanted == "auto" and has_zstd()) else "gz"
    path = folder.with_name(f"{folder.name}.tar.{codec}")
    pack(folder, path, codec)
    with path.open("rb") as file:
        return {"archive": str(path), "archive_sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def pack(folder: Path, archive: Path, codec: Codec) -> None:
    """Packs folder, under its own name, into archive, which gets its name when it is complete.

    Raises OSError, and ValueError for what no archive of a bundle may hold: a link that leads out, a pipe, a device.
    """
    partial = archive.with_name(f".{archive.name}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file, compressing(file, codec) as stream:
            _write(folder, stream)
        partial.replace(archive)
    finally:
        partial.unlink(missing_ok=True)


def _write(folder: Path, stream: IO[bytes]) -> None:
    # GNU's format holds names of any bytes and any length, and every tar reads it
    with tarfile.open(
        fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for name, entry in walk(folder):
            inside = os.fsencode(folder.name) + b"/" + name
            if entry.is_symlink():
                text = os.readlink(entry.path)  # noqa: PTH115 - names are bytes
                if not link_stays_inside(tuple(name.split(b"/")), text, 0):
                    raise ValueError(f"the link {os.fsdecode(name)!r} leads out of the bundle")
                member = _member(inside, entry.stat(follow_symlinks=False))
                member.type, member.linkname = tarfile.SYMTYPE, os.fsdecode(text)
                archive.addfile(member)
                continue
            with opened(entry.path) as file:
                found = os.fstat(file.fileno())
                member = _member(inside, found)
                member.size = found.st_size
                archive.addfile(member, file)


def _member(name: bytes, found: os.stat_result) -> tarfile.TarInfo:
    """Return a member that its owner alone can read and that belongs to nobody in particular."""
    member = tarfile.TarInfo(os.fsdecode(name))
    member.mtime = int(found.st_mtime)
    member.mode = 0o600
    return member
