# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each kind of work from where on-calls sit: 50 ms and 100 Mbit/s from the API server, behind what cuts silence or wants CONNECT."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import CHECKOUT, STATE, Kubectl, Play, Played, pod_manifest

BEHIND = (sys.executable, str(CHECKOUT / "tests" / "bench" / "behind.py"))
KUBECONFIG = str(STATE / "kubeconfig")
SLOW = (*BEHIND, KUBECONFIG)
# proxies cut after 60 s of silence; this one is as impatient as a test's time allows
SILENCE = 12
IMPATIENT = (*BEHIND, "--silence", str(SILENCE), KUBECONFIG)
TUNNELLED = (*BEHIND, "--connect", KUBECONFIG)
SIZE = 4 << 20
SMALL = 600
TREE = "/data/small"
LINES = 20000


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532 with a file of 4 MiB, and a helper's 600 small files on a volume that both have."""
    script = f"mkdir -p {TREE}; i=0; while [ $i -lt {SMALL} ]; do echo file $i >{TREE}/$i; i=$((i+1)); done; seq {LINES}; sleep 3600"
    mounts = [{"name": "small", "mountPath": TREE}]
    manifest = pod_manifest(
        "api",
        "incident.test/app:nonroot",
        container={"args": ["--blob-size", str(SIZE), "--seed", "7"], "volumeMounts": mounts},
        volumes=[{"name": "small", "emptyDir": {}}],
        securityContext={"runAsUser": 65532, "runAsGroup": 65532},
    )
    manifest["spec"]["containers"].append(
        {
            "name": "writer",
            "image": "busybox:1.37",
            "imagePullPolicy": "Never",
            "command": ["sh", "-c", script],
            "volumeMounts": mounts,
            "readinessProbe": {"exec": {"command": ["test", "-e", f"{TREE}/{SMALL - 1}"]}, "periodSeconds": 1},
        }
    )
    kubectl.apply(manifest)
    kubectl.wait_until_running("api")
    return "api"


def assert_works(played: Played) -> None:
    assert not played.result.get("failed"), played.result.get("msg") or played.printed


def test_a_command_gets_all_of_its_stdin(play: Play, app: str) -> None:
    text = "".join(f"line {number}\n" for number in range(12000))
    command = {"cmd": "sha256sum", "stdin": text, "changed": False}
    played = play("ephemeral_debug", pod=app, container="app", commands=[command], within=SLOW)
    assert_works(played)
    assert played.target["commands"][0]["stdout"].split()[0] == hashlib.sha256(text.encode()).hexdigest()


def test_a_long_script_is_run(play: Play, app: str) -> None:
    script = "".join(f"# {number:05d} of a long script\n" for number in range(4000)) + "echo done\n"
    played = play(
        "ephemeral_debug", pod=app, container="app", commands=[{"cmd": script, "changed": False}], within=SLOW
    )
    assert_works(played)
    assert played.target["commands"][0]["stdout"] == "done\n"


@pytest.mark.parametrize("line", [SLOW, TUNNELLED], ids=["slow", "connect"])
def test_many_small_files_come_home_on_the_first_try(
    play: Play, app: str, tmp_path: Path, line: tuple[str, ...]
) -> None:
    home = tmp_path / "home"
    options: dict[str, Any] = {"src": [TREE], "dest": str(home), "retries": 0}
    played = play("proc_fs_fetch", pod=app, container="app", within=line, **options)
    assert_works(played)
    brought = {path.name: path.read_text() for path in home.rglob("small/*")}
    assert brought == {str(number): f"file {number}\n" for number in range(SMALL)}


def test_a_large_file_comes_home_on_the_first_try(kubectl: Kubectl, play: Play, app: str, tmp_path: Path) -> None:
    blob = "/data/blob.bin"
    options: dict[str, Any] = {"src": [blob], "dest": str(tmp_path / "home"), "retries": 0}
    played = play("proc_fs_fetch", pod=app, container="app", within=SLOW, **options)
    assert_works(played)
    (row,) = played["files"]
    assert hashlib.sha256(Path(row["dest"]).read_bytes()).hexdigest() == kubectl.hashes(app, blob)[blob]


def test_a_quiet_command_outlasts_what_cuts_silence(play: Play, app: str) -> None:
    command = {"cmd": f"sleep {SILENCE + 3}; echo awake", "changed": False}
    played = play("ephemeral_debug", pod=app, container="app", commands=[command], within=IMPATIENT)
    assert_works(played)
    assert played.target["commands"][0]["stdout"] == "awake\n"


def test_a_log_comes_whole(kubectl: Kubectl, play: Play, app: str) -> None:
    container = {"namespace": kubectl.namespace, "pod": app, "container": "writer"}
    played = play("pod_logs", namespace=None, containers=[container], tail_lines=LINES, within=SLOW)
    assert_works(played)
    (row,) = played["logs"]
    assert row["log"].split() == [str(number) for number in range(1, LINES + 1)]


def test_a_copy_is_held_and_goes_again(play: Play, app: str) -> None:
    assert_works(play("debug_pod", pod=app, within=SLOW))
    assert_works(play("debug_pod", pod=app, state="absent", within=SLOW))
