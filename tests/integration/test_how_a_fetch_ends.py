# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a fetch says of itself at its end, on the real cluster: what was changed, what was brought, and when it stopped."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .conftest import Kubectl, Play, pod_manifest
from .patience import PATIENCE

APP = "incident.test/app:nonroot"
BUSYBOX = "busybox:1.37"
SLOW = {"cpu": "100m", "memory": "64Mi"}
SPARSE = "dd if=/dev/zero of=/tmp/big bs=1M count=0 seek=6000 2>/dev/null"


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532 that nobody has looked into."""
    kubectl.apply(pod_manifest("fresh", APP))
    kubectl.wait_until_running("fresh")
    return "fresh"


@pytest.mark.parametrize(
    "wrong",
    [
        {"src": ["etc/passwd"]},
        {"src": ["/etc/passwd"], "exclude": ["[z-a]"]},
        {"src": ["/etc/passwd"], "debug": {"ttl": 999_999_999_999}},
        {"src": ["/etc/passwd"], "debug": {"wait_timeout": 10_000_000_000}},
    ],
    ids=["relative", "exclude", "ttl", "wait_timeout"],
)
def test_what_cannot_be_leaves_the_pod_alone(
    kubectl: Kubectl, call: Play, app: str, tmp_path: Path, wrong: dict[str, object]
) -> None:
    played = call("proc_fs_fetch", pod=app, dest=str(tmp_path / "home"), **wrong)
    assert (played["reason"], played["changed"]) == ("InvalidRequest", False), played["msg"]
    assert kubectl.debuggers(app) == []


def test_a_failure_after_an_injection_is_a_change(kubectl: Kubectl, call: Play, tmp_path: Path) -> None:
    kubectl.apply(pod_manifest("changed", APP))
    kubectl.wait_until_running("changed")
    occupied = tmp_path / "home"
    occupied.write_text("a file in the place of dest")
    given = {"pod": "changed", "src": ["/etc/passwd"], "dest": str(occupied)}
    first, second = call("proc_fs_fetch", **given), call("proc_fs_fetch", **given)
    assert first["failed"]
    assert second["failed"]
    assert (first["changed"], second["changed"]) == (True, False)
    assert len(kubectl.debuggers("changed")) == 1


def test_a_debugger_that_never_starts_is_a_change(kubectl: Kubectl, call: Play, app: str) -> None:
    debug = {"image": "incident.test/nowhere:1", "image_pull_policy": "Never", "name": "hopeless"}
    played = call("ephemeral_debug", pod=app, **debug)
    assert (played["reason"], played["changed"]) == ("ImagePullFailed", True)
    assert "hopeless" in {entry["name"] for entry in kubectl.debuggers(app)}


def test_a_relative_mount_path_of_a_secret_is_a_secret(kubectl: Kubectl, call: Play, tmp_path: Path) -> None:
    kubectl.run("create", "secret", "generic", "keys", "--from-literal=key=hunter2")
    container = {"command": ["sleep", "100000"], "volumeMounts": [{"name": "keys", "mountPath": "conf/sec"}]}
    volumes = [{"name": "keys", "secret": {"secretName": "keys"}}]
    kubectl.apply(pod_manifest("relative", BUSYBOX, container=container, volumes=volumes))
    kubectl.wait_until_running("relative")
    played = call("proc_fs_fetch", pod="relative", src=["/etc/passwd", "/conf/sec"], dest=str(tmp_path / "home"))
    assert not played.result.get("failed"), played["msg"]
    assert [row["src"] for row in played["files"] if row["status"] == "fetched"] == ["/etc/passwd"]
    assert {row["reason"] for row in played["skipped_files"]} == {"Secret"}


def end_when_there(kubectl: Kubectl, pod: str, path: Path) -> None:
    """Lets a pod end as soon as a file has come home."""
    until = time.monotonic() + PATIENCE
    while not path.is_file():
        assert time.monotonic() < until, f"{path} never came"
        time.sleep(0.1)
    kubectl.run("exec", pod, "--", "touch", "/tmp/end")


def test_what_came_before_the_target_ended_is_reported_though_its_debugger_went_too(
    kubectl: Kubectl, call: Play, tmp_path: Path
) -> None:
    script = f"{SPARSE}; echo hi > /tmp/a; until [ -e /tmp/end ]; do sleep 0.2; done"
    container = {"command": ["sh", "-c", script], "resources": {"limits": SLOW}}
    kubectl.apply(pod_manifest("dying", BUSYBOX, container=container, restartPolicy="Never"))
    kubectl.wait_until_running("dying")
    home = tmp_path / "home"
    given = {"src": ["/tmp/a", "/tmp/big"], "dest": str(home), "compress": "none"}
    with ThreadPoolExecutor(1) as beside:
        ended = beside.submit(end_when_there, kubectl, "dying", home / kubectl.namespace / "dying/app/tmp/a")
        played = call("proc_fs_fetch", pod="dying", keep_debugger=False, **given)
        ended.result()
    assert (played["reason"], played["changed"]) == ("TargetNotRunning", True), played["msg"]
    assert {row["src"] for row in played["files"]} >= {"/tmp/a"}
    assert len(played["manifests"]) == 1
    assert "could not be ended" in played.printed


def test_the_deadline_is_the_tasks_and_not_each_targets(kubectl: Kubectl, call: Play, tmp_path: Path) -> None:
    # in turn: the first one takes all of the time, the second one would be done at once
    for name, make in (("turn-1", SPARSE), ("turn-2", "echo hi > /tmp/big")):
        container = {"command": ["sh", "-c", f"{make}; exec sleep 100000"], "resources": {"limits": SLOW}}
        manifest = pod_manifest(name, BUSYBOX, container=container)
        manifest["metadata"]["labels"]["app"] = "turns"
        kubectl.apply(manifest)
    for name in ("turn-1", "turn-2"):
        kubectl.wait_until_running(name)
    ready = call("ephemeral_debug", label_selectors=["app=turns"])
    given = {"targets": ready["targets"], "concurrency": 1, "deadline": 4, "compress": "none"}
    played = call("proc_fs_fetch", src=["/tmp/big"], dest=str(tmp_path / "home"), **given)
    assert [row["pod"] for row in played["skipped_files"]] == ["turn-1", "turn-2"], played.result
    assert {row["reason"] for row in played["skipped_files"]} == {"Deadline"}


def test_a_directory_in_the_manifests_place_does_not_keep_a_flat_fetch_from_its_record(
    kubectl: Kubectl, call: Play, tmp_path: Path
) -> None:
    script = "mkdir -p /.manifest.json; echo x > /.manifest.json/x; exec sleep 100000"
    kubectl.apply(pod_manifest("flatty", BUSYBOX, container={"command": ["sh", "-c", script]}))
    kubectl.wait_until_running("flatty")
    home = tmp_path / "home"
    played = call("proc_fs_fetch", pod="flatty", src=["/.manifest.json", "/etc/passwd"], dest=str(home), flat=True)
    assert played["reason"] == "DestConflict"
    assert json.loads((home / ".manifest.json").read_text())["schema"] == 1
    assert (home / "etc/passwd").is_file()


def end_debugger_when_there(kubectl: Kubectl, pod: str, path: Path) -> None:
    """Ends the debugger as its ttl does, as soon as a file has come home."""
    until = time.monotonic() + PATIENCE
    while not path.is_file():
        assert time.monotonic() < until, f"{path} never came"
        time.sleep(0.1)
    (debugger,) = [entry["name"] for entry in kubectl.debuggers(pod)]
    # with it this exec goes too
    ending = "for p in /proc/[0-9]*; do read c <$p/comm; [ $p-$c = /proc/1-sleep ] || [ $c != sleep ] || kill ${p#/proc/}; done"
    kubectl.run("exec", pod, "-c", debugger, "--", "sh", "-c", ending, check=False)


def test_a_debugger_that_ends_in_the_middle_is_followed_by_another(
    kubectl: Kubectl, call: Play, tmp_path: Path
) -> None:
    script = f"{SPARSE.replace('6000', '400')}; echo hi > /tmp/a; exec sleep 100000"
    container = {"command": ["sh", "-c", script], "resources": {"limits": SLOW}}
    kubectl.apply(pod_manifest("lasting", BUSYBOX, container=container))
    kubectl.wait_until_running("lasting")
    home = tmp_path / "home"
    given = {"src": ["/tmp/a", "/tmp/big"], "dest": str(home), "compress": "none"}
    with ThreadPoolExecutor(1) as beside:
        ended = beside.submit(
            end_debugger_when_there, kubectl, "lasting", home / kubectl.namespace / "lasting/app/tmp/a"
        )
        played = call("proc_fs_fetch", pod="lasting", **given)
        ended.result()
    first, second = sorted((entry["name"] for entry in kubectl.debuggers("lasting")), key=len)
    assert played.target["debugger"] == second
    assert any(f"debugger {first} ended meanwhile" in words for words in played.target["warnings"])
    assert {row["src"]: row["status"] for row in played["files"]} == dict.fromkeys(given["src"], "fetched")
    assert (home / kubectl.namespace / "lasting/app/tmp/big").stat().st_size == 400 << 20
