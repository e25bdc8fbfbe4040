# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Summary and report of a copy for sharing: escaped text hides what is secret in it, so they are made of what was replaced."""

from __future__ import annotations

import html as entities
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import read_folder
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.seal import problems
from ansible_collections.incident.distroless.plugins.plugin_utils._report.html_page import html
from ansible_collections.incident.distroless.plugins.plugin_utils._report.summary import markdown
from ansible_collections.incident.distroless.plugins.plugin_utils._sharing.redacted_copy import derive
from ansible_collections.incident.distroless.tests.unit.support.report_cases import bad_night, finding
from ansible_collections.incident.distroless.tests.unit.support.sealed_bundles import sealed, whats

COMMAND = 'app --db=postgres://app:hunter2@db.shop/x --mail=alice@shop.example --conf={"password":"hunter3"}'
SECRETS = ["hunter2", "hunter3", "hunter4", "alice", "10.9.8.7", "PRINTED"]
RAW, TAR = "shop/api-0/app/processes.txt", "shop/api-0/app/deleted_executables.tar"
ADDRESS = "shop/api-0/app/alice@shop.example.txt"
ARCHIVE = b"\0" * 257 + b"ustar\0 password=hunter4 "
COLLECTORS = [{"name": "values", "suffix": "txt", "file": None, "secret": True}]


def evidence(*paths: str) -> list[dict[str, str]]:
    return [{"collector": "processes", "path": path, "sha256": "9f86d081884c7d65" * 4} for path in paths]


def case(**changes: Any) -> dict[str, Any]:
    found = bad_night()
    found["findings"] = [
        finding(message=f"Pid 7 runs {COMMAND}", next="Ask alice@shop.example.", evidence=evidence(RAW, TAR, ADDRESS))
    ]
    found["facts"]["shop/api-0/app"]["processes"][0]["command"] = COMMAND
    found["facts"]["shop/api-0/app"]["values"] = [{"name": "LEVEL", "value": "PRINTED"}]
    return {**found, "reason": "mail of alice@shop.example", **changes}


@pytest.fixture
def original(tmp_path: Path) -> Path:
    raw = {RAW: COMMAND.encode() + b"\n", TAR: ARCHIVE, ADDRESS: b"peer 10.9.8.7\n"}
    files = {
        **{path.encode(): data for path, data in raw.items()},
        b"findings.json": json.dumps(case()).encode(),
        b"summary.md": markdown(case()).encode(),
        b"report.html": html(case(), raw).encode(),
        b"shop/api-0/app/values.txt": b"PRINTED",
        b"shop/api-0/app/values.json": b'"PRINTED"',
    }
    return sealed(tmp_path / "case", files)


def test_nothing_secret_is_in_the_summary_and_the_report_of_a_copy(original: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    derive(original, copy, b"salt", COLLECTORS)
    assert problems(read_folder(copy)) == []
    for name in ("findings.json", "summary.md", "report.html"):
        assert "hunter2" in entities.unescape((original / name).read_text(encoding="utf-8"))
        told = entities.unescape((copy / name).read_text(encoding="utf-8"))
        assert not [secret for secret in SECRETS if secret in told], name
    found = whats(copy)
    assert (found["findings.json"], found["summary.md"], found["report.html"]) == ("replaced", "made_anew", "made_anew")


def test_they_say_of_the_copy_what_those_of_the_original_say(original: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    derive(original, copy, b"salt", COLLECTORS)
    shared = json.loads((copy / "findings.json").read_bytes())
    for piece in shared["findings"][0]["evidence"]:
        assert (copy / piece["path"]).is_file()
    page = entities.unescape((copy / "report.html").read_text(encoding="utf-8"))
    assert shared["findings"][0]["message"] in page
    # the beginning of what was replaced, and not of what is in the copy as it was
    assert (copy / RAW).read_text(encoding="utf-8").strip() in page
    assert (copy / shared["findings"][0]["evidence"][2]["path"]).read_text(encoding="utf-8").strip() in page
    assert "ustar" not in page
    assert "/data is fine" not in page


def test_a_path_that_leads_out_of_the_bundle_is_not_read(original: Path, tmp_path: Path) -> None:
    (tmp_path / "private").write_text("PRIVATE", encoding="utf-8")
    found = case()
    found["findings"][0]["evidence"] = evidence("../private", "/etc/passwd")
    bundle = sealed(tmp_path / "other", {b"findings.json": json.dumps(found).encode(), b"report.html": b"x"})
    derive(bundle, tmp_path / "copy", b"salt", [])
    page = (tmp_path / "copy" / "report.html").read_text(encoding="utf-8")
    assert "PRIVATE" not in page
    assert "root:" not in page


@pytest.mark.parametrize(
    "text",
    [
        b"no JSON, of alice@shop.example",
        b"[]",
        b'{"findings": [{"evidence": 7}], "facts": {}}',
        b'{"findings": [], "facts": {}}',
    ],
)
def test_where_the_findings_are_not_understood_the_other_two_stay_out(text: bytes, tmp_path: Path) -> None:
    files = {
        b"findings.json": text,
        b"summary.md": b"alice@\xe2\x80\x8bshop.example",
        b"report.html": b"alice&#64;shop",
    }
    derive(sealed(tmp_path / "case", files), tmp_path / "copy", b"salt", [])
    found = whats(tmp_path / "copy")
    assert (found["summary.md"], found["report.html"]) == ("left_out", "left_out")
    assert sorted(path.name for path in (tmp_path / "copy").glob("*.[mh][dt]*")) == []
    assert b"alice" not in (tmp_path / "copy" / "findings.json").read_bytes()
    assert problems(read_folder(tmp_path / "copy")) == []


def test_of_a_case_that_was_not_judged_there_is_neither(tmp_path: Path) -> None:
    derive(sealed(tmp_path / "case", {b"shop/a.txt": b"a"}), tmp_path / "copy", b"salt", [])
    assert whats(tmp_path / "copy") == {"shop/a.txt": "unchanged"}
