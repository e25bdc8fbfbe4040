# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""state: absent for one target: which of its debuggers are meant, their end, and the row that says so.

This is a private module utility of incident.distroless; its interface may change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import after_change
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import is_numbered, is_ours
from ansible_collections.incident.distroless.plugins.module_utils._debugger.diff import debugger_diff
from ansible_collections.incident.distroless.plugins.module_utils._debugger.inject import (
    wait_until_ended,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import (
    Debugger,
    debuggers,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.target_row import unseen_row
from ansible_collections.incident.distroless.plugins.module_utils._debugger.terminate import end_debugger
from ansible_collections.incident.distroless.plugins.module_utils._k8s.client import Cluster
from ansible_collections.incident.distroless.plugins.module_utils._remote.pod_exec import open_session
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import FailedTarget, Target

# where the target does not run any more, none of its debuggers does: the kernel ended them with its PID namespace
_NOTHING_RUNS = ("NoTarget", "PodGone", "TargetNotRunning")


@dataclass(frozen=True, slots=True)
class Ended:
    """What was ended: the names of the debuggers, the target's row, and its diff."""

    names: Sequence[str]
    row: dict[str, Any]
    diff: dict[str, str]


def end_debuggers(
    cluster: Cluster, target: Target, name: str | None, deadline: Deadline, *, is_check: bool, wait: bool
) -> Ended:
    """Ends the running debuggers that are meant: that of an earlier result, else the named one, else each of ours.

    Raises Failure ConnectionLost, PodGone or WaitTimeout.
    """
    before = debuggers(target.manifest)
    meant = _meant(debuggers(target.manifest, target.container), target.debugger, name)
    for index, entry in enumerate(meant if not is_check else ()):
        with after_change(is_changed=index > 0):
            end_debugger(open_session(cluster, target.namespace, target.pod, entry.name, deadline))
    for entry in meant if wait and not is_check else ():
        with after_change():
            wait_until_ended(cluster, target, entry.name, deadline)
    names = [entry.name for entry in meant]
    stays = ["the ended debugger stays in the pod's spec: the API cannot remove it"] if names else []
    row = unseen_row(target, debugger=names[-1] if names else target.debugger, warnings=[*target.warnings, *stays])
    after = [Debugger(entry.manifest, {"terminated": {}}) if entry.name in names else entry for entry in before]
    return Ended(names, {**row, "ended": names}, debugger_diff(target, before, after))


def _meant(found: Sequence[Debugger], earlier: str | None, name: str | None) -> list[Debugger]:
    """Return those that run and are ours: the one of an earlier result, the named one, or all. A name stands for its numbered
    successors too, when it does not run itself: asking for it again made them."""
    ours = [entry for entry in found if entry.is_running and is_ours(entry.manifest)]
    wanted = earlier or name
    if not wanted:
        return ours
    exact = [entry for entry in ours if entry.name == wanted]
    return exact or [entry for entry in ours if earlier is None and is_numbered(wanted, entry.name)]


def nothing_to_end(failed: Sequence[FailedTarget]) -> tuple[list[dict[str, Any]], list[FailedTarget]]:
    """Return the rows of those targets of an earlier result that have ended meanwhile, which is what was asked for, and the rest."""
    gone = [entry for entry in failed if entry.failure.reason in _NOTHING_RUNS]
    return [_gone_row(entry) for entry in gone], [entry for entry in failed if entry not in gone]


def _gone_row(entry: FailedTarget) -> dict[str, Any]:
    who = {"namespace": entry.namespace, "pod": entry.pod, "container": entry.container}
    return {**unseen_row(None, debugger=None, warnings=[entry.failure.message]), **who, "ended": []}
