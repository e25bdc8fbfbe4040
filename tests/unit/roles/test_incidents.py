# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of incidents: each entry has what it is judged from, and is judged as what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.incident.distroless.tests.incidents import catalogue
from ansible_collections.incident.distroless.tests.unit.support.judged_incidents import findings

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
