# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files between the look at them and their row: compared, received and settled by a real shell and a real folder.

What a whole fetch makes of it, with each shell, is in test_pipeline and test_faults; here each way out is taken once.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch import reconnect
from ansible_collections.incident.distroless.plugins.module_utils._fetch.model import (
    Budget,
    FetchOptions,
    Home,
    Item,
    Step,
)
from ansible_collections.incident.distroless.plugins.module_utils._fetch.reconnect import Remote
from ansible_collections.incident.distroless.plugins.module_utils._fetch.transfer import Transferred, transfer
from ansible_collections.incident.distroless.plugins.module_utils._localfs import partial_file
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import Dest
from ansible_collections.incident.distroless.plugins.module_utils._read.compression import Codec
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import Entry, TargetFiles
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import ReadPolicy, policy_of
from ansible_collections.incident.distroless.tests.unit.support.local_fetches import World, faulty_openers
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS

# more than one look at it takes: read by itself, piece by piece
LARGE = 600_000


@dataclass
class Work:
    """Steps for files of the target, as a look at them gave it, and what came of them."""

    world: World
    steps: list[Step] = field(default_factory=list)
    policy: ReadPolicy | None = None
    moments: list[tuple[int, int, int, int]] = field(default_factory=list)

    def look(self, *paths: str) -> None:
        """Look at files as they are now; each is asked for by its own name, and whole."""
        session = self.world.open_session()
        files = TargetFiles(session, os.getpid(), root=os.fsencode(self.world.root))
        self.policy = policy_of(files.mounts()[0], [], include_secrets=False)
        for entry in files.walk([os.fsencode(path) for path in paths]):
            assert isinstance(entry, Entry)
            item = Item(entry.path, entry.path, entry, "plain")
            self.steps.append(Step(item, "file", length=entry.size))
        session.close()

    def home(self, path: str) -> Path:
        """The copy of a file."""
        return self.world.home / path.lstrip("/")

    def _notify(self, came: int, size: int, done: int, files: int) -> None:
        self.moments.append((came, size, done, files))

    def bring(
        self,
        *,
        opener: Callable[[], Session] | None = None,
        room: int = 0,
        **changes: Any,
    ) -> Transferred:
        options = FetchOptions(src=(), dest=str(self.world.home), **changes)
        assert self.policy is not None

        with (
            Dest(options.dest, is_check=options.is_check) as dest,
            Remote(
                opener or self.world.open_session,
                os.getpid(),
                root=os.fsencode(self.world.root),
                retries=options.retries,
                until=options.until,
            ) as remote,
        ):
            return transfer(self.steps, remote, Home(dest, ()), self.policy, options, Budget(room, 0), self._notify)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    monkeypatch.setattr(reconnect, "_PAUSE", 0.001)
    made = World(tmp_path, "ash" if "ash" in SHELLS else min(SHELLS))
    made.home.mkdir()
    yield Work(made)
    assert made.no_temporary_is_left()


def told(done: Transferred) -> dict[str, tuple[str, str | None]]:
    return {os.fsdecode(src): (row.status, row.reason) for src, row in done.rows.items()}


def never() -> Session:
    raise Failure("ConnectionLost", "nobody is there")


def test_each_file_comes_and_the_progress_ends_at_all_of_it(work: Work) -> None:
    contents = {"/one": b"1" * 100, "/two": b"", "/large": os.urandom(LARGE)}
    for path, content in contents.items():
        work.world.write(path, content)
    work.look(*contents)
    done = work.bring()
    assert told(done) == dict.fromkeys(contents, ("fetched", None))
    assert {path: work.home(path).read_bytes() for path in contents} == contents
    assert {os.fsdecode(src): row.sha256 for src, row in done.rows.items()} == {
        path: hashlib.sha256(content).hexdigest() for path, content in contents.items()
    }
    assert (done.moved, done.codec, done.failure) == (LARGE + 100, "none", None)
    came, size, _ended, files = work.moments[-1]
    assert (came, size, files) == (LARGE + 100, LARGE + 100, 3)


