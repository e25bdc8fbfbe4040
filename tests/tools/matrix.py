# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make test-matrix ARGS="kubernetes-1.29 core-2.19"`: the tests of each cell that is named, or of all of them.

What came of each cell is kept in tests/matrix/outcomes.json, and the page of the documentation is made from that alone: a cell that
did not run says so itself.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from . import cache, dependencies, environments, install, live, matrix_page, object_store, pythons, tree
from .matrix_cells import BULK, CELLS, FURTHER, LINES, NEWEST_KUBERNETES, Cell, because
from .processes import wait
from .pythons import Python
from .say import Stop, say

OUTCOMES = cache.CHECKOUT / "tests" / "matrix" / "outcomes.json"
BEHIND = cache.CHECKOUT / "tests" / "bench" / "behind.py"
LAUNCHER = cache.CHECKOUT / "tests" / "cluster" / "cluster.py"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell: how many tests passed, and of each that failed its name and the first line of its error."""

    passed: int
    failed: dict[str, str]
    versions: dict[str, str]


def run(names: tuple[str, ...]) -> None:
    """Run the cells of those names, or all of them; Stop when something failed that is not explained."""
    cells = {cell.name: cell for cell in CELLS}
    if unknown := [name for name in names if name not in cells]:
        raise Stop(f"no cell is called {', '.join(unknown)}; there are {', '.join(cells)}.")
    bad = []
    for cell in [cells[name] for name in names] or CELLS:
        outcome = _tried(cell)
        if outcome is not None:
            _keep(cell, outcome)
            unexplained = [test for test in outcome.failed if because(cell.name, test) is None]
            bad += [f"{cell.name}: {test}" for test in unexplained]
            say(f"{cell.name}: {outcome.passed} passed, {len(outcome.failed)} failed, {len(unexplained)} unexplained")
    if bad:
        raise Stop("\n  ".join(["these failures are not explained:", *bad]))


def _tried(cell: Cell) -> Outcome | None:
    python = pythons.find(cell.python)
    if python is None:
        say(f"{cell.name}: not run, Python {cell.python} was not found on this machine")
        return None
    say(
        f"\n{cell.name}: Python {python.release}, {', '.join(cell.requirements)}, Kubernetes {cell.kubernetes}, {cell.image}"
    )
    collections = dependencies.kubernetes_core(cell.kubernetes_core)
    # cells that differ in the cluster, the image or the line alone share it; the newest is the one of `make test`
    own = [name for name in cell.requirements if name != "runtime"]
    own += [cell.kubernetes_core] if collections != dependencies.collections(cell.core) else []
    place = cache.own() / "installed" / "-".join((python.version, *own))
    user = install.filled(place, python, cell.requirements, collections)
    # behind a line nothing can be installed
    object_store.places(python.version, cell.core)
    with ExitStack() as stack:
        published = _cluster(cell, stack)
        behind = (sys.executable, str(BEHIND), *LINES[cell.line], str(published / "kubeconfig"))
        prefix = () if cell.line == Cell("").line else behind
        variables = {
            **live.variables(user, published),
            "INCIDENT_DISTROLESS_CLUSTER": str(published),
            "INCIDENT_DISTROLESS_PYTHONS": pythons.missing_sentence(),
            **({} if cell.image == Cell("").image else {"INCIDENT_DISTROLESS_IMAGE": cell.image}),
        }
        return _pytest(cell, python, collections, prefix, variables)


def _pytest(
    cell: Cell, python: Python, collections: Path, prefix: tuple[str, ...], variables: dict[str, str]
) -> Outcome:
    environment = environments.environment(python, *cell.requirements, "tests")
    paths = shlex.join([str(tree.linked()), str(collections)])
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [*prefix, str(environment / "bin" / "python"), "-m", "pytest", "-o", f"pythonpath={paths}"]
        command += ["-n", "4", "--dist", "loadfile", "--tb=short", "-q", f"--junitxml={report}", *_tests(cell)]
        status = wait(command, cwd=cache.CHECKOUT, env=os.environ | variables)
        # 0 and 1: all of them ran; what was interrupted has a report too, of those that did
        if status not in (0, 1) or not report.exists():
            raise Stop(f"{cell.name}: pytest ended with status {status}, so that nothing is kept of it")
        passed, failed = read(ET.parse(report))  # noqa: S314 - pytest wrote it
    return Outcome(passed, failed, _versions(cell, python, environment, collections, variables))


def _tests(cell: Cell) -> list[str]:
    if cell.tests == BULK:
        return ["-m", "bulk", "tests/integration"]
    return [*live.smoke(), *(f"tests/integration/{test}" for test in FURTHER)]


def read(report: ET.ElementTree[ET.Element]) -> tuple[int, dict[str, str]]:
    """Return how many tests passed, and the failed ones with their first lines, of pytest's JUnit report."""
    passed, failed = 0, {}
    for case in report.iter("testcase"):
        name = f"{(case.get('classname') or '').replace('.', '/')}.py::{case.get('name')}"
        trouble = next((child for child in case if child.tag in ("failure", "error")), None)
        if trouble is None:
            passed += 1
        else:
            failed[name] = (trouble.get("message") or "").split("\n")[0][:300]
    return passed, failed


def _versions(
    cell: Cell, python: Python, environment: Path, collections: Path, variables: dict[str, str]
) -> dict[str, str]:
    """Return what was there, as it says itself."""
    ask = "import importlib.metadata as m; print(*map(m.version, ['ansible-core', 'kubernetes', 'websocket-client']))"
    told = subprocess.run([environment / "bin" / "python", "-c", ask], capture_output=True, text=True, check=True)
    core, client, websocket = told.stdout.split()
    manifest = collections / "ansible_collections" / "kubernetes" / "core" / "MANIFEST.json"
    whole = json.loads(manifest.read_text(encoding="utf-8"))["collection_info"]["version"]
    command = [variables["KUBECTL"], "version", "-o", "json"]
    server = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | variables)
    return {
        "Python": python.release,
        "ansible-core": core,
        "kubernetes (client)": client,
        "websocket-client": websocket,
        "kubernetes.core": whole,
        "Kubernetes": json.loads(server.stdout)["serverVersion"]["gitVersion"].removeprefix("v"),
        "debug image": cell.image,
        "line": cell.line,
    }


def _cluster(cell: Cell, stack: ExitStack) -> Path:
    """The folder that the launcher published; a cluster of an older release goes when the cell is done."""
    if cell.kubernetes == NEWEST_KUBERNETES:
        live.cluster()
        return live.CLUSTER
    words = [sys.executable, str(LAUNCHER)]
    stack.callback(wait, [*words, "down", cell.kubernetes], env=dict(os.environ))
    if wait([*words, "up", cell.kubernetes], env=dict(os.environ)):
        raise Stop(f"Kubernetes {cell.kubernetes} did not start")
    return cache.CHECKOUT / ".clusters" / cell.kubernetes


def _keep(cell: Cell, outcome: Outcome) -> None:
    kept = json.loads(OUTCOMES.read_text(encoding="utf-8")) if OUTCOMES.exists() else {}
    kept[cell.name] = asdict(outcome)
    OUTCOMES.parent.mkdir(exist_ok=True)
    ordered = {cell.name: kept[cell.name] for cell in CELLS if cell.name in kept}
    OUTCOMES.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    matrix_page.write(ordered)
