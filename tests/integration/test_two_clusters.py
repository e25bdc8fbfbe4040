# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two real clusters in one inventory, a list whose token expires, and an API server that answers 429: in a cluster of one's own.

All of it is for a release: a second API server takes a core for some seconds.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import STATE, Kubectl, pod_manifest
from .faulty import Fault, Request, faulty
from .patience import PATIENCE
from .second import Second, second_cluster
from .test_inventory import run, write

pytestmark = pytest.mark.bulk

APP = "incident.test/app:nonroot"
USER = "oncall"
# more than two pages of the inventory's
MANY = 600
API = "flowcontrol.apiserver.k8s.io"


def waiting(name: str, namespace: str) -> dict[str, Any]:
    """A pod that nobody schedules."""
    manifest = pod_manifest(name, APP, schedulerName="nobody")
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory, kubectl: Kubectl) -> Iterator[Second]:
    """With the namespace of the first one."""
    with second_cluster(tmp_path_factory.mktemp("second"), kubectl.program) as started:
        started.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kubectl.namespace}})
        yield started


def test_pods_of_one_name_in_two_clusters_are_two_hosts_two_cases_and_two_reports(
    second: Second, kubectl: Kubectl, tmp_path: Path
) -> None:
    twin = waiting("api-0", kubectl.namespace)
    kubectl.apply(twin)
    second.create(twin)
    clusters = [
        {"name": "one", "kubeconfig": str(STATE / "kubeconfig")},
        {"name": "two", "kubeconfig": str(second.kubeconfig)},
    ]
    source = write(tmp_path, clusters=clusters, namespaces=kubectl.namespace)
    graph = run(tmp_path, "ansible-inventory", "-i", source, "--graph")
    label = f"{kubectl.namespace}/api-0/app"
    for cluster in ("one", "two"):
        assert f"@cluster_{cluster}:\n  |  |--{cluster}/{label}\n" in graph.stdout, graph.stdout + graph.stderr
    asked = {"from_inventory": True, "dest": str(tmp_path / "cases"), "case_id": "twins", "fail_on": "never"}
    played = run(
        tmp_path,
        *("ansible-playbook", "-i", source, "incident.distroless.pod_triage"),
        *("-e", json.dumps({f"pod_triage_{key}": value for key, value in asked.items()})),
        ANSIBLE_SHOW_CUSTOM_STATS="true",
    )
    printed = played.stdout + played.stderr
    assert played.returncode == 0, printed
    folders = {path.name: path for path in (tmp_path / "cases").iterdir()}
    assert sorted(folders) == ["twins-one", "twins-two"]
    uids = set()
    for folder in folders.values():
        case = json.loads((folder / "findings.json").read_text(encoding="utf-8"))
        (target,) = case["targets"]
        uids.add(target["pod_uid"])
        assert label in (folder / "report.html").read_text(encoding="utf-8")
    of = second.run("get", "pod", "api-0", "-n", kubectl.namespace, "-o", "jsonpath={.metadata.uid}")
    assert uids == {kubectl.pod("api-0")["metadata"]["uid"], of}
    told = json.loads(printed.partition("CUSTOM STATS: ")[2].partition("RUN: ")[2])["incident_distroless"]
    assert len(told) == 2, told


def test_a_list_whose_token_expires_between_two_pages_is_whole(
    second: Second, kubectl: Kubectl, tmp_path: Path
) -> None:
    second.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "many"}})
    second.create(*(waiting(f"app-{number}", "many") for number in range(MANY)))
    tokens: list[str] = []

    def interfere(asked: Request) -> Fault | None:
        if "continue=" in asked.path:
            tokens.append(asked.path.partition("continue=")[2].partition("&")[0])
            if len(tokens) == 1:
                # what was listed is of a moment of which etcd knows nothing any more; the answer is the API server's own
                second.create(
                    {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "later", "namespace": "many"}}
                )
                second.compact()
        return None

    with faulty(second.content, tmp_path, interfere) as proxy:
        source = write(tmp_path, clusters=[{"name": "far", "host": proxy.url, "api_key": "x"}], namespaces="many")
        listed = run(tmp_path, "ansible-inventory", "-i", source, "--list")
    assert listed.returncode == 0, listed.stderr
    hosts = json.loads(listed.stdout)["_meta"]["hostvars"]
    assert sorted(hosts) == sorted(f"far/many/app-{number}/app" for number in range(MANY))
    # three pages are two tokens, and the one that expired came with a third
    assert len(set(tokens)) == 3
    refused = second.request(f"/api/v1/namespaces/many/pods?limit=250&continue={tokens[0]}", tmp_path)
    assert refused.status == 410


