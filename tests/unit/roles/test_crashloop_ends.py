# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What crashloop_triage says of a container that ended."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from ansible_collections.incident.distroless.tests.unit.support.crashloop_judgements import (
    BACK_OFF,
    CREATING,
    RUNNING,
    condition,
    ended,
    judged,
    said,
    status,
    waiting,
    warned,
)

DONE = ended(0, "Completed")
UNREADY = "Readiness probe failed: connection refused"
DEAF = "Liveness probe failed: connection refused"


@pytest.mark.parametrize(
    "event",
    [
        warned("Unhealthy", UNREADY, "app"),
        warned("Unhealthy", DEAF, "proxy"),
        warned("Unhealthy", "Startup probe failed: no", "proxy"),
    ],
)
@pytest.mark.parametrize("state", [BACK_OFF, RUNNING, DONE])
def test_an_app_that_ends_with_0_is_a_failure_whatever_a_probe_says_that_ends_nothing(state: Any, event: Any) -> None:
    found = said(judged(status(state, DONE), event), "fail")
    assert list(found) == ["ended_well"]
    assert found["ended_well"].startswith("app ended with 0 after "), found


def test_an_app_that_a_liveness_probe_ended_with_0_did_not_end_by_itself() -> None:
    killed = warned("Killing", "Container app failed liveness probe, will be restarted", "app")
    events = [warned("Unhealthy", DEAF, "app"), killed, warned("Unhealthy", UNREADY, "app")]
    found = judged(status(BACK_OFF, DONE), *events)
    assert list(said(found, "fail")) == ["failing_probe"]


def probed(kind: str) -> dict[str, Any]:
    return {"containers": [{"name": "app", kind: {"tcpSocket": {"port": 9}}}]}


UNSEEN = "no event tells of that run: whether the kubelet ended it for that probe is not known"


@pytest.mark.parametrize("end", [DONE, ended(143), ended(137)])
@pytest.mark.parametrize("kind", ["liveness", "startup"])
def test_where_no_event_tells_of_the_run_a_probe_may_have_ended_it(kind: str, end: Any) -> None:
    (cause,) = judged(status(BACK_OFF, end), spec=probed(f"{kind}Probe"))
    assert cause.verdict == "fail"
    assert f"It has a {kind} probe, and {UNSEEN}" in cause.message


@pytest.mark.parametrize(
    ("probe", "end", "events"),
    [
        # this one ends nothing
        ("readinessProbe", DONE, []),
        # and this one no run that ends so
        ("livenessProbe", ended(1), []),
        ("livenessProbe", DONE, [warned("Started", "Container started", "app", "08:00:00")]),
    ],
)
def test_where_a_probe_cannot_have_ended_it_nothing_is_said_of_it(probe: str, end: Any, events: Any) -> None:
    (cause,) = judged(status(BACK_OFF, end), *events, spec=probed(probe))
    assert UNSEEN not in cause.message


OOM = ended(137, "OOMKilled")
LIMIT = 64 << 20


def counted(kept: int, events: str = "max 0\noom 0", limit: str = str(LIMIT), peak: int = 0) -> bytes:
    """What a kernel of version 2 has of the run that goes on. kept, peak: MiB."""
    files = {
        "memory.max": limit,
        "memory.current": str(kept << 20),
        "memory.stat": f"anon {kept << 20}",
        "memory.events": f"{events}\noom_kill 0",
        "memory.peak": str((peak or kept) << 20),
    }
    rows = [f"c memory {name} {line}" for name, text in files.items() for line in text.splitlines()]
    return "\n".join(["started 1", "t 20.0", *rows, ""]).encode()


def out_of_memory(state: Any, cgroup: bytes = b"") -> str:
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    return said(judged(status(state, OOM), spec={"containers": [{"name": "app", **limits}]}, cgroup=cgroup), "fail")[
        "out_of_memory"
    ]


