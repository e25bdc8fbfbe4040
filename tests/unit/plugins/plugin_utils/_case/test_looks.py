# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A case belongs to one look of one role, or to one look each of several, whatever is in it and whoever asks at the same moment."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import CaseFolder
from ansible_collections.incident.distroless.plugins.plugin_utils._case.looks import (
    Opened,
    Opening,
    held_by,
    look_again,
    open_case,
    refuse_writer,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._report.together import together, write_look
from ansible_collections.incident.distroless.tests.unit.support.report_cases import bad_night

NOW = dt.datetime(2026, 11, 24, 3, 0, 0, tzinfo=dt.UTC)


def opened(cases: Path, role: str, case_id: str = "one", **changes: Any) -> Opened:
    return open_case(cases, Opening(role, case_id, **changes), NOW, writes=True)


def refusal(ask: Callable[[], object]) -> Failure:
    with pytest.raises(Failure) as refused:
        ask()
    return refused.value


def judged(look: Opened, role: str, **changes: Any) -> None:
    """As triage_judge leaves a case."""
    document = {**bad_night(), "role": role, "case_id": look.case_id, **changes}
    for finding in document["findings"]:
        finding["role"] = role
    (look.folder / "collected.json").write_text(json.dumps({"role": role}), encoding="utf-8")
    write_look(CaseFolder(look.folder), document)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_second_look_and_another_role_are_refused_and_the_case_stays_as_it_is(tmp_path: Path) -> None:
    first = opened(tmp_path, "disk_triage")
    assert first.folder == first.case == tmp_path / "one"
    before = tree(tmp_path)
    second = refusal(lambda: opened(tmp_path, "disk_triage"))
    other = refusal(lambda: opened(tmp_path, "process_triage"))
    assert [failure.reason for failure in (second, other)] == ["CaseConflict", "CaseConflict"]
    assert "--tags judge,report" in second.hint
    assert "is the case of disk_triage" in other.message
    assert "process_triage_add_to_case: true" in other.hint
    # nor is a second look an addition
    assert refusal(lambda: opened(tmp_path, "disk_triage", adds=True)).reason == "CaseConflict"
    assert tree(tmp_path) == before


@pytest.mark.parametrize("writes", [True, False])
def test_what_is_sealed_is_refused_and_nothing_is_written_into_it(tmp_path: Path, writes: bool) -> None:
    case = tmp_path / "one"
    case.mkdir()
    (case / "SHA256SUMS").touch()
    asked = Opening("process_triage", "one", adds=True, continues=True)
    for ask in (
        lambda: open_case(tmp_path, asked, NOW, writes=writes),
        lambda: look_again(case, "process_triage"),
        lambda: refuse_writer(case, "process_triage"),
    ):
        assert refusal(ask).reason == "CaseSealed"
    assert list(tree(case)) == ["SHA256SUMS"]


def test_a_look_in_a_case_of_several_is_sealed_for_itself_and_with_the_case(tmp_path: Path) -> None:
    bundle = opened(tmp_path, "evidence_bundle", adds=True)
    (bundle.folder / "SHA256SUMS").touch()
    assert refusal(lambda: look_again(bundle.case, "evidence_bundle")).reason == "CaseSealed"
    other = opened(tmp_path, "process_triage", adds=True)
    refuse_writer(other.folder, "process_triage")
    (bundle.case / "SHA256SUMS").touch()
    assert refusal(lambda: refuse_writer(other.folder, "process_triage")).reason == "CaseSealed"


@pytest.mark.parametrize(
    ("name", "content", "role"),
    [
        ("collected.json", '{"role": "disk_triage"}', "disk_triage"),
        ("findings.json", '{"role": "network_triage"}', "network_triage"),
        ("quarantine.jsonl", '{"action": "begin"}\n', "quarantine"),
    ],
)
def test_a_case_without_a_record_belongs_to_whose_files_it_has(
    tmp_path: Path, name: str, content: str, role: str
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / name).write_text(content, encoding="utf-8")
    assert role in refusal(lambda: opened(tmp_path, "process_triage")).message
    assert refusal(lambda: refuse_writer(tmp_path / "one", "process_triage")).reason == "CaseConflict"
    assert look_again(tmp_path / "one", role) == tmp_path / "one"
    assert refusal(lambda: look_again(tmp_path / "one", "process_triage")).reason == "CaseConflict"


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"looks": [{"role": "x", "folder": "../.."}], "others": []}', "7"])
def test_a_record_that_is_not_understood_is_somebody_elses(tmp_path: Path, record: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "case.json").write_text(record, encoding="utf-8")
    assert refusal(lambda: opened(tmp_path, "disk_triage", adds=True)).reason == "CaseConflict"


def test_nothing_is_moved_out_of_the_case_whatever_its_files_call_a_role(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "findings.json").write_text('{"role": "../out"}', encoding="utf-8")
    assert opened(tmp_path, "process_triage", adds=True).folder == tmp_path / "one" / "process_triage"
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "one" / "findings.json").is_file()


def test_a_file_of_somebody_elses_beside_cases_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "case.json").write_text('{"ticket": 4711}', encoding="utf-8")
    first = opened(tmp_path, "disk_triage")
    judged(first, "disk_triage")
    refuse_writer(first.folder, "disk_triage")


