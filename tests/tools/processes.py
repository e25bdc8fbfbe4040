# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every program that the tools start, so that all of them can be told to end when the run is stopped."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import IO

_running: set[subprocess.Popen[bytes]] = set()


def wait(
    words: list[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    output: IO[bytes] | None = None,
    holding_locks: bool = False,
) -> int:
    """Run one command without input to its end; both its streams go to `output`, or to ours. Returns the exit status.

    With `holding_locks` the command goes on holding the locks of cache.locked when this process is killed.
    """
    child = subprocess.Popen(
        words,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if output else None,
        close_fds=not holding_locks,
    )
    _running.add(child)
    try:
        return child.wait()
    finally:
        _running.discard(child)


def end_all() -> None:
    """Ask every command that runs now to end."""
    for child in tuple(_running):
        child.terminate()
