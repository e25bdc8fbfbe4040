# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import fcntl
import hashlib
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import (
    Dest,
    Place,
    link_stays_inside,
)
from ansible_collections.incident.distroless.plugins.module_utils._localfs.partial_file import DestFailure, explained
from ansible_collections.incident.distroless.plugins.plugin_utils._case.looks import Opening, open_case
from hypothesis import given, settings
from hypothesis import strategies as st

CONTENT = b"what the target holds\n"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def dest(tmp_path: Path) -> Iterator[Dest]:
    with Dest(str(tmp_path / "home")) as opened:
        yield opened


def put(dest: Dest, *place: bytes, content: bytes = CONTENT) -> None:
    with dest.writer(place, len(content)) as file:
        file.write(memoryview(content))
        file.commit(length=len(content), sha256=hashlib.sha256(content).hexdigest(), mtime_ns=1_700_000_000_123_456_789)


def everything_below(path: Path) -> set[str]:
    return {str(found.relative_to(path)) for found in path.rglob("*")}


def refused(reason: str, dest: Dest, *place: bytes) -> Failure:
    with pytest.raises(Failure) as caught:
        put(dest, *place)
    assert caught.value.reason == reason
    return caught.value


@pytest.mark.parametrize("below", ["", "fetched_files", "fetched_files/not/there/yet"])
@pytest.mark.parametrize("adds", [False, True], ids=["a case", "a role's folder in one"])
def test_nothing_is_opened_in_what_is_sealed(tmp_path: Path, below: str, adds: bool) -> None:
    now = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
    case = open_case(tmp_path, Opening("evidence_bundle", "one", adds=adds), now, writes=True).folder
    Dest(str(case / below), is_check=True).__exit__()
    (case / "SHA256SUMS").write_text("")
    (tmp_path / "link").symlink_to(case)
    before = everything_below(tmp_path)
    for way in (case, tmp_path / "link"):
        for is_check in (True, False):
            with pytest.raises(Failure, match=re.escape(f"{case} is sealed")) as caught:
                Dest(str(way / below), is_check=is_check)
            assert caught.value.reason == "CaseSealed"
    assert everything_below(tmp_path) == before


def test_what_has_such_a_file_and_is_no_sealed_case_is_written_into(tmp_path: Path) -> None:
    now = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
    sealed = open_case(tmp_path, Opening("evidence_bundle", "one", adds=True), now, writes=True).folder
    other = open_case(tmp_path, Opening("pod_triage", "one", adds=True), now, writes=True).folder
    (sealed / "SHA256SUMS").write_text("")
    # a release's folder, one in a case that no role has, and one beside a file of that name that is none of ours
    plain = tmp_path / "release"
    foreign = tmp_path / "foreign/download"
    for folder in (plain, other / "fetched_files", foreign):
        folder.mkdir(parents=True)
        (folder / "SHA256SUMS").write_text("")
    for text in ("[]", "{", '{"looks": [7]}', '{"looks": [{"folder": "x"}]}', "\xff"):
        (foreign.parent / "case.json").write_text(text, encoding="latin-1")
        with Dest(str(foreign)) as dest:
            put(dest, b"file")
    for folder in (plain, plain / "new", other, other / "fetched_files", tmp_path / "one"):
        with Dest(str(folder)) as dest:
            put(dest, b"file")


def test_a_file_lands_with_its_content_mode_and_time(dest: Dest, tmp_path: Path) -> None:
    put(dest, b"ns", b"pod", b"app.log")
    found = tmp_path / "home/ns/pod/app.log"
    assert found.read_bytes() == CONTENT
    assert stat.S_IMODE(found.stat().st_mode) == 0o600
    assert found.stat().st_mtime_ns == 1_700_000_000_123_456_789
    assert {
        stat.S_IMODE(folder.stat().st_mode) for folder in (tmp_path / "home", found.parent, found.parent.parent)
    } == {0o700}
    assert everything_below(tmp_path / "home") == {"ns", "ns/pod", "ns/pod/app.log"}


def test_the_modes_that_were_asked_for_do_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        with Dest(str(tmp_path / "a/b"), file_mode=0o664, directory_mode=0o775) as dest:
            put(dest, b"c", b"file")
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a", "a/b", "a/b/c", "a/b/c/file")}
    assert modes == {"a": 0o775, "a/b": 0o775, "a/b/c": 0o775, "a/b/c/file": 0o664}


