# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A slow link: a network namespace whose way out has the rate of a tc token bucket, and a delaying proxy at its other end.

The namespace has no name and no mount: it lives while its one process reads our end of a pipe, so that it goes, with its
interfaces, whatever ends us.
"""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from delay import delaying
from measuring import Trouble
from ways import Way

RATE_MBIT = 100
ROUND_TRIP = 0.050
# RFC 2544 keeps it for benchmarks; each run takes a part of its own
ADDRESSES = ipaddress.IPv4Network("198.18.0.0/15")
BITS = 30


@dataclass(frozen=True, slots=True)
class Ends:
    """The names of the link's two interfaces and their addresses: `near` is this machine's, `far` the clients'."""

    near: str
    far: str
    near_address: str
    far_address: str


def ends(number: int) -> Ends:
    """Two ends that no other run has whose number is another one."""
    parts = 1 << (BITS - ADDRESSES.prefixlen)
    # each part has a network address before and a broadcast address after its two
    first = ADDRESSES[4 * (number % parts) + 1]
    return Ends(f"idb{number}n", f"idb{number}f", str(first), str(first + 1))


@contextmanager
def slow_link(way: Way, folder: Path) -> Iterator[Way]:
    """The same cluster, seen from the far end of the link. Raises Trouble where the kernel or our rights do not allow it."""
    config: dict[str, Any] = json.loads(way.run_kubectl("default", "config", "view", "--raw", "-o", "json").printed)
    (cluster,) = (entry["cluster"] for entry in config["clusters"])
    server = urlsplit(cluster["server"])
    host, port = server.hostname or "", server.port or 443
    link = ends(os.getpid())
    with network(link) as prefix, delaying(link.near_address, (host, port), ROUND_TRIP) as proxy_port:
        cluster.update({"server": f"https://{link.near_address}:{proxy_port}", "tls-server-name": host})
        kubeconfig = folder / "kubeconfig-slow"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(json.dumps(config), encoding="utf-8")
        yield Way(way.kubectl, kubeconfig, prefix)


@contextmanager
def network(link: Ends) -> Iterator[tuple[str, ...]]:
    """A namespace at the far end of the link; gives the words that run a command there."""
    near, far = link.near, link.far
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        if not (holder.stdout and holder.stdout.readline()):
            raise Trouble("unshare --net makes no network namespace here")
        inside = ("nsenter", f"--net=/proc/{holder.pid}/ns/net", "--")
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", str(holder.pid))
        _ip("address", "add", f"{link.near_address}/{BITS}", "dev", near)
        _ip("link", "set", near, "up")
        run_quietly(*inside, "ip", "address", "add", f"{link.far_address}/{BITS}", "dev", far)
        for name in ("lo", far):
            run_quietly(*inside, "ip", "link", "set", name, "up")
        # a queue of a quarter of a second, as home and office routers have
        bucket = ("root", "tbf", "rate", f"{RATE_MBIT}mbit", "burst", "256kb", "latency", "250ms")
        run_quietly("tc", "qdisc", "add", "dev", near, *bucket)
        run_quietly(*inside, "tc", "qdisc", "add", "dev", far, *bucket)
        yield inside
    finally:
        if holder.stdin:
            holder.stdin.close()
        holder.wait()


def _ip(*words: str) -> None:
    run_quietly("ip", *words)


def run_quietly(*words: str) -> None:
    """Raises Trouble with the command's own words where it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Trouble(f"{words[0]} is not there") from None
    if done.returncode:
        raise Trouble(f"`{' '.join(words)}`: {done.stderr.strip()}")
