# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.progress import (
    BETWEEN,
    BURST,
    LINES_A_SECOND,
    MAX_LINE,
    Progress,
    Rate,
    moved_line,
    visible,
)


class Clock:
    """A clock that goes when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "s"))
        bound.setblocking(False)
        yield bound


def heard(listener: socket.socket) -> list[str]:
    lines = []
    while True:
        try:
            lines.append(listener.recv(65536).decode())
        except BlockingIOError:
            return lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain: äöü 漢", "plain: äöü 漢"),
        ("\x1b[2J\x07\r\n\x9b", r"\x1b[2J\x07\r\n\x9b"),
        ("a\u202eb\u2066c\u200e", r"a\u202eb\u2066c\u200e"),
        ("\u2028\ud800\x7f", r"\u2028\ud800\x7f"),
    ],
)
def test_what_could_act_on_a_terminal_is_shown_instead(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", ["x" * 10_000, "\x1b" * MAX_LINE])
def test_a_line_is_short_whatever_it_holds(text: str) -> None:
    assert len(visible(text)) <= MAX_LINE
    assert visible(text).endswith("...")


def test_lines_come_one_by_one_in_their_order(listener: socket.socket) -> None:
    progress = Progress(listener.getsockname())
    progress.say("shop/api-0/app", "injecting")
    progress.say("shop/api-0/app", "runs")
    assert heard(listener) == ["shop/api-0/app: injecting", "shop/api-0/app: runs"]


def test_after_a_burst_a_few_lines_a_second_are_said(listener: socket.socket) -> None:
    clock = Clock()
    progress = Progress(listener.getsockname(), clock)
    for number in range(100):
        # a Unix socket holds few datagrams
        progress.say("t", str(number))
        assert len(heard(listener)) == (number < BURST)
    for second in range(1, 4):
        clock.now = 100.0 + second
        count = 0
        for number in range(100):
            progress.say("t", str(number))
            count += len(heard(listener))
        assert count == LINES_A_SECOND


def test_a_long_silence_saves_up_no_more_than_a_burst() -> None:
    rate = Rate(0.0)
    assert sum(rate.take(1e6) for _number in range(1000)) == BURST


def test_bytes_are_told_now_and_then_with_the_rate_since_their_beginning(listener: socket.socket) -> None:
    clock = Clock()
    progress = Progress(listener.getsockname(), clock)
    progress.moved("t", 0, 100 << 20, 0, 5)
    clock.now += BETWEEN / 2
    progress.moved("t", 10 << 20, 100 << 20, 1, 5)
    assert heard(listener) == []
    clock.now += BETWEEN / 2
    progress.moved("t", 20 << 20, 100 << 20, 2, 5)
    progress.moved("t", 21 << 20, 100 << 20, 2, 5)
    assert heard(listener) == ["t: 20 MiB of 100 MiB, 2 of 5 files, 10 MiB/s, 8 s left"]


def test_hours_are_told_as_hours() -> None:
    assert moved_line(0, 4 << 30, 0, 1, 1 << 20) == "0 B of 4 GiB, 0 of 1 files, 1 MiB/s, 1 h 8 min left"
    assert moved_line(1, 2, 0, 1, 0) == "1 B of 2 B, 0 of 1 files"


def test_work_goes_on_when_nobody_reads_or_listens(listener: socket.socket, tmp_path: Path) -> None:
    clock = Clock()
    deaf = Progress(listener.getsockname(), clock)
    for number in range(2000):
        clock.now += 1
        deaf.say("t", str(number))
    assert len(heard(listener)) < 2000
    Progress(str(tmp_path / "nobody")).say("t", "x")
    Progress("/" + "x" * 200).say("t", "x")
    Progress(None).moved("t", 1, 2, 3, 4)
