# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import (
    MAX_PARSED,
    CaseFolder,
    read_checks,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import Judgement
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import (
    MAX_ROWS,
    clock_findings,
    document,
    failed_finding,
    findings_of,
    in_order,
    since_listed,
    unreached,
    worst,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._report.summary import (
    MAX_LINES,
    MAX_MARKDOWN,
    is_failure,
    markdown,
    stats,
    summary_lines,
)
from ansible_collections.incident.distroless.tests.unit.support.report_cases import HOSTILE

TARGET = {"namespace": "shop", "pod": "api-0", "container": "app", "commands": []}
FAILED = {
    "namespace": "shop",
    "pod": "api-1",
    "container": None,
    "reason": "PermissionDenied",
    "message": "No.",
    "hint": "Ask.",
}


def judgement(verdict: str = "fail", message: str = "It is full.", severity: int = 50, *needs: str) -> Judgement:
    return Judgement("full", verdict, "Full", message, "Delete something.", severity, needs)


def test_a_pod_that_an_inventory_knew_is_told_with_its_time_when_it_is_gone() -> None:
    gone = {**FAILED, "reason": "NoTarget", "message": "There is no pod x."}
    times = ["2026-11-30T17:00:00Z", "2026-11-30T18:00:00Z"]
    listed = {"hosts": 2, "listed": times}
    for inventory, said in ((listed, " to ".join(times)), ({"hosts": 2, "listed": [""]}, "an unknown time")):
        (lost,) = lost_pods([gone], inventory)
        assert lost["hint"].startswith(f"It was in the inventory of {said}, and is gone since.")
        found = {**case(judgement()), "inventory": inventory}
        sentence = f"Inventory of {said}: 2 hosts; pods that came later are not among them."
        assert summary_lines(found, "/cases/1")[1] == sentence
        assert sentence in markdown(found)
    # of others nothing else is known
    assert lost_pods([FAILED], listed) == lost_pods([FAILED], {}) == [FAILED]


def lost_pods(failed: list[dict[str, Any]], inventory: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(since_listed(row, {"inventory": inventory})) for row in failed]


def case(*judgements: Judgement, failed: Any = (), facts: Any = None) -> dict[str, Any]:
    collected = {
        "role": "disk_triage",
        "case_id": "case",
        "examiner": "me",
        "reason": "",
        "started": "2026-11-24T10:00:00Z",
        "ended": "2026-11-24T10:00:09Z",
        "targets": [TARGET],
        "failed_targets": list(failed),
    }
    findings = [
        *findings_of("disk_triage", TARGET, judgements, {}),
        *(failed_finding("disk_triage", entry) for entry in failed),
    ]
    return document(collected, findings, [], {"shop/api-0/app": facts or {}})


def test_evidence_names_the_file_and_its_hash_and_what_is_read_off_the_pod_points_to_the_pod() -> None:
    files = {"disk_usage": ("shop/api-0/app/disk_usage.txt", "ab"), "pod": ("shop/api-0/app/pod.json", "cd")}
    (finding,) = findings_of("r", TARGET, [judgement("fail", "x", 50, "disk_usage", "volumes", "gone")], files)
    assert finding["evidence"] == [
        {"collector": "disk_usage", "path": "shop/api-0/app/disk_usage.txt", "sha256": "ab"},
        {"collector": "pod", "path": "shop/api-0/app/pod.json", "sha256": "cd"},
    ]


def test_what_is_wrong_is_first_and_what_is_not_known_comes_after_a_warning() -> None:
    rows = [("pass", 90), ("warn", 10), ("unknown", 5), ("fail", 1), ("fail", 99)]
    findings = findings_of("r", TARGET, [judgement(verdict, "x", severity) for verdict, severity in rows], {})
    assert [(entry["verdict"], entry["severity"]) for entry in in_order(findings)] == [
        ("fail", 99),
        ("fail", 1),
        ("warn", 10),
        ("unknown", 5),
        ("pass", 90),
    ]


@pytest.mark.parametrize(
    ("offset", "words"), [(-7200.2, "7200 s ahead of"), (45.0, "45 s behind"), (-30, None), (12, None), (None, None)]
)
def test_that_the_clock_here_is_another_than_the_api_servers_is_a_finding(
    offset: float | None, words: str | None
) -> None:
    found = clock_findings({"role": "crashloop_triage", "case_id": "case", "clock_offset": offset})
    assert [entry["verdict"] for entry in found] == (["warn"] if words else [])
    assert all(f"The clock here is {words} the API server's" in entry["message"] for entry in found)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["pass"], "pass"),
        (["pass", "warn"], "warn"),
        (["warn", "unknown"], "unknown"),
        (["unknown", "fail"], "fail"),
        ([], "unknown"),
    ],
)
def test_a_case_is_as_bad_as_its_worst_finding_and_not_good_without_any(verdicts: list[str], expected: str) -> None:
    assert worst([{"verdict": verdict} for verdict in verdicts]) == expected


