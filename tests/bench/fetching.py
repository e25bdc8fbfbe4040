# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fetch tables: makes each scenario's pods and files, and lets the contenders bring them home in turn."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from debuggers import add_debugger
from fetchers import FETCHERS, PEERS_DEBUGGER, Job
from figures import Row, Table
from measuring import Contender, Trouble, interleaved
from names import AGAIN, AGAIN_STAT, DEBUG_TAR, FETCH_FLOOR, K8S_CP, STAT_FLOOR
from playbook import play
from pods import BUSYBOX, FOLDER, WITH_ZSTD, Namespace, log_file, namespace, pod, random_file, tree
from scenarios import Content, Scenario
from ways import Way

# k8s_cp takes minutes then: once is enough
ONCE_BEYOND = 1 << 20
# the file, or the folder, that every pod has
FILES = "files"
# whose run is a second one: who brings the files for it
SECOND = {AGAIN: AGAIN, AGAIN_STAT: AGAIN_STAT, STAT_FLOOR: FETCH_FLOOR}
# what contenders write beside the files
LISTS = (".manifest.json", "listed.json")


def table(scenario: Scenario, near: Way, way: Way, scratch: Path, say: Callable[[str], None]) -> Table:
    """Measures one scenario over `way`; its pods are made over the `near` one."""
    say(f"  {scenario.title}")
    with namespace(near) as made:
        names = tuple(f"source-{number}" for number in range(scenario.pods))
        made.start(*(pod(name) for name in names))
        for name in names:
            _make_files(made, name, scenario)
        if DEBUG_TAR in scenario.contenders:
            add_debugger(made, names[0], PEERS_DEBUGGER)
        inner = names_of(scenario.files) if scenario.files > 1 else ()
        job = Job(replace(made, way=way), names, FILES, inner, scratch / "fetched", scratch)
        _inject(job, scenario)
        rows = interleaved([_contender(name, job, scenario) for name in scenario.contenders], scenario.runs, say)
    for folder in (job.dest, job.scratch / "aside"):
        shutil.rmtree(folder, ignore_errors=True)
    return Table(scenario.key, scenario.title, tuple(map(_short, rows)), scenario.total, scenario.note)


def _make_files(made: Namespace, pod: str, scenario: Scenario) -> None:
    if scenario.files > 1:
        made.unpack(pod, tree(FILES, names_of(scenario.files), scenario.size))
    else:
        make = log_file if scenario.content is Content.LOG else random_file
        made.shell(pod, make(f"{FOLDER}/{FILES}", scenario.size))


def names_of(files: int) -> tuple[str, ...]:
    return tuple(f"{number:06d}" for number in range(files))


def _inject(job: Job, scenario: Scenario) -> None:
    """Debuggers of ours in all pods, so that fetching alone is measured; what injecting takes has tables of its own."""
    images = [BUSYBOX, *([WITH_ZSTD] if any("zstd" in name for name in scenario.contenders) else [])]
    for image in images:
        play(
            job.namespace.way,
            job.scratch,
            "incident.distroless.ephemeral_debug",
            {
                "namespace": job.namespace.name,
                "label_selectors": ["app=bench"],
                "max_pods": scenario.pods,
                "image": image,
            },
        )


def _contender(name: str, job: Job, scenario: Scenario) -> Contender:
    # a second run finds what its first brought; everybody else begins with an empty folder
    is_second = name in SECOND
    own = replace(job, dest=job.dest / (f"again-{list(SECOND).index(name)}" if is_second else "fresh"))
    prepare = partial(_filled, own, SECOND[name]) if is_second else partial(_emptied, own)
    most_runs = 1 if name == K8S_CP and (scenario.total > ONCE_BEYOND or scenario.files > 1) else 1000
    check = partial(_check, own, scenario)
    return Contender(name, partial(FETCHERS[name], own), prepare, check, most_runs, 2 if scenario.is_slow else 0)


def _emptied(job: Job) -> None:
    if len(job.inner) > 1 and job.dest.exists():
        # ext4 without a journal goes past every inode that was deleted in the last minutes (recently_deleted in
        # fs/ext4/ialloc.c): ten thousand deleted files cost whoever makes as many next three seconds more
        aside = job.scratch / "aside"
        aside.mkdir(exist_ok=True)
        job.dest.rename(aside / uuid.uuid4().hex)
    shutil.rmtree(job.dest, ignore_errors=True)
    job.dest.mkdir(parents=True)


def _filled(job: Job, by: str) -> None:
    if not job.dest.exists():
        job.dest.mkdir(parents=True)
        FETCHERS[by](job)


def _check(job: Job, scenario: Scenario) -> None:
    """Raises Trouble unless as many files and bytes are here as there are there; manifests are not counted."""
    sizes = [
        (Path(folder) / name).stat().st_size
        for folder, _folders, names in os.walk(job.dest)
        for name in names
        if not name.endswith(LISTS)
    ]
    files, total = scenario.files * scenario.pods, scenario.total
    if (len(sizes), sum(sizes)) != (files, total):
        raise Trouble(f"{len(sizes)} files with {sum(sizes)} bytes came, of {files} with {total}")


def _short(row: Row) -> Row:
    """A row whose trouble fits into a table."""
    return replace(row, trouble=" ".join(row.trouble.split())[:300])
