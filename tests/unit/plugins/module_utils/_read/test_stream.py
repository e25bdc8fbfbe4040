# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the remote program reads of files, in every shell of this machine: the right bytes, or a word why not."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import random
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import Codec, Packing
from ansible_collections.incident.distroless.plugins.module_utils._read.events import (
    Begin,
    Data,
    End,
    Event,
    Times,
    Whole,
)
from ansible_collections.incident.distroless.plugins.module_utils._read.request import Want
from ansible_collections.incident.distroless.plugins.module_utils._read.stream import Mounts, hashes, send
from ansible_collections.incident.distroless.plugins.module_utils._remote import job_output
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry, TargetFiles
from ansible_collections.incident.distroless.tests.unit.support.local_shells import NOBODY, SHELLS, open_session
from ansible_collections.incident.distroless.tests.unit.support.local_tree import HOSTILE_NAMES, LocalTree
from ansible_collections.incident.distroless.tests.unit.support.lying_remote import Liar, hurried, session_with
from ansible_collections.incident.distroless.tests.unit.support.target_things import entry
from hypothesis import example, given, settings
from hypothesis import strategies as st

SIZES = [0, 1, 4095, 32768, 32769, 65535, 65536, 65537, (1 << 20) + 3]


@dataclass
class Got:
    """What came of one file: what was announced last, its bytes, and how it ended."""

    announced: int | None = None
    start: int = 0
    data: bytearray = field(default_factory=bytearray)
    end: End | None = None

    @property
    def status(self) -> str | None:
        return self.end.status if self.end else None


@pytest.fixture
def mounts() -> Mounts:
    """This machine's own: they are the target's here."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return Mounts(frozenset(int(line.split()[0]) for line in lines))


def make(tree: LocalTree, path: bytes, content: bytes) -> Want:
    return Want(tree.make(path, content))


def some_bytes(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311 - the same bytes in each run


def sent(events: Iterable[Event], count: int) -> list[Got]:
    """What came, by index; fails where bytes come unannounced or a file ends twice."""
    got = [Got() for _number in range(count)]
    for event in events:
        file = got[(event.end if isinstance(event, Whole) else event).index]
        assert file.end is None
        if isinstance(event, Whole):
            assert file.announced is None
            file.announced, file.data, file.end = len(event.data), bytearray(event.data), event.end
        elif isinstance(event, Begin):
            file.announced, file.start, file.data = event.length, event.start, bytearray()
        elif isinstance(event, Data):
            assert file.announced is not None
            file.data += event.view
        else:
            file.end = event
    for file in got:
        assert file.end is not None
        if file.end.status in ("ok", "Shrunk") and file.announced is not None:
            assert file.announced == file.end.length
            assert len(file.data) == max(0, file.announced - file.start)
    return got


def kept(events: Iterable[Event]) -> Iterator[Event]:
    """The same events, whose bytes stay valid."""
    for event in events:
        yield replace(event, view=memoryview(bytes(event.view))) if isinstance(event, Data) else event


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_right(file: Got, content: bytes) -> bool:
    assert file.end is not None
    return (file.end.status, bytes(file.data), file.end.sha256) == ("ok", content, sha256(content))


def test_files_of_every_size_come_whole_with_their_hash(files: TargetFiles, tree: LocalTree, mounts: Mounts) -> None:
    contents = [some_bytes(size, size) for size in SIZES]
    wants = [make(tree, b"/%d" % number, content) for number, content in enumerate(contents)]
    for file, content in zip(sent(send(files, wants, mounts), len(wants)), contents, strict=True):
        assert is_right(file, content)
    assert {end.index: (end.status, end.sha256, end.length) for end in hashes(files, wants, mounts)} == {
        number: ("ok", sha256(content), len(content)) for number, content in enumerate(contents)
    }


@pytest.fixture(params=["gzip", "gzip sampled", "zstd", "zstd sampled"])
def packing(request: pytest.FixtureRequest, shell: str) -> Packing:
    """A way to compress that this shell's tools have."""
    word, _space, is_sampled = str(request.param).partition(" ")
    tool: Codec = "zstd" if word == "zstd" and shutil.which("zstd", path=SHELLS[shell].env["PATH"]) else "gzip"
    return Packing(tool, tool, tool, is_sampled=bool(is_sampled))


