# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A network as the debug image's tools and the kernel tell it, and how it is judged."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import (
    Judgement,
    analyze,
    parse_analyzers,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.network import (
    lookups,
    pcap,
    peers,
    protocol_counters,
    resolver,
)

ROLE = Path(__file__).parents[5] / "roles" / "network_triage"
FOUND = "Server:\t\t10.0.0.10\nAddress:\t10.0.0.10:53\n\nNon-authoritative answer:\nName:\tdb.example\nAddress: 10.1.2.3\n\n"


def hexed(said: str) -> str:
    return "_" + said.encode().hex()


# by BIND 9.18, which waits for longer than the collector does
BIND = "Server:\t\t10.0.0.10\nAddress:\t10.0.0.10#53\n\n"
BIND_FOUND = f"{BIND}Non-authoritative answer:\nName:\tdb.example\nAddress: 10.1.2.3\n"
BIND_LATE = ";; communications error to 10.0.0.10#53: timed out\n"
BIND_REFUSED = ";; communications error to 10.0.0.10#53: connection refused\n"
# by busybox 1.28, or a later one without FEATURE_NSLOOKUP_BIG
SMALL = "Server:    10.0.0.10\nAddress 1: 10.0.0.10 dns.kube-system\n\n"


@pytest.mark.parametrize(
    ("code", "said", "outcome", "addresses"),
    [
        (0, f"{FOUND}Name:\tdb.example\nAddress: fd00::3\n", "resolved", ["10.1.2.3", "fd00::3"]),
        (1, "Server:\t\t10.0.0.10\nAddress:\t10.0.0.10:53\n\n** server can't find x.: NXDOMAIN\n", "NXDOMAIN", []),
        (1, "Server:\t\t10.0.0.10\nAddress:\t10.0.0.10:53\n\n** server can't find x.: 11\n", "11", []),
        (0, "Server:\t\t10.0.0.10\nAddress:\t10.0.0.10:53\n\nNon-authoritative answer:\n\n", "no_address", []),
        (0, "Server:\t\tfd00::a\nAddress:\t[fd00::a]:53\n\nNon-authoritative answer:\n\n", "no_address", []),
        (1, ";; connection timed out; no servers could be reached\n", "timeout", []),
        (
            1,
            "nslookup: write to '::1': Connection refused\n;; connection timed out; no servers could be reached\n",
            "refused",
            [],
        ),
        (0, f"{FOUND}Address: \x1b[2J{{{{x}}}}\n", "resolved", ["10.1.2.3", "\\x1b[2J{{x}}"]),
        (0, f"{BIND_FOUND}Name:\tdb.example\nAddress: fd00::3\n\n", "resolved", ["10.1.2.3", "fd00::3"]),
        (1, f"{BIND_FOUND}** server can't find db.example: NXDOMAIN\n\n", "resolved", ["10.1.2.3"]),
        (124, f"{BIND_FOUND}{BIND_LATE}", "resolved", ["10.1.2.3"]),
        (0, f"{BIND_LATE}{BIND_FOUND}", "resolved", ["10.1.2.3"]),
        (1, f"{BIND}** server can't find x.example: NXDOMAIN\n\n", "NXDOMAIN", []),
        (1, f"{BIND_LATE}{BIND}** server can't find x.example: NXDOMAIN\n\n", "NXDOMAIN", []),
        (
            1,
            f";; Got SERVFAIL reply from 10.0.0.10\n{BIND}** server can't find x.example: SERVFAIL\n\n",
            "SERVFAIL",
            [],
        ),
        (0, f"{BIND}Non-authoritative answer:\n*** Can't find x.example: No answer\n\n", "no_address", []),
        (1, f"{BIND_REFUSED * 3};; no servers could be reached\n\n", "refused", []),
        (124, BIND_LATE, "timeout", []),
        (124, "", "timeout", []),
        (143, "", "timeout", []),
        (0, f"{SMALL}Name:      db.example\nAddress 1: 10.1.2.3 db-0.db.example\n", "resolved", ["10.1.2.3"]),
        (1, f"{SMALL}nslookup: can't resolve 'x.example': Name does not resolve\n", "no_address", []),
        # that is said of a silence as well
        (1, f"{SMALL}nslookup: can't resolve 'x.example'\n", "not_understood", []),
        (1, "Usage: nslookup HOST\n", "not_understood", []),
        (0, "", "not_understood", []),
    ],
)
def test_an_answer_to_a_name_is_read(code: int, said: str, outcome: str, addresses: list[str]) -> None:
    (row,) = lookups(f"db db.example. 10.0.0.10 {code} {hexed(said)}\n".encode())
    assert (row["name"], row["asked"], row["server"]) == ("db", "db.example.", "10.0.0.10")
    assert (row["outcome"], row["addresses"]) == (outcome, addresses)


