# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Websocket frames (RFC 6455) in a byte stream, whole and as they are on the wire, so that one can be lost, doubled or damaged."""

from __future__ import annotations

from dataclasses import dataclass, replace

# what kubelet and API server send: a channel byte and at most 32 KiB
BINARY, CLOSE = 0x2, 0x8
STATUS_CHANNEL = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its first byte (FIN and opcode), the mask (empty without one) and the payload as it is on the wire."""

    first: int
    mask: bytes
    payload: bytes

    @property
    def opcode(self) -> int:
        return self.first & 0x0F

    @property
    def channel(self) -> int | None:
        """The channel of an unmasked frame of the exec protocol."""
        return self.payload[0] if self.opcode == BINARY and self.payload and not self.mask else None

    @property
    def is_data(self) -> bool:
        """Return whether it carries bytes of a stream and is not the empty one that opens a channel."""
        return self.opcode == BINARY and len(self.payload) > 1 and self.channel != STATUS_CHANNEL

    def wire(self) -> bytes:
        length = len(self.payload)
        return head(self.first, length, bool(self.mask)) + self.mask + self.payload

    def shortened(self) -> Frame:
        """The same with the last quarter of its payload gone, and a header that says so."""
        return replace(self, payload=self.payload[: max(1, len(self.payload) * 3 // 4)])

    def flipped(self, at: int) -> Frame:
        """The same with one bit of the payload turned, never of the channel byte."""
        place = 1 + at % max(1, len(self.payload) - 1)
        damaged = bytearray(self.payload)
        damaged[place] ^= 1 << at % 8
        return replace(self, payload=bytes(damaged))

    def on_channel(self, channel: int) -> Frame:
        return replace(self, payload=bytes([channel]) + self.payload[1:])

    def with_opcode(self, opcode: int) -> Frame:
        return replace(self, first=self.first & 0xF0 | opcode)


def head(first: int, length: int, is_masked: bool = False) -> bytes:
    """A frame's header for a payload of that length, which need not follow."""
    bit = 0x80 if is_masked else 0
    if length < 126:
        return bytes([first, bit | length])
    if length < 1 << 16:
        return bytes([first, bit | 126]) + length.to_bytes(2, "big")
    return bytes([first, bit | 127]) + length.to_bytes(8, "big")


class Splitter:
    """Cuts a stream into its HTTP head and its frames, however it arrives."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._is_open = self._is_plain = False

    def feed(self, data: bytes) -> list[bytes | Frame]:
        """Return what is complete by now: the head as bytes, then frames. What is no upgrade is passed on as bytes to its end."""
        self._held += data
        found: list[bytes | Frame] = []
        if not self._is_open:
            end = self._held.find(b"\r\n\r\n")
            if end < 0:
                return found
            found.append(bytes(self._held[: end + 4]))
            del self._held[: end + 4]
            self._is_open = True
            self._is_plain = b"upgrade: websocket" not in bytes(found[0]).lower()
        if self._is_plain:
            found.append(bytes(self._held))
            self._held.clear()
            return found
        while (taken := self._first()) is not None:
            frame, size = taken
            del self._held[:size]
            found.append(frame)
        return found

    def _first(self) -> tuple[Frame, int] | None:
        if len(self._held) < 2:
            return None
        first, second = self._held[:2]
        width = {126: 2, 127: 8}.get(second & 0x7F, 0)
        at = 2 + width
        length = int.from_bytes(self._held[2:at], "big") if width else second & 0x7F
        masked = 4 if second & 0x80 else 0
        if len(self._held) < at or len(self._held) < at + masked + length:
            return None
        mask, payload = self._held[at : at + masked], self._held[at + masked : at + masked + length]
        return Frame(first, bytes(mask), bytes(payload)), at + masked + length
