# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Copies of pods that cannot be looked into as they are: what they show, whom they leave in peace, and how they end."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import STATE, Kubectl, Play, Played, facts, pod_manifest
from .patience import PATIENCE, just_enough

MARK = "incident.distroless/debug-copy"
# what kubectl prints for the app's log, the same in every image
LOG = "/data/app.log"
CRASHING = {"args": ["--no-such-flag"]}


def made(played: Played) -> dict[str, Any]:
    assert played.status == 0, played.printed
    assert not played.result.get("failed"), played["msg"]
    return played.target


def copies(kubectl: Kubectl) -> set[str]:
    return {pod["metadata"]["name"] for pod in kubectl.json("get", "pods", "-l", MARK)["items"]}


@pytest.fixture(scope="module")
def crashing(kubectl: Kubectl) -> str:
    """A distroless app that ends at once for a wrong argument, with a configuration and a secret."""
    kubectl.run("create", "configmap", "config", "--from-literal=shop.yaml=currency: EUR")
    kubectl.run("create", "secret", "generic", "keys", "--from-literal=key=hunter2")
    mounts = [{"name": "config", "mountPath": "/etc/shop"}, {"name": "keys", "mountPath": "/keys"}]
    volumes = [{"name": "config", "configMap": {"name": "config"}}, {"name": "keys", "secret": {"secretName": "keys"}}]
    app = {**CRASHING, "volumeMounts": mounts}
    kubectl.apply(pod_manifest("crashing", "incident.test/app:nonroot", container=app, volumes=volumes))
    kubectl.run(
        "wait",
        "pod/crashing",
        "--for=jsonpath={.status.containerStatuses[0].lastState.terminated}",
        f"--timeout={PATIENCE}s",
    )
    return "crashing"


@pytest.fixture
def fetch(call: Play, tmp_path: Path) -> Callable[..., Played]:
    """Fetches files of the targets of an earlier result."""

    def run(targets: list[dict[str, Any]], *src: str) -> Played:
        return call("proc_fs_fetch", targets=targets, src=list(src), dest=str(tmp_path / "home"), debug={})

    return run


def test_a_held_copy_of_a_crashing_pod_shows_the_files_of_its_image(
    kubectl: Kubectl, call: Play, crashing: str, fetch: Callable[..., Played]
) -> None:
    target = made(call("debug_pod", pod=crashing, copy_to="held", hold=True))
    assert (target["pod"], target["container"], target["restart_count"]) == ("held", "app", 0)
    fetched = fetch([target], LOG, "/etc/shop/shop.yaml")
    assert made(fetched)
    rows = {row["src"]: row for row in fetched["files"]}
    assert rows[LOG]["sha256"] == hashlib.sha256(Path(rows[LOG]["dest"]).read_bytes()).hexdigest()
    # the held container can still run its own program, which tells what the file hashes to
    assert kubectl.hashes("held", LOG) == {LOG: rows[LOG]["sha256"]}
    assert Path(rows["/etc/shop/shop.yaml"]["dest"]).read_text() == "currency: EUR"


def test_asking_again_finds_the_copy(kubectl: Kubectl, call: Play, crashing: str) -> None:
    first = call("debug_pod", pod=crashing, hold=True, name="again")
    second = call("debug_pod", pod=crashing, hold=True, name="again", ttl=900)
    assert (first["changed"], second["changed"]) == (True, False)
    assert made(second)["reused"] is True
    assert made(first)["pod"] == made(second)["pod"]
    assert made(first)["pod"].startswith("crashing-debug-")
    assert made(first)["container_id"] == made(second)["container_id"]


def test_a_copy_that_crashes_too_shows_its_volumes_and_says_so(
    call: Play, crashing: str, fetch: Callable[..., Played]
) -> None:
    played = call("debug_pod", pod=crashing, copy_to="crashing-too")
    target = made(played)
    assert target["container"] == target["debug_container"] != "app"
    assert "container app does not stay up in the copy (Error, exit code 1" in " ".join(target["warnings"])
    assert "hold: true" in played.printed
    fetched = fetch([target], "/etc/shop/shop.yaml", "/keys/key")
    (row,) = (row for row in fetched["files"] if row["src"] == "/etc/shop/shop.yaml")
    assert Path(row["dest"]).read_text() == "currency: EUR"
    # the debug image has not been given the secret
    assert "/keys/key" in fetched.failure["message"]


def test_a_command_that_stays_is_looked_into(call: Play, crashing: str, fetch: Callable[..., Played]) -> None:
    target = made(call("debug_pod", pod=crashing, copy_to="commanded", command=["/app", "wait"]))
    assert target["container"] == "app"
    assert made(fetch([target], LOG))


