# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the remote program says of files, in every shell of this machine, beside what lstat says of them here."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._read.remote_program import PROGRAM as READER
from ansible_collections.incident.distroless.plugins.module_utils._remote.bootstrap import PROLOGUE
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import (
    Absent,
    Entry,
    Hop,
    TargetFiles,
    Unlisted,
)
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.mountinfo import Mount, parse_mounts
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.stat_protocol import PROGRAM
from ansible_collections.incident.distroless.tests.unit.support.local_shells import (
    NOBODY,
    SHELLS,
    open_session,
)
from ansible_collections.incident.distroless.tests.unit.support.local_tree import HOSTILE_NAMES, LocalTree
from ansible_collections.incident.distroless.tests.unit.support.lying_remote import Liar, session_with
from hypothesis import example, given, settings
from hypothesis import strategies as st


@pytest.fixture
def guarded(shell: str) -> Iterator[tuple[TargetFiles, Path]]:
    """A directory that others can reach, and a looker that is nobody."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    with open_session(shell, inside=NOBODY) as session:
        yield TargetFiles(session, os.getpid(), root=os.fsencode(place)), place
    for path in place.rglob("*"):
        path.chmod(0o700)
    shutil.rmtree(place)


def below(tree: LocalTree, top: bytes) -> set[Entry]:
    """All that os.walk finds. Looking moves access times, so look before as well as after."""
    found = {tree.entry(top)}
    base = tree.root + (b"" if top == b"/" else top)
    for where, directories, others in os.walk(base):
        found |= {tree.entry((where + b"/" + name)[len(tree.root) :]) for name in [*directories, *others]}
    return found


def scanned(files: TargetFiles, tops: Sequence[bytes] = (b"/",), **how: object) -> list[Entry | Unlisted]:
    return list(files.scan(tops, **how))  # type: ignore[arg-type]


def paths_of(found: Sequence[Entry | Unlisted]) -> list[bytes]:
    return sorted(thing.path for thing in found if isinstance(thing, Entry))


def test_an_entry_is_what_lstat_says_to_the_nanosecond(files: TargetFiles, tree: LocalTree) -> None:
    tree.make(b"/a/file", b"x" * 12345)
    tree.at(b"/a/file").chmod(0o4751)
    os.link(tree.at(b"/a/file"), tree.at(b"/a/second"))
    os.utime(tree.at(b"/a/file"), ns=(1_700_000_001_000_000_001, 1_600_000_000_999_999_999))
    os.mkfifo(tree.at(b"/a/fifo"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fsdecode(tree.root + b"/a/s"))
    asked = [b"/", b"/a", b"/a/file", b"/a/second", b"/a/fifo", b"/a/s"]
    assert files.walk(asked) == [tree.entry(path) for path in asked]
    assert [entry.type for entry in files.walk(asked) if isinstance(entry, Entry)] == [
        *["directory"] * 2,
        *["file"] * 2,
        "fifo",
        "socket",
    ]


@pytest.mark.parametrize("seconds", [-1, -100_000_000_000, 0, 300_000_000_000, 9 * 10**17])
def test_no_time_that_a_file_can_have_hides_it_or_others(shell: str, seconds: int) -> None:
    # a tmpfs holds any time; an emptyDir in memory is one
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place, open_session(shell) as session:
        tree = LocalTree(Path(place))
        for number in range(300):
            tree.make(b"/%03d with a name that fills the tool's buffer" % number)
            os.utime(tree.at(b"/%03d with a name that fills the tool's buffer" % number), (seconds, seconds))
        tree.make(b"/now")
        files = TargetFiles(session, os.getpid(), root=tree.root)
        below(tree, b"/")
        # busybox knows no fraction of the last of these times; the others' is lost with it
        whole = {replace(entry, atime_ns=0, mtime_ns=0, ctime_ns=0) for entry in below(tree, b"/")}
        found = [thing for thing in scanned(files) if isinstance(thing, Entry)]
        assert {replace(entry, atime_ns=0, mtime_ns=0, ctime_ns=0) for entry in found} == whole
        assert {entry.mtime_ns // 10**9 for entry in found if entry.path[1:2].isdigit()} == {seconds}
        (far,) = files.walk([b"/000 with a name that fills the tool's buffer"])
        assert isinstance(far, Entry)
        assert far.mtime_ns == seconds * 10**9


LINK_TEXTS = [
    b"/etc/passwd",
    b"two\nlines",
    b"//E 81a4 0 0 5 1 1 1 8 1 1 1|.0 |.0 |.0 |/forged",
    b"x\n//E 81a4 0 0 5 1 1 1 8 1 1 1|.0 |.0 |.0 |/forged\n",
    b"x\n//A 0 Missing",
    b"ends in newlines\n\n\n",
    b"\n",
    b" ",
    b"..",
    b"\xff\xfe",
    b"'$(id)'",
    b"t" * 4095,
]


def test_links_come_with_their_texts_whatever_these_hold(files: TargetFiles, tree: LocalTree) -> None:
    paths = [b"/links/%02d" % number for number in range(len(LINK_TEXTS))]
    tree.at(b"/links").mkdir()
    for path, text in zip(paths, LINK_TEXTS, strict=True):
        os.symlink(text, tree.root + path)  # noqa: PTH211 - pathlib would tidy the text
    below(tree, b"/")
    hops = files.walk([path + b"/further/on" for path in paths])
    assert hops == [Hop(path, text, tree.entry(path)) for path, text in zip(paths, LINK_TEXTS, strict=True)]
    assert set(scanned(files)) == below(tree, b"/")


def test_the_first_link_of_a_path_is_where_a_walk_ends(files: TargetFiles, tree: LocalTree) -> None:
    tree.make(b"/real/dir/file")
    tree.at(b"/one").symlink_to("real")
    tree.at(b"/real/two").symlink_to("dir")
    hops = files.walk([b"/one/two/file", b"/real/two/file", b"/real/two"])
    assert [hop.path for hop in hops] == [b"/one", b"/real/two", b"/real/two"]
    assert all(isinstance(hop, Hop) for hop in hops)


def test_what_leads_nowhere_says_why(files: TargetFiles, tree: LocalTree) -> None:
    tree.make(b"/file")
    asked = {
        b"/nothing": "Missing",
        b"/no/thing": "Missing",
        b"/file/below": "NotADirectory",
        b"/" + b"n" * 256: "NameTooLong",
        b"/d" * 2048: "NameTooLong",
        b"/" + b"n" * 255: "Missing",
    }
    assert files.walk(list(asked)) == [Absent(path, reason) for path, reason in asked.items()]  # type: ignore[arg-type]


def test_a_directory_that_lets_nobody_in_is_said_to_be_one(guarded: tuple[TargetFiles, Path]) -> None:
    files, place = guarded
    (place / "closed/inner").mkdir(parents=True)
    (place / "closed/file").touch()
    (place / "closed").chmod(0)
    (closed, inside, deeper) = files.walk([b"/closed", b"/closed/file", b"/closed/inner/x"])
    assert isinstance(closed, Entry)
    assert [inside, deeper] == [
        Absent(b"/closed/file", "PermissionDenied"),
        Absent(b"/closed/inner/x", "PermissionDenied"),
    ]


@pytest.mark.parametrize("mode", [0, 0o111, 0o444])
def test_a_directory_that_cannot_be_listed_is_reported_and_the_rest_is_there(
    guarded: tuple[TargetFiles, Path], mode: int
) -> None:
    files, place = guarded
    for name in ("a-open", "closed\nand closed", "z-open"):
        (place / name).mkdir()
        (place / name / "file").touch()
    (place / "closed\nand closed").chmod(mode)
    found = scanned(files)
    assert [thing for thing in found if isinstance(thing, Unlisted)] == [
        Unlisted(b"/closed\nand closed", "PermissionDenied", "/closed\nand closed cannot be listed")
    ]
    everything = [b"/", b"/a-open", b"/a-open/file", b"/closed\nand closed", b"/z-open", b"/z-open/file"]
    assert paths_of(found) == everything


def test_hundreds_of_paths_are_one_call(files: TargetFiles, tree: LocalTree) -> None:
    names = [b"/%03d %s" % (number, b"n" * 200) for number in range(250)]
    for name in names[::2]:
        tree.make(name)
    answers = files.walk(names)
    assert answers[::2] == [tree.entry(name) for name in names[::2]]
    assert answers[1::2] == [Absent(name, "Missing") for name in names[1::2]]
    assert files.walk([]) == []


def test_hostile_names_are_walked_and_listed_as_they_are(files: TargetFiles, tree: LocalTree) -> None:
    paths = [b"/" + outer + b"/" + inner for outer in HOSTILE_NAMES for inner in HOSTILE_NAMES[::3]]
    for path in paths:
        tree.make(path, b"x")
    below(tree, b"/")
    assert files.walk(paths) == [tree.entry(path) for path in paths]
    assert set(scanned(files)) == below(tree, b"/")
    for name in HOSTILE_NAMES:
        assert set(scanned(files, [b"/" + name])) == below(tree, b"/" + name), name


def test_pruned_directories_are_seen_and_not_entered(files: TargetFiles, tree: LocalTree) -> None:
    hidden = [b"/*", b"/[ab]", b"/q?", b"/back\\slash", b"/plain", b"/deep/er/-x", b"/new\nline"]
    # what the names would hide as patterns
    seen = [b"/other", b"/a", b"/b", b"/qq", b"/backslash", b"/plainer", b"/deep/er/y"]
    for path in hidden + seen:
        tree.make(path + b"/file")
    found = paths_of(scanned(files, prune=[*hidden, b"/no/such"]))
    assert [path for path in hidden if path not in found] == []
    assert {path for path in found if path.endswith(b"/file")} == {path + b"/file" for path in seen}
    assert paths_of(scanned(files, [b"/plain"], prune=[b"/plain"])) == [b"/plain"]
    assert paths_of(scanned(files, prune=[b"/"])) == [b"/"]
    assert paths_of(scanned(files, [b"/plainer"], prune=[b"/plain"])) == [b"/plainer", b"/plainer/file"]


@pytest.mark.parametrize(
    ("depth", "expected"), [(0, [b"/"]), (1, [b"/", b"/1"]), (2, [b"/", b"/1", b"/1/2"]), (9, None)]
)
def test_a_listing_goes_as_deep_as_it_may(
    files: TargetFiles, tree: LocalTree, depth: int, expected: list[bytes] | None
) -> None:
    tree.make(b"/1/2/3")
    assert paths_of(scanned(files, max_depth=depth)) == (expected or [b"/", b"/1", b"/1/2", b"/1/2/3"])


def test_several_directories_come_in_their_order_and_links_are_not_entered(files: TargetFiles, tree: LocalTree) -> None:
    tree.make(b"/a/1")
    tree.make(b"/b/2")
    tree.at(b"/b/to-a").symlink_to("../a")
    tree.at(b"/c").symlink_to("a")
    found = scanned(files, [b"/b", b"/a"])
    assert {thing.path for thing in found[:3]} == {b"/b", b"/b/2", b"/b/to-a"}
    assert paths_of(found[3:]) == [b"/a", b"/a/1"]
    # one that became a link after it was resolved
    assert scanned(files, [b"/no/such"]) == []
    assert b"/c/1" not in paths_of(scanned(files))


def test_too_many_names_are_a_failure_and_the_session_goes_on(files: TargetFiles, tree: LocalTree) -> None:
    for number in range(2000):
        tree.make(b"/many/%d" % number)
    got: list[Entry | Unlisted] = []
    with pytest.raises(Failure) as caught:
        got.extend(files.scan([b"/"], max_entries=100))
    assert caught.value.reason == "LimitExceeded"
    assert files.walk([b"/many"]) == [tree.entry(b"/many")]
    assert len(scanned(files, max_entries=2002)) == 2002


@contextlib.contextmanager
def chain(root: bytes, *names: bytes) -> Iterator[list[int]]:
    """Directories in one another, however deep, as descriptors from the root down. They are gone afterwards."""
    opened = [os.open(root, os.O_PATH)]
    for name in names:
        os.mkdir(name, dir_fd=opened[-1])
        opened.append(os.open(name, os.O_RDONLY, dir_fd=opened[-1]))
    yield opened
    # rmtree of Python before 3.13 needs paths
    for above, here, name in reversed(list(zip(opened, opened[1:], names, strict=False))):
        for file in [entry.name for entry in os.scandir(here) if not entry.is_dir()]:
            os.unlink(file, dir_fd=here)
        os.rmdir(name, dir_fd=above)
    for descriptor in opened:
        os.close(descriptor)


# 15 names of 255 bytes and their slashes: 3,840
LONG = [b"%02d" % number + b"d" * 253 for number in range(15)]


def test_a_path_as_long_as_the_kernel_takes_is_walked_and_listed(files: TargetFiles, tree: LocalTree) -> None:
    names = [*LONG, b"e" * 253]
    deep = b"/" + b"/".join(names)
    above, _slash, _name = deep.rpartition(b"/")
    longest, longer = above + b"/" + b"g" * 254, deep + b"/f"
    assert (len(longest), len(longer)) == (4095, 4096)
    with chain(tree.root, *names) as opened:
        os.close(os.open(b"g" * 254, os.O_CREAT | os.O_WRONLY, dir_fd=opened[-2]))
        os.close(os.open(b"f", os.O_CREAT | os.O_WRONLY, dir_fd=opened[-1]))
        found = {thing.path: thing for thing in scanned(files)}
        (walked,) = files.walk([longest])
        assert isinstance(walked, Entry)
        assert found[longest] == walked
        assert walked.size == 0
        assert isinstance(found[deep], Entry)
        assert [thing for thing in found.values() if isinstance(thing, Unlisted)] == [found[longer]]
        assert found[longer].reason == "NameTooLong"  # type: ignore[union-attr]
        assert files.walk([longer]) == [Absent(longer, "NameTooLong")]
        # each directory once, and nothing else
        assert len(found) == len(scanned(files)) == len(LONG) + 4
        assert set(paths_of(scanned(files, [above]))) == {above, deep, longest}


def test_what_lies_deeper_than_a_path_can_be_long_is_said_to_be_there(files: TargetFiles, tree: LocalTree) -> None:
    with chain(tree.root, *(b"%02d" % number + b"d" * 200 for number in range(45))):
        found = scanned(files)
    (beyond,) = (thing for thing in found if isinstance(thing, Unlisted))
    assert beyond.reason == "NameTooLong"
    assert beyond.path is not None
    assert len(beyond.path) > 4095 >= len(beyond.path.rpartition(b"/")[0])
    assert len(found) == 1 + 20 + 1


def test_no_program_of_the_target_is_run(shell: str, tree: LocalTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs stand in the target's root, where a search path such as `.:/bin` or one that ends in a colon would look."""
    for name in ("stat", "find", "readlink", "cat", "sha256sum", "sed", "dd"):
        tree.make(b"/" + name.encode(), b"#!/bin/sh\necho stolen >&2\nexit 1\n")
        tree.at(b"/" + name.encode()).chmod(0o755)
    tree.make(b"/file", b"hello")
    path = SHELLS[shell].env["PATH"]
    monkeypatch.setitem(SHELLS, shell, replace(SHELLS[shell], env={"PATH": f".::{path}:"}))
    with open_session(shell) as session:
        files = TargetFiles(session, os.getpid(), root=tree.root)
        assert isinstance(files.walk([b"/file"])[0], Entry)
        assert len(scanned(files)) == 9
        assert files.mounts()[0]