@pytest.mark.parametrize("code", [126, 127])
def test_a_tool_that_is_not_there_says_nothing_of_the_network(code: int) -> None:
    with pytest.raises(ValueError, match="nslookup could not be run"):
        lookups(f"db db. 10.0.0.10 {code} {hexed('sh: nslookup: not found')}\n".encode())
    with pytest.raises(ValueError, match="nc could not be run"):
        peers(f"given db 5432 no {code} 1 {hexed('sh: nc: not found')}\n".encode())


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
        # busybox with NC_110_COMPAT, as Alpine has it, called with -vv
        (1, "nc: db (10.1.2.3:5432): Connection refused sent 0, rcvd 0", "refused"),
        (1, "nc: db (10.1.2.3:5432): Operation timed out sent 0, rcvd 0", "timeout"),
        # OpenBSD's
        (0, "Connection to db 5432 port [tcp/postgresql] succeeded!", "open"),
        (1, "nc: connect to 127.0.0.1 port 1 (tcp) failed: Connection refused", "refused"),
        (1, "nc: connect to 192.0.2.1 port 1 (tcp) timed out: Operation now in progress", "timeout"),
        (1, 'nc: getaddrinfo for host "db" port 80: Name or service not known', "unresolved"),
        (124, "nc: connect to db (fd00::1) port 80 (tcp) failed: Network is unreachable", "timeout"),
        # nmap's
        (1, "Ncat: Version 7.93 ( https://nmap.org/ncat ) Ncat: Connection refused.", "refused"),
        (1, "Ncat: Version 7.93 ( https://nmap.org/ncat ) Ncat: TIMEOUT.", "timeout"),
        (2, 'Ncat: Could not resolve hostname "db": Name or service not known. QUITTING.', "unresolved"),
    ],
)
def test_what_nc_says_of_a_peer_is_read(code: int, said: str, outcome: str) -> None:
    (row,) = peers(f"DB_HOST db 5432 no {code} 12 {hexed(said)}\n".encode())
    about = {"source": "DB_HOST", "host": "db", "port": 5432, "is_service_link": False}
    assert row == {**about, "outcome": outcome, "seconds": 0.12, "said": said}


def test_a_peer_whose_name_is_a_word_of_nc_is_not_taken_by_its_name() -> None:
    said = "nc: bad address 'refused.example'"
    (row,) = peers(f"given refused.example 80 no 1 12 {hexed(said)}\n".encode())
    assert row["outcome"] == "unresolved"


@pytest.mark.parametrize("said", ["nc: invalid option -- 'e'\nusage: nc [-46CDdFhklNnrStUuvZz]", "Usage: nc HOST PORT"])
def test_an_nc_that_does_not_understand_its_call_says_nothing_of_the_network(said: str) -> None:
    with pytest.raises(ValueError, match="nc is another one"):
        peers(f"given db 5432 no 1 1 {hexed(said)}\n".encode())


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


def socket(state: str, **changes: Any) -> dict[str, Any]:
    return {"state": state, "local_port": 80, "remote": "10.0.0.9", "remote_port": 5432, "retransmits": 3, **changes}


def lookup(outcome: str) -> dict[str, Any]:
    addresses = ["10.1.2.3"] if outcome == "resolved" else []
    return {"name": "db", "asked": "db.", "server": "10.0.0.10", "outcome": outcome, "addresses": addresses}


def reached(outcome: str, *, is_link: bool = False) -> dict[str, Any]:
    source = "CACHE_SERVICE_HOST" if is_link else "DB_HOST"
    peer = {"source": source, "host": "10.1.2.3", "port": 80, "is_service_link": is_link}
    return {**peer, "outcome": outcome, "seconds": 0.1, "said": ""}


def certificate(**changes: Any) -> dict[str, Any]:
    about = {
        "host": "a",
        "port": 443,
        "place": 0,
        "subject": "CN=a",
        "serial": "1",
        "names": ["a"],
        "error": "",
        "is_direct": True,
    }
    times = {"not_before": "then", "not_after": "soon", "seconds_left": 86400 * 90, "seconds_before": -1}
    return {**about, **times, **changes}


def shown(**changes: Any) -> dict[str, Any]:
    peer = {"host": "a", "port": 443, "outcome": "certificates", "detail": "", "names_match": True}
    peer |= {"is_alone": False, "wants_certificate": False, "speaks": ""}
    return {"certificates": [certificate(**changes)], "peers": [peer]}


QUIET: dict[str, Any] = {
    "pod": {"spec": {}},
    "container": {"name": "app", "running_seconds": 99},
    "sockets": [],
    "odd_settings": [],
    "unserved_ports": [],
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
        ({"lookups": [lookup("timeout")]}, {"silent_nameserver": "fail", "unresolved_name": "fail"}),
        ({"lookups": [lookup("NXDOMAIN")]}, {"unresolved_name": "fail"}),
        ({"lookups": [lookup("resolved"), lookup("not_understood")]}, {}),
        ({"lookups": [lookup("NXDOMAIN"), lookup("not_understood")]}, {"name_not_understood": "unknown"}),
        ({"lookups": [lookup("timeout"), lookup("not_understood")]}, {"name_not_understood": "unknown"}),
        ({"peers": [reached("open"), reached("open", is_link=True)]}, {}),
        ({"peers": [reached("refused"), reached("open", is_link=True)]}, {"peer_refuses": "fail"}),
        ({"peers": [reached("timeout")]}, {"peer_silent": "fail"}),
        ({"peers": [reached("unresolved")]}, {"peer_unresolved": "fail"}),
        (
            {"peers": [reached(outcome, is_link=True) for outcome in ("refused", "timeout", "unreachable", "failed")]},
            {"service_link": "warn"},
        ),
        ({"tls": shown()}, {}),
        ({"tls": shown(seconds_left=86400 * 29)}, {"certificate_expires": "warn"}),
        ({"tls": shown(seconds_left=-1)}, {"certificate_expired": "fail"}),
        ({"tls": shown(seconds_left=-1, place=2, is_direct=False)}, {"certificate_above_expired": "warn"}),
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


def test_all_services_that_do_not_answer_are_one_finding_which_says_where_they_come_from() -> None:
    found = [reached("refused", is_link=True), reached("open", is_link=True), reached("timeout", is_link=True)]
    (told,) = (entry for entry in judgements(peers=found) if entry.analyzer == "service_link")
    assert told.message == (
        "2 of the Services that Kubernetes names in the environment of each pod do not answer; the app may never use them: "
        "10.1.2.3 port 80 (CACHE_SERVICE_HOST, refused), 10.1.2.3 port 80 (CACHE_SERVICE_HOST, timeout)."
    )
