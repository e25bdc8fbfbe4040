# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is written for programs is as its JSON Schema says: what roles make of recordings of a real API server, and cases as they are opened.

The same is asked of what they write on the cluster: test_role_pod_triage, test_one_case, test_role_evidence_bundle and test_proc_fs_fetch.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import COLLECTED as COLLECTED_FILE
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import CaseFolder
from ansible_collections.incident.distroless.plugins.plugin_utils._case.looks import RECORD as CASE_FILE
from ansible_collections.incident.distroless.plugins.plugin_utils._case.looks import Opening, open_case
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.acquired import next_log, read_acquired
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.bundle import LOG, MANIFEST
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.seal import seal
from ansible_collections.incident.distroless.plugins.plugin_utils._sharing.redacted_copy import REDACTION, derive
from ansible_collections.incident.distroless.tests.incidents import catalogue
from ansible_collections.incident.distroless.tests.unit.support.acquired_cases import (
    COLLECTED,
    COMMAND,
    OPENED,
    RECORD,
    TARGET,
    asked,
)
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
    document = json.loads((opened.case / CASE_FILE).read_bytes())
    assert list(differences(document, schema("case"))) == []
    assert list(undescribed(document, schema("case"))) == []


def taken(folder: Path) -> Path:
    """A case as the tasks of evidence_bundle leave it before it is sealed: with a look into a pod, its object, and a file of it."""
    case = CaseFolder(folder)
    folder.mkdir()
    log = next_log(case, read_acquired(case, json.dumps(OPENED)))
    case.write_bytes(LOG, log.text)
    printed = b"date 1795572060\nbtime 1795557318\nuptime 14742\n"
    pod = b'{"kind": "Pod"}'
    command = {
        **COMMAND,
        "dest_size": len(printed),
        "dest_sha256": case.write_bytes("shop/api-0/app/clock.txt", printed),
    }
    row = asked(size=len(pod), sha256=case.write_bytes("api_before/shop/api-0/pod.json", pod))
    case.write_json("api_before/record.json", {**RECORD, "schema": 1, "requests": [row]})
    place = "fetched_files/shop/api-0/app"
    file = {"src": "/data/a", "dest": str(folder / place / "data/a"), "type": "file", "status": "fetched", "size": 1}
    file["sha256"] = case.write_bytes(f"{place}/data/a", b"a")
    case.write_json(f"{place}.manifest.json", {"files": [file]})
    (folder / place / "data" / "link").symlink_to("a")
    case.write_json("fetched_files/fetch.json", {"start": "2026-11-25T02:00:02Z", "end": "2026-11-25T02:00:03Z"})
    case.write_json(COLLECTED_FILE, {**COLLECTED, "targets": [{**TARGET, "commands": [command]}]})
    return folder


def test_a_bundle_and_its_copy_for_sharing_are_as_their_schemas_say(tmp_path: Path) -> None:
    case = taken(tmp_path / "case")
    seal(case, None)
    copy = tmp_path / "copy"
    derive(case, copy, b"salt", COLLECTED["collectors"])
    for folder in (case, copy):
        document = json.loads((folder / MANIFEST).read_bytes())
        assert list(differences(document, schema("bundle"))) == []
        assert list(undescribed(document, schema("bundle"))) == []
        rows = [json.loads(line) for line in (folder / LOG).read_bytes().splitlines()]
        assert {row["action"] for row in rows} >= {"open", "identify", "ask", "inject", "run", "refused", "fetch"}
        for row in rows:
            assert list(differences(row, schema("acquisition"))) == []
            assert list(undescribed(row, schema("acquisition"))) == []
    document = json.loads((copy / REDACTION).read_bytes())
    assert document["files"]
    assert list(differences(document, schema("redaction"))) == []
    assert list(undescribed(document, schema("redaction"))) == []


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