@pytest.mark.parametrize(
    ("state", "cgroup", "words", "never"),
    [
        # the cgroup of the run that was killed went with it
        (RUNNING, b"", "the API does not tell", "holds"),
        (BACK_OFF, counted(60), "the API does not tell", "holds"),
        (RUNNING, counted(60, "max 9\noom 2"), "holds 60 MiB that the kernel cannot take back, of a limit of 64 MiB; so far it has run out", "tell"),
        (RUNNING, counted(60, "max 9\noom 0"), "always been memory to take back", "the API does not tell"),
        (RUNNING, counted(63), "so far it has come to that limit", "the API does not tell"),
        (RUNNING, counted(3), "holds 3 MiB that the kernel cannot take back, of a limit of 64 MiB; so far it has been far from", "tell"),
        (RUNNING, counted(3, limit="max"), "has no limit of its own", "far from"),
    ],
)  # fmt: skip
def test_of_a_kill_for_memory_what_the_kernel_counts_of_the_next_run_is_told_and_else_that_it_is_not_known(
    state: Any, cgroup: bytes, words: str, never: str
) -> None:
    message = out_of_memory(state, cgroup)
    assert "its limit is 64Mi" in message
    assert words in message
    assert never not in message


KILLED = "Container app failed liveness probe, will be restarted"
# before the run that ended last began, at 08:00
EARLIER = "07:30:00"


@pytest.mark.parametrize("kind", ["app", "init"])
def test_who_ends_well_after_a_process_in_it_was_killed_for_memory_is_not_simply_done(kind: str) -> None:
    """kubernetes#131530: of a Job's pod the phase is Succeeded, and the reason OOMKilled."""
    end = ended(0, "OOMKilled")
    if kind == "app":
        found = judged(status(end), spec={"restartPolicy": "Never"}, phase="Succeeded")
    else:
        found = judged(status(RUNNING), inits=({**status(end), "name": "migrate"},), container="migrate")
    message = said(found, "warn")["out_of_memory"]
    assert message.startswith("A process in it was killed by the kernel for its memory (OOMKilled)")
    assert "ended with 0" in message
    assert "may be missing" in message
    assert not said(found, "pass", "fail")


def test_an_app_that_is_started_again_after_such_an_end_fails() -> None:
    found = judged(status(BACK_OFF, ended(0, "OOMKilled")))
    assert list(said(found, "fail")) == ["out_of_memory"]


@pytest.mark.parametrize("end", [ended(0, "Completed"), ended(143), ended(137)])
def test_a_kill_of_an_earlier_run_counts_where_events_of_the_last_one_were_lost(end: Any) -> None:
    """The kubelet bounds its events: of a pod that has many it told no start and no kill of the last run, but a failed probe."""
    earlier = [warned("Started", "Container started", "app", EARLIER), warned("Killing", KILLED, "app", EARLIER)]
    (cause,) = judged(status(BACK_OFF, end), *earlier, warned("Unhealthy", DEAF, "app", "10:28:30"))
    assert (cause.analyzer, cause.verdict) == ("failing_probe", "fail")
    assert DEAF in cause.message
    assert "in an earlier run" in cause.message


@pytest.mark.parametrize("end", [ended(1), ended(139), ended(2)])
def test_an_app_that_ends_by_itself_is_not_blamed_on_a_probe_that_an_earlier_run_was_killed_for(end: Any) -> None:
    earlier = [warned("Started", "Container started", "app", EARLIER), warned("Killing", KILLED, "app", EARLIER)]
    found = said(judged(status(BACK_OFF, end), *earlier, warned("Unhealthy", DEAF, "app", EARLIER)), "fail")
    assert list(found) == ["exit"]


def test_a_run_of_which_the_kubelet_told_that_it_began_and_no_kill_ended_by_itself() -> None:
    earlier = [warned("Killing", KILLED, "app", EARLIER), warned("Unhealthy", DEAF, "app", EARLIER)]
    told = warned("Started", "Container started", "app", "08:00:00")
    assert list(said(judged(status(BACK_OFF, DONE), *earlier, told), "fail")) == ["ended_well"]
    hook = warned("FailedPostStartHook", HOOK, "app", EARLIER)
    assert list(said(judged(status(BACK_OFF, DONE), hook, told), "fail")) == ["ended_well"]


@pytest.mark.parametrize(("end", "said_of_it"), [(ended(137), "failing_hook"), (ended(1), "exit")])
def test_a_hook_that_failed_in_an_earlier_run_counts_where_events_of_the_last_one_were_lost(
    end: Any, said_of_it: str
) -> None:
    earlier = [
        warned("Started", "Container started", "app", EARLIER),
        warned("FailedPostStartHook", HOOK, "app", EARLIER),
    ]
    assert list(said(judged(status(BACK_OFF, end), *earlier), "fail")) == [said_of_it]