def test_what_is_here_already_stays_and_does_not_come_again(work: Work) -> None:
    for path in ("/same", "/other", "/longer"):
        work.world.write(path, b"as it is")
    work.home("/same").write_bytes(b"as it is")
    work.home("/other").write_bytes(b"as it w.")
    work.home("/longer").write_bytes(b"as it is and was")
    kept = work.home("/same").stat()
    work.look("/same", "/other", "/longer")
    done = work.bring()
    assert told(done) == {"/same": ("unchanged", None), "/other": ("fetched", None), "/longer": ("fetched", None)}
    assert done.moved == 2 * len(b"as it is")
    assert work.home("/same").stat().st_ino == kept.st_ino


@pytest.mark.parametrize("content", [b"as it was", b"as it is."])
def test_without_checksums_the_time_tells_whether_it_is_here(work: Work, content: bytes) -> None:
    for path, seconds in (("/old", 1_700_000_000), ("/new", 1_800_000_000)):
        os.utime(work.world.write(path, b"as it is."), (seconds, seconds))
        work.home(path).write_bytes(content)
        os.utime(work.home(path), (1_700_000_000, 1_700_000_000))
    work.look("/old", "/new")
    done = work.bring(checksum=False)
    assert told(done) == {"/old": ("unchanged", None), "/new": ("fetched", None)}
    assert work.home("/old").read_bytes() == content
    assert work.home("/new").read_bytes() == b"as it is."


def test_two_names_for_one_file_here_cannot_both_stay(work: Work) -> None:
    for path in ("/one", "/two"):
        work.world.write(path, b"alike")
    work.home("/one").write_bytes(b"alike")
    work.home("/two").hardlink_to(work.home("/one"))
    work.look("/one", "/two")
    assert sorted(told(work.bring()).values(), key=str) == [("failed", "DestConflict"), ("unchanged", None)]


def test_a_file_that_was_written_since_the_look_is_looked_at_again(work: Work) -> None:
    file = work.world.write("/a", b"before")
    work.home("/a").write_bytes(b"before")
    work.look("/a")
    os.utime(file, (1_800_000_000, 1_800_000_000))
    done = work.bring()
    assert told(done) == {"/a": ("fetched", None)}
    entry = done.rows[b"/a"].entry
    assert entry is not None
    assert entry.mtime_ns == 1_800_000_000 * 10**9


def test_a_copy_whose_file_is_gone_is_not_called_unchanged(work: Work) -> None:
    file = work.world.write("/a", b"before")
    work.home("/a").write_bytes(b"before")
    work.look("/a")
    file.unlink()
    assert told(work.bring()) == {"/a": ("failed", "Missing")}
    assert work.home("/a").read_bytes() == b"before"


@pytest.mark.parametrize("is_here", [True, False], ids=["while comparing", "while receiving"])
def test_at_the_deadline_what_is_left_is_told(work: Work, is_here: bool) -> None:
    work.world.write("/a", b"before")
    if is_here:
        work.home("/a").write_bytes(b"before")
    work.look("/a")
    assert told(work.bring(until=time.monotonic() - 1)) == {"/a": ("skipped", "Deadline")}


@pytest.mark.parametrize("is_here", [True, False], ids=["while comparing", "while receiving"])
def test_a_side_that_falls_silent_is_waited_for_until_the_deadline_and_not_for_its_silence(
    work: Work, is_here: bool
) -> None:
    work.world.write("/a", b"before")
    work.world.write("/b", b"before")
    if is_here:
        work.home("/a").write_bytes(b"before")
    work.look("/a", "/b")
    until = time.monotonic() + 0.5
    heard: list[Session] = []

    def mute() -> Session:
        session = work.world.open_session()
        # nothing of its own ends the waiting
        session.timeout, session.until = 3600.0, until
        session.define(
            b"sha256sum() { sleep 3600; }; cat() { sleep 3600; }; dd() { sleep 3600; }; head() { sleep 3600; }\n"
        )
        heard.append(session)
        return session

    assert told(work.bring(opener=mute, until=until)) == dict.fromkeys(("/a", "/b"), ("skipped", "Deadline"))
    # the second for what was not compared
    assert len(heard) == 1 + is_here


@pytest.mark.parametrize("is_here", [True, False], ids=["while comparing", "while receiving"])
def test_a_connection_that_never_comes_fails_every_file_and_is_the_reason(work: Work, is_here: bool) -> None:
    for path in ("/a", "/b"):
        work.world.write(path, b"before")
    if is_here:
        work.home("/a").write_bytes(b"before")
    work.look("/a", "/b")
    done = work.bring(opener=never, retries=2)
    assert told(done) == dict.fromkeys(("/a", "/b"), ("failed", "ConnectionLost"))
    assert done.failure is not None
    assert done.failure.reason == "ConnectionLost"


