# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the cluster itself needs for debuggers in many pods: the bare requests side by side, and one watch until all run.

No dry run, nothing but the API's own client library: no tool can be much faster. With commands, these run in each debugger then, an exec
for each, one after the other, and what they print is kept: a `proof` that the target's root can be read, or a `look` at its processes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import kubernetes
import kubernetes.stream
from debuggers import TTL
from pods import BUSYBOX, CONTAINER

SIDE_BY_SIDE = 8


COMMANDS = {
    "proof": "ls -A /proc/1/root/ && echo seen",
    # of each process that the debugger sees, as a collector does
    "look": 'for process in /proc/[0-9]*; do cat "$process/stat" "$process/status"; readlink "$process/exe"; done; echo seen',
}


def main(namespace: str, debugger: str, *commands: str) -> None:
    """Adds the debugger to every pod of the namespace, and returns when all run and the commands have run in each."""
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
        for printed in workers.map(partial(_run, library, namespace, debugger, commands), pods):
            if not all(text.endswith("seen\n") for text in printed):
                sys.exit(f"a command in {debugger} printed {printed}")


def _run(library: Any, namespace: str, debugger: str, commands: Sequence[str], pod: str) -> list[str]:
    if not commands:
        return []
    # the library's stream takes over the client that it is given
    api = library.client.CoreV1Api(library.client.ApiClient())
    return [
        library.stream.stream(
            api.connect_get_namespaced_pod_exec,
            *(pod, namespace),
            container=debugger,
            command=["sh", "-c", COMMANDS[name]],
            stdout=True,
            stderr=True,
            stdin=False,
            tty=False,
        )
        for name in commands
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
