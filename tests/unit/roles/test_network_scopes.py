# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whom an app calls in whatever way its environment says so, how the C library finds them, and who answers in their place."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.network import lookups, peers
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.registry import PARSERS
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import completeness
from ansible_collections.incident.distroless.tests.unit.support.local_collectors import judged
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS
from ansible_collections.incident.distroless.tests.unit.support.network_collectors import (
    ALL_OF_MINE,
    an_nc,
    app,
    collect,
    resolving,
    run,
    toolbox,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
SETTINGS = {"timeout": 3, "certificate_days": 30}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({"DATABASE_URL": "postgres://shop:s3cr%40t@db.shop:6432/orders?sslmode=require"}, ["db.shop port 6432"]),
        ({"DATABASE_URL": "postgresql://shop:p@ss,w:rd@db/orders"}, ["db port 5432"]),
        ({"REDIS_URL": "rediss://:topsecret@cache.example:6380/0"}, ["cache.example port 6380"]),
        ({"CELERY_BROKER_URL": "amqp://u:p@queue//vhost"}, ["queue port 5672"]),
        ({"MONGO_URI": "mongodb://u:p@m-0.m:27017,m-1.m:27018/db"}, ["m-0.m port 27017", "m-1.m port 27018"]),
        ({"SPRING_DATASOURCE_URL": "jdbc:mysql://db:3307/x?user=u&password=p"}, ["db port 3307"]),
        ({"JDBC": "jdbc:sqlserver://sql:1433;databaseName=x;password=p"}, ["sql port 1433"]),
        (
            {"KAFKA_BOOTSTRAP_SERVERS": "kafka-0.kafka:9092,kafka-1.kafka:9093"},
            ["kafka-0.kafka port 9092", "kafka-1.kafka port 9093"],
        ),
        # a sidecar is called by an address of the pod's own
        ({"KAFKA_BROKERS": "127.0.0.1:9092,localhost:9093"}, ["127.0.0.1 port 9092", "localhost port 9093"]),
        ({"REDIS_ADDR": "127.0.0.1:6379"}, ["127.0.0.1 port 6379"]),
        ({"REDIS_ADDR": "[fd00::7]:6379"}, ["fd00::7 port 6379"]),
        ({"NATS": "nats://nats:4222"}, ["nats port 4222"]),
        ({"DSN": "app:secret@tcp(maria.db:3306)/shop"}, ["maria.db port 3306"]),
        ({"PGHOST": "pg.example", "PGPASSWORD": "p"}, ["pg.example port 5432"]),
        ({"PGHOST": "pg.example", "PGPORT": "6432"}, ["pg.example port 6432"]),
        ({"NC_DB_HOST": "db", "NC_DB_TYPE": "pg"}, ["db port 5432"]),
        ({"APP_REDIS_HOST": "cache"}, ["cache port 6379"]),
        ({"DB_HOST": "db.example"}, ["db.example port not known"]),
        ({"ORDERS_URL": "http://orders.shop.svc:8080/api"}, ["orders.shop.svc port 8080"]),
        ({"ORDERS_URL": "https://orders"}, ["orders port 443"]),
        ({"LISTEN_HOST": "0.0.0.0", "LISTEN_PORT": "80"}, ["0.0.0.0 port 80 (to listen at, no peer)"]),
        (
            {"OTEL_EXPORTER_PROMETHEUS_HOST": "0.0.0.0", "OTEL_EXPORTER_PROMETHEUS_PORT": "9464"},
            ["0.0.0.0 port 9464 (to listen at, no peer)"],
        ),
        ({"BIND_HOST": "::", "BIND_PORT": "80"}, [":: port 80 (to listen at, no peer)"]),
        ({"HTTP_BIND_HOST": "10.0.0.3", "HTTP_BIND_PORT": "80"}, ["10.0.0.3 port 80 (to listen at, no peer)"]),
        ({"METRICS_ADDR": "127.0.0.1:9090"}, ["127.0.0.1 port 9090 (to listen at, no peer)"]),
    ],
)
def test_peers_are_found_where_apps_are_told_of_them(shell: str, variables: dict[str, str], found: list[str]) -> None:
    with app(variables) as pid:
        printed = collect("environment", shell, pid)
    assert [line.partition(": ")[2] for line in printed.splitlines()] == found


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "variables",
    [
        # what could be a part of a password or a user is no host, whatever it looks like
        {"DATABASE_URL": "postgres://user:pa/ss@db:5432/x"},
        {"DATABASE_URL": "postgres://user:p@ss/w@db:5432/x"},
        {"DATABASE_URL": "postgres://to?ken@db:5432/x"},
        {"DATABASE_URL": "postgres://tok#en@db:5432/x"},
        {"REDIS_NODES": "user:secret@a:6379"},
        {"TOKEN": "very-secret:443", "API_KEY": "abc:80", "CONFIG": "a=b\nX_ADDR=secret:80"},
        # what an image is made of, and what an app is known by
        {"PHP_URL": "https://www.php.net/distributions/php-8.3.tar.xz", "NPM": "https://registry.npmjs.org/@scope/x"},
        {
            "PUBLIC_URL": "https://shop.example:8443",
            "GF_SERVER_ROOT_URL": "http://grafana:3000",
            "BASE_URL": "http://localhost:3000",
        },
        {"LISTEN_ADDR": ":8080", "PGHOST": "/var/run/postgresql", "DB_HOST": "", "FOO_HOST": "www.example"},
        {"DATABASE_URL": "sqlite:///data/db.sqlite", "CACHE_URL": "file:///tmp", "SPRING": "jdbc:h2:mem:x"},
        {"MODE_SERVERS": "many", "X_ADDRESS": "12, Main Street"},
    ],
)
def test_what_is_no_peer_for_sure_is_none(shell: str, variables: dict[str, str]) -> None:
    with app(variables) as pid:
        assert collect("environment", shell, pid) == ""


