# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written for programs is as its JSON Schema says: what roles make of recordings of a real API server, and cases as they are opened.

The same is asked of what they write on the cluster: test_role_pod_triage, test_one_case and test_proc_fs_fetch.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.looks import RECORD, Opening, open_case
from ansible_collections.incident.distroless.tests.incidents import catalogue
from ansible_collections.incident.distroless.tests.unit.support.judged_incidents import judged
from ansible_collections.incident.distroless.tests.unit.support.schemas import (
    FOLDER,
    KNOWN,
    differences,
    schema,
    undescribed,
)

NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))
# of each role a few: what differs among the others is what they say
SOME = catalogue.load()[::8]


def words(wanted: Any) -> set[str]:
    """Every word of JSON Schema that a schema uses."""
    inner = [
        *wanted.get("properties", {}).values(),
        *filter(None, (wanted.get("items"), wanted.get("additionalProperties"))),
    ]
    return set(wanted) | {word for part in inner for word in words(part)}


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_says_who_it_is_in_words_that_are_looked_at(name: str) -> None:
    found = schema(name)
    assert found["$id"].endswith(f"/docs/schemas/{name}.json")
    assert words(found) <= KNOWN


@pytest.mark.parametrize("incident", SOME, ids=lambda incident: incident.name)
def test_the_findings_of_a_role_are_as_their_schema_says(incident: catalogue.Incident, tmp_path: Path) -> None:
    document = json.loads(json.dumps(judged(incident, tmp_path)))
    assert document["findings"]
    assert list(differences(document, schema("findings"))) == []
    assert [key for key in undescribed(document, schema("findings")) if not key.startswith(".targets")] == []


def test_a_case_that_is_opened_is_as_its_schema_says(tmp_path: Path) -> None:
    now = dt.datetime(2026, 11, 24, 3, tzinfo=dt.UTC)
    opened = open_case(tmp_path, Opening("disk_triage", "one"), now, writes=True)
    document = json.loads((opened.case / RECORD).read_bytes())
    assert list(differences(document, schema("case"))) == []
    assert list(undescribed(document, schema("case"))) == []


@pytest.mark.parametrize(
    ("name", "document", "said"),
    [
        ("case", {"schema": 1, "looks": []}, [".others is missing"]),
        ("case", {"schema": 2, "looks": [], "others": []}, [".schema is 2, not 1"]),
        (
            "case",
            {"schema": 1, "looks": [{"role": "x", "folder": None}], "others": []},
            [".looks[0].folder is null, not string"],
        ),
        ("case", {"schema": 1, "looks": True, "others": []}, [".looks is true, not array"]),
    ],
)
def test_what_is_not_as_the_schema_says_is_told(name: str, document: Any, said: list[str]) -> None:
    assert list(differences(document, schema(name))) == said
