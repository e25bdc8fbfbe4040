# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When files are compressed: decided by what the line and the tools can do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._read.bandwidth import (
    _COMPRESS,
    _LINES,
    _LOAD,
    _SECOND,
    _rate,
    decide,
)
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import (
    NOTHING,
    PROGRAM,
    Codec,
    Packing,
    by_measure,
    by_name,
)
from ansible_collections.incident.distroless.plugins.module_utils._read.request import Want
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS, open_session
from ansible_collections.incident.distroless.tests.unit.support.lying_remote import Liar, session_with
from ansible_collections.incident.distroless.tests.unit.support.target_things import entry

LOG = entry(b"/log", size=100 << 20, blocks=204_800)
HOLEY = entry(b"/holey", size=100 << 20, blocks=8)
SPEEDS: dict[Codec, float] = {"gzip": 35e6, "zstd": 300e6}
LINES = {"100 Mbit/s": 12e6, "1 Gbit/s": 120e6, "loopback": 600e6}


@pytest.mark.parametrize(
    ("line", "there", "codec"),
    [
        ("100 Mbit/s", ["gzip"], "gzip"),
        ("100 Mbit/s", ["zstd", "gzip"], "zstd"),
        ("1 Gbit/s", ["gzip"], "none"),
        ("1 Gbit/s", ["zstd", "gzip"], "zstd"),
        ("loopback", ["zstd", "gzip"], "none"),
        ("100 Mbit/s", [], "none"),
    ],
)
def test_a_tool_that_is_faster_than_the_line_compresses_what_shrinks(
    line: str, there: Sequence[Codec], codec: Codec
) -> None:
    packing = by_measure(LINES[line], SPEEDS, there=there)
    assert (packing.groups, packing.files) == (codec, codec)
    assert packing.word(LOG) == (b"none" if codec == "none" else codec.encode() + b"?")


def test_a_file_with_holes_is_compressed_on_the_fastest_line() -> None:
    assert by_measure(LINES["loopback"], SPEEDS, there=["gzip"]).word(HOLEY) == b"gzip"
    assert by_measure(LINES["loopback"], SPEEDS, there=[]).word(HOLEY) == b"none"


def test_what_was_asked_for_by_name_is_used_for_everything_without_a_sample() -> None:
    packing = by_name("gzip", here=["gzip"], there=["gzip"])
    assert packing == Packing("gzip", "gzip", "gzip")
    assert (packing.word(LOG), packing.word(HOLEY), packing.tool) == (b"gzip", b"gzip", "gzip")
    assert by_name("none", here=[], there=[]) == NOTHING


@pytest.mark.parametrize(
    ("here", "there", "reason", "word"),
    [(["gzip"], ["zstd"], "InvalidRequest", "this host"), (["zstd"], ["gzip"], "ImageLacksTool", "debug image")],
)
def test_a_tool_that_is_missing_is_said_with_its_side(
    here: list[Codec], there: list[Codec], reason: str, word: str
) -> None:
    with pytest.raises(Failure, match=word) as caught:
        by_name("zstd", here=here, there=there)
    assert (caught.value.reason, "compress at auto" in caught.value.hint) == (reason, True)


class Clocked:
    """A session in a real shell whose clock says what a line of `rate` bytes a second would have taken."""

    def __init__(self, shell: str, rate: float) -> None:
        self.session: Session = open_session(shell)
        self.came = 0
        self._rate, receive = rate, self.session._transport.receive

        def counted(timeout: float) -> tuple[int, memoryview] | None:
            piece = receive(timeout)
            self.came += len(piece[1]) if piece else 0
            return piece

        self.session._transport.receive = counted  # type: ignore[method-assign]

    def clock(self) -> float:
        return self.came / self._rate


@pytest.mark.parametrize("shell", sorted(SHELLS))
@pytest.mark.parametrize("rate", [1e5, 12e6])
def test_a_slow_line_is_found_out_with_the_tools_of_every_shell(shell: str, rate: float) -> None:
    clocked = Clocked(shell, rate)
    with clocked.session as session:
        packing = decide(session, "auto", [Want(LOG)], is_throttled=False, here=["gzip", "zstd"], clock=clocked.clock)
    assert packing.files != "none"
    assert packing.is_sampled
    # a line on which a sample takes seconds gets the small one only
    assert clocked.came < (400_000 if rate < 1e6 else 2_500_000)


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_a_fast_line_is_left_alone(shell: str) -> None:
    clocked = Clocked(shell, 1e12)
    with clocked.session as session:
        packing = decide(session, "auto", [Want(LOG)], is_throttled=False, here=["gzip"], clock=clocked.clock)
    assert packing == Packing("none", "none", "gzip", is_sampled=True)


@pytest.mark.parametrize(
    ("compress", "is_throttled", "size"), [("none", False, 1 << 30), ("auto", True, 1 << 30), ("auto", False, 1000)]
)
def test_where_nothing_is_to_be_gained_nothing_is_asked(compress: str, is_throttled: bool, size: int) -> None:
    liar = Liar(b"", is_silent=True)
    want = Want(entry(b"/a", size=size, blocks=size // 512 + 1))
    packing = decide(session_with(liar), compress, [want], is_throttled=is_throttled, here=["gzip"])  # type: ignore[arg-type]
    assert packing == NOTHING
    assert liar.sent == 0


@pytest.mark.parametrize("answer", [b"", b"zstd\n", b"zstd\nlzop\n"])
def test_an_endless_answer_about_tools_is_given_up(answer: bytes) -> None:
    liar = Liar(answer, forever=bytes(4096))
    with pytest.raises(Failure) as caught:
        decide(session_with(liar), "auto", [Want(LOG)], is_throttled=False, here=["gzip"])
    assert caught.value.reason == "ConnectionLost"
    assert liar.sent < 8 << 20


class Bursting(Clocked):
    """A line that lets the first 256 KiB of each sample through at once, as tc's tbf does."""

    burst = 256 << 10

    def clock(self) -> float:
        """See Clocked: it stands still until the burst is through."""
        return max(0, self.came - self.burst) / self._rate


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_a_burst_at_the_beginning_does_not_make_a_line_fast(shell: str) -> None:
    bursting = Bursting(shell, 12e6)
    with bursting.session as session:
        assert _rate(session, _SECOND, bursting.clock) == pytest.approx(12e6, rel=0.05)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_load_is_as_long_as_it_says_and_half_of_it_shrinks_as_lines_do(shell: str) -> None:
    with open_session(shell) as session:
        session.define(PROGRAM)
        sizes = []
        for size, tool in ((0, b"none"), (_LOAD, b"none"), (_LOAD, b"gzip")):
            sizes.append(int(session.run(_LINES + _COMPRESS % (size // 65536, tool)).output(99)))
    assert sizes[:2] == [0, _LOAD]
    assert _LOAD // 8 < sizes[2] < _LOAD // 2


@pytest.mark.parametrize("shell", SHELLS)
def test_a_tool_is_measured_with_no_more_than_it_is_given(shell: str, tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    with open_session(shell) as session:
        session.define(PROGRAM + b'cat() { echo >>%s; command cat "$@"; }\n' % str(counted).encode())
        assert int(session.run(_LINES + _COMPRESS % (_LOAD // 65536, b"gzip")).output(99)) > 0
        size = int(session.run(b"command cat /proc/$$/exe | wc -c").output(99))
    # those that fill it, half of it with lines, and one or two that find that nobody reads any more
    assert len(counted.read_text(encoding="utf-8").splitlines()) <= _LOAD // 2 // size + 3