def test_a_pod_that_was_not_reached_is_unknown_with_what_to_do() -> None:
    found = case(judgement("pass"), failed=[FAILED])
    assert found["verdict"] == "unknown"
    first = found["findings"][0]
    assert (first["target"], first["message"], first["next"]) == ("shop/api-1", "PermissionDenied: No.", "Ask.")


def test_tables_are_cut_and_objects_are_files_of_their_own() -> None:
    found = case(facts={"big_files": [{"path": str(number)} for number in range(500)], "pod": {"spec": {}}})
    tables = found["facts"]["shop/api-0/app"]
    assert len(tables["big_files"]) == MAX_ROWS
    assert "pod" not in tables


def test_how_many_rows_a_table_had_is_known_when_it_is_cut() -> None:
    rows = [{"path": str(number)} for number in range(500)]
    folders = {"folders": rows, "is_complete": True}
    found = case(facts={"big_files": rows, "big_folders": folders, "mounts": rows[:200], "missing": {}})
    assert found["left_out"] == {"shop/api-0/app": {"big_files": 300, "big_folders": 300}}
    shown = found["facts"]["shop/api-0/app"]
    assert (len(shown["big_folders"]["folders"]), shown["big_folders"]["is_complete"]) == (MAX_ROWS, True)
    assert shown["mounts"] == rows[:200]


def test_a_summary_has_at_most_twenty_lines_and_says_where_the_rest_is() -> None:
    lines = summary_lines(case(*[judgement()] * 100), "/cases/1")
    assert len(lines) == MAX_LINES
    assert lines[0] == "disk_triage: fail (100 fail) in 1 target"
    assert lines[-2:] == ["... more in findings.json and summary.md", "Case: /cases/1"]


def test_what_passed_is_one_line_where_not_all_of_it_has_room() -> None:
    found = case(judgement(), *[judgement("pass", "All is well.")] * 40)
    lines = summary_lines(found, "/cases/1")
    assert lines[3:] == ["pass    40 checks, each with what it saw: see report.html", "Case: /cases/1"]
    few = case(judgement(), *[judgement("pass", "All is well.")] * 3)
    assert [line[:5] for line in summary_lines(few, "/cases/1")].count("pass ") == 3


def test_a_summary_for_chat_says_how_much_it_leaves_out() -> None:
    found = case(*[judgement(message=f"It is full of {number} and {'x' * 60}.") for number in range(53)])
    text = markdown(found, "/cases/case")
    told = text.count("**fail**")
    assert text.endswith(f"- {53 - told} more findings are in findings.json and report.html.\n\nCase: /cases/case\n")
    assert 20 < told < 53
    assert len(text) <= MAX_MARKDOWN
    assert "more findings" not in markdown(case(*[judgement()] * 20))


@pytest.mark.parametrize("message", ["x" * 5000, "*" * 5000, "word " * 2000])
def test_a_summary_for_chat_is_short_and_where_the_case_is_stands_whole_in_it(message: str) -> None:
    found = {**case(*[judgement(message=message)] * 9), "reason": message}
    path = "/cases/" + "deep/" * 60
    text = markdown(found, path)
    assert text.endswith(f"Case: {path}\n")
    assert len(text) <= MAX_MARKDOWN
    # the headline is never what is left out
    assert "**fail**" in text


@pytest.mark.parametrize("text", [*HOSTILE, "\u202e" * 5000, "@here ://" * 900, "\n- **pass** all is well\n" * 400])
def test_hostile_texts_make_a_summary_for_chat_no_longer_and_take_no_line_of_it(text: str) -> None:
    bad = Judgement("full", "fail", text, text, text, 50, ())
    found = {**case(*[bad] * 3000), "reason": text}
    told = markdown(found, "/cases/case")
    assert len(told) <= MAX_MARKDOWN
    assert told.endswith("\n\nCase: /cases/case\n")
    lines = [line for line in told.split("\n") if line]
    shown = sum(line.startswith("- **fail**") for line in lines)
    assert shown >= 1
    assert f"- {3000 - shown} more findings are in findings.json and report.html." in lines
    # a heading, the case, the reason, two lines of each, what is left out, where the case is
    assert len(lines) <= 3 + 2 * shown + 2
    assert not set(told) & set("\x1b\u202e\u2066\x00")
    assert "@here" not in told