@dataclass(frozen=True, slots=True)
class Busy:
    """An API server that rejects all that a user asks while one request of that user goes on: its admission waits for listener."""

    second: Second
    listener: socket.socket
    is_over: threading.Event

    def hold(self) -> None:
        words = ("create", "configmap", "held", "--namespace=default", "--dry-run=server", f"--as={USER}")
        while not self.is_over.is_set():
            with suppress(AssertionError):
                self.second.run(*words)

    def let_go(self) -> None:
        self.is_over.set()
        # the connection that waits in it is reset
        self.listener.close()


@pytest.fixture
def busy(second: Second, kubectl: Kubectl, tmp_path: Path) -> Iterator[Busy]:
    """A level of one seat at most (the API server gives that even to none), without a queue, whose seat is taken."""
    limited = {
        "nominalConcurrencyShares": 0,
        "lendablePercent": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": {"type": "Reject"},
    }
    subjects = [{"kind": "User", "user": {"name": USER}}]
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
    others = {"verbs": ["*"], "nonResourceURLs": ["*"]}
    rules = [{"subjects": subjects, "resourceRules": [everything], "nonResourceRules": [others]}]
    spec = {"priorityLevelConfiguration": {"name": USER}, "matchingPrecedence": 2, "rules": rules}
    listener = socket.create_server(("127.0.0.1", 0))
    webhook = {
        "name": "waits.incident.test",
        "clientConfig": {"url": f"https://127.0.0.1:{listener.getsockname()[1]}/"},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}],
        "failurePolicy": "Ignore",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 30,
    }
    second.run("create", "clusterrolebinding", USER, "--clusterrole=cluster-admin", f"--user={USER}")
    second.create(
        {
            "apiVersion": f"{API}/v1",
            "kind": "PriorityLevelConfiguration",
            "metadata": {"name": USER},
            "spec": {"type": "Limited", "limited": limited},
        },
        {"apiVersion": f"{API}/v1", "kind": "FlowSchema", "metadata": {"name": USER}, "spec": spec},
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": USER},
            "webhooks": [webhook],
        },
        waiting("busy-0", kubectl.namespace),
    )
    held = Busy(second, listener, threading.Event())
    holder = threading.Thread(target=held.hold)
    holder.start()
    try:
        until = time.monotonic() + PATIENCE
        while (refused := second.request("/api/v1/nodes", tmp_path, USER)).status != 429:
            assert time.monotonic() < until
            time.sleep(0.2)
        assert refused.retry_after == "1"
        yield held
    finally:
        held.let_go()
        holder.join()
        for kind in (
            "validatingwebhookconfiguration",
            "flowschema",
            "prioritylevelconfiguration",
            "clusterrolebinding",
        ):
            second.run("delete", kind, USER, "--ignore-not-found")
        second.run("delete", "pod", "busy-0", "-n", kubectl.namespace, "--grace-period=0", "--force")


@pytest.mark.parametrize("who", ["inventory", "role"])
def test_a_busy_api_server_is_asked_again_after_the_time_that_it_says(
    who: str, busy: Busy, second: Second, kubectl: Kubectl, tmp_path: Path
) -> None:
    refused: list[float] = []

    def interfere(asked: Request) -> Fault | None:
        if len(refused) < 3:
            refused.append(time.monotonic())
            if len(refused) == 3:
                busy.let_go()
        return None

    with faulty(second.content, tmp_path, interfere) as proxy:
        if who == "inventory":
            options = {"name": "far", "host": proxy.url, "api_key": "x", "impersonate_user": USER}
            source = write(tmp_path, clusters=[options], namespaces=kubectl.namespace)
            done = run(tmp_path, "ansible-inventory", "-i", source, "--list")
            assert f"far/{kubectl.namespace}/busy-0/app" in done.stdout, done.stderr
        else:
            asked = {
                "namespace": kubectl.namespace,
                "pod": "busy-0",
                "dest": str(tmp_path / "cases"),
                "case_id": "busy",
            }
            done = run(
                tmp_path,
                *("ansible-playbook", "incident.distroless.pod_triage"),
                *("-e", json.dumps({f"pod_triage_{key}": value for key, value in asked.items()})),
                K8S_AUTH_KUBECONFIG="",
                K8S_AUTH_HOST=proxy.url,
                K8S_AUTH_API_KEY="x",
                K8S_AUTH_IMPERSONATE_USER=USER,
            )
            case = json.loads((tmp_path / "cases" / "busy" / "findings.json").read_text(encoding="utf-8"))
            assert [row["pod"] for row in case["targets"]] == ["busy-0"]
    assert done.returncode == 0, done.stdout + done.stderr
    # each of them was the API server's own answer; no moment here depends on how busy the machine is
    assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(refused)), refused
