# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a program that signs, where nobody is there to answer a question.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

_TIMEOUT = 60


def complaint(words: Sequence[str], given: bytes = b"") -> str | None:
    """None where the program succeeds, else what it said. given: its input. Raises OSError where it is not there."""
    # without a terminal ssh-keygen would ask for a passphrase in a window
    around = {**os.environ, "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            words,
            input=given,
            capture_output=True,
            env=around,
            timeout=_TIMEOUT,
            check=False,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{words[0]} did not end within {_TIMEOUT} s") from error
    said = (done.stderr + done.stdout).decode("utf-8", "backslashreplace").strip()
    return None if done.returncode == 0 else said or f"status {done.returncode}"
