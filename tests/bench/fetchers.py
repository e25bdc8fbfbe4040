# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Those who bring files home: proc_fs_fetch, and what people use without it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

from figures import Sample
from measuring import Spent, Trouble, spent
from names import (
    AGAIN,
    AGAIN_STAT,
    COPY,
    COPY_HASHED,
    DEBUG_TAR,
    EMPTY_PLAY,
    EXEC_CAT,
    FETCH_FLOOR,
    K8S_CP,
    OURS,
    OURS_UNHASHED,
    OURS_ZSTD,
    PLAIN_FETCH,
    PLAIN_UNHASHED,
    STAT_FLOOR,
)
from playbook import plain, play
from pods import BUSYBOX, CONTAINER, FOLDER, WITH_ZSTD, Namespace

PEERS_DEBUGGER = "peer"
MODULE = "incident.distroless.proc_fs_fetch"
FLOOR_SCRIPT = Path(__file__).with_name("fetch_floor.py")


@dataclass(frozen=True, slots=True)
class Job:
    """`name`: a file, or a folder of files called `inner`, below FOLDER in each of `pods`, to be brought into `dest`.

    `scratch` is for notes.
    """

    namespace: Namespace
    pods: tuple[str, ...]
    name: str
    inner: tuple[str, ...]
    dest: Path
    scratch: Path

    @property
    def path(self) -> str:
        return f"{FOLDER}/{self.name}"

    def place(self, pod: str) -> Path:
        """Where a peer puts what comes from a pod."""
        folder = self.dest / pod
        folder.mkdir(parents=True, exist_ok=True)
        return folder / self.name

    def exec(self, pod: str, *words: str, container: str = CONTAINER) -> list[str]:
        """The words of kubectl exec."""
        return self.namespace.way.kubectl_words(
            self.namespace.name, "exec", pod, "--container", container, "--", *words
        )


def ours(job: Job, *, checksum: bool = True, image: str = BUSYBOX, compare: str = "checksum") -> Sample:
    """One task for all pods. Its debuggers run already when it is measured, as the peers' containers do."""
    options = {**_options(job, checksum=checksum, image=image), "compare": compare}
    return play(job.namespace.way, job.scratch, MODULE, options).sample


def plain_ours(job: Job, *, checksum: bool = True) -> Sample:
    """The same task, as a user runs it."""
    return plain(job.namespace.way, job.scratch, MODULE, _options(job, checksum=checksum))


def empty_play(job: Job) -> Sample:
    """Return what Ansible takes for nothing, and then the file by kubectl cp, of which only the play is measured."""
    sample = plain(job.namespace.way, job.scratch)
    _copied(job)
    return sample


def _options(job: Job, *, checksum: bool = True, image: str = BUSYBOX) -> dict[str, object]:
    return {
        "namespace": job.namespace.name,
        "label_selectors": ["app=bench"],
        "max_pods": len(job.pods),
        "debug": {"image": image},
        "src": [job.path],
        "dest": str(job.dest),
        "checksum": checksum,
    }


def k8s_cp(job: Job) -> Sample:
    """One task, which loops over the files of a folder: k8s_cp of a folder fails with this client library."""
    (pod,) = job.pods
    options = {"namespace": job.namespace.name, "pod": pod, "container": CONTAINER, "state": "from_pod"}
    local = job.place(pod)
    if job.inner:
        local.mkdir()
    item = "/{{ item }}" if job.inner else ""
    paths = {"remote_path": f"{job.path}{item}", "local_path": f"{local}{item}"}
    return play(job.namespace.way, job.scratch, "kubernetes.core.k8s_cp", {**options, **paths}, job.inner).sample


def exec_cat(job: Job) -> Sample:
    (pod,) = job.pods
    with job.place(pod).open("wb") as file:
        return _run(job, job.exec(pod, "cat", job.path), output=file).sample()


def copy(job: Job) -> Sample:
    return _copied(job).sample()


def copy_hashed(job: Job) -> Sample:
    """kubectl cp, and what a careful person does then: the same hashes on both ends."""
    total = _copied(job)
    for pod in job.pods:
        local = job.place(pod)
        if local.is_dir():
            # as few processes as can be: the peers shall not pay for a clumsy script
            script = 'cd "$0" && find . -type f -exec sha256sum {} +'
            there = _run(job, job.exec(pod, "sh", "-c", script, job.path))
            here = spent(["sh", "-c", script, str(local)])
        else:
            there = _run(job, job.exec(pod, "sha256sum", job.path))
            here = spent(["sha256sum", str(local)])
        if _hashes(there.printed) != _hashes(here.printed):
            raise Trouble(f"what kubectl cp brought from {pod} has other hashes")
        total = total + there + here
    return total.sample()


def debug_tar(job: Job) -> Sample:
    """Return what works without a tar in the target's image: tar in a debugger of kubectl, and tar here."""
    (pod,) = job.pods
    pack = job.exec(pod, "tar", "cf", "-", "-C", f"/proc/1/root{FOLDER}", job.name, container=PEERS_DEBUGGER)
    unpack = ["tar", "xf", "-", "-C", str(job.place(pod).parent)]
    return _run(job, pack, into=unpack).sample()


def floor(job: Job, kind: str = "bring") -> Sample:
    """Return what nobody can do in much less; it tells its own time without Python's start."""
    words = [sys.executable, str(FLOOR_SCRIPT), kind, job.namespace.name, job.name, str(job.dest), *job.pods]
    whole = _run(job, [*job.namespace.way.prefix, *words])
    return replace(whole.sample(), elapsed=float(whole.printed.split()[-1]))


FETCHERS: dict[str, Callable[[Job], Sample]] = {
    OURS: ours,
    OURS_UNHASHED: partial(ours, checksum=False),
    PLAIN_FETCH: plain_ours,
    PLAIN_UNHASHED: partial(plain_ours, checksum=False),
    EMPTY_PLAY: empty_play,
    OURS_ZSTD: partial(ours, image=WITH_ZSTD),
    AGAIN: ours,
    AGAIN_STAT: partial(ours, compare="stat"),
    FETCH_FLOOR: floor,
    STAT_FLOOR: partial(floor, kind="again"),
    EXEC_CAT: exec_cat,
    COPY: copy,
    COPY_HASHED: copy_hashed,
    DEBUG_TAR: debug_tar,
    K8S_CP: k8s_cp,
}


def _run(job: Job, words: Sequence[str], output: IO[bytes] | None = None, into: Sequence[str] = ()) -> Spent:
    return spent(words, environment=job.namespace.way.environment, output=output, into=into)


def _copied(job: Job) -> Spent:
    total = Spent()
    for pod in job.pods:
        words = ("cp", "--container", CONTAINER, f"{job.namespace.name}/{pod}:{job.path}", str(job.place(pod)))
        total = total + job.namespace.way.run_kubectl(job.namespace.name, *words)
    return total


def _hashes(printed: str) -> list[str]:
    return sorted(line.split()[0] for line in printed.splitlines() if line)
