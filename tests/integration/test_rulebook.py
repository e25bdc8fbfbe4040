# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Alertmanager, ansible-rulebook with its webhook, and the playbooks that it starts on the cluster."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from .alerting import Alertmanager, running
from .conftest import Automation, Credentials, Kubectl, pod_manifest
from .oncall import rules_of, variables_of
from .patience import PATIENCE
from .store import free_port

APP = "incident.test/app:nonroot"
CACHE_FULL = "4711: {{ 7 * 7 }} %\nof the cache's pages"
TOKEN = "a-token-of-the-webhook"
INVENTORY = "ansible_collections/incident/distroless/extensions/eda/localhost.yml"


@dataclass(frozen=True, slots=True)
class Rulebook:
    """One that runs: where its webhook listens, what it prints, where its cases go, and a file that no alert may make."""

    port: int
    log: Path
    cases: Path
    marker: Path

    def post(self, *alerts: dict[str, Any], raw: Sequence[Any] = (), token: str = TOKEN) -> int:
        """Sends one message with an alert for each set of labels, as whoever reaches the webhook can, and with those that are raw;
        returns the answer's status."""
        firing = [
            {
                "status": "firing",
                "labels": {"severity": "warning", "prometheus": "monitoring/k8s", **labels},
                "annotations": {"description": "Pod is crash looping.", "summary": "Pod is crash looping."},
                "startsAt": "2026-11-25T02:00:00.000Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus.example/graph?g0.expr=x",
                "fingerprint": "d3b07384d113edec",
            }
            for labels in alerts
        ]
        body = {
            "receiver": "incident",
            "status": "firing",
            "alerts": [*firing, *raw],
            "groupLabels": {},
            "commonLabels": {},
            "commonAnnotations": {},
            "externalURL": "http://alertmanager.example",
            "version": "4",
            "groupKey": "{}:{}",
            "truncatedAlerts": 0,
        }
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {token}",
            # a header is such a text, too
            "User-Agent": f"{{{{ lookup('pipe', 'touch {self.marker}') }}}}",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/alerts", json.dumps(body), headers)
        status = connection.getresponse().status
        connection.close()
        return status

    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, is_so: Callable[[], bool], patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not is_so():
            assert time.monotonic() < deadline, self.printed()
            time.sleep(0.3)

    def findings(self, kubectl: Kubectl, pod: str) -> list[dict[str, Any]]:
        """The content of findings.json of each case of a pod."""
        folder = self.cases / kubectl.namespace / pod
        return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*/findings.json"))]


@pytest.fixture(scope="module")
def rulebook(
    kubectl: Kubectl,
    credentials: Credentials,
    automation: Automation,
    installed: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Rulebook]:
    """A rulebook that knows of the cluster what K8S_AUTH_* says, and may do what the Roles of the documentation allow."""
    folder = tmp_path_factory.mktemp("rulebook")
    port = free_port()
    running = Rulebook(port, folder / "log", folder / "cases", folder / "marker")
    given = {"host": "127.0.0.1", "port": port, "token": TOKEN, "dest": str(running.cases)}
    variables = folder / "oncall.yml"
    variables.write_text(yaml.safe_dump({f"alertmanager_{key}": value for key, value in given.items()}))
    oncall = variables_of(credentials, rules_of("role.yml", "triage-role.yml"))
    environment = automation.environment(**oncall, ANSIBLE_NOCOLOR="true")
    command = ["ansible-rulebook", "--rulebook", "incident.distroless.alertmanager", "--vars", variables]
    command += ["--inventory", installed / INVENTORY]
    with running.log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=folder
        )
        try:
            running.wait_for(lambda: process.poll() is not None or listens(port))
            assert process.poll() is None, running.printed()
            yield running
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


