# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a bundle says of how it came to be, and what its collectors printed."""

from __future__ import annotations

import base64
import hashlib
import io
import itertools
import json
import tarfile
from email.utils import formatdate
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.times import epoch
from ansible_collections.incident.distroless.plugins.module_utils._k8s.redaction import without_values
from ansible_collections.incident.distroless.plugins.module_utils._modules.evidence_api import clock
from ansible_collections.incident.distroless.plugins.plugin_utils._case.hash_chain import chain, continued
from ansible_collections.incident.distroless.plugins.plugin_utils._evidence.acquisition_log import (
    Acquired,
    changes,
    clocks,
    log_rows,
    manifest,
    node_clock,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.registry import PARSERS
from ansible_collections.incident.distroless.tests.unit.support.acquired_cases import (
    COLLECTED,
    COMMAND,
    LOOKED,
    OPENED,
    RECORD,
    TARGET,
    asked,
)

FILES = [
    {
        "target": "shop/api-0/app",
        "src": "/data/a",
        "dest": "/old/home/case/fetched_files/shop/api-0/app/data/a",
        "type": "file",
        "status": "fetched",
        "atime_changed_by_us": True,
    },
    {"target": "shop/api-0/app", "src": "/data/b", "type": "file", "status": "fetched", "atime_changed_by_us": False},
]


def acquired(**changes: Any) -> Acquired:
    given: dict[str, Any] = {
        "collected": COLLECTED,
        "before": RECORD,
        "after": {"requests": [asked(uncertainty=0.51, offset=0.1)]},
        "fetch": {"start": "2026-11-25T02:00:02Z", "end": "2026-11-25T02:00:03Z"},
        "files": FILES,
        "clocks": {"shop/api-0/app": b"date 1795572060\nbtime 1795557318\nuptime 14742\n"},
        **changes,
    }
    return Acquired(**given)


def test_the_log_tells_what_was_done_in_its_order() -> None:
    first, who, asked_before, inject, run, refused, *fetched, asked_after = log_rows(acquired())
    assert (first["action"], first["examiner"]) == ("open", COLLECTED["examiner"])
    assert (who["action"], who["who"], who["cluster"]["uid"]) == ("identify", {"username": "me@shop"}, "1-2-3")
    assert who["time"] == asked_before["time"]
    assert asked_before["path"] == "api_before/shop/api-0/pod.json"
    assert (asked_before["action"], asked_before["audit_id"], asked_before["rc"]) == ("ask", "audit-1", 0)
    assert (refused["action"], refused["target"]) == ("refused", "shop/api-1")
    assert (inject["action"], inject["isolation"]) == ("inject", "same_uid")
    # the debugger's start is told by the node's clock, and is no time of the log
    assert (inject["time"], inject["debugger_started"]) == (run["time"], "2026-11-25T01:59:59Z")
    assert (run["action"], run["command"]) == ("run", "date")
    assert (run["path"], run["sha256"]) == ("shop/api-0/app/clock.txt", "b" * 64)
    assert [row["action"] for row in fetched] == ["fetch", "fetch"]
    assert fetched[0]["time"] == "2026-11-25T02:00:02Z"
    # wherever the case lay when it was fetched
    assert fetched[0]["path"] == "fetched_files/shop/api-0/app/data/a"
    assert "path" not in fetched[1]
    assert asked_after["path"] == "api_after/shop/api-0/pod.json"


def test_a_debugger_that_was_there_for_days_is_used_after_the_case_was_opened() -> None:
    """Its start is of another clock, and of another day; two targets are looked into side by side."""
    there = {**TARGET, "reused": True, "started_at": "2026-11-20T08:00:00Z"}
    later = {**TARGET["commands"][0], "start": "2026-11-25T02:00:00.500Z"}
    idle = {**there, "pod": "api-2", "commands": []}
    other = {**there, "pod": "api-1", "commands": [later]}
    rows = list(log_rows(acquired(collected={**COLLECTED, "targets": [idle, other, there]})))
    look = [(row["action"], row["target"]) for row in rows if row["action"] in ("reuse", "run")]
    assert look == [
        ("reuse", "shop/api-0/app"),
        ("run", "shop/api-0/app"),
        ("reuse", "shop/api-1/app"),
        ("run", "shop/api-1/app"),
        ("reuse", "shop/api-2/app"),
    ]
    times = [epoch(row["time"]) for row in rows if row["action"] not in ("fetch", "ask")]
    assert times == sorted(times)


BEGUN = {"start": "2026-11-25T02:00:02Z", "end": None}


def test_each_step_continues_the_log_of_the_step_before_it() -> None:
    nothing: dict[str, Any] = {"after": {}, "fetch": {}, "files": (), "clocks": {}}
    steps = [
        acquired(**{**nothing, "collected": OPENED, "before": {}}),
        acquired(**{**nothing, "collected": OPENED}),
        acquired(**{**nothing, "collected": LOOKED}),
        acquired(**{**nothing, "collected": LOOKED, "fetch": BEGUN}),
        acquired(collected=LOOKED, after={}),
        acquired(collected=LOOKED),
        acquired(),
    ]
    logs = [chain(log_rows(step)) for step in steps]
    assert [log.lines for log in logs] == [1, 3, 6, 6, 8, 9, 9]
    for before, after in itertools.pairwise(logs):
        assert continued(before.text, log_rows(steps[logs.index(after)])) == after


def test_a_fetched_file_is_named_exactly_where_its_name_is_no_text() -> None:
    folder = b"/home/case/fetched_files/shop/api-0/app"
    shown, exact = "/home/case/fetched_files/shop/api-0/app/a\\xff", base64.b64encode(folder + b"/a\xff").decode()
    (row,) = [
        row
        for row in log_rows(acquired(files=[{**FILES[0], "dest": shown, "dest_b64": exact}]))
        if row["action"] == "fetch"
    ]
    assert row["path"] == "fetched_files/shop/api-0/app/a\\xff"
    assert base64.b64decode(row["path_b64"]) == b"fetched_files/shop/api-0/app/a\xff"


def test_a_manifest_says_that_the_acquisition_did_not_end_and_that_it_may_have_changed_the_pods() -> None:
    found = manifest(acquired(collected=OPENED, after={}, fetch={}, files=()), {}, {})
    assert (found["is_complete"], found["ended"]) == (False, None)
    assert [(row["what"], row["target"]) for row in found["changes"]] == [("unfinished", None)]
    whole = manifest(acquired(), {}, {})
    assert whole["is_complete"] is True
    assert "unfinished" not in [row["what"] for row in whole["changes"]]


def test_a_request_without_an_answer_is_a_row_that_says_why() -> None:
    refused = asked(reason="RbacDenied", message="may not get nodes", path=None, sha256=None)
    (row, *_later) = [
        row for row in log_rows(acquired(before={**RECORD, "requests": [refused]})) if row["action"] == "ask"
    ]
    assert (row["rc"], row["reason"], row["path"]) == (1, "RbacDenied", None)


def test_what_the_acquisition_changed_is_told_for_each_target() -> None:
    rows = {row["what"]: row["message"] for row in changes(acquired())}
    assert list(rows) == ["pod_spec", "admission", "processes", "atimes", "reads"]
    assert "debugger-1 (busybox:1.37) was added" in rows["pod_spec"]
    assert "access time of 1 of 2" in rows["atimes"]
    reused = {**COLLECTED, "targets": [{**TARGET, "reused": True}]}
    assert "was not changed" in changes(acquired(collected=reused))[0]["message"]


def test_the_manifest_names_the_case_the_cluster_and_the_best_of_the_clocks() -> None:
    found = manifest(acquired(), {"ansible-core": "2.21"}, {"log": {"lines": 8, "last": "c"}})
    assert found["cluster"]["uid"] == "1-2-3"
    assert found["versions"] == {"ansible-core": "2.21", "kubernetes": "v1.36.0"}
    assert found["clocks"]["api"] == {"offset": 0.1, "uncertainty": 0.51}
    assert found["log"] == {"lines": 8, "last": "c"}
    assert json.loads(json.dumps(found)) == found


def test_a_node_s_clock_is_told_with_its_uncertainty() -> None:
    # the command began at 02:00:00 and something, and took 0.2 s; the node said a minute later
    assert clocks(acquired())["nodes"]["node-1"] == {
        "offset": 59.9,
        "uncertainty": 1.1,
        "booted": 1795557318,
        "uptime": 14742,
    }
    with pytest.raises(ValueError, match="not understood"):
        node_clock(b"date yesterday\n", COMMAND)


@pytest.mark.parametrize("true_offset", [-3.7, -0.2, 0.0, 0.9, 120.0])
@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.99])
def test_the_api_s_clock_is_within_what_is_said(true_offset: float, fraction: float) -> None:
    started = 1795572000.0 + fraction
    heard = started + 0.25
    at_api = int(started + 0.1 + true_offset)
    found = clock(formatdate(at_api, usegmt=True), started, heard)
    assert found["offset"] is not None
    assert found["uncertainty"] is not None
    assert abs(found["offset"] - true_offset) <= found["uncertainty"] + 0.001


