# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a playbook is done, the pod's namespace of processes holds what it held before, zombies counted."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from .cases import run_playbook
from .conftest import CHECKOUT, Kubectl, Play, bulk, pod_manifest
from .network_peers import full_port
from .patience import PATIENCE

# has dash, tcpdump, and tools that are not busybox's
DEBIAN = {"image": "incident.test/debug-net:1", "image_pull_policy": "Never", "profile": "netadmin"}
# each playbook that is about a pod, and variables of its role that make it do all that it can
PLAYBOOKS: dict[str, dict[str, Any]] = {
    "crashloop_triage": {},
    "disk_triage": {"growth_seconds": 1},
    "evidence_bundle": {"files": ["/data"], "open_deleted": True},
    "fetch_files": {},
    "network_triage": {"names": ["db"], "timeout": 1, "capture_seconds": 1},
    "pod_triage": {"growth_seconds": 1, "timeout": 1, "fetch": ["/etc/hosts"]},
    "process_triage": {},
    "quarantine": {},
}
# what these run is nearly all that the others do
WIDEST = ("evidence_bundle", "pod_triage")
# of those that are about no pod, or send it dry runs alone
WITHOUT_A_POD = {"awx_setup", "evidence_verify", "preflight"}


def in_the_namespace_of(kubectl: Kubectl, pod: str) -> list[str]:
    """Each process of the target's PID namespace, zombies too, as its node has it: name and state."""
    (status,) = kubectl.pod(pod)["status"]["containerStatuses"]
    container = status["containerID"].rpartition("/")[2]
    found: list[tuple[str, str]] = []
    ours = ""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            namespace = str((folder / "ns" / "pid").readlink())
            stat = (folder / "stat").read_text(encoding="utf-8")
            if container in (folder / "cgroup").read_text(encoding="utf-8"):
                ours = namespace
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            # it has ended meanwhile, or is the first of the node itself, which root of a node in a container may not look at
            continue
        name, _bracket, rest = stat.partition("(")[2].rpartition(")")
        found.append((namespace, f"{name} {'Z' if rest.split()[0] == 'Z' else 'alive'}"))
    assert ours
    return sorted(process for namespace, process in found if namespace == ours)


def wait_for(kubectl: Kubectl, pod: str, processes: list[str]) -> None:
    until = time.monotonic() + PATIENCE
    while (now := in_the_namespace_of(kubectl, pod)) != processes and time.monotonic() < until:
        time.sleep(0.2)
    assert now == processes


def test_each_playbook_is_about_a_pod_here_or_about_none() -> None:
    names = {path.stem for path in (CHECKOUT / "playbooks").glob("*.yml")}
    assert names == PLAYBOOKS.keys() | WITHOUT_A_POD


@pytest.mark.parametrize(
    ("playbook", "tools"),
    [
        *((playbook, "busybox") for playbook in WIDEST),
        *(bulk(playbook, "busybox") for playbook in PLAYBOOKS if playbook not in WIDEST),
        *(bulk(playbook, "dash") for playbook in PLAYBOOKS),
    ],
)
def test_a_playbook_leaves_nothing_in_the_pods_namespace(
    kubectl: Kubectl, play: Play, tmp_path: Path, playbook: str, tools: str
) -> None:
    name = f"{playbook.replace('_', '-')}-{tools}"
    kubectl.apply(pod_manifest(name, "incident.test/app:root"))
    pod = kubectl.wait_until_running(name)
    before = ["app alive"]
    # a container is called running a moment before what made it has become its program
    wait_for(kubectl, name, before)
    given = {"namespace": kubectl.namespace, "pod": name, **PLAYBOOKS[playbook]}
    if tools == "dash":
        given["debug"] = DEBIAN
    with full_port(pod["status"]["hostIP"]) as silent:
        peer = f"{pod['status']['hostIP']}:{silent}"
        given |= {"network_triage": {"peers": [f"tls://{peer}"]}, "quarantine": {"probes": [peer]}}.get(playbook, {})
        extra = {"in_namespace": kubectl.namespace, "pod": name, "src": ["/data/*"], "dest": str(tmp_path)}
        words = ("--extra-vars", json.dumps(extra)) if playbook == "fetch_files" else ()
        for state in ("present", "absent") if playbook == "quarantine" else (None,):
            case = run_playbook(playbook, tmp_path, {**given, "state": state} if state else given, *words)
            assert case.status == 0, case.printed
    play("ephemeral_debug", pod=name, state="absent")
    wait_for(kubectl, name, before)
