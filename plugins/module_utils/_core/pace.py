# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many requests a second, whoever of several threads makes them: the generic cell rate algorithm.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import threading

# seconds' worth of requests that go at once after a pause, as kubectl's client allows six
BURST = 5.0


class Pace:
    """Places in a row of requests, so many a second. Safe to use from several threads."""

    def __init__(self, per_second: float) -> None:
        """per_second: more than 0."""
        self._interval = 1 / per_second
        # at least one goes at once, however slow the pace
        self._tolerance = max(BURST - self._interval, 0.0)
        self._next = 0.0
        self._lock = threading.Lock()

    def take(self, now: float) -> float:
        """Take the next place; return the seconds from now until it is there, 0 where it is already.

        now: seconds of a clock that only goes forward.
        """
        with self._lock:
            mine = max(self._next, now)
            self._next = mine + self._interval
        return max(0.0, mine - self._tolerance - now)
