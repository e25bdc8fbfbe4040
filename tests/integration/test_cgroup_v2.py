# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The right process on cgroup v2, where a container's own cgroup namespace hides all but `0::/../cri-containerd-<id>.scope`.

The cluster's node may run on cgroup v1, so the parts of one are made here on the kernel's own cgroup2: scopes as systemd's
driver names them, a PID namespace with targets in it, and a debugger's shell in that namespace and in a cgroup namespace of
its own. What looks is the real remote script.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._debugger import probe, terminate
from ansible_collections.incident.distroless.plugins.module_utils._remote.session import (
    Session,
    exec_command,
    new_nonce,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target, make_target

from tests.unit.support.local_shells import Pipes

from .conftest import Kubectl, pod_manifest
from .patience import PATIENCE

TARGET, TWIN, DEBUGGER = "a" * 64, "b" * 64, "d" * 64
SHELLS = ("busybox", "dash", "bash")
# a container whose main process has a child, and whose signals are its own
APP = "sleep 1000 & wait"


class Node:
    """cgroup2 in a mount namespace of its own, and a pod's slice in it with a scope for each container."""

    def __init__(self, folder: Path) -> None:
        self.mount = folder / "cgroup2"
        self.mount.mkdir()
        self.slice = f"incident-{uuid.uuid4().hex[:8]}.slice"
        self._started: list[subprocess.Popen[bytes]] = []
        words = f'mount -t cgroup2 cgroup2 "{self.mount}" && exec sleep 1000'
        self._keeper = self._start("unshare", "--mount", "--", "sh", "-c", words)
        # the mount is seen through the process that keeps its namespace
        self.tree = Path(f"/proc/{self._keeper.pid}/root{self.mount}")
        until((self.tree / "cgroup.procs").exists)
        self.scopes = self.tree / self.slice
        self.scopes.mkdir()
        self.first = ""

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._started.append(process)
        return process

    def scope(self, container_id: str) -> Path:
        folder = self.scopes / f"cri-containerd-{container_id}.scope"
        folder.mkdir(exist_ok=True)
        return folder

    def entering(self, container_id: str) -> list[str]:
        """The beginning of a command that runs in a container's scope."""
        procs = self.scope(container_id) / "cgroup.procs"
        return ["sh", "-c", f'echo $$ >"{procs}" && exec "$@"', "sh"]

    def start_first(self, container_id: str, command: str) -> None:
        """PID 1 of the namespace that the other containers share."""
        unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "sh", "-c", command]
        process = self._start(*self.entering(container_id), *unshare)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        until(lambda: children.read_text().split())
        self.first = children.read_text().split()[0]
        until(lambda: Path(f"/proc/{self.first}/comm").read_text() != "unshare\n")

    def inside(self) -> list[str]:
        return ["nsenter", "--target", self.first, "--pid", "--mount", "--"]

    def start(self, container_id: str, *command: str) -> None:
        self._start(*self.entering(container_id), *self.inside(), *command)
        until(lambda: len((self.scope(container_id) / "cgroup.procs").read_text().split()) > 1)

    def asleep(self, container_id: str) -> int:
        """How many processes of a container have become `sleep`."""
        pids = (self.scope(container_id) / "cgroup.procs").read_text().split()
        return [Path("/proc", pid, "comm").read_text() for pid in pids].count("sleep\n")

    def session(self, shell: Sequence[str], path: str) -> Session:
        nonce = new_nonce()
        own_view = ["unshare", "--cgroup", "--", "env", f"PATH={path}"]
        argv = [*self.entering(DEBUGGER), *self.inside(), *own_view, *shell, *exec_command(nonce)[1:]]
        return Session(Pipes(argv, {"PATH": os.environ["PATH"]}), nonce)

    def close(self) -> None:
        for folder in self.scopes.iterdir():
            if folder.is_dir():
                for pid in (folder / "cgroup.procs").read_text().split():
                    # its cgroup says that it is ours
                    subprocess.run(["kill", "-KILL", pid], check=False, capture_output=True)
                until(lambda folder=folder: not (folder / "cgroup.procs").read_text())
                folder.rmdir()
        self.scopes.rmdir()
        self._keeper.kill()
        for process in self._started:
            process.wait(PATIENCE)


