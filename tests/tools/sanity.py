# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-test sanity without anything from outside the package index."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from . import cache, dependencies, environments, tree
from .log import Log
from .pythons import Python

# ansible-test downloads a bootstrap script for each pip that it pins, unless the script is in its cache already. This one does the
# same with what Python ships. The names are those of the pip versions in ansible_test/_internal/python_requirements.py.
BOOTSTRAP_NAMES = ("get_pip_24_2.py", "get_pip_25_2.py")
BOOTSTRAP = """\
import subprocess
import sys

packages = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
subprocess.check_call([sys.executable, "-m", "pip", "install", *packages])
"""


# what can come out otherwise under another ansible-core or Python; the rest reads the files alone
OF_THE_VERSION = ("action-plugin-docs", "ansible-doc", "compile", "import", "runtime-metadata", "validate-modules")
# what takes longest by far; ruff reads the tests too. `make sanity` lets it see all
LONGEST, INSTALLED = "pylint", ("plugins/", "extensions/")


def check_what_is_installed(log: Log, python: Python, core: str) -> None:
    """Run all tests of ansible-test sanity, of which the longest sees no test of ours."""
    _run(log, python, core, ("--skip-test", LONGEST), ("--test", LONGEST, *INSTALLED))


def check(log: Log, python: Python, core: str, tests: Sequence[str] = ()) -> None:
    """Run these tests of ansible-test sanity, or all of them."""
    _run(log, python, core, [word for test in tests for word in ("--test", test)])


def _run(log: Log, python: Python, core: str, *runs: Sequence[str]) -> None:
    environment = environments.for_tests(python, core)
    home = _home(core)
    # ansible-test hands on nothing but PATH and HOME, so the real interpreter must be the first that PATH leads to;
    # the last of them has shellcheck
    folders = (environment / "bin", python.path.parent, os.defpath, environments.for_checks() / "bin")
    path = os.pathsep.join(map(str, folders))
    command = (environment / "bin" / "ansible-test", "sanity", "--requirements", "--color", "no")
    with (
        tree.copy(dependencies.collections(core)) as folder,
        cache.locked(home, "Another ansible-test runs. Waiting for it."),
    ):
        for words in runs:
            log.run(*command, *words, "--python", python.version, cwd=folder / tree.PLACE, HOME=str(home), PATH=path)


def _home(core: str) -> Path:
    """A home folder for ansible-test: it keeps its own virtual environments there, and looks there for pip's settings."""
    home = cache.root() / "ansible-test" / core
    scripts = home / ".ansible" / "test" / "cache"
    scripts.mkdir(parents=True, exist_ok=True)
    for name in BOOTSTRAP_NAMES:
        (scripts / name).write_text(BOOTSTRAP, encoding="utf-8")
    for name in (".pip", ".config/pip"):
        mine, theirs = home / name, Path("~").expanduser() / name
        mine.parent.mkdir(exist_ok=True)
        if theirs.exists() and not mine.exists():
            mine.symlink_to(theirs)
    return home
