# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The case of a pod in quarantine: what its log tells, as findings, tables and a timeline."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import CaseFolder
from ansible_collections.incident.distroless.plugins.plugin_utils._case.hash_chain import chain, continued, rows_of
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine.case import ABOUT, case_of
from ansible_collections.incident.distroless.plugins.plugin_utils._report.html_page import html
from ansible_collections.incident.distroless.plugins.plugin_utils._report.summary import markdown
from ansible_collections.incident.distroless.tests.unit.support.quarantined_pods import judged
from ansible_collections.incident.distroless.tests.unit.support.report_cases import HOSTILE

LABEL = "incident.distroless/quarantine"


POD = {"namespace": "shop", "pod": "api-0"}


def begin(**changes: Any) -> dict[str, Any]:
    return {
        **POD,
        "time": "2026-11-25T02:00:00.000Z",
        "action": "begin",
        "state": "present",
        "by": "oncall",
        "reason": "page 4711",
        "who": {"username": "system:serviceaccount:shop:oncall"},
        "pod_uid": "uid-1",
        "node": "node-1",
        "container": "app",
        "owner": None,
        "services": ["api"],
        "reached": ["10.0.0.1:443", "10.0.0.2:53"],
        "connections": [],
        "endpoints": [{"service": "api", "pod": "api-0", "is_ready": True}],
        "files": {},
        "target": {"restart_count": 3},
        **changes,
    }


POLICY = {
    **POD,
    "time": "2026-11-25T02:00:01.000Z",
    "action": "policy",
    "name": "quarantine-uid-1",
    "spec": {"podSelector": {"matchLabels": {LABEL: "uid-1"}}, "policyTypes": ["Ingress", "Egress"]},
}
LABELS = {
    **POD,
    "time": "2026-11-25T02:00:02.000Z",
    "action": "labels",
    "before": {"app": "api", "kept": "x"},
    "after": {LABEL: "uid-1", "kept": "x"},
}
FILES = {"reach": {"path": "run/after/reach.txt", "sha256": "a" * 64}}


def end_of(**changes: Any) -> dict[str, Any]:
    found = judged()
    return {
        **POD,
        "time": "2026-11-25T02:00:09.000Z",
        "action": "judged",
        "isolation": found["isolation"],
        "findings": found["findings"],
        "reached": ["10.0.0.2:53"],
        "connections": None,
        "endpoints": [{"service": "api", "pod": "api-1", "is_ready": True}],
        "files": FILES,
        **changes,
    }


UNDO = begin(
    time="2026-11-26T02:00:00.000Z", state="absent", by="day", reason="", who=None, reached=None, endpoints=None
)
BACK = {
    **POD,
    "time": "2026-11-26T02:00:01.000Z",
    "action": "labels",
    "before": LABELS["after"],
    "after": LABELS["before"],
}
GONE = {**POD, "time": "2026-11-26T02:00:02.000Z", "action": "policies_deleted", "names": ["quarantine-uid-1"]}
OUT = {
    **POD,
    "time": "2026-11-26T02:00:03.000Z",
    "action": "end",
    "message": "shop/api-0 has its labels back; 1 policies deleted.",
}
WHOLE = [begin(), POLICY, LABELS, end_of()]


def test_a_case_says_what_was_before_and_after_when_and_by_whom() -> None:
    found = case_of(WHOLE, "case")
    assert (found["role"], found["examiner"], found["reason"]) == ("quarantine", "oncall", "page 4711")
    assert (found["started"], found["ended"]) == (WHOLE[0]["time"], WHOLE[-1]["time"])
    assert (found["targets"][0]["pod"], found["targets"][0]["restart_count"]) == ("api-0", 3)
    facts = found["facts"]["shop/api-0/app"]
    assert {row["label"]: (row["before"], row["after"]) for row in facts["labels"]} == {
        "app": ("api", None),
        "kept": ("x", "x"),
        LABEL: (None, "uid-1"),
    }
    assert {row["pod"]: (row["before"], row["after"]) for row in facts["endpoints"]} == {
        "api-0": ("ready", "not there"),
        "api-1": ("not there", "ready"),
    }
    assert {row["peer"]: (row["before"], row["after"]) for row in facts["reached"]} == {
        "10.0.0.1:443": (True, False),
        "10.0.0.2:53": (True, True),
    }
    assert [row["is_deleted"] for row in facts["policies"]] == [False]
    told = [entry["text"] for entry in found["timeline"]]
    assert told[0].startswith("oncall, whom the API takes for system:serviceaccount:shop:oncall, began to isolate it")
    assert told[2] == f"Its labels were changed, from app=api to {LABEL}=uid-1"
    assert told[3] == "Judged: isolated"


def test_a_debugger_that_was_put_in_stands_in_the_timeline_and_one_that_was_there_does_not() -> None:
    made = {"debugger": "debugger-1", "image": "busybox:1.37", "reused": False, "started_at": "2026-11-25T01:59:59Z"}
    found = case_of([begin(target=made), end_of(target={**made, "reused": True})], "case")
    said = [entry["text"] for entry in found["timeline"] if "Debugger" in entry["text"]]
    assert said == ["Debugger debugger-1 started in it, from busybox:1.37"]
    assert found["timeline"][0]["text"] == said[0]


def test_its_findings_have_a_title_and_the_file_that_they_stand_on() -> None:
    found = case_of(WHOLE, "case")
    assert found["verdict"] == "pass"
    assert {entry["analyzer"] for entry in found["findings"]} <= set(ABOUT)
    (enforced,) = [entry for entry in found["findings"] if entry["analyzer"] == "enforced"]
    assert enforced["title"] == "Whether the network enforces the policy"
    assert enforced["evidence"] == [{"collector": "reach", **FILES["reach"]}]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_play_that_was_cut_off_is_unknown_and_says_how_far_it_came(length: int) -> None:
    (only,) = case_of(WHOLE[:length], "case")["findings"]
    assert only["verdict"] == "unknown"
    assert ["began to isolate", "NetworkPolicy quarantine-uid-1 stands", "labels were changed"][length - 1] in only[
        "message"
    ]


