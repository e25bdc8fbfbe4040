# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each kind of target, on the real kernel: fetched in one task, and equal to what the app itself says it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Kubectl, Play, pod_manifest

DROPPED = {"securityContext": {"capabilities": {"drop": ["ALL"]}}}
RESTRICTED = {
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
}
FILES = ["/data/app.log", "/etc/app/config.yaml"]


def by_spec(uid: int, gid: int) -> dict[str, Any]:
    return {"securityContext": {"runAsUser": uid, "runAsGroup": gid}}


def assert_all_came_home(kubectl: Kubectl, played: Any, dest: Path, pod: str, files: list[str]) -> None:
    assert played.status == 0, played.printed
    truth = kubectl.hashes(pod, *files)
    assert truth.keys() == set(files)
    for path, digest in truth.items():
        here = dest / kubectl.namespace / pod / "app" / path.lstrip("/")
        assert hashlib.sha256(here.read_bytes()).hexdigest() == digest
    assert {row["sha256"] for row in played["files"]} == set(truth.values())


@pytest.mark.parametrize(
    ("name", "image", "container", "identity"),
    [
        ("root", "incident.test/app:root", {}, (0, 0)),
        ("root-dropped", "incident.test/app:root", DROPPED, (0, 0)),
        ("nonroot", "incident.test/app:nonroot", {}, (65532, 65532)),
        ("nonroot-dropped", "incident.test/app:nonroot", DROPPED, (65532, 65532)),
        ("spec-1234", "incident.test/app:1234", by_spec(1234, 4321), (1234, 4321)),
        ("image-1234", "incident.test/app:1234", {}, (1234, 0)),
        ("named-user", "incident.test/app:named", {}, None),
        (
            "read-only",
            "incident.test/app:nonroot",
            {"securityContext": {"readOnlyRootFilesystem": True}},
            (65532, 65532),
        ),
    ],
)
def test_files_come_home_whoever_the_target_is(
    kubectl: Kubectl,
    call: Play,
    tmp_path: Path,
    name: str,
    image: str,
    container: dict[str, Any],
    identity: tuple[int, int] | None,
) -> None:
    kubectl.apply(pod_manifest(name, image, container=container))
    kubectl.wait_until_running(name)
    played = call("proc_fs_fetch", pod=name, src=FILES, dest=str(tmp_path / "home"))
    assert_all_came_home(kubectl, played, tmp_path / "home", name, FILES)
    assert len(kubectl.debuggers(name)) == 1
    assert kubectl.debuggers(name)[0]["targetContainerName"] == "app"
    if identity:
        assert (played.target["target_identity"]["uid"], played.target["target_identity"]["gid"]) == identity
        assert (played.target["identity"]["uid"], played.target["identity"]["gid"]) == identity


def test_a_root_start_that_execs_as_another_user_is_learned_from_inside(
    kubectl: Kubectl, call: Play, tmp_path: Path
) -> None:
    kubectl.apply(
        pod_manifest(
            "gosu",
            "incident.test/app:drops",
            container={"args": ["--drop-to", "4321:4321"], "securityContext": {"runAsUser": 0, "runAsGroup": 0}},
        )
    )
    kubectl.wait_until_running("gosu")
    played = call("proc_fs_fetch", pod="gosu", src=FILES, dest=str(tmp_path / "home"))
    assert_all_came_home(kubectl, played, tmp_path / "home", "gosu", FILES)
    target = played.target
    assert (target["target_identity"]["uid"], target["target_identity"]["source"]) == (4321, "process")
    assert {entry["name"] for entry in kubectl.debuggers("gosu")} == {
        target["debugger"],
        target["debugger"].removesuffix("-2"),
    }
    states = {status["name"]: status["state"] for status in kubectl.pod("gosu")["status"]["ephemeralContainerStatuses"]}
    assert [name for name, state in states.items() if "running" in state] == [target["debugger"]]
    again = call("proc_fs_fetch", pod="gosu", src=FILES, dest=str(tmp_path / "home"))
    assert (again["changed"], again.target["reused"]) == (False, True)
    assert len(kubectl.debuggers("gosu")) == 2


def test_a_namespace_at_pod_security_restricted_is_no_obstacle(
    make_namespace: Callable[..., Kubectl], call: Play, tmp_path: Path
) -> None:
    strict = make_namespace("restricted")
    strict.apply(pod_manifest("api", "incident.test/app:65532", container=RESTRICTED))
    strict.wait_until_running("api")
    played = call("proc_fs_fetch", namespace=strict.namespace, pod="api", src=FILES, dest=str(tmp_path / "home"))
    assert_all_came_home(strict, played, tmp_path / "home", "api", FILES)
    assert played.target["profile"] == "restricted"


def test_a_target_in_a_shared_process_namespace_is_proven_by_its_container_id(
    kubectl: Kubectl, call: Play, tmp_path: Path
) -> None:
    twin = {"name": "twin", "image": "incident.test/app:65532", "imagePullPolicy": "Never"}
    manifest = pod_manifest("twins", "incident.test/app:65532", shareProcessNamespace=True)
    manifest["spec"]["containers"].insert(0, twin)
    kubectl.apply(manifest)
    kubectl.wait_until_running("twins")
    played = call("proc_fs_fetch", pod="twins", container="app", src=FILES, dest=str(tmp_path / "home"))
    assert_all_came_home(kubectl, played, tmp_path / "home", "twins", FILES)
    assert played.target["pid"] != 1


def test_the_debugger_has_the_label_of_a_target_that_has_one_of_its_own(kubectl: Kubectl, call: Play) -> None:
    # a kernel without SELinux takes any
    label = {"level": "s0:c7,c9"}
    kubectl.apply(
        pod_manifest("labelled", "incident.test/app:nonroot", container={"securityContext": {"seLinuxOptions": label}})
    )
    kubectl.wait_until_running("labelled")
    played, again = call("ephemeral_debug", pod="labelled"), call("ephemeral_debug", pod="labelled")
    assert played.target["root_readable"], played["msg"]
    assert again.target["reused"]
    (debugger,) = kubectl.debuggers("labelled")
    assert debugger["securityContext"]["seLinuxOptions"] == label
