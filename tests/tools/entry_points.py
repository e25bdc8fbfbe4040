# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A part of `make unit`: where work begins, most branches are taken by the unit tests of that very file, whatever others take."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from . import cache, checks, environments
from .log import Log, StepFailed
from .pythons import ends
from .say import say

# of a hundred branches
LEAST = 85
# of module_utils: where a test file is, and the files whose tests it has
TESTED = {
    "_fetch/test_transfer": ("_fetch/compare", "_fetch/receive", "_fetch/settle", "_fetch/transfer"),
    "_k8s/test_connect": ("_k8s/connect",),
    "_k8s/test_watch": ("_k8s/watch",),
    "_modules/test_debug_pod": ("_modules/debug_pod",),
    "_modules/test_evidence_api": ("_modules/evidence_api",),
    "_modules/test_pod_logs": ("_modules/pod_logs",),
}
TESTS = cache.CHECKOUT / "tests" / "unit" / "plugins" / "module_utils"
SETTINGS = """\
[run]
branch = true
parallel = true
data_file = {folder}/data
# by it one test file's branches are told from another's
dynamic_context = test_function
include =
    {files}
patch =
    _exit
    fork

# tests import the plugins through a link
[paths]
plugins =
    {checkout}/plugins
    */ansible_collections/incident/distroless/plugins
"""


def check(log: Log) -> None:
    """Run the entry points' own tests on the newest pair; StepFailed where they leave out too many branches of one."""
    python, core = ends()[-1]
    environment = environments.for_measured_tests(python, core)
    folder = cache.own() / "entry-points"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = folder / "settings"
    settings.write_text(_settings(folder), encoding="utf-8")
    log.run(
        *checks.pytest(environment, core, *(str(TESTS / f"{test}.py") for test in TESTED), *checks.SIDE_BY_SIDE, "2"),
        cwd=cache.CHECKOUT,
        PATH=checks.with_busybox(),
        COVERAGE_PROCESS_START=str(settings),
    )
    coverage = (environment / "bin" / "python", "-m", "coverage")
    # by itself nobody measures this one
    unmeasured = {"COVERAGE_PROCESS_START": ""}
    log.run(*coverage, "combine", f"--rcfile={settings}", folder, cwd=cache.CHECKOUT, **unmeasured)
    counts = {}
    for test, names in TESTED.items():
        report = folder / f"{Path(test).name}.json"
        contexts = rf"{re.escape(test.replace('/', '.'))}\."
        words = ("json", f"--rcfile={settings}", f"--contexts={contexts}", "-o", report)
        log.run(*coverage, *words, cwd=cache.CHECKOUT, **unmeasured)
        counts[test] = _branches(report, names)
    shown = {test: f"{test.rpartition('test_')[2]} {taken}/{of}" for test, (taken, of) in counts.items()}
    say(f"Branches of the entry points, by their own tests: {', '.join(shown.values())}")
    short = [shown[test] for test, (taken, of) in counts.items() if 100 * taken < LEAST * of]
    if short:
        raise StepFailed(f"less than {LEAST} % of the branches of {', '.join(short)}: see {folder}")


def _settings(folder: Path) -> str:
    files = [f"*/plugins/module_utils/{name}.py" for names in TESTED.values() for name in names]
    return SETTINGS.format(folder=folder, files="\n    ".join(files), checkout=cache.CHECKOUT)


def _branches(report: Path, names: Sequence[str]) -> tuple[int, int]:
    """Return how many branches of these files were taken, and of how many."""
    measured = json.loads(report.read_text(encoding="utf-8"))["files"]
    found = [measured[f"plugins/module_utils/{name}.py"]["summary"] for name in names]
    return sum(one["covered_branches"] for one in found), sum(one["num_branches"] for one in found)
