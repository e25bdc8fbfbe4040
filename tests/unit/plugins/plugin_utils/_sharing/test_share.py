# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""evidence_redact: a copy that cannot be made leaves nothing, so that the next try can succeed; one of a case that was cut off has no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.action import evidence_redact, evidence_seal
from ansible_collections.incident.distroless.tests.unit.support.acquired_cases import (
    OPENED,
)
from ansible_collections.incident.distroless.tests.unit.support.evidence_tasks import run, verify
from ansible_collections.incident.distroless.tests.unit.support.sealed_bundles import place, whats

VALUES = "shop/api-0/app/environment_values.txt"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case whose play was killed while it looked into a pod: its record names no target. It is sealed, by its archive's name."""
    folder = tmp_path / "case"
    secret = {"name": "environment_values", "api": None, "suffix": "txt", "secret": True}
    opened = {**OPENED, "collectors": [*OPENED["collectors"], secret], "targets": []}
    place(folder, b"collected.json").write_text(json.dumps(opened), encoding="utf-8")
    place(folder, VALUES.encode()).write_text(f"7 _{b'TOKEN=hunter2'.hex()}\n", encoding="utf-8")
    assert run(evidence_seal, folder, archive="none")["changed"]
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_values_of_a_case_that_was_cut_off_do_not_come_along(case: Path) -> None:
    done = run(evidence_redact, case, archive="gz")
    copy = case.with_name("case.redacted")
    assert (done["path"], done["archive"]) == (str(copy), f"{copy}.tar.gz")
    assert names(case.parent) == ["case", "case.redacted", "case.redacted.tar.gz"]
    assert whats(copy)[VALUES] == "left_out"
    assert not [
        path for path in copy.rglob("*") if path.is_file() and b"TOKEN=hunter2".hex().encode() in path.read_bytes()
    ]
    for path in (copy, Path(done["archive"])):
        assert verify(path, sums_sha256=done["sums_sha256"])["is_intact"]


def test_a_copy_that_fails_leaves_nothing_and_can_be_made_again(case: Path, tmp_path: Path) -> None:
    failed: dict[str, Any] = run(evidence_redact, case, sign_key=str(tmp_path / "none"), archive="gz")
    assert failed["failed"]
    assert "cannot be copied" in failed["msg"]
    assert names(case.parent) == ["case"]
    assert run(evidence_redact, case, archive="none")["archive"] is None
    assert names(case.parent) == ["case", "case.redacted"]
    # it is never made over one that is there
    again = run(evidence_redact, case, archive="none")
    assert again["failed"]
    assert "is there already" in again["msg"]
