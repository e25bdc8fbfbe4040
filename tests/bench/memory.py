# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a task holds for itself above the worker that it was forked from: the pages that are its own, at most, in one run.

The kernel keeps no peak of them, so they are read while the task runs; that takes time of the task, which is not shown.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from debuggers import TTL
from figures import MIB, Sample, Table
from measuring import Contender, Trouble, interleaved
from names import MEMORY_LARGE, MEMORY_MANY, MEMORY_ONE, MEMORY_TREE
from playbook import plain
from pods import BUSYBOX, FOLDER, Namespace, namespace, pod, random_file, tree
from ways import Way

RUNS = 3
PODS, LARGE, FILES = 50, 1024 * MIB, 10_000
# ansible-playbook, its worker, the task
GENERATIONS = 3
# seconds between two looks
PAUSE = 0.01


def table(way: Way, scratch: Path, factor: float, runs: int | None, say: Callable[[str], None]) -> Table:
    """Measures each task; factor makes it smaller for someone in a hurry."""
    pods, large, files = max(5, round(PODS * factor)), max(MIB, round(LARGE * factor)), max(10, round(FILES * factor))
    say("  memory of a task")
    dest = scratch / "kept"
    with namespace(way) as made:
        made.start(*(pod(f"app-{number}") for number in range(pods)))
        made.shell("app-0", random_file(f"{FOLDER}/large", large))
        made.unpack("app-0", tree("tree", [f"{number:06d}" for number in range(files)], 1024))
        every = {"label_selectors": ["app=bench"], "max_pods": pods}
        tasks: dict[str, tuple[str, dict[str, object]]] = {
            MEMORY_ONE: ("ephemeral_debug", {"pod": "app-0", "image": BUSYBOX, "ttl": TTL}),
            MEMORY_MANY: ("ephemeral_debug", {**every, "image": BUSYBOX, "ttl": TTL}),
            MEMORY_LARGE: ("proc_fs_fetch", {"pod": "app-0", "src": [f"{FOLDER}/large"], "dest": str(dest)}),
            MEMORY_TREE: ("proc_fs_fetch", {"pod": "app-0", "src": [f"{FOLDER}/tree"], "dest": str(dest)}),
        }
        prepare = partial(shutil.rmtree, dest, ignore_errors=True)
        contenders = [
            Contender(name, partial(_run, made, scratch, f"incident.distroless.{module}", options), prepare)
            for name, (module, options) in tasks.items()
        ]
        rows = interleaved(contenders, runs or RUNS, say)
    prepare()
    note = f"Many: {pods} pods. Large: {large // MIB:,} MiB. The tree: {files:,} files of 1 KiB. Runs as a user's."
    return Table("memory", "What a task holds for itself", rows, note=note)


def _run(made: Namespace, scratch: Path, module: str, options: Mapping[str, object]) -> Sample:
    with watched() as most:
        sample = plain(made.way, scratch, module, {"namespace": made.name, **options})
    if not most():
        raise Trouble("no process of a task was seen")
    return Sample(sample.seconds, peak=most(), cpu=sample.cpu)


@contextmanager
def watched() -> Iterator[Callable[[], int]]:
    """Look at all tasks of playbooks that this process runs, until the block's end; what is given says how many bytes one held at most."""
    peaks, ends = [0], threading.Event()

    def watch() -> None:
        while not ends.wait(PAUSE):
            peaks[0] = max(peaks[0], *map(private, descendants(os.getpid(), GENERATIONS)), 0)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield lambda: peaks[0]
    finally:
        ends.set()
        thread.join()


def descendants(pid: int, generation: int) -> list[int]:
    """Return the processes that are so many generations below one."""
    children: dict[int, list[int]] = {}
    for name in [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]:
        # field 4 of proc_pid_stat(5) is the parent; after the name, which may hold anything, comes field 3
        if stat := _content(f"/proc/{name}/stat"):
            children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(name))
    found = [pid]
    for _step in range(generation):
        found = [child for parent in found for child in children.get(parent, ())]
    return found


def private(pid: int) -> int:
    """Return the bytes of memory that are a process's own, of which others have no copy; 0 for one that has ended."""
    lines = _content(f"/proc/{pid}/smaps_rollup").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))


def _content(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        # it has ended meanwhile
        return ""
