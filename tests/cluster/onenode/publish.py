# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a checkout sees of its cluster: the folder .cluster with a kubeconfig, tools that fit, and the paths that tests need."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from . import processes, sandbox
from .components import World
from .places import Places, write


def embedded(world: World) -> None:
    """Publish a cluster that is ready; the kubeconfig comes last, so that whoever waits for it finds the rest."""
    places = world.places
    folder = places.published
    kubeconfig = (places.conf / "admin.kubeconfig").read_text(encoding="utf-8")
    holder = processes.known(places.pids)[sandbox.HOLDER]
    ctr = [str(world.programs["ctr"]), "--address", str(places.containerd_socket), "--namespace", "k8s.io"]
    runc = [str(world.programs["runc"]), "--root", str(places.runc_root / "k8s.io")]
    for name, command in (("ctr", ctr), ("runc", runc)):
        # inside the daemons' mount namespace, where the pipes and folders are that these tools share with them
        write(folder / name, f'#!/bin/sh\nexec {shlex.join(sandbox.inside(holder, command))} "$@"\n', 0o755)
    _link(folder / "kubectl", world.programs["kubectl"])
    _env(
        folder,
        {
            "CLUSTER": "embedded",
            "CTR": folder / "ctr",
            "RUNC": folder / "runc",
            "RUNC_ROOT": places.runc_root / "k8s.io",
            "CONTAINERD_SOCKET": places.containerd_socket,
            "AUDIT_LOG": places.audit_log,
            "LOGS": places.logs,
            "STATIC_PODS": places.static_pods,
            "CGROUP": places.cgroup,
            "BRIDGE": places.bridge,
            "NODE_IP": world.network.node,
            "CA_CERT": world.ca,
            "CA_KEY": places.pki / "ca.key",
        },
    )
    write(folder / "kubeconfig", kubeconfig)


def borrowed(places: Places, kind: str, kubectl: Path, kubeconfig: str) -> None:
    """Publish a cluster that this launcher does not run itself."""
    withdraw(places)
    _link(places.published / "kubectl", kubectl)
    _env(places.published, {"CLUSTER": kind})
    write(places.published / "kubeconfig", kubeconfig)


def kind_of(places: Places) -> str | None:
    """Return which kind of cluster is published now."""
    try:
        lines = (places.published / "env").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    return next((line.removeprefix("CLUSTER=") for line in lines if line.startswith("CLUSTER=")), None)


def withdraw(places: Places) -> None:
    # what a link leads to is another checkout's: its cluster goes on
    if places.published.is_symlink():
        places.published.unlink()
    shutil.rmtree(places.published, ignore_errors=True)
    if places.release:
        with suppress(OSError):  # another one is published beside it
            places.published.parent.rmdir()


def _env(folder: Path, values: Mapping[str, str | Path]) -> None:
    whole = {**values, "KUBECONFIG": folder / "kubeconfig", "KUBECTL": folder / "kubectl"}
    write(folder / "env", "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in sorted(whole.items())))


def _link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.symlink_to(target)
    fresh.replace(path)
