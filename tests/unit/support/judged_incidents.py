# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An entry of the catalogue of incidents, judged from its recording as its role judges a case."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import CaseFolder, read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import (
    as_rows,
    file_of,
    parse_collectors,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.subjects import subjects
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import Analyzer, parse_analyzers
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import judge
from ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog import catalog, take
from ansible_collections.incident.distroless.tests.incidents import catalogue

ROLES = Path(__file__).parents[3] / "roles"


@cache
def checks(role: str) -> tuple[list[dict[str, Any]], list[Analyzer]]:
    """Return a role's collectors, as rows, and its analyzers."""
    collectors = parse_collectors(read_checks([str(ROLES / role / "collectors")]))
    return as_rows(collectors), parse_analyzers(read_checks([str(ROLES / role / "analyzers")]))


def findings(incident: catalogue.Incident, folder: Path) -> list[dict[str, Any]]:
    """Return the findings of a case of that incident, the headline first."""
    result: list[dict[str, Any]] = judged(incident, folder)["findings"]
    return result


def judged(incident: catalogue.Incident, folder: Path) -> dict[str, Any]:
    """Return the content of findings.json of a case of that incident."""
    found = catalogue.recording(incident)
    rows, analyzers = checks(incident.role)
    pod = found["pod"]
    about = {"namespace": pod["metadata"]["namespace"], "pod": pod["metadata"]["name"]}
    answers: list[dict[str, Any]] = [
        {"api": "pod", **about, "name": about["pod"], "objects": [pod], "error": None},
        {"api": "events", **about, "name": None, "objects": found["events"], "error": None},
    ]
    node = pod["spec"].get("nodeName")
    if node:
        error = None if found["node"] else 'nodes "node-1" is forbidden'
        objects = [found["node"]] if found["node"] else []
        answers.append({"api": "node", "namespace": None, "name": node, "objects": objects, "error": error})
    for name, logs in found["logs"].items():
        for api, text in logs.items():
            answers.append({"api": api, **about, "container": name, "text": text, "error": None})
    known = {"targets": [{**about, "node": node}], "failed_targets": []}
    targets = subjects(known, answers, incident.container, found["now"])["targets"]
    for target in targets:
        target["commands"] = [_ran(folder, name, target, text) for name, text in found["commands"].items()]
    ahead = incident.controller_ahead
    moment = catalogue.moved(found["now"], ahead)
    collected = {
        "role": incident.role,
        "case_id": "case",
        "examiner": "",
        "reason": "",
        "started": moment,
        "looked": moment,
        "ended": moment,
        "clock_offset": -ahead,
        "collectors": rows,
        "targets": targets,
        "failed_targets": [],
        "api": answers,
    }
    settings = {**defaults(incident.role), **incident.settings}
    return judge(CaseFolder(folder), collected, analyzers, settings, keeps=False)


def _ran(folder: Path, name: str, target: dict[str, Any], text: str) -> dict[str, Any]:
    path = folder / file_of({"name": name}, target)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode("utf-8", "surrogateescape")
    path.write_bytes(data)
    sums = {"dest_size": len(data), "dest_sha256": hashlib.sha256(data).hexdigest()}
    times = {"start": target["target_started_at"], "end": target["target_started_at"]}
    return {"name": name, "rc": 0, "stderr": "", "timed_out": False, **sums, **times}


@cache
def defaults(role: str) -> dict[str, Any]:
    """Return the settings of a role as they are where nobody sets them."""
    return dict(take(catalog()[role], {}, {"cases": "", "examiner": ""}).settings)
