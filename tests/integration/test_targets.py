# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The targets of ansible-test integration, which is where people of this ecosystem look first and add a case."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import CHECKOUT, STATE


# all of them take a minute; one shows that they can be run
@pytest.mark.parametrize("names", [("case_open",), pytest.param((), marks=pytest.mark.bulk, id="all")])
def test_targets_pass_under_ansible_test(names: tuple[str, ...]) -> None:
    script = CHECKOUT / "tests" / "tool.py"
    command = [sys.executable, str(script), "targets", "--cluster", str(STATE), *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