def test_a_peer_is_reached_for_once_however_often_it_is_named(tmp_path: Path) -> None:
    around = toolbox(tmp_path, nc=an_nc("openbsd", "exit 0"))
    variables = {"DB_HOST": "db", "DB_PORT": "5432", "DATABASE_URL": "postgres://u:p@db/x", "PAY_URL": "https://pay"}
    with app(variables) as pid:
        rows = peers(run("peers", ["/bin/sh"], pid, around).stdout.encode())
        looked = run("tls", ["/bin/sh"], pid, {**around}).stdout
    assert sorted((row["source"], row["host"], row["port"]) for row in rows) == [
        ("DB_HOST", "db", 5432),
        ("PAY_URL", "pay", 443),
    ]
    assert [line.split()[1:3] for line in looked.splitlines()[1:]] == [["pay", "443"]]


def verdicts(facts: dict[str, Any], *names: str) -> dict[str, str]:
    # as gather_facts says which facts are not whole
    return {row.analyzer: row.verdict for row in judged("network_triage", facts, SETTINGS, *names)}


@pytest.mark.parametrize(("count", "verdict"), [(50, "pass"), (60, "unknown")])
def test_of_more_peers_than_are_reached_for_nothing_is_passed(tmp_path: Path, count: int, verdict: str) -> None:
    around = toolbox(tmp_path, nc=an_nc("openbsd", "exit 0"), nslookup='printf "\\n\\nName: x\\nAddress: 10.0.0.1\\n"')
    given = " ".join(f"peer-{number}:80" for number in range(count))
    done = run("peers", ["/bin/sh"], os.getpid(), around, PEERS=given, IGNORE=ALL_OF_MINE)
    data = done.stdout.encode()
    cut = [] if completeness(data)["is_complete"] else ["peers"]
    facts = {"peers": peers(data), "cut": cut, "environment": []}
    assert len(facts["peers"]) == 50
    assert set(verdicts(facts, "peer_refuses", "peer_silent", "peers_reached").values()) == {verdict}


def test_names_that_were_not_asked_for_are_told(tmp_path: Path) -> None:
    root = resolving(tmp_path, "nameserver 10.0.0.10\n")
    around = toolbox(tmp_path, root, nslookup='echo "** server can\'t find $1: NXDOMAIN"; exit 1')
    for count, is_complete in ((20, True), (21, False)):
        names = " ".join(f"name-{number}" for number in range(count))
        data = run("lookups", ["/bin/sh"], os.getpid(), around, NAMES=names, IGNORE=ALL_OF_MINE).stdout.encode()
        assert len({row["name"] for row in lookups(data)}) == 20
        assert completeness(data)["is_complete"] is is_complete