@pytest.mark.parametrize("has_sums", [True, False])
def test_compressed_files_of_every_size_come_whole_with_their_hash(
    files: TargetFiles, tree: LocalTree, mounts: Mounts, packing: Packing, has_sums: bool
) -> None:
    texts = [(b"%d lines of text\n" % size * size)[:size] for size in SIZES]
    contents = [*(some_bytes(size, size) for size in SIZES), *texts]
    wants = [make(tree, b"/%d" % number, content) for number, content in enumerate(contents)]
    wants[-1] = replace(wants[-1], here=70_000)
    got = sent(send(files, wants, mounts, checksum=has_sums, packing=packing), len(wants))
    for number, (file, content) in enumerate(zip(got, contents, strict=True)):
        assert bytes(file.data) == content[wants[number].here :]
        assert file.end is not None
        assert file.end.sha256 == (sha256(content) if has_sums or wants[number].here else None)
    moved = [sum(event.moved for event in events) for events in by_file(files, wants[-2:], mounts, packing)]
    assert all(came < want.count / 3 for came, want in zip(moved, wants[-2:], strict=True))


def by_file(files: TargetFiles, wants: Sequence[Want], mounts: Mounts, packing: Packing) -> list[list[Data]]:
    """The pieces of each file, asked for again."""
    events = list(kept(send(files, wants, mounts, packing=packing)))
    return [
        [event for event in events if isinstance(event, Data) and event.index == index] for index in range(len(wants))
    ]


def test_what_a_sample_shows_not_to_shrink_comes_as_it_is(files: TargetFiles, tree: LocalTree, mounts: Mounts) -> None:
    wants = [make(tree, b"/noise", some_bytes(500_000)), make(tree, b"/text", b"text" * 100_000)]
    events = list(send(files, wants, mounts, packing=Packing("gzip", "gzip", "gzip", is_sampled=True)))
    assert [event.codec for event in events if isinstance(event, Begin)] == ["none", "gzip"]


@pytest.mark.parametrize("left", [0, 3, 60_000])
def test_a_compressed_file_that_shrinks_while_it_is_read_says_so_and_the_others_are_right(
    files: TargetFiles, tree: LocalTree, mounts: Mounts, left: int
) -> None:
    contents = [some_bytes(size, size) for size in (50_000, 200_000, 100)]
    wants = [make(tree, b"/%d" % number, content) for number, content in enumerate(contents)]
    # between the look at its size and the first byte of it
    files.session.define(b"judge() { codec=gzip; [ $3 != 200000 ] || truncate -s %d ./1; }\n" % left)
    define = files.session.define
    program = b"\njudge() { # sets"
    files.session.define = lambda script: define(script.replace(program, b"\nunused() { #"))  # type: ignore[method-assign]
    got = sent(send(files, wants, mounts, packing=Packing("gzip", "gzip", "gzip")), 3)
    assert [file.status for file in got] == ["ok", "Shrunk", "ok"]
    assert bytes(got[1].data) == contents[1][:left] + bytes(200_000 - left)
    assert is_right(got[0], contents[0])
    assert is_right(got[2], contents[2])


def test_without_checksums_the_bytes_are_the_same(files: TargetFiles, tree: LocalTree, mounts: Mounts) -> None:
    contents = [some_bytes(size, size) for size in SIZES]
    wants = [make(tree, b"/%d" % number, content) for number, content in enumerate(contents)]
    got = sent(send(files, wants, mounts, checksum=False), len(wants))
    assert [(file.status, bytes(file.data), file.end and file.end.sha256) for file in got] == [
        ("ok", content, None) for content in contents
    ]


