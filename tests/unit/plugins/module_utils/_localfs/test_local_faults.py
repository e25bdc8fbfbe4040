# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes wrong on this side: disks that are full, dests that are something else, and others who write there meanwhile."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch import reconnect
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.tests.unit.support.local_fetches import World

# the other thread is that of pytest-xdist, which waits for its controller and holds no lock
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(reconnect, "_PAUSE", 0.001)
    made = World(tmp_path, "dash")
    for number in range(40):
        made.write(f"/a/small-{number}", b"%d " % number * 500)
    made.write("/a/big", os.urandom(2_000_000))
    return made


def wrong_or_temporary(world: World) -> list[str]:
    """What lies at home and should not: other bytes than the target's, or a file that is not done."""
    temporary = world.home.rglob(".incident-distroless.*")
    files = [path for path in world.copy.rglob("*") if path.is_file() and not path.name.startswith(".incident-")]
    wrong = [path for path in files if path.read_bytes() != (world.root / path.relative_to(world.copy)).read_bytes()]
    return [str(path) for path in (*temporary, *wrong)]


def on_a_disk(folder: Path, settings: str, work: Callable[[], object]) -> object:
    """What work gives with a tmpfs at folder, in a process and a mount namespace of its own: nothing stays mounted."""
    folder.mkdir(exist_ok=True)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            kind = _NEW_MOUNTS if os.geteuid() == 0 else _NEW_MOUNTS | _NEW_USER
            if ctypes.CDLL(None, use_errno=True).unshare(kind):
                raise OSError(ctypes.get_errno(), "unshare")
            subprocess.run(["mount", "--make-rprivate", "/"], check=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", settings, "tmpfs", str(folder)], check=True)
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    assert answer, "the work raised an exception: it is above"
    return json.loads(answer)


def outcome(world: World) -> list[object]:
    """The reason of a fetch of /a, how many rows say that their file is here, and whether that is so; what should not be here."""
    try:
        done = world.fetch("/a")
    except Failure as failure:
        return [failure.reason, 0, True, wrong_or_temporary(world)]
    here = [row for row in done.files if row["status"] == "fetched" and row["type"] == "file"]
    is_so = all(Path(row["dest"]).is_file() for row in here)
    return [done.failure.reason if done.failure else None, len(here), is_so, wrong_or_temporary(world)]


def test_a_disk_that_fills_up_keeps_what_fits_and_nothing_half_written(world: World) -> None:
    reason, here, is_so, wrong = on_a_disk(world.home, "size=300k", lambda: outcome(world))  # type: ignore[misc]
    assert (reason, is_so, wrong) == ("DestUnwritable", True, [])
    assert here < 41


def test_a_disk_without_inodes_keeps_what_fits(world: World) -> None:
    reason, here, is_so, wrong = on_a_disk(world.home, "size=64m,nr_inodes=20", lambda: outcome(world))  # type: ignore[misc]
    assert (reason, is_so, wrong) == ("DestUnwritable", True, [])
    assert 0 < here < 20


def test_a_read_only_disk_is_said(world: World) -> None:
    reason, here, _is_so, wrong = on_a_disk(world.home, "size=1m,ro", lambda: outcome(world))  # type: ignore[misc]
    assert (reason, here, wrong) == ("DestUnwritable", 0, [])


def test_what_a_full_disk_left_out_comes_when_there_is_room(world: World) -> None:
    def twice() -> list[object]:
        ballast = world.home / "ballast"
        ballast.write_bytes(b"x" * 3_800_000)
        first = outcome(world)
        ballast.unlink()
        return [first, outcome(world)]

    first, second = on_a_disk(world.home, "size=4m", twice)  # type: ignore[misc]
    assert first[0] == "DestUnwritable"
    assert (second[0], second[2], second[3]) == (None, True, [])
    assert first[1] + second[1] == 41


@pytest.mark.parametrize("kind", ["a file", "a link to nowhere", "below a file"])
def test_a_dest_that_is_no_directory_is_said_and_left_as_it_is(world: World, tmp_path: Path, kind: str) -> None:
    if kind == "a link to nowhere":
        world.home.symlink_to(tmp_path / "nowhere")
    else:
        world.home.write_bytes(b"mine")
    if kind == "below a file":
        world.home = world.home / "below"
    with pytest.raises(Failure) as caught:
        world.fetch("/a")
    assert caught.value.reason in ("DestConflict", "DestUnwritable")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "root"]
    if kind == "a file":
        assert world.home.read_bytes() == b"mine"


def test_a_run_that_is_killed_anywhere_is_made_good_by_the_next(world: World) -> None:
    for after in (1_000, 30_000, 60_000, 400_000, 1_500_000):
        child = os.fork()
        if child == 0:
            try:
                world.fetch("/a", opener=_killing(world, after))
            finally:
                os._exit(0)
        _pid, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        final = [path for path in wrong_or_temporary(world) if ".incident-distroless." not in path]
        assert final == []
    done = world.fetch("/a")
    assert (done.failure, done.stats["files"], wrong_or_temporary(world)) == (None, 41, [])


def _killing(world: World, after: int) -> Callable[[], Session]:
    """Opens sessions; when so many bytes have come, this process is killed as by the OOM killer."""
    left = after

    def opener() -> Session:
        session = world.open_session()
        receive = session._transport.receive

        def counted(timeout: float) -> tuple[int, memoryview] | None:
            nonlocal left
            piece = receive(timeout)
            left -= 0 if piece is None else len(piece[1])
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return piece

        session._transport.receive = counted  # type: ignore[method-assign]
        return session

    return opener


def test_two_runs_into_the_same_dest_at_once_are_both_right(world: World) -> None:
    def one(together: threading.Barrier, done: list[object]) -> None:
        together.wait()
        done.append(world.fetch("/a").failure)

    for _round in range(3):
        together = threading.Barrier(2)
        done: list[object] = []
        threads = [threading.Thread(target=one, args=(together, done)) for _number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert done == [None, None]
        assert wrong_or_temporary(world) == []
        assert len(world.manifest()) == 42


@pytest.fixture
def swapper(world: World, tmp_path: Path) -> Iterator[Path]:
    """Somebody else who puts a link to a folder outside in the place of the target's folder, again and again; gives that."""
    outside = tmp_path / "outside"
    outside.mkdir()
    world.copy.mkdir(parents=True)
    folder, aside = world.copy / "a", world.copy / "aside"
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            with suppress(OSError):
                folder.rename(aside)
            with suppress(OSError):
                folder.symlink_to(outside)
            with suppress(OSError):
                folder.unlink()
            with suppress(OSError):
                aside.rename(folder)

    thread = threading.Thread(target=swap)
    thread.start()
    yield outside
    stop.set()
    thread.join()


def test_links_that_are_planted_all_the_time_lead_nothing_out(world: World, swapper: Path) -> None:
    for _round in range(10):
        with suppress(Failure):
            world.fetch("/a")
        assert list(swapper.iterdir()) == []
