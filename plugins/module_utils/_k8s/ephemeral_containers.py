# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a pod has too many ephemeral containers: those that run make its end long, those that ended make its object large.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# Measured from delete to gone (tests/integration/test_no_harm.py; containerd 2.2 on two busy cores): 1 to 3 s with up to
# twelve running debuggers, 37 s with 14, 60 s with 16, 83 to 89 s with 20, 208 s with 40. The kubelet stops all at once,
# and the runtime's answers run into its time-out. With 40 that have ended it is 3 s.
MANY_RUNNING = 10
# Each adds about 1.2 kB to an object that the API server sends to each of its watchers, whether it runs or not.
MANY_ENTRIES = 20


def crowding(pod: Mapping[str, Any]) -> tuple[str, ...]:
    """Warnings of what a pod's ephemeral containers, whoever made them, have come to."""
    entries = len((pod.get("spec") or {}).get("ephemeralContainers") or ())
    statuses = (pod.get("status") or {}).get("ephemeralContainerStatuses") or ()
    running = sum("running" in (status.get("state") or {}) for status in statuses)
    warnings: list[str] = []
    if running >= MANY_RUNNING:
        warnings.append(
            f"{running} ephemeral containers run in the pod: with a few more it takes minutes to be deleted; state absent ends ours"
        )
    if entries >= MANY_ENTRIES:
        size = len(json.dumps(pod, separators=(",", ":")))
        warnings.append(
            f"the pod has {entries} ephemeral containers, which stay until it is replaced: its object has {size} bytes"
        )
    return tuple(warnings)
