# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bundles that are sealed, with whatever files in them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._case.hash_chain import chain
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import read_folder
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.checksums import sums
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.compressed import Codec
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.seal import Problem, link_rows


def sealed(
    folder: Path,
    files: Mapping[bytes, bytes],
    links: Mapping[bytes, bytes] | None = None,
    rows: Iterable[Mapping[str, Any]] = ({"action": "open"},),
    **manifest: Any,
) -> Path:
    """A sealed bundle. files: path -> content; links: path -> text; rows: of its log; manifest: more of its keys."""
    for name, data in files.items():
        place(folder, name).write_bytes(data)
    for name, text in (links or {}).items():
        place(folder, name).symlink_to(os.fsdecode(text))
    seal(folder, rows, **manifest)
    return folder


def place(folder: Path, name: bytes) -> Path:
    """Where a file of the bundle lies; its folder is made."""
    path = folder / os.fsdecode(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def whats(copy: Path) -> dict[str, str]:
    """Return what was done with each file, as the copy says: path -> what."""
    return {row["path"]: row["what"] for row in json.loads((copy / "redaction.json").read_bytes())["files"]}


CODECS: list[Codec] = ["gz", "zst"]


def write(folder: Path, name: bytes, data: bytes) -> None:
    """A file of the bundle."""
    place(folder, name).write_bytes(data)


THREE = ({"action": "open"}, {"action": "run", "rc": 0}, {"action": "ask", "audit_id": "x"})


def seal(folder: Path, rows: Iterable[Mapping[str, Any]] = THREE, **manifest: Any) -> str:
    """Seals a folder as evidence_seal does, with a log of these rows; the hash of SHA256SUMS."""
    log = chain(rows)
    (folder / "acquisition.jsonl").write_bytes(log.text)
    about = {**manifest, "links": link_rows(read_folder(folder)), "log": {"lines": log.lines, "last": log.last}}
    (folder / "manifest.json").write_text(json.dumps(about), encoding="utf-8")
    (folder / "SHA256SUMS").write_bytes(sums(read_folder(folder).files))
    return read_folder(folder).files[b"SHA256SUMS"]


def kinds(found: Iterable[Problem]) -> set[tuple[str, str]]:
    return {(problem.kind, problem.path) for problem in found}