def test_the_undo_adds_to_the_case_and_is_its_last_word() -> None:
    found = case_of([*WHOLE, UNDO, BACK, GONE, OUT], "case")
    (only,) = found["findings"]
    assert (only["verdict"], only["message"]) == ("pass", OUT["message"])
    assert len(found["timeline"]) == 8
    assert "day began to take it out" in found["timeline"][4]["text"]
    facts = found["facts"]["shop/api-0/app"]
    assert [row["is_deleted"] for row in facts["policies"]] == [True]
    assert {row["label"]: row["after"] for row in facts["labels"]}["app"] == "api"
    # who opened the case is its examiner
    assert (found["examiner"], found["ended"]) == ("oncall", OUT["time"])


def test_a_case_can_be_of_several_pods_each_with_its_own_last_word() -> None:
    other = begin(time="2026-11-25T03:00:00.000Z", pod="api-9", by="day", endpoints=None)
    found = case_of([*WHOLE, other], "case")
    assert [target["pod"] for target in found["targets"]] == ["api-0", "api-9"]
    by_pod = {entry["target"]: entry["verdict"] for entry in found["findings"]}
    assert by_pod == {"shop/api-0/app": "pass", "shop/api-9/app": "unknown"}
    assert found["facts"]["shop/api-9/app"]["labels"] == []
    assert len(found["facts"]["shop/api-0/app"]["labels"]) == 3
    assert "api-9" in html(found, {})
    # two plays at once: each line is about its own pod, whichever came before
    mixed = case_of([WHOLE[0], other, *WHOLE[1:]], "case")
    assert {entry["target"]: entry["verdict"] for entry in mixed["findings"]} == by_pod
    assert len(mixed["facts"]["shop/api-0/app"]["labels"]) == 3
    # and goes on with the first one
    again = case_of([*WHOLE, other, UNDO, BACK, GONE, OUT], "case")
    assert {entry["target"]: entry["message"] for entry in again["findings"]}["shop/api-0/app"] == OUT["message"]


def test_what_was_not_looked_at_is_not_said() -> None:
    blind = [begin(reached=None, endpoints=None), end_of(reached=None, endpoints=None)]
    facts = case_of(blind, "case")["facts"]["shop/api-0/app"]
    assert (facts["endpoints"], facts["reached"], facts["labels"]) == ([], [], [])
    half = case_of([begin(), end_of(reached=None, endpoints=None)], "case")["facts"]["shop/api-0/app"]
    assert [row["after"] for row in half["reached"]] == [None, None]
    assert [row["after"] for row in half["endpoints"]] == [None]


def test_connections_are_those_of_after_where_these_are_known() -> None:
    one = [{"protocol": "tcp", "local": "10.0.0.2", "local_port": 5, "remote": "10.0.0.9", "remote_port": 443}]
    for before, after, shown in ((one, [], []), (one, None, one), ([], one, one), (None, None, [])):
        found = case_of([begin(connections=before), end_of(connections=after)], "case")
        assert found["facts"]["shop/api-0/app"]["connections"] == shown


def test_of_a_peer_that_was_tried_only_afterwards_nothing_is_said_of_before() -> None:
    rows = case_of([begin(reached=["10.0.0.1:443"]), end_of(reached=["db:5432"])], "case")["facts"]["shop/api-0/app"]
    assert rows["reached"] == [
        {"peer": "10.0.0.1:443", "before": True, "after": False},
        {"peer": "db:5432", "before": None, "after": True},
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_becomes_a_part_of_its_page(text: str) -> None:
    rows = [begin(by=text, reason=text), LABELS | {"before": {"app": text}}, end_of()]
    found = json.loads(json.dumps(case_of(rows, "case")))
    plain = case_of([begin(by="x", reason="x"), LABELS | {"before": {"app": "x"}}, end_of()], "case")
    assert html(found, {}).count("<") == html(plain, {}).count("<")
    assert "](" not in markdown(found).replace("\\](", "")


def test_a_log_is_read_as_it_was_written_and_continued() -> None:
    text = chain(WHOLE[:2]).text
    assert rows_of(text) == WHOLE[:2]
    assert continued(text, [*rows_of(text), LABELS]).text.startswith(text)
    changed = text.replace(b"page 4711", b"page 4712")
    with pytest.raises(ValueError, match="line 2 of the log"):
        continued(changed, [*rows_of(changed), LABELS])
    for wrong in (b"[]\n", b"7\n", b"{\n"):
        with pytest.raises(ValueError, match=r"none of a log|Expecting"):
            rows_of(wrong)


def test_who_continues_a_case_waits_for_who_does_already(tmp_path: Path) -> None:
    case = CaseFolder(tmp_path / "case")

    def continue_it(number: int) -> None:
        with case.locked():
            path = case.path / "log"
            standing = path.read_bytes() if path.is_file() else b""
            rows = [*rows_of(standing), {"time": str(number)}]
            case.write_bytes("log", continued(standing, rows).text)

    with ThreadPoolExecutor(8) as plays:
        list(plays.map(continue_it, range(64)))
    rows = rows_of((case.path / "log").read_bytes())
    assert sorted(int(row["time"]) for row in rows) == list(range(64))
    assert (case.path / ".lock").stat().st_mode & 0o777 == 0o600