def test_no_program_gives_another_meaning_to_a_function_of_the_session() -> None:
    programs = [PROLOGUE, PROGRAM, READER]
    defined = [set(re.findall(rb"^ *([a-z_]+)\(\)", program, re.MULTILINE)) for program in programs]
    assert (b"look" in defined[0], b"walk" in defined[1], b"opened" in defined[2]) == (True, True, True)
    assert sum(map(len, defined)) == len(set.union(*defined))


def test_a_root_that_cannot_be_entered_ends_the_session(shell: str, tree: LocalTree) -> None:
    with open_session(shell) as session, pytest.raises(Failure) as lost:
        TargetFiles(session, os.getpid(), root=tree.root + b"/none").walk([b"/etc"])
    assert lost.value.reason == "ConnectionLost"


@pytest.mark.parametrize("seed", range(5))
def test_random_trees_are_listed_as_lstat_sees_them(files: TargetFiles, tree: LocalTree, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same trees in each run
    directories = [b""]
    for _number in range(60):
        path = chance.choice(directories) + b"/" + any_name(chance)
        with contextlib.suppress(FileExistsError):
            match chance.randrange(4):
                case 0:
                    tree.at(path).mkdir()
                    directories.append(path)
                case 1:
                    os.symlink(any_name(chance) + b"/\n//" + any_name(chance), tree.root + path)  # noqa: PTH211
                case _:
                    tree.at(path).open("xb").close()
    below(tree, b"/")
    everything = below(tree, b"/")
    assert sorted(scanned(files), key=str) == sorted(everything, key=str)
    assert {
        thing if isinstance(thing, Entry) else thing.entry for thing in files.walk([e.path for e in everything])
    } == (  # type: ignore[union-attr]
        everything
    )


def any_name(chance: random.Random) -> bytes:
    special = b"\n|/\\'\"*?[]$`- \xff\x80%L"
    letters = [bytes([letter]) for letter in special if letter != ord("/")] + [b"a", b"E", b"U"]
    return b"".join(chance.choices(letters, k=chance.randrange(1, 12)))


def test_the_mounts_are_those_of_the_kernel(files: TargetFiles) -> None:
    before = int(time.time())
    mounts, now = files.mounts()
    assert before <= now <= time.time()
    assert [mount.id for mount in mounts] == [
        int(line.split()[0]) for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    assert b"/proc" in {mount.point for mount in mounts}


def test_escaped_mount_points_are_read_back() -> None:
    text = (
        rb"36 35 98:0 /a\040b\011\012\134 /mnt/x\040y\015"
        b"\r"
        rb" rw,noatime master:1 - ext3 /dev/ro\040ot rw"
        b"\n"
        b"37 36 0:5 / / rw - tmpfs  rw\n"
    )
    assert parse_mounts(text) == [
        Mount(36, 35, "98:0", b"/a b\t\n\\", b"/mnt/x y\r\r", "ext3", b"/dev/ro ot"),
        Mount(37, 36, "0:5", b"/", b"/", "tmpfs", b""),
    ]


FACTS = b"81a4 0 0 5 1 7 1 8 1 2 3|x.5 +|x.25 +|x.125 +"
LINK = b"a1ff 0 0 5 1 7 1 8 1 2 3|||"
NUMBERS = [b"0", b"1", b"-1", b"9" * 30, b"9" * 5000, b"1_0", b" ", b"x", b""]
WORDS = [
    *(b"//" + letter + b" " for letter in (b"A", b"E", b"F", b"H", b"L", b"U", b"C", b"X")),
    b"//C",
    b"//",
    b"\n",
    b"|",
    b".",
    b"./x",
    b"/.",
    b"Missing",
    b"Everything",
    FACTS,
    LINK,
    FACTS.replace(b"5", b"-5"),
    *(number + b" " for number in NUMBERS),
]
LIES = st.lists(st.sampled_from(WORDS) | st.binary(max_size=12), max_size=25).map(b"".join)


@settings(max_examples=400, deadline=None)
@given(LIES, st.integers(1, 40))
@example(b"//A " + b"9" * 5000 + b" Missing\n", 40)
@example(b"//U .\n", 40)
@example(b"//E " + FACTS + b"|./x", 40)
@example(b"//H 0 1 " + FACTS.replace(b"|", b" ") + b"\n", 40)
@example(b"//F 0 " + LINK + b"\n", 40)
@example(b"//L 9999999999999999999999 1\n", 40)
def test_whatever_a_listing_says_it_is_an_answer_or_a_failure(lie: bytes, step: int) -> None:
    for ask in (
        lambda files: files.walk([b"/x", b"/x/y"]),
        lambda files: list(files.scan([b"/"])),
        lambda files: files.mounts(),
    ):
        files = TargetFiles(session_with(Liar(lie, step=step)), 1, root=b"/r")
        with contextlib.suppress(Failure):
            ask(files)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=80)
    | st.sampled_from([b"1 2 \xff:1 / / rw - a b", b"x 2 0:1 / / rw - a b", b"\xb2 2 0:1 / / rw - a b"])
)
def test_whatever_mountinfo_says_it_is_mounts_or_a_failure(text: bytes) -> None:
    with contextlib.suppress(Failure):
        parse_mounts(text)


