# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual environments made from pinned requirement files, each made once and kept in the cache."""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
from pathlib import Path

from . import cache
from .processes import wait
from .pythons import NEWEST_CORE, Python, found
from .say import Stop, say

REQUIREMENTS = cache.CHECKOUT / "tests" / "requirements"
CONSTRAINTS = REQUIREMENTS / "constraints.txt"
# with `make ... COVERAGE=1` every environment has what measures its processes: see branches.py
MEASURING = ("coverage",) if os.environ.get("COVERAGE") else ()


def environment(python: Python, *names: str) -> Path:
    """The virtual environment of `python` with tests/requirements/<name>.txt of each name installed; returns its folder."""
    whole = tuple(dict.fromkeys((*names, *MEASURING)))
    folder = cache.root() / "venvs" / f"{python.version}-{'-'.join(whole)}-{_key(python, whole)}"
    return _made(folder, python, whole)


def made(folder: Path, python: Python, *names: str) -> Path:
    """The same in a `folder` of the caller's choice, made again when the pins or the Python changed."""
    return _made(folder, python, (*names, *MEASURING))


def _made(folder: Path, python: Python, names: tuple[str, ...]) -> Path:
    doing = f"Installing {', '.join(names)} for Python {python.release} (usually half a minute)."
    return cache.made(folder, _key(python, names), doing, lambda path: _fill(path, python, names))


def for_checks() -> Path:
    """Linters and certification tools, on the newest Python."""
    python = found()[-1]
    return environment(python, f"core-{NEWEST_CORE[python.version]}", "runtime", "tests", "checks")


def for_site(python: Python) -> Path:
    """Return what writes the documentation site, beside what the collection needs to be read."""
    return environment(python, f"core-{NEWEST_CORE[python.version]}", "runtime", "site")


def for_duplicates() -> Path:
    """pylint by itself: it reads files and imports nothing."""
    return environment(found()[-1], "duplicates")


def for_tests(python: Python, core: str) -> Path:
    """pytest beside ansible-core and what the collection needs."""
    return environment(python, f"core-{core}", "runtime", "tests")


def for_measured_tests(python: Python, core: str) -> Path:
    """The same, beside what measures which branches they take."""
    return environment(python, f"core-{core}", "runtime", "tests", "coverage")


def for_browser(python: Python) -> Path:
    """pytest beside what drives a browser."""
    return environment(python, f"core-{NEWEST_CORE[python.version]}", "runtime", "tests", "browser")


def for_automation(python: Python) -> Path:
    """Return what starts playbooks in place of a person, beside ansible-core and what the collection needs."""
    return environment(python, f"core-{NEWEST_CORE[python.version]}", "runtime", "automation")


def for_s3(python: Python, core: str) -> Path:
    """Ansible beside what the collection needs and what amazon.aws does."""
    return environment(python, f"core-{core}", "s3")


def busybox() -> Path:
    """The busybox of the debug image: the remote shells are tested with it on this machine, beside its own dash and bash."""
    path = cache.root() / "busybox" / "busybox"
    if not path.is_file():
        say("Fetching the busybox of the debug image, once.")
        run(Path(sys.executable), cache.CHECKOUT / "tests" / "cluster" / "cluster.py", "busybox")
    return path


def run(*command: Path | str, **variables: str) -> None:
    """Run a set-up command that people need not watch; its output is shown only when it fails."""
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as output:
        if wait(words, env=_plain() | variables, output=output, holding_locks=True):
            output.seek(0)
            printed = output.read().decode(errors="replace")
            raise Stop(
                f"`{' '.join(words)}` failed:\n{printed}\nOnce that is put right, run the same make target again."
            )


def _fill(folder: Path, python: Python, names: tuple[str, ...]) -> None:
    run(python.path, "-m", "venv", folder)
    pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    constraints = folder / "constraints.txt"
    constraints.write_text(_constraints(names), encoding="utf-8")
    run(*pip, "-c", constraints, *(word for file in _files(names) for word in ("-r", str(file))))


def _constraints(names: tuple[str, ...]) -> str:
    """The pins of what pip brings along; what a requirement file pins itself is left to it."""
    own = {_name(line) for file in _files(names) for line in file.read_text(encoding="utf-8").splitlines()}
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return "".join(f"{line}\n" for line in lines if _name(line) not in own)


def _name(line: str) -> str:
    """The package of a line, as packages are compared; empty where there is none."""
    return re.sub(r"[-_.]+", "-", re.split(r"[=;\s#]", line, maxsplit=1)[0]).lower()


def _files(names: tuple[str, ...]) -> list[Path]:
    return [REQUIREMENTS / f"{name}.txt" for name in names]


def _key(python: Python, names: tuple[str, ...]) -> str:
    pins = [file.read_bytes() for file in (*_files(names), CONSTRAINTS)]
    whole = [python.release.encode(), os.fsencode(python.path), *pins]
    return hashlib.sha256(b"\0".join(whole)).hexdigest()[:12]


def _plain() -> dict[str, str]:
    """The environment without what would lead a new virtual environment to another Python's packages."""
    strange = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in os.environ.items() if name not in strange}
