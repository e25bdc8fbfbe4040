# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pace that a role is given is that of every task of it that asks the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).parents[3]
ROLES = sorted(
    path.parents[1].name for path in CHECKOUT.glob("roles/*/defaults/main.yml") if path.parents[1].name != "triage"
)
GROUP = "group/incident.distroless.k8s"
# what runs other tasks, which have its defaults then
INTO = ("ansible.builtin.import_role", "ansible.builtin.include_tasks", "ansible.builtin.import_tasks")


def entries(tasks: list[Mapping[str, Any]], pace: str | None = None) -> Iterator[tuple[Mapping[str, Any], str | None]]:
    """Each task of a list and of its blocks, with the pace that is set for it."""
    for task in tasks:
        own = task.get("module_defaults", {}).get(GROUP, {}).get("requests_per_second", pace)
        if "block" in task:
            yield from entries(task["block"], own)
        else:
            yield task, own


def asking() -> set[str]:
    """The modules that ask the API."""
    runtime = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    names = {name for name in runtime["action_groups"]["k8s"] if isinstance(name, str)}
    return {f"incident.distroless.{name}" for name in names}


@pytest.mark.parametrize("role", ROLES)
def test_each_way_into_the_api_has_the_roles_own_pace(role: str) -> None:
    tasks = yaml.safe_load((CHECKOUT / "roles" / role / "tasks" / "main.yml").read_text(encoding="utf-8"))
    wanted = f"{{{{ {role}_given.options.requests_per_second }}}}"
    ways = [
        (task, pace)
        for task, pace in entries(tasks)
        if task.keys() & asking()
        # what only judges and reports what is there asks nobody
        or (task.keys() & {*INTO} and task.get("tags") not in (["judge", "report"], ["report"], ["seal"]))
    ]
    assert ways
    assert [task["name"] for task, pace in ways if pace != wanted] == []
