# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collectors of a role, run on this machine by each shell that a debugger can have, and how what they print is judged."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._case.folder import read_checks
from ansible_collections.incident.distroless.plugins.plugin_utils._collect.collectors import as_rows, parse_collectors
from ansible_collections.incident.distroless.plugins.plugin_utils._judge.analyzers import (
    Judgement,
    analyze,
    parse_analyzers,
)
from ansible_collections.incident.distroless.plugins.plugin_utils._parsers.registry import PARSERS
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS

ROLES = Path(__file__).parents[3] / "roles"
# include/uapi/linux/prctl.h, include/uapi/linux/capability.h
PR_SET_DUMPABLE, PR_CAPBSET_DROP = 4, 24
# any of these may see what a process has mapped (kernel/fork.c, may_access_mm), the first what it has open
CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_PERFMON = 19, 21, 38

HOLD = f"""
import ctypes, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.ftruncate(file, 4096)
os.unlink(sys.argv[1])
if sys.argv[2] == "closed":
    ctypes.CDLL(None).prctl({PR_SET_DUMPABLE}, 0)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def holder(path: Path, *, is_closed: bool = False) -> Iterator[int]:
    """A process that holds a deleted file open, and keeps others out where it is closed, as one of another user does: its pid."""
    words = [sys.executable, "-c", HOLD, str(path), "closed" if is_closed else "open"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        yield process.pid
        assert process.stdin
        process.stdin.close()


def _without_tracing() -> None:
    """A debugger of the profile baseline cannot trace; of a user that is not root no capability has to be taken."""
    for capability in (CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_PERFMON):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability)


def printed(
    role: str,
    name: str,
    shell: str,
    pid: int | str,
    root: Path | str = "/nowhere",
    changes: Mapping[str, str] | None = None,
    may_trace: bool = True,
) -> bytes:
    """Return what a collector prints of a target. changes: text of its command -> what stands there instead, such as a lower limit."""
    (row,) = [
        row for row in as_rows(parse_collectors(read_checks([str(ROLES / role / "collectors")]))) if row["name"] == name
    ]
    command = row["command"]
    for old, new in (changes or {}).items():
        assert old in command
        command = command.replace(old, new)
    kind = SHELLS[shell]
    done = subprocess.run(
        [*kind.argv, "-c", command],
        env={**kind.env, "TARGET_PID": str(pid), "TARGET_ROOT": str(root), "SETTING_GROWTH_SECONDS": "0"},
        capture_output=True,
        check=False,
        preexec_fn=None if may_trace else _without_tracing,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def collect(role: str, name: str, *arguments: Any, parser: str | None = None, **options: Any) -> Any:
    """Return what a collector finds, parsed."""
    return PARSERS[parser or name](printed(role, name, *arguments, **options))


def judged(role: str, facts: Mapping[str, Any], settings: Mapping[str, Any], *names: str) -> list[Judgement]:
    """Return what the role's analyzers with these names say."""
    analyzers = parse_analyzers(read_checks([str(ROLES / role / "analyzers")]))
    assert set(names) <= {analyzer.name for analyzer in analyzers}
    return analyze(facts, [analyzer for analyzer in analyzers if analyzer.name in names], settings)