def test_thousands_of_small_files_come_each_with_its_own_bytes(
    files: TargetFiles, tree: LocalTree, mounts: Mounts
) -> None:
    contents = [b"%d\n" % number + some_bytes(1020, number) for number in range(2000)]
    wants = [make(tree, b"/%d" % number, content) for number, content in enumerate(contents)]
    events = list(kept(send(files, wants, mounts)))
    order = [event.end.index for event in events if isinstance(event, Whole)]
    assert len(order) == len(wants)
    assert order == sorted(order)
    got = sent(events, len(wants))
    assert all(is_right(file, content) for file, content in zip(got, contents, strict=True))


def test_hostile_names_are_read(files: TargetFiles, tree: LocalTree, mounts: Mounts) -> None:
    sizes = (10, 40_000)
    contents = {b"/%d/" % size + name: name * size for name in HOSTILE_NAMES for size in sizes}
    wants = [make(tree, path, content[:50_000]) for path, content in contents.items()]
    got = sent(send(files, wants, mounts), len(wants))
    assert all(is_right(file, content[:50_000]) for file, content in zip(got, contents.values(), strict=True))


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 10), (0, 65536), (1, 1), (65535, 2), (65536, 65536), (65537, 131_072), (199_999, 1), (200_000, 0), (3, None)],
)
def test_a_part_is_what_stands_there(
    files: TargetFiles, tree: LocalTree, mounts: Mounts, offset: int, length: int | None
) -> None:
    content = some_bytes(200_000)
    want = replace(make(tree, b"/log", content), offset=offset, length=length)
    part = content[offset:] if length is None else content[offset : offset + length]
    (file,) = sent(send(files, [want], mounts), 1)
    assert is_right(file, part)
    (end,) = hashes(files, [want], mounts)
    assert (end.status, end.sha256) == ("ok", sha256(part))


@pytest.mark.parametrize("has_sums", [True, False])
@pytest.mark.parametrize("here", [1, 65_535, 65_536, 130_001, 199_999, 200_000])
def test_of_what_is_here_already_only_the_hash_comes_again(
    files: TargetFiles, tree: LocalTree, mounts: Mounts, here: int, has_sums: bool
) -> None:
    content = some_bytes(200_100)
    want = replace(make(tree, b"/log", content), offset=50, length=200_000, here=here)
    (file,) = sent(send(files, [want], mounts, checksum=has_sums), 1)
    assert (file.status, bytes(file.data)) == ("ok", content[50 + here : 200_050])
    assert file.end is not None
    assert file.end.sha256 == sha256(content[50:200_050])


@pytest.mark.parametrize("size", [5, 49_999, 50_000, 50_001, 70_000])
def test_a_file_that_shrank_below_what_is_here_says_so(
    files: TargetFiles, tree: LocalTree, mounts: Mounts, size: int
) -> None:
    content = some_bytes(100_000)
    wants = [replace(make(tree, b"/log", content), here=50_000), make(tree, b"/other", b"other")]
    os.truncate(tree.at(b"/log"), size)
    file, other = sent(send(files, wants, mounts), 2)
    assert (file.status, bytes(file.data)) == ("Shrunk", content[50_000:size])
    assert is_right(other, b"other")


def replaced_by(tree: LocalTree, path: bytes, what: str) -> None:
    place = tree.at(path)
    place.unlink()
    match what:
        case "another file":
            # the first one's inode must not be free for it
            os.link(tree.at(b"/other"), place)
        case "a link to it elsewhere":
            place.symlink_to(tree.at(b"/keep" + path))
        case "a link out":
            place.symlink_to("/etc/passwd")
        case "a link to nowhere":
            place.symlink_to("nowhere")
        case "a fifo":
            os.mkfifo(place)
        case "a directory":
            place.mkdir()


