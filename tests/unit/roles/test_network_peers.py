# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom the collectors of network_triage take for a peer: those of the user, and pairs of the environment, the app's or the kubelet's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.network import peers
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS
from ansible_collections.incident.distroless.tests.unit.support.network_collectors import (
    ALL_OF_MINE,
    an_nc,
    app,
    collect,
    run,
    toolbox,
)

HOSTILE = {
    "DB_HOST": "db.example",
    "DB_PORT": "5432",
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "PASSWORD": "very-secret",
    "SECRET": "a\nSTOLEN_HOST=very-secret\nSTOLEN_PORT=1",
    "BAD_HOST": "-e",
    "BAD_PORT": "80",
    "SHELL_HOST": "$(id)",
    "SHELL_PORT": "80",
    "URL_HOST": "web",
    "URL_PORT": "tcp://10.0.0.1:80",
    "LONE_HOST": "very-secret",
    "HUGE_HOST": "web",
    "HUGE_PORT": "99999",
}


# what the kubelet tells of a Service (pkg/kubelet/envvars)
def links_of(name: str, address: str, *ports: tuple[int, str]) -> dict[str, str]:
    host = f"[{address}]" if ":" in address else address
    port, protocol = ports[0]
    told = {f"{name}_SERVICE_HOST": address, f"{name}_SERVICE_PORT": str(port), f"{name}_SERVICE_PORT_MAIN": str(port)}
    told[f"{name}_PORT"] = f"{protocol}://{host}:{port}"
    for number, kind in ports:
        prefix = f"{name}_PORT_{number}_{kind.upper()}"
        told |= {prefix: f"{kind}://{host}:{number}", f"{prefix}_PROTO": kind, f"{prefix}_PORT": str(number)}
        told[f"{prefix}_ADDR"] = address
    return told


LINKS = {
    **links_of("CACHE", "10.96.0.7", (6379, "tcp"), (6380, "tcp")),
    **links_of("DNS", "10.96.0.8", (53, "udp")),
    **links_of("BOTH", "10.96.0.9", (53, "udp"), (53, "tcp")),
    **links_of("NEW", "fd00::7", (443, "tcp")),
    # the app has a port of its own in place of the kubelet's URL
    **links_of("QUEUE", "10.96.0.10", (5672, "tcp")),
    "QUEUE_PORT": "5672",
    # the pod's spec sets this one to something else
    **links_of("PAY", "10.96.0.11", (80, "tcp")),
    "PAY_SERVICE_HOST": "pay.example",
    # and this one is no Service
    "ORDERS_SERVICE_HOST": "10.0.0.9",
    "ORDERS_SERVICE_PORT": "8080",
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shell", SHELLS)
def test_of_the_environment_only_pairs_of_host_and_port_are_printed(shell: str) -> None:
    with app(HOSTILE) as pid:
        found = collect("environment", shell, pid, IGNORE="KUBERNETES_SERVICE_HOST")
    assert found == "DB_HOST: db.example port 5432\n"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shell", SHELLS)
def test_what_only_the_kubelet_names_is_told_from_what_the_app_was_given(shell: str) -> None:
    with app(LINKS) as pid:
        found = collect("environment", shell, pid)
    assert sorted(found.splitlines()) == [
        "BOTH_SERVICE_HOST: 10.96.0.9 port 53 (service link)",
        "CACHE_SERVICE_HOST: 10.96.0.7 port 6379 (service link)",
        "DNS_SERVICE_HOST: 10.96.0.8 port 53 (service link, no TCP)",
        "NEW_SERVICE_HOST: fd00::7 port 443 (service link)",
        "ORDERS_SERVICE_HOST: 10.0.0.9 port 8080",
        "PAY_SERVICE_HOST: pay.example port 80",
        "QUEUE_SERVICE_HOST: 10.96.0.10 port 5672 (service link)",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_links_come_last_push_nobody_out_and_none_of_udp_is_tried(tmp_path: Path) -> None:
    many = {
        key: value
        for count in range(60)
        for key, value in links_of(f"A{count}", f"10.97.0.{count}", (80, "tcp")).items()
    }
    around = toolbox(tmp_path, nc=an_nc("openbsd", "exit 0"))
    with app({**many, **LINKS, "Z_HOST": "z.example", "Z_PORT": "80"}) as pid:
        rows = peers(run("peers", ["/bin/sh"], pid, around, PEERS="given.example:80").stdout.encode())
    own = {row["host"] for row in rows if not row["is_service_link"]}
    assert own == {"given.example", "z.example", "pay.example", "10.0.0.9"}
    assert [row["outcome"] for row in rows].count("untried") == 1
    assert len(rows) == 51
    assert "10.96.0.8" not in {row["host"] for row in rows}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_certificate_of_a_link_is_looked_at_and_those_of_a_peer_once(tmp_path: Path) -> None:
    variables = {**LINKS, "BANK_HOST": "bank.example", "BANK_PORT": "443"}
    around = toolbox(tmp_path, nc=an_nc("openbsd", "echo no TLS"))
    with app(variables) as pid:
        done = run(
            "tls", ["/bin/sh"], pid, around, PEERS="bank.example:443 tls://bank.example:443 tls://other.example:1"
        )
    looked = [line.split()[:3] for line in done.stdout.splitlines()[1:]]
    assert looked == [["given", "bank.example", "443"], ["given", "other.example", "1"]]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"DB_HOST": "[fd00::1]", "DB_PORT": "5432"}, "DB_HOST: fd00::1 port 5432\n"),
        ({"DB_HOST": "fd00::1", "DB_PORT": "5432"}, "DB_HOST: fd00::1 port 5432\n"),
        ({"DB_HOST": "db:5433", "DB_PORT": "5432"}, "DB_HOST: db port 5433\n"),
        ({"DB_HOST": "db:5433"}, "DB_HOST: db port 5433\n"),
        ({"DB_HOST": "db.example.", "DB_PORT": "5432"}, "DB_HOST: db.example. port 5432\n"),
        ({"DB_HOST": "http://db", "DB_PORT": "9200"}, "DB_HOST: db port 9200\n"),
        ({"DB_HOST": "http://db:9201", "DB_PORT": "9200"}, "DB_HOST: db port 9201\n"),
        ({"DB_HOST": "[x", "DB_PORT": "80"}, ""),
    ],
)
def test_a_host_is_read_with_a_port_of_its_own_and_in_brackets(
    shell: str, variables: dict[str, str], found: str
) -> None:
    with app(variables) as pid:
        assert collect("environment", shell, pid) == found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shell", SHELLS)