def test_a_setgid_parent_gives_no_setgid_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o2755)
    with Dest(str(tmp_path / "home")) as dest:
        dest.directory((b"a",))
    assert stat.S_IMODE((tmp_path / "home/a").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "name", [b"new\nline", b"-rf", b"'\"\\$(x)", b"\xff\xfe", b" ", b"...", b"x" * 255, "ä".encode()]
)
def test_any_name_that_a_kernel_gives_round_trips(dest: Dest, name: bytes) -> None:
    put(dest, name, name)
    assert dest.digest((name, name)) == DIGEST
    assert [os.fsencode(found.name) for found in Path(os.fsdecode(dest.full((name,)))).iterdir()] == [name]


def test_a_path_longer_than_the_kernel_takes_at_once_round_trips(dest: Dest) -> None:
    place = tuple(b"%d" % number * 100 for number in range(10)) * 9
    put(dest, *place)
    assert len(dest.full(place)) > 4096
    assert dest.digest(place) == DIGEST


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"/", b"/etc", b"a\0b", b"x" * 256])
def test_a_name_that_no_kernel_gives_is_refused(dest: Dest, tmp_path: Path, name: bytes) -> None:
    refused("InvalidRequest", dest, b"in", name)
    refused("InvalidRequest", dest, name, b"in")
    assert everything_below(tmp_path) == {"home"}


def test_dest_itself_is_no_place_for_a_file(dest: Dest) -> None:
    refused("DestConflict", dest)


def test_the_names_of_unfinished_files_are_reserved(dest: Dest) -> None:
    refused("DestConflict", dest, b".incident-distroless.0123456789abcdef.part")
    put(dest, b".incident-distroless.part")


