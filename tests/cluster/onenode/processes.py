# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Programs that go on after the launcher has ended, each remembered by its pid and the moment it started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .places import write
from .say import Stop

LINES_SHOWN = 15  # of a failing daemon's log


@dataclass(frozen=True, slots=True)
class Process:
    """`started`: clock ticks since boot, as /proc/<pid>/stat says; with `boot` it tells this process from a later one of the same pid."""

    name: str
    pid: int
    started: int
    boot: str


def boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def started(pid: int) -> int | None:
    """When the process `pid` started; None when there is none or only its zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def alive(process: Process) -> bool:
    return process.boot == boot() and started(process.pid) == process.started


def start(name: str, command: Sequence[str | Path], log: Path, pids: Path, procs: Path) -> Process:
    """Start `command` in a session of its own, a member of the cgroup whose cgroup.procs is `procs` from its first moment on."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        child = subprocess.Popen(
            member(procs, command),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            # all of them are written in Go, what they start too: memory is at hand, the processor's time is not
            env=os.environ | {"GOGC": "400"},
            start_new_session=True,
        )
    process = remember(name, child.pid, pids)
    if process is None:
        raise Stop(f"{name} ended at once:\n{tail(log)}")
    return process


def member(procs: Path, command: Sequence[str | Path]) -> list[str]:
    """The command line that runs `command` in the cgroup whose cgroup.procs is `procs`, what it starts included."""
    return ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(procs), *map(str, command)]


def remember(name: str, pid: int, pids: Path) -> Process | None:
    """Write down who a process that was just started is; None where it has ended already."""
    begun = started(pid)
    if begun is None:
        return None
    process = Process(name, pid, begun, boot())
    write(pids / f"{name}.json", json.dumps(asdict(process)))
    return process


def known(pids: Path) -> dict[str, Process]:
    """The processes that were remembered, alive or not, by name."""
    found = {}
    for path in sorted(pids.glob("*.json")):
        process = Process(**json.loads(path.read_text(encoding="utf-8")))
        found[process.name] = process
    return found


def kill(processes: Iterable[Process]) -> None:
    """SIGKILL those that still are who they were; the pidfd is opened before the check, so the signal can meet no other process."""
    for process in processes:
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            continue
        try:
            if alive(process):
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        except ProcessLookupError:
            pass
        finally:
            os.close(descriptor)


def reap() -> None:
    """Take leave of those that were this launcher's own children, so that no zombie stays while it runs."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def wait_for_reaping(pids: Iterable[int], seconds: float = 3.0) -> None:
    """Give the first process of the machine a moment to take leave of its orphans, so that `ps` shows none of them."""
    end = time.monotonic() + seconds
    for pid in pids:
        while Path(f"/proc/{pid}").exists() and started(pid) is None and time.monotonic() < end:
            reap()
            time.sleep(0.02)


def wait_for_end(processes: Iterable[Process], seconds: float) -> None:
    end = time.monotonic() + seconds
    for process in processes:
        while alive(process):
            reap()
            if time.monotonic() > end:
                raise Stop(
                    f"{process.name} (process {process.pid}) does not end; see /proc/{process.pid}/stack for what it waits on."
                )
            time.sleep(0.02)
    reap()


def tail(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return "(no log was written)"
    return "\n".join(lines[-LINES_SHOWN:])
