# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is made beside a case is there whole or not at all, and nothing that fails or is killed stands in the way of the next try."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import made_beside, parse_collected

WORKPLACE = ".copy.partial"


def make(copy: Path) -> None:
    with made_beside(copy) as place:
        place.mkdir()
        (place / "file").write_bytes(b"whole")
        place.with_name("copy.tar.gz").write_bytes(b"archive")


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_it_has_its_name_in_the_end_and_so_has_what_was_made_with_it(tmp_path: Path) -> None:
    with made_beside(tmp_path / "copy") as place:
        place.mkdir()
        assert place.name == "copy"
        assert not (tmp_path / "copy").exists()
    assert names(tmp_path) == ["copy"]
    make(tmp_path / "other")
    assert names(tmp_path) == ["copy", "copy.tar.gz", "other", "other/file"]


def test_of_what_fails_nothing_stays_and_the_next_try_succeeds(tmp_path: Path) -> None:
    def fail() -> None:
        with made_beside(tmp_path / "copy") as place:
            (place / "a" / "b").mkdir(parents=True)
            (place / "a" / "link").symlink_to(tmp_path)
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert names(tmp_path) == []
    make(tmp_path / "copy")
    assert names(tmp_path) == ["copy", "copy.tar.gz", "copy/file"]


@pytest.mark.parametrize("left", [[], ["copy/a/file", "copy.tar.gz"]])
def test_what_a_killed_run_left_is_removed(tmp_path: Path, left: list[str]) -> None:
    (tmp_path / "killed").mkdir()
    with made_beside(tmp_path / "killed" / "copy") as place:
        for name in left:
            (place.parent / name).parent.mkdir(parents=True, exist_ok=True)
            (place.parent / name).write_bytes(b"half")
        # as it is at that moment
        shutil.copytree(place.parent, tmp_path / WORKPLACE)
        place.mkdir(exist_ok=True)
    shutil.rmtree(tmp_path / "killed")
    assert (tmp_path / WORKPLACE).is_dir()
    make(tmp_path / "copy")
    assert names(tmp_path) == ["copy", "copy.tar.gz", "copy/file"]
    assert (tmp_path / "copy" / "file").read_bytes() == b"whole"


def test_a_run_that_was_killed_before_it_left_its_mark_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / WORKPLACE).mkdir()
    make(tmp_path / "copy")
    assert names(tmp_path) == ["copy", "copy.tar.gz", "copy/file"]


def test_a_folder_of_somebody_else_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / WORKPLACE / "copy").mkdir(parents=True)
    (tmp_path / WORKPLACE / "copy" / "own").write_bytes(b"own")
    with pytest.raises(ValueError, match=r"\.copy\.partial is in the way"):
        make(tmp_path / "copy")
    assert names(tmp_path) == [WORKPLACE, f"{WORKPLACE}/copy", f"{WORKPLACE}/copy/own"]


def test_a_link_to_a_folder_is_not_followed(tmp_path: Path) -> None:
    make(tmp_path / "kept")
    (tmp_path / WORKPLACE).symlink_to("kept")
    with pytest.raises(ValueError, match="is in the way"):
        make(tmp_path / "copy")
    assert (tmp_path / "kept" / "file").is_file()


def test_what_another_run_makes_at_this_moment_is_left_to_it(tmp_path: Path) -> None:
    with made_beside(tmp_path / "copy") as place:
        place.mkdir()
        with pytest.raises(ValueError, match="at this moment"):
            make(tmp_path / "copy")
        assert place.is_dir()
    assert names(tmp_path) == ["copy"]


def test_what_came_to_be_there_in_the_meantime_stays(tmp_path: Path) -> None:
    def be_overtaken() -> None:
        with made_beside(tmp_path / "copy") as place:
            place.mkdir()
            (tmp_path / "copy").mkdir()
            (tmp_path / "copy" / "own").write_bytes(b"own")

    with pytest.raises(OSError, match="not empty"):
        be_overtaken()
    assert names(tmp_path) == ["copy", "copy/own"]


def test_what_a_user_gave_as_text_is_text_again() -> None:
    """As ansible-core before 2.19 writes `True`, and a list."""
    kept = {"role": "disk_triage", "targets": [1], "ended": None}
    read = parse_collected(json.dumps({**kept, "case_id": 5, "examiner": None, "reason": True}))
    assert read == {**kept, "case_id": "5", "examiner": None, "reason": "True"}
