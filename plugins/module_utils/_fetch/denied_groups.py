# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stays closed because the target reads it through a group that its debugger cannot be given.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ansible_collections.incident.distroless.plugins.module_utils._fetch.file_rows import Row
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import Item
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry, TargetFiles
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import upwards

NOT_MATCHED = "GroupNotMatched"


@dataclass(frozen=True, slots=True)
class ClosedGroups:
    """The target's groups that the debugger has not, and the target's uid: what is its own it does not read by a group."""

    groups: frozenset[int] = frozenset()
    uid: int | None = None

    def opens(self, entry: Entry, *, is_passed: bool = False) -> bool:
        """Return whether one of these groups is what lets the target read a file, list a directory, or pass one."""
        wanted = 0o040 if entry.type != "directory" else 0o010 if is_passed else 0o050
        return entry.gid in self.groups and entry.uid != self.uid and entry.mode & wanted == wanted


NO_GROUPS = ClosedGroups()


def name_groups(
    rows: Mapping[bytes, Row], items: Iterable[Item], files: TargetFiles, closed: ClosedGroups
) -> dict[bytes, Row]:
    """The rows, those that are denied for want of a group with that reason. Raises Failure when the connection breaks."""
    denied = [item for item in items if closed.groups and rows[item.src].reason == "PermissionDenied"]
    # of what was not even seen, a directory above is the obstacle: the last one that can be looked at
    unseen = [item for item in denied if item.entry is None]
    above = {path for item in unseen for path in upwards(item.resolved or item.src)}
    found = {entry.path: entry for entry in files.walk(sorted(above)) if isinstance(entry, Entry)}
    renamed: dict[bytes, Row] = {}
    for item in denied:
        obstacle = item.entry or next(
            (found[path] for path in upwards(item.resolved or item.src) if path in found), None
        )
        if obstacle is not None and closed.opens(obstacle, is_passed=item.entry is None):
            renamed[item.src] = replace(rows[item.src], reason=NOT_MATCHED)
    return {**rows, **renamed}
