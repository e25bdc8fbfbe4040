# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who may read whom on the real kernel: for each kind of target the least debugger that reads it, or why none may."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from .conftest import Kubectl, Play, pod_manifest
from .patience import PATIENCE

Ids = tuple[int, int]
IMAGE = "incident.test/app"


@dataclass(frozen=True, slots=True)
class Row:
    """A target (flavour of the app, securityContext of its container and of its pod), what is asked, and what comes.

    With reason the task fails, and its message and hint hold words. Else the debugger reads the target's own files;
    injected is how many it took: 2 where the first one had to look inside to learn whom to match.
    """

    target: str
    flavour: str
    context: Mapping[str, Any] = field(default_factory=dict)
    pod_context: Mapping[str, Any] = field(default_factory=dict)
    spec: Mapping[str, Any] = field(default_factory=dict)
    arguments: Sequence[str] = ()
    ask: Mapping[str, Any] = field(default_factory=dict)
    profile: str = "restricted"
    debugger: Ids = (65532, 65532)
    target_ids: Ids = (65532, 65532)
    injected: int = 1
    reason: str | None = None
    words: Sequence[str] = ()

    def manifest(self) -> dict[str, Any]:
        container: dict[str, Any] = {"securityContext": dict(self.context)}
        if self.arguments:
            container["args"] = list(self.arguments)
        spec = {"securityContext": dict(self.pod_context), **self.spec}
        return pod_manifest(self.target, f"{IMAGE}:{self.flavour}", container=container, **spec)


def adds(*names: str) -> dict[str, Any]:
    return {"capabilities": {"add": list(names)}}


DROP_ALL = {"capabilities": {"drop": ["ALL"]}}
AS_NONROOT = {"runAsUser": 65532, "runAsGroup": 65532}
ROOT: dict[str, Any] = {"profile": "baseline", "debugger": (0, 0), "target_ids": (0, 0)}
ELEVATED: dict[str, Any] = {"profile": "general", "debugger": (0, 0)}
ALLOWED = {"allow_elevated": True}
SEALED: dict[str, Any] = {"flavour": "sealed", "context": {**AS_NONROOT, **DROP_ALL}}
BECOMES: dict[str, Any] = {"flavour": "becomes"}
# a debug image whose own USER is 1000:1000, of which the kubelet passes on the uid only
OF_A_USER = {"image": "incident.test/debug-user:1", "image_pull_policy": "Never"}

