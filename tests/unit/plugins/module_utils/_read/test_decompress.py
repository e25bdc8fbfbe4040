# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compressed streams, whole and broken: never more comes out than was announced, and what follows them is not touched."""

from __future__ import annotations

import random
import shutil
import zlib
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._read import compression
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import Frame, Packed
from ansible_collections.incident.distroless.tests.unit.support.local_shells import reader
from ansible_collections.incident.distroless.tests.unit.support.lying_remote import Liar, session_with
from ansible_collections.incident.distroless.tests.unit.support.memory import peak_growth
from hypothesis import given, settings
from hypothesis import strategies as st

WAYS = ["gzip", "zstd by its package", *(["zstd by its program"] if shutil.which("zstd") else [])]
NOISE = random.Random(1).randbytes(300_000)  # noqa: S311 - the same in each run
CONTENTS = {
    "one byte": b"x",
    "text": b"a line of a log\n" * 50_000,
    "noise": NOISE,
    "zeros": bytes(5_000_000),
    "text, noise and zeros": b"text" * 1000 + NOISE + bytes(400_000) + b"end",
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    name = str(request.param)
    if name == "zstd by its program":
        monkeypatch.setattr(compression, "find_spec", lambda _name: None)
    return name


def codec_of(way: str) -> Any:
    return way.partition(" ")[0]


def compressed(way: str, content: bytes) -> bytes:
    if codec_of(way) == "gzip":
        engine = zlib.compressobj(1, wbits=31)
        return engine.compress(content) + engine.flush()
    import zstandard

    return zstandard.ZstdCompressor(level=1, write_checksum=len(content) % 2 == 0).compress(content)


def opened(way: str, stream: bytes, length: int, **how: Any) -> tuple[Any, Packed]:
    answer = reader(session_with(Liar(stream, **how)).run(b""))
    return answer, Packed(answer, codec_of(way), length)


@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
@pytest.mark.parametrize("name", CONTENTS)
def test_the_content_comes_out_and_what_follows_stays(way: str, name: str, step: int) -> None:
    content = CONTENTS[name]
    stream = compressed(way, content)
    if len(stream) // step > 50_000:
        stream = compressed(way, content := content[:20_000])
    answer, packed = opened(way, stream + b"end 0 ok\nmore\n", len(content), step=step)
    assert b"".join(packed.exactly(len(content))) == content
    packed.end()
    assert packed.taken() == len(stream)
    assert [answer.line(), answer.line(), answer.line()] == [b"end 0 ok", b"more", None]


def test_members_come_out_one_after_the_other(way: str) -> None:
    content = CONTENTS["text, noise and zeros"]
    sizes = [1, 0, 3000, 299_999, len(content) - 303_000]
    _answer, packed = opened(way, compressed(way, content) + b"done\n", len(content))
    assert b"".join(b"".join(packed.exactly(size)) for size in sizes) == content
    packed.end()


@pytest.mark.parametrize("announced", [0.5, 2])
def test_another_length_than_was_announced_is_no_file(way: str, announced: float) -> None:
    content = CONTENTS["text"]
    _answer, packed = opened(way, compressed(way, content) + b"end\n", int(len(content) * announced))

    def read() -> None:
        for _view in packed.exactly(int(len(content) * announced)):
            pass
        packed.end()

    with pytest.raises(Failure) as caught:
        read()
    assert caught.value.reason == "ConnectionLost"


def test_a_bomb_takes_no_memory_and_gives_no_more_than_was_announced(way: str) -> None:
    bomb = compressed(way, bytes(200 << 20))
    _answer, packed = opened(way, bomb, 1000)
    with peak_growth() as grown:
        out = sum(len(view) for view in packed.exactly(1000))
        with pytest.raises(Failure, match="more comes out"):
            packed.end()
        assert (out, grown() < 32 << 20) == (1000, True)


def test_a_stream_that_goes_on_without_giving_anything_is_given_up(way: str) -> None:
    # empty blocks that are not the last: stored ones of deflate, raw ones of zstd
    start, empty = (
        (compressed(way, b"")[:10], b"\0\0\0\xff\xff")
        if codec_of(way) == "gzip"
        else (bytes.fromhex("28b52ffd0058"), b"\0\0\0")
    )
    answer, packed = opened(way, start, 1000, forever=empty * 1000)
    with pytest.raises(Failure):
        for _view in packed.exactly(1000):
            pass
    assert answer._source._transport.sent < 1 << 20


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(WAYS[:2]), st.data(), st.integers(1, 5000))
def test_a_damaged_stream_is_the_content_or_a_failure(way: str, data: st.DataObject, step: int) -> None:
    content = b"a line\n" * 500 + NOISE[:3000]
    stream = bytearray(compressed(way, content))
    for _number in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    _answer, packed = opened(way, bytes(stream[: data.draw(st.integers(1, len(stream)))]), len(content), step=step)
    out, reason = 0, None
    try:
        for view in packed.exactly(len(content)):
            out += len(view)
        packed.end()
    except Failure as failure:
        reason = failure.reason
    # what was damaged may have been unused; a wrong byte is the hash's to find
    assert out == len(content) or (out < len(content) and reason == "ConnectionLost")
    assert reason in (None, "ConnectionLost")


@pytest.mark.parametrize("level", [1, 3, 19])
@pytest.mark.parametrize("name", CONTENTS)
def test_the_end_of_a_frame_is_found_in_pieces_of_any_size(name: str, level: int) -> None:
    import zstandard

    content = CONTENTS[name][:600_000]
    for has_size in (True, False):
        whole = zstandard.ZstdCompressor(level=level, write_content_size=has_size).compress(content)
        for step in (1, 3, 1000, len(whole) + 5):
            stream, frame, own = whole + b"after", Frame(), 0
            while not frame.is_over:
                own += frame.feed(memoryview(stream[own : own + step]))
            assert own == len(whole)


@pytest.mark.parametrize("garbage", [b"", b"\x28\xb5\x2f\xfe" + bytes(100), b"\x28\xb5\x2f\xfd\x20\x00\x06\x00\x00"])
def test_what_is_no_frame_is_refused(garbage: bytes) -> None:
    frame = Frame()
    if garbage:
        with pytest.raises(ValueError, match="no"):
            frame.feed(memoryview(garbage))
    else:
        assert frame.feed(memoryview(garbage)) == 0
        assert not frame.is_over
