# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is said of a server whose certificate is not verified, where relative places lead, and what the process that forks has when the class is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.action import role_options
from ansible_collections.incident.distroless.plugins.action.role_options import ActionModule
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.plugin_utils._options.catalog import catalog, take


def test_the_warning_names_the_server_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8S_AUTH_VERIFY_SSL", "False")
    monkeypatch.setenv("K8S_AUTH_HOST", "https://oncall:hunter2@api.shop:6443")
    (warning,) = ActionModule._unverified(object())
    assert "https://api.shop:6443 is NOT verified" in warning
    assert "hunter2" not in warning
    assert "oncall" not in warning


class _HostVars(dict[str, dict[str, Any]]):
    """Variables of hosts, of which resolved are what a template comes to: all others must not be asked for so."""

    def __init__(self, written: dict[str, dict[str, Any]], resolved: dict[str, dict[str, Any]]) -> None:
        super().__init__(resolved)
        self.raw_get = written.__getitem__


def _gathering(given: dict[str, Any], hosts: dict[str, dict[str, Any]], transport: str = "local") -> dict[str, Any]:
    action = ActionModule.__new__(ActionModule)
    action._connection, action._display = SimpleNamespace(transport=transport), SimpleNamespace(warning=print)
    owner = catalog()["pod_triage"]
    taken = take(owner, {f"pod_triage_{key}": value for key, value in given.items()}, {"cases": "", "examiner": ""})
    resolved = {name: {"ansible_debugger_context": f"resolved-{name[0]}"} for name in hosts}
    here = next(iter(hosts))
    variables = {"inventory_hostname": here, "ansible_play_batch": list(hosts), "hostvars": _HostVars(hosts, resolved)}
    return action._gathered(owner, taken, {**variables, **hosts[here]})


HOSTS = {
    f"{cluster}/shop/{pod}/app": {
        "ansible_debugger_namespace": "shop",
        "ansible_debugger_pod": pod,
        "ansible_debugger_container": "app",
        "ansible_debugger_context": "{{ a_template }}",
        "k8s_labels": "{{ 7 * 7 }}",
    }
    for cluster in ("a", "b")
    for pod in ("x", "y")
}


@pytest.fixture
def _nobody_elses_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "API_KEY", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"K8S_AUTH_{name}", raising=False)


@pytest.mark.usefixtures("_nobody_elses_cluster")
@pytest.mark.parametrize("flag", [True, "true", "yes", 1])
def test_the_hosts_of_a_play_are_gathered_by_cluster(flag: object) -> None:
    found = _gathering({"from_inventory": flag, "max_pods": "4", "case_id": "INC", "namespace": "", "pod": None}, HOSTS)
    assert list(found) == ["a/shop/x/app", "b/shop/x/app"]
    assert [entry["cluster"]["context"] for entry in found.values()] == ["resolved-a", "resolved-b"]
    assert [entry["case_id"] for entry in found.values()] == ["INC-a", "INC-b"]
    assert [[row["pod"] for row in entry["targets"]] for entry in found.values()] == [["x", "y"]] * 2


@pytest.mark.usefixtures("_nobody_elses_cluster")
def test_without_a_selection_a_host_that_is_a_pod_is_what_it_looks_at() -> None:
    ((name, entry),) = _gathering({"from_inventory": "false"}, HOSTS).items()
    assert name == "a/shop/x/app"
    assert [row["pod"] for row in entry["targets"]] == ["x"]
    assert _gathering({"namespace": "shop", "pod": "api-0"}, HOSTS) == {}
    assert _gathering({}, {"localhost": {}}) == {}


@pytest.mark.usefixtures("_nobody_elses_cluster")
@pytest.mark.parametrize(
    ("given", "transport", "sentence"),
    [
        ({"namespace": "shop"}, "local", "pod_triage_namespace: not beside pod_triage_from_inventory"),
        (
            {"targets": [{"pod": "x"}], "container": "y"},
            "local",
            "pod_triage_targets, pod_triage_container: not beside",
        ),
        ({"max_pods": 3}, "local", "4 pods, more than pod_triage_max_pods (3)"),
        ({}, "ssh", "Set connection: local"),
        ({}, "incident.distroless.debugger", "Set connection: local"),
    ],
)
def test_what_does_not_go_together_with_the_hosts_is_refused(
    given: dict[str, Any], transport: str, sentence: str
) -> None:
    with pytest.raises(Failure) as caught:
        _gathering({"from_inventory": True, **given}, HOSTS, transport)
    assert sentence in f"{caught.value.message} {caught.value.hint}"


CATALOG = catalog()
COLLECTION = Path(role_options.__file__).resolve().parents[2]


def test_with_a_playbook_of_the_collection_a_relative_place_is_the_users(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PWD", str(tmp_path))
    monkeypatch.setenv("HOME", "/home/oncall")
    owner = CATALOG["evidence_bundle"]
    given = {"evidence_bundle_dest": "mine", "evidence_bundle_collectors": ["checks", "/etc/checks", "~/checks"]}
    options = take(owner, given, {"cases": "/cases", "examiner": ""}).options
    action = ActionModule.__new__(ActionModule)
    placed = action._placed(owner, options, {"playbook_dir": str(COLLECTION / "playbooks")})
    assert placed["dest"] == str(tmp_path / "mine")
    assert placed["collectors"] == [str(tmp_path / "checks"), "/etc/checks", "/home/oncall/checks"]
    assert (placed["sign_key"], placed["analyzers"]) == ("/home/oncall/.ssh/id_ed25519", [])
    assert {name: value for name, value in placed.items() if value != options[name]}.keys() == {
        "dest",
        "collectors",
        "sign_key",
    }
    # of a playbook of one's own the tasks know where it lies
    assert action._placed(owner, options, {"playbook_dir": str(tmp_path)}) == options


# as the strategies do before they fork the worker of a role's first task
LOADED_BY_ANSIBLE = """
import sys
from ansible.plugins.loader import action_loader, filter_loader, init_plugin_loader, test_loader
init_plugin_loader([path for path in sys.path if path])
assert action_loader.get("incident.distroless.role_options", class_only=True)
before = set(sys.modules)
for loader, name in ((filter_loader, "ansible.builtin.combine"), (test_loader, "ansible.builtin.changed"),
                     (filter_loader, "incident.distroless.api_requests")):
    assert loader.get(name)
print(sorted(name for name in set(sys.modules) - before if "distroless" in name or "ansible.plugins" in name))
"""


def test_workers_are_forked_from_a_process_that_has_the_filters_of_the_tasks_that_come() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(
        [sys.executable, "-c", LOADED_BY_ANSIBLE], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.stdout == "[]\n", ended.stderr
