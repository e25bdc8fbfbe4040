# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The target is as it was: under tight limits, after many commands, and after many connections that were dropped."""

from __future__ import annotations

import hashlib
import json
import re
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import run_text
from ansible_collections.incident.distroless.plugins.module_utils._debugger.shell import open_session
from ansible_collections.incident.distroless.plugins.module_utils._remote.job_output import JobOutput
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import MANY_RUNNING

from .conftest import Kubectl, Play, bulk, pod_manifest
from .inside import connected, target_of
from .patience import PATIENCE

APP = "incident.test/app:nonroot"
TIGHT = {"resources": {"limits": {"memory": "64Mi", "cpu": "200m"}}}

# each process of the namespace that is not of the session that asks (its process group): pid, command, state
LIST_PROCESSES = rb"""
for dir in /proc/[0-9]*; do
  IFS= read -r stat 2>/dev/null <"$dir/stat" || continue
  set -- ${stat##*) }
  [ "$3" != $$ ] || continue
  name=${stat#*\(}
  echo "${dir#/proc/} ${name%%\)*} $1"
done
"""
# what is in the debugger's own image and in the pod's shared memory, with times of change
LIST_FILES = b'find / -xdev ! -path "/proc/*" ! -path "/sys/*" ! -path "/dev/pts/*" -exec stat -c "%n %s %z" {} + 2>/dev/null; ls -la /dev/shm\n'
# a file that is hashed while it is sent, a stream of small writes, both outputs at once, and nothing that is ever said
JOBS = (
    b"sha256sum /dev/zero >&2 & cat /dev/zero; wait",
    b"while :; do stat /; done",
    b"cat /dev/zero >&2 & yes; wait",
    b"sleep 4321 | cat",
)


def rounds(kubectl: Kubectl, pod: str) -> list[float]:
    """The target's own work, in rounds a second, for each second so far (see --work of the app)."""
    found = re.findall(r"^app: (\d+) rounds in (\d+) ms$", kubectl.text("logs", pod, "-c", "app"), re.MULTILINE)
    return [int(count) * 1000 / int(milliseconds) for count, milliseconds in found]


def work_during(kubectl: Kubectl, pod: str, act: Callable[[], None]) -> float:
    """Rounds a second while something else is done; the seconds at its ends belong to it in part."""
    before = len(rounds(kubectl, pod))
    act()
    until = time.monotonic() + PATIENCE
    while len(rounds(kubectl, pod)) < before + 2 and time.monotonic() < until:
        time.sleep(0.5)
    return statistics.mean(rounds(kubectl, pod)[before:])


