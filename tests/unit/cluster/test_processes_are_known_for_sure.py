# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pid is given again after its process has ended: the launcher signals only who it started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "cluster"))

from onenode import processes  # noqa: E402
from onenode.processes import Process  # noqa: E402
from onenode.say import Stop  # noqa: E402


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Process]:
    procs = tmp_path / "cgroup.procs"
    process = processes.start("sleeper", ["sleep", "60"], tmp_path / "log", tmp_path / "pids", procs)
    assert procs.read_text(encoding="ascii").strip() == str(process.pid)
    yield process
    processes.kill([process])
    processes.wait_for_end([process], 5)


def test_a_process_is_found_again_by_its_pid_file(daemon: Process, tmp_path: Path) -> None:
    assert processes.known(tmp_path / "pids") == {"sleeper": daemon}
    assert processes.alive(daemon)


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
    with subprocess.Popen(["true"], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.read()
        processes.wait_for_end([Process("child", child.pid, 0, processes.boot())], 5)
        assert processes.started(child.pid) is None


def test_one_that_does_not_end_is_named(daemon: Process) -> None:
    with pytest.raises(Stop, match="sleeper"):
        processes.wait_for_end([daemon], 0.1)