def test_a_healthy_run_is_not_blamed_for_the_end_of_the_one_before() -> None:
    healthy = "open /opt/optional.yaml: no such file or directory\nEROFS\npermission denied\n"
    found = said(judged(status(RUNNING, ended()), log=healthy, previous="panic: bad password\n"), "fail")
    assert list(found) == ["exit"]
    assert found["exit"].endswith("It said last: panic: bad password"), found


HOOK = "PostStartHook failed"
ENDS = [
    *(ended(code, reason) for code, reason in ((0, "Completed"), (1, "Error"), (137, "OOMKilled"), (255, "Unknown"))),
    *(
        ended(128, reason, text)
        for reason in ("StartError", "ContainerCannotRun")
        for text in ("", "exec: x", "OOM-killed")
    ),
    ended(128, "StartError", 'exec: "/x": exec format error'),
    ended(137, "ContainerStatusUnknown", "The container could not be located when the pod was deleted"),
    ended(1, "Error", 'exec: "git": executable file not found in $PATH'),
]
EVENTS = [
    None,
    warned("Unhealthy", UNREADY, "app"),
    warned("Unhealthy", DEAF, "app"),
    warned("FailedPostStartHook", HOOK, "app"),
    warned("FailedMount", "old"),
    warned("BackOff", "Back-off restarting failed container", "app"),
]


@pytest.mark.parametrize(("end", "event"), list(product(ENDS, EVENTS)))
def test_whatever_is_wrong_now_is_a_failure_and_nothing_passes_for_it(end: Any, event: Any) -> None:
    reasons = ("CrashLoopBackOff", "RunContainerError", "CreateContainerError", "CreateContainerConfigError", "Other")
    states = (end, CREATING, *(waiting(reason, text) for reason in reasons for text in ("", "exec: x", "OOM-killed")))
    for state in states:
        found = judged(status(state, end), *filter(None, [event]))
        assert said(found, "fail"), (state, end, event)
        assert said(found, "unknown") == {}
        assert not {"no_trouble", "not_begun"} & {judgement.analyzer for judgement in found}
    assert said(judged(status(RUNNING, end), *filter(None, [event])), "fail"), (end, event)


def test_a_hook_that_fails_is_the_cause_and_not_an_app_that_ends_by_itself() -> None:
    for end in (ended(0, "Completed"), ended(137)):
        found = said(judged(status(BACK_OFF, end), warned("FailedPostStartHook", HOOK, "app")), "fail")
        assert list(found) == ["failing_hook"]
        assert found["failing_hook"] == f"{HOOK} (1 times; app was started again 4 times)"
    other = warned("FailedPostStartHook", HOOK, "proxy")
    assert list(said(judged(status(BACK_OFF, DONE), other), "fail")) == ["ended_well"]


def test_what_an_app_says_of_another_program_is_not_its_own_command() -> None:
    end = ended(1, "Error", 'exec: "git": executable file not found in $PATH')
    assert list(said(judged(status(BACK_OFF, end)), "fail")) == ["exit"]


@pytest.mark.parametrize(("code", "reason"), [(255, "Unknown"), (137, "ContainerStatusUnknown")])
def test_an_end_that_the_runtime_does_not_know_is_no_exit_of_the_app(code: int, reason: str) -> None:
    found = said(judged(status(RUNNING, ended(code, reason, "could not be located"))), "fail")
    assert found == {"lost": "How app ended is not known (Unknown): could not be located".replace("Unknown", reason)}


def test_a_container_that_waits_after_an_end_long_ago_does_not_run() -> None:
    found = judged(status(CREATING, ended(at="02:00:00")))
    assert list(said(found, "fail")) == ["exit"]
    assert said(found, "warn") == {}


def test_a_sidecar_that_is_stopped_after_the_apps_is_no_trouble() -> None:
    spec = {"initContainers": [{"name": "proxy", "restartPolicy": "Always"}], "restartPolicy": "Never"}
    for code in (0, 143):
        proxy = status(ended(code), name="proxy")
        found = judged(status(DONE), inits=(proxy,), spec=spec, container="proxy", phase="Succeeded")
        assert said(found, "fail", "unknown", "warn") == {}
    crashing = judged(status(RUNNING), inits=(status(BACK_OFF, ended(3), "proxy"),), spec=spec, container="proxy")
    assert list(said(crashing, "fail")) == ["exit"]


