# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pid is given again after its process has ended: the launcher signals only who it started."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "cluster"))

from onenode import processes
from onenode.processes import Process
from onenode.say import Stop


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Process]:
    process = processes.start("sleeper", ["sleep", "60"], tmp_path / "log", tmp_path / "pids", tmp_path / "procs")
    yield process
    processes.kill([process])
    processes.wait_for_end([process], 5)


def test_a_process_is_found_again_by_its_pid_file(daemon: Process, tmp_path: Path) -> None:
    assert processes.known(tmp_path / "pids") == {"sleeper": daemon}
    assert processes.alive(daemon)


def test_a_process_is_a_member_of_its_cgroup_before_it_is_the_program(daemon: Process, tmp_path: Path) -> None:
    end = time.monotonic() + 5
    while Path(f"/proc/{daemon.pid}/comm").read_text(encoding="ascii").strip() != "sleep" and time.monotonic() < end:
        time.sleep(0.01)
    assert (tmp_path / "procs").read_text(encoding="ascii").strip() == str(daemon.pid)


def test_a_later_process_of_the_same_pid_gets_no_signal(daemon: Process) -> None:
    earlier = replace(daemon, started=daemon.started - 1)
    before_the_reboot = replace(daemon, boot="another boot")
    processes.kill([earlier, before_the_reboot])
    assert not processes.alive(earlier)
    assert not processes.alive(before_the_reboot)
    assert processes.alive(daemon)


def test_a_killed_process_has_ended(daemon: Process) -> None:
    processes.kill([daemon])
    processes.wait_for_end([daemon], 5)
    assert not processes.alive(daemon)


def test_a_zombie_counts_as_ended() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        here = Process("child", child.pid, processes.started(child.pid) or 0, processes.boot())
        assert processes.alive(here)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert Path(f"/proc/{child.pid}").exists()
        assert not processes.alive(here)


def test_one_that_does_not_end_is_named(daemon: Process) -> None:
    with pytest.raises(Stop, match="sleeper"):
        processes.wait_for_end([daemon], 0.1)
