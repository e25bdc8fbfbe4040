# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters that stand between the tasks of the role quarantine; each is documented in a file of its own name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.incident.distroless.plugins.plugin_utils._quarantine import impact, isolation, plan

Objects = Sequence[Mapping[str, Any]]


def quarantine_plan(
    pod: Mapping[str, Any],
    services: Objects,
    force: bool = False,
    keep_labels: Sequence[str] = (),
    record: Mapping[str, Any] | None = None,
    looked: Objects = (),
    around: Objects = (),
    allow_no_endpoints: bool = False,
    taken: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what to do to a pod that goes into quarantine, and what that does to others."""
    told = {**_plain(record or {}), "reached": isolation.reached(_plain(looked))}
    found, beside = _plain(pod), impact.around(_plain([*around]), _plain(taken))
    options = {"is_forced": force, "keep_labels": _plain(keep_labels), "record": told}
    try:
        made = plan.plan(found, _plain(services), **options)
        done = impact.impact(found, beside, plan=made, allow_no_endpoints=allow_no_endpoints)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error
    return {
        **made,
        "refusal": made["refusal"] or done.refusal,
        "impact": [list(row) for row in done.findings],
        "told": [f"{verdict}: {message}" for _analyzer, verdict, message in done.findings],
        "sending": impact.sending(found, beside.slices.objects or ()),
    }


def quarantine_undo(pods: Objects, policies: Objects, name: str) -> dict[str, Any]:
    """Return what to do to a pod that comes out of it."""
    try:
        return plan.undo(_plain(pods[0]) if pods else None, _plain(policies), str(name))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


def quarantine_result(
    pod: Mapping[str, Any],
    policies: Objects,
    services: Objects,
    successors: Sequence[str],
    wanted: int,
    slices: Objects | None = None,
    **seen: Any,
) -> dict[str, Any]:
    """Return what came of it."""
    around = isolation.Surroundings(*_plain([policies, services, slices, successors, wanted]))
    try:
        return isolation.isolation(_plain(pod), around, **_plain(seen))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


def quarantine_seen(
    looked: Objects, slices: Objects | None, folder: str, services: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what is seen of a pod."""
    return isolation.seen(_plain(looked), _plain(slices), str(folder), _plain([*services]))


def ready_pods(pods: Objects, owner: Mapping[str, str] | None, uid: str) -> list[str]:
    """Return the names of a controller's pods that are ready, but for one."""
    return plan.ready_pods(_plain(pods), _plain(owner), str(uid))


def _plain(value: Any) -> Any:
    """Plain values only: Ansible's own carry tags, and some are made when they are looked at."""
    return json.loads(json.dumps(value, default=str))


class FilterModule:
    """The filters."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "quarantine_plan": quarantine_plan,
            "quarantine_result": quarantine_result,
            "quarantine_seen": quarantine_seen,
            "quarantine_undo": quarantine_undo,
            "ready_pods": ready_pods,
        }
