# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ports that are not served, connections that nobody takes, processes that take no step: what a pod that runs is silent about."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.pod_facts import unserved_ports
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.registry import PARSERS
from ansible_collections.incident.distroless.tests.unit.support import pods
from ansible_collections.incident.distroless.tests.unit.support.local_collectors import judged

ANY, LOOPBACK, ANY_OF_6, LOOPBACK_OF_6 = "0" * 8, "0100007F", "0" * 32, "0" * 24 + "01000000"


def listening(*rows: tuple[int, str], waiting: int = 0) -> list[dict[str, Any]]:
    """Sockets that listen, each by a port and an address as the kernel prints it, with so many connections that were not taken."""
    rest = f"00000000:{waiting:08X} 00:00000000 00000000  0 0 4711 1 0"
    lines = [
        f"==> {'tcp6' if len(local) > 8 else 'tcp'}\n 0: {local}:{port:04X} {'0' * len(local)}:0000 0A {rest}\n"
        for port, local in rows
    ]
    found: list[dict[str, Any]] = PARSERS["sockets"]("".join(lines).encode())
    return found


def of_pod(*ports: dict[str, Any], is_host: bool = False, **more: Any) -> dict[str, Any]:
    return pods.pod(containers=[{"name": "app", "ports": list(ports), **more}], hostNetwork=is_host)


WEB, METRICS = {"name": "http", "containerPort": 8080}, {"containerPort": 9090, "protocol": "TCP"}
BY_NAME = {"readinessProbe": {"httpGet": {"port": "http"}}}


@pytest.mark.parametrize(
    ("pod", "sockets", "said"),
    [
        (of_pod(WEB), [(8080, LOOPBACK)], [(8080, ["127.0.0.1"])]),
        (of_pod(WEB), [(8080, LOOPBACK_OF_6), (8080, LOOPBACK)], [(8080, ["::1", "127.0.0.1"])]),
        (of_pod(WEB), [], [(8080, [])]),
        (of_pod(livenessProbe={"tcpSocket": {"port": 7000}}), [(7000, LOOPBACK)], [(7000, ["127.0.0.1"])]),
        (of_pod(WEB, **BY_NAME), [], [(8080, [])]),
        # a port of what is not turned on stands in many specs
        (of_pod(WEB, METRICS), [(8080, ANY)], []),
        (of_pod(WEB, METRICS), [(8080, ANY_OF_6), (9090, LOOPBACK)], [(9090, ["127.0.0.1"])]),
        (of_pod(WEB, METRICS), [], [(8080, []), (9090, [])]),
        # an admin port that nobody declared, at the loopback on purpose
        (of_pod(WEB), [(8080, ANY), (9901, LOOPBACK)], []),
        (of_pod(WEB), [(8080, LOOPBACK), (8080, "0A00000A")], []),
        # of its node's network the kubelet asks at the loopback, and other protocols are others' matter
        (of_pod(WEB, is_host=True), [(8080, LOOPBACK)], []),
        (of_pod({"containerPort": 53, "protocol": "UDP"}), [], []),
        (of_pod(readinessProbe={"httpGet": {"port": "no-such-name"}}), [], []),
        (of_pod(), [], []),
    ],
)
def test_a_port_is_served_where_somebody_listens_at_an_address_that_others_reach(
    pod: dict[str, Any], sockets: list[tuple[int, str]], said: list[tuple[int, list[str]]]
) -> None:
    found = unserved_ports(listening(*sockets), pod, "app")
    assert [(row["port"], row["addresses"]) for row in found] == said


@pytest.mark.parametrize(("seconds", "is_told"), [(61, True), (60, False), (None, False)])
def test_one_that_was_just_started_may_come_to_listen(seconds: int | None, is_told: bool) -> None:
    rows = unserved_ports(listening(), of_pod(WEB), "app")
    facts = {"unserved_ports": rows, "container": {"name": "app", "running_seconds": seconds}}
    found = judged("network_triage", facts, {}, "unserved_port")
    assert [
        (entry.verdict, "listened on by nobody in the pod; app runs for 61 s" in entry.message) for entry in found
    ] == ([("warn", True)] if is_told else [])


def test_what_listens_at_localhost_only_is_told_with_what_to_do() -> None:
    rows = unserved_ports(listening((8080, LOOPBACK)), of_pod(WEB, **BY_NAME), "app")
    facts = {"unserved_ports": rows, "container": {"name": "app", "running_seconds": 1}}
    (found,) = judged("network_triage", facts, {}, "unserved_port")
    assert found.message == (
        "Port 8080, which a probe asks for, is listened on at 127.0.0.1 only, which nothing but the pod itself reaches."
    )
    assert "0.0.0.0" in found.next


@pytest.mark.parametrize(
    ("waiting", "is_host", "said"), [(10, False, ["warn"]), (9, False, []), (0, False, []), (99, True, [])]
)
def test_connections_that_nobody_takes_are_told(waiting: int, is_host: bool, said: list[str]) -> None:
    facts = {"sockets": listening((8080, ANY), waiting=waiting), "pod": of_pod(is_host=is_host)}
    found = judged("network_triage", facts, {}, "not_accepted")
    assert [entry.verdict for entry in found] == said
    assert all("10 connections to port 8080 of 0.0.0.0" in entry.message for entry in found)


def test_a_stopped_process_is_told_and_one_that_sleeps_waits_or_is_traced_is_not() -> None:
    rows = [{"pid": pid, "name": "app", "uid": 0, "state": state} for pid, state in enumerate("RSDTtZI", 1)]
    (found,) = judged("process_triage", {"processes": rows}, {}, "stopped")
    assert (found.verdict, found.message[:15]) == ("warn", "Pid 4 (app, uid")
