# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What proc_fs_fetch's options come to, and what a target's end does to what was brought."""

from __future__ import annotations

import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._debugger.ensure import Attached
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import Attempt, known_identity
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import (
    Debugger,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import Credentials, ProbeResult
from ansible_collections.incident.distroless.plugins.module_utils._fetch import target as _fetch_target
from ansible_collections.incident.distroless.plugins.module_utils._fetch.pipeline import Fetched
from ansible_collections.incident.distroless.plugins.module_utils._fetch.target import Done, Plan, work_on
from ansible_collections.incident.distroless.plugins.module_utils._modules import proc_fs_fetch as _fetch_task
from ansible_collections.incident.distroless.plugins.module_utils._modules.arguments import debugger_defaults
from ansible_collections.incident.distroless.tests.unit.support.pods import target


def options(**changes: Any) -> dict[str, Any]:
    """The module's options with their defaults."""
    defaults = {name: option.get("default") for name, option in _fetch_task.argument_spec().items()}
    return {"concurrency": 1, **defaults, "src": ["/etc/passwd"], "dest": "/tmp/home", **changes}


def plan(**changes: Any) -> Plan:
    return _fetch_task.parse_plan(options(**changes), is_check=False)


def test_a_sealed_case_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    for name in ("case.json", "SHA256SUMS"):
        (tmp_path / name).write_text("{}")
    for is_check in (True, False):
        with pytest.raises(Failure) as caught:
            _fetch_task.parse_plan(options(dest=str(tmp_path / "files")), is_check=is_check)
        assert caught.value.reason == "CaseSealed"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"src": ["etc/passwd"]}, "'etc/passwd' is not an absolute path"),
        ({"src": ["/var/log/[z-a]"]}, "src: .*is not a valid glob"),
        ({"exclude": ["[z-a]"]}, "exclude: .*is not a valid glob"),
        ({"exclude": ["/"]}, "exclude: "),
        ({"directory_mode": "0500"}, "directory_mode"),
        ({"deadline": 10_000_000_000}, "deadline must be"),
        ({"timeout": 10_000_000_000}, "timeout must be"),
        ({"debug": {**debugger_defaults(), "ttl": 999_999_999_999}}, "ttl must be"),
        ({"debug": {**debugger_defaults(), "wait_timeout": 10_000_000_000}}, "wait_timeout must be"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_is_refused_before_anything_is_injected(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(Failure, match=said) as caught:
        plan(**changes)
    assert caught.value.reason == "InvalidRequest"


def test_the_deadline_is_one_moment_for_all_targets() -> None:
    before = time.monotonic()
    assert before + 4 <= plan(deadline=4).options.until <= time.monotonic() + 4
    assert plan(deadline=0).options.until == math.inf


def test_a_wait_that_is_too_long_names_the_option_that_this_module_has(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(_module: object, deadline: Deadline) -> None:
        raise deadline.expired("looking for pod shop/api-0")

    monkeypatch.setattr(_fetch_task, "connect", connect)
    module = SimpleNamespace(params=options(namespace="shop", pod="api-0", max_pods=10), check_mode=False)
    with pytest.raises(Failure) as caught:
        _fetch_task.work(module)
    assert "Raise debug.wait_timeout" in str(caught.value.hint)


FETCHED = Fetched(
    [], [], {"files": 1, "bytes": 1, "elapsed": 0.1}, "/tmp/home/manifest", changed=True, diff={}, warnings=["seen"]
)


class World:
    """A target whose debugger is there, and whose files come home or do not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reused = False
        self.broken: list[Failure] = []
        self.lost: list[Failure] = []
        monkeypatch.setattr(_fetch_target, "ensure", self._ensure)
        monkeypatch.setattr(_fetch_target, "_fetch", self._fetch)
        monkeypatch.setattr(_fetch_target, "open_session", self._open_session)
        monkeypatch.setattr(_fetch_target, "end_debugger", lambda _session: None)

    def until(self, deadline: Deadline) -> World:
        self.deadline = deadline
        return self

    def work(self, **changes: Any) -> Done:
        return work_on(self, plan(**changes), target())  # type: ignore[arg-type]

    def _ensure(self, *_words: Any, **_options: Any) -> Attached:
        nobody = Credentials(0, 0, (), ())
        sight = ProbeResult(7, nobody, nobody, True)
        debugger = Debugger({"name": "debugger-1", "command": ["sleep", "60"]}, {})
        return Attached(target(), debugger, Attempt("baseline", "image"), known_identity(target()), self.reused, sight)

    def _fetch(self, *_words: Any) -> Fetched:
        for failure in self.broken:
            raise failure
        return FETCHED

    def _open_session(self, *_words: Any, **_options: Any) -> None:
        for failure in self.lost:
            raise failure


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_what_was_brought_counts_though_the_debugger_cannot_be_ended(world: World) -> None:
    world.lost = [Failure("ApiUnreachable", "container not found")]
    done = world.work(keep_debugger=False)
    assert done.injected
    assert done.fetched is not None
    assert (done.fetched.changed, done.fetched.stats) == (True, FETCHED.stats)
    seen, about_the_end = done.fetched.warnings
    assert seen == "seen"
    assert "debugger-1 could not be ended (ApiUnreachable)" in about_the_end


def test_a_debugger_that_ends_as_asked_is_no_warning(world: World) -> None:
    assert world.work(keep_debugger=False).fetched == FETCHED


@pytest.mark.parametrize("reused", [True, False])
@pytest.mark.parametrize("keep", [True, False])
def test_a_failure_after_an_injection_tells_of_it(world: World, *, reused: bool, keep: bool) -> None:
    world.reused, world.lost = reused, [Failure("ApiUnreachable", "container not found")]
    world.broken = [Failure("DestUnwritable", "no room")]
    with pytest.raises(Failure) as caught:
        world.work(keep_debugger=keep)
    assert (caught.value.reason, caught.value.changed) == ("DestUnwritable", not reused)
