# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the cluster itself needs for debuggers in many pods: the bare requests side by side, and one watch until all run.

No dry run, no proof of anything from inside, nothing but the API's own client library: no tool can be much faster. With looks, so many
commands that read /proc run in each then, one after the other, and what they print is kept.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import kubernetes
import kubernetes.stream
from debuggers import TTL
from pods import BUSYBOX, CONTAINER

SIDE_BY_SIDE = 8


# of each process that the debugger sees, as a collector does
LOOK = 'for process in /proc/[0-9]*; do cat "$process/stat" "$process/status"; readlink "$process/exe"; done; true'


def main(namespace: str, debugger: str, looks: str = "0") -> None:
    """Adds the debugger to every pod of the namespace, and returns when all run and what is to be looked at was."""
    # the library tells no types
    library: Any = kubernetes
    library.config.load_kube_config()
    api = library.client.CoreV1Api()
    listed = api.list_namespaced_pod(namespace)
    missing = {pod.metadata.name for pod in listed.items}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as workers:
        patched = workers.map(partial(_add, api, namespace, debugger), sorted(missing))
        changes = library.watch.Watch()
        version = listed.metadata.resource_version
        for change in changes.stream(api.list_namespaced_pod, namespace, resource_version=version):
            if _runs(change["object"], debugger):
                missing.discard(change["object"].metadata.name)
            if not missing:
                changes.stop()
        list(patched)
        pods = [pod.metadata.name for pod in listed.items]
        list(workers.map(partial(_look, library, namespace, debugger, int(looks)), pods))


def _look(library: Any, namespace: str, debugger: str, looks: int, pod: str) -> list[str]:
    if not looks:
        return []
    # the library's stream takes over the client that it is given
    api = library.client.CoreV1Api(library.client.ApiClient())
    return [
        library.stream.stream(
            api.connect_get_namespaced_pod_exec,
            *(pod, namespace),
            container=debugger,
            command=["sh", "-c", LOOK],
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
        )
        for _number in range(looks)
    ]


def _add(api: Any, namespace: str, debugger: str, pod: str) -> None:
    container = {"name": debugger, "image": BUSYBOX, "targetContainerName": CONTAINER, "command": ["sleep", str(TTL)]}
    body = {"spec": {"ephemeralContainers": [container]}}
    kind = "application/strategic-merge-patch+json"
    api.patch_namespaced_pod_ephemeralcontainers(pod, namespace, body, _content_type=kind)


def _runs(pod: Any, debugger: str) -> bool:
    statuses = pod.status.ephemeral_container_statuses or []
    return any(status.name == debugger and status.state.running for status in statuses)


if __name__ == "__main__":
    main(*sys.argv[1:])