MATRIX = [
    Row("root-reads-root", "root", **ROOT),
    Row("root-with-net-admin", "root", adds("NET_ADMIN"), **{**ROOT, "profile": "netadmin"}),
    Row("root-with-net-raw-and-admin", "root", adds("NET_ADMIN", "NET_RAW"), **{**ROOT, "profile": "netadmin"}),
    Row(
        "root-with-sys-time",
        "root",
        adds("SYS_TIME"),
        reason="PermissionDenied",
        words=["SYS_TIME", "custom", "allow_elevated"],
    ),
    Row(
        "root-with-sys-time-elevated",
        "root",
        adds("SYS_TIME"),
        ask=ALLOWED,
        injected=2,
        **{**ELEVATED, "target_ids": (0, 0)},
    ),
    Row(
        "root-with-sys-time-matched-by-custom",
        "root",
        adds("SYS_TIME"),
        ask={"custom": {"securityContext": adds("SYS_TIME")}},
        **ROOT,
    ),
    Row("privileged", "root", {"privileged": True}, reason="PermissionDenied", words=["SYS_ADMIN", "allow_elevated"]),
    Row(
        "privileged-elevated",
        "root",
        {"privileged": True},
        ask=ALLOWED,
        injected=2,
        **{**ELEVATED, "target_ids": (0, 0)},
    ),
    Row("added-capability-without-root", "65532", {**AS_NONROOT, **adds("SYS_TIME")}),
    Row("not-dumpable", **SEALED, reason="PermissionDenied", words=["not dumpable", "allow_elevated"]),
    Row("not-dumpable-elevated", **SEALED, ask=ALLOWED, injected=2, **ELEVATED),
    Row(
        "drops-without-exec",
        **BECOMES,
        reason="PermissionDenied",
        words=["not dumpable", "4321:4321", "allow_elevated"],
    ),
    Row("drops-without-exec-elevated", **BECOMES, ask=ALLOWED, injected=2, **{**ELEVATED, "target_ids": (4321, 4321)}),
    Row("elevated-by-name", "65532", AS_NONROOT, ask={"identity": "elevated"}, **ELEVATED),
    Row("odd-gid", "1234", {"runAsUser": 1234, "runAsGroup": 77}, debugger=(1234, 77), target_ids=(1234, 77)),
    Row("gid-of-the-runtime", "65532", debugger=(65532, 0), target_ids=(65532, 0)),
    Row(
        "wrong-user-by-name",
        "65532",
        AS_NONROOT,
        ask={"run_as_user": 1234, "run_as_group": 65532},
        reason="PermissionDenied",
        words=["1234:65532", "65532:65532"],
    ),
    Row("right-user-by-name", "65532", AS_NONROOT, ask={"run_as_user": 65532, "run_as_group": 65532}),
    Row("image-of-a-user", "65532", AS_NONROOT, ask=OF_A_USER),
    Row("image-of-a-user-at-root", "root", ask=OF_A_USER, injected=2, **ROOT),
    Row(
        "image-of-a-user-by-name",
        "65532",
        AS_NONROOT,
        ask={**OF_A_USER, "identity": "image"},
        reason="PermissionDenied",
        words=["1000:0", "65532:65532"],
    ),
    Row("image-of-a-user-elevated", "65532", AS_NONROOT, ask={**OF_A_USER, "identity": "elevated"}, **ELEVATED),
    Row("fs-group", "65532", AS_NONROOT, {"fsGroup": 5555}),
    Row("supplementary-groups-of-the-pod", "65532", AS_NONROOT, {"supplementalGroups": [5555, 6666]}),
    Row("pod-runs-as-non-root", "65532", pod_context={**AS_NONROOT, "runAsNonRoot": True}),
    Row(
        "pod-runs-as-non-root-elevated",
        "65532",
        pod_context={**AS_NONROOT, "runAsNonRoot": True},
        ask={"identity": "elevated"},
        **ELEVATED,
    ),
    Row("root-in-a-pod-of-others", "root", {"runAsUser": 0, "runAsGroup": 0}, AS_NONROOT, **ROOT),
    Row("user-namespace", "65532", AS_NONROOT, spec={"hostUsers": False}),
    Row("user-namespace-root", "root", spec={"hostUsers": False}, **ROOT),
    Row("host-pid", "65532", AS_NONROOT, spec={"hostPID": True}, arguments=["--fork", "3"]),
    Row("shared-processes", "65532", AS_NONROOT, spec={"shareProcessNamespace": True}, arguments=["--fork", "3"]),
    Row("forks", "65532", AS_NONROOT, arguments=["--fork", "3"]),
]


@pytest.fixture(scope="module")
def targets(kubectl: Kubectl) -> None:
    """All targets of the matrix at once: they start side by side."""
    kubectl.apply({"apiVersion": "v1", "kind": "List", "items": [row.manifest() for row in MATRIX]})


