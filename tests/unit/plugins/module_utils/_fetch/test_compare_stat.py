# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""compare: stat. What an earlier run wrote down of a file and its copy tells that neither was written since; see local_fetches."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._fetch import compare
from ansible_collections.incident.distroless.plugins.module_utils._fetch.pipeline import Fetched
from ansible_collections.incident.distroless.plugins.module_utils._localfs.destination import Dest
from ansible_collections.incident.distroless.plugins.module_utils._target_fs.filesystem import TargetFiles
from ansible_collections.incident.distroless.tests.unit.support.local_fetches import World, statuses
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS
from ansible_collections.incident.distroless.tests.unit.support.target_things import TARGET

RUNNING = {**TARGET, "restart_count": 0}
LOG = "/log/app.log"


class Looks:
    """Fetches of one file by compare: stat. hashed is how often it was hashed on a side since the last of them began."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.hashed = world, 0
        self.file = world.write(LOG, b"before")
        hashes, digest = compare.hashes, Dest.digest

        def counted(files: Any, wants: Any, mounts: Any) -> Any:
            self.hashed += len(wants)
            return hashes(files, wants, mounts)

        def counted_here(dest: Dest, place: Any) -> str | None:
            self.hashed += 1
            return digest(dest, place)

        monkeypatch.setattr(compare, "hashes", counted)
        monkeypatch.setattr(Dest, "digest", counted_here)

    @property
    def copy(self) -> Path:
        return self.world.copy / LOG.lstrip("/")

    def fetch(self, *src: str, later: int = 60, target: dict[str, Any] | None = None, **changes: Any) -> Fetched:
        """What comes of it so many seconds after the file's ctime, which is a moment ago in truth."""
        self.hashed = 0
        opener = self.world.at(self.file.stat().st_ctime_ns // 10**9 + later)
        return self.world.fetch(
            *(src or ("/log",)), opener=opener, target=target or RUNNING, **{"compare": "stat", **changes}
        )

    def rewrite(self, content: bytes) -> None:
        """Other bytes in the same inode, and the time set back."""
        before = self.file.stat()
        self.file.write_bytes(content)
        os.utime(self.file, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = self.file.stat()
        assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)


@pytest.fixture(params=sorted(SHELLS))
def looks(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Looks]:
    world = World(tmp_path, request.param)
    yield Looks(world, monkeypatch)
    assert world.no_temporary_is_left()


def was_read(looks: Looks, done: Fetched, content: bytes) -> bool:
    """Whether the file was read for it; its copy is the file in any case."""
    (row,) = done.files
    assert looks.copy.read_bytes() == content
    assert row["sha256"] == looks.world.manifest()[LOG]["sha256"] == hashlib.sha256(content).hexdigest()
    assert row.get("verified", True) is looks.world.manifest()[LOG].get("verified", True)
    is_read = bool(looks.hashed or done.stats["transferred_bytes"])
    assert is_read is row.get("verified", True)
    return is_read


@pytest.mark.parametrize("first", ["checksum", "stat"])
def test_what_is_unchanged_moves_no_bytes_and_is_not_hashed_on_either_side(looks: Looks, first: str) -> None:
    assert was_read(looks, looks.fetch(compare=first), b"before")
    local = looks.copy.stat()
    noted = {"size": 6, "mtime_ns": str(local.st_mtime_ns), "ino": local.st_ino}
    assert looks.world.manifest()[LOG]["local"] == noted
    for _time in range(2):
        done = looks.fetch()
        assert not was_read(looks, done, b"before")
        assert (done.changed, done.stats["unchanged"], statuses(done)) == (False, 1, {LOG: ("unchanged", None)})
        assert done.diff["before"] == done.diff["after"] == ""
        assert looks.world.manifest()[LOG]["local"] == noted
    # what was taken for the same is hashed by whoever asks for it
    assert was_read(looks, looks.fetch(compare="checksum"), b"before")
    assert not was_read(looks, looks.fetch(), b"before")


def test_without_checksums_it_is_the_same(looks: Looks) -> None:
    assert was_read(looks, looks.fetch(checksum=False), b"before")
    assert not was_read(looks, looks.fetch(checksum=False), b"before")
    looks.copy.touch()
    assert was_read(looks, looks.fetch(checksum=False), b"before")


def test_check_mode_reads_nothing_either(looks: Looks) -> None:
    looks.fetch()
    done = looks.fetch(is_check=True)
    assert (looks.hashed, statuses(done), done.changed) == (0, {LOG: ("unchanged", None)}, False)
    looks.rewrite(b"behind")
    assert statuses(looks.fetch(is_check=True)) == {LOG: ("fetched", None)}


@pytest.mark.parametrize("now", [{"restart_count": 1}, {"restart_count": None}, {"container_id": None}])
def test_a_container_that_started_again_is_read_again(looks: Looks, now: dict[str, Any]) -> None:
    looks.fetch()
    assert was_read(looks, looks.fetch(target={**RUNNING, **now}), b"before")


def test_what_was_noted_of_the_start_before_is_not_taken_along(looks: Looks) -> None:
    looks.fetch()
    looks.world.write("/other")
    looks.fetch("/other", target={**RUNNING, "restart_count": 1})
    assert looks.world.manifest()[LOG]["local"] is None
    assert was_read(looks, looks.fetch(target={**RUNNING, "restart_count": 1}), b"before")


def test_another_container_is_brought_anew(looks: Looks) -> None:
    looks.fetch()
    done = looks.fetch(target={**RUNNING, "container_id": "containerd://4567", "restart_count": 1}, overwrite=True)
    assert was_read(looks, done, b"before")


def test_an_edit_of_the_same_size_whose_time_was_set_back_is_told_by_its_ctime(looks: Looks) -> None:
    looks.fetch()
    looks.rewrite(b"behind")
    done = looks.fetch()
    assert was_read(looks, done, b"behind")
    assert done.changed
    assert not was_read(looks, looks.fetch(), b"behind")


@pytest.mark.parametrize("later", [-60, 0, 1, 2])
def test_what_was_written_in_the_last_two_seconds_may_be_written_again_in_the_same_tick(
    looks: Looks, later: int
) -> None:
    looks.fetch(later=later)
    assert "local" not in looks.world.manifest()[LOG]
    looks.rewrite(b"behind")
    assert was_read(looks, looks.fetch(), b"behind")


def test_a_debugger_that_has_no_clock_has_all_read_again(looks: Looks) -> None:
    def timeless() -> Any:
        session = looks.world.open_session()
        session.define(b"date() { return 127; }\n")
        return session

    for _time in range(2):
        looks.hashed = 0
        done = looks.world.fetch("/log", opener=timeless, target=RUNNING, compare="stat")
        assert was_read(looks, done, b"before")


def test_a_damaged_copy_of_the_same_size_and_time_is_found_by_checksum_only(looks: Looks) -> None:
    looks.fetch()
    before = looks.copy.stat()
    looks.copy.write_bytes(b"broken")
    os.utime(looks.copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    done = looks.fetch()
    # nothing was read, and the row says so
    assert (looks.hashed, done.changed, done.files[0]["verified"]) == (0, False, False)
    assert was_read(looks, looks.fetch(compare="checksum"), b"before")


@pytest.mark.parametrize("damage", ["written", "longer", "replaced", "gone", "a link"])
def test_a_copy_that_is_not_as_it_was_noted_is_repaired(looks: Looks, damage: str) -> None:
    looks.fetch()
    before = looks.copy.stat()
    if damage in ("written", "longer"):
        looks.copy.write_bytes(b"broken" if damage == "written" else b"much too long")
    else:
        aside = looks.copy.with_name("aside")
        looks.copy.rename(aside)
        if damage == "replaced":
            looks.copy.write_bytes(b"broken")
            os.utime(looks.copy, ns=(before.st_atime_ns, before.st_mtime_ns))
        elif damage == "a link":
            looks.copy.symlink_to("aside")
    assert was_read(looks, looks.fetch(), b"before")
    assert not looks.copy.is_symlink()


def test_a_dest_that_was_copied_is_proven_once(looks: Looks) -> None:
    looks.fetch()
    copied = looks.world.home.with_name("copied")
    shutil.copytree(looks.world.home, copied)
    looks.world.home.rename(looks.world.home.with_name("old"))
    copied.rename(looks.world.home)
    assert was_read(looks, looks.fetch(), b"before")
    assert not was_read(looks, looks.fetch(), b"before")


def test_what_is_on_a_file_system_that_gives_inodes_anew_is_read(looks: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = TargetFiles.mounts

    def on_nfs(files: TargetFiles) -> Any:
        found, now = mounts(files)
        return [replace(mount, fstype="nfs4") for mount in found], now

    monkeypatch.setattr(TargetFiles, "mounts", on_nfs)
    for _time in range(2):
        assert was_read(looks, looks.fetch(), b"before")


def test_a_part_of_a_file_is_read_each_time(looks: Looks) -> None:
    for _time in range(2):
        done = looks.fetch(max_size=3, oversize="head")
        assert looks.hashed or done.stats["transferred_bytes"]
        assert looks.copy.read_bytes() == b"bef"
        assert "local" not in looks.world.manifest()[LOG]


@pytest.mark.parametrize("odd", ['"a"', "[]", "7", '{"size": {}, "mtime_ns": "x", "ino": null}', "null"])
def test_a_manifest_that_others_have_written_into_is_trusted_in_nothing(looks: Looks, odd: str) -> None:
    looks.fetch()
    manifest = looks.world.home / "shop/app-0/app.manifest.json"
    text = manifest.read_text()
    begin = text.index('"local": ') + len('"local": ')
    manifest.write_text(text[:begin] + odd + text[text.index("}", begin) + 1 :])
    assert was_read(looks, looks.fetch(), b"before")
