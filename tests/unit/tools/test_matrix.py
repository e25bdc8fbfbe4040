# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix says what it saw: what did not run is said to, what failed is named, and the README claims no more."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(CHECKOUT / "tests"))

from tools import environments, matrix, matrix_cells, matrix_page  # noqa: E402

OUTCOMES: dict[str, Any] = json.loads(matrix.OUTCOMES.read_text(encoding="utf-8"))
REPORT = """<testsuites><testsuite>
<testcase classname="tests.integration.test_a" name="test_good" />
<testcase classname="tests.integration.test_a" name="test_bad"><failure message="assert 1 == 2&#10;more">trace</failure></testcase>
<testcase classname="tests.integration.test_a" name="test_worse"><error message="no cluster">trace</error></testcase>
</testsuite></testsuites>"""


def outcome(**failed: str) -> dict[str, Any]:
    versions = {axis: f"{axis} here" for axis in matrix_page.AXES.values()}
    return {"passed": 3, "failed": failed, "versions": versions}


def test_a_report_is_read_with_each_failures_first_line() -> None:
    passed, failed = matrix.read(ET.parse(io.StringIO(REPORT)))  # noqa: S314 - it stands above
    file = "tests/integration/test_a.py"
    assert passed == 1
    assert failed == {f"{file}::test_bad": "assert 1 == 2", f"{file}::test_worse": "no cluster"}


def test_a_cell_that_did_not_run_says_so_and_what_failed_is_named() -> None:
    page = matrix_page.page({"newest": outcome(), "client-28": outcome(test_of_mine="it `broke`")})
    rows = {row.split("\n")[0]: row for row in page.split("   * - ")}
    assert "not run" in rows["python-3.14"]
    assert "all passed" in rows["newest"]
    assert "kubernetes (client) here" in rows["client-28"]
    assert "``test_of_mine``: not explained yet; ``it 'broke'``" in page


def test_an_explained_failure_is_told_by_its_explanation(monkeypatch: pytest.MonkeyPatch) -> None:
    known = matrix_cells.Known(("client-28",), ("test_of",), "it was never so.")
    monkeypatch.setattr(matrix_cells, "KNOWN", (known,))
    assert "``test_of_mine``: it was never so." in matrix_page.page({"client-28": outcome(test_of_mine="broke")})
    assert "not explained yet" in matrix_page.page({"newest": outcome(test_of_mine="broke")})


def test_the_page_is_what_the_kept_outcomes_say() -> None:
    assert matrix_page.PAGE.read_text(encoding="utf-8") == matrix_page.page(OUTCOMES)


def test_the_readme_names_the_releases_of_kubernetes_that_were_run() -> None:
    words = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    (named,) = re.findall(r"run with Kubernetes ((?:\d\.\d+(?:, | and )?)+)", words)
    run = {outcome["versions"]["Kubernetes"] for outcome in OUTCOMES.values() if outcome["passed"]}
    # `make test` itself runs with the newest
    shown = {matrix_cells.NEWEST_KUBERNETES, *(version.rpartition(".")[0] for version in run)}
    assert set(re.findall(r"\d\.\d+", named)) == shown


def test_a_requirement_files_own_pin_wins_over_the_common_one() -> None:
    common = {environments._name(line) for line in environments._constraints(("runtime",)).splitlines()}
    with_old = {environments._name(line) for line in environments._constraints(("runtime-client-28",)).splitlines()}
    assert common - with_old == {"urllib3"}
