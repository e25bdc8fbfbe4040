# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What people install is what they run, and little beside it: the very tarball, built by ansible-galaxy."""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(CHECKOUT / "tests"))

from tools import install, tree  # noqa: E402
from tools.say import Stop  # noqa: E402

# folders of which all is installed
WHOLE = {"LICENSES", "docs/schemas", "extensions", "meta", "playbooks", "plugins", "roles"}
# what else is
ALONE = {
    ".ansible-lint",
    "CHANGELOG.rst",
    "CODE_OF_CONDUCT.md",
    "README.md",
    "SECURITY.md",
    "bindep.txt",
    "docs/docsite/links.yml",
    "requirements.txt",
    "requirements.yml",
}
# what ansible-galaxy itself writes
WRITTEN = {"FILES.json", "MANIFEST.json"}


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install.built(Path(sys.prefix), tmp_path_factory.mktemp("built"))


def test_what_people_run_is_in_it_and_what_only_a_checkout_needs_is_not(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        packed = {member.name for member in archive if member.isfile()}
    tracked = {str(path) for path in tree.files()}
    whole = {name for name in tracked if any(name.startswith(f"{folder}/") for folder in WHOLE)}
    assert len({name.partition("/")[0] for name in whole}) == len(WHOLE)
    assert packed == whole | ALONE | WRITTEN


def test_a_tarball_with_more_than_that_is_refused(tarball: Path, tmp_path: Path) -> None:
    larger = tmp_path / tarball.name
    larger.write_bytes(tarball.read_bytes() + bytes(install.MOST_BYTES))
    with pytest.raises(
        Stop, match=r"^incident-distroless-[0-9.]+\.tar\.gz has [0-9,]+ bytes, more than [0-9,]+: see build_ignore"
    ):
        install.of_its_size(tmp_path)
