# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of the documentation that says which causes are known, and how often the verdicts on the catalogue are true."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from ansible_collections.incident.distroless.plugins.plugin_utils._health.causes import KINDS
from ansible_collections.incident.distroless.tests.incidents.catalogue import HERE, Incident, Outcome

PAGE = Path(__file__).resolve().parents[3] / "docs" / "docsite" / "rst" / "verdicts.rst"
WORDS = ("right", "wrong", "silent", "unknown")
HEAD = """\
..
  Copyright (c) 2026, incident.distroless maintainers
  GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
  SPDX-License-Identifier: GPL-3.0-or-later

.. _ansible_collections.incident.distroless.docsite.verdicts:

Verdicts and their causes
=========================

What is wrong with a container is found by one model of its health (``plugins/plugin_utils/_health``), which reads the pod's object, its events, its node
where that may be read, and the last words of its log. What the API or the kernel names as the cause leads; then come the last words; what only happened
at the same time, such as a probe that failed while the app was going down, is told below it and is no finding of its own. A pass is a claim: it names the
facts that were seen whole, and where one of them is missing, cut, or older than what it speaks of, the verdict is unknown.

An analyzer of one of these causes is one line, ``- {name: exit, cause: exit}``; it may say another ``verdict``, ``next``, ``severity`` or ``when``.

.. list-table::
   :header-rows: 1
   :widths: 16 34 10 40

   * - Cause
     - What the API shows
     - Verdict
     - Next step
"""
TABLE = """
How often they are true
-----------------------

``tests/incidents`` is a catalogue of incidents and of healthy controls that look alike, each with the verdict that is true, the words that the headline must
hold, and what must not be said. That no analyzer of any role passes for want of a fact is
``tests/unit/roles/test_pass_is_a_claim.py::test_a_fact_that_is_not_whole_is_never_a_pass``. *Right*: the verdict and the words. *Silent*: a pass. Of a control
only a pass is right.

All of them, judged from what a real API server once sent (``tests/unit/roles/test_incidents.py::test_what_is_said_is_true``), some with changes that a
cluster of tests cannot be brought to in a moment, such as a node that is dead for hours:

"""
COLUMNS = """\
.. list-table::
   :header-rows: 1

   * - Role
     - Of
     - Right
     - Wrong
     - Silent
     - Unknown
"""


def page(outcomes: Mapping[str, Outcome], entries: list[Incident]) -> str:
    """Return the text of the page. outcomes: by the entry's name."""
    words = {name: came.word for name, came in outcomes.items()}
    return "".join([HEAD, *_causes(), TABLE, COLUMNS, *_counts(words, entries), *_caused(entries)])


def _causes() -> Iterator[str]:
    for kind in KINDS.values():
        cells = (f"``{kind.name}``: {kind.title}", kind.shows, kind.verdict, kind.next)
        first, *others = (cell.replace("`", "``").replace("````", "``").replace("*", r"\*") for cell in cells)
        yield f"   * - {first}\n" + "".join(f"     - {cell}\n" for cell in others)


def _counts(words: Mapping[str, str], entries: list[Incident]) -> Iterator[str]:
    for role in sorted({entry.role for entry in entries}):
        for is_control, what in ((False, "incidents"), (True, "controls")):
            names = [entry.name for entry in entries if entry.role == role and entry.is_control == is_control]
            came = Counter(words[name] for name in names)
            yield f"   * - ``{role}``\n     - {len(names)} {what}\n" + "".join(
                f"     - {came[word]}\n" for word in WORDS
            )


def _caused(entries: list[Incident]) -> Iterator[str]:
    place = HERE / "caused.json"
    if not place.is_file():
        return
    found = json.loads(place.read_text(encoding="utf-8"))
    words = {name: word for run in found.values() for name, word in run["outcomes"].items()}
    versions = " and ".join(sorted({run["version"] for run in found.values()}))
    yield f"""
Those whose cause comes within half a minute, caused on a cluster (Kubernetes {versions}), and judged there by one play of each role when all had come
(``tests/integration/test_incidents.py``, ``test_incidents_inside.py``; written by that run):

{COLUMNS}"""
    yield from _counts(words, [entry for entry in entries if entry.name in words])
