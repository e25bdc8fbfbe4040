# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.api_answers import api_answers
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.findings import timeline
from ansible_collections.incident.distroless.tests.unit.support.collected_facts import (
    POD,
    answer,
    collector,
    command,
    event,
    learn,
    log,
    target,
)


def test_what_a_collector_printed_is_read_from_its_file_and_parsed() -> None:
    known = learn(
        command("counts"),
        collectors=[collector("counts", "counters")],
        files={"shop/api-0/app/counts.txt": b"oom_kill 3\n"},
    )
    assert known.facts["counts"] == {"oom_kill": 3}
    assert known.missing == {}


@pytest.mark.parametrize(
    ("commands", "why"),
    [
        ([], "did not run"),
        ([command("counts", rc=None, timed_out=True)], "longer than 60 s"),
        (
            [command("counts", rc=1, stderr="cat: x\x1b: Permission denied\n")],
            "ended with 1: cat: x\\x1b: Permission denied",
        ),
        ([command("counts")], "counts.txt"),
    ],
)
def test_a_collector_that_failed_is_missing_with_its_cause(commands: list[dict[str, Any]], why: str) -> None:
    known = learn(*commands, collectors=[collector("counts", "counters")])
    assert "counts" not in known.facts
    assert why in known.missing["counts"]


def test_what_never_began_is_missing_with_what_ended_the_look() -> None:
    """Also where it would have read what another one prints."""
    refused = {"namespace": "shop", "container": "app", "reason": "LookBroken", "hint": "Wait."}
    ended = {"api-1": "It has ended.", "api-0": "It did not start."}
    failed = [{**refused, "pod": pod, "message": said} for pod, said in ended.items()]
    reader = {**collector("seen", "completeness"), "file": "{namespace}/{pod}/{container}/counts.txt"}
    known = learn(collectors=[collector("counts", "counters"), reader], failed=failed)
    assert known.missing == dict.fromkeys(("counts", "seen"), "the command did not run: LookBroken: It did not start")


def test_what_is_read_from_the_file_of_a_collector_that_failed_is_missing_with_its_cause() -> None:
    """What it printed until then lies there, which may be nothing, and parsers have words of their own for that."""
    path = "{namespace}/{pod}/{container}/mounts.txt"
    failed = command("mounts", rc=127, stderr="the debug image lacks sed\n")
    collectors = [collector("mounts", "mountinfo"), {**collector("again", "mountinfo"), "file": path}]
    known = learn(failed, collectors=collectors, files={"shop/api-0/app/mounts.txt": b""})
    assert known.missing["again"] == known.missing["mounts"]
    assert "the debug image lacks sed" in known.missing["again"]


def test_what_a_parser_does_not_understand_is_missing() -> None:
    files = {"shop/api-0/app/mounts.txt": b"nonsense"}
    known = learn(command("mounts"), collectors=[collector("mounts", "mountinfo")], files=files)
    assert "not understood" in known.missing["mounts"]


def test_a_pod_brings_its_volumes_and_owners_and_no_value_of_a_variable() -> None:
    known = learn(collectors=[collector("pod", api="pod")], api=[answer("pod", {"metadata": {"name": "other"}}, POD)])
    assert [(row["point"], row["kind"], row["size_limit"], row["read_only"]) for row in known.facts["volumes"]] == [
        ("/cache", "emptyDir", 8 << 20, False),
        ("/keys", "secret", None, True),
    ]
    assert known.facts["owners"] == [{"kind": "ReplicaSet", "name": "api", "controller": True}]
    assert "secret" not in str(known.objects["pod"]["spec"]["containers"][0]["env"])


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([], "not asked for"),
        ([answer("pod", error="Forbidden")], "Forbidden"),
        ([answer("pod")], "the API has no api-0"),
    ],
)
def test_a_pod_that_the_api_does_not_give_is_missing_and_what_is_read_off_it_too(answers: Any, why: str) -> None:
    known = learn(collectors=[collector("pod", api="pod")], api=answers)
    assert why in known.missing["pod"]
    assert known.missing["volumes"] == known.missing["pod"]


def test_events_are_those_of_this_pod_and_not_of_an_older_one_of_its_name() -> None:
    api = [answer("events", event(), event("api-1"), event(uid="u0"))]
    known = learn(collectors=[collector("events", api="events")], api=api)
    (only,) = known.facts["events"]
    assert only == {
        "time": "2026-11-24T10:00:01Z",
        "type": None,
        "reason": "BackOff",
        "message": "again\\x1b",
        "count": 3,
        "container": "app",
        "late": 0,
    }
    assert known.objects["events"] == [event()]


@pytest.mark.parametrize(
    ("made", "first_told", "last_told", "late"),
    [
        ("10:00:01", "10:00:02", "10:01:13", 72),
        ("10:00:01", "10:01:13", None, 72),
        # a node whose clock is ahead
        ("10:00:01", "09:59:00", "09:59:30", 0),
        ("10:00:01", None, None, 0),
    ],
)
def test_how_late_an_event_came_is_by_when_the_api_was_last_told(
    made: str, first_told: str | None, last_told: str | None, late: int
) -> None:
    """The kubelet sends one after the other, so many a second and no more (eventRecordQPS): those of a busy node come late."""
    at = {
        word: f"2026-11-24T{time}Z"
        for word, time in (("made", made), ("first", first_told), ("last", last_told))
        if time
    }
    told = {
        **({"creationTimestamp": at["first"]} if first_told else {}),
        **({"managedFields": [{"manager": "kubelet", "time": at["last"]}]} if last_told else {}),
    }
    sent = {**event(), "firstTimestamp": at["made"], "lastTimestamp": at["made"], "metadata": told}
    known = learn(collectors=[collector("events", api="events")], api=[answer("events", sent)])
    assert [row["late"] for row in known.facts["events"]] == [late]


