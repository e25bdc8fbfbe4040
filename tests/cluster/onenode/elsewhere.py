# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters that others make: the one of a kubeconfig, or kind's."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import images, publish
from .build import GROUPS, programs
from .places import Places
from .run import run
from .say import Stop, say

ANSWER_IN = 15.0  # seconds


def use_kubeconfig(places: Places) -> None:
    """Use the current context of KUBECONFIG (or of ~/.kube/config), after it has answered."""
    kubectl = _kubectl()
    version = run([kubectl, "version", "--output=yaml", f"--request-timeout={ANSWER_IN:.0f}s"], timeout=2 * ANSWER_IN)
    if "serverVersion:" not in version:
        raise Stop("the cluster of KUBECONFIG did not tell its version; check it with `kubectl version`.")
    publish.borrowed(places, "kubeconfig", kubectl, run([kubectl, "config", "view", "--raw", "--flatten", "--minify"]))
    say(f"Using the cluster of KUBECONFIG: {places.published / 'kubeconfig'}")
    say("The images of tests/cluster/README.md are not loaded into it; what needs them will not start there.")


def kind_up(places: Places) -> None:
    """Have a cluster of kind, with our images in it. None of our tests cover this way."""
    kind, kubectl = _kind(), _kubectl()
    if places.cgroup not in run([kind, "get", "clusters"]).split():
        say("Creating a cluster by kind; usually 1 minute, more when it pulls its image.")
        run([kind, "create", "cluster", "--name", places.cgroup, "--wait", "120s"], timeout=900)
    app = tuple(group for group in GROUPS if group.name == "app")
    archive = images.archive_file(places.cache, programs(places.cache, app))
    run([kind, "load", "image-archive", archive, "--name", places.cgroup], timeout=300)
    publish.borrowed(places, "kind", kubectl, run([kind, "get", "kubeconfig", "--name", places.cgroup]))
    say(f"The cluster is ready: {places.published / 'kubeconfig'}")


def down(places: Places, kind: str) -> None:
    if kind == "kind":
        run([_kind(), "delete", "cluster", "--name", places.cgroup], timeout=300)
    publish.withdraw(places)
    say(
        "The cluster made by kind is deleted."
        if kind == "kind"
        else "The cluster of KUBECONFIG is used no longer; it was left as it is."
    )


def _kind() -> Path:
    if found := shutil.which("kind"):
        return Path(found)
    raise Stop("CLUSTER=kind needs the kind program and a container engine; kind was not found in PATH.")


def _kubectl() -> Path:
    if found := shutil.which("kubectl"):
        return Path(found)
    raise Stop("kubectl was not found in PATH; install the one of the cluster's release.")
