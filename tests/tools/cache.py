# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The place outside the checkout where set-up is kept, safe against runs side by side and runs killed half-way."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .say import Stop, say

CHECKOUT = Path(__file__).resolve().parents[2]
MAKING, MADE = ".incident-distroless-making", ".incident-distroless-made"


def root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "incident-distroless"


def own() -> Path:
    """The part of the cache that belongs to this checkout alone."""
    folder = root() / "checkouts" / hashlib.sha256(os.fsencode(CHECKOUT)).hexdigest()[:12]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(path: Path, waiting: str, *, inherited: bool = True) -> Iterator[None]:
    """Hold the lock of `path`; says `waiting` when another process has it.

    Set-up commands that are started meanwhile hold it too, if `inherited`. So when this process is killed, the next run waits
    for a child that still writes, instead of writing beside it.
    """
    lock = root() / "locks" / hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(waiting)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.set_inheritable(descriptor, inherited)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def made(folder: Path, stamp: str, doing: str, make: Callable[[Path], None]) -> Path:
    """`folder` as `make` fills it, made only when it is not there already, whole and from the same `stamp`.

    A folder is whole when the file that marks it, written last, holds the stamp; else it is made again from nothing. One that
    holds something else, so that it was never made here, is left alone: Stop.
    """
    if _stamp(folder) == stamp:
        return folder
    with locked(folder, f"Another run is busy: {doing} Waiting for it."):
        if _stamp(folder) != stamp:
            say(doing)
            _emptied(folder)
            make(folder)
            (folder / MAKING).write_text(stamp, encoding="utf-8")
            (folder / MAKING).rename(folder / MADE)
    return folder


def _emptied(folder: Path) -> None:
    if folder.exists():
        if any(folder.iterdir()) and not any((folder / name).exists() for name in (MAKING, MADE)):
            raise Stop(f"{folder} holds something else already; name a new or an empty folder.")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MAKING).touch()


def _stamp(folder: Path) -> str | None:
    try:
        return (folder / MADE).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
