# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A command that watches runs while the others do, in real shells, and what came of each stands in the order in which it was asked for."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import Attached
from ansible_collections.incident.distroless.plugins.module_utils._modules import ephemeral_debug
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import (
    debugger_defaults,
    selection_spec,
)
from ansible_collections.incident.distroless.plugins.module_utils._modules.runner import Report
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target
from ansible_collections.incident.distroless.plugins.module_utils._targets.selection import Selected
from ansible_collections.incident.distroless.tests.unit.support.local_shells import SHELLS, open_session
from ansible_collections.incident.distroless.tests.unit.support.pods import target

from .test_one_defect import attached


def run(monkeypatch: pytest.MonkeyPatch, commands: list[dict[str, Any]], **options: Any) -> Report:
    """What comes of commands in one pod, whose debugger is a shell of this machine."""

    def ensure(_cluster: object, of: Target, *_args: object) -> Attached:
        return attached(of)

    def opening(_cluster: object, _target: Target, _name: str, *, silence: float) -> Any:
        return open_session(next(iter(SHELLS)), timeout=silence)

    monkeypatch.setattr(ephemeral_debug, "connect", lambda *_args: SimpleNamespace(until=lambda _deadline: None))
    monkeypatch.setattr(ephemeral_debug, "select", lambda *_args: Selected([target()], [], []))
    monkeypatch.setattr(ephemeral_debug, "ensure", ensure)
    monkeypatch.setattr(ephemeral_debug, "open_session", opening)
    monkeypatch.setattr(ephemeral_debug, "what_became", lambda _cluster, _target, failure: failure)
    specs = (*selection_spec().items(), *ephemeral_debug.argument_spec().items())
    defaults = {option: spec.get("default") for option, spec in specs}
    params = {**defaults, **debugger_defaults(), "namespace": "shop", "pod": "api-0", "commands": commands, **options}
    return ephemeral_debug.work(SimpleNamespace(params=params, check_mode=False, _diff=False))


def test_what_watches_ends_by_what_comes_after_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # one after the other the first would wait for the third until its time is over
    watching = {
        "name": "watch",
        "argv": ["sh", "-c", 'read -r line <"$1"; echo "$line"', "sh", str(fifo)],
        "beside": True,
    }
    others = [
        {"name": "look", "cmd": "echo seen"},
        {"name": "tell", "argv": ["sh", "-c", 'echo told >"$1"', "sh", str(fifo)]},
    ]
    report = run(monkeypatch, [watching, *others])
    (row,) = report.targets
    assert [(entry["name"], entry["stdout"]) for entry in row["commands"]] == [
        ("watch", "told\n"),
        ("look", "seen\n"),
        ("tell", ""),
    ]
    assert report.failure is None


def test_what_watches_is_kept_where_another_one_breaks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    commands = [
        {"name": "breaks", "cmd": "echo x", "dest": str(tmp_path / "folder"), "changed": False},
        {"name": "watch", "cmd": "echo watched", "beside": True, "changed": False},
        {"name": "never", "cmd": "echo y", "changed": False},
    ]
    report = run(monkeypatch, commands, namespace="shop")
    (row,) = report.targets
    assert [(entry["name"], entry["stdout"]) for entry in row["commands"]] == [("watch", "watched\n")]
    assert isinstance(report.failure, Failure)
    assert report.failure.reason == "DestConflict"


def test_a_diff_that_nobody_asked_for_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(*_words: object) -> None:
        raise AssertionError("for nobody")

    monkeypatch.setattr(ephemeral_debug, "debugger_diff", made)
    report = run(monkeypatch, [{"name": "look", "cmd": "echo seen"}])
    assert (report.failure, len(report.targets)) == (None, 1)
