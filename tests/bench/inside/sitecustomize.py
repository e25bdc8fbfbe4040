# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Notes at the end of a Python process how long it lived and how much memory it held at most: a line for each process.

Asked by the process itself: what wait4 says of a child of a large process counts that one's memory too.
"""

from __future__ import annotations

import atexit
import json
import os
import time
from pathlib import Path


def _note(path: str) -> None:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    after_name = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    # field 22, in clock ticks since boot (proc_pid_stat(5)); after the name comes field 3
    begin = int(after_name[22 - 3]) / os.sysconf("SC_CLK_TCK")
    seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - begin
    with Path(path).open("a", encoding="utf-8") as notes:
        notes.write(json.dumps({"seconds": seconds, "peak": peak}) + "\n")


if "BENCH_NOTES" in os.environ:
    # out of the environment: a Python that the module starts is not the module
    atexit.register(_note, os.environ.pop("BENCH_NOTES"))
