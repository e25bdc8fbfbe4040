# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API server with a witness: what was asked, when, and what its answers say of themselves (Date, Audit-Id).

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.times import rfc3339
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster


class RecordingCluster(Cluster):
    """A cluster that remembers, for each thread, the headers of the last answer."""

    def __init__(self, api_client: Any) -> None:
        super().__init__(api_client)
        self._heard = threading.local()

    def watched(self, request: str, work: Callable[[], None]) -> dict[str, Any]:
        """Does work, which is one request, and returns a row of what became of it.

        Each: request; start and end (RFC 3339, this host's clock); date (the API's own, or None), audit_id (or None);
        offset (seconds that the API's clock is ahead of ours, None without a date) and uncertainty; reason and message
        (None where it was answered).
        """
        self._heard.headers, self._heard.at = {}, None
        started = time.time()
        failure: Failure | None = None
        try:
            work()
        except Failure as met:
            failure = met
        ended = time.time()
        headers: Mapping[str, str] = self._heard.headers
        return {
            "request": request,
            "start": rfc3339(started, "milliseconds"),
            "end": rfc3339(ended, "milliseconds"),
            "date": headers.get("Date"),
            "audit_id": headers.get("Audit-Id"),
            **clock(headers.get("Date"), started, self._heard.at or ended),
            "reason": failure.reason if failure else None,
            "message": failure.message if failure else None,
        }

    def _note(self, headers: Mapping[str, str]) -> None:
        super()._note(headers)
        self._heard.headers = {name: headers[name] for name in ("Date", "Audit-Id") if name in headers}
        # not when all was read: a log that is read for a minute says nothing of the clock
        self._heard.at = time.time()


def clock(date: str | None, asked: float, heard: float) -> dict[str, float | None]:
    """How far a clock that said date (a header, in whole seconds) is ahead of ours, which stood at asked and at heard.

    offset and uncertainty in seconds; the true difference is within offset +- uncertainty. Both None without a date.
    """
    try:
        said = parsedate_to_datetime(date or "").timestamp()
    except (ValueError, OverflowError):
        return {"offset": None, "uncertainty": None}
    # a date is cut to the second: what it means is half a second later, give or take as much
    return {
        "offset": round(said + 0.5 - (asked + heard) / 2, 3),
        "uncertainty": round(0.5 + (heard - asked) / 2, 3),
    }
