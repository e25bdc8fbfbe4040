# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._health.container_life import (
    container_life,
    container_names,
)

NOW = "2026-11-24T11:00:00Z"
RUNNING = {"running": {"startedAt": "2026-11-24T10:59:00Z"}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}}


def ended(code: int = 1, reason: str = "Error", **changes: Any) -> dict[str, Any]:
    times = {"startedAt": "2026-11-24T10:58:00Z", "finishedAt": "2026-11-24T10:58:30Z"}
    return {"terminated": {"exitCode": code, "reason": reason, **times, **changes}}


def life(state: Any = None, last: Any = None, *, container: Any = None, kind: str = "containers", **spec: Any) -> Any:
    status = {"name": "app", "state": state or {}, "lastState": last or {}, "restartCount": 4, "ready": False}
    statuses = "containerStatuses" if kind == "containers" else "initContainerStatuses"
    pod = {
        "spec": {kind: [{"name": "app", **(container or {})}], **spec},
        "status": {statuses: [status] if state else []},
    }
    return container_life(pod, "app", NOW)


def test_a_container_that_waits_after_a_crash_tells_how_it_ended() -> None:
    found = life(BACK_OFF, ended(137, "OOMKilled"), container={"resources": {"limits": {"memory": "32Mi"}}})
    assert (found["state"], found["reason"], found["end_reason"]) == ("waiting", "CrashLoopBackOff", "OOMKilled")
    assert (found["exit_code"], found["signal"], found["ran_seconds"]) == (137, "KILL", 30)
    assert (found["memory_limit"], found["restarts"], found["trouble_age"]) == ("32Mi", 4, 0)
    assert found["message"] == ""


def test_a_message_of_what_keeps_it_from_starting_goes_before_one_of_its_last_end() -> None:
    state = {"waiting": {"reason": "RunContainerError", "message": 'exec: "/x": no such file\x1b'}}
    assert life(state, ended(message="bye"))["message"] == 'exec: "/x": no such file\\x1b'
    assert life(BACK_OFF, ended(message="bye"))["message"] == "bye"


def test_a_container_that_could_not_be_started_did_not_run_for_fifty_years() -> None:
    assert life(ended(128, "StartError", startedAt="1970-01-01T00:00:00Z"))["ran_seconds"] is None


@pytest.mark.parametrize(
    ("state", "last", "age"),
    [
        (RUNNING, {}, None),
        (RUNNING, ended(), 90),
        (RUNNING, ended(0, "Completed"), 90),
        (ended(), {}, 0),
        (ended(0, "Completed"), {}, 0),
        (BACK_OFF, ended(0, "Completed"), 0),
        ({"waiting": {"reason": "ImagePullBackOff"}}, {}, 0),
        ({"waiting": {"reason": "ContainerCreating"}}, {}, None),
        ({"waiting": {"reason": "PodInitializing"}}, {}, None),
        (None, {}, None),
    ],
)
def test_trouble_is_now_or_so_many_seconds_ago_or_never_was(state: Any, last: Any, age: int | None) -> None:
    assert life(state, last)["trouble_age"] == age


def test_a_container_that_is_not_to_stay_may_end_well() -> None:
    done = ended(0, "Completed")
    assert life(done, restartPolicy="Never")["trouble_age"] is None
    assert life(done, restartPolicy="OnFailure")["trouble_age"] is None
    assert life(ended(), restartPolicy="Never")["trouble_age"] == 0
    assert life(done, kind="initContainers")["trouble_age"] is None
    assert life(done, kind="initContainers", container={"restartPolicy": "Always"})["trouble_age"] == 0


@pytest.mark.parametrize(
    ("operator", "values", "is_to_stay"),
    [
        ("In", [0, 42], True),
        ("NotIn", [42], True),
        ("In", [42], False),
        ("NotIn", [0], False),
        ("NotIn", [0, 1], False),
        ("", [], False),
    ],
)
def test_rules_of_a_container_s_own_say_whether_it_is_started_again(
    operator: str, values: list[int], is_to_stay: bool
) -> None:
    rules = [{"action": "Restart", "exitCodes": {"operator": operator, "values": values}}]
    found = life(ended(0, "Completed"), container={"restartPolicy": "Never", "restartPolicyRules": rules})
    assert found["trouble_age"] == (0 if is_to_stay else None)


def test_a_container_that_waits_after_a_bad_end_is_in_trouble_now_however_long_that_is_ago() -> None:
    long_ago = ended(finishedAt="2026-11-20T10:00:00Z")
    assert life({"waiting": {"reason": "ContainerCreating"}}, long_ago)["trouble_age"] == 0
    assert life(RUNNING, long_ago)["trouble_age"] == 4 * 86400 + 3600


def test_a_back_off_of_which_no_end_is_known_keeps_its_own_message() -> None:
    assert life(BACK_OFF)["message"].startswith("back-off 40s")


def test_a_clock_that_is_behind_makes_no_trouble_of_the_future() -> None:
    assert life(RUNNING, ended(finishedAt="2026-11-24T11:00:05Z"))["trouble_age"] == 0


@pytest.mark.parametrize(("code", "signal"), [(0, ""), (1, ""), (127, ""), (139, "SEGV"), (143, "TERM"), (255, "")])
def test_a_code_over_128_is_a_signal(code: int, signal: str) -> None:
    assert life(ended(code))["signal"] == signal


def test_the_containers_of_a_pod_are_its_apps_and_then_those_before_them_without_debuggers() -> None:
    spec = {
        "containers": [{"name": "app"}],
        "initContainers": [{"name": "first"}],
        "ephemeralContainers": [{"name": "d"}],
    }
    assert container_names({"spec": spec}) == ["app", "first"]


def test_a_container_that_the_pod_has_not_is_an_error() -> None:
    with pytest.raises(ValueError, match="no container other"):
        container_life({"spec": {"containers": [{"name": "app"}]}}, "other", NOW)
