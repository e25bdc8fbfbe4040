# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person sees on a terminal while a task runs, and what a pipe, a log or a machine does not."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import STATE, Kubectl, pod_manifest
from .patience import PATIENCE

# what a callback for machines does: all of a run is one JSON object
JSON_CALLBACK = """\
DOCUMENTATION = '''
name: json
type: stdout
short_description: JSON
description: JSON.
'''
import json
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_TYPE, CALLBACK_NAME = 2.0, "stdout", "json"
    tasks = []

    def v2_runner_on_ok(self, result):
        self.tasks.append(str(result))

    def v2_playbook_on_stats(self, stats):
        self._display.display(json.dumps({"tasks": len(self.tasks)}))
"""


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532."""
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    return "api"


def book(folder: Path, namespace: str, **options: Any) -> Path:
    """A playbook of one task that injects, waits and runs a command."""
    task = {"incident.distroless.ephemeral_debug": {"namespace": namespace, **options}}
    path = folder / "play.yml"
    path.write_text(
        yaml.safe_dump([{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}])
    )
    return path


def environment(**more: str) -> Mapping[str, str]:
    return {
        **os.environ,
        "K8S_AUTH_KUBECONFIG": os.environ.get("KUBECONFIG", str(STATE / "kubeconfig")),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        **more,
    }


def on_a_terminal(playbook: Path, see: Callable[[str], None] = print, **variables: str) -> list[str]:
    """The lines that ansible-playbook prints on a terminal of its own; `see` gets each when it comes."""
    leader, follower = pty.openpty()
    with subprocess.Popen(
        ["ansible-playbook", str(playbook)],
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
        env=environment(**variables),
        start_new_session=True,
    ) as process:
        os.close(follower)
        lines: list[str] = []
        rest = b""
        while True:
            try:
                chunk = os.read(leader, 65536)
            except OSError:
                # the last one that had the terminal open is gone
                break
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                lines.append(line.decode().rstrip("\r"))
                see(lines[-1])
        os.close(leader)
    assert process.returncode == 0, "\n".join(lines)
    return lines


def test_a_terminal_shows_each_step_of_each_pod_as_it_happens(kubectl: Kubectl, app: str, tmp_path: Path) -> None:
    command = {"cmd": "until [ -e /tmp/seen ]; do sleep 0.1; done", "name": "long \x1b[31m", "timeout": 240}

    def see(line: str) -> None:
        # shown when it happens, and not when all is over: the command ends only because its beginning was seen
        if line.endswith(r"commands[0] (long \x1b[31m) runs"):
            kubectl.run("exec", app, "-c", "seen", "--", "touch", "/tmp/seen")

    lines = on_a_terminal(book(tmp_path, kubectl.namespace, pod=app, name="seen", commands=[command]), see)
    steps = [line.partition(": ")[2] for line in lines if line.startswith(f"{kubectl.namespace}/api/app:")]
    assert steps[0].startswith("injecting seen (")
    assert "seen runs, looking at the target" in steps
    begun, done = (next(step for step in steps if step.endswith(end)) for end in (" runs", " s"))
    assert begun == r"commands[0] (long \x1b[31m) runs"
    assert r"(long \x1b[31m): rc 0 after" in done


def test_a_pipe_sees_nothing_of_it(kubectl: Kubectl, app: str, tmp_path: Path) -> None:
    playbook = book(tmp_path, kubectl.namespace, pod=app, name="piped", commands=["true"])
    done = subprocess.run(
        ["ansible-playbook", str(playbook)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert "changed=1" in done.stdout
    assert "looking at the target" not in done.stdout + done.stderr


def test_a_callback_for_machines_prints_nothing_else_on_a_terminal(kubectl: Kubectl, app: str, tmp_path: Path) -> None:
    callbacks = tmp_path / "callbacks"
    callbacks.mkdir()
    (callbacks / "json.py").write_text(JSON_CALLBACK)
    playbook = book(tmp_path, kubectl.namespace, pod=app, name="parsed", commands=["true"])
    variables = {"ANSIBLE_STDOUT_CALLBACK": "json", "ANSIBLE_CALLBACK_PLUGINS": str(callbacks)}
    lines = on_a_terminal(playbook, **variables)
    assert json.loads("".join(lines)) == {"tasks": 1}


def test_a_task_in_the_background_is_silent(kubectl: Kubectl, app: str, tmp_path: Path) -> None:
    path = book(tmp_path, kubectl.namespace, pod=app, name="aside", commands=["true"])
    (play,) = yaml.safe_load(path.read_text())
    play["tasks"][0] |= {"async": 60, "poll": 1}
    path.write_text(yaml.safe_dump([play]))
    lines = on_a_terminal(path)
    assert any("changed=1" in line for line in lines)
    assert not any("looking at the target" in line for line in lines)
