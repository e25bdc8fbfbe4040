# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a pod's network looks like from inside: its resolver, answers to names, peers, the kernel's counters, captured packets.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import (
    CUT,
    from_hex,
    lines,
    not_understood,
    number,
    printable,
    shown,
    words,
)

# man 5 resolv.conf: what counts where the file says nothing
DEFAULT_NDOTS = 1
# what an nc (busybox's, OpenBSD's, nmap's) says, and the word for it
REACHED = "open"
REFUSALS = (
    ("refused", "refused"),
    ("timed out", "timeout"),
    ("ncat: timeout", "timeout"),
    ("bad address", "unresolved"),
    ("getaddrinfo", "unresolved"),
    ("could not resolve", "unresolved"),
    ("unreachable", "unreachable"),
    ("no route", "unreachable"),
)
# what a shell and timeout end with: for a program that is not there or cannot be run, and for one that they ended for its time
NOT_RUN = (126, 127)
ENDED = (124, 137, 143)
# what an nslookup (busybox's in both its sizes, BIND's) says of a name that is there and has no address, or is not there
NO_ADDRESS = ("non-authoritative answer", "no answer", "name does not resolve", "name or service not known")
# man 5 pcap-savefile: seconds with millionths, and with billionths, in either byte order
PCAP_MAGIC = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}


def text_of(word: bytes) -> str:
    """Return text that travelled as _ and hexadecimal digits, so that no byte of it could end the line."""
    return from_hex(word.removeprefix(b"_")).decode("utf-8", "replace")


def resolver(data: bytes) -> dict[str, Any]:
    """Return the target's resolv.conf and the debugger's: lines `target _hex` and `debugger _hex`.

    Gives nameservers, search, ndots, options, and is_shared: whether the debugger resolves names as the target does.
    """
    files = dict(words(line, 2) for line in lines(data))
    if files.keys() != {b"target", b"debugger"}:
        raise not_understood(data)
    found = _resolv_conf(text_of(files[b"target"]))
    return {**found, "is_shared": found == _resolv_conf(text_of(files[b"debugger"]))}


def _resolv_conf(content: str) -> dict[str, Any]:
    found: dict[str, Any] = {"nameservers": [], "search": [], "ndots": DEFAULT_NDOTS, "options": []}
    for line in content.split("\n"):
        key, *values = map(printable, line.split()) if line.strip() else [""]
        if key == "nameserver":
            found["nameservers"] += values[:1]
        elif key in ("search", "domain"):
            # the last one counts
            found["search"] = values
        elif key == "options":
            found["options"] += values
    for option in found["options"]:
        if match := re.fullmatch("ndots:([0-9]{1,2})", option):
            found["ndots"] = int(match[1])
    return found


def lookups(data: bytes) -> list[dict[str, Any]]:
    """Return what the hosts file and nslookup said: lines `name asked server rc _hex`, and `cut` where there were more names.

    Each: name (as the app uses it), asked (with a suffix), server (or /etc/hosts), outcome (resolved; wildcard: the first suffix to
    answer, which answers for any name as it does for this one; timeout, refused, no_address, cut, not_understood or the server's own
    code such as NXDOMAIN), addresses. What a suffix says of a name that nobody has is a line of the name `*`, with the suffix as what
    was asked. Raises ValueError where nslookup did not run.
    """
    rows: list[dict[str, Any]] = []
    of_any: dict[tuple[str, str], list[str]] = {}
    for line in lines(data):
        if line == CUT:
            continue
        name, asked, server, code, said = words(line, 5)
        addresses, outcome = _answer(_ran("nslookup", code), text_of(said))
        if name == b"*":
            of_any[shown(server), shown(asked)] = addresses
            continue
        about = {"name": shown(name), "asked": shown(asked), "server": shown(server)}
        rows.append({**about, "outcome": outcome, "addresses": addresses})
    found: set[tuple[str, str]] = set()
    for row in rows:
        if row["outcome"] == "resolved" and (row["name"], row["server"]) not in found:
            found.add((row["name"], row["server"]))
            suffix = row["asked"].removeprefix(f"{row['name']}.")
            if suffix and set(row["addresses"]) <= set(of_any.get((row["server"], suffix), ())):
                row["outcome"] = "wildcard"
    return rows


def _ran(tool: str, code: bytes) -> int:
    """Return what a tool ended with. Raises ValueError where it did not run: its silence says nothing of the network."""
    ended = number(code)
    if ended in NOT_RUN:
        raise ValueError(f"{tool} could not be run: it ended with {ended}")
    return ended


