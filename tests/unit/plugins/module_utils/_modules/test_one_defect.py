# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A defect of ours in one of fifty pods costs that pod, and nothing of what the others brought."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.commands import Ran, not_run
from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import Attached
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import Attempt, known_identity
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import (
    Debugger,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import Credentials, ProbeResult
from ansible_collections.incident.distroless.plugins.module_utils._modules import ephemeral_debug
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import (
    debugger_defaults,
    selection_spec,
)
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import Report
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target, make_targets
from ansible_collections.incident.distroless.plugins.module_utils._targets.selection import Selected
from ansible_collections.incident.distroless.tests.unit.support.pods import pod, target

FIFTY = [f"api-{number}" for number in range(50)]
BAD = "api-20"


def attached(of: Target) -> Attached:
    manifest = {"name": "debugger-0", "image": "busybox:1.37", "command": ["sleep", "3600"]}
    started = {"running": {"startedAt": "2026-11-23T03:00:00Z"}}
    root = Credentials(uid=0, gid=0, groups=(), capabilities=())
    sight = ProbeResult(pid=7, root_readable=True, debugger=root, target=root)
    return Attached(
        of, Debugger(manifest, started), Attempt("general", "image"), known_identity(of), reused=False, sight=sight
    )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs two commands in fifty pods on a cluster that is not there: what asks it is given."""
    nowhere = SimpleNamespace(until=lambda _deadline: None)
    monkeypatch.setattr(ephemeral_debug, "connect", lambda *_args: nowhere)
    monkeypatch.setattr(
        ephemeral_debug, "select", lambda *_args: Selected([target(name=name) for name in FIFTY], [], [])
    )

    def run(ensure: Any, run_command: Any) -> Report:
        monkeypatch.setattr(ephemeral_debug, "ensure", ensure)
        monkeypatch.setattr(ephemeral_debug, "run_command", run_command)
        defaults = {option: spec.get("default") for option, spec in (*selection_spec().items(), *_own())}
        params = {**defaults, **debugger_defaults(), "namespace": "shop", "workload": "deploy/api", "max_pods": 50}
        module = SimpleNamespace(params={**params, "commands": ["one", "two"]}, check_mode=False, _diff=False)
        return ephemeral_debug.work(module)

    return run


def _own() -> Any:
    return ephemeral_debug.argument_spec().items()


def test_one_that_cannot_be_injected(run: Any) -> None:
    def ensure(_cluster: object, of: Target, *_args: object) -> Attached:
        if of.pod == BAD:
            raise AttributeError("'WebSocketBadStatusException' object has no attribute 'resp_body'")
        return attached(of)

    report = run(ensure, lambda _opening, command, *_args: Ran({**not_run(command), "rc": 0}, False))
    assert [row["pod"] for row in report.targets] == [name for name in FIFTY if name != BAD]
    assert all(len(row["commands"]) == 2 for row in report.targets)
    assert [(entry.pod, entry.failure.reason) for entry in report.failed] == [(BAD, "InternalError")]
    assert report.changed
    assert report.failure is not None


def test_one_that_breaks_after_it_was_injected_and_one_command_ran(run: Any) -> None:
    broken: list[str] = []

    def run_command(_opening: object, command: Any, _sight: object, folders: tuple[str, ...]) -> Ran:
        if BAD in folders and command.run == "two":
            broken.append(BAD)
            raise TypeError("not enough arguments for format string")
        return Ran({**not_run(command), "rc": 0, "stdout": "kept"}, False)

    report = run(lambda _cluster, of, *_args: attached(of), run_command)
    assert broken == [BAD]
    assert [row["pod"] for row in report.targets] == FIFTY
    assert [[command["stdout"] for command in row["commands"]] for row in report.targets if row["pod"] == BAD] == [
        ["kept"]
    ]
    assert [(entry.pod, entry.failure.reason) for entry in report.failed] == [(BAD, "InternalError")]
    assert report.changed


def test_a_pod_of_a_form_that_we_do_not_know() -> None:
    strange = pod("strange")
    strange["status"]["containerStatuses"] = [["app"]]
    targets, failed = make_targets([pod("a"), strange, pod("b")], None)
    assert [entry.pod for entry in targets] == ["a", "b"]
    assert [(entry.pod, entry.failure.reason) for entry in failed] == [("strange", "InternalError")]
    assert isinstance(failed[0].failure, Failure)
