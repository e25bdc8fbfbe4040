# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The controller's whole part of triage_judge: it needs no host, so it runs where the case folder is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._actions.case_action import CaseAction
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import (
    COLLECTED,
    FINDINGS,
    REPORT,
    SUMMARY,
    CaseFolder,
    read_checks,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import file_of
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.facts import Known, gather_facts, label
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import (
    Analyzer,
    analyze,
    parse_analyzers,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import (
    Finding,
    document,
    failed_finding,
    findings_of,
    unfinished_finding,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.timeline import timeline
from ansible_collections.incident.distroless.plugins.plugin_utils._report.html_page import EXCERPT, html
from ansible_collections.incident.distroless.plugins.plugin_utils._report.summary import (
    heading,
    is_failure,
    markdown,
    stats,
    summary_lines,
)

ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "analyzers": {"type": "list", "elements": "str", "required": True},
    "settings": {"type": "dict", "default": {}},
    "fail_on": {"type": "str", "choices": ["never", "fail", "warn"], "default": "never"},
}


class ActionModule(CaseAction):
    """Reads what was collected, judges it, and writes the case's files."""

    arguments = ARGUMENTS

    def work(self, path: Path, options: Mapping[str, Any]) -> dict[str, Any]:
        """Runs the task. In check mode it judges and writes nothing."""
        folder = CaseFolder(path)
        try:
            analyzers = parse_analyzers(read_checks([str(self.place(name)) for name in options["analyzers"]]))
            collected = json.loads(folder.read(COLLECTED))
            case = _judge(folder, collected, analyzers, options["settings"], writes=not self._task.check_mode)
        except (OSError, ValueError) as error:
            return {"failed": True, "msg": str(error)}
        return {
            "changed": not self._task.check_mode,
            "msg": heading(case),
            "verdict": case["verdict"],
            "counts": case["counts"],
            "summary": summary_lines(case, str(folder.path)),
            "stats": stats(case, str(folder.path)),
            "failed_targets": case["failed_targets"],
            "reached": len(case["targets"]),
            "path": str(folder.path),
            "findings_path": str(folder.path / FINDINGS),
            "report_path": str(folder.path / REPORT),
            "is_failure": is_failure(case["verdict"], options["fail_on"]),
        }


def _judge(
    folder: CaseFolder, collected: dict[str, Any], analyzers: list[Analyzer], settings: dict[str, Any], *, writes: bool
) -> dict[str, Any]:
    """The content of findings.json, which is written, as all files of the case are, when writes."""
    findings: list[Finding] = [failed_finding(collected["role"], failed) for failed in collected["failed_targets"]]
    if collected["ended"] is None:
        findings.append(unfinished_finding(collected))
    entries: list[dict[str, Any]] = []
    facts: dict[str, dict[str, Any]] = {}
    for target in collected["targets"]:
        known = gather_facts(collected, target, folder.read)
        files = _keep(folder, target, known, collected["collectors"]) if writes else {}
        findings += findings_of(collected["role"], target, analyze(known.facts, analyzers, settings), files)
        entries += timeline(known.facts, target)
        facts[label(target)] = known.facts
    case = document(collected, findings, entries, facts)
    if writes:
        folder.write_json(FINDINGS, case)
        folder.write(SUMMARY, markdown(case))
        paths = {piece["path"] for finding in case["findings"] for piece in finding["evidence"]}
        folder.write(REPORT, html(case, {path: folder.beginning(path, EXCERPT + 1) for path in paths}))
    return case


def _keep(
    folder: CaseFolder, target: dict[str, Any], known: Known, collectors: list[dict[str, Any]]
) -> dict[str, tuple[str, str]]:
    """Writes what was parsed, and the API's objects, beside the raw files; returns the evidence: name -> path, sha256."""
    paths = {row["name"]: file_of(row, target) for row in collectors if not row["api"]}
    files = {row["name"]: (paths[row["name"]], row["dest_sha256"]) for row in target["commands"] if row["dest_sha256"]}
    for row in collectors:
        if row.get("file") and row["name"] in known.facts:
            files[row["name"]] = (paths[row["name"]], hashlib.sha256(folder.read(paths[row["name"]])).hexdigest())
    for name, value in known.objects.items():
        if isinstance(value, str):
            path = f"{label(target)}/{name}.txt"
            files[name] = (path, folder.write(path, value))
        else:
            path = f"{label(target)}/{name}.json"
            files[name] = (path, folder.write_json(path, value))
    for row in target["commands"]:
        if row["name"] in known.facts:
            folder.write_json(f"{label(target)}/{row['name']}.json", known.facts[row["name"]])
    return files
