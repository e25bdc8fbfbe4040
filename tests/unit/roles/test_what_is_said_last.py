# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a role prints at its end, however much was found and however much a role adds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.plugin_utils._report.summary import summary_lines
from jinja2.nativetypes import NativeEnvironment

REPORT = Path(__file__).parents[3] / "roles" / "triage" / "tasks" / "report.yml"


def printed(summary: list[str], closing: list[str]) -> list[str]:
    tasks = yaml.safe_load(REPORT.read_text(encoding="utf-8"))
    (said,) = (task["ansible.builtin.debug"]["msg"] for task in tasks if "ansible.builtin.debug" in task)
    template = NativeEnvironment(autoescape=False).from_string(said)
    lines: list[str] = template.render(triage_judged={"summary": summary}, triage_closing=closing)
    return lines


def case(findings: int) -> dict[str, Any]:
    row = {"verdict": "fail", "target": "shop/api-0/app", "message": "It is full.", "next": ""}
    counts = {"fail": findings, "unknown": 0, "warn": 0, "pass": 0}
    shared = {"role": "evidence_bundle", "verdict": "fail", "targets": ["t"], "failed_targets": []}
    return {**shared, "counts": counts, "findings": [row] * findings}


@pytest.mark.parametrize("findings", [0, 1, 15, 17, 18, 19, 20, 500])
@pytest.mark.parametrize("closing", [0, 1, 4])
def test_where_the_case_is_stands_before_what_a_role_adds_however_much_was_found(findings: int, closing: int) -> None:
    added = [f"Delivered: {number}" for number in range(closing)]
    lines = printed(summary_lines(case(findings), "/cases/1"), added)
    assert lines[0].startswith("evidence_bundle: fail")
    assert lines[len(lines) - closing - 1 :] == ["Case: /cases/1", *added]
    assert len(lines) <= 20
    assert lines.count("Case: /cases/1") == 1
