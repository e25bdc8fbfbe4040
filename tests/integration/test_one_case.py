# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One case, one look, one role: refused before anything is injected, added to where that is asked for, judged again."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.unit.support.schemas import differences, schema

from .cases import Case, run_playbook
from .conftest import Kubectl, pod_manifest

APP = "incident.test/app:nonroot"


def look(role: str, kubectl: Kubectl, folder: Path, *words: str, **variables: Any) -> Case:
    given = {"namespace": kubectl.namespace, "pod": "app", "case_id": "case", **variables}
    return run_playbook(role, folder, given, *words)


def test_a_case_is_refused_added_to_and_judged_again(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.apply(pod_manifest("app", APP))
    kubectl.wait_until_running("app")

    # of two that come at once one gets the case, and the other says so
    with ThreadPoolExecutor() as plays:
        both = list(plays.map(lambda _number: look("crashloop_triage", kubectl, tmp_path), range(2)))
    assert sorted(case.status for case in both) == [0, 2], both[0].printed + both[1].printed
    (refused,) = (case for case in both if case.status)
    assert "CaseConflict" in refused.printed
    assert "holds a look of crashloop_triage already" in refused.printed
    first = (tmp_path / "case" / "findings.json").read_bytes()

    other = look("process_triage", kubectl, tmp_path)
    assert other.status == 2
    assert "CaseConflict" in other.printed
    assert "process_triage_add_to_case: true" in other.printed
    assert kubectl.debuggers("app") == []
    assert (tmp_path / "case" / "findings.json").read_bytes() == first

    added = look("process_triage", kubectl, tmp_path, add_to_case=True)
    assert added.status == 0, added.printed
    assert len(kubectl.debuggers("app")) == 1
    assert [(row["role"], row["folder"]) for row in added.document["roles"]] == [
        (role, role) for role in ("crashloop_triage", "process_triage")
    ]
    assert {entry["role"] for entry in added.findings()} == {"crashloop_triage", "process_triage"}
    assert (added.folder / "crashloop_triage" / "findings.json").read_bytes() == first
    assert (added.folder / "process_triage" / kubectl.namespace / "app" / "app" / "mounts.txt").is_file()
    for finding in added.findings():
        if finding["evidence"]:
            added.assert_evidence(finding)

    again = look("crashloop_triage", kubectl, tmp_path, "--tags", "judge,report", reason="once more")
    assert again.status == 0, again.printed
    assert (
        json.loads((again.folder / "crashloop_triage" / "findings.json").read_text("utf-8"))["role"]
        == "crashloop_triage"
    )
    assert len(again.document["roles"]) == 2
    assert list(differences(again.document, schema("findings"))) == []
    stranger = look("network_triage", kubectl, tmp_path, "--tags", "judge,report")
    assert stranger.status == 2
    assert "holds no look of network_triage" in stranger.printed
