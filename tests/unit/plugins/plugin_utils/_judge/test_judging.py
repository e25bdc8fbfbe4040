# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From what was collected to what is said: in the case folder, and without a trace of it in check mode."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import CaseFolder
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import parse_analyzers
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import judge
from ansible_collections.incident.distroless.plugins.plugin_utils._report.html_page import write_case
from ansible_collections.incident.distroless.tests.unit.support.acquired_cases import (
    LOOKED,
    TARGET,
)

OUTPUT = b"date 1795572060\n"
CLOCK = {**TARGET["commands"][0], "name": "clock", "dest_sha256": hashlib.sha256(OUTPUT).hexdigest()}
ROW = {"name": "clock", "api": None, "file": None, "suffix": "txt", "parser": "counters", "timeout": 60}
COLLECTED: dict[str, Any] = {
    **LOOKED,
    "failed_targets": [],
    "collectors": [ROW],
    "targets": [{**TARGET, "commands": [CLOCK]}],
}
LATE = parse_analyzers(
    {
        "checks.yml": {
            "analyzers": [
                {
                    "name": "late",
                    "title": "The clock is late",
                    "needs": ["clock"],
                    "when": "clock.date > settings.latest",
                    "verdict": "fail",
                    "message": "It is {{ clock.date }}.",
                    "next": "Set it.",
                    "otherwise": True,
                }
            ]
        }
    }
)


@pytest.fixture
def folder(tmp_path: Path) -> CaseFolder:
    case = CaseFolder(tmp_path)
    case.write_bytes("shop/api-0/app/clock.txt", OUTPUT)
    return case


def files(folder: CaseFolder) -> set[str]:
    return {str(path.relative_to(folder.path)) for path in folder.path.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("latest", "verdict", "message"),
    [(1, "fail", "It is 1795572060."), (2e9, "pass", "Not found: the clock is late. Seen whole: clock.")],
)
def test_what_was_printed_is_judged_and_stands_behind_the_finding(
    folder: CaseFolder, latest: float, verdict: str, message: str
) -> None:
    case = judge(folder, {**COLLECTED, "ended": "2026-11-25T02:01:00Z"}, LATE, {"latest": latest}, keeps=True)
    (finding,) = case["findings"]
    assert (finding["verdict"], finding["message"], case["verdict"]) == (verdict, message, verdict)
    (piece,) = finding["evidence"]
    assert piece == {"collector": "clock", "path": "shop/api-0/app/clock.txt", "sha256": CLOCK["dest_sha256"]}
    assert json.loads((folder.path / "shop/api-0/app/clock.json").read_text(encoding="utf-8")) == {"date": 1795572060}


def test_an_acquisition_that_did_not_end_says_so_beside_what_was_found(folder: CaseFolder) -> None:
    case = judge(folder, {**COLLECTED, "ended": None}, LATE, {"latest": 1}, keeps=True)
    assert {entry["analyzer"]: entry["verdict"] for entry in case["findings"]} == {"late": "fail", "ended": "unknown"}


def test_nothing_is_written_where_nothing_is_to_be_kept(folder: CaseFolder) -> None:
    before = files(folder)
    kept = judge(folder, COLLECTED, LATE, {"latest": 1}, keeps=True)
    for name in files(folder) - before:
        (folder.path / name).unlink()
    unkept = judge(folder, COLLECTED, LATE, {"latest": 1}, keeps=False)
    assert files(folder) == before
    assert [entry["message"] for entry in unkept["findings"]] == [entry["message"] for entry in kept["findings"]]


def test_a_case_is_written_for_programs_and_for_people(folder: CaseFolder) -> None:
    case = judge(folder, COLLECTED, LATE, {"latest": 1}, keeps=True)
    write_case(folder, case)
    assert json.loads((folder.path / "findings.json").read_text(encoding="utf-8")) == case
    for name in ("summary.md", "report.html"):
        assert "It is 1795572060." in (folder.path / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("value", ["an hour", "", None, True, -1, 1.5, "-5", ["60"], {"seconds": 60}])
def test_a_setting_of_seconds_that_is_no_number_is_refused_and_nothing_is_written(
    folder: CaseFolder, value: Any
) -> None:
    before = files(folder)
    with pytest.raises(ValueError, match="within_seconds is not valid: expected a whole number of seconds"):
        judge(folder, COLLECTED, LATE, {"latest": 1, "within_seconds": value}, keeps=True)
    assert files(folder) == before


@pytest.mark.parametrize("value", [0, 60, "60"])
def test_seconds_may_be_text_as_templates_make_it(folder: CaseFolder, value: Any) -> None:
    assert judge(folder, COLLECTED, LATE, {"latest": 1, "within_seconds": value}, keeps=False)["verdict"] == "fail"


FAILED = {
    "namespace": "shop",
    "pod": "api-0",
    "container": None,
    "reason": "PodSecurityDenied",
    "message": "No.",
    "hint": "Ask.",
}
OUTSIDE: dict[str, Any] = {
    **COLLECTED,
    "ended": "2026-11-25T02:01:00Z",
    "outside_too": True,
    "failed_targets": [FAILED],
    "targets": [{**TARGET, "pod_uid": "u", "commands": []}],
}
ALWAYS = parse_analyzers(
    {
        "checks.yml": {
            "analyzers": [{"name": "there", "needs": ["target"], "verdict": "warn", "message": "It is there."}]
        }
    }
)


def test_what_only_a_look_inside_tells_is_one_finding_that_says_why_it_was_not_seen(folder: CaseFolder) -> None:
    case = judge(folder, OUTSIDE, [*LATE, *ALWAYS], {"latest": 1}, keeps=False)
    there, unseen = case["findings"]
    assert (there["analyzer"], there["verdict"], case["verdict"]) == ("there", "warn", "unknown")
    assert unseen["target"] == "shop/api-0/app"
    assert unseen["message"] == (
        "PodSecurityDenied: No. What the API says was judged; checks that need a look inside and were not made: 1."
    )
    assert unseen["next"] == "Ask."


def test_of_a_container_beside_the_one_that_was_looked_into_it_is_said_which_that_was(folder: CaseFolder) -> None:
    looked = {**TARGET, "pod_uid": "u", "commands": [CLOCK]}
    targets = [looked, {**looked, "container": "side", "commands": []}]
    case = judge(folder, {**OUTSIDE, "failed_targets": [], "targets": targets}, LATE, {"latest": 1}, keeps=False)
    late, unseen = case["findings"]
    assert (late["target"], late["verdict"]) == ("shop/api-0/app", "fail")
    assert unseen["message"].startswith("Of this pod app was to be looked into. ")
    assert unseen["next"] == "Name side in evidence_bundle_container to look into it."


def test_a_pod_of_which_nothing_is_known_stays_a_finding_of_its_own(folder: CaseFolder) -> None:
    case = judge(folder, {**OUTSIDE, "targets": []}, LATE, {"latest": 1}, keeps=False)
    (finding,) = case["findings"]
    assert (finding["analyzer"], finding["message"]) == ("reached", "PodSecurityDenied: No.")