def test_a_targets_image_is_named_as_its_pod_names_it() -> None:
    spec = {"containers": [{"name": "side", "image": "proxy:2"}, {"name": "app", "image": "shop:1"}]}
    assert case(judgement(), facts={"pod": {"spec": spec}})["targets"][0]["target_image"] == "shop:1"
    assert case(judgement(), facts={"pod": {"uid": None, "is_gone": True}})["targets"][0]["target_image"] is None
    assert case(judgement())["targets"][0]["target_image"] is None


def test_a_short_summary_says_all() -> None:
    assert summary_lines(case(judgement(), judgement("pass", "Fine."), failed=[FAILED]), "/cases/1") == [
        "disk_triage: fail (1 fail, 1 unknown, 1 pass) in 1 target, 1 not reached",
        "fail    shop/api-0/app: It is full.",
        "        next: Delete something.",
        "unknown shop/api-1: PermissionDenied: No.",
        "        next: Ask.",
        "pass    shop/api-0/app: Fine.",
        "Case: /cases/1",
    ]


def test_a_pod_makes_no_link_no_picture_and_no_markup_in_a_chat_and_calls_nobody() -> None:
    text = markdown(case(judgement(message="![x](http://evil.example) <script> @channel *b* `c`")))
    assert "![x]" not in text
    assert "http://" not in text
    assert "<script>" not in text.replace("\\<", "")
    assert "@channel" not in text
    assert "\\*b\\*" in text


def test_stats_have_one_key_for_each_pod_and_stay_small() -> None:
    found = stats(case(*[judgement(message="x" * 5000)] * 100, failed=[FAILED]), "/cases/1")
    assert set(found) == {"shop/api-0/app", "shop/api-1"}
    assert found["shop/api-0/app"]["disk_triage"]["verdict"] == "fail"
    assert found["shop/api-0/app"]["disk_triage"]["counts"]["fail"] == 100
    assert len(json.dumps(found)) < 10_000


def test_twins_of_two_clusters_have_each_its_own_key() -> None:
    told = {}
    for cluster, verdict in (("eu", "fail"), ("us", "pass")):
        inventory = {"hosts": 1, "listed": ["2026-11-30T17:00:00Z"], "cluster": cluster}
        found = {**case(judgement(verdict)), "inventory": inventory}
        told |= stats(found, f"/cases/{cluster}")
        assert f": 1 host of {cluster}; pods that came later" in summary_lines(found, "/cases/1")[1]
    assert {name: roles["disk_triage"]["verdict"] for name, roles in told.items()} == {
        "eu/shop/api-0/app": "fail",
        "us/shop/api-0/app": "pass",
    }


@pytest.mark.parametrize(
    ("fail_on", "has_unreached", "failing"),
    [
        ("never", True, set()),
        ("fail", False, {"fail"}),
        ("fail", True, {"fail", "unknown"}),
        ("warn", False, {"fail", "unknown", "warn"}),
    ],
)
def test_which_verdicts_fail_a_play(fail_on: str, has_unreached: bool, failing: set[str]) -> None:
    verdicts = ("fail", "unknown", "warn", "pass")
    assert {verdict for verdict in verdicts if is_failure(verdict, fail_on, has_unreached=has_unreached)} == failing


def test_a_target_is_unreached_where_nothing_of_it_was_looked_at() -> None:
    looked = {"namespace": "shop", "pod": "api-0", "container": "app"}
    by_the_api = {**looked, "reason": "PodSecurityDenied"}
    # of a pod that was not even begun with no container is known
    nothing = {"namespace": "shop", "pod": "api-1", "reason": "PodGone"}
    case = {"targets": [looked], "failed_targets": [by_the_api, nothing]}
    assert unreached(case) == [nothing]
    assert unreached({**case, "failed_targets": [by_the_api]}) == []


def test_a_case_is_for_its_owner_only_and_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    folder = CaseFolder(tmp_path / "case")
    folder.write("shop/api-0/app/pod.json", "old")
    folder.write("shop/api-0/app/pod.json", "new \ud800")
    written = tmp_path / "case" / "shop" / "api-0" / "app" / "pod.json"
    assert written.read_text(encoding="utf-8") == "new \\ud800"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert [path.name for path in written.parent.iterdir()] == ["pod.json"]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "big.txt").open("wb") as file:
        file.truncate(MAX_PARSED + 1)
    with pytest.raises(ValueError, match="larger than"):
        CaseFolder(tmp_path).read("big.txt")


def test_checks_are_read_folder_by_folder_and_by_name(tmp_path: Path) -> None:
    for name in ("own/b.yml", "own/a.yaml", "mine/a.yml", "mine/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"name: {name}\n", encoding="utf-8")
    found = read_checks([str(tmp_path / "own"), str(tmp_path / "mine")])
    assert [content["name"] for content in found.values()] == ["own/a.yaml", "own/b.yml", "mine/a.yml"]


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.yml").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"bad\.yml"):
        read_checks([str(tmp_path)])
