# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""pytest, for every run: the Pythons that were looked for and not found stand just above its closing line.

Fuzzing gives the same examples each time, so that a run can be repeated; HYPOTHESIS_PROFILE=search looks for new ones.
"""

from __future__ import annotations

import gc
import os

import pytest
from hypothesis import settings

from . import longest, reruns

# no deadline: what an example takes depends on what else the machine does
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=50)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_configure(config: pytest.Config) -> None:
    longest.register(config)
    reruns.register(config)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Leave thousands of tests that stay until the end out of every later garbage collection: it is a fifth of a second each time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if sentence := os.environ.get("INCIDENT_DISTROLESS_PYTHONS"):
        terminalreporter.write_line(sentence)
