# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the looks of several roles found in one case, listed on top of their folders.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.times import when
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import FINDINGS, CaseFolder
from ansible_collections.incident.distroless.plugins.plugin_utils._case.looks import is_added, read_looks
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import (
    SCHEMA,
    counts,
    in_order,
    worst,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._redact.ruleset import Rule
from ansible_collections.incident.distroless.plugins.plugin_utils._report.html_page import write_case

Document = Mapping[str, Any]


def write_look(folder: CaseFolder, case: Document, rules: tuple[Rule, ...] = ()) -> dict[str, Any]:
    """Write what a look found (the content of findings.json) into its folder and, in a case of several, on top of them all. Return it as
    people are told it, without its secrets. rules: a user's for what is one.

    Raises OSError, and ValueError for another look's findings that are not understood.
    """
    told = write_case(folder, case, rules)
    if not is_added(folder.path):
        return told
    above = CaseFolder(folder.path.parent)
    with above.locked():
        found = {look.folder: _findings(above.path / look.folder) for look in read_looks(above.path).looks}
        write_case(above, together({name: case for name, case in found.items() if case}, above.path.name), rules)
    return told


def _findings(folder: Path) -> Document:
    """Return what a look found; of one that is not judged yet nothing."""
    if not (folder / FINDINGS).is_file():
        return {}
    found: Document = json.loads((folder / FINDINGS).read_bytes())
    return found


def together(cases: Mapping[str, Document], case_id: str) -> dict[str, Any]:
    """Return the content of findings.json on top of several, each by the name of its folder. Tables of facts stay in each one's own."""
    findings = in_order(_placed(finding, folder) for folder, case in cases.items() for finding in case["findings"])
    each = list(cases.values())
    ended = [case["ended"] for case in each]
    return {
        "schema": SCHEMA,
        "role": ", ".join(case["role"] for case in each),
        "case_id": case_id,
        "examiner": _joined([case["examiner"] for case in each], ", "),
        "reason": _joined([case["reason"] for case in each], "; "),
        "started": min((case["started"] for case in each), key=when),
        "ended": None if None in ended else max(ended, key=when),
        "verdict": worst(findings),
        "counts": counts(findings),
        "roles": [
            {"folder": folder, **{key: case[key] for key in ("role", "verdict", "counts", "started", "ended")}}
            for folder, case in cases.items()
        ],
        "targets": _targets(each),
        "failed_targets": [failed for case in each for failed in case["failed_targets"]],
        "findings": findings,
        "timeline": sorted(
            (entry for case in each for entry in case["timeline"]), key=lambda entry: when(entry["time"])
        ),
        "coverage": {},
        "last_words": {label: said for case in each for label, said in case.get("last_words", {}).items()},
        "facts": {},
        "left_out": {},
    }


def _placed(finding: Document, folder: str) -> dict[str, Any]:
    return {**finding, "evidence": [{**piece, "path": f"{folder}/{piece['path']}"} for piece in finding["evidence"]]}


def _joined(texts: Sequence[str | None], by: str) -> str:
    return by.join(dict.fromkeys(text for text in texts if text))


def _targets(cases: Sequence[Document]) -> list[Document]:
    """Return each container once, as the last look found it."""
    keys = ("namespace", "pod", "container")
    return list({tuple(row[key] for key in keys): row for case in cases for row in case["targets"]}.values())
