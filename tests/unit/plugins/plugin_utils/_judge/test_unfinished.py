# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A case whose acquisition was cut off: its log stands as far as it goes, and is continued only where nothing was changed."""

from __future__ import annotations

import hashlib
import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import CaseFolder
from ansible_collections.incident.distroless.plugins.plugin_utils._case.hash_chain import BEGINNING, Chain, chain, links
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.acquired import next_log, read_acquired
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.acquisition_log import Acquired, log_rows
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import read_folder
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.seal import lost_files, problems, seal
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import unfinished_finding
from ansible_collections.incident.distroless.plugins.plugin_utils._report.html_page import html
from ansible_collections.incident.distroless.plugins.plugin_utils._report.summary import markdown
from ansible_collections.incident.distroless.tests.unit.support.acquired_cases import (
    COLLECTED,
    LOOKED,
    OPENED,
    RECORD,
    TARGET,
    asked,
)
from ansible_collections.incident.distroless.tests.unit.support.report_cases import bad_night

POD = b'{"kind": "Pod"}'
KEPT = asked(sha256=hashlib.sha256(POD).hexdigest(), size=len(POD))
OUTPUT = b"date 1795572060\n"
RAN = {**TARGET["commands"][0], "dest_sha256": hashlib.sha256(OUTPUT).hexdigest()}


def write_log(case: CaseFolder) -> Chain:
    """As evidence_log does."""
    log = next_log(case, read_acquired(case))
    case.write_bytes("acquisition.jsonl", log.text, is_durable=True)
    return log


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.fixture
def case(tmp_path: Path) -> CaseFolder:
    """A case that was begun: the API was asked, and the log stands."""
    found = CaseFolder(tmp_path)
    write_json(tmp_path / "collected.json", OPENED)
    write_log(found)
    write_json(tmp_path / "api_before" / "record.json", {**RECORD, "requests": [KEPT]})
    (tmp_path / "api_before" / "shop" / "api-0").mkdir(parents=True)
    (tmp_path / "api_before" / "shop" / "api-0" / "pod.json").write_bytes(POD)
    write_log(found)
    return found


def log_of(case: CaseFolder) -> bytes:
    return (case.path / "acquisition.jsonl").read_bytes()


def look(case: CaseFolder) -> None:
    """The next step of the acquisition: a collector ran."""
    case.write_bytes("shop/api-0/app/clock.txt", OUTPUT)
    write_json(case.path / "collected.json", {**LOOKED, "targets": [{**TARGET, "commands": [RAN]}]})


def test_what_comes_later_continues_the_log_that_stands(case: CaseFolder) -> None:
    before = log_of(case)
    look(case)
    log = write_log(case)
    assert log_of(case) == log.text
    assert log.text.startswith(before)
    actions = [json.loads(line)["action"] for line in log.text.splitlines()]
    assert actions == ["open", "identify", "ask", "inject", "run", "refused"]
    assert links(log.text).breaks == ()
    assert (case.path / "acquisition.jsonl").stat().st_mode & 0o777 == 0o600


def test_what_is_to_be_written_counts_before_it_is(case: CaseFolder) -> None:
    later = read_acquired(case, json.dumps(LOOKED), '{"start": "now"}')
    assert (later.collected, later.fetch) == (LOOKED, {"start": "now"})
    assert next_log(case, later).lines > next_log(case, read_acquired(case)).lines
    with pytest.raises(ValueError, match="line 1 of the log"):
        next_log(case, read_acquired(case, json.dumps({**LOOKED, "reason": "another"})))


def change_a_line(case: CaseFolder) -> None:
    path = case.path / "acquisition.jsonl"
    path.write_bytes(path.read_bytes().replace(b"audit-1", b"audit-2"))


def change_the_record(case: CaseFolder) -> None:
    write_json(case.path / "api_before" / "record.json", {**RECORD, "requests": [asked(audit_id="audit-2")]})


def change_the_reason(case: CaseFolder) -> None:
    write_json(case.path / "collected.json", {**OPENED, "reason": "another"})