@pytest.mark.parametrize(
    "record",
    [
        b"//E " + FACTS + b"|/etc/shadow",
        b"//E " + FACTS + b"|.hidden",
        b"//E " + FACTS + b"|..x",
        b"//U /top/other",
        b"//L 5 1\nother",
    ],
)
def test_a_name_of_another_directory_is_refused(record: bytes) -> None:
    files = TargetFiles(session_with(Liar(record + b"\n")), 1, root=b"/r")
    with pytest.raises(Failure, match="another directory"):
        list(files.scan([b"/top"]))


ENDLESS = {
    "names": b"".join(b"//E " + FACTS + b"|./%d\n" % number for number in range(400)),
    "links without texts": b"//E " + LINK + b"|./%d\n",
    "a line": b"x" * 8192,
    "a path": b"x\n" * 4096,
    "cut records": b"//C\n" * 1000,
    "texts of no links": b"//L 1 1\n.x\n",
    "unreadable directories": b"//U .\n",
    "answers": b"//A 0 Missing\n",
}


class Counting(Liar):
    """One that numbers what it says."""

    number = 0

    def receive(self, timeout: float) -> tuple[int, memoryview] | None:
        piece = super().receive(timeout)
        if piece is None or b"%d" not in bytes(piece[1]):
            return piece
        self.number += 1
        return piece[0], memoryview(bytes(piece[1]) % self.number)


@pytest.mark.parametrize("what", ENDLESS)
def test_an_endless_listing_is_given_up(what: str) -> None:
    start = b"//E " + FACTS + b"|." if what in ("a line", "a path") else b""
    liar = Counting(start, forever=ENDLESS[what])
    with pytest.raises(Failure):
        list(TargetFiles(session_with(liar), 1, root=b"/r").scan([b"/"], max_entries=1000))
    assert liar.sent < 16 << 20


@pytest.mark.parametrize("what", ["a line", "a path", "cut records", "texts of no links", "answers"])
def test_an_endless_walk_is_given_up(what: str) -> None:
    liar = Liar(b"", forever=ENDLESS[what])
    with pytest.raises(Failure):
        TargetFiles(session_with(liar), 1, root=b"/r").walk([b"/x"])
    assert liar.sent < 16 << 20
