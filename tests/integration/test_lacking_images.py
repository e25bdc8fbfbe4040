# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debug images that lack a tool: it is named, and nothing is concluded from what it would have said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .cases import run_playbook
from .conftest import Kubectl, Play, pod_manifest

# of all that a fetch stands on; `ls` is for what is held open
TOOLS = ("cat", "dd", "find", "ls", "readlink", "sed", "sha256sum", "stat")


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    kubectl.apply(pod_manifest("api", "incident.test/app:root"))
    kubectl.wait_until_running("api")
    return "api"


def image_without(tool: str) -> dict[str, Any]:
    return {"image": f"incident.test/debug-without-{tool}:1", "image_pull_policy": "Never"}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_fetch_names_the_tool_and_images_that_have_it(call: Play, app: str, tmp_path: Path, tool: str) -> None:
    home = tmp_path / "home"
    options: dict[str, Any] = {"src": ["/etc"], "open_deleted": tool == "ls", "dest": str(home)}
    played = call("proc_fs_fetch", pod=app, debug=image_without(tool), **options)
    reason, message, hint = (played.failure[key] for key in ("reason", "message", "hint"))
    assert (reason, message) == ("ImageLacksTool", f"The debug image lacks a working {tool}.")
    assert "busybox" in hint
    assert [path for path in home.rglob("*") if path.is_file()] == []


# what a role asks by a tool that its image lacks
BY_ROLE = [
    ("disk_triage", "find", {"biggest_files", "biggest_folders", "grows_fast", "fills_up_soon"}),
    ("process_triage", "sed", {"process_list", "undeclared_listener", "false_time"}),
]


@pytest.mark.parametrize(("role", "tool", "unknown"), BY_ROLE)
def test_a_role_passes_nothing_that_needed_it(
    kubectl: Kubectl, app: str, tmp_path: Path, role: str, tool: str, unknown: set[str]
) -> None:
    case = run_playbook(role, tmp_path, {"namespace": kubectl.namespace, "pod": app, "debug": image_without(tool)})
    found = case.findings(verdict="unknown")
    assert unknown <= {entry["analyzer"] for entry in found}, case.said()
    assert not unknown & {entry["analyzer"] for entry in case.findings(verdict="pass")}, case.said()
    assert all("the debug image lacks " in entry["message"] for entry in found), case.said()