@pytest.mark.parametrize("size", [5, 50_000])
@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("another file", "Replaced"),
        ("a link to it elsewhere", "Replaced"),
        ("a link out", "Replaced"),
        ("a link to nowhere", "Replaced"),
        ("a fifo", "Replaced"),
        ("a directory", "Replaced"),
        ("nothing", "Missing"),
    ],
)
def test_what_took_a_files_place_is_not_read_and_the_others_are(
    files: TargetFiles, tree: LocalTree, mounts: Mounts, what: str, status: str, size: int
) -> None:
    contents = [some_bytes(size, number) for number in range(3)]
    make(tree, b"/other", contents[1])
    wants = [make(tree, b"/%d" % number, content) for number, content in enumerate(contents)]
    tree.at(b"/keep").mkdir()
    os.link(tree.at(b"/1"), tree.at(b"/keep/1"))
    replaced_by(tree, b"/1", what)
    before, swapped, after = sent(send(files, wants, mounts), 3)
    assert is_right(before, contents[0])
    assert is_right(after, contents[2])
    assert (swapped.status, bytes(swapped.data)) == (status, b"")
    assert {end.index: end.status for end in hashes(files, wants, mounts)} == {0: "ok", 1: status, 2: "ok"}


@pytest.mark.parametrize("size", [5, 50_000])
def test_a_fifo_that_comes_between_the_look_and_the_open_does_not_hold_up_the_others(
    shell: str, tree: LocalTree, mounts: Mounts, size: int
) -> None:
    # the shell's own look is made to say yes: that is the race, won each time
    with open_session(shell, timeout=8.0) as session:
        files = TargetFiles(session, os.getpid(), root=tree.root)
        contents = [some_bytes(size, number) for number in range(4)]
        wants = [make(tree, b"/%d" % number, content) for number, content in enumerate(contents)]
        replaced_by(tree, b"/1", "a fifo")
        define, trusted = session.define, []

        def trusting(script: bytes) -> None:
            look = b'if [ -f "$2" ]'
            assert script.count(look) in (0, 1)
            trusted.append(look in script)
            define(script.replace(look, b'if [ -e "$2" ]'))

        session.define = trusting  # type: ignore[method-assign]
        got = sent(send(files, wants, mounts), 4)
        assert [file.status for file in got] == ["ok", "Replaced", "ok", "ok"]
        assert [bytes(file.data) for file in got] == [contents[0], b"", *contents[2:]]
        assert any(trusted)


@pytest.mark.parametrize("size", [5, 50_000])
def test_a_file_on_a_mount_that_is_not_the_targets_has_escaped(
    files: TargetFiles, tree: LocalTree, mounts: Mounts, size: int
) -> None:
    want = make(tree, b"/file", some_bytes(size))
    (file,) = sent(send(files, [want], mounts), 1)
    assert file.end is not None
    own = file.end.mount
    assert own is not None
    for allowed in (Mounts(frozenset()), Mounts(mounts.readable - {own})):
        (file,) = sent(send(files, [want], allowed), 1)
        assert (file.status, bytes(file.data)) == ("Escaped", b"")
        assert [end.status for end in hashes(files, [want], allowed)] == ["Escaped"]
    assert is_right(sent(send(files, [want], Mounts(frozenset({own}))), 1)[0], some_bytes(size))


@pytest.mark.parametrize("size", [5, 50_000])
def test_another_inode_or_another_device_is_another_file(
    files: TargetFiles, tree: LocalTree, mounts: Mounts, size: int
) -> None:
    right = make(tree, b"/file", some_bytes(size)).entry
    # inode numbers begin anew on each device
    wants = [Want(replace(right, ino=right.ino + 1)), Want(replace(right, dev=right.dev + 1)), Want(right)]
    assert [file.status for file in sent(send(files, wants, mounts), 3)] == ["Replaced", "Replaced", "ok"]


@pytest.mark.parametrize("size", [5, 50_000])
def test_a_file_that_may_not_be_read_says_so(shell: str, mounts: Mounts, size: int) -> None:
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    tree = LocalTree(place)
    wants = [make(tree, b"/%d" % number, some_bytes(size, number)) for number in range(3)]
    tree.at(b"/1").chmod(0)
    with open_session(shell, inside=NOBODY) as session:
        files = TargetFiles(session, os.getpid(), root=tree.root)
        got = sent(send(files, wants, mounts), 3)
        assert [file.status for file in got] == ["ok", "PermissionDenied", "ok"]
        assert bytes(got[2].data) == some_bytes(size, 2)
    shutil.rmtree(place)


