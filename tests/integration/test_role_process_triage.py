# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What runs that should not: the intruder is really there, and the verdict is the right one."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from .calling import Warm
from .cases import Case, run_playbook
from .conftest import Kubectl, Play, calling, pod_manifest
from .node import leave_its_cgroups
from .patience import PATIENCE

APP = "incident.test/app:nonroot"
Start = Callable[..., None]
SHARED = ("shared", "escaped")


@pytest.fixture(scope="module")
def pods(kubectl: Kubectl) -> Kubectl:
    """A healthy pod, and one for each intruder."""
    for name in ("healthy", "replaced", "listening", "changed", "crowded"):
        kubectl.apply(pod_manifest(name, APP))
    kubectl.apply(pod_manifest("in-memory", APP, container={"args": ["run-from-memory"]}))
    for name in SHARED:
        # one that has processes of its own beside the target, which are its sidecar's
        script = "sleep 100000 & sleep 100000 & wait"
        side = {"name": "side", "image": "busybox:1.37", "imagePullPolicy": "Never", "command": ["sh", "-c", script]}
        pod = pod_manifest(name, APP, shareProcessNamespace=True)
        pod["spec"]["containers"].append(side)
        kubectl.apply(pod)
    for name in ("healthy", "replaced", "listening", "changed", "crowded", "in-memory", *SHARED):
        kubectl.wait_until_running(name)
    return kubectl


@pytest.fixture(scope="module")
def start(kubectl: Kubectl) -> Iterator[Start]:
    """Starts programs inside the app's own container, where they run until the tests are done."""
    running: list[subprocess.Popen[bytes]] = []

    def run(pod: str, *words: str) -> None:
        command = [kubectl.program, "--namespace", kubectl.namespace, "exec", pod, "-c", "app", "--", *words]
        running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))

    yield run
    for process in running:
        process.kill()
        process.wait()


def inside(call: Play, pod: str, command: str) -> None:
    """Does something to the target's files, as the target's own user could."""
    played = call("ephemeral_debug", pod=pod, commands=[{"cmd": command, "timeout": PATIENCE}])
    assert not played.result.get("failed"), played["msg"]


def triage(kubectl: Kubectl, folder: Path, **variables: Any) -> Case:
    return run_playbook("process_triage", folder, {"namespace": kubectl.namespace, **variables})


def wait_for(command: str) -> str:
    return f"until {command}; do sleep 0.1; done"


