# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual environments made from pinned requirement files, each made once and kept in the cache."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import cache
from pythons import NEWEST_CORE, Python, found
from say import Stop

REQUIREMENTS = cache.CHECKOUT / "tests" / "requirements"
CONSTRAINTS = REQUIREMENTS / "constraints.txt"


def environment(python: Python, *names: str) -> Path:
    """The virtual environment of `python` with tests/requirements/<name>.txt of each name installed; returns its folder."""
    files = [REQUIREMENTS / f"{name}.txt" for name in names]
    folder = cache.root() / "venvs" / f"{python.version}-{'-'.join(names)}-{_key(python, files)}"
    doing = f"Installing {', '.join(names)} for Python {python.release} (usually half a minute)."
    return cache.made(folder, "made", doing, lambda path: fill(path, python, files))


def for_checks() -> Path:
    """Linters and certification tools, on the newest Python."""
    python = found()[-1]
    return environment(python, f"core-{NEWEST_CORE[python.version]}", "runtime", "tests", "checks")


def for_tests(python: Python, core: str) -> Path:
    """pytest beside ansible-core and what the collection needs."""
    return environment(python, f"core-{core}", "runtime", "tests")


def fill(folder: Path, python: Python, files: list[Path]) -> None:
    """Make a virtual environment in `folder` and install the pinned requirement files into it."""
    wanted = [word for file in files for word in ("-r", str(file))]
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([python.path, "-m", "venv", folder])
    _run([*pip, "-c", CONSTRAINTS, *wanted])
    # Environments of machines that set PYTHONDONTWRITEBYTECODE would compile every import of every start anew.
    subprocess.run([folder / "bin" / "python", "-m", "compileall", "-qq", folder / "lib"], env=_plain(), check=False)


def _key(python: Python, files: list[Path]) -> str:
    parts = [python.release.encode(), os.fsencode(python.path), *(file.read_bytes() for file in (*files, CONSTRAINTS))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _run(command: list[Path | str]) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL, env=_plain(),
        close_fds=False, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Stop(
            f"`{' '.join(map(str, command))}` failed:\n{done.stdout}\nRun the same command again once that is put right."
        )


def _plain() -> dict[str, str]:
    """The environment without what would lead a new virtual environment to another Python's packages."""
    strange = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in os.environ.items() if name not in strange}
