# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network as busybox's tools and the kernel tell it, and the shell that finds peers."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._analyze import Judgement, analyze, parse_analyzers
from ansible_collections.incident.distroless.plugins.plugin_utils._case_folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collectors import parse_collectors
from ansible_collections.incident.distroless.plugins.plugin_utils._parse_network import (
    lookups,
    pcap,
    peers,
    protocol_counters,
    resolver,
)
from ansible_collections.incident.distroless.tests.unit.plugins.module_utils.remote_world import SHELLS

ROLE = Path(__file__).parents[4] / "roles" / "network_triage"
FOUND = "Server:\t\t10.0.0.10\nAddress:\t10.0.0.10:53\n\nNon-authoritative answer:\nName:\tdb.example\nAddress: 10.1.2.3\n\n"


def hexed(said: str) -> str:
    return "_" + said.encode().hex()


@pytest.mark.parametrize(
    ("said", "outcome", "addresses"),
    [
        (f"{FOUND}Name:\tdb.example\nAddress: fd00::3\n", "resolved", ["10.1.2.3", "fd00::3"]),
        ("Server:\t\t10.0.0.10\nAddress:\t10.0.0.10:53\n\n** server can't find x.: NXDOMAIN\n", "NXDOMAIN", []),
        ("Server:\t\t10.0.0.10\nAddress:\t10.0.0.10:53\n\nNon-authoritative answer:\n\n", "no_address", []),
        (";; connection timed out; no servers could be reached\n", "timeout", []),
        (
            "nslookup: write to '::1': Connection refused\n;; connection timed out; no servers could be reached\n",
            "refused",
            [],
        ),
        (f"{FOUND}Address: \x1b[2J{{{{x}}}}\n", "resolved", ["10.1.2.3", "\\x1b[2J{{x}}"]),
    ],
)
def test_an_answer_to_a_name_is_read(said: str, outcome: str, addresses: list[str]) -> None:
    (row,) = lookups(f"db db.example. 10.0.0.10 0 {hexed(said)}\n".encode())
    assert (row["name"], row["asked"], row["server"]) == ("db", "db.example.", "10.0.0.10")
    assert (row["outcome"], row["addresses"]) == (outcome, addresses)


@pytest.mark.parametrize(
    ("code", "said", "outcome"),
    [
        (0, "", "open"),
        (1, "nc: can't connect to remote host (127.0.0.1): Connection refused", "refused"),
        (1, "nc: timed out", "timeout"),
        (143, "", "timeout"),
        (1, "nc: bad address 'x'", "unresolved"),
        (1, "nc: can't connect to remote host (192.0.2.1): No route to host", "unreachable"),
        (1, "nc: can't connect to remote host (192.0.2.1): Network is unreachable", "unreachable"),
        (1, "nc: socket: Operation not permitted", "failed"),
    ],
)
def test_what_nc_says_of_a_peer_is_read(code: int, said: str, outcome: str) -> None:
    (row,) = peers(f"DB_HOST db 5432 {code} 12 {hexed(said)}\n".encode())
    assert row == {"source": "DB_HOST", "host": "db", "port": 5432, "outcome": outcome, "seconds": 0.12, "said": said}


def test_a_resolver_is_read_and_compared_with_the_debuggers() -> None:
    own = "# by the kubelet\nsearch a.test b.test\nnameserver 10.0.0.10\nnameserver fd00::1\noptions edns0 ndots:5\n"
    found = resolver(f"target {hexed(own)}\ndebugger {hexed(own + '# other')}\n".encode())
    assert found == {
        "nameservers": ["10.0.0.10", "fd00::1"],
        "search": ["a.test", "b.test"],
        "ndots": 5,
        "options": ["edns0", "ndots:5"],
        "is_shared": True,
    }
    other = resolver(f"target {hexed(own)}\ndebugger {hexed('nameserver 10.0.0.11')}\n".encode())
    assert other["is_shared"] is False