def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def busybox(kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder in which every tool is the debug image's own busybox."""
    folder = tmp_path_factory.mktemp("busybox")
    kubectl.apply(pod_manifest("toolbox", "busybox:1.37", container={"command": ["sleep", "600"]}))
    kubectl.wait_until_running("toolbox")
    program = folder / "busybox"
    program.write_bytes(kubectl.run("exec", "toolbox", "--", "cat", "/bin/busybox").stdout)
    program.chmod(0o755)
    subprocess.run([program, "--install", "-s", str(folder)], check=True)
    return str(folder)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, busybox: str) -> tuple[list[str], str]:
    """A debug image's shell, and the PATH of its tools."""
    if request.param == "busybox":
        return [f"{busybox}/sh"], busybox
    return [str(shutil.which(request.param))], os.environ["PATH"]


def target(*, shared: bool) -> Target:
    status = {"name": "app", "containerID": f"containerd://{TARGET}", "state": {"running": {}}}
    pod = {
        "metadata": {"name": "api-0", "namespace": "shop", "uid": "1"},
        "spec": {"containers": [{"name": "app"}], "shareProcessNamespace": shared},
        "status": {"phase": "Running", "containerStatuses": [status]},
    }
    return make_target(pod, None)


def cgroup_of(session: Session, pid: int) -> str:
    lines = probe.run_text(session, b"cat /proc/%d/cgroup\n" % pid)
    return next(line for line in lines if line.startswith("0::"))


def test_pid_1_is_found_from_a_cgroup_namespace_of_ones_own(node: Node, shell: tuple[list[str], str]) -> None:
    node.start_first(TARGET, APP)
    with node.session(*shell) as session:
        assert cgroup_of(session, 1) == f"0::/../cri-containerd-{TARGET}.scope"
        sight = probe.probe(session, target(shared=False))
    assert (sight.pid, sight.root_readable) == (1, True)


def test_the_targets_process_is_told_from_its_twin_and_from_pause(node: Node, shell: tuple[list[str], str]) -> None:
    node.start_first("e" * 64, "exec sleep 1000")
    for container_id in (TWIN, TARGET):
        node.start(container_id, "sh", "-c", APP)
    with node.session(*shell) as session:
        found = probe.probe(session, target(shared=True)).pid
        assert found != 1
        assert cgroup_of(session, found) == f"0::/../cri-containerd-{TARGET}.scope"
        parent = probe.run_text(session, b"cat /proc/%d/stat\n" % found)[0].rpartition(")")[2].split()[1]
        # nsenter's own parent is outside of the namespace: the main process, and not its child
        assert parent == "0"
        with pytest.raises(probe.Failure, match="proven"):
            probe.probe(session, replace(target(shared=True), container_id=f"containerd://{'f' * 64}"))


def test_a_debugger_ends_itself_and_no_target(node: Node, shell: tuple[list[str], str]) -> None:
    node.start_first(TARGET, APP)
    # an equal of the debugger's main process in another container
    node.start(TWIN, "sh", "-c", "sleep 1000 & sleep 1000 & wait")
    node._start(*node.entering(DEBUGGER), *node.inside(), "sleep", "1000")
    until(lambda: [node.asleep(name) for name in (TARGET, TWIN, DEBUGGER)] == [1, 2, 1])
    others = {name: node.scope(name).joinpath("cgroup.procs").read_text() for name in (TARGET, TWIN)}
    with node.session(*shell) as session:
        own = terminate.own_main_process(probe.parse_processes(probe.run_text(session, terminate._LIST_OWN)))
        assert own is not None
        assert own.command == "sleep"
        assert cgroup_of(session, own.pid) == "0::/"
    terminate.end_debugger(node.session(*shell))
    until(lambda: not node.scope(DEBUGGER).joinpath("cgroup.procs").read_text())
    assert {name: node.scope(name).joinpath("cgroup.procs").read_text() for name in (TARGET, TWIN)} == others