def test_a_link_in_place_of_the_file_is_replaced_and_not_followed(dest: Dest, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    (tmp_path / "home/file").symlink_to(outside)
    assert dest.digest((b"file",)) is None
    assert dest.facts((b"file",)) is None
    put(dest, b"file")
    assert outside.read_bytes() == b"mine"
    assert not (tmp_path / "home/file").is_symlink()
    assert dest.digest((b"file",)) == DIGEST


def test_a_link_in_place_of_a_directory_is_a_conflict(dest: Dest, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "home/dir").symlink_to(tmp_path / "outside")
    failure = refused("DestConflict", dest, b"dir", b"file")
    assert "home/dir/file" in failure.message
    assert dest.facts((b"dir", b"file")) is None
    assert everything_below(tmp_path / "outside") == set()


def test_dest_itself_may_be_reached_through_the_user_s_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with Dest(str(tmp_path / "link")) as dest:
        put(dest, b"file")
    assert (tmp_path / "real/file").read_bytes() == CONTENT


def test_a_directory_in_place_of_the_file_is_a_conflict_and_nothing_stays(dest: Dest, tmp_path: Path) -> None:
    (tmp_path / "home/file/inner").mkdir(parents=True)
    refused("DestConflict", dest, b"file")
    assert everything_below(tmp_path / "home") == {"file", "file/inner"}


def test_a_file_in_place_of_a_directory_is_a_conflict(dest: Dest, tmp_path: Path) -> None:
    (tmp_path / "home/dir").write_bytes(b"mine")
    refused("DestConflict", dest, b"dir", b"file")
    assert (tmp_path / "home/dir").read_bytes() == b"mine"


@pytest.mark.parametrize("kind", ["file", "dangling", "below a file"])
def test_a_dest_that_is_no_directory_is_a_conflict(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    path = tmp_path / ("file/dest" if kind == "below a file" else kind)
    with pytest.raises(DestFailure) as caught:
        Dest(str(path))
    assert caught.value.reason == "DestConflict"


def test_what_is_not_committed_leaves_nothing(dest: Dest, tmp_path: Path) -> None:
    with dest.writer((b"file",)) as file:
        file.write(CONTENT)
    with pytest.raises(ZeroDivisionError), dest.writer((b"file",)) as file:
        file.write(b"%d" % (1 // 0))
    assert everything_below(tmp_path / "home") == set()


@pytest.mark.parametrize(("length", "sha256"), [(3, DIGEST), (len(CONTENT), "0" * 64)])
def test_wrong_length_or_digest_gets_no_final_name(dest: Dest, tmp_path: Path, length: int, sha256: str) -> None:
    put(dest, b"file", content=b"before")
    with dest.writer((b"file",)) as file:
        file.write(CONTENT)
        with pytest.raises(DestFailure):
            file.commit(length=length, sha256=sha256)
    assert (tmp_path / "home/file").read_bytes() == b"before"
    assert everything_below(tmp_path / "home") == {"file"}


def test_an_error_of_the_caller_is_not_taken_for_one_of_the_disk(dest: Dest) -> None:
    with pytest.raises(ConnectionResetError), dest.writer((b"file",)):
        raise ConnectionResetError


def test_a_time_that_no_file_can_have_is_left_out(dest: Dest) -> None:
    with dest.writer((b"file",)) as file:
        file.commit(length=0, sha256=None, mtime_ns=1 << 200)
    assert dest.facts((b"file",)) is not None


def test_more_than_fits_is_said_before_it_is_moved(dest: Dest, tmp_path: Path) -> None:
    with pytest.raises(DestFailure, match="do not fit"), dest.writer((b"file",), size_hint=1 << 60):
        pass
    assert everything_below(tmp_path / "home") == set()


def test_a_file_size_limit_of_the_system_is_said_and_leaves_nothing(dest: Dest, tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(DestFailure, match="home/file") as caught, dest.writer((b"file",)) as file:
            file.write(b"x" * 10000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert caught.value.reason == "DestUnwritable"
    assert everything_below(tmp_path / "home") == set()


def test_a_full_disk_is_final() -> None:
    with pytest.raises(DestFailure, match="No space left") as caught, explained(b"/home/file"):
        Path("/dev/full").write_bytes(b"x")
    assert (caught.value.reason, caught.value.is_final) == ("DestUnwritable", True)


def test_two_names_for_one_local_file_are_told(dest: Dest, tmp_path: Path) -> None:
    put(dest, b"Name")
    # what a file system that ignores case would show
    os.link(tmp_path / "home/Name", tmp_path / "home/name")
    refused("DestConflict", dest, b"name")
    with pytest.raises(DestFailure):
        dest.claim((b"name",))


def test_an_inode_that_has_another_name_by_now_is_no_conflict(dest: Dest, tmp_path: Path) -> None:
    put(dest, b"Name")
    # as when another task has replaced the file, and its inode was given again
    (tmp_path / "home/Name").rename(tmp_path / "home/other")
    put(dest, b"Name")
    put(dest, b"other")
    assert everything_below(tmp_path / "home") == {"Name", "other"}


def test_a_file_that_stays_as_it_is_cannot_be_replaced_by_another_path(dest: Dest, tmp_path: Path) -> None:
    put(dest, b"Name")
    os.link(tmp_path / "home/Name", tmp_path / "home/name")
    with Dest(str(tmp_path / "home")) as second:
        second.claim((b"Name",))
        refused("DestConflict", second, b"name")


def test_a_link_inside_is_kept_and_made_once(dest: Dest, tmp_path: Path) -> None:
    place = (b"ns", b"etc", b"current")
    assert dest.link(place, b"../var/log", 1)
    assert not dest.link(place, b"../var/log", 1)
    assert dest.link(place, b"./other", 1)
    assert (tmp_path / "home/ns/etc/current").readlink() == Path("other")
    assert everything_below(tmp_path / "home/ns") == {"etc", "etc/current"}


@pytest.mark.parametrize(
    "text", [b"/etc/passwd", b"../../x", b"../../../x", b"a/../../../x", b"a/..", b"", b"a\0b", b"x" * 4096]
)
def test_a_link_that_could_lead_out_is_not_made(dest: Dest, tmp_path: Path, text: bytes) -> None:
    with pytest.raises(DestFailure):
        dest.link((b"ns", b"etc", b"link"), text, 1)
    assert everything_below(tmp_path / "home") == set()


def test_a_link_does_not_take_a_directory_s_place(dest: Dest, tmp_path: Path) -> None:
    dest.directory((b"var",))
    with pytest.raises(DestFailure):
        dest.link((b"var",), b"etc", 0)
    assert everything_below(tmp_path / "home") == {"var"}


NAME = st.sampled_from([b"a", b"b", b"c"])
TEXT = st.lists(st.sampled_from([b"a", b"b", b"c", b"..", b".", b""]), min_size=1, max_size=6).map(b"/".join)


@settings(max_examples=300, deadline=None)
@given(links=st.lists(st.tuples(st.lists(NAME, min_size=1, max_size=3).map(tuple), TEXT), max_size=8))
def test_no_chain_of_kept_links_leads_out(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[Place, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("chain") / "home/floor"
    for outside in ("a", "b", "c"):
        (folder.parent / outside).mkdir(parents=True)
    with Dest(str(folder.parent)) as dest:
        for place, text in links:
            if link_stays_inside((b"floor", *place), text, 1):
                try:
                    dest.link((b"floor", *place), text, 1)
                except DestFailure:
                    continue
    for found in folder.rglob("*"):
        with suppress(OSError):
            # the kernel's own resolution; what dangles or loops leads nowhere
            descriptor = os.open(found, os.O_PATH)
            led_to = Path(f"/proc/self/fd/{descriptor}").readlink()
            os.close(descriptor)
            assert led_to.is_relative_to(folder), (found, found.readlink())


def test_a_killed_run_s_leftover_is_removed_and_a_living_one_s_is_not(tmp_path: Path) -> None:
    home = tmp_path / "home"
    script = textwrap.dedent(
        """
        import os, sys
        from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import Dest
        with Dest(sys.argv[1]) as dest, dest.writer((b"file",)) as file:
            file.write(b"half")
            print("ready", flush=True)
            sys.stdin.read()
        """
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    with Dest(str(home)) as dest:
        put(dest, b"other")
    assert len(list(home.iterdir())) == 2
    child.kill()
    child.communicate()
    assert len(list(home.iterdir())) == 2
    with Dest(str(home)) as dest:
        put(dest, b"other")
    assert everything_below(home) == {"other"}


def test_a_planted_link_with_a_temporary_name_is_left_alone(dest: Dest, tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"mine")
    (tmp_path / "home/.incident-distroless.0123456789abcdef.part").symlink_to(tmp_path / "outside")
    put(dest, b"file")
    assert (tmp_path / "outside").read_bytes() == b"mine"


def test_a_fifo_at_home_is_not_waited_for(dest: Dest, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "home/fifo")
    assert dest.digest((b"fifo",)) is None
    assert dest.facts((b"fifo",)) is None


def test_check_mode_makes_nothing_and_reads_what_is_there(tmp_path: Path) -> None:
    with Dest(str(tmp_path / "home"), is_check=True) as dest:
        assert dest.facts((b"file",)) is None
        assert not dest.holds_directory((b"ns",))
    assert everything_below(tmp_path) == set()
    with Dest(str(tmp_path / "home")) as dest:
        put(dest, b"ns", b"file")
    with Dest(str(tmp_path / "home"), is_check=True) as dest:
        assert dest.digest((b"ns", b"file")) == DIGEST
        assert dest.holds_directory((b"ns",))


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    (tmp_path / "home/dir/inner").mkdir(parents=True)
    with Dest(str(tmp_path / "home")) as dest:
        put(dest, b"a", b"b")
        refused("DestConflict", dest, b"dir", b"inner")
        refused("DestConflict", dest, b"a", b"b", b"c")
        dest.digest((b"a", b"b"))
        dest.digest((b"nowhere", b"b"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_lock_of_a_running_writer_is_held(dest: Dest, tmp_path: Path) -> None:
    with dest.writer((b"file",)):
        (temporary,) = (tmp_path / "home").iterdir()
        with temporary.open("rb") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@given(
    st.lists(st.tuples(st.sampled_from([b"\0", b"x"]), st.integers(1, 9000)), min_size=1, max_size=8),
    st.integers(1, 10_000),
)
@settings(max_examples=60, deadline=None)
def test_a_sparse_file_is_what_was_written_however_it_came(runs: list[tuple[bytes, int]], step: int) -> None:
    content = b"".join(byte * count for byte, count in runs)
    with TemporaryDirectory() as folder, Dest(folder) as dest:
        with dest.writer((b"f",), is_sparse=True) as file:
            for at in range(0, len(content), step):
                file.write(memoryview(content)[at : at + step])
            file.commit(length=len(content), sha256=hashlib.sha256(content).hexdigest())
        assert (Path(folder) / "f").read_bytes() == content
