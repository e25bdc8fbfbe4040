# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only a copy of the crashed pod tells, and that the copy goes, however the play ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from .cases import Case, command_line, run_until_logs_are_told
from .conftest import Credentials, Kubectl, pod_manifest
from .oncall import rules_of, variables_of
from .patience import PATIENCE

APP = "incident.test/app:nonroot"
MARK = "incident.distroless/debug-copy"
# the folder is the init container's, as on a new disk, and the app keeps its trouble to itself
PREPARE = "chmod 755 /work"
# a template, if anybody took it for one
HOSTILE = "{{7*191919}}"
SILENT = "{ echo 1 > /work/state; } 2>/dev/null || exit 3; exec sleep 3600"


@pytest.fixture(scope="module")
def silent(kubectl: Kubectl) -> str:
    """An app that ends without a word, for it may not write to its volume."""
    work = [{"name": "work", "mountPath": "/work"}]
    user = {"runAsUser": 65532, "runAsGroup": 65532}
    app = {"command": ["sh", "-c", SILENT], "volumeMounts": work, "securityContext": user}
    prepare = {"name": "prepare", "image": "busybox:1.37", "command": ["sh", "-c", PREPARE], "volumeMounts": work}
    kubectl.apply(
        pod_manifest(
            "silent",
            "busybox:1.37",
            container=app,
            initContainers=[prepare],
            volumes=[{"name": "work", "emptyDir": {}}],
        )
    )
    wait_for_restart(kubectl, "silent")
    return "silent"


def wait_for_restart(kubectl: Kubectl, pod: str) -> None:
    kubectl.run(
        "wait",
        f"pod/{pod}",
        "--for=jsonpath={.status.containerStatuses[0].lastState.terminated}",
        f"--timeout={PATIENCE}s",
    )


def copies(kubectl: Kubectl) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = kubectl.json("get", "pods", "-l", MARK)["items"]
    return items


def triage(kubectl: Kubectl, folder: Path, *words: str, environment: Any = None, **variables: Any) -> Case:
    given = {"namespace": kubectl.namespace, "copy": True, **variables}
    return run_until_logs_are_told("crashloop_triage", folder, given, *words, environment=environment)


def allowed(credentials: Credentials, *, without: str = "") -> dict[str, str]:
    """The environment of somebody who may do what the two Roles of the documentation say, without one resource."""
    rules = rules_of("crashloop-role.yml", "crashloop-copy-role.yml")
    return variables_of(credentials, [rule for rule in rules if rule["resources"] != [without]])


@pytest.mark.bulk
def test_a_volume_that_the_app_cannot_write_to_is_named_though_it_says_nothing(
    kubectl: Kubectl, tmp_path: Path, silent: str, credentials: Credentials
) -> None:
    before = kubectl.pod(silent)
    case = triage(kubectl, tmp_path, pod=silent, environment=allowed(credentials))
    assert case.status == 0, case.printed
    # exit is all that the API tells
    assert {entry["analyzer"] for entry in case.findings(verdict="fail")} == {"exit", "cannot_write"}, case.said()
    assert case.findings(verdict="unknown") == [], case.said()
    found = case.finding("cannot_write")
    assert found["message"] == (
        "app ended with 3, and said nothing. Its user 65532:65532 cannot write to /work (emptyDir): "
        "it belongs to 0:0 and has mode 755."
    )
    assert "fsGroup" in found["next"]
    # what the copy showed is known of the original, and lies in its folder
    assert found["target"] == f"{kubectl.namespace}/{silent}/app"
    assert f"{kubectl.namespace}/{silent}/app/places.txt" in {entry["path"] for entry in found["evidence"]}
    case.assert_evidence(found)
    assert case.targets == [silent]
    assert "/bin/busybox is there" in case.finding("program_fits")["message"], case.said()
    made = case.finding("copy_made")["message"]
    assert "The pod does not stay up, so a copy of it was made, silent-triage-" in made
    assert "The init containers ran once more: prepare." in made
    assert "such a volume starts empty in the copy" in made
    assert "making the copy silent-triage-" in case.printed
    assert copies(kubectl) == []
    after = kubectl.pod(silent)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"] == before["spec"]


