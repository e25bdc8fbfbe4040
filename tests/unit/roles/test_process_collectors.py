# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shell of process_triage, run here, and what it says of what it did not look at."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.tests.unit.support.local_collectors import SHELLS, collect, judged

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def sleepers() -> Iterator[list[int]]:
    """The pids of three processes, the lowest first."""
    running = [subprocess.Popen(["sleep", "3600"]) for _number in range(3)]
    yield sorted(process.pid for process in running)
    for process in running:
        process.kill()
        process.wait()


def only(pids: list[int]) -> dict[str, str]:
    """What makes these processes all that there are, in a text order that is not that of their numbers."""
    return {"for process in /proc/[0-9]*": "for process in " + " ".join(f"/proc/{pid}" for pid in reversed(pids))}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_processes_are_all_there_with_what_they_run(shell: str, sleepers: list[int]) -> None:
    arguments = ("process_triage", "processes", shell, sleepers[0])
    rows = collect(*arguments, changes=only(sleepers))
    assert [(row["pid"], row["name"], row["command"]) for row in rows] == [
        (pid, "sleep", "sleep 3600") for pid in sleepers
    ]
    assert {row["exe"] for row in rows} == {str(Path(f"/proc/{sleepers[0]}/exe").readlink())}
    assert collect(*arguments, changes=only(sleepers), parser="completeness")["is_complete"]


@pytest.mark.parametrize("shell", SHELLS)
def test_processes_beyond_the_limit_are_said_to_be_left_out(shell: str, sleepers: list[int]) -> None:
    arguments = ("process_triage", "processes", shell, sleepers[0])
    changes = {**only(sleepers), "at_most 2000": "at_most 2"}
    assert [row["pid"] for row in collect(*arguments, changes=changes)] == sleepers[:2]
    seen = collect(*arguments, changes=changes, parser="completeness")
    (finding,) = judged("process_triage", {"processes_seen": seen}, {}, "processes_not_all_seen")
    assert finding.verdict == "unknown"
    hashed = collect("process_triage", "binaries", shell, sleepers[0], changes=changes, parser="counters")
    assert set(hashed) == {str(pid) for pid in sleepers[:2]}


@pytest.mark.parametrize("shell", SHELLS)
def test_of_a_target_that_is_gone_no_process_is_another_s(shell: str) -> None:
    assert collect("process_triage", "processes", shell, "none") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_sockets_beyond_the_limit_are_said_to_be_left_out(shell: str) -> None:
    arguments = ("process_triage", "sockets", shell, os.getpid())
    assert collect(*arguments, parser="completeness")["is_complete"]
    # of each file the heading is all that is within the limit
    changes = {"at_most 20000": "at_most 1"}
    assert collect(*arguments, changes=changes) == []
    seen = collect(*arguments, changes={"at_most 20000": "at_most 0"}, parser="completeness")
    (finding,) = judged("process_triage", {"sockets_seen": seen}, {}, "sockets_not_all_seen")
    assert finding.verdict == "unknown"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_network_without_a_protocol_is_no_error(shell: str) -> None:
    assert collect("process_triage", "sockets", shell, os.getpid(), changes={"/net/$name": "/net/no-$name"}) == []


@pytest.mark.parametrize("shell", SHELLS)
def test_changed_files_beyond_the_limit_are_said_to_be_left_out(
    shell: str, sleepers: list[int], tmp_path: Path
) -> None:
    # more than 64 KiB of paths
    folder = tmp_path / "etc" / "/".join(["deep" * 50] * 15)
    folder.mkdir(parents=True)
    names = ["a", "b", *(f"odd\n{number}" for number in range(24))]
    for name in names:
        (folder / name).write_bytes(b"x")
    arguments = ("process_triage", "changed_files", shell, sleepers[0], tmp_path)
    found = collect(*arguments, parser="file_changes")
    assert (len(found["files"]), found["is_complete"]) == (len(names), True)
    found = collect(*arguments, parser="file_changes", changes={"at_most 2000": "at_most 3"})
    assert (len(found["files"]), found["is_complete"]) == (3, False)
    (finding,) = judged("process_triage", {"changed_files": found}, {}, "files_not_all_seen")
    assert finding.verdict == "unknown"