def test_a_file_whose_hash_cannot_be_had_is_not_ok(files: TargetFiles, tree: LocalTree, mounts: Mounts) -> None:
    # the hash opens the open file anew, which a chmod in that moment forbids; here the tool is what fails
    wants = [make(tree, b"/small", b"x"), make(tree, b"/large", some_bytes(50_000))]
    files.session.define(b"sha256sum() { return 1; }\n")
    assert [file.status for file in sent(send(files, wants, mounts), 2)] == ["ReadError", "ReadError"]
    assert [end.status for end in hashes(files, wants, mounts)] == ["ReadError", "ReadError"]
    assert [file.status for file in sent(send(files, wants, mounts, checksum=False), 2)] == ["ok", "ok"]


@pytest.mark.parametrize("size", [0, 5, 32_768, 50_000, 65_536])
def test_of_a_file_that_grew_its_beginning_is_read(
    files: TargetFiles, tree: LocalTree, mounts: Mounts, size: int
) -> None:
    contents = [some_bytes(size, number) for number in range(3)]
    wants = [make(tree, b"/%d" % number, content) for number, content in enumerate(contents)]
    with tree.at(b"/1").open("ab") as log:
        log.write(b"more" * 20_000)
    got = sent(send(files, wants, mounts), 3)
    assert all(is_right(file, content) for file, content in zip(got, contents, strict=True))
    assert [file.end and file.end.grew for file in got] == [False, True, False]
    grown = {end.index: (end.sha256, end.grew) for end in hashes(files, wants, mounts)}
    assert grown == {number: (sha256(content), number == 1) for number, content in enumerate(contents)}


def test_a_small_file_that_has_become_endless_is_read_to_its_listed_length(
    files: TargetFiles, tree: LocalTree, mounts: Mounts
) -> None:
    wants = [make(tree, b"/%d" % number, b"%d" % number) for number in range(3)]
    os.truncate(tree.at(b"/1"), 1 << 40)
    got = sent(send(files, wants, mounts), 3)
    assert all(is_right(file, b"%d" % number) for number, file in enumerate(got))
    assert all(end.status == "ok" for end in hashes(files, wants, mounts))


@pytest.mark.parametrize("size", [5, 32_768, 50_000, 200_000])
@pytest.mark.parametrize("left", [0, 3])
def test_a_file_that_shrank_is_framed_by_what_is_there_and_the_others_are_right(
    files: TargetFiles, tree: LocalTree, mounts: Mounts, size: int, left: int
) -> None:
    contents = [some_bytes(size, number) for number in range(3)]
    wants = [make(tree, b"/%d" % number, content) for number, content in enumerate(contents)]
    os.truncate(tree.at(b"/1"), left)
    got = sent(send(files, wants, mounts), 3)
    assert (got[1].status, bytes(got[1].data)) == ("Shrunk", contents[1][:left])
    assert is_right(got[0], contents[0])
    assert is_right(got[2], contents[2])
    assert {end.index: end.status for end in hashes(files, wants, mounts)} == {0: "ok", 1: "Shrunk", 2: "ok"}


class Race:
    """Does something to files again and again while others read them."""

    def __init__(self, step: Callable[[], None]) -> None:
        self.rounds = 0
        self._step, self._is_over = step, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._is_over.is_set():
            self._step()
            self.rounds += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._is_over.set()
        self._thread.join()


