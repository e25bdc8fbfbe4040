# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that pip cannot bring: the machine's own, or installed from the distribution where that can be done."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import cache, environments
from .say import Stop, say

APT = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600")


def program(names: tuple[str, ...], package: str, otherwise: str) -> Path:
    """The first program of `names` that is here; else Debian's `package` is installed, as root. Stop with `otherwise` elsewhere."""
    with cache.locked(cache.root() / package, f"Another run installs {package}. Waiting for it."):
        return _found(names) or _installed(names, package, otherwise)


def _found(names: tuple[str, ...]) -> Path | None:
    return next((Path(found) for name in names if (found := shutil.which(name))), None)


def _installed(names: tuple[str, ...], package: str, otherwise: str) -> Path:
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise Stop(otherwise)
    say(f"Installing the distribution's {package}, once.")
    environments.run(*APT, "update")
    environments.run(*APT, "install", "-y", "--no-install-recommends", package, DEBIAN_FRONTEND="noninteractive")
    found = _found(names)
    if found is None:
        raise Stop(f"apt-get installed {package}, and its program is not to be found on PATH.")
    return found
