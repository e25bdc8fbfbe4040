# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An answer of the API server as it comes: read within a time, whatever its pace, and let go of.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from socket import SHUT_RDWR
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import within

# seconds for letting go of an answer
_CLOSING = 1.0


def read(answer: Any, call: Callable[[], bytes], seconds: float) -> bytes:
    """Return what a call reads of an answer, which is a urllib3.BaseHTTPResponse. Raises TimeoutError, and what the call raises.

    The time-out of its socket is for each byte anew.
    """
    try:
        return within(seconds, call)
    except BaseException:
        # whoever still reads finds the end of it
        if (sock := getattr(answer.connection, "sock", None)) is not None:
            with suppress(OSError):
                sock.shutdown(SHUT_RDWR)
        raise


def close(answer: Any) -> None:
    """Close an answer. One that is still read by somebody is closed when they have done: nobody waits for that here."""
    with suppress(TimeoutError):
        within(_CLOSING, answer.close)


def parse_event(line: bytes) -> dict[str, Any] | None:
    """Return a watch event, whose object is one, of a version where it is no error; None for anything else."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    thing = event.get("object") if isinstance(event, dict) else None
    if not isinstance(thing, dict) or "type" not in event:
        return None
    metadata = thing.get("metadata")
    has_version = isinstance(metadata, dict) and "resourceVersion" in metadata
    return event if has_version or event["type"] == "ERROR" else None
