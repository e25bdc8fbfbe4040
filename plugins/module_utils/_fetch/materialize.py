# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What of a plan needs no bytes of the target: directories, links, and what is left out.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.file_rows import Row, Status
from ansible_collections.incident.distroless.plugins.module_utils._fetch.plan import LINK_LEADS_OUT, Step, place_of
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import (
    Dest,
    Place,
    link_stays_inside,
)


def put(steps: Iterable[Step], dest: Dest, folder: Place, *, is_check: bool) -> dict[bytes, Row]:
    """Makes the directories and links of steps below folder in dest and gives a row for each step, by src.

    Links come after the files: where an asked path leads through a link, this side has a directory already, and it stays.
    """
    return {step.item.src: _put(step, dest, (*folder, *place_of(step.item)), len(folder), is_check) for step in steps}


def _put(step: Step, dest: Dest, place: Place, floor: int, is_check: bool) -> Row:
    if step.action == "skip":
        return _row(step, "skipped", step.reason)
    if step.action == "fail":
        return _row(step, "failed", step.reason)
    try:
        is_new, reason = (
            _directory(dest, place, is_check)
            if step.action == "directory"
            else _link(step, dest, place, floor, is_check)
        )
    except Failure as failure:
        # a link whose place is taken is recorded like one that leads out
        is_recorded = step.action == "link" and failure.reason == "DestConflict"
        return _row(step, "skipped" if is_recorded else "failed", failure.reason)
    if reason is not None:
        return _row(step, "skipped", reason)
    return _row(step, "fetched" if is_new else "unchanged", None, dest.full(place))


def _directory(dest: Dest, place: Place, is_check: bool) -> tuple[bool, None]:
    if is_check or not place:
        return bool(place) and not dest.holds_directory(place), None
    return dest.directory(place), None


def _link(step: Step, dest: Dest, place: Place, floor: int, is_check: bool) -> tuple[bool, str | None]:
    text = step.item.entry.link if step.item.entry is not None else None
    if text is None or not place or not link_stays_inside(place, text, floor):
        return False, LINK_LEADS_OUT
    return (not dest.holds_link(place, text) if is_check else dest.link(place, text, floor)), None


def _row(step: Step, status: Status, reason: str | None, dest: bytes | None = None) -> Row:
    item = step.item
    # of what leads nowhere the target has no path of its own
    return Row(
        src=item.src,
        resolved=item.resolved if item.entry is not None else None,
        dest=dest,
        entry=item.entry,
        status=status,
        reason=reason,
    )