def test_a_finished_pod_runs_once_more(kubectl: Kubectl, call: Play) -> None:
    once = {"args": ["--exit-after", "100ms"]}
    kubectl.apply(pod_manifest("done", "incident.test/app:nonroot", container=once, restartPolicy="Never"))
    kubectl.run("wait", "pod/done", "--for=jsonpath={.status.phase}=Succeeded", f"--timeout={PATIENCE}s")
    ended = made(call("debug_pod", pod="done", copy_to="done-as-it-was"))
    assert ended["container"] == ended["debug_container"]
    # selectors leave finished pods out elsewhere, and not here
    target = made(call("debug_pod", label_selectors=["app=done"], copy_to="done-held", hold=True))
    looked = call("ephemeral_debug", targets=[target], commands=['ls "$TARGET_ROOT/app"'])
    assert made(looked)["commands"][0]["rc"] == 0


def test_a_pod_that_was_killed_for_its_memory(kubectl: Kubectl, call: Play) -> None:
    hungry = {"command": ["tail", "/dev/zero"], "resources": {"limits": {"memory": "16Mi"}}}
    kubectl.apply(pod_manifest("hungry", "busybox:1.37", container=hungry))
    kubectl.run(
        "wait",
        "pod/hungry",
        "--for=jsonpath={.status.containerStatuses[0].lastState.terminated.reason}=OOMKilled",
        f"--timeout={PATIENCE}s",
    )
    target = made(call("debug_pod", pod="hungry", copy_to="hungry-held", hold=True))
    assert target["container"] == "app"
    assert call("ephemeral_debug", targets=[target]).target["root_readable"] is True


def test_a_static_pod(kubectl: Kubectl, call: Play, fetch: Callable[..., Played]) -> None:
    name = f"static-{uuid.uuid4().hex[:6]}"
    manifest = pod_manifest(name, "incident.test/app:nonroot")
    manifest["metadata"]["namespace"] = kubectl.namespace
    file = Path(facts()["STATIC_PODS"]) / f"{name}.json"
    try:
        file.write_text(json.dumps(manifest))
        mirror = f"{name}-node-1"
        kubectl.wait_until_there("pod", mirror)
        kubectl.wait_until_running(mirror)
        assert call("ephemeral_debug", pod=mirror)["reason"] == "StaticPod"
        target = made(call("debug_pod", pod=mirror, copy_to="not-static", keep_annotations=True))
        assert target["container"] == "app"
        assert made(fetch([target], LOG))
        assert call("debug_pod", pod=mirror, replace=True)["reason"] == "StaticPod"
    finally:
        file.unlink(missing_ok=True)
    kubectl.run("wait", "--for=delete", f"pod/{mirror}", f"--timeout={PATIENCE}s")


@pytest.fixture(scope="module")
def deployed(kubectl: Kubectl) -> str:
    """A deployment of one pod, and a Service in front of it."""
    template = pod_manifest("web", "incident.test/app:nonroot")
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": template["spec"]},
    }
    kubectl.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})
    service = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service})
    kubectl.run("rollout", "status", "deployment/web", f"--timeout={PATIENCE}s")
    return "web"


def test_no_service_selects_the_copy_and_no_controller_adopts_it(kubectl: Kubectl, call: Play, deployed: str) -> None:
    target = made(call("debug_pod", workload=f"deployment/{deployed}", copy_to="web-copy"))
    assert target["container"] == "app"
    slices = kubectl.json("get", "endpointslices", "-l", "kubernetes.io/service-name=web")["items"]
    backends = {end["targetRef"]["name"] for entry in slices for end in entry.get("endpoints") or []}
    assert backends
    assert "web-copy" not in backends
    copy = kubectl.pod("web-copy")
    assert "ownerReferences" not in copy["metadata"]
    pods = kubectl.json("get", "pods", "-l", "app=web")["items"]
    assert [pod["metadata"]["name"] for pod in pods] == [target["copy_of"]["pod"]]
    assert kubectl.json("get", "deployment", "web")["status"]["replicas"] == 1


def test_replace_deletes_the_original_and_the_copy_runs(kubectl: Kubectl, call: Play) -> None:
    kubectl.apply(pod_manifest("old", "incident.test/app:nonroot"))
    uid = kubectl.wait_until_running("old")["metadata"]["uid"]
    would = call("debug_pod", pod="old", copy_to="new", replace=True, check=True)
    assert would["changed"]
    assert kubectl.pod("old")["metadata"]["uid"] == uid
    target = made(call("debug_pod", pod="old", copy_to="new", replace=True))
    assert target["copy_of"]["pod_uid"] == uid
    assert target["container"] == "app"
    assert kubectl.run("get", "pod", "old", check=False).returncode != 0