@pytest.mark.parametrize("has_sums", [True, False])
def test_files_that_grow_and_shrink_do_not_move_the_bytes_of_others(
    files: TargetFiles, tree: LocalTree, mounts: Mounts, has_sums: bool
) -> None:
    contents = [some_bytes(500 + number, number) for number in range(120)]
    wants = [make(tree, b"/%d" % number, content) for number, content in enumerate(contents)]
    moving = [tree.at(b"/%d" % number) for number in range(0, 120, 10)]

    def step() -> None:
        for number, path in enumerate(moving):
            os.truncate(path, 500 + number * 10 + 7)
            os.truncate(path, 500 + number * 10)

    with Race(step) as race:
        for _round in range(4):
            for number, file in enumerate(sent(send(files, wants, mounts, checksum=has_sums), len(wants))):
                if number % 10 == 0:
                    continue
                assert file.status == "ok"
                # with a hash the reader sees that the bytes are not those; without one they must be right
                whole = bytes(file.data)
                assert whole == contents[number] or (has_sums and file.end and sha256(whole) != file.end.sha256)
    assert race.rounds


@pytest.mark.parametrize("size", [100, 50_000])
def test_a_path_swapped_thousands_of_times_never_gives_away_what_is_elsewhere(
    files: TargetFiles, tree: LocalTree, mounts: Mounts, tmp_path: Path, size: int
) -> None:
    outside = tmp_path / "outside"
    inside = LocalTree(tmp_path / "inside")
    outside.mkdir()
    files = TargetFiles(files.session, os.getpid(), root=inside.root)
    secret = b"S" * size
    (outside / "f").write_bytes(secret)
    wants = [make(inside, b"/d%d/f" % number, b"%d" % number * size) for number in range(8)]
    wants = [replace(want, length=size) for want in wants]
    swaps = [(inside.at(b"/d%d" % number), inside.at(b"/away%d" % number)) for number in range(8)]

    def step() -> None:
        for number, (here, away) in enumerate(swaps):
            if number % 2:
                # the directory becomes a link
                here.rename(away)
                here.symlink_to(outside)
                here.unlink()
                away.rename(here)
            else:
                # the file does
                (here / "f").rename(here / "g")
                (here / "f").symlink_to(outside / "f")
                (here / "f").unlink()
                (here / "g").rename(here / "f")

    seen: set[str | None] = set()
    with Race(step) as race:
        # thousands of swaps, and some of them caught
        while race.rounds * len(swaps) < 2000 or not seen > {"ok"}:
            for number, file in enumerate(sent(send(files, wants, mounts), len(wants))):
                seen.add(file.status)
                assert b"S" not in file.data
                assert file.status != "ok" or is_right(file, (b"%d" % number * size)[:size])
            for end in hashes(files, wants, mounts):
                assert end.status != "ok" or end.sha256 == sha256((b"%d" % end.index * size)[:size])


def ends(events: Iterable[Event]) -> dict[int, End]:
    found = [event.end if isinstance(event, Whole) else event for event in events]
    return {event.index: event for event in found if isinstance(event, End)}


def test_what_reading_made_of_the_access_time_comes_with_each_file(
    files: TargetFiles, tree: LocalTree, mounts: Mounts
) -> None:
    wants = [make(tree, b"/%d" % size, some_bytes(size)) for size in (5, 6, 50_000)]
    for want in wants:
        # what was never read since it was written moves even where the mount says relatime
        os.utime(tree.at(want.entry.path), ns=(1_500_000_000_123_456_789, 1_600_000_000_000_000_000))
    for _time in range(2):
        wants = [Want(tree.entry(want.entry.path)) for want in wants]
        for read in (send(files, wants, mounts), hashes(files, wants, mounts)):
            found = ends(read)
            after = [tree.entry(want.entry.path).atime_ns for want in wants]
            told = [found[index].times for index in range(3)]
            assert [times and times.atime_ns for times in told] == after
            now = [tree.entry(want.entry.path) for want in wants]
            assert [times and (times.mtime_ns, times.ctime_ns) for times in told] == [
                (entry.mtime_ns, entry.ctime_ns) for entry in now
            ]
            moved = [want.entry.atime_ns != now for want, now in zip(wants, after, strict=True)]
            assert [found[index].moved_atime(want.entry) for index, want in enumerate(wants)] == moved


