# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's files in the places where Ansible's tools look for them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import cache
from .say import Stop

PLACE = Path("ansible_collections/incident/distroless")


def files() -> list[Path]:
    """Return what the collection consists of, relative to the checkout: tracked and new files, without ignored ones."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=cache.CHECKOUT, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise Stop("git is needed to tell the collection's files from others; install it.") from None
    except subprocess.CalledProcessError as error:
        raise Stop(f"this must be a git checkout: {error.stderr.decode(errors='replace').strip()}") from None
    paths = {Path(os.fsdecode(name)) for name in listed.split(b"\0") if name}
    return sorted(path for path in paths if (cache.CHECKOUT / path).is_file())


def digest() -> str:
    """One value for all that is in the collection's files."""
    whole = hashlib.sha256()
    for path in files():
        content = (cache.CHECKOUT / path).read_bytes()
        whole.update(b"%s\0%d\0%s" % (os.fsencode(path), len(content), content))
    return whole.hexdigest()


@contextmanager
def copy(*collections: Path) -> Iterator[Path]:
    """A fresh copy of the collection, in a temporary collections folder beside those of `collections`; gives that folder.

    A copy and no link: ansible-test refuses a link, and what it writes must not land in the checkout.
    """
    place = cache.own() / "copies"
    place.mkdir(exist_ok=True)
    _forget_the_dead(place)
    with tempfile.TemporaryDirectory(prefix=f"{os.getpid()}-", dir=place) as name:
        folder = Path(name)
        for other in collections:
            shutil.copytree(other / "ansible_collections", folder / "ansible_collections", dirs_exist_ok=True)
        for path in files():
            target = folder / PLACE / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(cache.CHECKOUT / path, target, follow_symlinks=False)
        yield folder


def linked() -> Path:
    """A collections folder whose incident.distroless is this checkout itself: for imports that follow every edit."""
    folder = cache.own() / "linked"
    link = folder / PLACE
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(cache.CHECKOUT)
    return folder


def _forget_the_dead(place: Path) -> None:
    """Remove the copies that killed runs left."""
    for folder in place.iterdir():
        try:
            os.kill(int(folder.name.partition("-")[0]), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except PermissionError:
            continue