def _answer(ended: int, said: str) -> tuple[list[str], str]:
    # the server's own address stands before the first empty line
    _about, _empty, answer = said.partition("\n\n")
    # the smaller of busybox's two counts them, and puts the name behind
    found = re.findall(r"(?m)^Address(?: [0-9]+)?:[ \t]*(\S+)", answer)
    if found:
        return list(dict.fromkeys(map(printable, found))), "resolved"
    # a server that answers at last is not silent, nor is one that knows the other kind of address
    code = re.search(r"(?m)^\*\* server can't find .*: ([A-Z0-9]{1,20})$", said)
    if code:
        return [], code[1]
    lower = said.lower()
    if "connection refused" in lower:
        return [], "refused"
    if "truncated" in lower:
        return [], "cut"
    if ended in ENDED or "timed out" in lower or "no servers could be reached" in lower:
        return [], "timeout"
    return [], "no_address" if any(phrase in lower for phrase in NO_ADDRESS) else "not_understood"


def peers(data: bytes) -> list[dict[str, Any]]:
    """Return how reaching for peers went: lines `source host port link rc centiseconds _hex`, the last what nc said; `cut` where there
    were more, and `more N` for service links that were not tried.

    Each: source (given, or the variable of the environment), host, port (0: not known), is_service_link (whether only the kubelet
    names it, for a Service of the namespace), outcome (open, proxied: taken by what takes a connection to an address of nobody, too;
    refused, timeout, unresolved, unreachable, failed, no_port, untried), seconds, said. Raises ValueError where nc did not run, or did
    not understand how it was called.
    """
    rows: list[dict[str, Any]] = []
    is_proxied = False
    for line in lines(data):
        if line == CUT:
            continue
        if line.startswith(b"more "):
            rows.append({**_peer(f"{number(line[5:])} more", "", 0, is_link=True), "outcome": "untried"})
            continue
        source, host, port, link, code, took, said = words(line, 7)
        told = printable(" ".join(text_of(said).split()))
        peer = shown(host)
        # a name may hold any of the words
        outcome = _outcome(_ran("nc", code), told.replace(peer, "")) if number(port) else "no_port"
        if link == b"control":
            is_proxied = outcome == REACHED
            continue
        found = _peer(shown(source), peer, number(port), is_link=link == b"yes")
        rows.append({**found, "outcome": outcome, "seconds": number(took) / 100, "said": told})
    return [{**row, "outcome": "proxied"} if is_proxied and row["outcome"] == REACHED else row for row in rows]


def _peer(source: str, host: str, port: int, *, is_link: bool) -> dict[str, Any]:
    return {"source": source, "host": host, "port": port, "is_service_link": is_link, "seconds": 0.0, "said": ""}


def _outcome(ended: int, said: str) -> str:
    if ended == 0:
        return REACHED
    lower = said.lower()
    if "usage:" in lower or "invalid option" in lower:
        raise ValueError(f"nc is another one than the collector takes it for: {said[:200]}")
    # without a word, too, it was ended from outside, for its time
    if ended in ENDED or not said:
        return "timeout"
    return next((outcome for phrase, outcome in REFUSALS if phrase in lower), "failed")


def protocol_counters(data: bytes) -> dict[str, int]:
    """Return the kernel's counters of a network namespace, from /proc/<pid>/net/snmp and netstat.

    Each pair of lines is `Tcp: name ...` and `Tcp: value ...`; gives TcpRetransSegs and so on.
    """
    found: dict[str, int] = {}
    rows = [line.split() for line in lines(data)]
    if len(rows) % 2:
        raise not_understood(data)
    for names, values in zip(rows[::2], rows[1::2], strict=True):
        if names[0] != values[0] or len(names) != len(values):
            raise not_understood(b" ".join(names))
        protocol = names[0].rstrip(b":")
        for name, value in zip(names[1:], values[1:], strict=True):
            found[shown(protocol + name)] = number(value)
    return found


def pcap(data: bytes) -> dict[str, int]:
    """Return what a capture holds: packets, bytes (on the wire), size (of the file). A packet cut off at the end is not counted."""
    order = PCAP_MAGIC.get(data[:4])
    if order is None or len(data) < 24:
        raise not_understood(data)
    sizes = list(_packets(data, order))
    return {"packets": len(sizes), "bytes": sum(sizes), "size": len(data)}


def _packets(data: bytes, order: str) -> Iterator[int]:
    at = 24
    while at + 16 <= len(data):
        kept, length = struct.unpack_from(f"{order}8xII", data, at)
        at += 16 + kept
        if at <= len(data):
            yield length
