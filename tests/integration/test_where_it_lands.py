# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the collection's own playbooks write when they are not told: where the user is, never into the installed collection."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from .conftest import STATE, Kubectl, pod_manifest
from .patience import PATIENCE


def run_in(folder: Path, playbook: str, given: dict[str, Any]) -> None:
    done = subprocess.run(
        ["ansible-playbook", f"incident.distroless.{playbook}", "--extra-vars", json.dumps(given)],
        capture_output=True,
        text=True,
        # a shell sets PWD
        env={**os.environ, "PWD": str(folder), "K8S_AUTH_KUBECONFIG": str(STATE / "kubeconfig")},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_files_and_cases_land_where_the_user_is(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.apply(pod_manifest("here", "incident.test/app:nonroot"))
    kubectl.wait_until_running("here")
    given = {"in_namespace": kubectl.namespace, "pod": "here", "src": ["/data/app.log"]}
    run_in(tmp_path, "fetch_files", given)
    assert (tmp_path / "evidence" / kubectl.namespace / "here/app/data/app.log").is_file()
    by_name = {"fetch_files_field_selectors": "metadata.name=here", "fetch_files_max_pods": "1"}
    ours = {"fetch_files_debug": json.dumps({"name": "ours"})}
    run_in(tmp_path, "fetch_files", {**given, "pod": "", "dest": "mine", **by_name, **ours})
    assert (tmp_path / "mine" / kubectl.namespace / "here/app/data/app.log").is_file()
    assert "ours" in [entry["name"] for entry in kubectl.debuggers("here")]
    about = {"crashloop_triage_namespace": kubectl.namespace, "crashloop_triage_pod": "here"}
    run_in(tmp_path, "crashloop_triage", {**about, "crashloop_triage_case_id": "one"})
    assert (tmp_path / "cases/one/report.html").is_file()