@pytest.fixture(scope="module")
def alertmanager(rulebook: Rulebook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    with running(tmp_path_factory.mktemp("alertmanager"), free_port(), rulebook.port, TOKEN) as manager:
        yield manager


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def full(name: str) -> dict[str, Any]:
    """A pod whose cache is as big as its volume."""
    container = {
        "args": ["--blob", "/cache/blob", "--blob-size", str(8 << 20)],
        "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
    }
    volumes = [{"name": "cache", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}]
    return pod_manifest(name, APP, container=container, volumes=volumes)


@pytest.fixture(scope="module")
def pods(kubectl: Kubectl) -> Kubectl:
    """One that crashes at once, and one whose cache is as big as its volume."""
    kubectl.apply(pod_manifest("orders-0", APP, container={"command": ["/app", "sha256", "/etc/shop/config.yaml"]}))
    kubectl.apply(full("uploads-0"))
    kubectl.wait_until_running("uploads-0")
    kubectl.run(
        "wait",
        "pod/orders-0",
        "--for=jsonpath={.status.containerStatuses[0].lastState.terminated}",
        f"--timeout={PATIENCE}s",
    )
    return kubectl


def test_an_alert_about_a_crashing_pod_ends_with_the_reason(
    pods: Kubectl, rulebook: Rulebook, alertmanager: Alertmanager, measured: Callable[[str], None]
) -> None:
    begin = time.monotonic()
    # of kube-state-metrics, whose own pod the plain labels name; and of a container that is not the one which crashes
    scraped = {"exported_namespace": pods.namespace, "exported_pod": "orders-0", "exported_container": "sidecar"}
    alertmanager.alert(alertname="KubePodCrashLooping", namespace="monitoring", pod="metrics-0", **scraped)
    rulebook.wait_for(lambda: bool(rulebook.findings(pods, "orders-0")))
    measured(f"from an alert to the case of a crashing pod: {time.monotonic() - begin:.0f} s")
    (case,) = rulebook.findings(pods, "orders-0")
    assert case["verdict"] == "fail"
    assert case["reason"] == "Alert KubePodCrashLooping (sidecar)"
    assert "open /etc/shop/config.yaml: no such file" in case["findings"][0]["message"]


def test_an_alert_that_repeats_itself_is_answered_once_and_a_label_chooses_the_playbook(
    pods: Kubectl, rulebook: Rulebook, alertmanager: Alertmanager
) -> None:
    before = alertmanager.delivered()
    alertmanager.alert(alertname="KubePodNotReady", namespace=pods.namespace, pod="orders-0")
    rulebook.wait_for(lambda: alertmanager.delivered() >= before + 3)
    # it is held back, and not lost
    rulebook.wait_for(lambda: f"Alert KubePodNotReady about {pods.namespace}/orders-0: pod." in rulebook.printed())
    scraped = {"exported_namespace": pods.namespace, "exported_pod": "orders-0", "exported_container": "sidecar"}
    alertmanager.alert(
        alertname="KubePodCrashLooping", namespace="monitoring", pod="metrics-0", **scraped, is_over=True
    )
    alertmanager.alert(alertname="KubePodNotReady", namespace=pods.namespace, pod="orders-0", is_over=True)
    # a rule of Grafana can have any name
    alertmanager.alert(alertname=CACHE_FULL, namespace=pods.namespace, pod="uploads-0", triage="disk")
    # actions run one after the other: what the first of them started would be there before the last one's case
    rulebook.wait_for(lambda: bool(rulebook.findings(pods, "uploads-0")))
    (case,) = rulebook.findings(pods, "uploads-0")
    assert case["findings"][0]["message"] == "/cache (tmpfs) is 100 % full: 0 Bytes of 8.0 MiB left."
    assert case["reason"] == "Alert 4711: (( 7 * 7 )) % of the cache's pages"
    assert len(rulebook.findings(pods, "orders-0")) == 1


def test_hostile_labels_start_nothing(pods: Kubectl, rulebook: Rulebook) -> None:
    touch = f"touch {rulebook.marker}"
    hostile = [
        f"{{{{ lookup('pipe', '{touch}') }}}}",
        f"{{% set x = lookup('pipe', '{touch}') %}}",
        f"$({touch})",
        f"orders-0'; {touch}; '",
        f"orders-0\"\nmsg: \"{{{{ lookup('pipe', '{touch}') }}}}",
        "orders-0\n",
        "../../orders-0",
    ]
    good = {"alertname": "KubePodCrashLooping", "namespace": pods.namespace, "pod": "orders-0", "container": "app"}
    started = rulebook.printed().count("PLAY [")
    names = [label for label in good if label != "alertname"]
    assert rulebook.post(*({**good, label: text} for label in names for text in hostile)) == 200
    # an alert's own name is text, whatever it is, and chooses nothing
    assert rulebook.post(*({**good, "alertname": text} for text in hostile)) == 200
    refusals = len(names) * len(hostile)
    rulebook.wait_for(lambda: rulebook.printed().count("holds what is no name.") == refusals)
    rulebook.wait_for(lambda: rulebook.printed().count("chooses no playbook") == len(hostile))
    # those about one that is no pod of the cluster come last, in one message, and are the only ones that start a playbook
    nobody = {**good, "pod": "nobody", "triage": "pod", "reason": hostile[0]}
    scraped = {"exported_namespace": pods.namespace, "exported_pod": "nobody", "namespace": "monitoring", "pod": "x"}
    odd: list[dict[str, Any]] = [{**nobody, "alertname": name} for name in (None, 4711, ["a", "b"])]
    odd += [{**good, **scraped}, {"alertname": "Bare", "container": "app"}]
    odd += [{**good, "alertname": "Spaces", "namespace": "two words"}]
    many = [{**nobody, "alertname": f"Crash {number}"} for number in range(300)]
    over = {"status": "resolved", "labels": {**good, "pod": "over"}}
    assert rulebook.post(*odd, *many, raw=[over, {"status": "firing"}]) == 200
    rulebook.wait_for(lambda: bool(rulebook.findings(pods, "nobody")))
    assert rulebook.printed().count("PLAY [") == started + 1
    (case,) = rulebook.findings(pods, "nobody")
    named = "Alerts without a name (app), 4711 (app), ['a', 'b'] (app), KubePodCrashLooping, Crash 0 (app), 299 more"
    assert case["reason"] == named
    # each that could not be answered is named
    for words in (
        "Alert Bare: the labels namespace and pod are missing.",
        "Alert Spaces: the label namespace holds what is no name.",
        "Alert 308 of 308 of the message has no labels.",
    ):
        rulebook.wait_for(lambda words=words: words in rulebook.printed())
    assert not rulebook.marker.exists()
    # what is printed of it could not be run either
    assert not any(sign in rulebook.printed() for sign in ("{{", "{%"))


def test_who_does_not_know_the_token_is_not_heard(pods: Kubectl, rulebook: Rulebook) -> None:
    good = {"alertname": "KubePodCrashLooping", "namespace": pods.namespace, "pod": "stranger"}
    assert rulebook.post(good, token="another") == 401
    assert "stranger" not in rulebook.printed()


# as many as a rollout that fails can have at once; each is looked into and has a case of its own, one after the other
CROWD = 20


@pytest.mark.bulk
def test_from_alerts_to_verdicts_of_one_pod_and_of_twenty(
    kubectl: Kubectl,
    rulebook: Rulebook,
    alertmanager: Alertmanager,
    tmp_path: Path,
    measured: Callable[[str], None],
) -> None:
    names = [f"crowd-{number}" for number in range(CROWD + 1)]
    for name in names:
        kubectl.apply(full(name))
    for name in names:
        kubectl.wait_until_running(name)
    empty = tmp_path / "empty.yml"
    empty.write_text("- hosts: localhost\n  gather_facts: false\n  tasks: []\n", encoding="utf-8")
    begin = time.monotonic()
    subprocess.run(["ansible-playbook", str(empty)], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    measured(f"an empty play: {time.monotonic() - begin:.1f} s")
    for some in (names[:1], names[1:]):
        begin = time.monotonic()
        for name in some:
            alertmanager.alert(alertname="KubePodNotReady", namespace=kubectl.namespace, pod=name)
        rulebook.wait_for(
            lambda some=some: all(rulebook.findings(kubectl, name) for name in some), len(some) * PATIENCE
        )
        measured(f"from the alert to the verdict, {len(some)} pods: {time.monotonic() - begin:.1f} s")
    for name in names:
        # one case each, however often Alertmanager repeats itself
        (case,) = rulebook.findings(kubectl, name)
        assert case["findings"][0]["analyzer"] == "volume_full", case["findings"][0]["message"]
        alertmanager.alert(alertname="KubePodNotReady", namespace=kubectl.namespace, pod=name, is_over=True)
