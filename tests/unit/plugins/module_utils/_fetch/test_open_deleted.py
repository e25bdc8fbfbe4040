# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files that a process holds open though they are deleted; this process stands for the target's."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._fetch.open_deleted import Held, judge, survey_held
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import TargetFiles
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.read_policy import policy_of
from ansible_collections.incident.distroless.tests.unit.support.local_fetches import World, statuses
from ansible_collections.incident.distroless.tests.unit.support.local_shells import NOBODY, SHELLS, open_session
from ansible_collections.incident.distroless.tests.unit.support.lying_remote import Liar, session_with
from ansible_collections.incident.distroless.tests.unit.support.target_things import entry, mount, named_process
from hypothesis import given, settings
from hypothesis import strategies as st

POLICY = policy_of(
    [mount(1, b"/"), mount(2, b"/proc", "proc"), mount(3, b"/etc/tls", "tmpfs")], [b"/etc/tls"], include_secrets=False
)


@pytest.fixture(params=sorted(SHELLS))
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(tmp_path, request.param)
    yield made
    assert made.no_temporary_is_left()


@contextlib.contextmanager
def held(path: Path, content: bytes) -> Iterator[int]:
    """A deleted file that is held open: its descriptor."""
    with path.open("w+b") as file:
        file.write(content)
        file.flush()
        path.unlink()
        yield file.fileno()


def test_a_deleted_file_comes_home_by_the_link_of_its_descriptor(world: World, tmp_path: Path) -> None:
    pid = os.getpid()
    gone = tmp_path / "gone 'x'\n.log"
    with held(gone, b"traces" * 50_000) as descriptor:
        done = world.fetch(open_deleted=True, processes=[pid])
        src = f"/proc/{pid}/fd/{descriptor}"
        assert statuses(done)[src] == ("fetched", None)
        assert (world.copy / src.lstrip("/")).read_bytes() == b"traces" * 50_000
        row = world.manifest()[src]
        assert (row["resolved"], row["type"], row["nlink"]) == (f"{gone} (deleted)", "file", 0)
        again = world.fetch(open_deleted=True, processes=[pid])
        assert (again.changed, again.stats["transferred_bytes"]) == (False, 0)
        # another run that does not look does not call it gone
        assert world.fetch("/", processes=[pid]).warnings == []
        os.ftruncate(descriptor, 0)
        assert world.fetch(open_deleted=True, processes=[pid]).changed
    closed = world.fetch(open_deleted=True, processes=[pid])
    assert [warning for warning in closed.warnings if "gone" in warning and src in warning]


def test_a_file_in_memory_only_is_proven_by_who_holds_it(world: World) -> None:
    descriptor = os.memfd_create("payload")
    try:
        os.write(descriptor, b"\x7fELF" * 100)
        src = f"/proc/{os.getpid()}/fd/{descriptor}"
        done = world.fetch(open_deleted=True, processes=[os.getpid()])
        assert statuses(done)[src] == ("fetched", None)
        assert (world.copy / src.lstrip("/")).read_bytes() == b"\x7fELF" * 100
        assert world.manifest()[src]["resolved"] == "/memfd:payload (deleted)"
    finally:
        os.close(descriptor)


def test_only_regular_files_without_a_name_are_brought_each_once(world: World, tmp_path: Path) -> None:
    (tmp_path / "there (deleted)").write_bytes(b"alive")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    opened = [
        os.open(tmp_path / "there (deleted)", os.O_RDONLY),
        os.open(tmp_path / "pipe", os.O_RDWR),
        os.open(tmp_path / "folder", os.O_RDONLY),
    ]
    (tmp_path / "pipe").unlink()
    (tmp_path / "folder").rmdir()
    with held(tmp_path / "gone", b"once") as descriptor, socket.socket():
        opened += [os.dup(descriptor)]
        with world.open_session() as session:
            files = TargetFiles(session, os.getpid(), root=b"/")
            policy = policy_of(files.mounts()[0], [], include_secrets=False)
            found = survey_held(files, [os.getpid()], policy)
        mine = [item for item in found.items if str(tmp_path).encode() in (item.resolved or b"")]
        assert [item.src for item in mine] == [b"/proc/%d/fd/%d" % (os.getpid(), min(descriptor, opened[-1]))]
    for number in opened:
        os.close(number)


