# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks of a play by the connection debugger and by kubernetes.core's kubectl, on the same pod and the same files.

What kubectl needs of a target, a shell and Python, this target has: a debugger brings its own, and here it is the same one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from debuggers import TTL
from figures import MIB, Sample, Table
from measuring import Contender, Trouble, interleaved, spent
from names import BY_DEBUGGER, BY_DEBUGGER_PIPELINED, BY_KUBECTL, BY_KUBECTL_PIPELINED
from pods import BUSYBOX, CONTAINER, FOLDER, Namespace, namespace, pod
from ways import Way

RUNS, POD = 3, "app-0"
KIB = 1024
IN_A_ROW = 10
# the node's own Python stands for one of an image: the Debian of the test cluster's node has it
PYTHON = {"usr": "/usr", "lib": "/usr/lib", "lib64": "/usr/lib64"}
INTERPRETER = "/usr/bin/python3"


@dataclass(frozen=True, slots=True)
class Work:
    """One play: its tasks, and of how many bytes the file is that they carry, 0 for none. is_module: they need Python there."""

    key: str
    title: str
    tasks: Sequence[Mapping[str, Any]] = field(repr=False)
    size: int = 0
    is_module: bool = False


def _copy(size: int, name: str) -> Work:
    task = {"ansible.builtin.copy": {"src": "{{ here }}", "dest": f"{FOLDER}/put", "mode": "0600"}}
    return Work(f"connection-copy-{name.replace(' ', '').lower()}", f"copy of {name}", (task,), size, is_module=True)


def _fetch(size: int, name: str) -> Work:
    task = {"ansible.builtin.fetch": {"src": f"{FOLDER}/there", "dest": "{{ home }}", "flat": True}}
    return Work(f"connection-fetch-{name.replace(' ', '').lower()}", f"fetch of {name}", (task,), size, is_module=True)


SIZES = ((KIB, "1 KiB"), (16 * MIB, "16 MiB"), (100 * MIB, "100 MiB"))
RAW, COMMAND = {"ansible.builtin.raw": "true"}, {"ansible.builtin.command": "true"}
WORKS = (
    Work("connection-raw", "raw", (RAW,)),
    Work("connection-raws", f"{IN_A_ROW} tasks of raw", (RAW,) * IN_A_ROW),
    Work("connection-script", "script", ({"ansible.builtin.script": "{{ script }}"},)),
    Work("connection-command", "command", (COMMAND,), is_module=True),
    Work("connection-commands", f"{IN_A_ROW} tasks of command", (COMMAND,) * IN_A_ROW, is_module=True),
    *(_copy(size, name) for size, name in SIZES),
    *(_fetch(size, name) for size, name in SIZES),
)


def tables(
    works: Sequence[Work], way: Way, scratch: Path, factor: float, runs: int | None, say: Callable[[str], None]
) -> list[Table]:
    """Measure each work by both connections; factor makes files smaller for someone in a hurry."""
    with namespace(way) as made:
        made.start(_target())
        folder = scratch / "connection"
        folder.mkdir()
        # it is there before anything is measured, as the container is that kubectl uses
        _play(made, folder, BY_DEBUGGER, WORKS[0])
        return [_table(work, made, folder, factor, runs, say) for work in works]


def _table(
    work: Work, made: Namespace, folder: Path, factor: float, runs: int | None, say: Callable[[str], None]
) -> Table:
    size = max(1, round(work.size * factor)) if work.size else 0
    say(f"  {work.title}")
    names: tuple[str, ...] = (BY_DEBUGGER, BY_KUBECTL)
    if work.is_module:
        names = (BY_DEBUGGER, BY_DEBUGGER_PIPELINED, BY_KUBECTL, BY_KUBECTL_PIPELINED)
    prepare = partial(_prepare, made, folder, size)
    check = partial(_check, made, folder, is_put="copy" in work.key) if size else lambda: None
    contenders = [Contender(name, partial(_play, made, folder, name, work), prepare, check) for name in names]
    return Table(work.key, work.title, interleaved(contenders, runs or RUNS, say), size)


def _target() -> dict[str, Any]:
    entry = pod(POD)
    entry["spec"]["volumes"] += [{"name": name, "hostPath": {"path": path}} for name, path in PYTHON.items()]
    entry["spec"]["containers"][0]["volumeMounts"] += _mounts()
    return entry


def _mounts() -> list[dict[str, Any]]:
    return [{"name": name, "mountPath": f"/{name}", "readOnly": True} for name in PYTHON]


def _prepare(made: Namespace, folder: Path, size: int) -> None:
    """Make the same file here and there, and nothing that an earlier run brought."""
    if not size:
        return
    shutil.rmtree(folder / "home", ignore_errors=True)
    made.shell(
        POD, f"rm -f {FOLDER}/put; [ -e {FOLDER}/there-{size} ] || head -c {size} /dev/urandom >{FOLDER}/there-{size}"
    )
    made.shell(POD, f"ln -f {FOLDER}/there-{size} {FOLDER}/there")
    here = folder / "here"
    if not here.is_file() or here.stat().st_size != size:
        with Path("/dev/urandom").open("rb") as chance, here.open("wb") as file:
            for start in range(0, size, MIB):
                file.write(chance.read(min(MIB, size - start)))


def _check(made: Namespace, folder: Path, *, is_put: bool) -> None:
    """Raises Trouble unless what arrived is what was sent, byte for byte."""
    there = made.shell(POD, f"sha256sum <{FOLDER}/{'put' if is_put else 'there'}").split()[0]
    here = folder / "here" if is_put else folder / "home" / "fetched"
    with here.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != there:
            raise Trouble(f"{here.name} is another file than the one in the pod")


def _play(made: Namespace, folder: Path, name: str, work: Work) -> Sample:
    (folder / "hello.sh").write_text("#!/bin/sh\necho hello\n", encoding="utf-8")
    is_ours = name in (BY_DEBUGGER, BY_DEBUGGER_PIPELINED)
    debugger = {
        "ansible_connection": "incident.distroless.debugger",
        "ansible_debugger_namespace": made.name,
        "ansible_debugger_pod": POD,
        "ansible_debugger_image": BUSYBOX,
        "ansible_debugger_ttl": TTL,
        "ansible_debugger_custom": {"volumeMounts": [{"name": "data", "mountPath": FOLDER}, *_mounts()]},
    }
    kubectl = {
        "ansible_connection": "kubernetes.core.kubectl",
        "ansible_kubectl_namespace": made.name,
        "ansible_kubectl_pod": POD,
        "ansible_kubectl_container": CONTAINER,
        "ansible_kubectl_kubeconfig": str(made.way.kubeconfig),
    }
    paths = {"here": folder / "here", "home": folder / "home" / "fetched", "script": folder / "hello.sh"}
    variables = {
        **(debugger if is_ours else kubectl),
        **{key: str(path) for key, path in paths.items()},
        "ansible_python_interpreter": INTERPRETER,
        "ansible_pipelining": name in (BY_DEBUGGER_PIPELINED, BY_KUBECTL_PIPELINED),
    }
    book = folder / "play.json"
    book.write_text(
        json.dumps([{"hosts": "all", "gather_facts": False, "vars": variables, "tasks": list(work.tasks)}]),
        encoding="utf-8",
    )
    words = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", f"{POD},", str(book)]
    # kubectl is looked for by its name
    path = f"{Path(made.way.kubectl).parent}{os.pathsep}{os.environ['PATH']}"
    return spent([*made.way.prefix, *words], environment={**made.way.environment, "PATH": path}).sample()