def test_check_mode_asks_and_makes_nothing_and_diff_shows_no_value(kubectl: Kubectl, play: Play, crashing: str) -> None:
    asked = {"pod": crashing, "copy_to": "would-be", "env": {"PASSWORD": "hunter2"}}
    played = play("debug_pod", check=True, diff=True, **asked)
    assert played["changed"]
    assert made(played)["started_at"] is None
    assert "would be made" in played["msg"]
    (diff,) = played["diff"]
    assert "activeDeadlineSeconds" in diff["after"]
    assert "PASSWORD" in diff["after"]
    assert "hunter2" not in played.printed + json.dumps(played.result)
    assert "would-be" not in copies(kubectl)


def test_absent_deletes_only_what_is_ours(kubectl: Kubectl, call: Play, crashing: str) -> None:
    kubectl.apply(pod_manifest("crashing-debug-aaaaa", "incident.test/app:nonroot"))
    theirs = {"theirs", "crashing-debug-aaaaa"}
    kubectl.run("debug", crashing, "--copy-to=theirs", "--image=busybox:1.37", "--attach=false", "--profile=general")
    target = made(call("debug_pod", pod=crashing, copy_to="ours", wait=False))
    refused = call("debug_pod", copy_to="theirs", state="absent")
    assert refused["reason"] == "InvalidRequest"
    assert not call("debug_pod", copy_to="nobody", state="absent")["changed"]
    by_targets = call("debug_pod", targets=[target], state="absent")
    assert [row["pod"] for row in by_targets["targets"]] == ["ours"]
    made(call("debug_pod", pod=crashing, copy_to="ours-too", wait=False))
    would = call("debug_pod", pod=crashing, state="absent", check=True)
    assert "ours-too" in {row["pod"] for row in would["targets"]}
    assert "ours-too" in copies(kubectl)
    by_pod = call("debug_pod", pod=crashing, state="absent")
    assert "ours-too" in {row["pod"] for row in by_pod["targets"]}
    names = {pod["metadata"]["name"] for pod in kubectl.json("get", "pods")["items"]}
    assert theirs | {crashing} <= names
    assert not any(
        copy["metadata"]["annotations"]["incident.distroless/copy-of"] == crashing for copy in marked(kubectl)
    )
    assert not call("debug_pod", pod=crashing, state="absent")["changed"]


def marked(kubectl: Kubectl) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = kubectl.json("get", "pods", "-l", MARK)["items"]
    return items


def test_the_ttl_ends_a_copy(kubectl: Kubectl, call: Play) -> None:
    kubectl.apply(pod_manifest("short", "incident.test/app:nonroot"))
    kubectl.wait_until_running("short")
    made(call("debug_pod", pod="short", copy_to="short-copy", ttl=8, wait=False))
    assert kubectl.pod("short-copy")["spec"]["activeDeadlineSeconds"] == 8
    kubectl.run("wait", "pod/short-copy", "--for=jsonpath={.status.phase}=Failed", f"--timeout={PATIENCE}s")
    assert kubectl.pod("short-copy")["status"]["reason"] == "DeadlineExceeded"
    again = call("debug_pod", pod="short", copy_to="short-copy", ttl=8)
    assert again["reason"] == "Conflict"
    assert "state: absent" in again.failure["hint"]


