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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.support.local_processes import is_there

from .conftest import ACTIONS, STATE, Kubectl, Play, bulk, pod_manifest


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


def task_process(controller: int, way: str) -> int | None:
    """The process that works on the task: a child of a worker of the controller, or below it a module's own Python."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            pid = int(folder.name)
            words = (folder / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            is_module = words[-1].endswith(b"AnsiballZ_ephemeral_debug.py") and b"python" in words[0]
            if controller in ancestors(pid)[1:] and is_module is (way == "module"):
                return pid
    return None


def ancestors(pid: int) -> list[int]:
    """The parent of a process, its parent, and so on."""
    found: list[int] = []
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        found.append(pid)
    return found


def marked(mark: str) -> list[int]:
    """The processes with this mark in their environment."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes() and is_there(int(folder.name)):
                found.append(int(folder.name))
    return found


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


@dataclass(frozen=True, slots=True)
class Started:
    """A controller whose only task waits, the process that works on that task, and what all of its processes are known by."""

    controller: subprocess.Popen[str]
    worker: int
    mark: str


@contextmanager
def started(kubectl: Kubectl, options: Mapping[str, Any], way: str, words: Sequence[str] = ()) -> Iterator[Started]:
    """A task that runs as a child or as a module, and waits for what `options` make it wait for."""
    mark = uuid.uuid4().hex
    given = {"namespace": kubectl.namespace, "wait_timeout": 900, "name": mark[-8:], **options}
    environment = {
        **os.environ,
        "K8S_AUTH_KUBECONFIG": os.environ.get("KUBECONFIG", str(STATE / "kubeconfig")),
        "INCIDENT_DISTROLESS_IN_PROCESS": "yes" if way == "child" else "no",
        "ANSIBLE_ACTION_PLUGINS": ACTIONS,
        "MARK": mark,
    }
    controller = subprocess.Popen(
        words or ["ansible", "localhost", "-m", "incident.distroless.ephemeral_debug", "-a", json.dumps(given)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    try:
        pid = until(lambda: task_process(controller.pid, way), PATIENCE)
        assert pid, "the task never started"
        wait = "a command" if "commands" in given else "an image"
        assert until(lambda: is_waiting(kubectl, given["pod"], given["name"], wait), PATIENCE), "it never came to wait"
        assert is_there(pid), controller.communicate()[0]
        yield Started(controller, pid, mark)
    finally:
        for left in marked(mark):
            with suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        controller.wait()


def assert_that_nothing_waits_in(app: str, call: Play) -> None:
    looked = call("ephemeral_debug", pod=app, commands=["cat /proc/[0-9]*/cmdline | tr '\\0' ' '"])
    assert "sleep 31234" not in looked.target["commands"][0]["stdout"]


@pytest.mark.parametrize(
    ("way", "wait"),
    [bulk("child", "an image that cannot be pulled"), ("child", "a command"), ("module", "a command")],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupted", "killed"])
def test_a_task_that_is_told_to_end_does_not_wait_any_longer(
    kubectl: Kubectl, app: str, call: Play, number: signal.Signals, way: str, wait: str
) -> None:
    with started(kubectl, {"pod": app, **WAITS[wait]}, way) as task:
        begun = time.monotonic()
        os.kill(task.worker, number)
        assert until(lambda: not is_there(task.worker), PATIENCE), (
            f"still there {time.monotonic() - begun:.1f} s after {number.name}"
        )
        printed, _nothing = task.controller.communicate(timeout=PATIENCE)
        print(f"{number.name}: gone after {time.monotonic() - begun:.2f} s")
        assert task.controller.returncode != 0
        assert "Traceback" not in printed
        if way == "child":
            assert ("Interrupted." if number == signal.SIGINT else "was killed by SIGTERM") in printed
    if wait == "a command":
        assert_that_nothing_waits_in(app, call)


@pytest.mark.parametrize("way", ["child", "module"])
def test_an_interrupted_play_leaves_nothing_here_or_there(kubectl: Kubectl, app: str, call: Play, way: str) -> None:
    with started(kubectl, {"pod": app, **WAITS["a command"]}, way) as task:
        # as a terminal does it for Ctrl-C
        os.killpg(task.controller.pid, signal.SIGINT)
        task.controller.communicate(timeout=PATIENCE)
        assert task.controller.returncode != 0
        assert until(lambda: not marked(task.mark), PATIENCE)
    assert_that_nothing_waits_in(app, call)


def test_a_child_ends_with_its_worker(kubectl: Kubectl, app: str, call: Play) -> None:
    with started(kubectl, {"pod": app, **WAITS["a command"]}, "child") as task:
        os.kill(ancestors(task.worker)[0], signal.SIGKILL)
        assert until(lambda: not is_there(task.worker), PATIENCE)
    assert_that_nothing_waits_in(app, call)


def test_a_child_that_is_killed_is_a_failure_that_is_rescued(kubectl: Kubectl, app: str, tmp_path: Path) -> None:
    result, book = tmp_path / "result.json", tmp_path / "play.yml"
    options = {"namespace": kubectl.namespace, "pod": app, "name": "rescued", **WAITS["a command"]}
    save = {"save_result": {"content": "{{ ansible_failed_result | to_json }}", "dest": str(result)}}
    tasks = [{"block": [{"incident.distroless.ephemeral_debug": options}], "rescue": [save]}]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    book.write_text(yaml.safe_dump([play]))
    with started(kubectl, options, "child", ["ansible-playbook", str(book)]) as task:
        os.kill(task.worker, signal.SIGKILL)
        printed, _nothing = task.controller.communicate(timeout=PATIENCE)
        assert task.controller.returncode == 0, printed
    failed = json.loads(result.read_text(encoding="utf-8"))
    assert (failed["failed"], failed["changed"], failed["targets"]) == (True, False, [])
    assert failed["reason"] == "TaskKilled"
    assert "was killed by SIGKILL" in failed["msg"]
    (row,) = failed["failed_targets"]
    assert (row["namespace"], row["pod"], row["reason"]) == (kubectl.namespace, app, "TaskKilled")
