# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What delivers to S3 in a run on the cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools import built, dependencies, environments, object_store, pythons
from tests.tools.say import Stop


def test_a_python_that_only_a_cell_of_the_matrix_asks_for_has_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make test` wants none newer than its newest; a cell may."""
    newer = pythons.Python("3.99", "3.99.1", tmp_path / "python3.99")
    monkeypatch.setattr(pythons, "find", {newer.version: newer}.get)
    monkeypatch.setattr(environments, "for_s3", lambda python, core: tmp_path / f"{python.release}-{core}")
    monkeypatch.setattr(dependencies, "amazon", lambda: tmp_path / "amazon")
    monkeypatch.setattr(built, "program", lambda name: tmp_path / name)
    assert object_store.places("3.99", "2.21")["programs"] == str(tmp_path / "3.99.1-2.21" / "bin")
    with pytest.raises(Stop, match=r"Python 3\.98 was not found"):
        object_store.places("3.98", "2.21")
