# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each module has a target of ansible-test, which uses that module and says what has to come of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
TARGETS = CHECKOUT / "tests" / "integration" / "targets"
MODULES = sorted(path.stem for path in (CHECKOUT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
SETUP = "setup_pod"


def tasks(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for row in rows:
        yield row
        yield from tasks(row.get("block", []))


def test_each_module_has_a_target_and_each_target_a_module() -> None:
    assert sorted(path.name for path in TARGETS.iterdir()) == sorted([*MODULES, SETUP])


@pytest.mark.parametrize("module", MODULES)
def test_a_target_acts_and_asserts_and_has_the_pod_that_it_names(module: str) -> None:
    text = (TARGETS / module / "tasks" / "main.yml").read_text(encoding="utf-8")
    found = list(tasks(yaml.safe_load(text)))
    assert any(f"incident.distroless.{module}" in task for task in found)
    assert any("ansible.builtin.assert" in task for task in found)
    aliases = (TARGETS / module / "aliases").read_text(encoding="utf-8").splitlines()
    assert (f"setup/once/{SETUP}" in aliases) == ("targets_namespace" in text)
