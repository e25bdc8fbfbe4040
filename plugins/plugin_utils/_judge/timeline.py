# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When what happened: the API's events, the container's own life, and what we did.

This is a private plugin utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.incident.distroless.plugins.plugin_utils._collect.facts import label

# of one target; the events of a pod that crashes for a week are counted by the API, not repeated
MAX_ENTRIES = 200

Entry = dict[str, Any]


def timeline(facts: Mapping[str, Any], target: Mapping[str, Any]) -> list[Entry]:
    """The entries of one target, the oldest first: time (RFC 3339), target, source (event, container, acquisition), text."""
    name = label(target)
    entries = [
        {"time": time, "target": name, "source": source, "text": text}
        for time, source, text in (*_of_events(facts), *_of_container(facts, target), *_of_us(target))
        if time
    ]
    return sorted(entries, key=lambda entry: entry["time"])[-MAX_ENTRIES:]


def _of_events(facts: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for event in facts.get("events", ()):
        times = f" ({event['count']} times)" if event["count"] > 1 else ""
        yield event["time"], "event", f"{event['reason']}: {event['message']}{times}"


def _of_container(facts: Mapping[str, Any], target: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    status = facts.get("pod", {}).get("status") or {}
    for entry in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
        if entry["name"] != target["container"]:
            continue
        for state in (entry.get("state") or {}, entry.get("lastState") or {}):
            if running := state.get("running"):
                yield running.get("startedAt"), "container", f"{entry['name']} started"
            if ended := state.get("terminated"):
                yield ended.get("startedAt"), "container", f"{entry['name']} started"
                why = f"{ended.get('reason', 'ended')}, exit code {ended.get('exitCode')}"
                yield ended.get("finishedAt"), "container", f"{entry['name']} ended: {why}"


def _of_us(target: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if not target["reused"]:
        yield target["started_at"], "acquisition", f"Debugger {target['debugger']} started, from {target['image']}"
    for command in target["commands"]:
        how = "timed out" if command["timed_out"] else f"ended with {command['rc']}"
        yield command["start"], "acquisition", f"Collector {command['name']} ran and {how}"