def test_check_mode_says_what_would_come_and_writes_nothing(work: Work) -> None:
    for path in ("/same", "/new"):
        work.world.write(path, b"as it is")
    work.home("/same").write_bytes(b"as it is")
    work.look("/same", "/new")
    done = work.bring(is_check=True)
    assert told(done) == {"/same": ("unchanged", None), "/new": ("fetched", None)}
    assert done.moved == 0
    assert [path.name for path in work.world.home.iterdir()] == ["same"]


def test_a_directory_in_its_place_costs_that_file_alone(work: Work) -> None:
    for path in ("/taken", "/free"):
        work.world.write(path, b"content")
    (work.home("/taken") / "mine").mkdir(parents=True)
    work.look("/taken", "/free")
    done = work.bring()
    assert told(done) == {"/taken": ("failed", "DestConflict"), "/free": ("fetched", None)}
    assert (done.failure, (work.home("/taken") / "mine").is_dir()) == (None, True)


def test_a_file_in_the_place_of_its_folder_costs_that_file_alone(work: Work) -> None:
    for path in ("/folder/one", "/folder/large", "/free"):
        work.world.write(path, b"content" * (LARGE if path.endswith("large") else 1))
    work.home("/folder").write_bytes(b"mine")
    work.look("/folder/one", "/folder/large", "/free")
    done = work.bring()
    assert told(done) == {
        "/folder/one": ("failed", "DestConflict"),
        "/folder/large": ("failed", "DestConflict"),
        "/free": ("fetched", None),
    }
    assert work.home("/folder").read_bytes() == b"mine"


@pytest.mark.parametrize(("number", "is_final"), [(27, False), (28, True)], ids=["EFBIG", "ENOSPC"])
def test_what_the_disk_refuses_ends_the_work_where_it_would_refuse_the_next(
    work: Work, monkeypatch: pytest.MonkeyPatch, number: int, is_final: bool
) -> None:
    for path in ("/a", "/b"):
        work.world.write(path, b"content of " + path.encode())
    work.look("/a", "/b")
    write = os.pwrite

    def refused(descriptor: int, data: memoryview, at: int) -> int:
        if bytes(data) == b"content of /a":
            raise OSError(number, os.strerror(number))
        return write(descriptor, data, at)

    monkeypatch.setattr(partial_file.os, "pwrite", refused)
    done = work.bring()
    ends = {"/a": ("failed", "DestUnwritable"), "/b": ("failed", "DestUnwritable") if is_final else ("fetched", None)}
    assert told(done) == ends
    assert done.failure is not None
    assert (done.failure.reason, os.strerror(number) in done.failure.message) == ("DestUnwritable", True)


@pytest.mark.parametrize("is_secret", [True, False])
def test_what_turns_out_to_be_on_a_mount_that_is_not_read_stays_there(work: Work, is_secret: bool) -> None:
    work.world.write("/a", b"content")
    work.look("/a")
    assert work.policy is not None
    every = work.policy.readable_ids
    work.policy = replace(
        work.policy, readable_ids=frozenset({0}), secret_ids=every if is_secret else work.policy.secret_ids
    )
    end = ("skipped", "Secret") if is_secret else ("failed", "Escaped")
    assert told(work.bring()) == {"/a": end}
    assert not work.home("/a").exists()


@pytest.mark.parametrize("retries", [0, 2])
def test_a_file_that_shrank_since_the_look_comes_in_its_new_length(work: Work, retries: int) -> None:
    file = work.world.write("/log", b"1" * LARGE)
    work.look("/log")
    file.write_bytes(b"2" * 1000)
    done = work.bring(retries=retries)
    assert told(done) == {"/log": ("fetched", None) if retries else ("changed_while_reading", "Shrunk")}
    assert work.home("/log").exists() == bool(retries)


def test_a_log_that_grew_since_the_look_comes_to_the_length_that_was_seen(work: Work) -> None:
    file = work.world.write("/log", b"1" * LARGE)
    work.look("/log")
    with file.open("ab") as log:
        log.write(b"2" * 1000)
    done = work.bring()
    assert told(done) == {"/log": ("fetched", None)}
    assert (done.rows[b"/log"].grew, work.home("/log").read_bytes()) == (True, b"1" * LARGE)


