# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's own parts against the real cluster, in this process: for what no single task can show."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import Request
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target, make_target
from kubernetes import client, config

from .conftest import STATE, Kubectl


def connected(seconds: float = 240) -> Cluster:
    """The cluster under test, for so many seconds from now on."""
    return _connected().until(Deadline(seconds))


@cache
def _connected() -> Cluster:
    kubeconfig = os.environ.get("KUBECONFIG", str(STATE / "kubeconfig"))
    settings = client.Configuration()
    # as many threads as a test likes, each with a watch and a request
    settings.connection_pool_maxsize = 64
    config.load_kube_config(kubeconfig, client_configuration=settings)
    return Cluster(client.ApiClient(settings), Deadline(0))


def target_of(kubectl: Kubectl, pod: str, container: str | None = None) -> Target:
    """The target in a pod as it is now."""
    return make_target(kubectl.pod(pod), container)


def request(name: str | None = None, ttl: int = 600, env: Mapping[str, str] | None = None, **changes: Any) -> Request:
    """Return what a task without options asks for."""
    fields: dict[str, Any] = {
        "image": "docker.io/library/busybox:1.37",
        "image_pull_policy": "Never",
        "ttl": ttl,
        "env": env or {},
        "custom": {},
        "patch": [],
        "name": name,
        "words": ("auto",),
        **changes,
    }
    return Request(**fields)
