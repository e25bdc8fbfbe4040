# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compressed streams on the controller: gzip by Python, zstd by the program of that name.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal

Codec = Literal["gz", "zst"]
_ZSTD_MAGIC = bytes.fromhex("28b52ffd")


def has_zstd() -> bool:
    """Return whether the program zstd is here."""
    return shutil.which("zstd") is not None


@contextmanager
def compressing(file: IO[bytes], codec: Codec) -> Iterator[IO[bytes]]:
    """Return a stream whose bytes are compressed into file. Raises OSError."""
    if codec == "gz":
        # without a time and a name: the same content is the same archive
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as stream:
            yield stream  # type: ignore[misc]
        return
    with _running(["zstd", "-q", "-c", "-6"], stdin=subprocess.PIPE, stdout=file) as process:
        if process.stdin is None:
            raise OSError("zstd has no pipe")
        with process.stdin:
            yield process.stdin
        _end(process)


@contextmanager
def decompressed(path: Path) -> Iterator[IO[bytes]]:
    """Return what is compressed in a file, as a stream, which is read to its end: what proves it stands there.

    Raises OSError, and EOFError, zlib.error or ValueError where that is what is wrong with it.
    """
    # without a buffer: the program reads on from where the descriptor stands
    with path.open("rb", buffering=0) as file:
        is_zstd = file.read(len(_ZSTD_MAGIC)) == _ZSTD_MAGIC
        file.seek(0)
        if not is_zstd:
            with gzip.GzipFile(fileobj=file, mode="rb") as stream:
                yield stream  # type: ignore[misc]
                _drain(stream)
            return
        if not has_zstd():
            raise ValueError("the program zstd is needed for this archive, and is not here")
        with _running(["zstd", "-q", "-d", "-c"], stdin=file, stdout=subprocess.PIPE) as process:
            if process.stdout is None:
                raise OSError("zstd has no pipe")
            yield process.stdout
            _drain(process.stdout)
            _end(process)


def _drain(stream: IO[bytes] | gzip.GzipFile) -> None:
    while stream.read(1 << 16):
        pass


@contextmanager
def _running(
    command: list[str], *, stdin: int | IO[bytes], stdout: int | IO[bytes]
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.wait():
        raise OSError(f"zstd ended with status {process.returncode}")