def test_the_kernels_counters_are_named_with_their_protocol() -> None:
    table = b"Tcp: RtoMin OutSegs MaxConn\nTcp: 200 1000 -1\nTcpExt: ListenOverflows\nTcpExt: 7\n"
    assert protocol_counters(table) == {
        "TcpRtoMin": 200,
        "TcpOutSegs": 1000,
        "TcpMaxConn": -1,
        "TcpExtListenOverflows": 7,
    }
    with pytest.raises(ValueError, match="not understood"):
        protocol_counters(b"Tcp: a b\nTcp: 1\n")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_counters_of_this_machine_are_understood() -> None:
    found = protocol_counters(Path("/proc/net/snmp").read_bytes() + Path("/proc/net/netstat").read_bytes())
    assert {"TcpRetransSegs", "TcpOutSegs", "TcpExtListenOverflows"} <= found.keys()


@pytest.mark.parametrize("order", "<>")
def test_a_capture_is_counted_and_a_packet_that_is_cut_off_is_not(order: str) -> None:
    head = struct.pack(f"{order}IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    packet = struct.pack(f"{order}IIII", 1, 2, 4, 60) + b"abcd"
    whole = head + packet * 2
    assert pcap(whole) == {"packets": 2, "bytes": 120, "size": len(whole)}
    assert pcap(whole[:-1])["packets"] == 1
    assert pcap(head)["packets"] == 0
    with pytest.raises(ValueError, match="not understood"):
        pcap(b"")


def command_of(name: str, folder: str = "collectors") -> str:
    """What a collector runs."""
    rows = parse_collectors(read_checks([str(ROLE / folder)]))
    command = next(row.command for row in rows if row.name == name)
    assert command
    return command


def collect(name: str, shell: str, pid: int, **settings: str) -> str:
    """What a collector prints about a process of this machine."""
    command = command_of(name)
    kind = SHELLS[shell]
    given = {"PEERS": "", "NAMES": "", "IGNORE": "", "TLS_PORTS": "443", "TIMEOUT": "1", **settings}
    env = {"TARGET_PID": str(pid), "TARGET_ROOT": "/", **{f"SETTING_{key}": value for key, value in given.items()}}
    done = subprocess.run(
        [*kind.argv, "-c", command], env={**kind.env, **env}, capture_output=True, check=True, text=True
    )
    return done.stdout


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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("shell", SHELLS)
def test_of_the_environment_only_pairs_of_host_and_port_are_printed(shell: str) -> None:
    with subprocess.Popen(["sleep", "60"], env={**HOSTILE, "PATH": os.environ["PATH"]}) as process:
        try:
            found = collect("environment", shell, process.pid, IGNORE="KUBERNETES_SERVICE_HOST")
        finally:
            process.kill()
    assert found == "DB_HOST: db.example port 5432\n"


@pytest.mark.skipif("ash" not in SHELLS, reason="needs busybox")
def test_peers_of_the_user_are_words_and_never_shell(tmp_path: Path) -> None:
    hostile = f"$(touch${{IFS}}{tmp_path}/owned):80 `id`:80 -e:80 *:80 127.0.0.1:1 [::1]:1 tls://127.0.0.1:2"
    found = peers(collect("peers", "ash", os.getpid(), PEERS=hostile).encode())
    given = sorted((row["host"], row["port"]) for row in found if row["source"] == "given")
    assert given == [("127.0.0.1", 1), ("127.0.0.1", 2), ("::1", 1)]
    assert {row["outcome"] for row in found if row["host"] == "127.0.0.1"} == {"refused"}
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("program", "code", "size"),
    [
        # one that never ends is ended for its time, one that never stops for its size
        ("printf begun; exec sleep 60", 0, 5),
        ("yes", 0, 1000),
        ("echo no permission >&2; exit 1", 1, 0),
        ('echo "$*"', 0, len("-i any -n -U -w - -- port 53 and *\n")),
    ],
)
def test_a_capture_ends_for_its_time_and_for_its_size_and_its_failure_is_one(
    tmp_path: Path, program: str, code: int, size: int
) -> None:
    tcpdump = tmp_path / "tcpdump"
    tcpdump.write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
    tcpdump.chmod(0o755)
    settings = {"SECONDS": "1", "BYTES": "1000", "FILTER": "port 53 and *"}
    env = {f"SETTING_CAPTURE_{key}": value for key, value in settings.items()}
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    command = command_of("capture", "capture/collectors")
    done = subprocess.run(["sh", "-c", command], env={**path, **env}, capture_output=True, check=False, timeout=30)
    assert (done.returncode, len(done.stdout)) == (code, size), done.stderr


