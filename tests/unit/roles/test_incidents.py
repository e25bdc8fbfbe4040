# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of incidents: each entry has what it is judged from, and is judged as what it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.tests.incidents import catalogue
from ansible_collections.incident.distroless.tests.unit.support.judged_incidents import findings
from ansible_collections.incident.distroless.tests.unit.support.verdicts_page import PAGE, TABLE, page

ENTRIES = catalogue.load()


@pytest.mark.parametrize("incident", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_has_a_recording_of_a_real_answer(incident: catalogue.Incident) -> None:
    found = catalogue.recording(incident)
    assert found["pod"]["metadata"]["managedFields"], "the API itself sends them"
    assert (incident.cause is None) == (incident.source != incident.name)


@pytest.mark.parametrize("incident", [entry for entry in ENTRIES if entry.cause], ids=lambda entry: entry.name)
def test_what_a_cluster_causes_says_when_it_has_come(incident: catalogue.Incident) -> None:
    assert catalogue.manifest(incident)["spec"]["containers"][0]["command"]
    assert catalogue.comes_when(incident)


@pytest.mark.parametrize("incident", ENTRIES, ids=lambda entry: entry.name)
def test_what_is_said_is_true(incident: catalogue.Incident, tmp_path: Path) -> None:
    came = catalogue.outcome(incident, findings(incident, tmp_path))
    assert came.word == "right", f"{came.word}: {came.why}"


def test_the_page_of_verdicts_says_what_came_of_them(tmp_path: Path) -> None:
    """WRITE_VERDICTS=yes writes it."""
    outcomes = {entry.name: catalogue.outcome(entry, findings(entry, tmp_path / entry.name)) for entry in ENTRIES}
    text = page(outcomes, ENTRIES)
    if os.environ.get("WRITE_VERDICTS"):
        PAGE.write_text(text, encoding="utf-8")
    written = PAGE.read_text(encoding="utf-8")
    # what a run counts is not what the next one must come to: that each entry is right is a test of its own
    assert written.partition(TABLE)[0] == text.partition(TABLE)[0], "run it with WRITE_VERDICTS=yes"
    assert written.partition(TABLE)[2].count("   * - ``") >= 2