def test_an_end_that_was_asked_for_by_deleting_the_pod_is_no_trouble() -> None:
    deleted = {"deletionTimestamp": "2026-11-24T10:59:40Z", "deletionGracePeriodSeconds": 30}
    for code in (0, 143):
        assert said(judged(status(ended(code, at="10:59:20")), metadata=deleted), "fail") == {}
        assert said(judged(status(ended(code, at="10:58:00")), metadata=deleted), "fail")
    assert list(said(judged(status(ended(1, at="10:59:20")), metadata=deleted), "fail")) == ["exit"]


def test_who_takes_no_note_of_its_deletion_is_killed_after_the_grace_period_and_is_told_beside_a_pass() -> None:
    deleted = {"deletionTimestamp": "2026-11-24T10:59:40Z", "deletionGracePeriodSeconds": 30}
    found = judged(status(ended(137, at="10:59:40")), metadata=deleted)
    assert "the kubelet killed it after its grace period" in said(found, "pass")["no_trouble"]
    assert said(found, "fail", "warn", "unknown") == {}
    # before it, or for memory, it is another's doing
    assert list(said(judged(status(ended(137, at="10:59:20")), metadata=deleted), "fail")) == ["exit"]
    oom = judged(status(ended(137, "OOMKilled", at="10:59:40")), metadata=deleted)
    assert list(said(oom, "fail")) == ["out_of_memory"]


@pytest.mark.parametrize("code", [0, 143, 137])
def test_a_pod_that_a_finalizer_keeps_was_deleted_before_its_containers_ended(code: int) -> None:
    """Once all has ended the kubelet deletes it once more, and the API counts from then."""
    let_go = {"deletionTimestamp": "2026-11-24T10:59:40Z", "deletionGracePeriodSeconds": 0, "finalizers": ["x.io/y"]}
    spec = {"terminationGracePeriodSeconds": 5}
    assert said(judged(status(ended(code, at="10:59:33")), metadata=let_go, spec=spec), "fail", "warn") == {}
    assert said(judged(status(ended(code, at="10:58:00")), metadata=let_go, spec=spec), "fail")


def test_a_container_that_keeps_a_rule_of_its_own_may_end_well() -> None:
    spec = {"containers": [{"name": "app", "restartPolicy": "OnFailure"}]}
    assert said(judged(status(DONE), spec=spec), "fail") == {}
    assert list(said(judged(status(ended(1)), spec=spec), "fail")) == ["exit"]


@pytest.mark.parametrize(
    ("action", "what"), [("Restart", "start it again"), ("RestartAllContainers", "start all containers")]
)
def test_a_rule_that_starts_it_again_for_its_code_is_told(action: str, what: str) -> None:
    rules = [
        {"action": action, "exitCodes": {"operator": "In", "values": [75]}},
        {"action": "Restart", "exitCodes": {"operator": "In", "values": [0]}},
    ]
    spec = {"containers": [{"name": "app", "restartPolicy": "Never", "restartPolicyRules": rules}]}
    assert what in said(judged(status(RUNNING, ended(75)), spec=spec), "fail")["exit"]
    assert "restartPolicyRules" not in said(judged(status(RUNNING, ended(74)), spec=spec), "fail")["exit"]
    (again,) = [row for row in judged(status(BACK_OFF, DONE), spec=spec) if row.verdict == "fail"]
    assert (again.analyzer, again.next) == ("ended_well", "Take 0 out of its restartPolicyRules, if it may be done.")


def test_a_resize_that_waits_is_told_beside_a_pass() -> None:
    row = condition(
        "PodResizePending",
        "True",
        reason="Infeasible",
        message="Node didn't have enough capacity: cpu, requested: 4000",
    )
    (found,) = judged(status(RUNNING, ready=True), conditions=[row])
    assert found.verdict == "pass"
    assert "PodResizePending (Infeasible: Node didn't have enough capacity: cpu, requested: 4000)" in found.message
    (done,) = judged(status(RUNNING, ready=True), conditions=[{**row, "status": "False"}])
    assert "PodResize" not in done.message


def test_a_message_that_the_app_left_for_that_purpose_is_told_and_once_only() -> None:
    """terminationMessagePath is what Kubernetes has for it; by FallbackToLogsOnError it is the end of the log."""
    only = ended(1, message="config: \x1b[31mkey db.url is not set\x1b[0m\n")
    found = said(judged(status(BACK_OFF, only)), "fail")["exit"]
    assert found.count("config: key db.url is not set") == 1
    fallback = ended(1, message="lost the lease\ngiving up\n")
    found = said(judged(status(BACK_OFF, fallback), log="lost the lease\ngiving up\n"), "fail")["exit"]
    assert found.count("giving up") == 1
    both = ended(1, message="open /etc/orders.yaml: no such file or directory")
    found = said(judged(status(BACK_OFF, both), log="starting\nERROR exiting\n"), "fail")["missing_file"]
    assert "/etc/orders.yaml" in found


