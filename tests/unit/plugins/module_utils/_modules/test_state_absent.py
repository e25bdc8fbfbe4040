# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which debuggers state: absent means."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import Request, build
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import Attempt
from ansible_collections.incident.distroless.plugins.module_utils._modules.ephemeral_debug import end_debuggers
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target, make_target
from ansible_collections.incident.distroless.tests.unit.support.pods import pod

REQUEST = Request("busybox:1.37", None, 3600, {}, {}, [], None, ("auto",))


def looked_into(*names: str) -> Target:
    """A target with running debuggers of ours, and one of somebody else."""
    found: list[dict[str, Any]] = [build(REQUEST, Attempt("baseline", "image"), name, "app") for name in names]
    found.append({"name": "theirs", "targetContainerName": "app", "image": "busybox:1.37"})
    manifest = pod(ephemeralContainers=found)
    manifest["status"]["ephemeralContainerStatuses"] = [
        {"name": entry["name"], "state": {"running": {"startedAt": "2026-11-23T03:00:00Z"}}} for entry in found
    ]
    return make_target(manifest, None)


@pytest.mark.parametrize(
    ("name", "ended"),
    [(None, ["one", "two", "two-2"]), ("", ["one", "two", "two-2"]), ("two", ["two"]), ("theirs", []), ("x", [])],
)
def test_the_named_one_is_meant_and_without_a_name_each_of_ours(name: str | None, ended: list[str]) -> None:
    nobody: Any = None
    target = looked_into("one", "two", "two-2")
    assert end_debuggers(nobody, target, name, is_check=True, wait=True).names == ended