@pytest.mark.parametrize("name", ["rotated\nlog", "a) Z\nb", "a) X 1\n) R 1"])
def test_no_name_that_a_process_gives_itself_hides_what_it_holds(world: World, tmp_path: Path, name: str) -> None:
    gone = tmp_path / "gone"
    script = f"import os; held = open({str(gone)!r}, 'wb'); held.write(b'traces'); held.flush(); os.unlink(held.name)"
    with named_process(name, script) as pid:
        done = world.fetch(open_deleted=True, processes=[pid])
    # what it has from its parent may be deleted as well
    assert (f"{gone} (deleted)", "fetched") in [(row["resolved"], row["status"]) for row in done.files]


def test_a_process_that_keeps_us_out_is_listed(world: World) -> None:
    # whoever runs this test is not allowed to look into this machine's first process as nobody
    with open_session(world.shell, inside=NOBODY) as session:
        found = survey_held(TargetFiles(session, 1, root=b"/"), [1], POLICY)
    assert [(item.src, item.reason) for item in found.items] == [(b"/proc/1/fd", "PermissionDenied")]


def a_file(text: bytes, number: int, nlink: int = 0, ino: int = 7) -> Held:
    return Held(5, 3, number, text + b" (deleted)", entry(b"/proc/5/fd/3", nlink=nlink, ino=ino))


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (a_file(b"/data/x", 1), None),
        (a_file(b"/etc/passwd", 1, nlink=1), None),
        (a_file(b"/proc/7/status", 2), "KernelFilesystem"),
        (a_file(b"/etc/tls/..2024/key", 3), "Secret"),
        (a_file(b"/run/secrets/token", 1), "Secret"),
        (a_file(b"/memfd:x", 99), None),
        (a_file(b"/memfd:x", 99, nlink=1), "Escaped"),
        (a_file(b"/etc/shadow", 99), "Escaped"),
    ],
)
def test_a_held_file_is_judged_by_its_mount(file: Held, reason: str | None) -> None:
    found = judge([file], [], POLICY)
    assert [item.reason for item in found.items] == [reason]
    assert found.mounts == ({99} if reason is None and file.mount == 99 else set())


RECORDS = st.lists(
    st.sampled_from(
        [
            b"//D 5\n",
            b"//D x\n",
            b"//O 5 3 1 81a4 0 0 5 1 7 1 8 1 2 3|x.5 +|x.25 +|x.125 +\n",
            b"//O 5 3 - \n",
            b"//O 9 3 1 81a4\n",
            b"//L 12 19\n/proc/5/fd/3/data/x (deleted)..\n",
            b"//L 12 12\n/proc/5/fd/3/a (deleted)\n",
            b"//L 12 11\n/etc/shadow1 (deleted)x\n",
        ]
    )
    | st.binary(max_size=20),
    max_size=12,
).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(RECORDS)
def test_whatever_is_said_to_be_open_it_is_of_a_process_that_was_asked_about(lie: bytes) -> None:
    with contextlib.suppress(Failure):
        found = survey_held(TargetFiles(session_with(Liar(lie)), 5, root=b"/r"), [5], POLICY)
        assert {item.src for item in found.items} <= {b"/proc/5/fd", b"/proc/5/fd/3"}


def test_an_endless_list_of_open_files_is_cut_and_said_to_be() -> None:
    liar = Liar(b"", forever=b"//D 5\n")
    found = survey_held(TargetFiles(session_with(liar), 5, root=b"/r"), [5], POLICY)
    assert (found.items[0].src, found.items[0].reason) == (b"/proc", "MaxFiles")
