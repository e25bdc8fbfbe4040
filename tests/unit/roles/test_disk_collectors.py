# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell of disk_triage, run here, and what it says of what it could not see."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.incident.distroless.tests.unit.support.local_collectors import (
    SHELLS,
    collect,
    holder,
    judged,
    printed,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
SETTINGS = {"deleted_size": "1Ki", "full_percent": 95, "growth_rate": "1Mi", "full_within_seconds": 3600}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_deleted_file_is_found_with_who_holds_it(shell: str, tmp_path: Path) -> None:
    with holder(tmp_path / "a b\n") as pid:
        found = collect("disk_triage", "deleted_files", shell, os.getpid())
    (row,) = [row for row in found["files"] if row["path"] == f"{tmp_path}/a b\\n"]
    assert (row["size"], [holding["pid"] for holding in row["holders"]]) == (4096, [pid])
    assert found["is_complete"]
    assert pid not in [row["pid"] for row in found["unseen"]]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_process_whose_descriptors_may_not_be_read_is_named_and_the_verdict_is_unknown(
    shell: str, tmp_path: Path
) -> None:
    with holder(tmp_path / "access.log", is_closed=True) as pid:
        found = collect("disk_triage", "deleted_files", shell, pid, may_trace=False)
    assert pid in [row["pid"] for row in found["unseen"]]
    assert str(tmp_path / "access.log") not in [row["path"] for row in found["files"]]
    found["unseen"] = [row for row in found["unseen"] if row["pid"] == pid]
    (finding,) = judged("disk_triage", {"deleted_files": found}, SETTINGS, "unseen_open")
    assert finding.verdict == "unknown"
    assert f"pid {pid} ({found['unseen'][0]['name']})." in finding.message
    assert "identity elevated" in finding.next
    assert judged("disk_triage", {"deleted_files": {**found, "unseen": []}}, SETTINGS, "unseen_open") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_deleted_files_beyond_the_limit_are_said_to_be_left_out(shell: str, tmp_path: Path) -> None:
    with holder(tmp_path / "one"), holder(tmp_path / "two"):
        found = collect("disk_triage", "deleted_files", shell, os.getpid(), changes={"at_most 2000": "at_most 1"})
    assert (len(found["files"]), found["is_complete"]) == (1, False)
    (finding,) = judged("disk_triage", {"deleted_files": found}, SETTINGS, "deleted_not_all_seen")
    assert finding.verdict == "unknown"


@pytest.mark.parametrize("shell", SHELLS)
def test_files_that_were_not_watched_are_said_to_be_left_out(shell: str, tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_bytes(b"1 0 0:1 / / rw - ext4 /dev/root rw\n")
    (tmp_path / "root").mkdir()
    for name in ("one", "two", "three"):
        (tmp_path / "root" / name).write_bytes(b"x")
    changes = {'"/proc/$TARGET_PID/mountinfo"': str(mounts), "/proc/[0-9]*": "/proc/none"}
    arguments = ("disk_triage", "growth", shell, os.getpid(), tmp_path / "root")
    assert collect(*arguments, changes=changes) == {"files": [], "devices": [], "is_complete": True}
    found = collect(*arguments, changes={**changes, "at_most 2000": "at_most 2"})
    assert not found["is_complete"]
    assert printed(*arguments, changes=changes).count(b"\nn 1 ") == 6
    (finding,) = judged("disk_triage", {"growth": found}, SETTINGS, "growth_not_all_seen")
    assert finding.verdict == "unknown"


def measure(shell: str, tmp_path: Path, **changes: str) -> dict[str, Any]:
    """The folders of a target whose emptyDir is /cache, and of which the root is another file system."""
    mounts = tmp_path / "mountinfo"
    volume = "/var/lib/kubelet/pods/1/volumes/kubernetes.io~empty-dir/cache"
    mounts.write_text(f"1 0 0:1 / / rw - ext4 /dev/root rw\n2 1 0:1 {volume} /cache ro - ext4 /dev/root rw\n")
    (tmp_path / "root" / "cache").mkdir(parents=True, exist_ok=True)
    return dict(
        collect(
            "disk_triage",
            "big_folders",
            shell,
            os.getpid(),
            tmp_path / "root",
            parser="folder_sizes",
            changes={'"/proc/$TARGET_PID/mountinfo"': str(mounts), **changes},
        )
    )


def paths(found: dict[str, Any], tmp_path: Path) -> set[str]:
    return {row["path"].removeprefix(f"{tmp_path}/root") for row in found["folders"]}


@pytest.mark.parametrize("shell", SHELLS)
def test_all_of_very_many_folders_are_measured(shell: str, tmp_path: Path) -> None:
    long = "x" * 200
    for number in range(400):
        (tmp_path / "root" / f"{long}{number}").mkdir(parents=True)
    # how long that takes on a busy machine is not what is asked here
    found = measure(shell, tmp_path, **{"%s) + 60": "%s) + 6000"})
    assert found["is_complete"]
    assert len(found["folders"]) == 402


@pytest.mark.parametrize("shell", SHELLS)
def test_an_empty_dir_is_measured_before_time_runs_out(shell: str, tmp_path: Path) -> None:
    assert paths(measure(shell, tmp_path), tmp_path) == {"", "/cache"}
    # the time ends where the file systems are looked at
    found = measure(shell, tmp_path, **{'measured=" ': 'until=0 measured=" '})
    assert (paths(found, tmp_path), found["is_complete"]) == ({"/cache"}, False)


@pytest.mark.parametrize("shell", SHELLS)
def test_folders_that_are_left_out_are_said_to_be(shell: str, tmp_path: Path) -> None:
    assert measure(shell, tmp_path, **{"%s) + 60": "%s) - 1"}) == {"folders": [], "is_complete": False}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_folder_that_vanishes_while_it_is_measured_is_none(shell: str, tmp_path: Path) -> None:
    (tmp_path / "root" / "session").mkdir(parents=True)
    found = measure(shell, tmp_path, **{"size=$(du": 'rmdir "$folder" 2>/dev/null; size=$(du'})
    assert paths(found, tmp_path) == {""}
    assert found["is_complete"]
