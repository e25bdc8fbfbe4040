# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What stands in a pod's way to its peers: the fault is really there, and the verdict is the right one."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.support.tls_servers import server

from .cases import Case, run_playbook
from .conftest import Credentials, Kubectl, bulk, pod_manifest
from .network_peers import full_port, knocking, nameserver, open_port, tls_server
from .oncall import rules_of, variables_of

APP = "incident.test/app:nonroot"


@dataclass(frozen=True, slots=True)
class World:
    """The node's address as pods know it, what the nameserver there was asked, and ports of peers."""

    node: str
    asked: list[str]
    open: int
    full: int
    good: int
    expired: int


def apply(kubectl: Kubectl, name: str, server: str, *, zone: str = "svc.test", **variables: object) -> None:
    """A pod that asks the server for names of the zone, with these variables in its environment."""
    env = [{"name": key, "value": str(value)} for key, value in variables.items()]
    config = {
        "nameservers": [server],
        "searches": [f"shop.{zone}", zone],
        "options": [{"name": "ndots", "value": "2"}],
    }
    kubectl.apply(pod_manifest(name, APP, container={"env": env}, dnsPolicy="None", dnsConfig=config))


@pytest.fixture(scope="module")
def world(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Peers on the node, and pods that look for them."""
    (node,) = kubectl.json("get", "nodes")["items"]
    (address,) = [entry["address"] for entry in node["status"]["addresses"] if entry["type"] == "InternalIP"]
    names = {"db.shop.svc.test": address, "pay.example.test": address}
    folders = {name: tmp_path_factory.mktemp(name) for name in ("good", "expired")}
    with ExitStack() as stack:
        asked = stack.enter_context(nameserver(address, names, silent="silent.test"))
        ports = [stack.enter_context(make(address)) for make in (open_port, full_port)]
        good = server(folders["good"], names=["pay.example.test"])
        expired = server(folders["expired"], names=["pay.example.test"], subject="old {{ 7 * 191919 }}", days_left=-2)
        ports += [stack.enter_context(tls_server(address, context)) for context in (good, expired)]
        found = World(address, asked, *ports)
        apply(kubectl, "healthy", address, DB_HOST="db", DB_PORT=found.open, PASSWORD="very-secret-value")
        apply(kubectl, "lost", address, ORDERS_HOST="orders.shop", ORDERS_PORT=found.open)
        # nobody listens on that port
        apply(kubectl, "refused", address, CACHE_HOST=address, CACHE_PORT=9)
        apply(kubectl, "deaf", address, zone="silent.test", DB_HOST="db", DB_PORT=found.open)
        for name in ("healthy", "lost", "refused", "deaf"):
            kubectl.wait_until_running(name)
        yield found


def triage(kubectl: Kubectl, folder: Path, *words: str, environment: Any = None, **variables: Any) -> Case:
    given = {"namespace": kubectl.namespace, **variables}
    return run_playbook("network_triage", folder, given, *words, environment=environment)


def test_a_healthy_pod_passes_with_the_least_role_and_nothing_of_its_environment_but_peers_is_told(
    kubectl: Kubectl, world: World, tmp_path: Path, credentials: Credentials
) -> None:
    environment = variables_of(credentials, rules_of("role.yml", "triage-role.yml"))
    peers = [f"tls://pay.example.test:{world.good}"]
    case = triage(kubectl, tmp_path, "-vvv", pod="healthy", peers=peers, environment=environment)
    assert case.status == 0, case.printed
    assert case.verdict == "pass", case.said()
    facts = case.document["facts"][f"{kubectl.namespace}/healthy/app"]
    assert facts["missing"] == {}
    assert facts["environment"] == [f"DB_HOST: db port {world.open}"]
    assert "db is db.shop.svc.test." in case.finding("names")["message"]
    assert "2 of 2 peers are reached" in case.finding("peers_reached")["message"]
    # each suffix was asked, in the order of the target's own resolv.conf
    assert [row["asked"] for row in facts["lookups"] if row["name"] == "db"] == [
        "db.shop.svc.test.",
        "db.svc.test.",
        "db.",
    ]
    assert {"db.shop.svc.test", "db.svc.test", "db"} <= set(world.asked)
    (certificate,) = facts["tls"]["certificates"]
    assert (certificate["names"], certificate["serial"]) == (["pay.example.test"], "1267")
    everything = case.printed + "".join(
        path.read_text(encoding="utf-8", errors="replace") for path in case.folder.rglob("*") if path.is_file()
    )
    assert "very-secret-value" not in everything
    assert environment["K8S_AUTH_API_KEY"] not in everything


def test_a_name_that_does_not_resolve_is_named_with_all_that_was_asked(
    kubectl: Kubectl, world: World, tmp_path: Path
) -> None:
    case = triage(kubectl, tmp_path, pod="lost")
    assert case.verdict == "fail", case.said()
    assert {entry["analyzer"] for entry in case.findings(verdict="fail")} == {"unresolved_name", "peer_unresolved"}
    assert case.finding("unresolved_name")["message"] == (
        "orders.shop does not resolve: orders.shop.shop.svc.test. NXDOMAIN, orders.shop.svc.test. NXDOMAIN, orders.shop. NXDOMAIN."
    )
    assert f"orders.shop port {world.open} (ORDERS_HOST) is unresolved" in case.finding("peer_unresolved")["message"]
    case.assert_evidence(case.finding("unresolved_name"))


def test_a_nameserver_that_does_not_answer_and_a_capture_that_cannot_be_made(
    kubectl: Kubectl, world: World, tmp_path: Path
) -> None:
    ignore = ["KUBERNETES_SERVICE_HOST", "DB_HOST"]
    case = triage(kubectl, tmp_path, pod="deaf", ignore=ignore, names=["db"], capture_seconds=2)
    assert {entry["analyzer"] for entry in case.findings(verdict="fail")} == {"silent_nameserver", "unresolved_name"}
    assert "answered none of 2 questions (timeout)" in case.finding("silent_nameserver")["message"]
    assert "the debug image has no tcpdump" in case.finding("captured", verdict="unknown")["message"]


def test_peers_that_refuse_that_are_silent_and_whose_certificate_is_not_good(
    kubectl: Kubectl, world: World, tmp_path: Path
) -> None:
    peers = [
        f"{world.node}:{world.full}",
        f"tls://pay.example.test:{world.expired}",
        f"tls://{world.node}:{world.good}",
        f"tls://{world.node}:{world.open}",
    ]
    case = triage(kubectl, tmp_path, pod="refused", peers=peers, timeout=5)
    said = {entry["analyzer"]: entry["message"] for entry in case.findings(verdict="fail")}
    assert said.keys() == {"peer_refuses", "peer_silent", "certificate_expired", "certificate_name", "tls_refused"}
    assert said["peer_refuses"] == f"{world.node} port 9 (CACHE_HOST) refuses the connection."
    assert said["peer_silent"] == f"{world.node} port {world.full} (given) did not answer within 5 s."
    assert said["certificate_expired"].startswith(
        f"pay.example.test port {world.expired} shows a certificate that expired on 20"
    )
    # a subject is data, and no template
    assert "CN=old {{ 7 * 191919 }}" in said["certificate_expired"]
    assert "1343433" not in case.printed
    assert f"{world.node} port {world.good} shows a certificate for pay.example.test." == said["certificate_name"]
    assert "sends nothing back" in said["tls_refused"]
    assert case.findings(verdict="unknown") == [], case.said()


def test_an_image_without_the_tools_of_the_network_is_no_fault_of_the_network(
    kubectl: Kubectl, world: World, tmp_path: Path
) -> None:
    debug = {"image": "incident.test/debug-bash:1", "image_pull_policy": "Never"}
    case = triage(kubectl, tmp_path, pod="lost", peers=[f"tls://{world.node}:{world.good}"], debug=debug)
    assert case.verdict == "unknown", case.said()
    assert case.findings(verdict="fail") == []
    missing = case.document["facts"][f"{kubectl.namespace}/lost/app"]["missing"]
    assert {name: said.rpartition(": ")[2] for name, said in missing.items()} == {
        "lookups": "the debug image has no nslookup",
        "peers": "the debug image has no nc",
        "tls": "the debug image has no nc",
    }
    unknown = {entry["analyzer"] for entry in case.findings(verdict="unknown")}
    assert {"silent_nameserver", "unresolved_name", "peer_refuses", "peer_silent", "peer_failed"} <= unknown
    assert {"service_link", "certificate_expired", "tls_refused"} <= unknown


def service(kubectl: Kubectl, name: str, port: int, protocol: str = "TCP") -> str:
    """A Service without a pod behind it; gives its address."""
    spec = {"ports": [{"port": port, "protocol": protocol}], "selector": {"app": "scaled-to-zero"}}
    kubectl.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})
    address: str = kubectl.json("get", "service", name)["spec"]["clusterIP"]
    return address


@contextmanager
def at_the_node(*addresses: str) -> Iterator[None]:
    """The node answers for addresses of Services, by a refusal where nothing listens, as it does with a kube-proxy."""
    with ExitStack() as stack:
        for address in addresses:
            words = [f"{address}/32", "dev", "lo"]
            subprocess.run(["ip", "address", "add", *words], check=True)
            stack.callback(subprocess.run, ["ip", "address", "del", *words], check=True)
        yield


@pytest.mark.bulk
def test_what_only_kubernetes_names_is_no_fault_and_what_the_spec_sets_is(
    make_namespace: Callable[..., Kubectl], tmp_path: Path
) -> None:
    kubectl = make_namespace()
    cache, web = (service(kubectl, name, 6379) for name in ("cache", "web"))
    stats = service(kubectl, "stats", 8125, "UDP")
    with at_the_node(cache, web, stats), open_port(web) as port:
        service(kubectl, "web", port)
        own = {"PAY_SERVICE_HOST": cache, "PAY_SERVICE_PORT": "9"}
        service(kubectl, "pay", 80)
        for name, variables in (("plain", {}), ("payer", own)):
            env = [{"name": key, "value": value} for key, value in variables.items()]
            # nothing else routes the addresses of Services here, where no kube-proxy runs
            spec = {"hostNetwork": True, "dnsPolicy": "None", "dnsConfig": {"nameservers": [web]}}
            kubectl.apply(pod_manifest(name, APP, container={"env": env}, **spec))
            kubectl.wait_until_running(name)
        ignore = ["KUBERNETES_SERVICE_HOST"]
        plain = triage(kubectl, tmp_path / "plain", pod="plain", ignore=[*ignore, "PAY_SERVICE_HOST"])
        payer = triage(kubectl, tmp_path / "payer", pod="payer", ignore=ignore)
    assert plain.findings(verdict="fail") == [], plain.said()
    assert plain.finding("service_link", verdict="warn")["message"] == (
        "1 of the Services that Kubernetes names in the environment of each pod does not answer; the app may never use it: "
        f"{cache} port 6379 (CACHE_SERVICE_HOST, refused)."
    )
    assert f"1 of 2 peers are reached: {web} port {port} (WEB_SERVICE_HOST" in plain.finding("peers_reached")["message"]
    facts = plain.document["facts"][f"{kubectl.namespace}/plain/app"]
    assert f"STATS_SERVICE_HOST: {stats} port 8125 (service link, no TCP)" in facts["environment"]
    assert "STATS_SERVICE_HOST" not in {row["source"] for row in facts["peers"]}
    plain.assert_evidence(plain.finding("service_link"))
    assert payer.verdict == "fail", payer.said()
    told = payer.finding("peer_refuses", verdict="fail")["message"]
    assert told == f"{cache} port 9 (PAY_SERVICE_HOST) refuses the connection."


def test_packets_are_captured_for_as_long_as_it_is_said(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.apply(pod_manifest("busy", "incident.test/app:root"))
    address = kubectl.wait_until_running("busy")["status"]["podIP"]
    debug = {"image": "incident.test/debug-net:1", "image_pull_policy": "Never", "profile": "netadmin"}
    with knocking(address, 4711):
        case = triage(kubectl, tmp_path, pod="busy", debug=debug, capture_seconds=2, capture_filter="tcp port 4711")
    assert case.verdict == "pass", case.said()
    facts = case.document["facts"][f"{kubectl.namespace}/busy/app"]
    packets = (case.folder / kubectl.namespace / "busy" / "app" / "capture.txt").read_bytes()
    assert facts["capture"]["packets"] > 0
    # nobody listens there: each knock is answered by a reset
    assert (4711).to_bytes(2, "big") in packets
    case.assert_evidence(case.finding("captured"))


@pytest.mark.parametrize("peer", ["$(id):80", bulk("-e:80"), bulk("host")])
def test_what_is_no_peer_is_refused_before_anything_is_done(kubectl: Kubectl, tmp_path: Path, peer: str) -> None:
    case = triage(kubectl, tmp_path, pod="healthy", peers=[peer])
    assert case.status == 2
    assert "network_triage_peers" in case.printed
    assert "host:port or tls://host:port" in " ".join(case.printed.split())
    assert not case.folder.exists()


def test_check_mode_says_what_would_be_collected(kubectl: Kubectl, world: World, tmp_path: Path) -> None:
    case = triage(kubectl, tmp_path, "--check", pod="healthy", capture_seconds=2)
    assert case.status == 0, case.printed
    assert "Whether peers can be reached" in case.printed
    assert "Packets of the pod's network" in case.printed
    assert json.dumps("Names, asked as the target would ask, with each suffix") in case.printed
    assert not case.folder.exists()