def marked_processes(mark: str) -> list[int]:
    """The processes that have the mark in their environment."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def test_the_copy_of_a_killed_play_is_found_again_and_ends_by_itself(
    kubectl: Kubectl, play: Play, crashing: str, tmp_path: Path
) -> None:
    # it waits for an image that never comes, and is killed in the middle
    options = {"namespace": kubectl.namespace, "pod": crashing, "copy_to": "orphan", "image": "registry.invalid/none:1"}
    task = {"incident.distroless.debug_pod": {**options, "ttl": 20}}
    book = tmp_path / "killed.yml"
    book.write_text(
        yaml.safe_dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}])
    )
    mark = uuid.uuid4().hex
    kubeconfig = os.environ.get("KUBECONFIG", str(STATE / "kubeconfig"))
    playing = subprocess.Popen(
        ["ansible-playbook", str(book)],
        env={**os.environ, "K8S_AUTH_KUBECONFIG": kubeconfig, "MARK": mark},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        kubectl.wait_until_there("pod", "orphan")
    finally:
        # the workers and the module have sessions of their own
        for pid in marked_processes(mark):
            os.kill(pid, signal.SIGKILL)
        playing.wait()
    kubectl.run("wait", "pod/orphan", "--for=jsonpath={.status.phase}=Failed", f"--timeout={PATIENCE}s")
    assert kubectl.pod("orphan")["status"]["reason"] == "DeadlineExceeded"
    found = play("debug_pod", pod=crashing, state="absent")
    assert "orphan" in {row["pod"] for row in found["targets"]}
    assert "orphan" not in copies(kubectl)


def test_a_copy_that_does_not_come_up_is_deleted_again(kubectl: Kubectl, call: Play, crashing: str) -> None:
    played = call(
        "debug_pod", pod=crashing, copy_to="hopeless", image="incident.test/none:1", image_pull_policy="Never"
    )
    assert played["reason"] == "ImagePullFailed"
    assert "The copy hopeless was deleted." in played["msg"]
    deadline = time.monotonic() + PATIENCE
    while "hopeless" in copies(kubectl):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_debug_image_without_busybox_cannot_hold(kubectl: Kubectl, call: Play, crashing: str) -> None:
    options = {"image": "incident.test/debug-dash:1", "image_pull_policy": "Never"}
    played = call("debug_pod", pod=crashing, copy_to="unheld", hold=True, **options)
    assert played["reason"] == "ImageHasNoShell"
    assert "cannot fetch busybox from the debug image" in played["msg"]
    assert "statically linked busybox" in played.failure["hint"]


def test_an_init_container_that_crashes_can_be_left_out(kubectl: Kubectl, call: Play) -> None:
    setup = {"name": "setup", "image": "busybox:1.37", "imagePullPolicy": "Never", "command": ["false"]}
    kubectl.apply(pod_manifest("unprepared", "incident.test/app:nonroot", initContainers=[setup]))
    kubectl.run(
        "wait",
        "pod/unprepared",
        "--for=jsonpath={.status.initContainerStatuses[0].lastState.terminated}",
        f"--timeout={PATIENCE}s",
    )
    played = call("debug_pod", pod="unprepared", copy_to="unprepared-copy")
    assert played["reason"] == "ContainerCreateFailed"
    assert "init container setup" in played["msg"]
    assert "keep_init_containers: false" in played.failure["hint"]
    target = made(call("debug_pod", pod="unprepared", copy_to="without-setup", keep_init_containers=False))
    assert target["container"] == "app"


def test_a_host_port_is_named_before_anything_is_made(kubectl: Kubectl, call: Play) -> None:
    ports = {"ports": [{"containerPort": 8080, "hostPort": 18080}]}
    kubectl.apply(pod_manifest("ported", "incident.test/app:nonroot", container=ports))
    kubectl.wait_until_running("ported")
    played = call("debug_pod", pod="ported", copy_to="ported-copy", same_node=True)
    assert played["reason"] == "InvalidRequest"
    assert "host port 18080/TCP" in played["msg"]
    tried: list[str] = []

    def wait_for(seconds: int) -> Played:
        tried.append(f"ported-copy-{seconds}")
        return call("debug_pod", pod="ported", copy_to=tried[-1], wait_timeout=seconds)

    # until the scheduler has said why
    homeless = just_enough(5, wait_for, lambda played: "free ports" in played["msg"])
    assert homeless["reason"] == "WaitTimeout"
    assert "free ports" in homeless["msg"]
    assert tried[-1] not in {
        pod["metadata"]["name"] for pod in marked(kubectl) if not pod["metadata"].get("deletionTimestamp")
    }


def test_a_namespace_at_pod_security_restricted_is_no_obstacle(
    make_namespace: Callable[..., Kubectl], call: Play
) -> None:
    careful = make_namespace("restricted")
    strict = {
        **CRASHING,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    careful.apply(pod_manifest("strict", "incident.test/app:nonroot", container=strict))
    target = made(call("debug_pod", namespace=careful.namespace, pod="strict", hold=True))
    assert (target["container"], target["profile"]) == ("app", "restricted")
    assert call("ephemeral_debug", targets=[target]).target["root_readable"] is True


def test_more_than_one_pod_is_refused_by_name(kubectl: Kubectl, call: Play) -> None:
    for name in ("twin-1", "twin-2"):
        manifest = pod_manifest(name, "incident.test/app:nonroot")
        manifest["metadata"]["labels"] = {"app": "twin"}
        kubectl.apply(manifest)
    played = call("debug_pod", label_selectors=["app=twin"])
    assert played["reason"] == "TooManyPods"
    assert "twin-1, twin-2" in played["msg"]


@pytest.fixture(autouse=True, scope="module")
def cleared(kubectl: Kubectl) -> Iterator[None]:
    """Ends the copies when all is done: they would keep the namespace for their grace periods."""
    yield
    kubectl.run("delete", "pods", "--all", "--grace-period=1", "--wait=false", check=False)
