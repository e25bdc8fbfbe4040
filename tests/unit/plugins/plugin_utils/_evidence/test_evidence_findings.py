# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What evidence_bundle finds between the pod before and the pod after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import (
    MAX_PARSED,
    CaseFolder,
    read_checks,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.facts import GONE
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import analyze, parse_analyzers
from ansible_collections.incident.distroless.tests.unit.support.collected_facts import POD, collector, learn

ANALYZERS = parse_analyzers(read_checks([str(Path(__file__).parents[5] / "roles" / "evidence_bundle" / "analyzers")]))
APP = {"name": "app", "container_id": "containerd://1", "restart_count": 2, "state": "running", "ready": True}
LARGE = (("capture", "pcap"), ("executables", "archive"))
PROXY = {**APP, "name": "proxy", "container_id": "containerd://2", "restart_count": 0}


def test_a_pod_that_is_gone_at_the_end_was_deleted_and_is_no_fact_that_is_missing() -> None:
    asked = {"request": "GET /api/v1/namespaces/shop/pods/api-0", "reason": "PodGone"}
    files = {
        "api_before/shop/api-0/pod.json": json.dumps(POD).encode(),
        "api_after/record.json": json.dumps({"requests": [asked]}).encode(),
    }
    rows = [
        {**collector(f"pod_{when}", "pod_state"), "file": f"api_{when}/{{namespace}}/{{pod}}/pod.json"}
        for when in ("before", "after")
    ]
    facts = learn(collectors=rows, files=files).facts
    assert facts["pod_after"] == GONE
    told = {row.analyzer: row.message for row in analyze(facts, ANALYZERS, {}) if row.verdict == "fail"}
    assert told == {"replaced_pod": "The pod was deleted during the acquisition: uid u1 before, none after."}
    refused = json.dumps({"requests": [{**asked, "reason": "RbacDenied"}]}).encode()
    known = learn(collectors=rows, files={**files, "api_after/record.json": refused})
    assert "pod_after" in known.missing


def pod(*containers: dict[str, Any], **changes: Any) -> dict[str, Any]:
    about = {"uid": "u", "resource_version": "1", "node": "node-1", "phase": "Running", "is_deleted": False}
    return {**about, "is_gone": False, "containers": list(containers or (APP, PROXY)), **changes}


def verdicts(after: dict[str, Any], **facts: Any) -> dict[str, str]:
    """The analyzers that do not say pass, with what they say."""
    known = {
        "target": {"isolation": "other_uid", "identity": {"uid": 0}},
        "pod_before": pod(),
        "pod_after": after,
        "processes": [],
        "missing": {},
        **facts,
    }
    return {row.analyzer: row.verdict for row in analyze(known, ANALYZERS, {}) if row.verdict != "pass"}


def test_a_pod_that_is_as_it_was_is_no_finding() -> None:
    assert verdicts(pod(resource_version="2")) == {}


def test_the_debugger_s_own_container_is_no_difference() -> None:
    debugger = {**APP, "name": "debugger-1", "container_id": "containerd://9", "restart_count": 0}
    assert verdicts(pod(APP, PROXY, debugger)) == {}
    # nor is one that the runtime has not named yet
    assert verdicts(pod(APP, PROXY, {**debugger, "container_id": None})) == {}


@pytest.mark.parametrize(
    ("after", "found"),
    [
        (
            pod(APP, {**PROXY, "restart_count": 1, "container_id": "containerd://3"}),
            {"restarted": "fail", "replaced_container": "fail"},
        ),
        (pod({**APP, "restart_count": 3}, PROXY), {"restarted": "fail"}),
        (pod({**APP, "container_id": "containerd://7"}, PROXY), {"replaced_container": "fail"}),
        (pod(uid="other"), {"replaced_pod": "fail"}),
        (pod(is_deleted=True), {"replaced_pod": "fail"}),
        (GONE, {"replaced_pod": "fail"}),
        (pod(node="node-2"), {"replaced_pod": "fail"}),
        (pod(phase="Failed"), {"changed_phase": "warn"}),
    ],
)
def test_what_differs_is_a_finding(after: dict[str, Any], found: dict[str, str]) -> None:
    assert verdicts(after) == found


def test_a_debugger_that_the_target_could_influence_is_told() -> None:
    assert verdicts(pod(), target={"isolation": "same_uid", "identity": {"uid": 65532}}) == {"isolation": "warn"}


def test_what_could_not_be_taken_is_told_and_nothing_is_judged_without_it() -> None:
    found = verdicts(pod(), missing={"cgroup": "the command ended with 1"})
    assert found == {"taken": "unknown"}
    lost = {
        "target": {"isolation": "other_uid"},
        "pod_before": pod(),
        "processes": [],
        "missing": {"pod_after": "gone"},
    }
    told = {row.analyzer: row.message for row in analyze(lost, ANALYZERS, {}) if row.verdict == "unknown"}
    assert set(told) == {"restarted", "replaced_container", "replaced_pod", "changed_phase", "taken"}
    assert "pod_after is missing (gone)" in told["replaced_pod"]


def test_what_was_taken_and_is_too_large_to_be_read_here_is_not_called_missing(tmp_path: Path) -> None:
    """A capture of some minutes, an archive with one program of Go."""
    case = CaseFolder(tmp_path)
    rows = [{**collector(name, parser), "file": f"{{namespace}}/{{pod}}/{name}"} for name, parser in LARGE]
    for name, _parser in LARGE:
        case.write_bytes(f"shop/api-0/{name}", b"")
        with (tmp_path / "shop" / "api-0" / name).open("r+b") as file:
            file.truncate(MAX_PARSED + 1)
    known = learn(collectors=rows, case=case)
    assert known.unread == ["capture", "executables"]
    assert "it was taken" in known.missing["capture"]
    of_taken = [row for row in analyze(known.facts, ANALYZERS, {}) if row.analyzer == "taken"]
    assert [row.verdict for row in of_taken] == ["pass"]
    gone = analyze({**known.facts, "missing": {**known.missing, "maps": "it ended with 1"}}, ANALYZERS, {})
    (told,) = [row for row in gone if row.analyzer == "taken"]
    assert (told.verdict, told.message) == ("unknown", "Not taken: maps (it ended with 1)")


def test_what_was_taken_in_part_is_told() -> None:
    whole, half = {"is_complete": True}, {"is_complete": False}
    files = {"files": [], "unseen": []}
    seen = {"processes_seen": whole, "sockets_seen": whole, "deleted_files": {**files, **whole}}
    assert verdicts(pod(), **seen) == {}
    assert verdicts(pod(), **{**seen, "processes_seen": half}) == {"processes_not_all_taken": "unknown"}
    assert verdicts(pod(), **{**seen, "sockets_seen": half}) == {"sockets_not_all_taken": "unknown"}
    assert verdicts(pod(), **{**seen, "deleted_files": {**files, **half}}) == {"deleted_files_not_all_taken": "unknown"}
    unseen = {"files": [], "unseen": [{"pid": pid, "name": f"w{pid}"} for pid in range(7)], **whole}
    told = {
        row.analyzer: row.message
        for row in analyze({"missing": {}, "deleted_files": unseen}, ANALYZERS, {})
        if row.analyzer == "open_files_not_seen"
    }
    assert told == {
        "open_files_not_seen": "What 7 of the target's processes hold open could not be read by the debugger: "
        "pid 0 (w0), pid 1 (w1), pid 2 (w2), pid 3 (w3), pid 4 (w4) and others."
    }
