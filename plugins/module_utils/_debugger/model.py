# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""A debugger of a pod as the API describes it.

Pure. This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.times import epoch
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import lifetime


@dataclass(frozen=True, slots=True)
class Debugger:
    """A debugger of a pod: its manifest as the API has it, its state, and what admission changed in it."""

    manifest: Mapping[str, Any]
    state: Mapping[str, Any]
    mutated: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the debugger's container name."""
        return str(self.manifest["name"])

    @property
    def is_running(self) -> bool:
        """Return whether the kubelet says that it runs."""
        return "running" in self.state

    @property
    def is_pending(self) -> bool:
        """Return whether it has neither started nor ended: the kubelet may still start it."""
        return "running" not in self.state and "terminated" not in self.state

    @property
    def began_at(self) -> str | None:
        """Return the RFC 3339 time of its start, also when it has ended; None before."""
        state = self.state.get("running") or self.state.get("terminated") or {}
        began: str | None = state.get("startedAt")
        return began

    @property
    def started_at(self) -> str | None:
        """Return the RFC 3339 time of its start."""
        running = self.state.get("running") or {}
        started: str | None = running.get("startedAt")
        return started

    def seconds_left(self, now: float) -> float | None:
        """Return how long it still runs, None when it does not or when its end is not ours to know."""
        ttl = lifetime(self.manifest)
        if self.started_at is None or ttl is None:
            return None
        return epoch(self.started_at) + ttl - now


def debuggers(pod: Mapping[str, Any], target_container: str | None = None) -> list[Debugger]:
    """Return the ephemeral containers of a pod in the order in which they were added, optionally those for one container."""
    states = {
        status.get("name"): status.get("state") or {}
        for status in (pod.get("status") or {}).get("ephemeralContainerStatuses") or []
    }
    return [
        Debugger(manifest, states.get(manifest["name"], {}))
        for manifest in (pod.get("spec") or {}).get("ephemeralContainers") or []
        if target_container is None or manifest.get("targetContainerName") == target_container
    ]
