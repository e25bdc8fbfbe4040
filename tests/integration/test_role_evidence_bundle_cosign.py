# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Evidence that a real cosign signs without a network, and that it and evidence_verify agree about the signature."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .cases import run_playbook
from .conftest import Kubectl, built, pod_manifest

PASSWORD = "the-password-of-the-key-40c1"
# what sealing writes
SEALED = ("SHA256SUMS", "SHA256SUMS.sig", "manifest.json")


@pytest.fixture(scope="module")
def cosign() -> Path:
    return built("cosign")


@pytest.fixture(scope="module")
def around(cosign: Path) -> dict[str, str]:
    """The environment of an examiner who has cosign, and the key's password."""
    return {"PATH": f"{cosign.parent}{os.pathsep}{os.environ['PATH']}", "COSIGN_PASSWORD": PASSWORD}


@pytest.fixture(scope="module")
def keys(cosign: Path, around: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two pairs of keys, mine and other."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("mine", "other"):
        command = [cosign, "generate-key-pair", "--output-key-prefix", folder / name]
        subprocess.run(command, env=os.environ | around, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return folder


def seal(path: Path, key: Path, environment: dict[str, str], *within: str) -> tuple[int, str]:
    """Runs evidence_seal alone, at -vvv: its exit status, and what was printed."""
    options = json.dumps({"path": str(path), "sign_key": str(key), "archive": "none"})
    command = [*within, "ansible", "localhost", "-vvv", "-m", "incident.distroless.evidence_seal", "-a", options]
    done = subprocess.run(
        command,
        env={**{name: value for name, value in os.environ.items() if name != "COSIGN_PASSWORD"}, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.bulk
def test_cosign_signs_and_both_it_and_evidence_verify_find_out_another_key_and_another_content(
    kubectl: Kubectl, cosign: Path, around: dict[str, str], keys: Path, tmp_path: Path
) -> None:
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    given = {"namespace": kubectl.namespace, "pod": "api", "archive": "gz", "sign": True, "redact": True}
    given["sign_key"] = str(keys / "mine.key")
    case = run_playbook("evidence_bundle", tmp_path, given, "-vvv", environment=around)
    assert case.status == 0, case.printed[-3000:]
    assert PASSWORD not in case.printed

    def verify(path: Path, key: str) -> Any:
        public_key = (keys / f"{key}.pub").read_text(encoding="utf-8")
        return run_playbook("evidence_verify", tmp_path, {"path": str(path), "public_key": public_key})

    # without cosign on PATH
    for path in (case.folder, case.folder.with_name("case.tar.gz"), case.folder.with_name("case.redacted")):
        assert verify(path, "mine").status == 0
    stranger = verify(case.folder, "other")
    assert stranger.status == 2
    assert "SHA256SUMS.sig: It is not the key's" in stranger.printed

    signature = case.folder / "SHA256SUMS.sig"
    command = [cosign, "verify-blob", "--insecure-ignore-tlog=true", "--signature", signature, "--key"]
    for key, name, agrees in (
        ("mine", "SHA256SUMS", True),
        ("other", "SHA256SUMS", False),
        ("mine", "manifest.json", False),
    ):
        words = [*command, keys / f"{key}.pub", case.folder / name]
        done = subprocess.run(words, env=os.environ | around, capture_output=True, check=False)
        assert (done.returncode == 0) is agrees, done.stderr

    # what cannot be signed is not sealed, and can be later
    again = shutil.copytree(case.folder, tmp_path / "again")
    for name in SEALED:
        (again / name).unlink()
    assert '"is_signed": false' in verify(again, "mine").printed
    for environment, said in (
        ({**around, "COSIGN_PASSWORD": "another-password-7d"}, "decryption failed"),
        ({"PATH": around["PATH"]}, "COSIGN_PASSWORD is not set"),
        ({"COSIGN_PASSWORD": PASSWORD}, "is a key of cosign, which is not installed here"),
    ):
        status, printed = seal(again, keys / "mine.key", environment)
        assert status == 2
        assert said in printed, printed
        assert "another-password-7d" not in printed
        assert not (again / "SHA256SUMS").exists()
    # a network namespace of its own, in which nothing can be asked or uploaded
    status, printed = seal(again, keys / "mine.key", around, "unshare", "--net", "--map-root-user")
    assert status == 0, printed
    assert PASSWORD not in printed
    assert verify(again, "mine").status == 0