@pytest.mark.parametrize(
    ("content", "changes", "room", "end"),
    [
        (b"2" * (LARGE + 1000), {"max_size": LARGE}, 0, ("skipped", "MaxSize")),
        (b"2" * (LARGE + 1000), {"max_size": LARGE, "oversize": "fail"}, 0, ("failed", "MaxSize")),
        (b"2" * (LARGE + 1000), {"max_size": LARGE, "oversize": "head"}, 0, ("fetched", "MaxSize")),
        (b"2" * (LARGE + 1000), {}, 10, ("skipped", "MaxTotalSize")),
        (None, {}, 0, ("failed", "Missing")),
    ],
    ids=["too large", "too large, which fails", "too large, its beginning", "too much together", "gone"],
)
def test_a_file_that_is_another_one_at_the_second_look_ends_as_that_one_does(
    work: Work, content: bytes | None, changes: Mapping[str, Any], room: int, end: tuple[str, str | None]
) -> None:
    file = work.world.write("/a", b"." * LARGE + b"marked")
    work.look("/a")
    length = LARGE + len(b"marked")

    def meddle() -> None:
        file.unlink()
        if content is not None:
            file.write_bytes(content)

    faults: Sequence[dict[str, Any]] = [{"damages": b"marked", "meddles": (b"marked", meddle)}]
    done = work.bring(opener=faulty_openers(work.world, faults), room=room, **changes)
    assert told(done) == {"/a": end}
    assert done.moved == length + (LARGE if end[0] == "fetched" else 0)


def test_a_file_that_a_directory_replaced_is_no_file(work: Work) -> None:
    file = work.world.write("/a", b"." * LARGE + b"marked")
    work.look("/a")

    def meddle() -> None:
        file.unlink()
        file.mkdir()

    faults = [{"damages": b"marked", "meddles": (b"marked", meddle)}]
    assert told(work.bring(opener=faulty_openers(work.world, faults))) == {"/a": ("failed", "Replaced")}


@pytest.mark.parametrize("retries", [0, 1])
def test_damage_on_the_way_gives_no_file_unless_it_comes_again(work: Work, retries: int) -> None:
    work.world.write("/a", b"." * LARGE + b"marked")
    work.look("/a")
    done = work.bring(opener=faulty_openers(work.world, [{"damages": b"marked"}]), retries=retries)
    assert told(done) == {"/a": ("fetched", None) if retries else ("failed", "ChecksumMismatch")}
    assert work.home("/a").exists() == bool(retries)


def test_a_file_that_is_written_at_every_look_is_kept_as_it_was_read(work: Work) -> None:
    file = work.world.write("/a", b"marked" + b"." * LARGE)
    work.look("/a")

    def meddle() -> None:
        os.utime(file, (1_800_000_000, 1_800_000_000))

    done = work.bring(opener=faulty_openers(work.world, [{"meddles": (b"marked", meddle)}]), retries=0)
    assert told(done) == {"/a": ("changed_while_reading", None)}
    assert work.home("/a").read_bytes() == file.read_bytes()


def test_a_broken_stream_goes_on_where_it_stopped_and_is_proven_as_a_whole(work: Work) -> None:
    content = os.urandom(LARGE)
    work.world.write("/a", content)
    work.look("/a")
    done = work.bring(opener=faulty_openers(work.world, [{"breaks_after": LARGE // 2}]))
    assert told(done) == {"/a": ("fetched", None)}
    assert (done.moved, work.home("/a").read_bytes() == content) == (LARGE, True)


@pytest.mark.parametrize(("compress", "codec"), [("gzip", "gzip"), ("auto", "none")])
def test_what_is_compressed_is_told_and_moves_less(work: Work, compress: str, codec: Codec) -> None:
    work.world.write("/a", b"." * LARGE)
    work.look("/a")
    # two passes over it, for which is chosen once
    done = work.bring(opener=faulty_openers(work.world, [{"breaks_after": 300}]), compress=compress)
    assert (told(done), done.codec) == ({"/a": ("fetched", None)}, codec)
    assert (done.moved < LARGE) == (codec != "none")


def test_where_nothing_is_to_come_nobody_is_asked(work: Work) -> None:
    work.look()
    done = work.bring(opener=never)
    assert (done.rows, done.failure, work.moments) == ({}, None, [])
