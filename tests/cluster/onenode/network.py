# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses of one cluster: a bridge with a subnet of its own, and ports that nobody else uses."""

from __future__ import annotations

import ipaddress
import json
import random
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from .places import Places, locked, write
from .run import run
from .say import Stop

PORTS = ("api", "etcd", "etcd_peer", "kubelet")
Subnet = ipaddress.IPv4Network


@dataclass(frozen=True, slots=True)
class Network:
    """`subnet`: what pods get addresses of; the first one is the bridge's, and the node's."""

    bridge: str
    subnet: str
    ports: dict[str, int]

    @property
    def node(self) -> str:
        return str(next(ipaddress.IPv4Network(self.subnet).hosts()))


def given(places: Places) -> Network | None:
    """The addresses that this cluster was given before, if any."""
    try:
        return Network(**json.loads((places.home / "network.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def choose(places: Places) -> Network:
    """The addresses of before where they are free, so that a kubeconfig stays valid; else new ones, remembered from now on."""
    with locked(places.cache / "clusters" / ".network.lock", "Another launcher chooses addresses; waiting for it."):
        others = [network for network in _remembered(places) if network.bridge != places.bridge]
        taken_ports = {port for network in others for port in network.ports.values()}
        taken = [ipaddress.IPv4Network(network.subnet) for network in others] + list(_routed(places.bridge))
        before = given(places)
        if before and _free(before, taken, taken_ports):
            return before
        network = Network(
            places.bridge, str(_subnet(places.ident, taken)), dict(zip(PORTS, _ports(taken_ports), strict=True))
        )
        write(places.home / "network.json", json.dumps(asdict(network)))
        return network


def _remembered(places: Places) -> Iterator[Network]:
    for path in (places.cache / "clusters").glob("*/network.json"):
        yield Network(**json.loads(path.read_text(encoding="utf-8")))


def _routed(bridge: str) -> Iterator[Subnet]:
    """Yield what this machine already has a way to, but for the default route and the bridge's own."""
    for route in json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"])):
        if route["dst"] != "default" and route.get("dev") != bridge:
            yield ipaddress.IPv4Network(route["dst"], strict=False)


def _free(network: Network, taken: list[Subnet], ports: set[int]) -> bool:
    subnet = ipaddress.IPv4Network(network.subnet)
    if any(subnet.overlaps(other) for other in taken) or ports & set(network.ports.values()):
        return False
    return all(_bindable(port) for port in network.ports.values())


def _bindable(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Go does: a connection of before may linger
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def _subnet(ident: str, taken: list[Subnet]) -> Subnet:
    for attempt in range(1000):
        # the same checkout tries the same subnets in the same order
        chance = random.Random(f"{ident}/{attempt}")  # noqa: S311 - nothing secret
        subnet = ipaddress.IPv4Network(f"10.{chance.randrange(200, 250)}.{chance.randrange(256)}.0/24")
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    raise Stop("this machine has a route to every subnet that the cluster could use (10.200.0.0 to 10.249.255.255).")


def _ports(taken: set[int]) -> list[int]:
    """Free ports below those that the kernel gives to outgoing connections, so that none of these is in the way later."""
    chance = random.SystemRandom()
    found: list[int] = []
    while len(found) < len(PORTS):
        port = chance.randrange(20000, 32000)
        if port not in taken and port not in found and _bindable(port):
            found.append(port)
    return found


def raise_bridge(network: Network) -> None:
    """A bridge whose hardware address is set stays the same when pods come and go."""
    last = [int(part) for part in network.node.split(".")]
    address = "02:1d:" + ":".join(f"{part:02x}" for part in last)
    run(["ip", "link", "add", "name", network.bridge, "address", address, "type", "bridge"])
    run(["ip", "address", "add", f"{network.node}/24", "dev", network.bridge])
    run(["ip", "link", "set", network.bridge, "up"])


def remove_bridge(bridge: str, seconds: float = 10.0) -> None:
    """Remove the bridge and what is left on it. The pods' own interfaces go with their namespaces, a moment after their last process."""
    end = time.monotonic() + seconds
    while ports := _on(bridge):
        if time.monotonic() > end:
            for port in ports:
                run(["ip", "link", "delete", port])
            break
        time.sleep(0.05)
    if Path(f"/sys/class/net/{bridge}").exists():
        run(["ip", "link", "delete", bridge])


def _on(bridge: str) -> list[str]:
    folder = Path(f"/sys/class/net/{bridge}/brif")
    return [path.name for path in folder.iterdir()] if folder.exists() else []
