# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode on the real cluster: whatever runs or ran before, the pod's spec stays as it was."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest

from .conftest import Kubectl, Play, pod_manifest
from .patience import PATIENCE

APP = "incident.test/app:nonroot"
NEEDED = "1 debugger would be injected; listing the files needs the debugger"


@pytest.fixture
def app(kubectl: Kubectl) -> str:
    """A distroless app of each test's own, under uid 65532."""
    name = f"checked-{uuid.uuid4().hex[:6]}"
    kubectl.apply(pod_manifest(name, APP))
    kubectl.wait_until_running(name)
    return name


def names(kubectl: Kubectl, pod: str) -> set[str]:
    return {entry["name"] for entry in kubectl.debuggers(pod)}


def wait_for_state(kubectl: Kubectl, pod: str, debugger: str, state: str) -> None:
    """Returns when the kubelet reports that state of a debugger."""
    path = f'{{.status.ephemeralContainerStatuses[?(@.name=="{debugger}")].state.{state}}}'
    until = time.monotonic() + PATIENCE
    while not kubectl.text("get", "pod", pod, "-o", f"jsonpath={path}"):
        assert time.monotonic() < until, f"{debugger} is not {state}"
        time.sleep(0.2)


def test_a_running_debugger_that_cannot_read_gets_none_beside_it(
    kubectl: Kubectl, call: Play, app: str, tmp_path: Path
) -> None:
    call("ephemeral_debug", pod=app, identity="image", name="rootone", wait=False)
    wait_for_state(kubectl, app, "rootone", "running")
    asked = call("proc_fs_fetch", pod=app, src=["/etc/passwd"], dest=str(tmp_path / "home"), check=True)
    assert NEEDED in asked["msg"], asked.result
    assert (asked["changed"], asked.target["reused"]) == (True, False)
    assert names(kubectl, app) == {"rootone"}
    call("proc_fs_fetch", pod=app, src=["/etc/passwd"], dest=str(tmp_path / "home"))
    assert names(kubectl, app) == {"rootone", asked.target["debugger"]}


def test_a_debugger_of_an_earlier_result_that_has_ended_is_not_added_again(
    kubectl: Kubectl, call: Play, app: str, tmp_path: Path
) -> None:
    first = call("ephemeral_debug", pod=app, name="short", ttl=3, wait=False)
    call("ephemeral_debug", pod=app, name="long")
    wait_for_state(kubectl, app, "short", "terminated")
    given = {"targets": first["targets"], "src": ["/etc/passwd"], "dest": str(tmp_path / "home")}
    asked = call("proc_fs_fetch", **given, check=True)
    assert NEEDED in asked["msg"], asked.result
    assert asked.target["debugger"] == "short-2"
    assert names(kubectl, app) == {"short", "long"}


def test_the_debugger_of_an_earlier_result_is_named_by_check_mode_and_without_waiting(
    kubectl: Kubectl, call: Play, app: str
) -> None:
    first = call("ephemeral_debug", pod=app, name="gen", profile="general")
    asked = call("ephemeral_debug", targets=first["targets"], check=True)
    unseen = call("ephemeral_debug", targets=first["targets"], wait=False)
    again = call("ephemeral_debug", targets=first["targets"])
    for played in (asked, unseen, again):
        assert (played["changed"], played.target["reused"], played.target["debugger"]) == (False, True, "gen")
    assert names(kubectl, app) == {"gen"}