def socket(state: str, **changes: Any) -> dict[str, Any]:
    return {"state": state, "local_port": 80, "remote": "10.0.0.9", "remote_port": 5432, "retransmits": 3, **changes}


def certificate(**changes: Any) -> dict[str, Any]:
    about = {"host": "a", "port": 443, "place": 0, "subject": "CN=a", "serial": "1", "names": ["a"], "error": ""}
    times = {"not_before": "then", "not_after": "soon", "seconds_left": 86400 * 90, "seconds_before": -1}
    return {**about, **times, **changes}


def shown(**changes: Any) -> dict[str, Any]:
    peer = {"host": "a", "port": 443, "outcome": "certificates", "detail": "", "names_match": True}
    return {"certificates": [certificate(**changes)], "peers": [peer]}


QUIET: dict[str, Any] = {
    "sockets": [],
    "protocol_counters": {"TcpOutSegs": 0, "TcpRetransSegs": 0},
    "conntrack": {},
    "resolver": {"nameservers": ["10.0.0.10"], "is_shared": True},
    "lookups": [],
    "environment": [],
    "peers": [],
    "tls": {"certificates": [], "peers": []},
    "capture": {"packets": 0, "bytes": 0, "size": 24},
    "missing": {},
}
SETTINGS = {"timeout": "3", "certificate_days": "30", "retransmit_percent": "5", "close_wait": "2"}


def judgements(folder: str = "analyzers", **changes: Any) -> list[Judgement]:
    """All that is said of a quiet network with these changes."""
    judged = analyze({**QUIET, **changes}, parse_analyzers(read_checks([str(ROLE / folder)])), SETTINGS)
    assert judged
    return judged


def judge(folder: str = "analyzers", **changes: Any) -> dict[str, str]:
    """The analyzers that do not pass, and their verdicts."""
    return {entry.analyzer: entry.verdict for entry in judgements(folder, **changes) if entry.verdict != "pass"}


@pytest.mark.parametrize("folder", ["analyzers", "capture/analyzers"])
def test_the_analyzers_are_in_doubt_of_nothing_where_nothing_happens(folder: str) -> None:
    assert judge(folder) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"resolver": {"nameservers": [], "is_shared": False}}, {"no_nameserver": "fail", "other_resolver": "warn"}),
        ({"sockets": [socket("SYN_SENT")]}, {"connecting": "warn"}),
        ({"sockets": [socket("CLOSE_WAIT")]}, {}),
        ({"sockets": [socket("CLOSE_WAIT")] * 2}, {"not_closed": "warn"}),
        ({"protocol_counters": {"TcpOutSegs": 1000, "TcpRetransSegs": 49}}, {}),
        ({"protocol_counters": {"TcpOutSegs": 1000, "TcpRetransSegs": 50}}, {"retransmits": "warn"}),
        (
            {"protocol_counters": {"TcpOutSegs": 0, "TcpRetransSegs": 0, "TcpExtListenOverflows": 1}},
            {"dropped_connections": "warn"},
        ),
        ({"conntrack": {"count": 89, "max": 100}}, {}),
        ({"conntrack": {"count": 90, "max": 100}}, {"conntrack_full": "fail"}),
        ({"tls": shown()}, {}),
        ({"tls": shown(seconds_left=86400 * 29)}, {"certificate_expires": "warn"}),
        ({"tls": shown(seconds_left=-1)}, {"certificate_expired": "fail"}),
        ({"tls": shown(seconds_before=60)}, {"certificate_of_the_future": "fail"}),
        ({"tls": shown(error="ValueError: x")}, {"certificate_not_understood": "unknown"}),
    ],
)
def test_each_trouble_has_its_verdict(changes: dict[str, Any], expected: dict[str, str]) -> None:
    assert judge(**changes) == expected


def test_a_certificate_for_another_name_is_told_by_its_first_names_and_how_many_there_are() -> None:
    found = shown(names=[f"n{count}" for count in range(50)], names_left_out=11)
    found["peers"][0]["names_match"] = False
    (told,) = (entry.message for entry in judgements(tls=found) if entry.analyzer == "certificate_name")
    assert told == "a port 443 shows a certificate for n0, n1, n2, n3, n4 and 56 more."
