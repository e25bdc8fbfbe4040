# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What became of each thing that was looked at: one row, shown once in the manifest and once in the task's result.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.incident.distroless.plugins.module_utils._core.paths import display
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry

# size in bytes, modification time in nanoseconds and inode of a copy
Local = tuple[int, int, int]
Status = Literal["fetched", "unchanged", "skipped", "changed_while_reading", "failed"]

# of each of a result's two lists of rows, for all targets of the task together
MAX_ROWS = 200
# names can be 4 KiB long and are shown up to six times a row: AWX drops an event over 700 kB
MAX_ROWS_BYTES = 120_000
# of the diffs of all targets of the task together
MAX_DIFFS_BYTES = 60_000


@dataclass(frozen=True, slots=True)
class Row:
    """One thing: src is its path as asked or found, resolved its own path in the target, dest its full path here.

    resolved, entry, dest and sha256 are None where there is none. offset and length say which part of a file was
    brought, length None: all of it. atime_moved: whether the access time was another one after we
    had read it, None: not known. local is the copy, where a later run may tell by it and by entry that nothing changed;
    is_verified: whether this run has not taken it for the same by that alone.
    """

    src: bytes
    resolved: bytes | None
    dest: bytes | None
    entry: Entry | None
    status: Status
    reason: str | None = None
    sha256: str | None = None
    offset: int = 0
    length: int | None = None
    grew: bool = False
    atime_moved: bool | None = False
    local: Local | None = None
    is_verified: bool = True

    @property
    def order(self) -> tuple[str, str]:
        """Return what manifests are sorted by."""
        text, exact = display(self.src)
        return text, exact or ""

    def in_manifest(self) -> dict[str, Any]:
        """The manifest's row. Nanoseconds are strings: they exceed what jq and JavaScript hold."""
        entry = self.entry
        shown: dict[str, Any] = {
            **self._paths(),
            **self._facts(),
            "mtime_ns": None if entry is None else str(entry.mtime_ns),
            "atime_ns": None if entry is None else str(entry.atime_ns),
            "ctime_ns": None if entry is None else str(entry.ctime_ns),
            "dev": None if entry is None else entry.dev,
            "ino": None if entry is None else entry.ino,
            "nlink": None if entry is None else entry.nlink,
            "blocks": None if entry is None else entry.blocks,
            "atime_changed_by_us": self.atime_moved,
            "status": self.status,
            "reason": self.reason,
        }
        if entry is not None and entry.link is not None:
            shown |= _shown("link", entry.link)
        if self.local is not None:
            size, mtime_ns, ino = self.local
            shown["local"] = {"size": size, "mtime_ns": str(mtime_ns), "ino": ino}
        return shown | self._part()

    def in_result(self, target: Mapping[str, Any]) -> dict[str, Any]:
        """The contract's file row."""
        return {
            **{key: target[key] for key in ("namespace", "pod", "container")},
            **self._paths(),
            **self._facts(),
            "mtime": None if self.entry is None else self.entry.mtime_ns / 1e9,
            "status": self.status,
            "reason": self.reason,
            **self._part(),
        }

    def _paths(self) -> dict[str, Any]:
        return _shown("src", self.src) | _shown("resolved", self.resolved) | _shown("dest", self.dest)

    def _facts(self) -> dict[str, Any]:
        entry = self.entry
        return {
            "type": None if entry is None else entry.type,
            "size": None if entry is None else entry.size,
            "sha256": self.sha256,
            "mode": None if entry is None else f"{entry.mode:04o}",
            "uid": None if entry is None else entry.uid,
            "gid": None if entry is None else entry.gid,
        }

    def _part(self) -> dict[str, Any]:
        part: dict[str, Any] = {} if self.length is None else {"offset": self.offset, "length": self.length}
        return part | ({"grew": True} if self.grew else {}) | ({} if self.is_verified else {"verified": False})


def _shown(key: str, path: bytes | None) -> dict[str, Any]:
    """A path as text, beside its exact bytes where the text is not exact."""
    if path is None:
        return {key: None}
    text, exact = display(path)
    return {key: text} if exact is None else {key: text, f"{key}_b64": exact}


def in_results(rows: Iterable[Row], target: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Those rows of a target that split_rows can keep, as a result shows them: of a hundred thousand no others are made."""
    seen: Counter[Status] = Counter()
    for row in rows:
        is_well = row.status not in ("failed", "skipped")
        if is_well and row.entry is not None and row.entry.type == "directory":
            continue
        seen[row.status] += 1
        if seen[row.status] <= MAX_ROWS:
            yield row.in_result(target)


def split_rows(rows: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """A result's files and skipped_files, each cut to what a result may hold, failed first, in the order given.

    Directories that are well are in the manifest only: whoever loops over files means files.
    """
    files, skipped = _Shortlist(), _Shortlist()
    for row in rows:
        if row["status"] == "skipped":
            skipped.add(row)
        elif row["type"] != "directory" or row["status"] == "failed":
            files.add(row)
    return files.rows(), skipped.rows()


def cut_diffs(diffs: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """A result's diffs, each cut to its share of what a result may hold; what is cut off is in the manifests."""
    share = MAX_DIFFS_BYTES // (2 * len(diffs)) if diffs else 0
    return [
        {key: text if key.endswith("header") else _cut(text, share) for key, text in diff.items()} for diff in diffs
    ]


def _cut(text: str, most: int) -> str:
    kept: list[str] = []
    lines = text.splitlines(keepends=True)
    for line in lines:
        most -= len(json.dumps(line))
        if most < 0:
            return "".join([*kept, f"... and {len(lines) - len(kept)} more lines, see the manifest\n"])
        kept.append(line)
    return text


class _Shortlist:
    """The first rows of each urgency; of a hundred thousand no more than these are ever held."""

    def __init__(self) -> None:
        self._ranks: tuple[list[dict[str, Any]], ...] = ([], [], [])

    def add(self, row: dict[str, Any]) -> None:
        rank = self._ranks[{"failed": 0, "changed_while_reading": 1}.get(row["status"], 2)]
        if len(rank) < MAX_ROWS:
            rank.append(row)

    def rows(self) -> list[dict[str, Any]]:
        left = MAX_ROWS_BYTES
        kept = []
        for row in [row for rank in self._ranks for row in rank][:MAX_ROWS]:
            left -= len(json.dumps(row))
            if left < 0:
                break
            kept.append(row)
        return kept