def test_what_the_runtime_says_of_a_start_is_no_message_that_the_app_left() -> None:
    for text in ('exec: "/app": permission denied', "container init was OOM-killed (memory limit too low?)"):
        ((message,),) = [said(judged(status(BACK_OFF, ended(128, "StartError", text))), "fail").values()]
        assert "left the message" not in message


ERRORED = (
    "probe errored and resulted in unknown state: rpc error: code = Unknown desc = failed to exec in container: failed to start exec: "
    'OCI runtime exec failed: exec: "curl": executable file not found in $PATH'
)


@pytest.mark.parametrize(
    ("kind", "more", "analyzer"),
    [
        ("Liveness", {"ready": True}, "failing_now"),
        ("Readiness", {}, "not_ready"),
        ("Startup", {"started": False}, "never_up"),
    ],
)
def test_a_probe_that_could_not_be_asked_is_no_answer(kind: str, more: dict[str, Any], analyzer: str) -> None:
    """kubernetes#106682: the kubelet throws such a result away, and starts nothing again for it."""
    probes = {f"{kind.lower()}Probe": {"exec": {"command": ["curl", "localhost"]}}}
    row = status(RUNNING, **more)
    found = {
        judgement.analyzer: judgement
        for judgement in judged(
            row, warned("Unhealthy", f"{kind} {ERRORED}", "app"), spec={"containers": [{"name": "app", **probes}]}
        )
        if judgement.verdict in ("fail", "warn")
    }
    assert list(found) == [analyzer]
    assert '"curl": executable file not found' in found[analyzer].message
    assert "not in the image" in found[analyzer].next
    assert "starts the container again" not in found[analyzer].next


@pytest.mark.parametrize(
    ("log", "spec", "is_told"),
    [
        ("ValueError: invalid literal for int() with base 10: 'tcp://10.100.74.69:80'", {}, True),
        ("Error: listen EACCES: permission denied tcp://10.108.13.33:80", {}, False),
        ("argument 'port tcp://10.108.226.199:6379' couldn't be parsed into an integer", {}, True),
        ("argument 'port tcp://10.108.226.199:6379' couldn't be parsed into an integer", {"enableServiceLinks": False}, False),
        ("dial tcp://10.0.0.5:2375: connection refused", {}, False),
    ],
)  # fmt: skip
def test_an_app_that_takes_a_service_link_for_a_port_is_told_of_service_links(
    log: str, spec: dict[str, Any], is_told: bool
) -> None:
    """docker-library/redis#53, bitnami-docker-redis#175."""
    (found,) = [row for row in judged(status(BACK_OFF, ended(1)), log=log, spec=spec) if row.verdict == "fail"]
    assert log[:20] in found.message
    assert ("enableServiceLinks" in found.next) is is_told


def test_an_event_that_stands_for_many_alike_is_read_as_one_of_them() -> None:
    """client-go's EventAggregator: after ten that differ in an id alone one counts them all, with words before its message."""
    probes = {"livenessProbe": {"exec": {"command": ["curl", "localhost"]}}}
    many = {
        **warned("Unhealthy", f"(combined from similar events): Liveness {ERRORED}", "app", at="10:56:00"),
        "count": 190,
    }
    first = warned("Unhealthy", f"Liveness {ERRORED}", "app", at="10:30:20")
    found = judged(status(RUNNING, ready=True), first, many, spec={"containers": [{"name": "app", **probes}]})
    message = said(found, "warn")["failing_now"]
    assert message.startswith("Liveness probe errored")
    assert "(190 times)" in message
    # the kubelet's twenty-fifth is the last for five minutes, and they count together
    rows = [warned("Unhealthy", f"Liveness {ERRORED}{number}", "app", at="10:56:00") for number in range(10)]
    rows += [{**warned("Unhealthy", f"Liveness {ERRORED}", "app", at="10:56:10"), "count": 12}]
    found = judged(status(RUNNING, ready=True), *rows, spec={"containers": [{"name": "app", **probes}]})
    assert list(said(found, "warn")) == ["failing_now"]
