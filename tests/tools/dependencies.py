# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""kubernetes.core as a user has it, taken out of the `ansible` package on PyPI: the one place where pip can fetch collections."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

import cache
import environments
from pythons import found
from say import Stop

# ansible-core -> the kubernetes.core that is tested with it, and the `ansible` release that carries that one.
KUBERNETES_CORE = {"2.19": ("6.2.0", "12.3.0"), "2.21": ("6.6.0", "14.5.0")}
INSIDE = PurePosixPath("ansible_collections/kubernetes/core")


def collections(core: str) -> Path:
    """A collections folder (it has `ansible_collections`) with the kubernetes.core that is tested with `core`."""
    version, release = KUBERNETES_CORE[core]
    doing = f"Fetching kubernetes.core {version} (54 MB, of which 2 are kept)."
    folder = cache.root() / "collections" / f"kubernetes.core-{version}"
    return cache.made(folder, release, doing, lambda path: _extract(path, release))


def _extract(folder: Path, release: str) -> None:
    # --python-version: the file is only read here, so the Python that it is meant for does not matter
    pip = (found()[-1].path, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
    only = ("--only-binary", ":all:", "--python-version", "3.13")
    environments.run(*pip, *only, "--dest", folder, f"ansible=={release}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if PurePosixPath(name).is_relative_to(INSIDE)]
        archive.extractall(folder, names)
    wheel.unlink()
    if not (folder / INSIDE / "MANIFEST.json").is_file():
        raise Stop(f"ansible {release} holds no kubernetes.core.")
