# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tools tell the person in front of them: one sentence a line, and one way to stop."""

from __future__ import annotations

import sys


class Stop(Exception):
    """The work cannot go on; the text says why and what to do next. Never shown with a traceback."""


def say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")  # one write: lines of steps that run side by side stay whole
    sys.stdout.flush()


def stopping(stop: Stop) -> int:
    """Show why the work stopped; returns the exit status for it."""
    print(f"\nStopped: {stop}", file=sys.stderr, flush=True)
    return 1
