# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifest beside the files: whose they are, where they lie, and what is known of each of them.

One row a line, so that it is written and read row by row whatever its length. A run's rows are merged with those that
earlier runs left for other paths of the same container: the manifest accounts for all that lies there.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.file_rows import Row
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import Dest, Place

SCHEMA = 1
# a row is at most a few names of 4 KiB, each shown as text and as base64
_MAX_LINE = 1 << 20
# a manifest that something else has laid out anew is read in one piece
_MAX_FOREIGN = 64 << 20
# of rows that are written together
_PIECE = 256 << 10
# what tells one target from another; a cluster that could not be asked for its name is None
_PINS = ("cluster", "pod_uid", "container_id")
# what tells one start of a container from another
_RUN = ("container_id", "restart_count")
# of a task's diff
_MAX_DIFF_LINES = 500


def files_place(target: Mapping[str, Any], *, is_flat: bool) -> Place:
    """The folder below dest that a target's paths begin in."""
    return () if is_flat else tuple(str(target[key]).encode() for key in ("namespace", "pod", "container"))


def manifest_place(target: Mapping[str, Any], *, is_flat: bool) -> Place:
    """Where below dest a target's manifest lies: beside its folder, or hidden in a flat dest."""
    folder = files_place(target, is_flat=is_flat)
    return (*folder[:-1], folder[-1] + b".manifest.json") if folder else (b".manifest.json",)


@dataclass(slots=True)
class Changes:
    """What differs from the earlier manifest, as lines `sha256  src`, at most as many as a diff shows."""

    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def note(self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        """Compares what two manifests say of one path."""
        old, new = _line(before), _line(after)
        if old != new:
            self.before += [old] if old else []
            self.after += [new] if new else []

    def note_repaired(self, after: Mapping[str, Any]) -> None:
        """Notes a file that is as before in the target, and that was not here as the earlier manifest has it."""
        if new := _line(after):
            self.before.append(f"no such copy  {after.get('src')}")
            self.after.append(new)

    def as_diff(self, header: str) -> dict[str, str]:
        """The contract's diff of one target."""
        return {
            "before": _text(self.before),
            "after": _text(self.after),
            "before_header": header,
            "after_header": header,
        }


def _line(row: Mapping[str, Any] | None) -> str | None:
    """A file's line; None for what brought no bytes."""
    if row is None or row.get("type") != "file" or row.get("status") in ("skipped", "failed") or row.get("gone"):
        return None
    # check mode has not read what it would fetch
    return f"{row.get('sha256') or 'not read yet'}  {row.get('src')}"


def _text(lines: list[str]) -> str:
    more = [f"... and {len(lines) - _MAX_DIFF_LINES} more"] if len(lines) > _MAX_DIFF_LINES else []
    return "".join(f"{line}\n" for line in [*lines[:_MAX_DIFF_LINES], *more])


@dataclass(frozen=True, slots=True)
class Earlier:
    """A manifest that was found: whose it is, and its rows, read anew each time they are asked for. is_same_run: whether the
    container has not started again since, and its files are the same ones."""

    dest: Dest
    place: Place
    target: Mapping[str, Any]
    is_same_run: bool = True

    def rows(self) -> Iterator[dict[str, Any]]:
        """The rows in their order. Raises Failure DestConflict when it is damaged."""
        file = self.dest.read(self.place)
        if file is not None:
            with file:
                _target, rows = _open(file, self.dest.full(self.place))
                for row in rows:
                    yield row if self.is_same_run or "local" not in row else {**row, "local": None}


def find_earlier(dest: Dest, place: Place, target: Mapping[str, Any], *, overwrite: bool) -> Earlier | None:
    """The manifest that is there, None if there is none. Raises Failure DestConflict when it is damaged or names another target.

    With overwrite what belongs to another is as good as not there.
    """
    file = dest.read(place)
    if file is None:
        return None
    shown = dest.full(place).decode("utf-8", "backslashreplace")
    try:
        with file:
            found, rows = _open(file, dest.full(place))
            for _row in rows:
                pass
    except Failure:
        if overwrite:
            return None
        raise
    other = [key for key in _PINS if found.get(key) and target.get(key) and found[key] != target[key]]
    if not other:
        is_same_run = all(target.get(key) is not None and found.get(key) == target[key] for key in _RUN)
        return Earlier(dest, place, found, is_same_run)
    if overwrite:
        return None
    raise Failure("DestConflict", f"{shown} belongs to another {other[0]}: {found[other[0]]}, not {target[other[0]]}.")


def _open(file: BufferedReader, path: bytes) -> tuple[Mapping[str, Any], Iterator[dict[str, Any]]]:
    """The target and the rows in a manifest, either as we lay it out or as JSON of the same meaning."""
    try:
        first = file.readline(_MAX_LINE)
        if first.endswith(b'"files": [\n'):
            return _head(json.loads(first + b"]}")), _our_rows(file, path)
        document = json.loads(first + file.read(_MAX_FOREIGN))
        return _head(document), iter([_row(row) for row in document["files"]])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, error) from error