@pytest.mark.parametrize("header", [None, "", "yesterday", "Wed, 99 Nov 2026 01:59:51 GMT"])
def test_of_a_date_that_is_none_nothing_is_said(header: str | None) -> None:
    assert clock(header, 1.0, 2.0) == {"offset": None, "uncertainty": None}


def test_values_are_left_out_wherever_a_template_of_a_pod_stands() -> None:
    container = {"name": "app", "env": [{"name": "TOKEN", "value": "secret"}, {"name": "REF", "valueFrom": {}}]}
    pod = {"spec": {"containers": [container], "initContainers": [container], "ephemeralContainers": [container]}}
    job = {"spec": {"jobTemplate": {"spec": {"template": pod}}}}
    applied = {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "secret", "a": "b"}}}
    for thing in (pod, {"spec": {"template": pod}}, job, applied):
        shown = without_values(thing)
        assert "secret" not in json.dumps(shown)
        assert "secret" in json.dumps(thing)
    assert without_values(applied)["metadata"]["annotations"]["a"] == "b"
    assert without_values({"spec": None, "metadata": {}}) == {"spec": None, "metadata": {}}


def tar_of(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def test_open_files_tell_what_they_are_without_a_name_ending_a_line() -> None:
    line = (
        b"43 7 _"
        + b"/data/new\nline\n".hex().encode()
        + b" _"
        + b"pos:\t12\nflags:\t0100002\nmnt_id:\t9\n".hex().encode()
    )
    assert PARSERS["open_files"](line + b"\n") == [
        {"pid": 43, "fd": 7, "file": "/data/new\\nline", "position": 12, "flags": "0100002"}
    ]


def test_kept_executables_are_listed_by_what_they_are() -> None:
    (row,) = PARSERS["archive"](tar_of(**{"43/exe": b"ELF"}))
    assert row == {"name": "43/exe", "size": 3, "sha256": hashlib.sha256(b"ELF").hexdigest()}
    assert PARSERS["archive"](b"") == []


def test_of_variables_there_are_names_only() -> None:
    assert PARSERS["variable_names"](b"1 PATH\n1 TOKEN\n43 HOME\n") == [
        {"pid": 1, "names": ["PATH", "TOKEN"]},
        {"pid": 43, "names": ["HOME"]},
    ]
    kept = PARSERS["environments"](b"1 _" + b"A=secret\0B=x\0".hex().encode() + b"\n2 _\n")
    assert kept == [{"pid": 1, "variables": 2, "bytes": 13}, {"pid": 2, "variables": 0, "bytes": 0}]


def test_a_pod_s_state_is_what_a_restart_changes() -> None:
    pod = {
        "metadata": {"uid": "u", "resourceVersion": "7", "deletionTimestamp": "now"},
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Running",
            "containerStatuses": [
                {
                    "name": "app",
                    "containerID": "containerd://1",
                    "restartCount": 2,
                    "state": {"running": {}},
                    "ready": True,
                }
            ],
        },
    }
    found = PARSERS["pod_state"](json.dumps(pod).encode())
    assert found["is_deleted"] is True
    assert found["containers"] == [
        {"name": "app", "container_id": "containerd://1", "restart_count": 2, "state": "running", "ready": True}
    ]
    for wrong in (b"", b"[]", b"{}", b'{"metadata": {}}', b"null"):
        with pytest.raises(ValueError, match="not understood"):
            PARSERS["pod_state"](wrong)


@pytest.mark.parametrize("parser", ["open_files", "variable_names", "environments", "archive"])
def test_what_is_no_output_of_a_collector_is_refused(parser: str) -> None:
    with pytest.raises(ValueError, match="not understood"):
        PARSERS[parser](b"x" * 600 + b"\n")
