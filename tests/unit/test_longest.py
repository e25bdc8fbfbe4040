# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The order of files in a run on the cluster, and what is noted for the next one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.longest import VARIABLE, by_length

CHECKOUT = Path(__file__).parents[2]
SLEEPS = "import time\ndef test_it(): time.sleep({seconds})\n"


def test_the_longest_is_first_and_before_it_what_nobody_knows() -> None:
    names = ["short.py::a", "long.py::a", "long.py::b", "new.py::a"]
    seconds = {"short.py::a": 9.0, "long.py::a": 6.0, "long.py::b": 6.0, "gone.py::a": 99.0}
    assert list(by_length(names, seconds)) == ["new.py", "long.py", "short.py"]


def test_of_a_file_only_the_tests_that_run_count() -> None:
    seconds = {"much.py::a": 9.0, "much.py::b": 1.0, "other.py::a": 5.0}
    assert list(by_length(["much.py::b", "other.py::a"], seconds)) == ["other.py", "much.py"]


def test_what_a_run_took_orders_the_next_one_through_xdist_too(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    (tmp_path / "tests").mkdir()
    for name in ("conftest.py", "longest.py", "reruns.py"):
        shutil.copy(CHECKOUT / "tests" / name, tmp_path / "tests" / name)
    for name, seconds in (("test_a_short", 0), ("test_b_long", 0.5)):
        (tmp_path / "tests" / f"{name}.py").write_text(SLEEPS.format(seconds=seconds))
    noted = tmp_path / "seconds.json"
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "RETRY"))}
    command = [sys.executable, "-m", "pytest", "-v", "-n", "1", "--dist", "loadfile", "--no-loadscope-reorder", "tests"]

    def order() -> list[str]:
        environment = {**clean, VARIABLE: str(noted)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return [line.split("::")[0].rpartition("/")[2] for line in done.stdout.splitlines() if " PASSED " in line]

    assert order() == ["test_a_short.py", "test_b_long.py"]
    assert json.loads(noted.read_text())["tests/test_b_long.py::test_it"] >= 0.5
    assert order() == ["test_b_long.py", "test_a_short.py"]
