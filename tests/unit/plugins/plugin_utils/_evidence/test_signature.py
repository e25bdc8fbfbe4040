# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""evidence_seal and evidence_verify: what was sealed by half can be sealed again, and a signature is never taken for checked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.action import evidence_seal
from ansible_collections.incident.distroless.tests.unit.support.acquired_cases import (
    OPENED,
)
from ansible_collections.incident.distroless.tests.unit.support.evidence_tasks import run, verify

SIGNATURE = "SHA256SUMS.sig"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """A case that is not sealed yet."""
    folder = tmp_path / "case"
    folder.mkdir()
    (folder / "collected.json").write_text(json.dumps(OPENED), encoding="utf-8")
    return folder


def public(key: Path) -> str:
    return key.with_suffix(".pub").read_text(encoding="utf-8")


def test_a_case_whose_packing_failed_is_sealed_and_signed_again(case: Path, key: Path) -> None:
    (case / "out").symlink_to("/etc/passwd")
    failed = run(evidence_seal, case, sign_key=str(key), archive="gz")
    assert failed["failed"]
    assert "leads out of the bundle" in failed["msg"]
    (case / "out").unlink()
    assert sorted(path.name for path in case.iterdir()) == ["acquisition.jsonl", "collected.json"]
    assert "no sealed bundle" in verify(case)["msg"]
    sealed = run(evidence_seal, case, sign_key=str(key), archive="gz")
    assert sealed["changed"], sealed
    for path in (case, Path(sealed["archive"])):
        found = verify(path, public_key=public(key), sums_sha256=sealed["sums_sha256"])
        assert (found["is_intact"], found["is_signed"], found["problems"]) == (True, True, [])
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=case, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert SIGNATURE not in done.stdout


@pytest.mark.parametrize("how", ["signed", "unsigned"])
def test_what_a_killed_run_left_is_not_sealed(case: Path, key: Path, how: str) -> None:
    for name in (SIGNATURE, "manifest.json", ".SHA256SUMS.partial", ".manifest.json.partial"):
        (case / name).write_text("half of it", encoding="utf-8")
    sealed = run(evidence_seal, case, sign_key=str(key) if how == "signed" else None, archive="none")
    assert sealed["changed"], sealed
    about = json.loads((case / "manifest.json").read_text(encoding="utf-8"))
    assert about["sealed"]["files"] == sealed["files"] == 3
    assert verify(case)["problems"] == []
    assert (case / SIGNATURE).exists() is (how == "signed")


def test_a_run_that_is_interrupted_while_it_packs_leaves_no_seal(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_path: Path, _wanted: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evidence_seal, "packed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(evidence_seal, case)
    assert not (case / "SHA256SUMS").exists()
    monkeypatch.undo()
    assert run(evidence_seal, case, archive="none")["changed"]


def test_a_signature_that_was_not_checked_is_told(case: Path, key: Path) -> None:
    sealed = run(evidence_seal, case, sign_key=str(key), archive="gz")
    found = verify(case)
    assert (found["is_intact"], found["has_signature"], found["is_signed"]) == (True, True, False)
    assert found["msg"].startswith("4 files are as they were sealed")
    assert found["msg"].endswith(f"{SIGNATURE} was not checked, since no public_key was given")
    found = verify(case, public_key=public(key))
    assert (found["has_signature"], found["is_signed"]) == (True, True)
    assert (
        found["msg"]
        == f"4 files are as they were sealed; sha256 of SHA256SUMS: {sealed['sums_sha256']}, signed by the key"
    )


def add(case: Path, _key: Path) -> None:
    (case / SIGNATURE).write_text("anything", encoding="utf-8")


def sign_later(case: Path, key: Path) -> None:
    words = ["ssh-keygen", "-Y", "sign", "-q", "-n", "incident.distroless", "-f", str(key), str(case / "SHA256SUMS")]
    subprocess.run(words, check=True)


def test_a_bundle_that_was_not_signed_has_no_signature(case: Path) -> None:
    run(evidence_seal, case, archive="none")
    found = verify(case)
    assert (found["is_intact"], found["has_signature"], found["is_signed"]) == (True, False, False)
    assert "signed" not in found["msg"]


@pytest.mark.parametrize("how", [add, sign_later])
def test_a_signature_that_was_added_is_found(case: Path, key: Path, how: Callable[[Path, Path], None]) -> None:
    run(evidence_seal, case, archive="none")
    how(case, key)
    found = verify(case)
    assert [(row["kind"], row["path"]) for row in found["problems"]] == [("extra", SIGNATURE)]
    assert "first: SHA256SUMS.sig: " in found["msg"]
    # whoever names the key to check it with says that it may be there
    assert verify(case, public_key=public(key))["is_intact"] is (how is sign_later)


def test_what_is_not_sealed_is_not_signed(case: Path, key: Path) -> None:
    run(evidence_seal, case, sign_key=str(key), archive="none")
    for name in ("SHA256SUMS", "manifest.json"):
        (case / name).unlink()
    found = verify(case, public_key=public(key))
    assert (found["is_intact"], found["has_signature"], found["is_signed"]) == (False, True, False)


def test_a_path_that_is_no_folder_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "nothing"):
        assert "cannot be sealed" in run(evidence_seal, tmp_path / name)["msg"]


def test_a_signature_that_was_taken_away_is_missed(case: Path, key: Path) -> None:
    run(evidence_seal, case, sign_key=str(key), archive="none")
    (case / SIGNATURE).unlink()
    for public_key in ("", public(key)):
        found = verify(case, public_key=public_key)
        assert [(row["kind"], row["path"]) for row in found["problems"]] == [("signature", SIGNATURE)]
        assert (found["has_signature"], found["is_signed"]) == (False, False)