def test_a_word_for_no_host_is_none(shell: str) -> None:
    absent = {"SMTP_HOST": "null", "CACHE_HOST": "None", "CACHE_PORT": "6379", "STATSD_HOST": "disabled"}
    with app({**absent, "DB_HOST": "nullable.example", "DB_PORT": "5432"}) as pid:
        assert collect("environment", shell, pid) == "DB_HOST: nullable.example port 5432\n"


def test_a_peer_that_is_given_twice_is_reached_for_once(tmp_path: Path) -> None:
    around = toolbox(tmp_path, nc=an_nc("openbsd", "exit 0"))
    done = run("peers", ["/bin/sh"], os.getpid(), around, PEERS="a:443 b:80 a:443 tls://a:443", IGNORE=ALL_OF_MINE)
    assert sorted((row["host"], row["port"]) for row in peers(done.stdout.encode())) == [("a", 443), ("b", 80)]


@pytest.mark.skipif("ash" not in SHELLS, reason="needs busybox")
def test_peers_of_the_user_are_words_and_never_shell(tmp_path: Path) -> None:
    hostile = f"$(touch${{IFS}}{tmp_path}/owned):80 `id`:80 -e:80 *:80 127.0.0.1:1 [::1]:1 tls://127.0.0.1:2"
    found = peers(collect("peers", "ash", os.getpid(), PEERS=hostile).encode())
    given = sorted((row["host"], row["port"]) for row in found if row["source"] == "given")
    assert given == [("127.0.0.1", 1), ("127.0.0.1", 2), ("::1", 1)]
    assert {row["outcome"] for row in found if row["host"] == "127.0.0.1"} == {"refused"}
    assert not (tmp_path / "owned").exists()


ODD = {
    # echo db | base64, as a secret
    "DB_HOST": "db.example\n",
    "DB_PORT": "5432 \n",
    "DATABASE_URL": " postgres://shop:very-secret@db.example:5433/x",
    "CACHE_HOST": '"cache.example"',
    "CACHE_PORT": "6379",
    # whole ones, and what is no host
    "PAY_HOST": "pay.example",
    "CERT_PEM": "-----BEGIN\nEND-----\n",
    "EMPTY_HOST": "",
    "SECRET": "a\nSTOLEN_HOST=very-secret\n",
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shell", SHELLS)
def test_a_value_with_a_line_break_at_its_end_is_told_and_its_peer_reached_for(shell: str) -> None:
    with app(ODD) as pid:
        odd = collect("odd_settings", shell, pid)
        found = collect("environment", shell, pid)
    assert sorted(odd.splitlines()) == ["CACHE_HOST quoted", "DATABASE_URL blank", "DB_HOST blank", "DB_PORT blank"]
    assert "DB_HOST: db.example port 5432\n" in found
    assert "very-secret" not in odd + found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shell", SHELLS)
def test_a_port_that_the_kubelet_made_of_a_service_is_no_port_and_hides_no_host(shell: str) -> None:
    with app({**links_of("REDIS", "10.96.0.7", (6379, "tcp")), "REDIS_HOST": "redis"}) as pid:
        found = collect("environment", shell, pid)
    assert "REDIS_HOST: redis port 6379\n" in found
