# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A folder that is there whole or not at all: it is made in another one beside its place, and moved there in the end.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# what a folder holds that this made, before anything else is in it and until all else is gone; and its lock
_MARK = ".incident-distroless.made-here"


@contextmanager
def made_beside(path: Path) -> Iterator[Path]:
    """Where to make the folder that is to be path, under path's own name. It is moved there at the end, after what was made beside
    it, such as its archive. Of what fails nothing stays, and what a killed run left is removed by the next one.

    Raises OSError, and ValueError where somebody else's folder, or a run at this moment, is in the way.
    """
    workplace = path.with_name(f".{path.name}.partial")
    descriptor = _entered(workplace)
    try:
        _clear(workplace)
        place = workplace / path.name
        yield place
        # the folder last: once it is there, nothing is missing
        for made in sorted(workplace.iterdir(), key=lambda made: made == place):
            if made.name != _MARK:
                made.rename(path.with_name(made.name))
    finally:
        _clear(workplace)
        (workplace / _MARK).unlink()
        workplace.rmdir()
        os.close(descriptor)


def _entered(workplace: Path) -> int:
    """Makes the workplace, or takes over one that a killed run left; its lock, a descriptor."""
    try:
        workplace.mkdir(mode=0o700)
    except FileExistsError:
        is_ours = workplace.is_dir() and not workplace.is_symlink() and _is_left(workplace)
        if not is_ours:
            raise ValueError(f"{workplace} is in the way, and was not made here: move it away") from None
    descriptor = os.open(workplace / _MARK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise ValueError(f"{workplace} is being filled at this moment by another run") from None
    return descriptor


def _is_left(workplace: Path) -> bool:
    """Whether it has the mark. One that is empty has not got that far."""
    names = {entry.name for entry in workplace.iterdir()}
    return not names or _MARK in names


def _clear(workplace: Path) -> None:
    for entry in workplace.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != _MARK:
            entry.unlink()