def test_what_runs_the_program_is_named_and_a_pod_that_runs_is_left_in_peace(kubectl: Kubectl, tmp_path: Path) -> None:
    script = {
        "data": {"lost": f"#!/bin/{HOSTILE}\n"},
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": "script"},
    }
    kubectl.apply(script)
    lost = pod_manifest(
        "lost",
        APP,
        container={"command": ["/scripts/lost"], "volumeMounts": [{"name": "script", "mountPath": "/scripts"}]},
        volumes=[{"name": "script", "configMap": {"name": "script", "defaultMode": 0o755}}],
    )
    done = pod_manifest("done", APP, container={"args": ["--exit-after", "1ms"]}, restartPolicy="Never")
    hostile = pod_manifest("hostile", APP, container={"command": [f"/{HOSTILE}"]})
    for manifest in (lost, done, hostile, pod_manifest("fine", APP)):
        kubectl.apply(manifest)
    kubectl.wait_until_running("fine")
    wait_for_restart(kubectl, "lost")
    kubectl.run("wait", "pod/done", "--for=jsonpath={.status.phase}=Succeeded", f"--timeout={PATIENCE}s")
    wait_for_restart(kubectl, "hostile")
    names = ("lost", "done", "hostile", "fine")
    # a selector would leave the finished one out
    targets = [{"namespace": kubectl.namespace, "pod": name, "container": "app"} for name in names]
    case = triage(kubectl, tmp_path, targets=targets)
    assert case.status == 0, case.printed
    assert case.targets == sorted(names)
    assert case.findings(verdict="unknown") == [], case.said()
    assert case.finding("program_interpreter")["message"] == f"/scripts/lost needs /bin/{HOSTILE}, which is not there."
    assert case.finding("program_missing")["message"] == (
        f"app is to run /{HOSTILE}, which is not there, neither in its image nor on its volumes."
    )
    assert "1343433" not in case.printed
    made = {entry["target"].split("/")[1]: entry["message"] for entry in case.findings("copy_made")}
    assert made.keys() == {"lost", "done", "hostile"}
    assert "The pod does not stay up" in made["lost"]
    assert "The pod has finished" in made["done"]
    assert "which program the image starts: it was not looked at" in made["done"]
    assert kubectl.debuggers("fine") == []
    assert copies(kubectl) == []


def test_the_copy_is_gone_after_a_run_that_fails_half_way(
    kubectl: Kubectl, tmp_path: Path, silent: str, credentials: Credentials
) -> None:
    case = triage(kubectl, tmp_path, pod=silent, environment=allowed(credentials, without="pods/exec"))
    assert "making the copy silent-triage-" in case.printed
    assert "RbacDenied" in case.finding("copy_failed", verdict="unknown")["message"], case.said()
    # what the API said is judged all the same
    assert case.finding("exit")["verdict"] == "fail"
    assert case.findings("cannot_write") == []
    assert copies(kubectl) == []


@pytest.mark.bulk
def test_check_mode_says_what_it_would_copy_and_a_killed_play_leaves_a_copy_that_ends_by_itself(
    kubectl: Kubectl, tmp_path: Path, silent: str
) -> None:
    would = triage(kubectl, tmp_path, "--check", pod=silent)
    assert would.status == 0, would.printed
    assert "would make the copy silent-triage-" in would.printed
    assert not would.folder.exists()
    assert copies(kubectl) == []
    checks = tmp_path / "checks"
    checks.mkdir()
    (checks / "slow.yml").write_text("collectors: [{name: slow, volatility: 1, command: sleep 50}]")
    given = {"namespace": kubectl.namespace, "pod": silent, "copy": True, "copy_ttl": 77, "collectors": [str(checks)]}
    command, environment = command_line("crashloop_triage", tmp_path, given)
    quiet = subprocess.DEVNULL
    running = subprocess.Popen(
        command, env=environment, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
    )
    try:
        deadline = time.monotonic() + PATIENCE
        while not any(copy["status"].get("ephemeralContainerStatuses") for copy in copies(kubectl)):
            assert time.monotonic() < deadline
            assert running.poll() is None
            time.sleep(0.3)
    finally:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    (copy,) = copies(kubectl)
    assert copy["spec"]["activeDeadlineSeconds"] == 77
    kubectl.run("delete", "pod", copy["metadata"]["name"], "--wait=false")
