# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bill of materials names what an environment really has, each once, and who asks for whom."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(CHECKOUT / "tests"))

from tools import bill  # noqa: E402

ABOUT = {"namespace": "kubernetes", "name": "core", "version": "6.6.0"}


@pytest.fixture(scope="module")
def inspected() -> dict[str, Any]:
    """What pip says of the very environment that this runs in."""
    done = subprocess.run([sys.executable, "-m", "pip", "inspect", "--local"], capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_package_is_there_once_and_what_one_needs_is_there_too(inspected: dict[str, Any]) -> None:
    made = bill.of("1.2.3", "ab" * 32, ABOUT, inspected)
    references = [component["bom-ref"] for component in made["components"]]
    assert len(set(references)) == len(references)
    assert "pkg:generic/kubernetes/core@6.6.0" in references
    installed = {row["metadata"]["name"] for row in inspected["installed"]} - {"pip", "setuptools", "wheel"}
    assert {component["name"] for component in made["components"]} == installed | {"core"}
    own = made["metadata"]["component"]["bom-ref"]
    asked = {row["ref"]: row["dependsOn"] for row in made["dependencies"]}
    assert set(asked) == {own, *references} - {"pkg:generic/kubernetes/core@6.6.0"}
    assert {name for names in asked.values() for name in names} <= set(references)
    (jsonpatch,) = (names for reference, names in asked.items() if reference.startswith("pkg:pypi/jsonpatch@"))
    assert [name.partition("@")[0] for name in jsonpatch] == ["pkg:pypi/jsonpointer"]


def test_it_is_the_same_each_time_and_another_tarball_has_another_one(inspected: dict[str, Any]) -> None:
    first, again, other = (bill.of("1.2.3", digest * 32, ABOUT, inspected) for digest in ("ab", "ab", "cd"))
    assert first == again
    assert first["serialNumber"] != other["serialNumber"]
    assert other["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": "cd" * 32}]
