# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts of a stored inventory are the pods that pod_triage looks at: all in one look, each alone, or in slices of a job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import STATE, Automation, Credentials, Kubectl, pod_manifest
from .jobs import Stored, as_script, cut, run_job
from .oncall import rules_of
from .test_inventory import run, write

PODS, SLICES = 12, 4


@dataclass(frozen=True, slots=True)
class World:
    """Pods that nobody schedules, the inventory of them as it was stored, and what became of them since: one is gone, one came later."""

    kubectl: Kubectl
    stored: Stored
    gone: str
    there: frozenset[str]

    def label(self, pod: str) -> str:
        return f"{self.kubectl.namespace}/{pod}/app"


@pytest.fixture(scope="module")
def world(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("inventory")
    names = [f"orders-{number}" for number in range(PODS)]
    manifests = {name: pod_manifest(name, "incident.test/app:nonroot", schedulerName="nobody") for name in names}
    kubectl.apply({"apiVersion": "v1", "kind": "List", "items": [*manifests.values()]})
    source = write(folder, namespaces=kubectl.namespace, kubeconfig=str(STATE / "kubeconfig"))
    listed = run(folder, "ansible-inventory", "-i", source, "--list")
    stored: Stored = json.loads(listed.stdout)["_meta"]["hostvars"]
    assert len(stored) == PODS
    gone = names[5]
    kubectl.run("delete", "pod", gone, "--grace-period=0", "--force")
    kubectl.apply(pod_manifest("later", "incident.test/app:nonroot", schedulerName="nobody"))
    return World(kubectl, stored, gone, frozenset(names) - {gone})


def cases_in(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*/findings.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def lost_in(cases: Iterable[dict[str, Any]]) -> list[str]:
    """The pods that are told to be gone. That the others do not run yet, and take no debugger, is told as well."""
    return [row["pod"] for case in cases for row in case["failed_targets"] if row["reason"] == "NoTarget"]


def test_all_hosts_of_a_play_are_one_look_that_says_what_is_gone_and_what_its_inventory_is(
    world: World, tmp_path: Path
) -> None:
    """And what the API said of them is no template, though a stored inventory no longer tells whose its words are."""
    touched = f"{{{{ lookup('ansible.builtin.pipe', 'touch {tmp_path}/touched') }}}}"
    stored = {name: {**said, "k8s_labels": {"app": touched}} for name, said in world.stored.items()}
    # of the API's words ansible-inventory says before ansible-core 2.19 that they are
    told = [said["k8s_listed_at"] for said in world.stored.values()]
    times = {time if isinstance(time, str) else time["__ansible_unsafe"] for time in told}
    left_out = world.label("orders-0")
    asked = {"from_inventory": "true", "max_pods": str(PODS), "dest": str(tmp_path), "case_id": "all", "namespace": ""}
    played = run(
        tmp_path,
        *("ansible-playbook", "-i", str(as_script(stored, tmp_path / "hosts")), "incident.distroless.pod_triage"),
        *("--limit", f"all:!{left_out}", "-e", json.dumps({f"pod_triage_{key}": asked[key] for key in asked})),
    )
    printed = played.stdout + played.stderr
    assert played.returncode == 0, printed
    (case,) = cases_in(tmp_path)
    assert {row["pod"] for row in case["targets"]} == world.there - {"orders-0"}
    assert lost_in([case]) == [world.gone]
    (lost,) = (row for row in case["findings"] if row["target"] == world.label(world.gone))
    assert case["inventory"]["hosts"] == PODS - 1
    summary = (tmp_path / "all" / "summary.md").read_text(encoding="utf-8")
    assert set(case["inventory"]["listed"]) == times
    for time in times:
        assert time in lost["next"]
        assert time in printed
        assert time in summary
    assert "later" not in {row["pod"] for row in case["targets"]}
    assert not (tmp_path / "touched").exists()


def test_without_it_each_host_of_a_play_looks_at_its_own_pod(world: World, tmp_path: Path) -> None:
    some = sorted(world.there)[:2]
    head = {"hosts": "all", "connection": "local", "gather_facts": False}
    variables = {"ansible_python_interpreter": "{{ ansible_playbook_python }}", "pod_triage_dest": str(tmp_path)}
    role = {"role": "incident.distroless.pod_triage"}
    after = {"ansible.builtin.debug": {"msg": "went on with {{ ansible_debugger_pod }}"}}
    book = tmp_path / "play.yml"
    book.write_text(yaml.safe_dump([{**head, "vars": variables, "roles": [role], "post_tasks": [after]}]))
    stored = {name: world.stored[name] for name in map(world.label, some)}
    played = run(tmp_path, "ansible-playbook", "-i", str(as_script(stored, tmp_path / "hosts")), str(book))
    assert played.returncode == 0, played.stdout + played.stderr
    assert sorted(row["pod"] for case in cases_in(tmp_path) for row in case["targets"]) == some
    assert len(list(cases_in(tmp_path))) == len(some)
    assert all(f"went on with {pod}" in played.stdout for pod in some)


@pytest.mark.bulk
def test_slices_of_a_job_side_by_side_look_at_each_pod_once(
    world: World, automation: Automation, installed: Path, credentials: Credentials, tmp_path: Path
) -> None:
    oncall = credentials(rules_of("role.yml", "triage-role.yml"))
    environment = {
        "K8S_AUTH_HOST": oncall["host"],
        "K8S_AUTH_API_KEY": oncall["api_key"],
        "K8S_AUTH_VERIFY_SSL": "True",
        "K8S_AUTH_SSL_CA_CERT": oncall["ca_cert"],
    }
    # of AWX's own job only the credential says which cluster it is
    stored = {
        name: {key: value for key, value in said.items() if key != "ansible_debugger_kubeconfig"}
        for name, said in world.stored.items()
    }

    def slice_of(number: int) -> list[dict[str, Any]]:
        folder = tmp_path / str(number)
        job = run_job(
            folder,
            automation,
            installed,
            "pod_triage.yml",
            environment,
            cut(stored, number, SLICES),
            pod_triage_from_inventory="true",
            pod_triage_max_pods=str(PODS),
            pod_triage_dest=str(folder / "cases"),
        )
        assert job.status == "successful", job.printed
        return list(cases_in(folder / "cases"))

    with ThreadPoolExecutor(SLICES) as pool:
        cases = [case for found in pool.map(slice_of, range(1, SLICES + 1)) for case in found]
    assert len(cases) == SLICES
    assert [case["inventory"]["hosts"] for case in cases] == [PODS // SLICES] * SLICES
    assert sorted(row["pod"] for case in cases for row in case["targets"]) == sorted(world.there)
    assert lost_in(cases) == [world.gone]
