# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A whole fetch from a remote side that lies: nothing outside dest, no wrong file, a Failure or a failed row, and bounds."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.shell import open_session
from ansible_collections.incident.distroless.plugins.module_utils._fetch import reconnect
from ansible_collections.incident.distroless.plugins.module_utils._fetch.pipeline import Fetched
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._remote import pod_exec, session
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import Session
from ansible_collections.incident.distroless.tests.unit.support.fake_exec import Lie, exec_server
from ansible_collections.incident.distroless.tests.unit.support.hostile_answers import LIES
from ansible_collections.incident.distroless.tests.unit.support.local_fetches import World
from ansible_collections.incident.distroless.tests.unit.support.memory import peak_growth
from ansible_collections.incident.distroless.tests.unit.support.pods import target
from kubernetes import client

# of this process, the fake included. Most of it is the library's that reads the answer to a handshake for as long as
# the time-out lets it
MAX_MEMORY = 128 << 20
MAX_MEMORY_OF_A_FLOOD = 8 << 20
MAX_DISK = 1 << 20
# what a user asks for; the seconds are for lies that never end
SILENCE, DEADLINE, MAX_FILES = 2.0, 8.0, 500
# what is taken in as fast as it is sent keeps a processor busy until the time is over: a quarter of the time shows as much, for of it
# nothing is kept
FLOODS = (
    "empty frames without end",
    "errors without end",
    "frames on another channel without end",
    "pings without end",
    "statuses without end",
)
# of an honest handshake the seconds on a busy machine, and of one that does not end
HANDSHAKE, ENDLESS_HANDSHAKE = 20.0, 1.0
# whatever takes longer than this would take for ever, or as long as a sender waits for a side that takes in nothing
FOREVER = 50.0


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(reconnect, "_PAUSE", 0.001)
    monkeypatch.setattr(pod_exec, "START_UP", 0.1)
    monkeypatch.setattr(session, "PARTING", 0.1)
    made = World(tmp_path, "dash")
    made.write("/a/one", b"ONE" * 1666 + b"\n\n")
    made.write("/a/two", b"two" * 30)
    made.write("/a/big", b"BIG" * 33_333 + b"\n")
    made.write("/a/inner/three", b"three")
    made.link("/a/link", "one")
    return made


def fetch_through(
    world: World, lie: Lie, silence: float = SILENCE, seconds: float = DEADLINE
) -> tuple[Fetched | Failure, int]:
    """What comes of fetching /a within so many seconds, and how often the lie was told.

    Any other exception than a Failure, and an end that never comes, fail the test.
    """
    outcome: list[Fetched | BaseException] = []
    with exec_server(lie) as server:
        handshake = HANDSHAKE if lie.handshake is None else ENDLESS_HANDSHAKE
        cluster = Cluster(client.ApiClient(client.Configuration(host=server.url)), Deadline(handshake))

        def opening() -> Session:
            return open_session(cluster.until(Deadline(handshake)), target(), "debugger", silence, has_outlet=False)

        def work() -> None:
            try:
                outcome.append(
                    world.fetch("/a", opener=opening, retries=1, max_files=MAX_FILES, until=time.monotonic() + seconds)
                )
            except BaseException as error:  # noqa: BLE001 - looked at below
                outcome.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(FOREVER + seconds)
    assert outcome, "it never ends"
    if isinstance(outcome[0], Failure) or not isinstance(outcome[0], BaseException):
        return outcome[0], server.told
    raise outcome[0]


def everything_but(folder: Path, *left_out: Path) -> dict[str, bytes | str]:
    """Every file and link below a folder with what is in it."""
    return {
        str(path): str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        for path in folder.rglob("*")
        if not any(path.is_relative_to(other) for other in left_out)
    }


def wrong_files(world: World, done: Fetched | Failure) -> list[str]:
    """What lies at home under a final name and is not what the target has there; a beginning only if its row says that it grew."""
    rows = {row["dest"]: row for row in (done.files if isinstance(done, Fetched) else ())}
    wrong = []
    for path in world.copy.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content, truth = path.read_bytes(), (world.root / path.relative_to(world.copy)).read_bytes()
            row = rows.get(str(path), {})
            is_beginning = row.get("grew") and row["size"] == len(content) and truth.startswith(content)
            if content != truth and not is_beginning:
                wrong.append(str(path))
    return wrong


def links_out(world: World) -> list[str]:
    return [
        str(path)
        for path in world.home.rglob("*")
        if path.is_symlink() and not path.resolve().is_relative_to(world.copy)
    ]


def test_without_a_lie_everything_comes(world: World) -> None:
    done, _told = fetch_through(world, Lie(), silence=60.0)
    assert isinstance(done, Fetched)
    assert (done.failure, done.stats["files"], wrong_files(world, done)) == (None, 4, [])


def test_the_corpus_is_large() -> None:
    assert len(LIES) >= 80
    assert LIES.keys() >= set(FLOODS)


@pytest.mark.parametrize("name", LIES)
def test_no_lie_makes_a_wrong_file(world: World, tmp_path: Path, name: str) -> None:
    before = everything_but(tmp_path, world.home)
    with peak_growth() as grown:
        silence, seconds = SILENCE, DEADLINE / (4 if name in FLOODS else 1)
        done, told = fetch_through(world, LIES[name])
        # on a busy machine the time can be over before the remote side comes to its lie
        while not told and seconds < 600:
            silence, seconds = 2 * silence, 2 * seconds
            done, told = fetch_through(world, LIES[name], silence, seconds)
        memory = grown()
    assert told
    assert everything_but(tmp_path, world.home) == before
    assert (wrong_files(world, done), links_out(world)) == ([], [])
    assert world.no_temporary_is_left()
    assert memory < (MAX_MEMORY_OF_A_FLOOD if name in FLOODS else MAX_MEMORY)
    here = list(world.home.rglob("*"))
    assert sum(path.lstat().st_size for path in here if not path.is_dir()) < MAX_DISK
    assert len(here) < 2 * MAX_FILES + 1100
    if isinstance(done, Fetched):
        brought = [row for row in done.files if row["status"] in ("fetched", "unchanged") and row["type"] == "file"]
        assert all(Path(row["dest"]).is_file() for row in brought)


@pytest.mark.parametrize(
    "name",
    [
        "a hash that is none",
        "another length at the end",
        "an unknown status",
        "less than was asked for",
        "a file that begins twice",
    ],
)
def test_bytes_that_come_again_are_no_progress(world: World, name: str) -> None:
    """A reader that brings bytes and then breaks its form, each time, is asked once more, and not until the deadline."""
    done, told = fetch_through(world, LIES[name])
    assert isinstance(done, Fetched)
    assert done.failure is not None
    assert told in (1, 2)
