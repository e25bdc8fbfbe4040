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

from ansible_collections.incident.distroless.plugins.plugin_utils._parse_text import (
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
# what busybox's nc says, and the word for it
REACHED = "open"
REFUSALS = (
    ("refused", "refused"),
    ("timed out", "timeout"),
    ("bad address", "unresolved"),
    ("unreachable", "unreachable"),
    ("no route", "unreachable"),
)
# man 5 pcap-savefile: seconds with millionths, and with billionths, in either byte order
PCAP_MAGIC = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">", b"\x4d\x3c\xb2\xa1": "<", b"\xa1\xb2\x3c\x4d": ">"}


def text_of(word: bytes) -> str:
    """Text that travelled as _ and hexadecimal digits, so that no byte of it could end the line."""
    return from_hex(word.removeprefix(b"_")).decode("utf-8", "replace")


def resolver(data: bytes) -> dict[str, Any]:
    """The target's resolv.conf and the debugger's: lines `target _hex` and `debugger _hex`.

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
    """What nslookup said: lines `name asked server rc _hex`.

    Each: name (as the app uses it), asked (with a suffix), server, outcome (resolved, timeout, refused, no_address or the
    server's own code such as NXDOMAIN), addresses.
    """
    rows = []
    for line in lines(data):
        name, asked, server, _rc, said = words(line, 5)
        addresses, outcome = _answer(text_of(said))
        rows.append(
            {
                "name": shown(name),
                "asked": shown(asked),
                "server": shown(server),
                "outcome": outcome,
                "addresses": addresses,
            }
        )
    return rows


def _answer(said: str) -> tuple[list[str], str]:
    # the server's own address stands before the first empty line
    _about, _empty, answer = said.partition("\n\n")
    addresses = [printable(address) for address in re.findall(r"(?m)^Address:[ \t]*(\S+)$", answer)]
    if addresses:
        return list(dict.fromkeys(addresses)), "resolved"
    if "Connection refused" in said:
        return [], "refused"
    if "timed out" in said:
        return [], "timeout"
    code = re.search(r"(?m)^\*\* server can't find .*: ([A-Z]{1,20})$", said)
    return [], code[1] if code else "no_address"


def peers(data: bytes) -> list[dict[str, Any]]:
    """How reaching for peers went: lines `source host port rc centiseconds _hex`, the last what nc said.

    Each: source (given, or the variable of the environment), host, port, outcome (open, refused, timeout, unresolved,
    unreachable, failed), seconds, said.
    """
    rows = []
    for line in lines(data):
        source, host, port, code, took, said = words(line, 6)
        told = printable(text_of(said).strip())
        rows.append(
            {
                "source": shown(source),
                "host": shown(host),
                "port": number(port),
                "outcome": _outcome(number(code), told),
                "seconds": number(took) / 100,
                "said": told,
            }
        )
    return rows


def _outcome(code: int, said: str) -> str:
    if code == 0:
        return REACHED
    lower = said.lower()
    # without a word from nc it was ended from outside, for its time
    return next((outcome for phrase, outcome in REFUSALS if phrase in lower), "failed" if said else "timeout")


def protocol_counters(data: bytes) -> dict[str, int]:
    """The kernel's counters of a network namespace, from /proc/<pid>/net/snmp and netstat.

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
    """What a capture holds: packets, bytes (on the wire), size (of the file). A packet cut off at the end is not counted."""
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