@pytest.mark.parametrize("row", MATRIX, ids=lambda row: row.target)
@pytest.mark.usefixtures("targets")
def test_the_least_debugger_that_can_read(kubectl: Kubectl, call: Play, row: Row) -> None:
    before = kubectl.wait_until_running(row.target)
    played = call("ephemeral_debug", pod=row.target, commands=['cat "$TARGET_ROOT/etc/app/config.yaml"'], **row.ask)
    if row.reason:
        assert played["reason"] == row.reason, played["msg"]
        for word in row.words:
            assert word in played["msg"] + played.failure["hint"]
        assert len(kubectl.debuggers(row.target)) == 1, "nothing is injected again that cannot read either"
        return
    assert not played.result.get("failed"), played["msg"]
    found = played.target
    assert f"flavour: {row.flavour}" in found["commands"][0]["stdout_lines"]
    assert found["root_readable"] is True
    assert found["profile"] == row.profile
    assert (found["identity"]["uid"], found["identity"]["gid"]) == row.debugger
    assert (found["target_identity"]["uid"], found["target_identity"]["gid"]) == row.target_ids
    assert found["target_identity"]["source"] == "process"
    # root that may read any file has no need of the target's groups
    assert not any("stay closed" in warning for warning in found["warnings"])
    assert (found["pid"] == 1) is not bool(row.spec.get("hostPID") or row.spec.get("shareProcessNamespace"))
    assert len(kubectl.debuggers(row.target)) == row.injected
    after = kubectl.pod(row.target)
    assert [status["restartCount"] for status in after["status"]["containerStatuses"]] == [0]
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


def test_a_group_that_only_the_image_gives_is_missing_and_said(kubectl: Kubectl, call: Play, tmp_path: Any) -> None:
    kubectl.apply(pod_manifest("grouped", f"{IMAGE}:grouped"))
    kubectl.wait_until_running("grouped")
    looked = call("ephemeral_debug", pod="grouped")
    assert looked.target["target_identity"]["missing_groups"] == [5555]
    assert any("5555" in warning for warning in looked.target["warnings"])
    fetched = call("proc_fs_fetch", pod="grouped", src=["/data/app.log", "/data/shared.log"], dest=str(tmp_path))
    assert fetched["failed"]
    states = {row["src"]: (row["status"], row["reason"]) for row in fetched["files"]}
    assert states["/data/app.log"][0] == "fetched"
    assert states["/data/shared.log"] == ("failed", "GroupNotMatched")
    assert fetched.failure["reason"] == "GroupNotMatched"
    assert "identity: elevated" in fetched.failure["hint"]
    elevated = {"identity": "elevated"}
    again = call("proc_fs_fetch", pod="grouped", src=["/data/shared.log"], dest=str(tmp_path), debug=elevated)
    assert [row["status"] for row in again["files"]] == ["fetched"], again.printed


def test_an_init_container_that_hangs_can_be_the_target(kubectl: Kubectl, call: Play) -> None:
    first = {"name": "first", "image": f"{IMAGE}:nonroot", "imagePullPolicy": "Never"}
    kubectl.apply(pod_manifest("hangs", f"{IMAGE}:root", initContainers=[first]))
    kubectl.run(
        "wait", "pod/hangs", "--for=jsonpath={.status.initContainerStatuses[0].state.running}", f"--timeout={PATIENCE}s"
    )
    looked = call("ephemeral_debug", pod="hangs", container="first", commands=['ls "$TARGET_ROOT/data/app.log"'])
    assert not looked.result.get("failed"), looked["msg"]
    assert kubectl.debuggers("hangs")[0]["targetContainerName"] == "first"
    assert call("ephemeral_debug", pod="hangs").failure["reason"] == "TargetNotRunning"


def test_a_native_sidecar_can_be_the_target(kubectl: Kubectl, call: Play) -> None:
    sidecar = {"name": "proxy", "image": f"{IMAGE}:nonroot", "imagePullPolicy": "Never", "restartPolicy": "Always"}
    kubectl.apply(pod_manifest("sidecar", f"{IMAGE}:root", initContainers=[sidecar]))
    kubectl.wait_until_running("sidecar")
    looked = call(
        "ephemeral_debug", pod="sidecar", container="proxy", commands=['cat "$TARGET_ROOT/etc/app/config.yaml"']
    )
    assert "flavour: nonroot" in looked.target["commands"][0]["stdout_lines"]
    assert looked.target["identity"]["uid"] == 65532
