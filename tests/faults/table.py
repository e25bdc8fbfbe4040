# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of faults and what came of them, as a page of the documentation: `make faults` writes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .faults import ABOVE_TLS, FAULTS, SESSION
from .subject import NOT_REAPED
from .trials import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "docsite" / "rst" / "faults.rst"

HEAD = """\
..
  Copyright (c) 2026, incident.distroless maintainers
  GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

.. _ansible_collections.incident.distroless.docsite.faults:

What happens when the connection fails
======================================

``make faults`` wrote this page. It fetches files of a real pod on a real cluster through a proxy that lets connections fail, {trials} times, with the seeds
{first} to {last}: small files, a large one, a sparse one, a log that grows and all of them together; with and without retries, checksums, ``oversize`` and
``max_size``. {modules} of the trials run the whole module in a process of its own, the others its parts in the test's. After each trial every file under a
final name is compared with what the target has, and each row of the result and of the manifest with what is there; after every 100 trials the processes in the
debugger are counted.

{claims}

.. list-table:: Faults and outcomes
   :header-rows: 1
   :widths: 22 30 8 8 10 10 22

   * - Fault
     - What happens
     - Trials
     - Met it
     - Succeeded
     - of these on another connection
     - Failed, and with which reasons
"""

TAIL = """
A trial that did not meet its fault was done before the place where it would have come. A trial fails where its ``retries`` are 0 or the fault meets every
connection; what is complete by then is kept and listed, and the next run goes on from there.

The faults from 429 on need an intermediary that terminates TLS: the proxy does. A listing has no hash of its own. Where such an intermediary damages one, a
file is missing from it or is brought to another length, which its row says (``grew``); no file ever has other bytes than its row says.

Where a connection breaks while output is on its way, containerd kills the exec that it comes from (its shim was seen to send SIGKILL). That is one without
children; the shell that runs the work is another exec, which sees the end of its input and ends and reaps what it started.

``make test`` runs a hundred of these trials: ``tests/faults/test_faults.py::test_whatever_happens_to_the_connection_no_file_is_wrong``.
That it can fail is shown by ``tests/faults/test_faults.py::test_the_trials_catch_a_reader_that_proves_nothing``.
"""


def page(done: Sequence[Outcome], left_over: Counter[str]) -> str:
    """The page's text: one row for each kind of fault. left_over: the processes that were left in the debugger."""
    counts = {
        "Files with other bytes than the target's (silent corruption)": sum(
            bool(one.findings.wrong_files) for one in done
        ),
        "Partial files under a final name": sum(bool(one.findings.partial_files) for one in done),
        "Temporary files left behind": sum(bool(one.findings.leftovers) for one in done),
        "Processes that still ran in the debugger": sum(
            count for name, count in left_over.items() if not name.endswith(NOT_REAPED)
        ),
        "Dead processes that the target's PID 1 has not reaped": sum(
            count for name, count in left_over.items() if name.endswith(NOT_REAPED)
        ),
        "Rows that are not true": sum(bool(one.findings.untrue_rows) for one in done),
        "Outcomes without a stated reason": sum(bool(one.defects) for one in done),
    }
    seeds = [one.trial.seed for one in done]
    head = HEAD.format(
        trials=len(done),
        first=min(seeds),
        last=max(seeds),
        modules=sum(one.trial.is_whole_module for one in done),
        claims="\n".join(f"- {what}: **{count}**" for what, count in counts.items()),
    )
    return head + "".join(_row(kind, [one for one in done if one.trial.fault.kind == kind]) for kind in FAULTS) + TAIL


def _row(kind: str, done: Sequence[Outcome]) -> str:
    good = [one for one in done if one.result == "success"]
    failed = Counter(one.result for one in done if one.result != "success")
    reasons = ", ".join(f"``{reason}`` {count}" for reason, count in sorted(failed.items())) or "none"
    where = " (TLS ends in the proxy)" if kind in ABOVE_TLS else ""
    cells = (
        kind,
        FAULTS[kind] + where,
        len(done),
        sum(one.is_hit for one in done),
        len(good),
        sum(one.connections > SESSION for one in good),
        reasons,
    )
    return "   * - " + "\n     - ".join(str(cell) for cell in cells) + "\n"
