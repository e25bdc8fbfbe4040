# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ways in which a connection to the API server fails here, each a value: what happens, in which direction, and where."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

Direction = Literal["up", "down"]

# below TLS: what networks, load balancers and dying machines do. TLS passes through untouched.
BELOW_TLS = {
    "refused": "the connection is closed as soon as it is accepted",
    "cut": "both directions end after so many bytes",
    "reset": "a TCP reset after so many bytes",
    "half-close": "one direction ends, the other goes on",
    "stall": "nothing more comes, and the connection stays open for longer than ``timeout``",
    "lifetime": "each connection is cut after a moment, as proxies do after 60 s",
    "quota": "each connection is cut after so many bytes",
    "bit below TLS": "one bit turned on the wire",
}
# above TLS: what an intermediary that terminates it can do. Client and server are at the mercy of lengths and hashes.
ABOVE_TLS = {
    "429": "the request or the exec's handshake is answered with 429",
    "429 with Retry-After": "the same, with Retry-After: 1",
    "500": "the same with 500",
    "503": "the same with 503",
    "frame lost": "one frame of output never arrives",
    "frame doubled": "one frame of output arrives twice",
    "frames swapped": "two frames of output arrive in the wrong order",
    "frame shortened": "one frame of output arrives with its end cut off, its header in keeping with that",
    "frame broken off": "the connection ends in the middle of a frame",
    "bit of the output": "one bit of the output turned",
    "wrong channel": "a frame arrives on a channel that there is none of",
    "wrong opcode": "a frame arrives with a reserved opcode",
    "early close": "a websocket close comes before the end",
    "input lost": "one frame of what is sent never arrives",
    "input doubled": "one frame of what is sent arrives twice",
}
FAULTS = {**BELOW_TLS, **ABOVE_TLS}
# those that meet whatever connection is made
_EVERY_CONNECTION = ("lifetime", "quota")
# those that are about what is sent rather than received
_UP_ONLY = ("input lost", "input doubled")


# the connections of one session: its shell, and the outlet that output comes from
SESSION = 2


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the first `connections` connections: after `at` bytes (or at that frame) in a direction, or after seconds."""

    kind: str
    direction: Direction
    at: int
    connections: int
    seconds: float = 0.0

    @property
    def is_above_tls(self) -> bool:
        return self.kind in ABOVE_TLS

    @property
    def answer(self) -> int:
        """The HTTP status that a request is answered with; 0: it is let through."""
        return int(self.kind[:3]) if self.kind[:3].isdigit() else 0

    def meets(self, number: int) -> bool:
        """Return whether it happens to connection number 0, 1, ..."""
        return number < self.connections


def choose(kind: str, random: Random, expected_bytes: int) -> Fault:
    """A fault of that kind somewhere in a transfer of about so many bytes: as likely early as late, on a logarithmic scale."""
    direction: Direction = "up" if kind in _UP_ONLY or (kind in BELOW_TLS and random.random() < 0.25) else "down"
    is_frame = kind in ABOVE_TLS
    # what is sent are scripts of some KiB; a frame holds up to 32 KiB
    most = 40_000 if direction == "up" else int(expected_bytes * 1.1) + 20_000
    most = max(4, most >> 15) + 12 if is_frame else most
    at = int(most ** random.random()) if random.random() < 0.5 else random.randrange(most)
    connections = 1_000_000 if kind in _EVERY_CONNECTION else SESSION * random.choice((1, 1, 1, 2, 2, 1_000_000))
    if kind == "quota":
        at = random.choice((3_000, 30_000, 300_000, 3_000_000))
    return Fault(kind, direction, at, connections, random.uniform(0.05, 1.5))
