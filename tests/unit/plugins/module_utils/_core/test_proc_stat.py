# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel says of a process, whatever the process calls itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.proc_stat import ProcStat, parse_stat


def test_a_process_of_this_machine_is_understood() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        found = parse_stat(Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8"))
        process.kill()
    assert found
    assert (found.pid, found.name, found.parent) == (process.pid, "sleep", os.getpid())
    assert found.state in "RSD"
    own = parse_stat(Path("/proc/self/stat").read_text(encoding="utf-8"))
    assert own
    assert 0 < own.started <= found.started


REST = " ".join(["S", "7", *["0"] * 17, "4711", "0"])


@pytest.mark.parametrize("name", ["app", "", "a b", "(sd-pam)", ") S 1 (", "a\nb", "1 (x) Z"])
def test_a_name_may_hold_anything(name: str) -> None:
    assert parse_stat(f"12 ({name}) {REST}\n") == ProcStat(12, name, "S", 7, 4711)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "12 (app)",
        "12 (app) S 7",
        f"x (app) {REST}",
        f"12 app {REST}",
        f"12 (app) {REST}".replace("4711", "?"),
    ],
)
def test_what_is_not_the_kernels_is_none(text: str) -> None:
    assert parse_stat(text) is None
