# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collections as a user has them, taken out of the `ansible` package on PyPI: the one place where pip can fetch collections."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from . import cache, environments
from .pythons import found
from .say import Stop

# a kubernetes.core -> the `ansible` release that carries it
CARRIERS = {"6.2.0": "12.3.0", "6.6.0": "14.5.0"}
LOWEST, NEWEST = CARRIERS
# ansible-core -> the kubernetes.core that is tested with it; those that are not here, with the newest
KUBERNETES_CORE = {"2.18": LOWEST, "2.19": LOWEST}
# with every ansible-core: amazon.aws 10 does not say why a bucket cannot be looked up
AMAZON_AWS = ("11.4.0", "14.5.0")
# the newest awx.awx, and the last `ansible` release that carries it
AWX = ("24.6.1", "12.3.0")


def collections(core: str) -> Path:
    """A collections folder (it has `ansible_collections`) with the kubernetes.core that is tested with `core`."""
    return kubernetes_core(KUBERNETES_CORE.get(core, NEWEST))


def kubernetes_core(version: str) -> Path:
    """The same with the kubernetes.core of that version, one of CARRIERS."""
    return _collection("kubernetes.core", version, CARRIERS[version])


def awx() -> Path:
    """A collections folder with the awx.awx that awx_setup is tested with."""
    return _collection("awx.awx", *AWX)


def amazon() -> Path:
    """A collections folder with the amazon.aws that delivery to S3 is tested with."""
    return _collection("amazon.aws", *AMAZON_AWS)


def _collection(name: str, version: str, release: str) -> Path:
    doing = f"Fetching {name} {version} (54 MB, of which little is kept)."
    folder = cache.root() / "collections" / f"{name}-{version}"
    return cache.made(folder, release, doing, lambda path: _extract(path, name, release))


def _extract(folder: Path, name: str, release: str) -> None:
    inside = PurePosixPath("ansible_collections", *name.split("."))
    # --python-version: the file is only read here, so the Python that it is meant for does not matter
    pip = (found()[-1].path, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
    only = ("--only-binary", ":all:", "--python-version", "3.13")
    environments.run(*pip, *only, "--dest", folder, f"ansible=={release}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [path for path in archive.namelist() if PurePosixPath(path).is_relative_to(inside)]
        archive.extractall(folder, names)
    wheel.unlink()
    if not (folder / inside / "MANIFEST.json").is_file():
        raise Stop(f"ansible {release} holds no {name}.")
