# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Times as the API and our results write them: RFC 3339, in UTC.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Literal


def epoch(time: str) -> float:
    """Return the seconds since the epoch of an RFC 3339 time; one without a zone is taken for UTC, what is finer than a
    microsecond is cut off. Raises ValueError for any other text."""
    moment = datetime.fromisoformat(time)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def rfc3339(seconds: float, precision: Literal["seconds", "milliseconds"] = "seconds") -> str:
    """Return the RFC 3339 time in UTC of seconds since the epoch; what is finer than precision is cut off, as the API does."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def when(time: object) -> float:
    """Return a key that sorts RFC 3339 times from the oldest to the newest; what is no time comes before all of them.

    As text they do not sort: `09:00:00.5Z` comes before `09:00:00Z`, and another zone anywhere.
    """
    try:
        return epoch(time) if isinstance(time, str) else -math.inf
    except (ValueError, OverflowError):
        return -math.inf
