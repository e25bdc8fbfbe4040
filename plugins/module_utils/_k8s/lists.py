# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a list of the API page by page, so that thousands of objects are never one answer.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._k8s.api_errors import ListExpired
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster, Query

PAGE = 500
# an API server that calls each token too old at once would be asked for ever
RENEWALS = 100


def get_list(cluster: Cluster, path: str, doing: str, query: Query = ()) -> dict[str, Any]:
    """GET a list, or a page of it, whose `items` is one. Raises Failure, also where a gateway answers something else."""
    answer = cluster.get(path, doing, query)
    if not isinstance(answer.get("items", ""), list | None):
        why = f"{doing}: {cluster.place} does not answer as it should (its answer is not a list)."
        raise Failure("ApiUnreachable", why)
    # Go writes an empty list as null
    return {**answer, "items": answer["items"] or []}


def each_item(cluster: Cluster, path: str, doing: str, query: Query = (), page: int = PAGE) -> Iterator[dict[str, Any]]:
    """Yield the objects of a list, of which a page at a time is held. Raises Failure.

    A token that is too old (410) comes with another one, for the rest as it is now: none is met twice, and none that was
    there all the time is left out.
    """
    asked = [("limit", str(page)), *query]
    token, renewals = "", 0
    while True:
        try:
            answer = get_list(cluster, path, doing, [*asked, *([("continue", token)] if token else [])])
        except ListExpired as expired:
            renewals += 1
            if not token or not expired.following or renewals > RENEWALS:
                raise
            token = expired.following
            continue
        yield from answer["items"]
        token = str((answer.get("metadata") or {}).get("continue") or "")
        if not token:
            return
