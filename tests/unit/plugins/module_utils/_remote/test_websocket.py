# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Frames of a server, honest and hostile ones, in pieces of every size."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import MAX_SECONDS
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import FrameError, Frames
from ansible_collections.incident.distroless.tests.unit.support.fake_exec import frame
from hypothesis import given
from hypothesis import strategies as st

MOST = 1 << 20


class Wire:
    """A socket on which pieces come, one with each read; `None` is a read that comes to its time-out, the end is the end."""

    def __init__(self, pieces: Iterable[bytes | None]) -> None:
        self._pieces: Iterator[bytes | None] = iter(pieces)
        self._rest = b""
        self.waits: list[float] = []

    def settimeout(self, value: float, /) -> None:
        assert value > 0
        self.waits.append(value)

    def recv_into(self, buffer: memoryview, /) -> int:
        assert len(buffer), "a read of nothing would look like the end"
        piece = self._rest or next(self._pieces, b"")
        if piece is None:
            raise TimeoutError
        came = min(len(piece), len(buffer))
        buffer[:came], self._rest = piece[:came], piece[came:]
        return came


def read(*pieces: bytes | None) -> list[tuple[str, bytes]]:
    """The messages up to the end of the connection."""
    frames, messages = Frames(Wire(pieces), MOST), []
    while True:
        try:
            kind, payload = frames.next(time.monotonic() + 60)
        except ConnectionResetError:
            return messages
        messages.append((kind, payload.tobytes()))


def cut(wire: bytes, size: int) -> list[bytes]:
    return [wire[start : start + size] for start in range(0, len(wire), size)]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 32_769, 300_000, MOST])
@pytest.mark.parametrize("piece", [1, 16 << 10, 1 << 30])
def test_a_message_of_any_length_comes_whole_however_it_is_cut(size: int, piece: int) -> None:
    payload = bytes(range(251)) * (size // 251 + 1)
    wire = frame(payload[:size]) + frame(b"next")
    # byte by byte it is the header that matters
    pieces = cut(wire, piece) if piece > 1 else [*cut(wire[:40], 1), wire[40:]]
    assert read(*pieces) == [("data", payload[:size]), ("data", b"next")]


@given(st.lists(st.binary(max_size=400), max_size=20), st.integers(1, 50))
def test_messages_come_as_they_were_sent(payloads: list[bytes], piece: int) -> None:
    assert read(*cut(b"".join(map(frame, payloads)), piece)) == [("data", payload) for payload in payloads]


@given(st.lists(st.binary(max_size=200)))
def test_noise_ends_in_an_error_and_never_in_more_than_came(pieces: list[bytes]) -> None:
    try:
        messages = read(*filter(None, pieces))
    except FrameError:
        return
    assert sum(len(payload) for _kind, payload in messages) <= sum(map(len, pieces))


def test_many_frames_pass_through_one_buffer() -> None:
    payloads = [bytes([number % 256]) * 32_769 for number in range(100)]
    wire = b"".join(map(frame, payloads))
    assert read(*cut(wire, 16 << 10)) == [("data", payload) for payload in payloads]


def test_a_message_in_parts_is_put_together_and_control_frames_between_them_come_first() -> None:
    wire = frame(b"one ", first=0x02) + frame(b"hello", first=0x89) + frame(b"two ", first=0) + frame(b"3", first=0x80)
    assert read(wire) == [("ping", b"hello"), ("data", b"one two 3")]


def test_control_frames_and_text_are_told_apart() -> None:
    wire = frame(b"text", first=0x81) + frame(b"", first=0x8A) + frame(b"\x03\xe8", first=0x88)
    assert read(wire) == [("data", b"text"), ("pong", b""), ("close", b"\x03\xe8")]


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(bytes([0x82, 0x84]) + b"mask" + b"data", id="masked"),
        pytest.param(frame(b"x", first=0xC2), id="a reserved bit"),
        pytest.param(frame(b"x", first=0x83), id="a reserved opcode"),
        pytest.param(frame(b"x", first=0x8B), id="a reserved control opcode"),
        pytest.param(frame(b"x", first=0x80), id="the last part of nothing"),
        pytest.param(frame(b"x", first=0x00), id="a part of nothing"),
        pytest.param(frame(b"x", first=0x02) + frame(b"y"), id="a message within another one"),
        pytest.param(frame(b"x", first=0x09), id="a ping in parts"),
        pytest.param(frame(b"x" * 126, first=0x89), id="a long ping"),
        pytest.param(frame(b"", length=MOST + 1), id="longer than is taken"),
        pytest.param(frame(b"", length=(1 << 64) - 1), id="longer than can be"),
        pytest.param(frame(b"x" * 600_000, first=0x02) + frame(b"x" * 600_000, first=0x80), id="long in parts"),
    ],
)
def test_what_no_server_sends_is_refused(wire: bytes) -> None:
    with pytest.raises(FrameError):
        read(wire)


def test_a_frame_that_is_too_long_is_refused_before_any_of_it_is_read() -> None:
    def endless() -> Iterator[bytes]:
        yield frame(b"", length=1 << 62)
        pytest.fail("it was read on")

    with pytest.raises(FrameError):
        Frames(Wire(endless()), MOST).next(time.monotonic() + 60)


def test_nothing_is_lost_by_a_time_out() -> None:
    wire = frame(b"a" * 200)
    frames = Frames(Wire([wire[:1], None, wire[1:3], None, wire[3:100], None, wire[100:]]), MOST)
    for _time_out in range(3):
        with pytest.raises(TimeoutError):
            frames.next(time.monotonic() + 60)
    assert frames.next(time.monotonic() + 60).payload == b"a" * 200


def test_no_wait_is_longer_than_a_socket_can_be_told_to() -> None:
    wire = Wire([frame(b"a")])
    Frames(wire, MOST).next(time.monotonic() + MAX_SECONDS)
    assert max(wire.waits) * 1000 < 2**31


def test_a_server_that_sends_byte_by_byte_gets_no_more_time_by_that() -> None:
    wire = frame(b"ab")
    frames = Frames(Wire(cut(wire, 1)), MOST)
    with pytest.raises(TimeoutError):
        frames.next(time.monotonic() - 1)


def test_a_connection_that_ends_within_a_frame_is_a_broken_one() -> None:
    with pytest.raises(ConnectionResetError):
        Frames(Wire([frame(b"abc")[:-1]]), MOST).next(time.monotonic() + 60)
