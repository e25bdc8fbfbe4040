# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A job that is interrupted or killed ends at once, here and in the pod."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from .conftest import STATE, Kubectl, Play, pod_manifest


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532."""
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    return "api"


# far less than it would wait without being told to end
PATIENCE = 240


def until(what: Callable[[], Any], seconds: float) -> Any:
    """The first true answer, or the last one when the time is over."""
    end = time.monotonic() + seconds
    while not (answer := what()) and time.monotonic() < end:
        time.sleep(0.02)
    return answer


def module_process(mark: str) -> int | None:
    """The process of the module that the controller with this mark in its environment started."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            is_module = words[-1].endswith(b"AnsiballZ_ephemeral_debug.py") and b"python" in words[0]
            if is_module and mark.encode() in (folder / "environ").read_bytes():
                return int(folder.name)
    return None


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def is_waiting(kubectl: Kubectl, pod: str, debugger: str, wait: str) -> bool:
    """Whether what the module waits for has begun: the kubelet asks for the image, or the command runs on this node."""
    if wait == "a command":
        return any(runs(folder, b"sleep\x0031234\0") for folder in Path("/proc").glob("[0-9]*"))
    statuses = kubectl.pod(pod)["status"].get("ephemeralContainerStatuses") or []
    return any(status["name"] == debugger and "waiting" in status["state"] for status in statuses)


def runs(folder: Path, command: bytes) -> bool:
    try:
        return (folder / "cmdline").read_bytes() == command
    except OSError:
        return False


WAITS = {
    "an image that cannot be pulled": {"image": "registry.invalid/never:1", "image_pull_policy": "Always"},
    "a command": {"commands": [{"cmd": "sleep 31234", "timeout": 900}]},
}


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupted", "killed"])
def test_a_module_that_is_told_to_end_does_not_wait_any_longer(
    kubectl: Kubectl, app: str, call: Play, number: signal.Signals, wait: str
) -> None:
    mark = f"MARK={uuid.uuid4().hex}"
    options = {"namespace": kubectl.namespace, "pod": app, "wait_timeout": 900, "name": mark[-8:], **WAITS[wait]}
    environment = {
        **os.environ,
        "K8S_AUTH_KUBECONFIG": os.environ.get("KUBECONFIG", str(STATE / "kubeconfig")),
        "MARK": mark.partition("=")[2],
    }
    controller = subprocess.Popen(
        ["ansible", "localhost", "-m", "incident.distroless.ephemeral_debug", "-a", json.dumps(options)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    try:
        pid = until(lambda: module_process(mark), PATIENCE)
        assert pid, "the module never started"
        assert until(lambda: is_waiting(kubectl, app, options["name"], wait), PATIENCE), "it never came to wait"
        assert is_alive(pid), controller.communicate()[0]
        begun = time.monotonic()
        os.kill(pid, number)
        assert until(lambda: not is_alive(pid), PATIENCE), (
            f"still there {time.monotonic() - begun:.1f} s after {number.name}"
        )
        printed, _nothing = controller.communicate(timeout=PATIENCE)
        print(f"{number.name}: gone after {time.monotonic() - begun:.2f} s")
        assert controller.returncode != 0
        assert "Traceback" not in printed
    finally:
        with suppress(ProcessLookupError):
            os.killpg(controller.pid, signal.SIGKILL)
        controller.wait()
    if wait == "a command":
        looked = call("ephemeral_debug", pod=app, commands=["cat /proc/[0-9]*/cmdline | tr '\\0' ' '"])
        assert "sleep 31234" not in looked.target["commands"][0]["stdout"]