def test_a_pod_with_tight_limits_keeps_running(
    kubectl: Kubectl, call: Play, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    container = {**TIGHT, "args": ["--work", "--blob-size", str(4 << 20)]}
    kubectl.apply(pod_manifest("tight", APP, container=container))
    kubectl.wait_until_running("tight")
    truth = kubectl.hashes("tight", "/data/blob.bin")
    alone = work_during(kubectl, "tight", lambda: time.sleep(5))

    def debug() -> None:
        debugged = call("ephemeral_debug", pod="tight", commands=["ls -l /proc/1/root/data"] * 20)
        assert not debugged.result.get("failed"), debugged["msg"]

    def fetch() -> None:
        fetched = call("proc_fs_fetch", pod="tight", src=["/data/blob.bin"], dest=str(tmp_path))
        (row,) = fetched["files"]
        assert row["size"] == 4 << 20
        assert hashlib.sha256(Path(row["dest"]).read_bytes()).hexdigest() == truth["/data/blob.bin"]

    debugged, fetched = work_during(kubectl, "tight", debug), work_during(kubectl, "tight", fetch)
    idle = work_during(kubectl, "tight", lambda: time.sleep(5))
    measured(
        f"a target at 64Mi and 200m: {alone:.0f} rounds/s alone, {debugged:.0f} while a debugger starts and runs 20 commands, "
        f"{fetched:.0f} while 4 MiB are fetched, {idle:.0f} beside a debugger that waits"
    )
    assert min(alone, debugged, fetched, idle) > 0
    statuses = kubectl.pod("tight")["status"]["containerStatuses"]
    assert [(status["restartCount"], "running" in status["state"]) for status in statuses] == [(0, True)]


@pytest.mark.bulk
def test_a_gibibyte_comes_out_of_a_pod_of_64_mebibytes(
    kubectl: Kubectl, call: Play, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    container = {**TIGHT, "args": ["--blob-size", str(1 << 30)]}
    kubectl.apply(pod_manifest("narrow", APP, container=container))
    kubectl.wait_until_running("narrow")
    said = partial(kubectl.text, "logs", "narrow", "-c", "app")
    until = time.monotonic() + PATIENCE
    while "ready" not in said() and time.monotonic() < until:
        time.sleep(0.5)
    given = {"pod": "narrow", "src": ["/data/blob.bin"], "dest": str(tmp_path)}
    # the time is for the file alone
    call("ephemeral_debug", pod="narrow")
    cut = call("proc_fs_fetch", **given, deadline=4)
    assert [(row["status"], row["reason"]) for row in cut["skipped_files"]] == [("skipped", "Deadline")], cut.result
    assert not list(tmp_path.rglob("blob.bin"))
    played = call("proc_fs_fetch", **given)
    (row,) = played["files"]
    with Path(row["dest"]).open("rb") as file:
        here = hashlib.file_digest(file, "sha256").hexdigest()
    assert here == row["sha256"] == kubectl.hashes("narrow", "/data/blob.bin")["/data/blob.bin"]
    measured(f"1 GiB from a pod at 64Mi and 200m: {played['stats']['elapsed']:.0f} s, hashed on both ends")
    (status,) = kubectl.pod("narrow")["status"]["containerStatuses"]
    assert (status["restartCount"], "running" in status["state"]) == (0, True)


@pytest.mark.parametrize("drops", [16, bulk(100)])
def test_nothing_is_left_of_dropped_connections_and_commands(kubectl: Kubectl, call: Play, drops: int) -> None:
    pod = f"clean-{drops}"
    kubectl.apply(pod_manifest(pod, APP))
    kubectl.wait_until_running(pod)
    debugger = call("ephemeral_debug", pod=pod).target["debugger"]
    cluster, target = connected(), target_of(kubectl, pod)

    def answer(script: bytes) -> list[str]:
        with open_session(cluster.until(Deadline(240)), target, debugger, has_outlet=False) as session:
            return run_text(session, script)

    processes, files = answer(LIST_PROCESSES), answer(LIST_FILES)
    assert len(files) > 50
    for number in range(drops):
        session = open_session(cluster.until(Deadline(240)), target, debugger)
        events = session.run(JOBS[number % len(JOBS)]).read(JobOutput.events)
        # with output on its way the runtime kills the exec that it comes from (see _remote/bootstrap.py)
        if number % len(JOBS) != len(JOBS) - 1:
            sum(len(next(events)[1]) for _piece in range(1 + number))
        session.drop()
    played = call("ephemeral_debug", pod=pod, commands=["ls / | cat >/dev/null"] * drops)
    assert not played.result.get("failed"), played["msg"]
    until = time.monotonic() + PATIENCE
    while (now := answer(LIST_PROCESSES)) != processes and time.monotonic() < until:
        time.sleep(0.2)
    assert now == processes
    assert answer(LIST_FILES) == files
    call("ephemeral_debug", pod=pod, state="absent")
    status = kubectl.pod(pod)["status"]
    assert status["containerStatuses"][0]["restartCount"] == 0
    witness = call("ephemeral_debug", pod=pod, name="witness").target["debugger"]
    with open_session(cluster.until(Deadline(240)), target, witness, has_outlet=False) as session:
        after = run_text(session, LIST_PROCESSES)
    assert [line.partition(" ")[2] for line in after] == [line.partition(" ")[2] for line in processes]


@pytest.mark.parametrize("count", [6, bulk(30)])
def test_nothing_is_left_of_jobs_given_up_in_the_middle_of_their_output(
    kubectl: Kubectl, call: Play, count: int
) -> None:
    pod = f"given-up-{count}"
    kubectl.apply(pod_manifest(pod, APP))
    kubectl.wait_until_running(pod)
    debugger = call("ephemeral_debug", pod=pod).target["debugger"]
    cluster, target = connected(), target_of(kubectl, pod)

    def opened() -> Session:
        return open_session(cluster.until(Deadline(240)), target, debugger)

    def processes() -> list[str]:
        with opened() as session:
            return run_text(session, LIST_PROCESSES)

    before = processes()
    for number in range(count):
        with opened() as session:
            events = session.run(JOBS[number % 3]).read(JobOutput.events)
            sum(len(next(events)[1]) for _piece in range(50 + 10 * number))
    until = time.monotonic() + PATIENCE
    while (now := processes()) != before and time.monotonic() < until:
        time.sleep(0.2)
    assert now == before


@pytest.mark.parametrize(
    ("state", "count"), [bulk("ended", 1), bulk("ended", 40), bulk("running", 1), ("running", MANY_RUNNING)]
)
def test_a_pod_goes_with_its_debuggers(
    kubectl: Kubectl, measured: Callable[[str], None], state: str, count: int
) -> None:
    """More that run than this take minutes, which is what MANY_RUNNING warns of (see _k8s/ephemeral_containers.py)."""
    name = f"goes-{state}-{count}"
    kubectl.apply(pod_manifest(name, APP))
    kubectl.wait_until_running(name)
    command = ["sleep", "600"] if state == "running" else ["true"]
    container = {"image": "busybox:1.37", "imagePullPolicy": "Never", "command": command, "targetContainerName": "app"}
    body = {"spec": {"ephemeralContainers": [{"name": f"d{number}", **container} for number in range(count)]}}
    kubectl.run("patch", "pod", name, "--subresource=ephemeralcontainers", "-p", json.dumps(body))
    what = "running" if state == "running" else "terminated"
    until = time.monotonic() + PATIENCE
    while sum(what in status["state"] for status in ephemeral_statuses(kubectl, name)) < count:
        assert time.monotonic() < until
        time.sleep(0.5)
    size = len(kubectl.text("get", "pod", name, "-o", "jsonpath={}"))
    began = time.monotonic()
    kubectl.run("delete", "pod", name, "--wait=true", f"--timeout={PATIENCE}s")
    took = time.monotonic() - began
    assert name not in kubectl.text("get", "pods")
    measured(f"a pod with {count:2} {state} debuggers: {took:.1f} s from delete to gone, an object of {size} bytes")


def ephemeral_statuses(kubectl: Kubectl, pod: str) -> list[dict[str, Any]]:
    return kubectl.pod(pod)["status"].get("ephemeralContainerStatuses") or []
