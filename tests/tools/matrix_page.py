# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the documentation that says what `make test-matrix` has seen, made from the kept outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import cache
from .matrix_cells import CELLS, NEW, Cell, because

PAGE = cache.CHECKOUT / "docs" / "docsite" / "rst" / "versions.rst"
AXES = {
    "python": "Python",
    "core": "ansible-core",
    "client": "kubernetes (client)",
    "websocket": "websocket-client",
    "kubernetes_core": "kubernetes.core",
    "kubernetes": "Kubernetes",
    "image": "debug image",
    "line": "line",
}
HEAD = """\
..
  Copyright (c) 2026, incident.distroless maintainers
  GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

.. _ansible_collections.incident.distroless.docsite.versions:

What was run with which versions
================================

``make test-matrix`` wrote this page. Each cell is a combination in which the smoke tests run on a real cluster, with the collection installed from its
tarball: at least one test of each module and role, but for what needs a controller or an event source. The bulk are further forms of what
``make test`` shows once. Cells differ from the newest combination in what their row says, and in nothing else. A cell that did not run on
the machine that wrote this page says so.

The newest combination: {newest}.

.. list-table:: Cells and outcomes
   :header-rows: 1
   :widths: 20 44 10 10 16

   * - Cell
     - What differs from the newest
     - Passed
     - Failed
     - Outcome
"""
TAIL = """
What was read and not run
-------------------------

- cgroup v2: how a target's process is told from others is run on the kernel's own unified hierarchy, with scopes as systemd's driver names them
  (``tests/integration/test_cgroup_v2.py::test_the_targets_process_is_told_from_its_twin_and_from_pause``). A whole node on cgroup v2 was not run: its
  files are read in the form and with the names that public reports show, the CPU figures with the values of such a report
  (``tests/unit/roles/test_cgroup_figures.py::test_a_limited_container_of_version_2``).
- One node, Linux, containerd 2.2 with runc. CRI-O, Windows nodes, and nodes that are virtual machines of a pod each were not run.
"""


def write(kept: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the page from the outcomes by cell: passed, failed (first lines of errors by test) and versions."""
    PAGE.write_text(page(kept), encoding="utf-8")


def page(kept: Mapping[str, Mapping[str, Any]]) -> str:
    newest = kept.get(NEW.name, {}).get("versions") or {axis: getattr(NEW, key) for key, axis in AXES.items()}
    told = ", ".join(f"{axis} {value}" for axis, value in newest.items() if value != "none")
    rows = "".join(_row(cell, kept.get(cell.name)) for cell in CELLS)
    return HEAD.format(newest=told) + rows + _failures(kept) + TAIL


def _row(cell: Cell, outcome: Mapping[str, Any] | None) -> str:
    told = outcome["versions"] if outcome else {axis: getattr(cell, key) for key, axis in AXES.items()}
    changed = [axis for key, axis in AXES.items() if getattr(cell, key) != getattr(NEW, key)]
    others = [cell.tests] if cell.tests != NEW.tests else []
    differs = ", ".join([*(f"{axis} {told[axis]}" for axis in changed), *others]) or "nothing"
    if outcome is None:
        cells = [cell.name, differs, "", "", "not run"]
    else:
        passed, failed = outcome["passed"], len(outcome["failed"])
        verdict = "all passed" if not failed else "see below"
        cells = [cell.name, differs, str(passed), str(failed), verdict]
    first, *rest = cells
    return f"   * - {first}\n" + "".join(f"     - {text}".rstrip() + "\n" for text in rest)


def _failures(kept: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for cell in CELLS:
        failed = kept.get(cell.name, {}).get("failed", {})
        if failed:
            lines += ["", cell.name, "~" * len(cell.name), ""]
            lines += [f"- ``{test}``: {because(cell.name, test) or _quoted(error)}" for test, error in failed.items()]
    return "\n".join(["", "What failed", "-----------", *(lines or ["", "Nothing."]), ""])


def _quoted(error: str) -> str:
    """An error's own words, in a literal that nothing in them ends."""
    return f"not explained yet; ``{error.replace('`', chr(39)).strip() or 'no words'}``"