@pytest.mark.parametrize(
    ("tamper", "line"),
    [
        (change_a_line, 3),
        (change_the_record, 3),
        (lambda case: (case.path / "api_before" / "record.json").unlink(), 2),
        (change_the_reason, 1),
    ],
)
def test_a_log_is_not_continued_where_it_or_what_it_was_made_of_was_changed(
    case: CaseFolder, tamper: Callable[[CaseFolder], None], line: int
) -> None:
    tamper(case)
    before = log_of(case)
    with pytest.raises(ValueError, match=f"line {line} of the log"):
        write_log(case)
    assert log_of(case) == before


@pytest.mark.parametrize("is_looked_into", [False, True])
def test_a_log_that_was_taken_away_is_not_made_anew(case: CaseFolder, is_looked_into: bool) -> None:
    """Neither continued nor sealed: it would say what whoever took it away has put into the case."""
    if is_looked_into:
        look(case)
        (case.path / "api_before" / "record.json").unlink()
    (case.path / "acquisition.jsonl").unlink()
    with pytest.raises(ValueError, match="not there any more"):
        write_log(case)
    with pytest.raises(ValueError, match="not there any more"):
        seal(case.path, None)
    assert not (case.path / "acquisition.jsonl").exists()
    assert not (case.path / "SHA256SUMS").exists()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_where_there_is_no_room_for_more_the_log_of_before_stands_whole(case: CaseFolder) -> None:
    before = log_of(case)
    look(case)
    with files_of_at_most(len(before) + 10), pytest.raises(OSError, match="File too large"):
        write_log(case)
    assert log_of(case) == before
    # and goes on when there is room again, past what was left over
    assert write_log(case).text.startswith(before)
    assert not list(case.path.glob(".*.partial"))


def test_a_case_that_is_not_sealed_is_not_intact_and_its_log_is_as_far_as_it_goes(case: CaseFolder) -> None:
    (only,) = problems(read_folder(case.path))
    assert (only.kind, only.path) == ("seal", "SHA256SUMS")
    assert "Its log has 3 lines so far." in only.message


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (
            lambda case: flip(case.path / "api_before/shop/api-0/pod.json"),
            ("changed", "api_before/shop/api-0/pod.json"),
        ),
        (
            lambda case: (case.path / "api_before/shop/api-0/pod.json").unlink(),
            ("missing", "api_before/shop/api-0/pod.json"),
        ),
        (lambda case: flip(case.path / "acquisition.jsonl"), ("log", "acquisition.jsonl")),
    ],
)
def test_what_is_changed_before_it_is_sealed_is_found(
    case: CaseFolder, tamper: Callable[[CaseFolder], None], found: tuple[str, str]
) -> None:
    tamper(case)
    assert found in {(problem.kind, problem.path) for problem in problems(read_folder(case.path))}


def test_a_file_with_a_name_that_is_no_text_is_missed_by_its_bytes(case: CaseFolder) -> None:
    content = read_folder(case.path)
    row = {"path": "a\\xff", "path_b64": "Yf8=", "sha256": "a" * 64}
    (lost,) = lost_files([row], content)
    assert lost.path == "a\\xff"
    content.files[b"a\xff"] = "a" * 64
    assert lost_files([row], content) == []
    # one file under two names, of which one was read earlier
    assert lost_files([row, {**row, "sha256": "b" * 64}], content) == []


def test_links_tell_how_far_a_log_goes() -> None:
    log = chain(log_rows(Acquired(COLLECTED)))
    assert (links(log.text).lines, links(log.text).last) == (log.lines, log.last)
    assert (links(b"").lines, links(b"").last) == (0, BEGINNING)
    assert links(log.text[:-1]).breaks == ("The last line has no end.",)


def test_the_summary_and_the_report_say_that_a_case_was_cut_off() -> None:
    unfinished = {**bad_night(), "ended": None}
    assert "and cut off." in markdown(unfinished)
    assert "and cut off" in html(unfinished, {})
    assert "None" not in html(unfinished, {})


def test_a_case_that_was_cut_off_is_unknown_and_says_what_to_do() -> None:
    found = unfinished_finding(OPENED)
    assert (found["verdict"], found["target"]) == ("unknown", "case")
    assert "last line of acquisition.jsonl" in found["next"]
