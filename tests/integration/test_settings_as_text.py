# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What templates, surveys, inventories and command lines hand over: text, whatever type is meant; and text as values again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .cases import run_playbook
from .conftest import Kubectl, Play, pod_manifest


@pytest.fixture(scope="module")
def app(kubectl: Kubectl) -> str:
    """A distroless app under uid 65532, with a volume that it may only read."""
    kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop"}, "data": {"currency": "EUR"}})
    kubectl.apply(
        pod_manifest(
            "api",
            "incident.test/app:nonroot",
            container={"volumeMounts": [{"name": "shop", "mountPath": "/etc/shop", "readOnly": True}]},
            volumes=[{"name": "shop", "configMap": {"name": "shop"}}],
        )
    )
    kubectl.wait_until_running("api")
    return "api"


def test_a_task_takes_text_for_any_type(kubectl: Kubectl, play: Play, app: str, tmp_path: Path) -> None:
    given = {"max_pods": "3", "wait_timeout": "60", "continue_on_error": "no", "ttl": "600", "env": '{"COLOUR": "red"}'}
    looked = play("ephemeral_debug", pod=app, name="by-task", commands="echo $COLOUR", **given)
    assert [command["stdout"] for command in looked.target["commands"]] == ["red\n"], looked["msg"]
    (debugger,) = (entry for entry in kubectl.debuggers(app) if entry["name"] == "by-task")
    assert {"name": "COLOUR", "value": "red"} in debugger["env"]
    fetched = play("proc_fs_fetch", pod=app, src="/data/app.log", dest=str(tmp_path / "home"), flat="yes", retries="1")
    assert [row["src"] for row in fetched["files"]] == ["/data/app.log"], fetched["msg"]
    assert (tmp_path / "home" / "data" / "app.log").is_file()


def test_a_role_takes_text_for_any_type(kubectl: Kubectl, app: str, tmp_path: Path) -> None:
    given = {
        "label_selectors": f"app={app}",
        "max_pods": "1",
        "keep_debugger": "false",
        "growth_seconds": "1",
        "debug": json.dumps({"name": "by-role"}),
    }
    case = run_playbook("disk_triage", tmp_path, {"namespace": kubectl.namespace, **given})
    assert case.status == 0, case.printed
    assert case.targets == [app]
    states = {entry["name"]: entry["state"] for entry in kubectl.pod(app)["status"]["ephemeralContainerStatuses"]}
    assert "terminated" in states["by-role"]


def test_what_a_command_printed_is_values_by_the_filter_of_the_collectors(
    play: Play, call: Play, app: str, tmp_path: Path
) -> None:
    looked = call("ephemeral_debug", pod=app, commands=["cat /proc/$TARGET_PID/mountinfo"])
    printed = tmp_path / "mountinfo"
    printed.write_text(looked.target["commands"][0]["stdout"], encoding="utf-8")
    parsed = f"lookup('ansible.builtin.file', '{printed}') | incident.distroless.parse('mountinfo')"
    points = f"{{{{ {parsed} | selectattr('read_only') | map(attribute='point') | join(' ') }}}}"
    told = play("ephemeral_debug", pod=app, commands=[{"argv": ["echo", points]}])
    assert "/etc/shop" in told.target["commands"][0]["stdout"].split(), told["msg"]
    assert "/data" not in told.target["commands"][0]["stdout"].split()
