# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make install VENV=<dir>`: Ansible with the collection in it, as on a user's machine."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from . import cache, dependencies, environments, tree
from .pythons import NEWEST_CORE, Python, found
from .say import Stop, say, stopping

TARBALL = "incident-distroless-*.tar.gz"
# Code, roles and playbooks have 570,000 of these, 455,000 if every comment and docstring were taken out of them; the list of files with
# its checksums has 27,000 and a changelog 21,000. What is larger has something in it that only a checkout needs.
MOST_BYTES = 700_000


def built(core_environment: Path, target: Path) -> Path:
    """The collection's tarball, built into the folder `target` from a copy of the checkout."""
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob(TARBALL):
        old.unlink()
    with tree.copy() as folder:
        galaxy = (core_environment / "bin" / "ansible-galaxy", "collection", "build", "--force")
        environments.run(*galaxy, "--output-path", target, folder / tree.PLACE)
    return of_its_size(target)


def of_its_size(target: Path) -> Path:
    """Return the one tarball in the folder target; Stop when it is larger than what people install has to be."""
    (tarball,) = target.glob(TARBALL)
    if (size := tarball.stat().st_size) > MOST_BYTES:
        raise Stop(f"{tarball.name} has {size:,} bytes, more than {MOST_BYTES:,}: see build_ignore in galaxy.yml.")
    return tarball


def installed(folder: Path, python: Python, core: str) -> Path:
    """`folder` as a virtual environment of `python` with `core`, kubernetes.core and the collection as it is now."""
    return filled(folder, python, (f"core-{core}", "runtime"), dependencies.collections(core))


def filled(folder: Path, python: Python, names: tuple[str, ...], collections: Path) -> Path:
    """`folder` with tests/requirements/<name>.txt of each name, the collection as it is now and, beside it, those of `collections`.

    Cheap when nothing changed: the environment and the collection are each made again only when what they are made from did.
    """
    environments.made(folder, python, *names)
    stamp = f"{tree.digest()} {collections.name}"
    mark = folder / "collections" / ".made-from"
    with cache.locked(folder / "collections", f"Another run installs into {folder}. Waiting for it."):
        if not (mark.is_file() and mark.read_text(encoding="utf-8") == stamp):
            _collections(folder, collections)
            mark.write_text(stamp, encoding="utf-8")
    return folder


def put(folder: Path, others: Path, tarball: Path) -> None:
    """Put the collection in `tarball` into the environment `folder`, beside those of `others` and nothing else."""
    place = folder / "collections"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(others / "ansible_collections", place / "ansible_collections")
    galaxy = (folder / "bin" / "ansible-galaxy", "collection", "install", "--offline", "--collections-path", place)
    environments.run(*galaxy, tarball, ANSIBLE_COLLECTIONS_PATH=str(place))


def _collections(folder: Path, others: Path) -> None:
    with tempfile.TemporaryDirectory() as download:
        put(folder, others, built(folder, Path(download)))


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not arguments[0].strip():
        return stopping(Stop("say where: make install VENV=<dir>"))
    folder = Path(arguments[0]).expanduser().resolve()
    try:
        python = found()[-1]
        installed(folder, python, NEWEST_CORE[python.version])
    except Stop as stop:
        return stopping(stop)
    say(
        f"Ansible with incident.distroless and kubernetes.core is in {folder}. To use it:\n"
        f"  export PATH={folder}/bin:$PATH\n"
        f"  export ANSIBLE_COLLECTIONS_PATH={folder}/collections"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
