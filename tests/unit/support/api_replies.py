# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an API server answers with: replies, and the failures in its own words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is there as a whole: an object, or the bytes of a text."""

    status: int
    body: Mapping[str, Any] | bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """Carries the Status that is the answer."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        has_details: bool = True,
    ) -> None:
        super().__init__(message)
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        about = {"details": dict(details or {})} if has_details else {}
        self.reply = Reply(code, {**status, "message": message, "reason": reason, **about, "code": code})


def not_found(resource: str, name: str) -> Refused:
    return Refused(404, "NotFound", f'{resource} "{name}" not found', details={"name": name, "kind": resource})


def bad_request(message: str) -> Refused:
    return Refused(400, "BadRequest", message, has_details=False)


def invalid(kind: str, name: str, place: str, reason: str, words: str) -> Refused:
    about = {"name": name, "kind": kind} if kind else {}
    cause = {"reason": f"FieldValue{reason}", "message": words, "field": place}
    message = f'{kind} "{name}" is invalid: {place}: {words}'
    return Refused(422, "Invalid", message, details={**about, "causes": [cause]})
