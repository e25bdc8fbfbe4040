# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must hold after a fetch, whatever happened to it: no wrong file, nothing half-written, rows that say what is there."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .subject import LOG, Subject

BROUGHT = ("fetched", "unchanged", "changed_while_reading")


@dataclass(slots=True)
class Findings:
    """What does not hold, by kind; all empty after a good trial. claims: beginnings of the log, to be compared with it later."""

    wrong_files: list[str] = field(default_factory=list)
    partial_files: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    untrue_rows: list[str] = field(default_factory=list)
    claims: list[tuple[int, int, str]] = field(default_factory=list)

    def all(self) -> list[str]:
        """Every finding as a sentence."""
        return [*self.wrong_files, *self.partial_files, *self.leftovers, *self.untrue_rows]


def look(subject: Subject, home: Path, rows: Iterable[Mapping[str, Any]], *, may_be_first_part: bool) -> Findings:
    """Compares what lies below home with the truth, with the rows of the result and with the manifest.

    may_be_first_part: the listing itself may have been damaged on its way, so that a file is brought to a length that it
    never had; it must say then that it grew.
    """
    found = Findings()
    folder = home / subject.target.namespace / subject.target.pod / subject.target.container
    by_dest = {row["dest"]: row for row in rows if row["dest"] and row["type"] == "file" and row["status"] in BROUGHT}
    for path in sorted(home.rglob("*")):
        if path.name.startswith(".incident-distroless."):
            found.leftovers.append(f"a temporary file is left: {path.name}")
        elif path.is_file() and not path.is_symlink() and path.name != f"{subject.target.container}.manifest.json":
            _look_at(
                path,
                "/" + str(path.relative_to(folder)),
                by_dest.pop(str(path), None),
                subject,
                found,
                may_be_first_part,
            )
    found.untrue_rows += [f"{dest} is said to be here" for dest in by_dest]
    _look_at_manifest(folder.with_name(f"{folder.name}.manifest.json"), rows, found)
    return found


def _look_at(
    path: Path, src: str, row: Mapping[str, Any] | None, subject: Subject, found: Findings, may_be_first_part: bool
) -> None:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if row is None:
        found.untrue_rows.append(f"{src} is here and no row says so")
        return
    if row["sha256"] not in (None, digest):
        found.wrong_files.append(f"{src}: its row says another sha256 than it has")
    offset, length = row.get("offset", 0), row.get("length", row["size"])
    if len(content) != length:
        found.partial_files.append(f"{src}: {len(content)} bytes where its row says {length}")
    if row["status"] == "changed_while_reading":
        # it is what came, and says that it never was the same on both sides
        return
    if src == LOG:
        found.claims.append((offset, len(content), digest))
        return
    truth = subject.truth.get(src)
    if truth is None:
        found.wrong_files.append(f"{src}: the target has no such file")
    elif content != truth[offset : offset + len(content)]:
        found.wrong_files.append(f"{src}: other bytes than the target's")
    elif row["size"] != len(truth) and not (may_be_first_part and row.get("grew")):
        found.partial_files.append(f"{src}: a part of {row['size']} bytes passes for the whole")


def _look_at_manifest(manifest: Path, rows: Iterable[Mapping[str, Any]], found: Findings) -> None:
    if not manifest.exists():
        if any(row["status"] in BROUGHT for row in rows):
            found.untrue_rows.append("there are files and no manifest")
        return
    said = {row["src"]: row for row in json.loads(manifest.read_bytes())["files"]}
    for row in rows:
        other = said.get(row["src"])
        # without checksums an unchanged file is not read again, and the manifest keeps what an earlier run knew
        keys = ("status", "reason", "dest", "size", *(("sha256",) if row["sha256"] else ()))
        if other is None or any(other[key] != row[key] for key in keys):
            found.untrue_rows.append(f"{row['src']}: the manifest says something else than the result")


def claims_hold(claims: Iterable[tuple[int, int, str]], log: bytes) -> list[str]:
    """Compares what was brought of the growing log with the log as it is by now."""
    return [
        f"{os.fsdecode(LOG)}: {length} bytes from {offset} are not the log's"
        for offset, length, digest in claims
        if hashlib.sha256(log[offset : offset + length]).hexdigest() != digest
    ]
