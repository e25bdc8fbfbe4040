# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The mark of a debugger that this collection made: for whom it is, which request it came of, and what was learned of its target.

An entry stays in its pod for ever, so that what stands in it is known to every later task, whatever admission made of the
other fields. Pure. This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import Learned

# an environment variable, whatever the debugger's name
MARK = "INCIDENT_DISTROLESS"
_FOR_ALL = "debugger"
_LEARNED = re.compile(r"learned=([0-9]{1,10}):([0-9]{1,10}):(equal|apart)")


@dataclass(frozen=True, slots=True)
class Mark:
    """owner: the one task that is going to end it, None for one that serves whoever asks for the same; request: a digest of the
    container as it was asked for, without its name and ttl; learned: what an earlier debugger saw of the target's process."""

    owner: str | None = None
    request: str = ""
    learned: Learned | None = None

    def variable(self) -> dict[str, str]:
        """Return the mark as an environment variable of the container."""
        words = [f"task-{self.owner}" if self.owner else _FOR_ALL]
        words += [f"request={self.request}"] if self.request else []
        if self.learned is not None:
            learned = self.learned
            words.append(f"learned={learned.uid}:{learned.gid}:{'equal' if learned.is_matchable else 'apart'}")
        return {"name": MARK, "value": " ".join(words)}


def mark_of(container: Mapping[str, Any]) -> Mark | None:
    """Return the mark of a container as the API has it; None for one that this collection did not make."""
    for entry in container.get("env") or ():
        if isinstance(entry, Mapping) and entry.get("name") == MARK:
            return _parsed(str(entry.get("value") or ""))
    return None


def _parsed(value: str) -> Mark:
    first, *words = value.split(" ")
    request = next((word.removeprefix("request=") for word in words if word.startswith("request=")), "")
    found = next(filter(None, map(_LEARNED.fullmatch, words)), None)
    learned = None
    if found is not None:
        learned = Learned(int(found[1]), int(found[2]), is_matchable=found[3] == "equal")
    return Mark(None if first == _FOR_ALL else first.removeprefix("task-"), request, learned)


def marked(container: Mapping[str, Any], mark: Mark) -> dict[str, Any]:
    """Return a container with a mark in the place of its own, or as its first variable."""
    env = list(container.get("env") or ())
    place = next((index for index, entry in enumerate(env) if entry.get("name") == MARK), None)
    if place is None:
        return {**container, "env": [mark.variable(), *env]}
    return {**container, "env": [*env[:place], mark.variable(), *env[place + 1 :]]}


def digest(container: Mapping[str, Any]) -> str:
    """Return what stands for a container as it is asked for: all of it but its name, its ttl and its mark."""
    asked = {key: value for key, value in container.items() if key not in ("name", "command")}
    asked["env"] = [entry for entry in container.get("env") or () if entry.get("name") != MARK]
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:16]


def is_ours(container: Mapping[str, Any]) -> bool:
    """Return whether this collection made a container."""
    return mark_of(container) is not None


def is_for_all(container: Mapping[str, Any]) -> bool:
    """Return whether a debugger of ours may be used by whoever asks for the same; another is ended by the task that made it."""
    mark = mark_of(container)
    return mark is not None and mark.owner is None
