# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the actions do on the controller: files as the author of a playbook means them, and tasks in the background."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ACTIONS, STATE, Kubectl, bulk, pod_manifest
from .patience import PATIENCE

# a connection that is not the controller's own, as far as an action can see
ELSEWHERE = """\
DOCUMENTATION = '''
name: elsewhere
short_description: another host
description: Another host.
author: nobody
'''
from ansible.plugins.connection.local import Connection as Local


class Connection(Local):
    transport = "elsewhere"
"""


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532."""
    kubectl.apply(pod_manifest("api", "incident.test/app:nonroot"))
    kubectl.wait_until_running("api")
    return "api"


@dataclass(frozen=True, slots=True)
class Project:
    """A playbook's directory; it is run from elsewhere and without any other kubeconfig."""

    folder: Path
    namespace: str

    def put_kubeconfig(self, place: str) -> Path:
        """The cluster's kubeconfig at a place of the project."""
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Path(os.environ.get("KUBECONFIG", STATE / "kubeconfig")).read_text())
        return path

    def encrypt(self, path: Path) -> None:
        """Puts a file into a vault."""
        password = self.folder / "password"
        password.write_text("open sesame")
        subprocess.run(
            ["ansible-vault", "encrypt", "--vault-password-file", str(password), str(path)],
            check=True,
            capture_output=True,
        )

    def run(self, module: str, options: Mapping[str, Any], **keywords: Any) -> dict[str, Any]:
        """Runs one task and gives its registered result; keywords are the task's own."""
        task = {f"incident.distroless.{module}": dict(options), **keywords}
        return self.play([{**task, "register": "outcome", "ignore_errors": True}])

    def play(self, tasks: list[dict[str, Any]], **keywords: Any) -> dict[str, Any]:
        """Runs a play whose tasks register outcome."""
        result = self.folder.parent / "result.json"
        result.unlink(missing_ok=True)
        save = {"save_result": {"content": "{{ outcome | to_json }}", "dest": str(result)}, "no_log": True}
        defaults = {"group/incident.distroless.k8s": {"namespace": self.namespace}}
        python = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": python}
        book = self.folder / "play.yml"
        book.write_text(yaml.safe_dump([{**play, "module_defaults": defaults, "tasks": [*tasks, save], **keywords}]))
        password = self.folder / "password"
        environment = {
            **os.environ,
            "KUBECONFIG": "/dev/null",
            "ANSIBLE_ACTION_PLUGINS": ACTIONS,
            "ANSIBLE_CONNECTION_PLUGINS": str(self.folder / "connections"),
            **({"ANSIBLE_VAULT_PASSWORD_FILE": str(password)} if password.exists() else {}),
        }
        environment.pop("K8S_AUTH_KUBECONFIG", None)
        done = subprocess.run(
            ["ansible-playbook", "-i", "localhost,", str(book)],
            cwd=self.folder.parent,
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
        )
        assert result.is_file(), done.stdout + done.stderr
        outcome: dict[str, Any] = json.loads(result.read_text())
        return outcome


@pytest.fixture
def project(tmp_path: Path, kubectl: Kubectl) -> Project:
    folder = tmp_path / "project"
    (folder / "connections").mkdir(parents=True)
    (folder / "connections" / "elsewhere.py").write_text(ELSEWHERE)
    return Project(folder, kubectl.namespace)


@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "vault"])
def test_a_kubeconfig_is_found_in_files_and_decrypted(project: Project, app: str, is_encrypted: bool) -> None:
    path = project.put_kubeconfig("files/cluster.conf")
    if is_encrypted:
        project.encrypt(path)
    outcome = project.run("ephemeral_debug", {"pod": app, "kubeconfig": "cluster.conf"})
    assert outcome["targets"][0]["root_readable"], outcome


def test_a_kubeconfig_is_found_in_the_files_of_a_role(project: Project, app: str) -> None:
    project.put_kubeconfig("roles/look/files/cluster.conf")
    tasks = project.folder / "roles/look/tasks/main.yml"
    tasks.parent.mkdir()
    options = {"pod": app, "kubeconfig": "cluster.conf"}
    tasks.write_text(yaml.safe_dump([{"incident.distroless.ephemeral_debug": options, "register": "outcome"}]))
    assert project.play([], roles=["look"])["targets"][0]["root_readable"]


def test_a_kubeconfig_that_is_not_there_is_said_with_the_keys_of_any_failure(project: Project, app: str) -> None:
    outcome = project.run("proc_fs_fetch", {"pod": app, "src": ["/x"], "dest": "x", "kubeconfig": "cluster.conf"})
    assert outcome["failed"]
    assert outcome["reason"] == "InvalidRequest"
    assert "cluster.conf" in outcome["msg"]
    assert outcome["failed_targets"][0]["pod"] == app


def test_a_relative_dest_is_below_the_playbooks_directory(project: Project, app: str) -> None:
    kubeconfig = str(project.put_kubeconfig("cluster.conf"))
    commands = ["true", {"cmd": "echo here", "dest": "./home/out.txt"}]
    project.run("ephemeral_debug", {"pod": app, "kubeconfig": kubeconfig, "commands": commands})
    assert (project.folder / "home/out.txt").read_text() == "here\n"
    options = {"pod": app, "kubeconfig": kubeconfig, "src": ["/data/app.log"], "dest": "evidence", "flat": True}
    outcome = project.run("proc_fs_fetch", options)
    assert outcome["manifests"] == [str(project.folder / "evidence/.manifest.json")]


@pytest.mark.parametrize("is_encrypted", [bulk(False), True], ids=["plain", "vault"])
def test_a_task_runs_in_the_background(project: Project, app: str, is_encrypted: bool) -> None:
    path = project.put_kubeconfig("files/cluster.conf")
    if is_encrypted:
        project.encrypt(path)
    options = {"pod": app, "kubeconfig": "cluster.conf", "commands": ["sleep 1; echo done"]}
    start = {"incident.distroless.ephemeral_debug": options, "async": 600, "poll": 0, "register": "job"}
    wait = {
        "ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"},
        "register": "outcome",
        "until": "outcome.finished",
        "retries": 300,
        "delay": 1,
    }
    outcome = project.play([start, wait])
    assert outcome["targets"][0]["commands"][0]["stdout"] == "done\n"


def test_on_another_host_paths_are_that_hosts_own(project: Project, app: str) -> None:
    kubeconfig = str(project.put_kubeconfig("cluster.conf"))
    commands = [{"cmd": "echo there", "dest": "there.txt"}]
    options = {"pod": app, "kubeconfig": kubeconfig, "commands": commands}
    outcome = project.run("ephemeral_debug", options, connection="elsewhere")
    # a module's working directory on that host, which here is where the playbook was started
    assert outcome["targets"][0]["commands"][0]["dest"] == str(project.folder.parent / "there.txt")
    lost = project.run("ephemeral_debug", {"pod": app, "kubeconfig": "cluster.conf"}, connection="elsewhere")
    assert lost["failed"]
