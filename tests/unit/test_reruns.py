# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A test that fails for lack of luck: real runs of pytest, with tests whose luck is decided here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.reruns import LEDGER, UNSTABLE, objection

CHECKOUT = Path(__file__).parents[2]
ALWAYS = "def test_good(): pass\ndef test_fine(): pass\n"
# fails when it is run for the first time
ONCE = """
import pathlib
def test_{name}():
    mark = pathlib.Path(__file__).with_name("{name}.mark")
    is_again = mark.exists()
    mark.touch()
    assert is_again
"""
NEVER = "def test_hopeless(): assert False\n"
# the body passes, and what comes after it does not, the first time
TEARDOWN = """
import pathlib, pytest
@pytest.fixture
def pod():
    yield
    mark = pathlib.Path(__file__).with_name("teardown.mark")
    is_again = mark.exists()
    mark.touch()
    assert is_again
def test_torn(pod): pass
"""
NAME = "tests/integration/test_it.py::test_luck"
# as the tests on the cluster run. Where what is decided of the failed tests matters alone, one process is enough
SIDE_BY_SIDE = ("-n", "2")


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    printed: str
    unstable: list[str]

    @property
    def closing(self) -> str:
        """The closing line, without its frame and time."""
        found = re.fullmatch(r"=+ (.*) in [\d.]+s(?: \([\d:]+\))? =+", self.printed.splitlines()[-1])
        assert found, self.printed
        return found[1]


class Project:
    """A checkout whose tests have luck or none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
        (folder / "tests").mkdir()
        for name in ("conftest.py", "longest.py", "reruns.py"):
            shutil.copy(CHECKOUT / "tests" / name, folder / "tests" / name)

    def put(self, path: str, content: str) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)

    def run(self, *words: str, **variables: str) -> Ran:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "RETRY"))}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "tests", *words],
            cwd=self.folder,
            env={**clean, "RETRY": "1", LEDGER: str(self.folder / "ledger"), "COLUMNS": "200", **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        unstable = self.folder / UNSTABLE
        return Ran(done.returncode, done.stdout, unstable.read_text().splitlines() if unstable.exists() else [])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path)
    made.put("tests/unit/test_always.py", ALWAYS)
    return made


def test_the_one_that_failed_runs_again_and_is_written_down(project: Project) -> None:
    project.put("tests/integration/test_it.py", ONCE.format(name="luck"))
    ran = project.run(*SIDE_BY_SIDE)
    assert (ran.status, ran.closing, ran.unstable) == (0, "3 passed, 1 rerun", [NAME]), ran.printed
    assert f"{NAME} ran once more, alone, and passed:" in ran.printed
    assert "FAILURES" not in ran.printed


def test_a_failing_teardown_is_a_failure_too_and_the_test_counts_once(project: Project) -> None:
    project.put("tests/integration/test_it.py", TEARDOWN)
    ran = project.run(*SIDE_BY_SIDE)
    assert (ran.status, ran.closing) == (0, "3 passed, 1 rerun"), ran.printed


def test_without_being_asked_for_nothing_runs_again(project: Project) -> None:
    project.put("tests/integration/test_it.py", ONCE.format(name="luck"))
    ran = project.run(RETRY="")
    assert (ran.status, ran.closing, ran.unstable) == (1, "1 failed, 2 passed", [])


def test_one_that_fails_again_fails_the_run(project: Project) -> None:
    project.put("tests/integration/test_it.py", NEVER)
    ran = project.run()
    assert (ran.status, ran.closing) == (1, "1 failed, 2 passed, 1 rerun")
    assert ran.unstable == ["tests/integration/test_it.py::test_hopeless"]


def test_one_that_is_written_down_already_does_not_run_again(project: Project) -> None:
    project.put("tests/integration/test_it.py", ONCE.format(name="luck"))
    project.put(str(UNSTABLE), f"{NAME}\n")
    ran = project.run()
    assert (ran.status, ran.closing, ran.unstable) == (1, "1 failed, 2 passed", [NAME])
    assert f"{NAME} is in {UNSTABLE} already" in ran.printed


@pytest.mark.parametrize("place", ["tests/unit/test_it.py", "tests/faults/test_it.py"])
def test_what_is_not_about_the_cluster_does_not_run_again(project: Project, place: str) -> None:
    project.put(place, ONCE.format(name="luck"))
    ran = project.run()
    assert (ran.status, ran.closing, ran.unstable) == (1, "1 failed, 2 passed", [])


def test_the_second_of_a_run_fails_it_though_it_is_another_pytests(project: Project) -> None:
    project.put("tests/integration/test_it.py", ONCE.format(name="luck"))
    project.put("tests/integration/test_other.py", ONCE.format(name="other"))
    first = project.run("--ignore", "tests/integration/test_other.py")
    assert (first.status, first.closing) == (0, "3 passed, 1 rerun"), first.printed
    second = project.run("--ignore", NAME.partition("::")[0])
    assert (second.status, second.closing, second.unstable) == (1, "1 failed, 2 passed", [NAME])
    assert "1 tests failed, and 1 ran again before" in second.printed


def test_two_at_once_fail_the_run() -> None:
    assert objection(["tests/integration/a.py::a", "tests/integration/b.py::b"], earlier=0, unstable=[])
    assert objection(["tests/integration/a.py::a"], earlier=0, unstable=["tests/integration/b.py::b"]) is None


def test_what_cannot_be_imported_is_no_bad_luck(project: Project) -> None:
    project.put("tests/integration/test_it.py", "import nothing_of_that_name\n")
    ran = project.run(*SIDE_BY_SIDE)
    assert ran.status != 0
    assert ran.unstable == []
    assert "rerun" not in ran.closing