@pytest.mark.parametrize(
    ("before", "after", "has_moved"),
    [
        (5_000_000_007, 5_000_000_007, False),
        (5_000_000_007, 5_000_000_008, True),
        (5_000_000_007, 6_000_000_007, True),
        (5_000_000_007, 5_000_000_000, False),
        (5_000_000_000, 5_000_000_007, False),
        (-5_000_000_007, -5_000_000_007, False),
        (-5_000_000_007, 5_000_000_007, True),
        (5_000_000_007, None, None),
    ],
)
def test_an_access_time_moved_unless_only_its_fraction_is_not_known(
    before: int, after: int | None, has_moved: bool | None
) -> None:
    end = End(0, "ok", False, 5, 7, None, 5, None if after is None else Times(after, 0, 0))
    assert end.moved_atime(entry(b"/a", atime_ns=before)) is has_moved


@pytest.mark.parametrize(
    ("changes", "drift"),
    [
        ({}, "none"),
        ({"mtime_ns": 6_000_000_007}, "other"),
        ({"ctime_ns": 6_000_000_007}, "other"),
        # it was set back
        ({"mtime_ns": 4_000_000_007}, "other"),
        ({"mtime_ns": 5_000_000_008}, "other"),
        # the fraction could not be said
        ({"ctime_ns": 5_000_000_000}, "none"),
        ({"atime_ns": 9_000_000_007}, "none"),
    ],
)
def test_a_file_drifted_if_its_times_did(changes: dict[str, int], drift: str) -> None:
    listed = entry(b"/a", size=5, atime_ns=5_000_000_007, mtime_ns=5_000_000_007, ctime_ns=5_000_000_007)
    times = {key: changes.get(key, 5_000_000_007) for key in ("atime_ns", "mtime_ns", "ctime_ns")}
    assert End(0, "ok", False, 5, 7, None, 5, Times(**times)).drift(listed) == drift
    assert End(0, "ok", True, 6, 7, None, 5, Times(**times)).drift(listed) == "grew"
    assert End(0, "ok", False, 4, 7, None, 4, Times(**times)).drift(listed) == "other"


def test_an_empty_list_asks_nothing(files: TargetFiles, mounts: Mounts) -> None:
    assert list(send(files, [], mounts)) == []


LISTED: list[Entry] = [entry(b"/small", size=5), entry(b"/large", size=40_000), entry(b"/empty", size=0)]
SHA = sha256(b"hello").encode()
GZIP = gzip.compress(b"hello", 1)
LINES = [
    *(b"in %s " % number for number in (b"3", b"4", b"9" * 30)),
    *(b"%d " % number for number in (0, 1, 2, 3, 5, 66, 1006, -1, -5, 40_000, 1 << 63)),
    *(b"end 0 ok 7 5 5 " + SHA + b"\n", b"end 1 Shrunk 7 3 3 -\n", b"end 2 Missing - 0 0 -\n", b"end 0 Odd 7 5 5 -\n"),
    *(b"begin 1 3 7 none\nabc", b"begin 0 -1 7 none\n", b"begin 0 5 7\nhello", b"begin ", b"end ", b"ok ", b"in "),
    *(
        b"in 3 2\n",
        b"in 3 3\n",
        b"all 7\n",
        b"read 5 -\n",
        b"read 5 2026-11-23 21:03:00.5 +0000\n",
        b"read x\n",
        b"ok 3 7 5\n",
        b"ok 4 7 0\n",
        b"ok 4 7 -5\n",
        b"ok 3 7 10\n",
        b"done\n",
    ),
    *(
        b"begin 0 5 7 none\nhello",
        b"begin 1 9 7 gzip\n" + GZIP,
        b"bytes 5 gzip\n" + GZIP,
        b"begin 1 9 7 zstd\n",
        b"none",
    ),
    *(b"bytes 5 none\nhello", b"bytes 5\nhello", b"bytes 5\n", b"sizes 5\n", b"bytes -1\n", b"bytes 99999999999\n"),
    *(SHA + b"  /proc/self/fd/3\n", SHA + b"  /proc/self/fd/4\n", SHA, b"\n", b" "),
]
LIES = st.lists(st.sampled_from(LINES) | st.binary(max_size=8), max_size=20).map(b"".join)


