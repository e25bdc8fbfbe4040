# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The target is as it was: under tight limits, after many commands, and after many connections that were dropped."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from ansible_collections.incident.distroless.plugins.module_utils._deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._exec import open_session
from ansible_collections.incident.distroless.plugins.module_utils._probe import run_text

from .conftest import Kubectl, Play, pod_manifest
from .inside import connected, target_of

APP = "incident.test/app:nonroot"
TIGHT = {"resources": {"limits": {"memory": "64Mi", "cpu": "200m"}}}

# each process of the namespace that is not a session's own: pid, command, state
LIST_PROCESSES = rb"""
for dir in /proc/[0-9]*; do
  IFS= read -r stat 2>/dev/null <"$dir/stat" || continue
  set -- ${stat##*) }
  pid=${dir#/proc/}
  case $stat in *"(sh)"*) [ "$1" = Z ] || continue ;; esac
  name=${stat#*\(}
  echo "$pid ${name%%\)*} $1"
done
"""
# what is in the debugger's own image and in the pod's shared memory, with times of change
LIST_FILES = rb'find / -xdev ! -path "/proc/*" ! -path "/sys/*" ! -path "/dev/pts/*" -exec stat -c "%n %s %z" {} + 2>/dev/null; ls -la /dev/shm'
DROPS = 30


def test_a_pod_with_tight_limits_keeps_running(kubectl: Kubectl, play: Play, tmp_path: Path) -> None:
    container = {**TIGHT, "args": ["--blob-size", str(4 << 20)]}
    kubectl.apply(pod_manifest("tight", APP, container=container))
    kubectl.wait_until_running("tight")
    truth = kubectl.hashes("tight", "/data/blob.bin")
    debugged = play("ephemeral_debug", pod="tight", commands=["ls -l /proc/1/root/data"] * 20)
    assert not debugged.result.get("failed"), debugged["msg"]
    fetched = play("proc_fs_fetch", pod="tight", src=["/data/blob.bin"], dest=str(tmp_path))
    (row,) = fetched["files"]
    assert row["size"] == 4 << 20
    assert hashlib.sha256(Path(row["dest"]).read_bytes()).hexdigest() == truth["/data/blob.bin"]
    statuses = kubectl.pod("tight")["status"]["containerStatuses"]
    assert [(status["restartCount"], "running" in status["state"]) for status in statuses] == [(0, True)]


def test_nothing_is_left_of_dropped_connections_and_commands(kubectl: Kubectl, play: Play) -> None:
    kubectl.apply(pod_manifest("clean", APP))
    kubectl.wait_until_running("clean")
    debugger = play("ephemeral_debug", pod="clean").target["debugger"]
    cluster, target = connected(), target_of(kubectl, "clean")

    def answer(script: bytes) -> list[str]:
        with open_session(cluster, target.namespace, target.pod, debugger, Deadline(30)) as session:
            return run_text(session, script)

    processes, files = answer(LIST_PROCESSES), answer(LIST_FILES)
    assert len(files) > 50
    for number in range(DROPS):
        session = open_session(cluster, target.namespace, target.pod, debugger, Deadline(30))
        # dropped in the middle: of a pipe, of a sleep and of much output
        session.run((b"sleep 4321 | cat", b"sleep 4321", b"yes")[number % 3])
        session.close()
    played = play("ephemeral_debug", pod="clean", commands=["ls / | cat >/dev/null"] * 30)
    assert not played.result.get("failed"), played["msg"]
    until = time.monotonic() + 10
    while (now := answer(LIST_PROCESSES)) != processes and time.monotonic() < until:
        time.sleep(0.2)
    assert now == processes
    assert answer(LIST_FILES) == files
    play("ephemeral_debug", pod="clean", state="absent")
    status = kubectl.pod("clean")["status"]
    assert status["containerStatuses"][0]["restartCount"] == 0
    witness = play("ephemeral_debug", pod="clean", name="witness").target["debugger"]
    with open_session(cluster, target.namespace, target.pod, witness, Deadline(30)) as session:
        after = run_text(session, LIST_PROCESSES)
    assert [line.partition(" ")[2] for line in after] == [line.partition(" ")[2] for line in processes]