def test_links_beyond_those_that_are_tried_are_counted_and_take_nothing_from_the_apps_own(tmp_path: Path) -> None:
    links = {}
    for number in range(60):
        name, address = f"S{number}", f"10.96.0.{number}"
        links |= {
            f"{name}_SERVICE_HOST": address,
            f"{name}_SERVICE_PORT": "80",
            f"{name}_PORT_80_TCP": f"tcp://{address}:80",
        }
    around = toolbox(tmp_path, nc=an_nc("openbsd", "exit 0"))
    with app({**links, "DB_HOST": "db", "DB_PORT": "1"}) as pid:
        data = run("peers", ["/bin/sh"], pid, around).stdout.encode()
    assert completeness(data)["is_complete"]
    facts = {"peers": peers(data), "environment": []}
    (found,) = judged("network_triage", facts, SETTINGS, "service_link")
    assert (found.verdict, "11 more were not tried" in found.message) == ("pass", True)
    assert verdicts(facts, "peer_refuses", "peers_reached") == {"peer_refuses": "pass", "peers_reached": "pass"}


HOSTS = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n# by hostAliases\n10.9.9.9\tDB.legacy db-old\n"
NOBODY = 'echo "** server can\'t find $1: NXDOMAIN"; exit 1'


def looked(
    tmp_path: Path, names: str, script: str = NOBODY, hosts: str = HOSTS, nsswitch: str = "", search: str = "svc.test"
) -> list[dict[str, Any]]:
    root = resolving(tmp_path, f"nameserver 10.0.0.10\nsearch {search}\noptions ndots:5\n")
    (root / "etc/hosts").write_text(hosts, encoding="ascii")
    if nsswitch:
        (root / "etc/nsswitch.conf").write_text(nsswitch, encoding="ascii")
    around = toolbox(tmp_path, root, nslookup=script)
    done = run("lookups", ["/bin/sh"], os.getpid(), around, NAMES=names, IGNORE=ALL_OF_MINE)
    assert done.returncode == 0, done.stderr
    return lookups(done.stdout.encode())


@pytest.mark.parametrize(
    ("name", "nsswitch", "addresses"),
    [
        ("localhost", "", ["127.0.0.1", "::1"]),
        ("db.LEGACY", "", ["10.9.9.9"]),
        ("db-old.", "", ["10.9.9.9"]),
        ("localhost", "passwd: files\nhosts:  files dns\n", ["127.0.0.1", "::1"]),
    ],
)
def test_the_hosts_file_is_asked_first(tmp_path: Path, name: str, nsswitch: str, addresses: list[str]) -> None:
    (row,) = looked(tmp_path, name, nsswitch=nsswitch)
    assert (row["server"], row["outcome"], row["addresses"]) == ("/etc/hosts", "resolved", addresses)
    assert verdicts({"lookups": [row]}, "unresolved_name") == {"unresolved_name": "pass"}


@pytest.mark.parametrize(("name", "nsswitch"), [("db", ""), ("legacy", ""), ("localhost", "hosts: dns\n")])
def test_a_name_that_no_hosts_file_has_or_that_is_not_asked_is_asked_of_nameservers(
    tmp_path: Path, name: str, nsswitch: str
) -> None:
    rows = looked(tmp_path, name, nsswitch=nsswitch)
    assert {row["server"] for row in rows} == {"10.0.0.10"}
    assert verdicts({"lookups": rows}, "unresolved_name") == {"unresolved_name": "fail"}


FOUND = 'printf "Server: x\\n\\nName: $1\\nAddress: {}\\n"; exit'
ANY = f"case $1 in *.corp.test.) {FOUND.format('10.6.6.6')};; esac\n"
REAL = f"case $1 in db.svc.test.) {FOUND.format('10.1.1.1')};; api.example.) {FOUND.format('10.2.2.2')};; esac\n"


@pytest.mark.parametrize(
    ("name", "script", "search", "found"),
    [
        # each name is somebody's there
        (
            "api.example",
            REAL + ANY + NOBODY,
            "svc.test corp.test",
            {"name_by_wildcard": "warn", "unresolved_name": "pass"},
        ),
        ("gone", ANY + NOBODY, "svc.test corp.test", {"name_by_wildcard": "warn", "unresolved_name": "pass"}),
        # the right one comes before it; a suffix that answers for one name; no suffix at all
        ("db", REAL + ANY + NOBODY, "svc.test corp.test", {"unresolved_name": "pass"}),
        ("db", REAL + NOBODY, "svc.test", {"unresolved_name": "pass"}),
        ("api.example", REAL + NOBODY, "svc.test", {"unresolved_name": "pass"}),
    ],
)
def test_a_suffix_that_answers_for_any_name_is_told(
    tmp_path: Path, name: str, script: str, search: str, found: dict[str, str]
) -> None:
    rows = looked(tmp_path, name, script, search=search)
    assert {row["name"] for row in rows} == {name}
    assert verdicts({"lookups": rows}, "name_by_wildcard", "unresolved_name") == found


