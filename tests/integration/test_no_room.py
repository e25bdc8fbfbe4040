# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pod at its limit of processes or memory, and tools that are killed: what could not be seen there is not gone, and is no pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from .cases import run_playbook
from .conftest import Kubectl, Play, Played, bulk, pod_manifest
from .node import killing, limited
from .patience import PATIENCE

FILES = 40
TREE = "/tree"
MANY = 2000
# the small tree on a volume; a large one in the layer, whose inodes would be memory to take back for a pod that has none left
SMALL = f"for n in $(seq {FILES}); do echo $n >{TREE}/$n; ln -s $n {TREE}/link$n; done"
LARGE = f"mkdir /many; cd /many; for n in $(seq {MANY}); do : >$n; done"
WAIT = "touch /ready; trap : TERM; sleep 100000 & wait"
CROWDED = "crowded"
# what a shell says of a program that was ended by SIGKILL
KILLED = 128 + 9
# no pipe: the status of a pipe is its last program's, whatever became of the first
LIST = f'ls "$TARGET_ROOT{TREE}"'
# whom the kernel ends in a pod that has no memory left is its own choice: a tool, the target, the debugger, or the one that
# the runtime is about to start in the debugger's place. What said so may be dropped with its line
AT_ITS_END = {"LookBroken", "TargetRestarted", "TargetNotRunning", "ContainerCreateFailed", "ConnectionLost"}


def start(kubectl: Kubectl, name: str) -> str:
    manifest = pod_manifest(
        name,
        "busybox:1.37",
        container={
            "command": ["sh", "-c", "\n".join([SMALL, *([LARGE] if name == CROWDED else []), WAIT])],
            "volumeMounts": [{"name": "tree", "mountPath": TREE}],
            "resources": {"limits": {"memory": "64Mi"}},
            # one that ends: a probe's own processes would be counted as the pod's
            "startupProbe": {
                "exec": {"command": ["test", "-e", "/ready"]},
                "periodSeconds": 1,
                "failureThreshold": 300,
            },
        },
        volumes=[{"name": "tree", "emptyDir": {}}],
    )
    kubectl.apply(manifest)
    kubectl.wait_until_running(name)
    return name


@pytest.fixture(scope="module")
def pods(kubectl: Kubectl) -> Callable[[str], str]:
    """Pods by their names, each made once."""
    return cache(partial(start, kubectl))


def uid_of(kubectl: Kubectl, pod: str) -> str:
    uid: str = kubectl.pod(pod)["metadata"]["uid"]
    return uid


def assert_nothing_is_gone(home: Path) -> None:
    (manifest,) = home.rglob("*.manifest.json")
    rows: list[dict[str, Any]] = json.loads(manifest.read_text(encoding="utf-8"))["files"]
    assert [row["src"] for row in rows if row.get("gone")] == []
    assert len([row for row in rows if row["type"] == "file"]) == FILES
    assert len([row for row in rows if row["type"] == "link"]) == FILES


def reason_of(played: Played) -> str | None:
    """Why a task failed; None where it did not."""
    return played.failure["reason"] if played.result.get("failed") else None


def look(call: Play, pod: str, home: Path) -> list[str | None]:
    """Fetches again what is at home and counts it by a command: all of it each time, or why not."""
    fetched = call("proc_fs_fetch", pod=pod, src=[TREE], dest=str(home), retries=1)
    assert_nothing_is_gone(home)
    if reason_of(fetched) is None:
        assert (fetched["stats"]["files"], fetched["stats"]["unchanged"]) == (FILES, FILES)
    listed = call("ephemeral_debug", pod=pod, commands=[LIST])
    reason = reason_of(listed)
    if reason is None:
        assert len(listed.target["commands"][0]["stdout_lines"]) == 2 * FILES
    if reason == "CommandFailed":
        # the command's own shell could not fork, or what it ran was killed: its status says so
        assert "fork" in listed["msg"] or listed.target["commands"][0]["rc"] == KILLED
        reason = "LookBroken"
    return [reason_of(fetched), reason]


def assert_judged_by_what_was_seen(kubectl: Kubectl, pod: str, folder: Path) -> None:
    case = run_playbook("process_triage", folder, {"namespace": kubectl.namespace, "pod": pod})
    assert case.verdict == "unknown", case.said()
    assert {entry["message"].partition(":")[0] for entry in case.findings("reached")} <= AT_ITS_END
    # of what never began it is said why
    assert "did not run)" not in case.said()
    assert "there is no " not in case.said()


@pytest.mark.parametrize("room", [bulk(3), bulk(5), 8])
def test_a_pod_at_its_limit_of_processes_is_seen_whole_or_not_judged(
    kubectl: Kubectl, call: Play, pods: Callable[[str], str], tmp_path: Path, room: int
) -> None:
    pod, home = pods(CROWDED), tmp_path / "home"
    assert reason_of(call("proc_fs_fetch", pod=pod, src=[TREE], dest=str(home))) is None
    with limited(uid_of(kubectl, pod), "pids", room):
        assert set(look(call, pod, home)) <= {None, "LookBroken"}
        assert_judged_by_what_was_seen(kubectl, pod, tmp_path)
    assert look(call, pod, home) == [None, None]


def test_a_pod_that_is_full_before_anything_is_injected_says_so(
    kubectl: Kubectl, call: Play, pods: Callable[[str], str]
) -> None:
    pod = pods("full")
    with limited(uid_of(kubectl, pod), "pids", 1):
        played = call("ephemeral_debug", pod=pod, wait_timeout=PATIENCE)
    assert reason_of(played) == "ContainerCreateFailed"
    # in the runtime's own words
    assert "Resource temporarily unavailable" in played["msg"]


@pytest.mark.parametrize("kib", [bulk(100), 1000])
def test_a_pod_at_its_limit_of_memory_is_seen_whole_or_not_judged(
    kubectl: Kubectl, call: Play, pods: Callable[[str], str], tmp_path: Path, kib: int
) -> None:
    pod, home = pods(f"short-of-{kib}"), tmp_path / "home"
    assert reason_of(call("proc_fs_fetch", pod=pod, src=[TREE], dest=str(home))) is None
    with limited(uid_of(kubectl, pod), "memory", kib << 10):
        assert set(look(call, pod, home)) <= {None, *AT_ITS_END}


@pytest.mark.parametrize("tool", ["find", "stat"])
def test_a_listing_whose_tool_is_killed_half_way_is_no_listing(
    kubectl: Kubectl, call: Play, pods: Callable[[str], str], tmp_path: Path, tool: str
) -> None:
    pod = pods(CROWDED)
    debugger = call("ephemeral_debug", pod=pod).target["debugger"]
    (status,) = (row for row in kubectl.pod(pod)["status"]["ephemeralContainerStatuses"] if row["name"] == debugger)
    container = status["containerID"].rpartition("/")[2]

    def fetched(retries: int) -> Played:
        """A fetch during which the tool was killed. On a busy machine it may be over before it is met at its work."""
        for _try in range(50):
            with killing(container, tool, "many") as killed:
                played = call("proc_fs_fetch", pod=pod, src=["/many"], dest=str(tmp_path), retries=retries)
            if killed:
                return played
            assert reason_of(played) is None
        pytest.fail(f"{tool} was never met")

    played = fetched(retries=0)
    # of a stat that was killed all is asked again
    assert (reason_of(played), tool) == ("LookBroken", "find") or played["stats"]["files"] == MANY
    played = fetched(retries=1)
    assert (reason_of(played), played["stats"]["files"]) == (None, MANY)
