# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a forge runs for a change is what anybody runs: make, with targets that are there; and its addresses are the project's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def targets() -> set[str]:
    (names,) = re.findall(r"^\.PHONY: (.*)$", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return set(names.split())


def test_there_is_a_workflow() -> None:
    assert WORKFLOWS


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_nothing_but_targets_of_the_makefile(workflow: Path) -> None:
    lines = [line for step in steps(workflow) for line in step.get("run", "").splitlines()]
    assert lines
    for line in lines:
        program, *words = line.split()
        assert program == "make"
        assert [word for word in words if "=" not in word and word not in targets()] == []
        assert all(re.fullmatch(r"[a-z-]+|[A-Z_]+=[\w.-]+", word) for word in words)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_step_without_a_line_of_its_own_prepares_the_machine(workflow: Path) -> None:
    used = {step["uses"].partition("@")[0] for step in steps(workflow) if "run" not in step}
    assert used <= {"actions/checkout", "actions/setup-python"}


def test_the_links_of_the_documentation_are_those_of_the_collection() -> None:
    galaxy = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))
    links = yaml.safe_load((CHECKOUT / "docs" / "docsite" / "links.yml").read_text(encoding="utf-8"))
    assert f"https://github.com/{links['edit_on_github']['repository']}" == galaxy["repository"]
    assert [link["url"] for link in links["extra_links"]] == [galaxy["issues"]]


def test_what_runs_before_a_commit_has_the_versions_of_make_test() -> None:
    loaded = yaml.safe_load((CHECKOUT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for entry in loaded["repos"] for hook in entry["hooks"]]
    wanted = {line for hook in hooks for line in hook["additional_dependencies"]}
    pins = (CHECKOUT / "tests" / "requirements" / "checks.txt").read_text(encoding="utf-8").splitlines()
    assert wanted
    assert sorted(wanted - set(pins)) == []
    # each runs what it has brought along
    for hook in hooks:
        assert [line.partition("==")[0] for line in hook["additional_dependencies"]] == [hook["entry"].split()[0]]
