# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small files, which are put in place at once: by the same rules as those that come piece by piece."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._localfs import partial_file
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import Dest

CONTENT = b"what the target holds\n"
WRITTEN = 1_700_000_000_123_456_789


def everything_below(path: Path) -> set[str]:
    return {str(found.relative_to(path)) for found in path.rglob("*")}


def test_one_lands_with_its_content_mode_and_time_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o277)
    try:
        with Dest(str(tmp_path), file_mode=0o640) as dest:
            told = dest.put((b"ns", b"app.log"), CONTENT, WRITTEN)
    finally:
        os.umask(before)
    found = tmp_path / "ns/app.log"
    assert (found.read_bytes(), stat.S_IMODE(found.stat().st_mode)) == (CONTENT, 0o640)
    now = found.stat()
    assert (told.st_size, told.st_mtime_ns, told.st_ino) == (now.st_size, now.st_mtime_ns, now.st_ino)
    assert now.st_mtime_ns == WRITTEN
    assert everything_below(tmp_path) == {"ns", "ns/app.log"}


def test_a_time_that_no_file_can_have_is_left_out(tmp_path: Path) -> None:
    with Dest(str(tmp_path)) as dest:
        dest.put((b"file",), CONTENT, 1 << 80)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_link_of_its_name_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"mine")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/file").symlink_to(tmp_path / "outside")
    with Dest(str(tmp_path / "home")) as dest:
        dest.put((b"file",), CONTENT, WRITTEN)
    assert (tmp_path / "outside").read_bytes() == b"mine"
    assert not (tmp_path / "home/file").is_symlink()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ((b"taken",), "DestConflict"),
        ((b"link", b"file"), "DestConflict"),
        ((b"..", b"file"), "InvalidRequest"),
        ((b".incident-distroless.0123456789abcdef.part",), "DestConflict"),
    ],
)
def test_what_is_in_its_way_is_said_and_nothing_stays(tmp_path: Path, place: tuple[bytes, ...], reason: str) -> None:
    (tmp_path / "home/taken/inner").mkdir(parents=True)
    (tmp_path / "home/link").symlink_to(tmp_path)
    before = everything_below(tmp_path)
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with Dest(str(tmp_path / "home")) as dest, pytest.raises(Failure) as caught:
        dest.put(place, CONTENT, WRITTEN)
    assert caught.value.reason == reason
    assert everything_below(tmp_path) == before
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_two_names_for_one_local_file_are_told(tmp_path: Path) -> None:
    with Dest(str(tmp_path)) as dest:
        dest.put((b"Name",), CONTENT, WRITTEN)
        # what a file system that ignores case would show
        os.link(tmp_path / "Name", tmp_path / "name")
        with pytest.raises(Failure, match="takes two names for one"):
            dest.put((b"name",), b"another", WRITTEN)
    assert (tmp_path / "Name").read_bytes() == CONTENT
    assert everything_below(tmp_path) == {"Name", "name"}


def test_one_that_another_task_swept_away_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[int] = []
    check = partial_file.Taken.check

    def with_a_sweep_before(taken: partial_file.Taken, name: bytes, parent: int) -> None:
        if not swept:
            swept.append(len(everything_below(tmp_path)))
            partial_file.sweep(parent)
        check(taken, name, parent)

    monkeypatch.setattr(partial_file.Taken, "check", with_a_sweep_before)
    with Dest(str(tmp_path)) as dest:
        dest.put((b"file",), CONTENT, WRITTEN)
    assert swept == [1]
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert everything_below(tmp_path) == {"file"}


def test_a_directory_that_is_gone_by_now_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "gone"

    def without_it(_taken: partial_file.Taken, _name: bytes, _parent: int) -> None:
        for inside in folder.iterdir():
            inside.unlink()
        folder.rmdir()

    monkeypatch.setattr(partial_file.Taken, "check", without_it)
    with Dest(str(tmp_path)) as dest, pytest.raises(Failure) as caught:
        dest.put((b"gone", b"file"), CONTENT, WRITTEN)
    assert caught.value.reason == "DestUnwritable"
