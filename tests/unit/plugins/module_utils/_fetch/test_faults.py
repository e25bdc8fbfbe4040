# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections that break or damage what they carry, and files that change while they are read; see local_fetches."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._fetch import reconnect
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.tests.unit.support.local_fetches import World, faulty_openers, statuses
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS


@pytest.fixture(params=sorted(SHELLS))
def world(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(reconnect, "_PAUSE", 0.001)
    made = World(tmp_path, request.param)
    yield made
    assert made.no_temporary_is_left()


def right_or_absent(world: World) -> bool:
    """Whether every file at home is what the target has: nothing cut, nothing damaged under a final name."""
    copies = [path for path in world.copy.rglob("*") if path.is_file()]
    return all(path.read_bytes() == (world.root / path.relative_to(world.copy)).read_bytes() for path in copies)


def test_a_connection_that_breaks_anywhere_is_taken_up_again(world: World) -> None:
    for number in range(6):
        world.write(f"/a/{number}", os.urandom(50_000))
    for first in range(0, 320_000, 22_222):
        shutil.rmtree(world.home, ignore_errors=True)
        done = world.fetch(
            "/a", opener=faulty_openers(world, [{"breaks_after": first}, {"breaks_after": first * 7 % 320_000}])
        )
        assert done.failure is None
        assert done.stats["files"] == 6
        assert right_or_absent(world)


def test_a_connection_that_always_breaks_ends_with_a_complete_list(world: World) -> None:
    for number in range(6):
        world.write(f"/a/{number}", os.urandom(50_000))
    # too early for a single byte of a file
    faults = [{"breaks_after": 200_000}, *[{"breaks_after": 100}] * 9]
    done = world.fetch("/a", opener=faulty_openers(world, faults), retries=2)
    assert done.failure is not None
    assert done.failure.reason == "ConnectionLost"
    assert right_or_absent(world)
    rows = statuses(done)
    assert len(rows) == 6
    assert set(rows.values()) == {("fetched", None), ("failed", "ConnectionLost")}
    assert {src for src, row in world.manifest().items() if row["status"] == "fetched" and row["type"] == "file"} == {
        src for src, (status, _reason) in rows.items() if status == "fetched"
    }


@pytest.mark.parametrize("checksum", [True, False])
def test_a_large_file_goes_on_where_its_stream_broke(world: World, checksum: bool) -> None:
    content = os.urandom(3_000_000)
    world.write("/large", content)
    random = Random(world.shell)  # noqa: S311 - the same cuts in each run
    opened = faulty_openers(world, [{"breaks_after": random.randrange(50_000, 400_000)} for _number in range(8)])
    tries: list[Session] = []

    def opener() -> Session:
        tries.append(opened())
        return tries[-1]

    # a single one in vain would be its end: each cut brings the file further
    done = world.fetch("/large", opener=opener, retries=1, checksum=checksum)
    assert (done.failure, statuses(done)) == (None, {"/large": ("fetched", None)})
    assert (world.copy / "large").read_bytes() == content
    assert done.files[0]["sha256"] == hashlib.sha256(content).hexdigest()
    assert (done.stats["transferred_bytes"], len(tries)) == (len(content), 9)


@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("what", ["written in place", "another file"])
def test_a_file_that_changed_while_its_stream_was_broken_is_begun_again(
    world: World, what: str, checksum: bool
) -> None:
    file = world.write("/large", b"1" * 1_000_000)
    opened = faulty_openers(world, [{"breaks_after": 500_000}])
    seen: list[Session] = []

    def opener() -> Session:
        if seen:
            if what == "another file":
                file.rename(file.with_name("rotated"))
            file.write_bytes(b"2" * 1_000_000)
        seen.append(opened())
        return seen[-1]

    done = world.fetch("/large", opener=opener, checksum=checksum)
    assert statuses(done) == {"/large": ("fetched", None)}
    assert (world.copy / "large").read_bytes() == b"2" * 1_000_000


def test_a_log_that_grew_while_its_stream_was_broken_goes_on_where_it_stopped(world: World) -> None:
    file = world.write("/log", b"1" * 1_000_000)
    opened = faulty_openers(world, [{"breaks_after": 500_000}])

    def opener() -> Session:
        with file.open("ab") as log:
            log.write(b"2" * 1000)
        return opened()

    done = world.fetch("/log", opener=opener)
    (row,) = done.files
    assert (row["status"], row["grew"]) == ("fetched", True)
    assert (world.copy / "log").read_bytes() == b"1" * 1_000_000 + b"2" * 1000
    assert done.stats["transferred_bytes"] == 1_001_000


def test_damage_on_the_way_is_found_and_the_file_brought_again(world: World) -> None:
    world.write("/a", b"." * 5000 + b"marked word" + b"." * 5000)
    done = world.fetch("/a", opener=faulty_openers(world, [{"damages": b"marked word"}]))
    assert statuses(done) == {"/a": ("fetched", None)}
    assert done.stats["transferred_bytes"] == 2 * 10_011
    assert right_or_absent(world)


def test_damage_with_no_retries_left_gives_no_file(world: World) -> None:
    world.write("/a", b"." * 5000 + b"marked word" + b"." * 5000)
    done = world.fetch("/a", opener=faulty_openers(world, [{"damages": b"marked word"}]), retries=0)
    assert statuses(done) == {"/a": ("failed", "ChecksumMismatch")}
    assert done.failure is not None
    assert not (world.copy / "a").exists()
    assert done.files[0]["sha256"] is None


def test_a_file_that_is_written_all_the_time_says_so(world: World) -> None:
    file = world.write("/busy", b"beginning" + b"0" * 3_000_000)
    numbers = iter(range(100))

    def write_behind_the_hash() -> None:
        # as long as nothing is taken from the stream its reader stands still, and the hash is made meanwhile
        time.sleep(0.5)
        with file.open("r+b") as target:
            target.seek(-10, os.SEEK_END)
            target.write(b"%10d" % next(numbers))

    fault = {"meddles": (b"beginning", write_behind_the_hash)}
    done = world.fetch("/busy", retries=1, opener=faulty_openers(world, [fault]))
    (row,) = done.files
    assert row["status"] == "changed_while_reading"
    assert row["sha256"] == hashlib.sha256((world.copy / "busy").read_bytes()).hexdigest()
    assert (done.stats["changed_while_reading"], done.stats["transferred_bytes"]) == (1, 6_000_018)
    assert done.failure is None


def test_a_log_that_grows_is_brought_to_the_length_first_seen(world: World) -> None:
    file = world.write("/log", b"line\n" * 200_000)
    stop = threading.Event()

    def keep_logging() -> None:
        with file.open("ab", buffering=0) as target:
            while not stop.is_set():
                target.write(b"line\n")

    writer = threading.Thread(target=keep_logging)
    writer.start()
    try:
        done = world.fetch("/log")
    finally:
        stop.set()
        writer.join()
    (row,) = done.files
    copy = (world.copy / "log").read_bytes()
    assert (row["status"], row["grew"], row["size"]) == ("fetched", True, len(copy))
    assert file.read_bytes().startswith(copy)


def test_a_file_too_large_for_this_system_fails_alone(world: World) -> None:
    for number in range(4):
        world.write(f"/a/{number}", os.urandom(50_000))
    world.write("/a/big", os.urandom(3_000_000))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        done = world.fetch("/a")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    # a limit of one file's size: the others fit
    assert statuses(done)["/a/big"] == ("failed", "DestUnwritable")
    assert sorted(statuses(done).values())[1:] == [("fetched", None)] * 4
    assert done.failure is not None
    assert done.failure.reason == "DestUnwritable"
    assert "a/big" in done.failure.message
    assert right_or_absent(world)
    assert not (world.copy / "a/big").exists()


def test_what_an_existing_copy_was_stays_when_its_successor_is_never_right(world: World) -> None:
    file = world.write("/a", b"first " * 1000)
    world.fetch("/a")
    file.write_bytes(b"." * 5000 + b"marked word")
    done = world.fetch("/a", opener=faulty_openers(world, [{"damages": b"marked word"}]), retries=0)
    assert statuses(done) == {"/a": ("failed", "ChecksumMismatch")}
    assert (world.copy / "a").read_bytes() == b"first " * 1000


def test_a_log_that_grows_and_came_out_wrong_gets_to_its_end_over_a_line_that_is_always_cut(world: World) -> None:
    log = world.root / "a" / "log"
    world.write("/a/log", b"X" + os.urandom(300_000).replace(b"X", b"Y"))
    opened = 0

    def opener() -> Session:
        nonlocal opened
        opened += 1
        assert opened < 30, "it goes on without end"
        with log.open("ab") as file:
            file.write(b"a line more\n")
        # the first damages what it brings, so that the file comes out wrong
        faults: dict[str, Any] = {"damages": b"X"} if opened == 1 else {}
        return faulty_openers(world, [{"breaks_after": 250_000, **faults}])()

    done = world.fetch("/a/log", opener=opener, retries=2)
    (row,) = done.files
    assert (row["status"], done.failure) == ("fetched", None)
    assert log.read_bytes().startswith(Path(row["dest"]).read_bytes())
