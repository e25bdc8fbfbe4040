# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which lines of which log are the last words of a container."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.incident.distroless.tests.unit.support.collected_facts import (
    POD,
    answer,
    collector,
    learn,
    log,
)

LOGS = [collector("pod", api="pod"), collector("previous_log", api="previous_log"), collector("log", api="log")]


def with_state(state: str, last: bool = True) -> dict[str, Any]:
    """POD, whose container is in that state now, and ended once before."""
    (status,) = POD["status"]["containerStatuses"]
    ended = status["lastState"]["terminated"]
    states: dict[str, Any] = {
        "running": {"startedAt": "2026-11-24T10:00:05Z"},
        "waiting": {"reason": "CrashLoopBackOff"},
        "terminated": ended,
    }
    row = {**status, "state": {state: states[state]}, "lastState": {"terminated": ended} if last else {}}
    return {**POD, "status": {"containerStatuses": [row]}}


def test_the_last_run_is_what_both_logs_say_the_older_first_and_escaped() -> None:
    api = [answer("pod", with_state("terminated")), log("previous_log", "one\n\ntwo\x1b[2J\n"), log("log", "three")]
    assert learn(collectors=LOGS, api=api).facts["last_run"] == ["one", "two\\x1b[2J", "three"]


def test_one_log_is_enough_for_the_last_run() -> None:
    for state in ("terminated", "waiting"):
        api = [answer("pod", with_state(state)), log("previous_log", error="not found"), log("log", "three")]
        known = learn(collectors=LOGS, api=api)
        assert known.facts["last_run"] == ["three"]
        assert known.missing == {"previous_log": "not found"}


def test_the_last_run_of_a_container_that_runs_again_is_the_one_that_ended() -> None:
    now = "".join(f"GET /healthz {number}\n" for number in range(300)) + "no such file or directory, using defaults\n"
    api = [
        answer("pod", with_state("running")),
        log("previous_log", "starting\npanic: bad password\n"),
        log("log", now),
    ]
    assert learn(collectors=LOGS, api=api).facts["last_run"] == ["starting", "panic: bad password"]


def test_what_a_container_says_that_runs_again_is_not_taken_for_the_last_words_that_are_lost() -> None:
    deleted = "unable to retrieve container logs for containerd://4f2b"
    for lost in (log("previous_log", error="gone"), log("previous_log", deleted)):
        known = learn(collectors=LOGS, api=[answer("pod", with_state("running")), lost, log("log", "GET /a 200")])
        assert "last_run" not in known.facts
        assert known.missing["last_run"] in ("gone", deleted)


def test_a_container_that_ended_and_said_nothing_said_nothing_though_it_talks_again() -> None:
    api = [answer("pod", with_state("running")), log("previous_log", ""), log("log", "GET /a 200")]
    assert learn(collectors=LOGS, api=api).facts["last_run"] == []


def test_the_last_run_of_a_container_that_never_ended_is_the_one_that_goes_on() -> None:
    api = [
        answer("pod", with_state("running", last=False)),
        log("previous_log", error="none"),
        log("log", "GET /a 200"),
    ]
    assert learn(collectors=LOGS, api=api).facts["last_run"] == ["GET /a 200"]


def test_last_words_are_missing_where_nobody_asked_for_the_log_that_holds_them() -> None:
    api = [answer("pod", with_state("running")), log("log", "GET /a 200")]
    assert learn(collectors=[LOGS[0], LOGS[2]], api=api).missing == {"last_run": "it was not asked for"}


def test_a_log_that_the_kubelet_gives_as_both_is_read_once() -> None:
    # while a container waits, both are of the run that ended last (pkg/kubelet, validateContainerLogStatus)
    api = [answer("pod", with_state("waiting")), log("previous_log", "bye\n"), log("log", "bye\n")]
    assert learn(collectors=LOGS, api=api).facts["last_run"] == ["bye"]


def test_a_container_that_never_ran_said_nothing_though_its_logs_cannot_be_read() -> None:
    waiting = {"name": "app", "state": {"waiting": {"reason": "CreateContainerConfigError"}}, "lastState": {}}
    pod = {**POD, "status": {"containerStatuses": [waiting]}}
    api = [answer("pod", pod), log("previous_log", error="waiting to start"), log("log", error="waiting to start")]
    assert learn(collectors=LOGS, api=api).facts["last_run"] == []


def test_the_last_run_of_a_container_that_ran_is_missing_where_no_log_can_be_read() -> None:
    api = [answer("pod", POD), log("previous_log", error="Forbidden"), log("log", error="Forbidden")]
    known = learn(collectors=LOGS, api=api)
    assert "last_run" not in known.facts
    assert known.missing["last_run"] == "Forbidden"


@pytest.mark.parametrize(
    "gone",
    [
        "unable to retrieve container logs for containerd://4f2b",
        'failed to try resolving symlinks in path "/var/log/pods/a/0.log": lstat /var/log/pods/a/0.log: no such file or directory',
    ],
)
def test_a_log_that_the_runtime_has_deleted_is_no_last_word(gone: str) -> None:
    api = [answer("pod", with_state("waiting")), log("previous_log", gone), log("log", "three")]
    assert learn(collectors=LOGS, api=api).facts["last_run"] == ["three"]
    known = learn(collectors=LOGS, api=[answer("pod", POD), log("previous_log", gone), log("log", gone)])
    assert "last_run" not in known.facts
    assert known.missing["last_run"] == gone


@pytest.mark.parametrize("state", ["terminated", "waiting"])
def test_a_container_that_has_ended_without_a_word_said_nothing_though_the_run_before_is_lost(state: str) -> None:
    # a kubelet has removed that one's container when it says that the next one has ended
    gone = "unable to retrieve container logs for containerd://4f2b"
    for lost in (log("previous_log", error=gone), log("previous_log", gone)):
        silent, unread = (
            json.dumps(learn(collectors=LOGS, api=[answer("pod", with_state(state)), lost, now]).facts["health"])
            for now in (log("log", ""), log("log", gone))
        )
        assert "cannot be read" in unread
        assert "cannot be read" not in silent
        assert gone not in silent
