# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One pod as it changes: a watch that is opened again when it ends or breaks, so that nothing is polled and nothing missed.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, api_path, pod_path

# a watch that breaks so often without an event between is not worth a further try; seconds between two tries at first
MAX_BREAKS = 8
PAUSE = 0.05

# the type of an event that no watch sent
LOOKED = "LOOKED"


@contextmanager
def pod_changes(
    cluster: Cluster, namespace: str, name: str, version: str, doing: str
) -> Iterator[Iterator[Mapping[str, Any]]]:
    """Give the pod of that name after each change, from a resourceVersion on. Raises Failure PodGone when it is deleted.

    A watch that the server ends is opened again where it ended; one that breaks, or whose version the server has
    forgotten (410), after a look at the pod as it is now.
    """
    opened = ExitStack()
    try:
        first: Iterator[Mapping[str, Any]]
        try:
            first = opened.enter_context(_watch(cluster, namespace, name, version, doing))
        except Failure as failure:
            if failure.reason != "ApiUnreachable":
                raise
            # it looks when it is read: after whatever the caller does in between
            first = _from_now(cluster, namespace, name, doing, opened)

        def pods() -> Iterator[Mapping[str, Any]]:
            events, seen, breaks = first, version, 0
            while True:
                try:
                    for event in events:
                        seen = str(event["object"]["metadata"]["resourceVersion"])
                        # looking is no sign that watches are in order again
                        breaks = breaks if event["type"] == LOOKED else 0
                        if event["type"] == "DELETED":
                            raise Failure("PodGone", f"{doing}: the pod was deleted.")
                        if event["type"] != "BOOKMARK":
                            yield event["object"]
                    opened.close()
                    # a server that ends each watch at once must not be asked a thousand times a second
                    time.sleep(min(PAUSE, max(0.0, cluster.deadline.left())))
                    events = opened.enter_context(_watch(cluster, namespace, name, seen, doing))
                except Failure as failure:
                    breaks += 1
                    if failure.reason != "ApiUnreachable" or breaks > MAX_BREAKS:
                        raise
                    opened.close()
                    time.sleep(min(PAUSE * 2**breaks, 2.0, max(0.0, cluster.deadline.left())))
                    events = _from_now(cluster, namespace, name, doing, opened)

        yield pods()
    finally:
        opened.close()


def _from_now(
    cluster: Cluster, namespace: str, name: str, doing: str, opened: ExitStack
) -> Iterator[Mapping[str, Any]]:
    """Return the pod as it is now, as an event, and those that follow. A generator: what breaks here breaks where it is read."""
    pod = cluster.get(pod_path(namespace, name), doing)
    yield {"type": LOOKED, "object": pod}
    version = str(pod["metadata"]["resourceVersion"])
    yield from opened.enter_context(_watch(cluster, namespace, name, version, doing))


def _watch(cluster: Cluster, namespace: str, name: str, version: str, doing: str) -> Any:
    query = [
        ("fieldSelector", f"metadata.name={name}"),
        ("resourceVersion", version),
        ("allowWatchBookmarks", "true"),
    ]
    return cluster.watch(api_path("api", "v1", "namespaces", namespace, "pods"), doing, query)
