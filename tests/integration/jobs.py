# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jobs as AWX runs them: by ansible-runner, in a folder of their own, with an inventory that was stored, or a slice of it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.unit.support.awx import extra_vars

from .conftest import CHECKOUT, Automation
from .patience import PATIENCE

PROJECT = CHECKOUT / "extensions" / "awx_project"
# what a job has of AWX's inventory localhost
LOCALHOST = {
    "localhost": {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
}
Stored = Mapping[str, Mapping[str, Any]]


def cut(stored: Stored, number: int, count: int) -> Stored:
    """Return the slice that AWX gives a job, of a stored inventory (Inventory.get_script_data): by name, every count-th host."""
    return {name: stored[name] for name in sorted(stored)[number - 1 :: count]}


def as_script(stored: Stored, path: Path) -> Path:
    """Write the inventory as AWX hands it to a job: a program that prints it."""
    told = {"all": {"hosts": list(stored)}, "_meta": {"hostvars": stored}}
    path.write_text(f"#!/bin/sh\ncat <<'END-OF-HOSTS'\n{json.dumps(told)}\nEND-OF-HOSTS\n", encoding="utf-8")
    path.chmod(0o700)
    return path


@dataclass(frozen=True, slots=True)
class Job:
    """What ansible-runner tells AWX of a job: how it ended, its events, and the artifacts that the next job gets."""

    status: str
    events: Sequence[dict[str, Any]]
    printed: str

    @property
    def artifacts(self) -> dict[str, Any]:
        (last,) = (event for event in self.events if event["event"] == "playbook_on_stats")
        found: dict[str, Any] = last["event_data"]["artifact_data"]
        return found


def run_job(
    folder: Path,
    automation: Automation,
    installed: Path,
    playbook: str,
    environment: Mapping[str, str],
    stored: Stored = LOCALHOST,
    **answers: str | int,
) -> Job:
    """Runs a playbook of the project as AWX does: in a folder of its own, by ansible-runner, the cluster in variables only."""
    shutil.copytree(PROJECT, folder / "project")
    # where AWX puts what collections/requirements.yml asks for
    shutil.copytree(installed / "ansible_collections", folder / "requirements_collections" / "ansible_collections")
    (folder / "inventory").mkdir()
    as_script(stored, folder / "inventory" / "hosts")
    (folder / "env").mkdir()
    (folder / "env" / "extravars").write_text(extra_vars(answers), encoding="utf-8")
    (folder / "env" / "envvars").write_text(
        yaml.safe_dump({"ANSIBLE_COLLECTIONS_PATH": str(folder / "requirements_collections"), **environment})
    )
    around = automation.environment(ANSIBLE_NOCOLOR="true", HOME=str(folder))
    for name in ("ANSIBLE_COLLECTIONS_PATH", "KUBECONFIG", "K8S_AUTH_KUBECONFIG"):
        around.pop(name, None)
    done = subprocess.run(
        ["ansible-runner", "run", folder, "--playbook", playbook, "--ident", "job"],
        env=around,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    job = folder / "artifacts" / "job"
    status = (job / "status").read_text(encoding="utf-8")
    events = [json.loads(path.read_text(encoding="utf-8")) for path in (job / "job_events").glob("*.json")]
    return Job(status, sorted(events, key=lambda event: event["counter"]), done.stdout + done.stderr)
