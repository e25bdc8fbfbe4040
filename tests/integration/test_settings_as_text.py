# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What templates, surveys, inventories and command lines hand over: text, whatever type is meant; and text as values again."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog import catalog

from tests.unit.support.awx import extra_vars

from .cases import run_playbook
from .conftest import Kubectl, Play, as_user, pod_manifest
from .patience import PATIENCE


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
        "requests_per_second": "50",
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


# what each role is asked by a job of AWX beside its pod: a reason that looks like something else, as each core then has it
REASONS = {
    "crashloop_triage": ("4711", "4711"),
    "disk_triage": ("12:30:00", "45000"),
    "evidence_bundle": ("0x10", "16"),
    "network_triage": ("2026-11-29", "2026-11-29"),
    # a fact that was called so by itself became a boolean before 2.19
    "process_triage": ("true", "true"),
    "quarantine": ("no", "false"),
}
# of a pod that is called so
NUMBER = "4711"


@pytest.mark.bulk
def test_each_role_takes_what_awx_makes_of_answers(kubectl: Kubectl, tmp_path: Path) -> None:
    """Unanswered questions are empty or null, and texts that look like numbers, times and dates are numbers, times and dates."""
    kubectl.apply(pod_manifest(NUMBER, "incident.test/app:nonroot"))
    kubectl.wait_until_running(NUMBER)
    answers: dict[str, Any] = {}
    for number, (role, (reason, _then)) in enumerate(REASONS.items()):
        names = (option.name for option in catalog()[role].options)
        answers |= {f"{role}_{name}": "" if index % 2 else None for index, name in enumerate(names)}
        given = {"namespace": kubectl.namespace, "pod": NUMBER, "dest": str(tmp_path), "case_id": str(100 + number)}
        answers |= {f"{role}_{name}": value for name, value in {**given, "reason": reason, "examiner": NUMBER}.items()}
    answers |= {"network_triage_tls_ports": "8443", "process_triage_indicators": '{"names":["xmrig"]}'}
    (tmp_path / "extravars").write_text(extra_vars(answers), encoding="utf-8")
    book = tmp_path / "job.yml"
    book.write_text(yaml.safe_dump([{"import_playbook": f"incident.distroless.{role}"} for role in REASONS]))
    command = ["ansible-playbook", str(book), "--extra-vars", f"@{tmp_path / 'extravars'}"]
    done = subprocess.run(command, env=as_user(), capture_output=True, text=True, timeout=PATIENCE, check=False)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    for number, (role, words) in enumerate(REASONS.items()):
        case = json.loads((tmp_path / str(100 + number) / "findings.json").read_text(encoding="utf-8"))
        assert [target["pod"] for target in case["targets"]] == [NUMBER], role
        assert (case["reason"], case["examiner"]) in {(word, NUMBER) for word in words}, role
        if role == "process_triage":
            said = {row["analyzer"]: row["message"] for row in case["findings"]}
            assert "Names given: 1." in said["indicator_name"]
