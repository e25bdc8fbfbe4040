# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Pythons are found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import pythons


def test_of_a_virtual_environment_it_is_the_one_that_it_was_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is kept in the cache is named after it: a test on the cluster runs in an environment, make does not."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    outside = pythons.find(version)
    assert outside is not None
    subprocess.run([outside.path, "-m", "venv", "--without-pip", tmp_path / "own"], check=True)
    monkeypatch.setenv("PATH", str(tmp_path / "own" / "bin"), prepend=os.pathsep)
    assert pythons.find(version) == outside