EMPTY = "Server:\t\t10.0.0.10\nAddress:\t10.0.0.10:53\n\nNon-authoritative answer:\n\n"
TRUNCATED = ";; Truncated, retrying in TCP mode.\n;; Connection to 10.0.0.10#53(10.0.0.10) for db failed: timed out.\n"


@pytest.mark.parametrize("said", [EMPTY, TRUNCATED])
def test_an_answer_without_an_address_may_have_been_cut(said: str) -> None:
    rows = lookups(f"db db. 10.0.0.10 0 _{said.encode().hex()}\n".encode())
    reached = peers(f"DB_HOST db 80 no 1 1 _{b'nc: bad address db'.hex()}\n".encode())
    names = ("unresolved_name", "name_without_address", "peer_unresolved", "peer_failed")
    found = verdicts({"lookups": rows, "peers": reached}, *names)
    assert found == {"unresolved_name": "pass", "name_without_address": "unknown", "peer_failed": "pass"}
    gone = lookups(
        f"db db. 10.0.0.10 1 _{b'** server cannot find db: NXDOMAIN'.replace(b'cannot', b'can' + bytes([39]) + b't').hex()}\n".encode()
    )
    found = verdicts({"lookups": gone, "peers": reached}, *names)
    assert found == {"unresolved_name": "fail", "peer_unresolved": "fail", "peer_failed": "pass"}


@pytest.mark.parametrize(("is_proxied", "verdict"), [(True, "unknown"), (False, None)])
def test_a_proxy_that_takes_every_connection_is_told_from_a_peer(is_proxied: bool, verdict: str | None) -> None:
    refused = f"control 192.0.2.1 9 control {0 if is_proxied else 1} 1 _{b'refused'.hex()}\n"
    rows = peers(f"DB_HOST db 80 no 0 1 _\nQ_HOST q 81 no 1 1 _{b'refused'.hex()}\n{refused}".encode())
    assert [row["outcome"] for row in rows] == ["proxied" if is_proxied else "open", "refused"]
    pod = {"spec": {"containers": [{"name": "app"}], "initContainers": [{"name": "istio-proxy"}]}}
    found = judged("network_triage", {"peers": rows, "pod": pod}, SETTINGS, "peer_by_proxy")
    assert [row.verdict for row in found] == ([verdict] if verdict else [])
    assert all("db port 80" in row.message and "istio-proxy" in row.message for row in found)
    (reached,) = judged("network_triage", {"peers": rows, "environment": []}, SETTINGS, "peers_reached")
    assert reached.message.startswith("0 of 1" if is_proxied else "1 of 2")


def test_a_peer_without_a_port_is_unknown_and_its_name_is_asked_for(tmp_path: Path) -> None:
    around = toolbox(tmp_path, nc=an_nc("openbsd", "exit 0"))
    with app({"DB_HOST": "db.example"}) as pid:
        rows = peers(run("peers", ["/bin/sh"], pid, around).stdout.encode())
    (found,) = judged("network_triage", {"peers": rows}, SETTINGS, "peer_without_port")
    assert (found.verdict, found.message.startswith("DB_HOST names db.example without a port")) == ("unknown", True)


@pytest.mark.parametrize(("count", "said"), [(0, []), (262100, ["fail"])])
def test_of_the_nodes_tracked_connections_nothing_is_said(count: int, said: list[str]) -> None:
    facts = {"conntrack": PARSERS["counters"](f"count {count}\nmax 262144\n".encode())}
    assert [row.verdict for row in judged("network_triage", facts, SETTINGS, "conntrack_full")] == said


@pytest.mark.parametrize(
    ("port", "reply", "speaks", "verdict"),
    [
        (25, b"220 mail.example ESMTP\r\n", "SMTP or FTP", "unknown"),
        (143, b"* OK ready\r\n", "IMAP", "unknown"),
        (110, b"+OK\r\n", "POP3", "unknown"),
        (3306, b"\x4a\0\0\0\x0a8.0.36\0", "MySQL", "unknown"),
        (5432, b"", "PostgreSQL", "unknown"),
        (443, b"", "", "fail"),
        (443, b"HTTP/1.1 400 Bad Request\r\n", "", "fail"),
    ],
)
def test_what_takes_up_tls_only_when_it_is_asked_to_refuses_none(
    port: int, reply: bytes, speaks: str, verdict: str
) -> None:
    found = PARSERS["tls"](f"now 1\ngiven mail {port} _{b'hello'.hex()} _{reply.hex()}\n".encode())
    assert found["peers"][0]["speaks"] == speaks
    assert set(verdicts({"tls": found}, "tls_refused", "tls_when_asked").values()) == {verdict}
