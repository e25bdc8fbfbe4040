# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make test COVERAGE=1`: which branches of plugins/ the tests took, in whatever process: pytest's, Ansible's and its modules'."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import cache, environments
from .pythons import ends
from .say import say

# installed from its tarball, imported through a link, or in the zip that a module is sent as: all are the checkout's plugins
EVERYWHERE = "*/ansible_collections/incident/distroless/plugins"
SETTINGS = """\
[run]
branch = true
parallel = true
data_file = {folder}/data
include =
    {checkout}/plugins/*
    {everywhere}/*
# children of Ansible end by os._exit; ours are forked, too
patch =
    _exit
    fork
# nothing may be said in the output that tests look at
disable_warnings = no-data-collected, include-ignored, couldnt-parse, module-not-measured, already-imported, no-ctracer

[paths]
plugins =
    {checkout}/plugins
    {everywhere}

[report]
ignore_errors = true
include = {checkout}/plugins/*
"""


@contextmanager
def measured() -> Iterator[None]:
    """Measure all that runs until the block's end, however it ends; then say what was taken."""
    if not environments.MEASURING:
        yield
        return
    folder = cache.own() / "branches"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    settings = folder / "settings"
    settings.write_text(
        SETTINGS.format(folder=folder, checkout=cache.CHECKOUT, everywhere=EVERYWHERE), encoding="utf-8"
    )
    os.environ["COVERAGE_PROCESS_START"] = str(settings)
    try:
        yield
    finally:
        del os.environ["COVERAGE_PROCESS_START"]
        say(_taken(folder, settings))


def _taken(folder: Path, settings: Path) -> str:
    """Say which part of all branches and lines was taken, in a sentence; the details are in a file of `folder`."""
    coverage = (environments.for_tests(*ends()[-1]) / "bin" / "python", "-m", "coverage")
    report = folder / "report.json"
    environments.run(*coverage, "combine", "--quiet", f"--rcfile={settings}", folder)
    environments.run(*coverage, "json", "--quiet", f"--rcfile={settings}", "-o", report)
    totals = json.loads(report.read_text(encoding="utf-8"))["totals"]
    counts = [
        f"{100 * totals[f'covered_{what}'] / totals[of]:.2f} % of {totals[of]} {name}"
        for what, of, name in (("branches", "num_branches", "branches"), ("lines", "num_statements", "lines"))
    ]
    return f"Taken of plugins/: {' and '.join(counts)} ({report})."
