# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The steps of `make test` that need no cluster: each is a function that runs its commands through a Log."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from pathlib import Path

from . import cache, chromium, dependencies, environments, install, tree
from .log import Log, StepFailed
from .pythons import NEWEST_CORE, Python, found

# how a unit test imports what starts real shells of this machine
SHELLS = re.compile(r"^from .*\blocal_(shells|fetches) import", re.MULTILINE)
# what reads our own files, or tries what we give pytest, which is the same under each Python
OURS = ("test_layers.py", "test_longest.py", "test_reruns.py")
# much of the time of unit tests goes into waiting for silence and for shells that end
SIDE_BY_SIDE = ("--dist", "worksteal", "-n")
TYPED_SCRIPTS = ("tests/cluster", "tests/demo", "tests/bench")

# It ends ansible-lint after 180 s and calls that an error, which says how busy this machine is and nothing of the collection.
IMPORTER = """
import runpy
import subprocess

limited = subprocess.Popen.communicate
subprocess.Popen.communicate = lambda self, input=None, timeout=None: limited(self, input)
runpy.run_module("galaxy_importer.main", run_name="__main__")
"""


def lint(log: Log) -> None:
    tools = environments.for_checks() / "bin"
    failed = [
        failure
        for command in (
            (tools / "ruff", "check"),
            (tools / "ruff", "format", "--check", "--output-format", "concise"),
            (tools / "yamllint", "--strict", "."),
            (tools / "reuse", "lint", "--lines"),
            (environments.for_duplicates() / "bin" / "pylint", "--score=n", "plugins", "tests"),
        )
        if (failure := log.failure(*command, cwd=cache.CHECKOUT))
    ]
    with tree.copy(_kubernetes_core()) as folder:
        command = (tools / "ansible-lint", "--offline", "--strict", "--nocolor")
        variables = {"ANSIBLE_COLLECTIONS_PATH": str(folder), "PATH": path_with(tools), **_own_home(folder)}
        failed += filter(None, [log.failure(*command, cwd=folder / tree.PLACE, **variables)])
    if failed:
        raise StepFailed("; ".join(failed))


def types(log: Log) -> None:
    tools = environments.for_checks() / "bin"
    settings = cache.CHECKOUT / "pyproject.toml"
    # it looks at each file's content, and most of these are libraries'
    command = (tools / "mypy", "--config-file", settings, "--cache-dir", cache.root() / "mypy" / tools.parent.name)
    log.run(*command, *(tree.PLACE / name for name in ("plugins", "extensions", "tests/types")), cwd=tree.linked())
    log.run(*command, "tool.py", "tools", cwd=cache.CHECKOUT / "tests")
    for name in TYPED_SCRIPTS:
        # scripts there import each other by their bare names
        folder = cache.CHECKOUT / name
        if sources := sorted(folder.rglob("*.py")):
            log.run(*command, *sources, cwd=folder, MYPYPATH=str(folder))


def docs(log: Log) -> None:
    tools = environments.for_checks() / "bin"
    log.run(tools / "antsibull-changelog", "lint", cwd=cache.CHECKOUT)
    log.run(tools / "python", cache.CHECKOUT / "tests" / "tools" / "metaschema.py", cwd=cache.CHECKOUT)
    with tree.copy(_kubernetes_core()) as folder:
        command = (tools / "antsibull-docs", "lint-collection-docs", "--plugin-docs", "--check-extra-docs-refs")
        refs = ("--validate-collection-refs", "dependent")
        log.run(
            *command, *refs, ".", cwd=folder / tree.PLACE, ANSIBLE_COLLECTIONS_PATH=str(folder), PATH=path_with(tools)
        )


def build(log: Log) -> None:
    imported(log, install.built(environments.for_checks(), cache.own() / "build"))


def built_beside_lint(log: Log) -> None:
    """Do what `build` does without ansible-lint, which `lint` lets read the same files in the same run."""
    imported(log, install.built(environments.for_checks(), cache.own() / "build"), lints=False)


def imported(log: Log, tarball: Path, *, lints: bool = True) -> None:
    """Ask galaxy-importer what it makes of a tarball; StepFailed when it complains."""
    tools = environments.for_checks() / "bin"
    with tempfile.TemporaryDirectory(dir=tarball.parent) as folder:
        printed = log.run(
            tools / "python",
            *("-c", IMPORTER, tarball),
            cwd=tarball.parent,
            PATH=path_with(tools),
            # the importer sets its own collections path, where documentation fragments of kubernetes.core would be missing
            PYTHONPATH=str(_kubernetes_core()),
            GALAXY_IMPORTER_CHECK_REQUIRED_TAGS="true",
            GALAXY_IMPORTER_RUN_ANSIBLE_LINT=str(lints),
            **_own_home(Path(folder)),
        )
    # it ends with status 0 whatever it found
    if complaints := re.findall(r"^.*\b(?:WARNING|ERROR)\b.*$", printed, re.MULTILINE):
        raise StepFailed("galaxy-importer complains:\n" + "\n".join(complaints))


def unit(log: Log, python: Python, core: str, arguments: tuple[str, ...] = (), *, is_whole: bool = True) -> None:
    """Run the unit tests; without is_whole not those that come out alike under each Python."""
    environment = environments.for_tests(python, core)
    skipped = () if is_whole else tuple(f"--ignore={path}" for path in _alike())
    words = pytest(environment, core, "tests/unit", *SIDE_BY_SIDE, "3", *skipped, *arguments)
    log.run(*words, cwd=cache.CHECKOUT, PATH=with_busybox())


def browser(log: Log) -> None:
    python = found()[-1]
    environment = environments.for_browser(python)
    tests = pytest(environment, NEWEST_CORE[python.version], "tests/browser")
    log.run(*tests, cwd=cache.CHECKOUT, CHROMIUM=str(chromium.program()))


def pytest(environment: Path, core: str, *arguments: str) -> tuple[Path | str, ...]:
    """The command that runs pytest on the checkout; sets the import path inside pytest only, so that no child inherits it."""
    paths = shlex.join([str(tree.linked()), str(dependencies.collections(core))])
    return (environment / "bin" / "python", "-m", "pytest", "-o", f"pythonpath={paths}", *arguments)


def with_busybox() -> str:
    """PATH with the debug image's busybox first."""
    return f"{environments.busybox().parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def _alike() -> list[Path]:
    """The unit tests that come out alike under each Python: those in which real shells of this machine do the work, and of `OURS`."""
    folder = cache.CHECKOUT / "tests" / "unit"
    shells = [path for path in sorted(folder.rglob("test_*.py")) if SHELLS.search(path.read_text(encoding="utf-8"))]
    return [*shells, *(folder / name for name in OURS)]


def _kubernetes_core() -> Path:
    return dependencies.collections(NEWEST_CORE[found()[-1].version])


def _own_home(folder: Path) -> dict[str, str]:
    """Offline, ansible-lint makes the modules that it mocks in Ansible's home, and takes them from another run when it ends."""
    return {"ANSIBLE_HOME": str(folder / "home")}


def path_with(tools: Path) -> str:
    """Return PATH with a folder of tools first."""
    return f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
