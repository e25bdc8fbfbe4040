# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A log whose lines hold together: each carries the hash of the line before, so that none can be changed or taken out unseen.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# what the first line carries
BEGINNING = "0" * 64


@dataclass(frozen=True, slots=True)
class Chain:
    """A log's text (JSON, one object a line), how many lines it has, and the hash of its last one."""

    text: bytes
    lines: int
    last: str


def chain(rows: Iterable[Mapping[str, Any]]) -> Chain:
    """The log of these rows, in their order. A row has neither a key `line` nor `previous`."""
    lines: list[bytes] = []
    last = BEGINNING
    for number, row in enumerate(rows, start=1):
        line = json.dumps({"line": number, "previous": last, **row}, ensure_ascii=True).encode("ascii")
        lines.append(line + b"\n")
        last = _hash(line)
    return Chain(b"".join(lines), len(lines), last)


def broken_links(text: bytes, lines: object, last: object) -> list[str]:
    """What is wrong with a log's text that had so many lines, the last with that hash; each a sentence. Empty: nothing is."""
    found: list[str] = []
    rows = text.split(b"\n")
    if rows[-1]:
        found.append("The last line has no end.")
    before = BEGINNING
    for number, line in enumerate(rows[:-1], start=1):
        try:
            row = json.loads(line)
            carried = (row["line"], row["previous"])
        except (ValueError, TypeError, LookupError, RecursionError):
            found.append(f"Line {number} is none of a log.")
        else:
            if carried != (number, before):
                found.append(f"Line {number} does not follow the line before it: one was changed, added or taken out.")
        before = _hash(line)
    if (len(rows) - 1, before) != (lines, last):
        found.append(f"The log has {len(rows) - 1} lines and ends with {before}; it had {lines} and ended with {last}.")
    return found


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