@pytest.fixture(scope="module")
def looked(pods: Kubectl, start: Start, warmed: Warm, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """What one play says of all that need nothing of their own."""
    call = calling(warmed, pods.namespace, tmp_path_factory.mktemp("calls"))
    inside(call, "listening", 'cp "$(readlink -f /proc/self/exe)" "$TARGET_ROOT/tmp/nc"')
    start("listening", "/tmp/nc", "-l", "-p", "4444")
    inside(call, "listening", wait_for('grep -qi ":115C .* 0A " /proc/$TARGET_PID/net/tcp /proc/$TARGET_PID/net/tcp6'))
    inside(
        call, "crowded", 'sleep 2; cd "$TARGET_ROOT/etc/app" && seq 2100 | xargs touch && seq 2100 | xargs chmod 755'
    )
    # an entry point has a minute for what it gives to its user
    began = 'set -- $(sed "s/.*) //" "/proc/$TARGET_PID/stat"); began=$((${20} / 100))'
    settled = 'until [ "$(sed "s/[.].*//" /proc/uptime)" -gt "$((began + 62))" ]; do sleep 1; done'
    change = 'cd "$TARGET_ROOT/etc/app" && echo x > new && echo x > old && touch -d "2020-01-01 00:00:00" old'
    inside(call, "changed", f"{began}; {settled}; {change}")
    (side,) = (row for row in pods.pod("escaped")["status"]["containerStatuses"] if row["name"] == "side")
    leave_its_cgroups(side["containerID"].rpartition("/")[2])
    names = ("healthy", "in-memory", "listening", "changed", "crowded", *SHARED)
    targets = [{"namespace": pods.namespace, "pod": name, "container": "app"} for name in names]
    indicators = {"names": ["xmrig"], "addresses": ["192.0.2.1"]}
    case = triage(pods, tmp_path_factory.mktemp("looked"), targets=targets, indicators=indicators)
    assert case.status == 0, case.printed
    return case


def test_a_healthy_pod_passes(pods: Kubectl, looked: Case) -> None:
    case = looked.of("healthy")
    assert case.verdict == "pass", case.said()
    assert case.finding("process_list")["message"] == "1 processes: 1 /app. Seen whole: processes."
    assert case.finding("indicator_name")["message"] == (
        "Not found, in 1 looked at: a process has a name of the list of indicators. Names given: 1. Seen whole: processes."
    )
    assert case.document["facts"][f"{pods.namespace}/healthy/app"]["missing"] == {}


def test_a_process_beside_the_target_that_is_in_no_container(pods: Kubectl, looked: Case) -> None:
    # its shell, and the two that it started, where it had by then
    said = [entry["message"] for entry in looked.of("escaped").findings("nobodys_process", verdict="warn")]
    assert said, looked.said()
    assert all("shares the target's PID namespace and is in no container's cgroup: s" in line for line in said), said
    well = looked.of("shared")
    assert well.finding("nobodys_process")["verdict"] == "pass", well.said()
    assert well.finding("odd_code")["verdict"] == "pass", well.said()
    assert well.verdict == "pass", well.said()


def test_a_process_whose_binary_is_deleted(pods: Kubectl, call: Play, start: Start, tmp_path: Path) -> None:
    inside(call, "replaced", 'cp "$TARGET_ROOT/app" "$TARGET_ROOT/data/helper"')
    start("replaced", "/data/helper", "wait")
    runs = wait_for("ls -l /proc/[0-9]*/exe 2>/dev/null | grep -q /data/helper")
    inside(call, "replaced", f'( {runs} ) && rm "$TARGET_ROOT/data/helper"')
    digest = pods.hashes("replaced", "/app")["/app"].upper()
    case = triage(pods, tmp_path, pod="replaced", indicators={"names": ["helper"], "sha256": [digest], "paths": ["/x"]})
    assert case.verdict == "fail", case.said()
    wrong = {"deleted_binary", "indicator_name", "indicator_hash"}
    assert {entry["analyzer"] for entry in case.findings(verdict="fail")} == wrong
    assert case.finding("indicator_path")["verdict"] == "pass"
    assert "runs from /data/helper, which is deleted: /data/helper wait" in case.finding("deleted_binary")["message"]
    case.assert_evidence(case.finding("deleted_binary"))


def test_a_process_that_is_in_no_file_system_and_whose_binary_comes_home(
    pods: Kubectl, looked: Case, call: Play, tmp_path: Path
) -> None:
    case = looked.of("in-memory")
    assert {entry["analyzer"] for entry in case.findings(verdict="fail")} == {"memory_binary"}, case.said()
    assert "runs from /memfd:helper, which is in no file system" in case.finding("memory_binary")["message"]
    case.assert_evidence(case.finding("memory_binary"))
    played = call("proc_fs_fetch", pod="in-memory", open_deleted=True, dest=str(tmp_path / "home"))
    (row,) = played["files"]
    assert (row["resolved"], row["status"]) == ("/memfd:helper (deleted)", "fetched"), played["msg"]
    # it is a copy of the app
    assert row["sha256"] == pods.hashes("healthy", "/app")["/app"]


def test_a_listener_that_nobody_declared_from_a_place_for_temporary_files(looked: Case) -> None:
    case = looked.of("listening")
    assert case.verdict == "fail", case.said()
    assert "runs from /tmp/nc: /tmp/nc -l -p 4444" in case.finding("odd_place")["message"]
    assert "port 4444" in case.finding("undeclared_listener", verdict="warn")["message"]


def test_a_file_that_was_changed_and_made_to_look_old(looked: Case) -> None:
    case = looked.of("changed")
    assert case.verdict == "warn", case.said()
    assert case.finding("new_system_file")["message"].startswith("/etc/app/new ")
    assert case.finding("false_time")["message"].startswith("/etc/app/old ")


def test_more_changed_files_than_are_looked_at_are_unknown(pods: Kubectl, looked: Case) -> None:
    case = looked.of("crowded")
    assert case.verdict == "unknown", case.said()
    # nor is a pass of those that were seen one of all
    unknown = {entry["analyzer"] for entry in case.findings(verdict="unknown")}
    assert unknown == {"files_not_all_seen", "false_time"}, case.said()
    case.assert_evidence(case.finding("files_not_all_seen"))
    facts = case.document["facts"][f"{pods.namespace}/crowded/app"]
    assert (facts["processes_seen"], facts["sockets_seen"]) == ({"is_complete": True}, {"is_complete": True})


def test_a_target_that_ends_while_it_is_looked_into_is_no_pass(pods: Kubectl, tmp_path: Path) -> None:
    ended = pod_manifest("ended", APP, shareProcessNamespace=True, restartPolicy="Never")
    # what keeps the pod, and with it the debugger
    ended["spec"]["containers"].append({"name": "other", "image": APP, "imagePullPolicy": "Never", "args": ["wait"]})
    pods.apply(ended)
    pods.wait_until_running("ended")
    end = 'kill "$TARGET_PID"; while [ -d "/proc/$TARGET_PID" ]; do sleep 0.1; done'
    collectors = tmp_path / "collectors"
    collectors.mkdir()
    content = {"collectors": [{"name": "end", "volatility": 5, "command": end}]}
    (collectors / "end.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    case = triage(pods, tmp_path, pod="ended", collectors=[str(collectors)])
    assert {entry["verdict"] for entry in case.findings()} == {"unknown"}, case.said()
    missing = case.document["facts"][f"{pods.namespace}/ended/app"]["missing"]
    assert missing["processes"].startswith("the command did not run: Target")
