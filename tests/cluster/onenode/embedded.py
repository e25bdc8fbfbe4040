# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The embedded cluster from the first process to the last: up, down, status."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from . import certificates, cgroups, components, debian, images, network, policies, processes, publish, sandbox
from .api import Api, wait
from .build import GROUPS, groups_of, programs
from .certificates import NODE
from .components import World
from .network import Network
from .places import Places, locked, write
from .processes import Process
from .run import run
from .say import Stop, say

TOOLS = {
    "ip": "iproute2",
    # what makes a slow line to it turns the API server's address to the line's proxy
    "iptables": "iptables",
    "mount": "mount",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "tc": "iproute2",
    "unshare": "util-linux",
}
DAEMONS = ("etcd", "containerd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
READY_IN = 120.0  # seconds; four are usual, the rest is for a machine that is busy with something else
ELSEWHERE = """The embedded cluster needs Linux and root. Instead:
  sudo -E make cluster                                as root
  USE_KUBECONFIG=1 KUBECONFIG=<file> make cluster     use a cluster that you have
  CLUSTER=kind make cluster                           let kind make one (needs kind, kubectl and a container engine)"""


def up(places: Places) -> None:
    """Have a cluster of this checkout running, its kubeconfig written; quick when it runs already."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Stop(ELSEWHERE)
    with locked(places.home / "lock", "Another launcher is busy with this cluster; waiting for it."):
        debian.ensure(TOOLS)
        if status(places):
            policies.clear(places)
            _refresh_images(places)
            say(f"The cluster is already running: {places.published / 'kubeconfig'}")
            return
        built = programs(places.cache, groups_of(places.release))
        archive = images.archive_file(places.cache, built)
        _clear(places)
        began = time.monotonic()
        world = World(places, built, network.choose(places), cgroup_v1=not cgroups.unified())
        say("Starting Kubernetes; usually 5 s.")
        try:
            _start(world, archive)
            publish.embedded(world)
        except BaseException:
            _keep_logs(places)
            _clear(places)
            raise
        say(f"  node Ready after {time.monotonic() - began:.1f} s: {places.published / 'kubeconfig'}")


def down(places: Places) -> None:
    """Leave nothing of the cluster behind, in whatever state it is."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise Stop(ELSEWHERE)
    with locked(places.home / "lock", "Another launcher is busy with this cluster; waiting for it."):
        _clear(places)
    say("The cluster is down; nothing of it is left but the programs in the cache.")


def enforce_policies(places: Places) -> None:
    """Have this cluster's network enforce NetworkPolicies until stdin ends."""
    if not status(places):
        raise Stop("no embedded cluster of this checkout is running; `make cluster` starts one.")
    policies.enforce(places)


def status(places: Places) -> bool:
    """Return whether every daemon runs, the API server answers and the node is Ready."""
    found = processes.known(places.pids)
    given = network.given(places)
    if given is None or not (places.published / "env").exists():
        return False
    if not all(name in found and processes.alive(found[name]) for name in (sandbox.HOLDER, *DAEMONS)):
        return False
    api = _api(places, given)
    return api.ready() and api.node_ready(NODE)


def _api(places: Places, given: Network) -> Api:
    return Api(given.node, given.ports["api"], places.pki)


def _start(world: World, archive: Path) -> None:
    places = world.places
    procs = cgroups.create(places.cgroup)
    network.raise_bridge(world.network)
    certificates.make(places, world.network.node, world.server)
    holder = sandbox.enter(places, procs)
    running: list[Process] = []

    def launch(name: str, command: Sequence[str | Path]) -> None:
        # containerd finds its shim by PATH
        path = f"PATH={world.programs['containerd'].parent}:{os.environ['PATH']}"
        whole = sandbox.inside(holder, ["env", path, *command])
        running.append(processes.start(name, whole, places.logs / f"{name}.log", places.pids, procs))

    def wait_for(what: str, done: Callable[[], bool], suspect: str) -> None:
        """Stop with the last words of whoever ended, else of the one that is to bring it about."""
        try:
            wait(what, done, lambda: not all(map(processes.alive, running)), READY_IN)
        except Stop as stop:
            ended = [process.name for process in running if not processes.alive(process)]
            said = [
                f"The last lines of {name}:\n{processes.tail(places.logs / f'{name}.log')}"
                for name in ended or [suspect]
            ]
            raise Stop("\n".join([str(stop), *said, f"All logs are kept in {places.kept_logs}."])) from None

    api = _api(places, world.network)
    launch("etcd", components.etcd(world))
    launch("containerd", components.containerd(world))
    launch("kube-apiserver", components.apiserver(world))
    wait_for("containerd's answer", lambda: _answers(world, holder), "containerd")
    _import(places, world.programs["ctr"], holder, archive)
    wait_for("the API server's readiness", api.ready, "kube-apiserver")
    launch("kube-controller-manager", components.controller_manager(world))
    launch("kube-scheduler", components.scheduler(world))
    launch("kubelet", components.kubelet(world))
    wait_for("the node's readiness", lambda: api.node_ready(NODE), "kubelet")
    default = "/api/v1/namespaces/default"
    pods_can_start = (f"{default}/serviceaccounts/default", f"{default}/configmaps/kube-root-ca.crt")
    wait_for("the default service account", lambda: all(map(api.exists, pods_can_start)), "kube-controller-manager")


def _import(places: Places, ctr: Path, holder: Process, archive: Path) -> None:
    words = "--namespace k8s.io images import".split()
    command: list[str | Path] = [ctr, "--address", places.containerd_socket, *words, archive]
    run(sandbox.inside(holder, command), timeout=120)
    write(places.state / "images", archive.name)


def _refresh_images(places: Places) -> None:
    """Give the running cluster the images as they are made now: who changes the app need not start the cluster again."""
    built = programs(places.cache, tuple(group for group in GROUPS if group.name in ("app", "containerd")))
    archive = images.archive_file(places.cache, built)
    if (places.state / "images").read_text(encoding="utf-8") != archive.name:
        _import(places, built["ctr"], processes.known(places.pids)[sandbox.HOLDER], archive)
        say("The images had changed; the cluster has the new ones.")


def _answers(world: World, holder: Process) -> bool:
    if not world.places.containerd_socket.exists():
        return False
    ctr: list[str | Path] = [world.programs["ctr"], "--address", world.places.containerd_socket, "version"]
    try:
        run(sandbox.inside(holder, ctr), timeout=5)
    except Stop:
        return False
    return True


def _keep_logs(places: Places) -> None:
    shutil.rmtree(places.kept_logs, ignore_errors=True)
    if places.logs.exists():
        places.logs.rename(places.kept_logs)


def _clear(places: Places) -> None:
    """End and remove all that this cluster, or a run of it that crashed, has on this machine. Everything is found by its own name."""
    publish.withdraw(places)
    left = processes.known(places.pids).values()
    # the kubelet first: else it would start what is being ended
    processes.kill(sorted(left, key=lambda process: process.name != "kubelet"))
    cgroups.kill(places.cgroup)
    processes.wait_for_end(left, 20)
    cgroups.remove(places.cgroup)
    policies.clear(places)
    network.remove_bridge(places.bridge)
    _unmount(places.state)
    shutil.rmtree(places.state, ignore_errors=True)
    if places.state.exists():
        shutil.rmtree(places.state)  # a second time: the kernel may still have been letting go


def _unmount(folder: Path) -> None:
    """Mounts live in the daemons' own namespace and went with it; this finds what someone mounted from outside."""
    for line in reversed(Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()):
        mount = line.split()[4].encode().decode("unicode_escape")
        if Path(mount).is_relative_to(folder):
            run(["umount", "--lazy", mount])
