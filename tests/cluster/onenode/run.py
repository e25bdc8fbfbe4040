# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other programs, run to their end: quiet when they succeed, quoted when they fail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .say import Stop

SHOWN = 4000  # characters of a failed program's output


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """Return what the program prints on stdout. Stop with its last words when it fails, is missing or takes longer than `timeout` s."""
    words = " ".join(map(str, command))
    try:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            close_fds=False,  # a child goes on holding the lock of what it writes (see places.locked)
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError:
        raise Stop(f"{command[0]} was not found on this machine; it is needed to run `{words}`.") from None
    except subprocess.TimeoutExpired:
        raise Stop(f"`{words}` did not end within {timeout:.0f} s.") from None
    if done.returncode:
        said = (done.stderr.strip() + "\n" + done.stdout.strip()).strip()[-SHOWN:]
        raise Stop(f"`{words}` failed with exit code {done.returncode}:\n{said}")
    return done.stdout