def _our_rows(file: BufferedReader, path: bytes) -> Iterator[dict[str, Any]]:
    while (line := file.readline(_MAX_LINE).strip()) != b"]}":
        try:
            yield _row(json.loads(line.removesuffix(b",")))
        except (ValueError, TypeError, RecursionError) as error:
            raise _damaged(path, error) from error


def _head(document: Any) -> Mapping[str, Any]:
    target = document["target"]
    if not isinstance(target, dict):
        raise TypeError("target is no object")
    if document["schema"] != SCHEMA:
        raise ValueError(f"its schema is {str(document['schema'])[:20]}, not {SCHEMA}")
    return target


def _row(row: Any) -> dict[str, Any]:
    if not isinstance(row, dict) or not isinstance(row.get("src"), str) or not isinstance(row.get("src_b64", ""), str):
        raise TypeError("a row without src")
    return row


def _damaged(path: bytes, error: Exception) -> Failure:
    shown = path.decode("utf-8", "backslashreplace")
    return Failure(
        "DestConflict",
        f"{shown} is not a manifest of this collection, or is damaged: {error}.",
        "Move it away, choose another dest, or set overwrite: true.",
    )


def _order(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["src"], row.get("src_b64") or ""


def exact_src(row: Mapping[str, Any]) -> bytes:
    """The bytes of a row's src; none where it is damaged."""
    try:
        return (
            base64.b64decode(row["src_b64"])
            if row.get("src_b64")
            else str(row["src"]).encode("utf-8", "surrogateescape")
        )
    except ValueError:
        return b""


def merge(
    rows: Iterable[Row], earlier: Iterable[dict[str, Any]], is_covered: Callable[[bytes], bool], changes: Changes
) -> Iterator[dict[str, Any]]:
    """The rows of the new manifest, in order, from this run's and the earlier manifest's, both in order.

    is_covered says whether this run would have found a path if it still was there: then it is gone from the target. Its
    row stays, marked so, for its copy stays as well. changes is filled on the way.
    """
    old = iter(earlier)
    before = next(old, None)
    for row in rows:
        after = row.in_manifest()
        while before is not None and _order(before) < row.order:
            yield _left(before, is_covered, changes)
            before = next(old, None)
        if before is not None and _order(before) == row.order:
            after = _with_earlier(after, before)
            if row.status == "fetched" and _line(after) == _line(before):
                changes.note_repaired(after)
            elif _line(after):
                changes.note(before, after)
            yield after
            before = next(old, None)
        else:
            changes.note(None, after)
            yield after
    while before is not None:
        yield _left(before, is_covered, changes)
        before = next(old, None)


def _left(before: dict[str, Any], is_covered: Callable[[bytes], bool], changes: Changes) -> dict[str, Any]:
    """An earlier row that this run has not."""
    if before.get("gone") or not is_covered(exact_src(before)):
        return before
    if _line(before):
        changes.gone.append(str(before["src"]))
    changes.note(before, None)
    return {**before, "gone": True}


def _with_earlier(after: dict[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an earlier run knew better: the hash of what was not read again, the access time from before the first reading."""
    if after["status"] == "unchanged" and after["sha256"] is None:
        after = {**after, "sha256": before.get("sha256")}
    # while a file has not been written since
    same = ("dev", "ino", "ctime_ns", "mtime_ns", "sha256")
    if (
        after["sha256"] is None
        or any(after[key] != before.get(key) for key in same)
        or not before.get("atime_changed_by_us")
    ):
        return after
    return {**after, "atime_ns": before.get("atime_ns"), "atime_changed_by_us": True}


def write_manifest(dest: Dest, place: Place, target: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> None:
    """Puts a manifest in place in one step. Raises Failure DestConflict or DestUnwritable."""
    with dest.writer(place) as file:
        text = bytearray(f'{{"schema": {SCHEMA}, "target": {json.dumps(target)}, "files": ['.encode())
        separator = "\n"
        for row in rows:
            text += f"{separator}{json.dumps(row)}".encode()
            separator = ",\n"
            if len(text) > _PIECE:
                file.write(text)
                text = bytearray()
        file.write(text + b"\n]}\n")
        file.commit(length=file.length, sha256=None)