def test_an_event_of_a_series_is_as_old_as_its_series() -> None:
    """The scheduler's events have no lastTimestamp and no count (events.k8s.io)."""
    series = {"count": 7, "lastObservedTime": "2026-11-24T10:09:00.000001Z"}
    first = {"firstTimestamp": None, "lastTimestamp": None, "count": None, "eventTime": "2026-11-24T10:00:00.5Z"}
    told = {"metadata": {"managedFields": [{"time": "2026-11-24T10:15:00Z"}]}}
    api = [answer("events", {**event(), **first, **told, "series": series})]
    (row,) = learn(collectors=[collector("events", api="events")], api=api).facts["events"]
    assert (row["time"], row["count"], row["late"]) == ("2026-11-24T10:09:00.000001Z", 7, 0)


def test_what_was_asked_again_counts_but_not_where_that_failed() -> None:
    collectors = [collector("events", api="events")]
    refused = {"api": "events", "namespace": "shop", "name": None, "objects": [], "error": "events is forbidden"}
    older, newer = answer("events", event()), answer("events", {**event(), "count": 9})
    for api, count in (([newer, older], 9), ([refused, older], 3)):
        assert [row["count"] for row in learn(collectors=collectors, api=api).facts["events"]] == [count]


def test_a_log_is_the_one_of_the_container() -> None:
    asked = {"api": "log", "namespace": "shop", "pod": "api-0", "container": "app", "text": "started\n", "error": None}
    known = learn(collectors=[collector("log", api="log")], api=[{**asked, "container": "proxy", "text": "no"}, asked])
    assert known.facts["log"] == "started\n"


def test_answers_keep_what_was_asked_and_leave_values_of_variables_out() -> None:
    item = {"api": "pod", "kind": "Pod", "namespace": "shop", "name": "api-0", "field_selectors": []}
    (kept,) = api_answers([{"item": item, "resources": [POD], "reason": None, "msg": None}])
    assert (kept["api"], kept["name"], kept["error"]) == ("pod", "api-0", None)
    assert "secret" not in str(kept["objects"][0]["spec"]["containers"])
    assert POD["spec"]["containers"][0]["env"][0]["value"] == "secret"  # type: ignore[index]


def test_an_answer_that_did_not_come_is_an_error_though_the_task_went_on() -> None:
    item = {"api": "events", "namespace": "shop", "name": None}
    (kept,) = api_answers([{"item": item, "resources": None, "reason": "RbacDenied", "msg": "events is forbidden"}])
    assert kept["error"] == "events is forbidden"


def test_a_log_is_kept_with_its_run_and_one_that_could_not_be_read_with_why() -> None:
    names = {"namespace": "shop", "pod": "api-0", "container": "app"}
    read = {**names, "previous": True, "log": "bye\n", "truncated": False, "reason": None, "msg": None}
    refused = {**names, "previous": False, "log": None, "truncated": False, "reason": "RbacDenied", "msg": "no"}
    assert api_answers([read, refused]) == [log("previous_log", "bye\n"), log("log", error="no")]


def test_a_loop_that_had_nothing_to_do_gives_no_answers() -> None:
    assert api_answers([]) == []


def test_the_timeline_tells_of_events_of_the_container_and_of_us_in_their_order() -> None:
    api = [answer("pod", POD), answer("events", event())]
    known = learn(collectors=[collector("pod", api="pod"), collector("events", api="events")], api=api)
    entries = timeline(known.facts, target(command("mounts"), command("big", rc=None, timed_out=True)))
    assert [(entry["source"], entry["text"]) for entry in entries] == [
        ("container", "app started"),
        ("container", "app ended: OOMKilled, exit code 137"),
        ("event", "BackOff: again\\x1b (3 times)"),
        ("container", "app started"),
        ("acquisition", "Debugger debugger-1 started, from busybox:1.37"),
        ("acquisition", "Collector mounts ran and ended with 0"),
        ("acquisition", "Collector big ran and timed out"),
    ]
    assert {entry["target"] for entry in entries} == {"shop/api-0/app"}


def test_times_are_sorted_as_times_and_not_as_text() -> None:
    # as text the fraction stands before its whole second, and another zone anywhere
    times = [
        "2026-11-24T10:00:00Z",
        "2026-11-24T10:00:00.250000Z",
        "2026-11-24T12:00:01+02:00",
        "2026-11-24T10:00:02.5Z",
    ]
    events = [{**event(), "lastTimestamp": None, "eventTime": time, "reason": str(at)} for at, time in enumerate(times)]
    known = learn(collectors=[collector("events", api="events")], api=[answer("events", *reversed(events))])
    assert [row["reason"] for row in known.facts["events"]] == ["0", "1", "2", "3"]
    entries = timeline({"events": list(reversed(known.facts["events"]))}, target())
    assert [entry["time"] for entry in entries if entry["source"] == "event"] == times