def test_notes_of_the_users_own_are_no_look(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "notes.txt").write_text("paged at three", encoding="utf-8")
    first = opened(tmp_path, "disk_triage")
    judged(first, "disk_triage")
    opened(tmp_path, "process_triage", adds=True)
    assert (tmp_path / "one" / "notes.txt").is_file()
    assert (tmp_path / "one" / "disk_triage" / "findings.json").is_file()


def test_each_role_has_a_folder_and_on_top_all_findings_are_listed(tmp_path: Path) -> None:
    first = opened(tmp_path, "disk_triage")
    judged(first, "disk_triage")
    (first.folder / "shop").mkdir()
    (first.folder / "shop" / "df.txt").write_text("full", encoding="utf-8")
    second = opened(tmp_path, "process_triage", adds=True)
    assert second.folder == first.case / "process_triage"
    assert (first.case / "disk_triage" / "shop" / "df.txt").is_file()
    assert look_again(first.case, "disk_triage") == first.case / "disk_triage"
    judged(second, "process_triage", verdict="pass", ended="2026-11-24T03:01:00Z")
    top = json.loads((first.case / "findings.json").read_text(encoding="utf-8"))
    assert [(row["role"], row["folder"]) for row in top["roles"]] == [
        (name, name) for name in ("disk_triage", "process_triage")
    ]
    assert top["counts"] == {"fail": 2, "unknown": 0, "warn": 2, "pass": 2}
    assert (top["verdict"], top["started"], top["ended"]) == ("fail", "2026-11-24T03:00:00Z", "2026-11-24T03:01:00Z")
    paths = {piece["path"] for finding in top["findings"] for piece in finding["evidence"]}
    told = [piece["path"] for finding in bad_night()["findings"] for piece in finding["evidence"]]
    assert paths == {f"{name}/{path}" for name in ("disk_triage", "process_triage") for path in told}
    assert len(top["targets"]) == 2
    assert "process_triage" in (first.case / "report.html").read_text(encoding="utf-8")


def test_a_look_that_goes_on_is_not_moved_away_under_its_play(tmp_path: Path) -> None:
    opened(tmp_path, "disk_triage")
    before = tree(tmp_path)
    refused = refusal(lambda: opened(tmp_path, "process_triage", adds=True))
    assert refused.reason == "CaseConflict"
    assert "still looks" in refused.message
    assert tree(tmp_path) == before


def test_a_move_that_was_killed_is_gone_on_with(tmp_path: Path) -> None:
    first = opened(tmp_path, "disk_triage")
    judged(first, "disk_triage")
    (first.case / "disk_triage").mkdir()
    (first.case / "summary.md").rename(first.case / "disk_triage" / "summary.md")
    opened(tmp_path, "process_triage", adds=True)
    names = {"summary.md", "findings.json", "report.html", "collected.json"}
    assert {path.name for path in (first.case / "disk_triage").iterdir()} == names


def test_a_quarantine_goes_on_with_its_own_case(tmp_path: Path) -> None:
    first = opened(tmp_path, "quarantine", continues=True)
    with held_by(first.folder, "quarantine") as case:
        case.write("quarantine.jsonl", '{"action": "judged"}\n')
    assert opened(tmp_path, "quarantine", continues=True).folder == first.folder
    opened(tmp_path, "process_triage", adds=True)
    assert opened(tmp_path, "quarantine", continues=True).folder == first.case / "quarantine"


def test_of_two_that_ask_at_once_one_gets_the_case(tmp_path: Path) -> None:
    def ask(_number: int) -> str:
        try:
            return opened(tmp_path, "disk_triage").case_id
        except Failure as failure:
            return failure.reason

    with ThreadPoolExecutor(8) as pool:
        found = sorted(pool.map(ask, range(8)))
    assert found == [*["CaseConflict"] * 7, "one"]


def test_of_those_that_name_no_case_each_gets_its_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = sorted(pool.map(lambda _number: opened(tmp_path, "disk_triage", "").case_id, range(4)))
    name = "disk_triage-20261124T030000Z"
    assert found == [name, f"{name}-2", f"{name}-3", f"{name}-4"]


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/tmp/x"])
def test_a_case_is_one_folder(tmp_path: Path, name: str) -> None:
    assert refusal(lambda: opened(tmp_path, "disk_triage", name)).reason == "InvalidRequest"


def test_check_mode_refuses_the_same_and_writes_nothing(tmp_path: Path) -> None:
    asked = Opening("process_triage", "one")
    assert open_case(tmp_path, asked, NOW, writes=False).folder == tmp_path / "one"
    assert list(tmp_path.iterdir()) == []
    opened(tmp_path, "disk_triage")
    before = tree(tmp_path)
    assert refusal(lambda: open_case(tmp_path, asked, NOW, writes=False)).reason == "CaseConflict"
    assert tree(tmp_path) == before


def test_one_that_was_cut_off_leaves_the_end_of_all_open() -> None:
    whole, cut = bad_night(), {**bad_night(), "ended": None}
    assert together({"a": whole, "b": cut}, "one")["ended"] is None
