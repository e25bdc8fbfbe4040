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
from itertools import zip_longest
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
    """Return the log of these rows, in their order. A row has neither a key `line` nor `previous`."""
    lines: list[bytes] = []
    last = BEGINNING
    for number, row in enumerate(rows, start=1):
        line = json.dumps({"line": number, "previous": last, **row}, ensure_ascii=True).encode("ascii")
        lines.append(line + b"\n")
        last = _hash(line)
    return Chain(b"".join(lines), len(lines), last)


def rows_of(text: bytes) -> list[dict[str, Any]]:
    """Return the rows that a log was made of. Raises ValueError for a line that is none of a log."""
    found: list[dict[str, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        row = json.loads(line)
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is none of a log")
        found.append({key: value for key, value in row.items() if key not in ("line", "previous")})
    return found


def continued(standing: bytes, rows: Iterable[Mapping[str, Any]]) -> Chain:
    """Return the log of these rows, whose first lines stand already.

    Raises ValueError, which names the line, where the rows do not begin as what stands.
    """
    log = chain(rows)
    if not log.text.startswith(standing):
        pairs = enumerate(zip_longest(standing.split(b"\n"), log.text.split(b"\n")), start=1)
        number = next(number for number, (stands, follows) in pairs if stands != follows)
        raise ValueError(
            f"line {number} of the log says something else than the case does now: it, or what it was made of, was changed"
        )
    return log


@dataclass(frozen=True, slots=True)
class Links:
    """How a log's text holds together: a sentence for each break, how many lines it has, and the hash of its last one."""

    breaks: tuple[str, ...]
    lines: int
    last: str


def links(text: bytes) -> Links:
    """Return whether each line of a log's text follows the one before it, as far as the log goes."""
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
    return Links(tuple(found), len(rows) - 1, before)


def broken_links(text: bytes, lines: object, last: object) -> list[str]:
    """Return what is wrong with a log's text that had so many lines, the last with that hash; each a sentence. Empty: nothing is."""
    found = links(text)
    if (found.lines, found.last) == (lines, last):
        return list(found.breaks)
    said = f"The log has {found.lines} lines and ends with {found.last}; it had {lines} and ended with {last}."
    return [*found.breaks, said]


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
