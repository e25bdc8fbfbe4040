# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which Pythons this machine has, and which ansible-core is tested on each."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from .say import Stop, say

# What meta/runtime.yml promises; tested on the lowest Python.
LOWEST_CORE = "2.18"
# Python -> the newest ansible-core that runs on it.
NEWEST_CORE = {"3.11": "2.19", "3.12": "2.21", "3.13": "2.21"}
# An interpreter counts when it can make a virtual environment and speak TLS: distributions ship these apart.
# Of a virtual environment, such as the one that a test runs in, it is the one that it was made from: what is kept for one would
# else be made again for the other.
PROBE = """
import ensurepip, ssl, venv, os, sys, platform
print(sys.implementation.name, platform.python_version(), os.path.realpath(sys._base_executable), sep="\\n")
"""


@dataclass(frozen=True, slots=True)
class Python:
    """A real interpreter: `version` as in `3.11`, `release` as in `3.11.7`, `path` to the program itself, never a shim."""

    version: str
    release: str
    path: Path


@cache
def found() -> tuple[Python, ...]:
    """The wanted Pythons that are here, the lowest first."""
    pythons = _look()
    if not pythons and os.geteuid() == 0 and shutil.which("apt-get"):
        say("No Python with its venv module was found; installing the distribution's python3-venv.")
        for words in (["update"], ["install", "-y", "--no-install-recommends", "python3-venv"]):
            subprocess.run(["apt-get", "-qq", *words], stdin=subprocess.DEVNULL, check=False)
        pythons = _look()
    if not pythons:
        raise Stop(
            f"none of Python {', '.join(NEWEST_CORE)} was found with its venv and ensurepip modules. Install one, for example "
            "with `apt-get install python3 python3-venv`, `pyenv install 3.13` or `uv python install 3.13`."
        )
    return pythons


def missing() -> tuple[str, ...]:
    here = {python.version for python in found()}
    return tuple(version for version in NEWEST_CORE if version not in here)


def pairs() -> tuple[tuple[Python, str], ...]:
    """Each Python with each ansible-core that is tested on it, the lowest first and the newest last."""
    lowest, *_others = found()
    return ((lowest, LOWEST_CORE), *((python, NEWEST_CORE[python.version]) for python in found()))


def ends() -> tuple[tuple[Python, str], ...]:
    """The lowest pair and the newest: two, or one where only one Python with one ansible-core is here."""
    both = pairs()
    return tuple(dict.fromkeys((both[0], both[-1])))


def missing_sentence() -> str:
    return f"Pythons not found: {', '.join(missing()) or 'none'} (tested: {', '.join(p.release for p in found())})."


def _look() -> tuple[Python, ...]:
    return tuple(python for version in NEWEST_CORE if (python := find(version)))


def find(version: str) -> Python | None:
    """The Python of that version, as in `3.11`, where it is here."""
    for path in _candidates(version):
        try:
            probe = subprocess.run(
                [path, "-I", "-c", PROBE],
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=30,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        implementation, release, program = probe.stdout.splitlines()
        if implementation == "cpython" and release.startswith(f"{version}."):
            return Python(version, release, Path(program))
    return None


def _candidates(version: str) -> Iterator[Path]:
    """Programs that may be it. Shims are left out: they choose by folder and environment, and ansible-test strips the latter."""
    name = f"python{version}"
    for folder in os.get_exec_path():
        if Path(folder).name != "shims" and (path := Path(folder) / name).is_file():
            yield path
    pyenv = Path(os.environ.get("PYENV_ROOT") or "~/.pyenv").expanduser()
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or "~/.local/share/uv/python").expanduser()
    for home in (pyenv / "versions", uv):
        yield from sorted(home.glob(f"*/bin/{name}"), reverse=True)
