# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The figures of a target's cgroup, from files as nodes have them: read here, where the cluster's own node has one version alone.

The CPU figures of both versions are those of netdata/netdata#12595; the names in memory.events are the six that google/cadvisor#3889
lists for a kernel of today, and those without oom_group_kill are of kernels before containerd/cgroups#274.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.tests.unit.support.local_collectors import SHELLS, collect

LIMITED = {
    "memory.current": "104845312\n",
    "memory.peak": "104857600\n",
    "memory.max": "104857600\n",
    "memory.events": "low 0\nhigh 0\nmax 31\noom 2\noom_kill 2\noom_group_kill 0\n",
    "cpu.max": "50000 100000\n",
    "cpu.stat": (
        "usage_usec 73899\nuser_usec 27213\nsystem_usec 46685\nnr_periods 7\nnr_throttled 3\nthrottled_usec 139381\n"
    ),
    "pids.current": "12\n",
    "pids.max": "max\n",
}
# no limits, and a kernel that knows neither memory.peak nor oom_group_kill
OLD = {
    "memory.current": "4096\n",
    "memory.max": "max\n",
    "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n",
    "cpu.max": "max 100000\n",
    "cpu.stat": "usage_usec 73899\nuser_usec 27213\nsystem_usec 46685\n",
    "pids.max": "max\n",
}
VERSION_1 = {
    "memory/memory.limit_in_bytes": "104857600\n",
    "memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "cpu/cpu.stat": "nr_periods 7\nnr_throttled 2\nthrottled_time 127918677\n",
}


def figures(shell: str, root: Path, files: Mapping[str, str]) -> dict[str, object]:
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="ascii")
    found: dict[str, object] = collect("evidence_bundle", "cgroup", shell, 1, root, parser="counters")
    return found


@pytest.mark.parametrize("shell", SHELLS)
def test_a_limited_container_of_version_2(shell: str, tmp_path: Path) -> None:
    found = figures(shell, tmp_path, LIMITED)
    assert found["memory.max"] == found["memory.peak"] == 104857600
    assert (found["memory.events.max"], found["memory.events.oom_kill"]) == (31, 2)
    assert (found["cpu.max"], found["cpu.stat.nr_throttled"]) == ("50000 100000", 3)
    assert found["cpu.stat.throttled_usec"] == 139381
    assert found["pids.max"] == "max"
    # each line of each file is a figure, and nothing else is
    assert len(found) == 6 + 6 + 6


@pytest.mark.parametrize("shell", SHELLS)
def test_what_an_older_kernel_does_not_know_is_not_there(shell: str, tmp_path: Path) -> None:
    found = figures(shell, tmp_path, OLD)
    assert found["memory.max"] == "max"
    assert found["cpu.max"] == "max 100000"
    assert not {"memory.peak", "memory.events.oom_group_kill", "cpu.stat.nr_periods"} & found.keys()


@pytest.mark.parametrize("shell", SHELLS)
def test_version_1_has_the_same_names_for_the_same_things(shell: str, tmp_path: Path) -> None:
    found = figures(shell, tmp_path, VERSION_1)
    assert found["memory.max"] == 104857600
    assert found["memory.events.oom_kill"] == 2
    assert found["cpu.stat.nr_throttled"] == 2
    # in nanoseconds under another name, never mistaken for microseconds
    assert found["cpu.stat.throttled_time"] == 127918677
    assert "cpu.stat.throttled_usec" not in found