def judged(events: Iterator[Event], wants: Sequence[Want]) -> int:
    """How many bytes came; fails where more came than was asked for, or something is ok that is not whole."""
    total = 0
    got = [Got() for _want in wants]
    for event in events:
        file = got[(event.end if isinstance(event, Whole) else event).index]
        assert file.end is None
        if isinstance(event, Whole):
            file.data, file.end = bytearray(event.data), event.end
            total += len(event.data)
            assert event.end.status == "ok"
            assert len(event.data) == event.end.length == wants[event.end.index].count
        elif isinstance(event, Begin):
            file.announced, file.data = event.length, bytearray()
            assert 0 <= event.length <= wants[event.index].count
        elif isinstance(event, Data):
            file.data += event.view
            total += len(event.view)
            assert len(file.data) <= wants[event.index].count
        else:
            file.end = event
            assert event.status != "ok" or len(file.data) == event.length == wants[event.index].count
    assert all(file.end for file in got)
    return total


@settings(max_examples=500, deadline=None)
@given(LIES, st.integers(1, 60), st.booleans(), st.booleans())
@example(b"end 0 Odd 7 5 5 -\n", 60, False, True)
@example(b"end 0 ok 7 5 5 \n", 60, False, True)
@example(b"begin 0 -5 7 none\n" + b"x" * 500, 60, False, True)
@example(b"in 3 2\nok 3 7 10\nok 4 7 -5\n%s  /proc/self/fd/3\nbytes 5 none\nhello" % SHA, 60, False, False)
@example(b"in 3 2\n", 60, True, True)
@example(b"in 3\n", 60, False, True)
@example(b"in 3 2 1\n", 60, False, True)
@example(b"ok 3 7 5\n", 60, True, False)
@example(b"in 3 3\ndone\n", 60, False, True)
@example(b"in 3 2\nok 3 7 5\n", 60, True, True)
@example(b"end 0 ok 7 5 5 " + SHA + b"\n", 60, False, True)
def test_whatever_a_reader_says_it_is_whole_or_a_failure(
    lie: bytes, step: int, is_silent: bool, has_sums: bool
) -> None:
    wants = [Want(listed) for listed in LISTED]
    files = TargetFiles(session_with(Liar(lie, step=step, is_silent=is_silent)), 1, root=b"/r")
    with contextlib.suppress(Failure), hurried():
        judged(
            send(files, wants, Mounts(frozenset({7})), checksum=has_sums, packing=Packing("gzip", "gzip", "gzip")),
            wants,
        )
    files = TargetFiles(session_with(Liar(lie, step=step, is_silent=is_silent)), 1, root=b"/r")
    with contextlib.suppress(Failure), hurried():
        for end in hashes(files, wants, Mounts(frozenset({7}))):
            assert end.status != "ok" or (end.sha256 and end.length == wants[end.index].count)


@pytest.mark.parametrize(
    "forever",
    [
        b"done\n",
        b"in 3 1\n",
        b"in 3 1\ndone\n",
        b"ok 3 7 5\n",
        b"read 5 -\n",
        SHA + b"  /proc/self/fd/3\n",
        b"begin 0 5 7 none\nhello",
        b"sizes 0\ndone\n",
        b"in 3 1\nok 3 7 5\n" + SHA + b"  /proc/self/fd/3\nbytes 5 none\nhellodone\n",
        b"x" * 4096,
        b"\n",
    ],
)
def test_an_endless_reader_is_given_up(monkeypatch: pytest.MonkeyPatch, forever: bytes) -> None:
    bound = job_output.MAX_UNREAD // 16
    monkeypatch.setattr(job_output, "MAX_UNREAD", bound)
    liar = Liar(b"", forever=forever)
    wants = [Want(listed) for listed in LISTED]
    with pytest.raises(Failure):
        list(send(TargetFiles(session_with(liar), 1, root=b"/r"), wants, Mounts(frozenset({7}))))
    # so much is read on for a status that says why it makes no sense
    assert liar.sent < bound + (1 << 20)
