# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Of a process below others the memory is read that is its own, and not what it shares with those that it was forked from."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))

from figures import MIB
from memory import GENERATIONS, PAUSE, descendants, private, watched

# a playbook that holds 64 MiB, its worker, and a task that holds 16 MiB more; each ends with the one above it
CHAIN = f"""
import os, sys
def filled(size): return bytearray(os.urandom(1 << 16) * (size >> 16))
shared = filled({64 * MIB})
for generation in (1, 2):
    if os.fork():
        os.wait()
        os._exit(0)
own = filled({16 * MIB})
print(flush=True)
sys.stdin.read()
"""


def test_only_what_a_task_holds_for_itself_counts() -> None:
    with (
        watched() as most,
        subprocess.Popen([sys.executable, "-c", CHAIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as playbook,
    ):
        assert playbook.stdout
        # the task is there and has all that it will have
        assert playbook.stdout.readline() == b"\n"
        (task,) = descendants(playbook.pid, GENERATIONS - 1)
        seen = private(task)
        while most() < seen:
            time.sleep(PAUSE)
        assert playbook.stdin
        playbook.stdin.close()
    assert 16 * MIB <= seen < 40 * MIB


def test_a_process_that_has_ended_holds_nothing_and_is_above_nobody() -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert (private(ended.pid), descendants(ended.pid, 1)) == (0, [])
    assert os.getpid() in descendants(os.getppid(), 1)
