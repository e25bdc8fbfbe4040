# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sockets of a network namespace, as /proc/net prints them.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import ipaddress
import re
import sys
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.text import CUT, lines, not_understood, shown

# include/net/tcp_states.h
TCP_STATES = (
    "ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN CLOSING NEW_SYN_RECV"
).split()
PROTOCOLS = ("tcp", "tcp6", "udp", "udp6", "unix")


def sockets(data: bytes) -> list[dict[str, Any]]:
    """Return the sockets in several files of /proc/<pid>/net, each after a line `==> tcp` (tcp6, udp, udp6, unix).

    An internet socket: protocol, local, local_port, remote, remote_port, state (LISTEN, ESTABLISHED ...; of udp UNCONNECTED or
    ESTABLISHED), send_queue, receive_queue (bytes; of a listener the queue of connections), retransmits (of what is on
    its way now), uid, inode. A unix one: protocol,
    path, state, inode.
    """
    rows = []
    protocol = ""
    for line in lines(data):
        if line.startswith(b"==> "):
            protocol = line[4:].decode("ascii", "replace")
            if protocol not in PROTOCOLS:
                raise not_understood(line)
        elif not protocol:
            raise not_understood(line)
        # what a line `cut` says is completeness's to tell
        elif line != CUT and not _is_heading(line):
            rows.append(_unix(line) if protocol == "unix" else _internet(protocol, line))
    return rows


def _is_heading(line: bytes) -> bool:
    return line.lstrip().startswith((b"sl ", b"Num "))


def _internet(protocol: str, line: bytes) -> dict[str, Any]:
    fields = line.split()
    try:
        local, remote = _address(fields[1]), _address(fields[2])
        send, receive = (int(word, 16) for word in fields[4].split(b":"))
        code = int(fields[3], 16)
        return {
            "protocol": protocol,
            "local": local[0],
            "local_port": local[1],
            "remote": remote[0],
            "remote_port": remote[1],
            "state": _state(protocol, code),
            "send_queue": send,
            "receive_queue": receive,
            "retransmits": int(fields[6], 16),
            "uid": int(fields[7]),
            "inode": int(fields[9]),
        }
    except (IndexError, ValueError) as error:
        raise not_understood(line) from error


def _state(protocol: str, code: int) -> str:
    if protocol.startswith("udp"):
        return "ESTABLISHED" if code == 1 else "UNCONNECTED"
    return TCP_STATES[code - 1]


def _address(field: bytes) -> tuple[str, int]:
    """Return an address and a port; the kernel prints each 32 bits of an address as a number of the machine's own byte order."""
    digits, port = field.split(b":")
    packed = bytes.fromhex(digits.decode("ascii"))
    if sys.byteorder == "little":
        packed = b"".join(packed[at : at + 4][::-1] for at in range(0, len(packed), 4))
    return _written(ipaddress.ip_address(packed)), int(port, 16)


def _written(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Return an address as text: a socket of tcp6 has IPv4 peers too, and Python before 3.13 writes those as ::ffff:af4:940f."""
    return str(getattr(address, "ipv4_mapped", None) or address)


def address(text: object) -> str:
    """Return an IP address that somebody wrote in whatever form as the sockets have it, "" where the text is none."""
    try:
        return _written(ipaddress.ip_address(str(text).strip().partition("%")[0]))
    except ValueError:
        return ""


def _unix(line: bytes) -> dict[str, Any]:
    match = re.fullmatch(
        rb"[0-9a-fA-F]+: [0-9A-F]{8} [0-9A-F]{8} ([0-9A-F]{8}) [0-9A-F]{4} ([0-9A-F]{2}) +([0-9]+)(?: (.*))?", line
    )
    if not match:
        raise not_understood(line)
    # __SO_ACCEPTCON of include/uapi/linux/net.h
    is_listening = int(match[1], 16) & 0x10000
    return {
        "protocol": "unix",
        "path": shown(match[4] or b""),
        "state": "LISTEN" if is_listening else "CONNECTED" if int(match[2], 16) == 3 else "UNCONNECTED",
        "inode": int(match[3]),
    }
