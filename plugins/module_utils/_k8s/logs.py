# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of a container's log as the API gives it, and what the kubelet says in place of one that the runtime has deleted.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, Query, pod_path

# before it looks and while it does (pkg/kubelet, GetKubeletContainerLogs; cri-client, logs.ReadLogs)
_SAID = re.compile(r"unable to retrieve container logs for \S+|failed to try resolving symlinks in path [^\n]+\n?")


def is_lost(log: str) -> bool:
    """Return whether that is all there is of a log."""
    return _SAID.fullmatch(log) is not None


def lost(doing: str, log: str) -> Failure:
    """Return the failure that such an answer is."""
    return Failure(
        "NoTarget",
        f"{doing}: the node has no log of that run any more: {log.strip()}",
        "The runtime deleted it, as it does when a container is started again; read what a log collector has kept.",
    )


def _bounded(take: Callable[[bytes], None], most: int, words: str) -> Callable[[bytes], None]:
    size = 0

    def bounded(piece: bytes) -> None:
        nonlocal size
        size += len(piece)
        if size > most:
            raise Failure("LimitExceeded", words)
        take(piece)

    return bounded


def read_tail(
    cluster: Cluster,
    whose: tuple[str, str],
    query: Query,
    lines: int,
    most: int,
    begin: Callable[[], Callable[[bytes], None]],
    doing: str,
) -> int:
    """Read the last lines of a log of a pod (namespace, name) to its end, piece by piece. Return of how many lines that was.

    Where they are longer than `most` bytes fewer lines are asked for: limitBytes would leave out the end. begin is called
    before each try and returns what takes the pieces. Raises Failure, LimitExceeded where one line is too long.
    """
    while True:
        take = _bounded(begin(), most, f"{doing}: its last {lines} lines are longer than {most} bytes.")
        try:
            cluster.stream(pod_path(*whose, "log"), doing, [*query, ("tailLines", str(lines))], take)
        except Failure as failure:
            if failure.reason != "LimitExceeded" or lines == 1:
                raise
            lines = max(1, lines // 4)
            continue
        return lines
