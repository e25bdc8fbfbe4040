# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A debugger whose ttl ends in the middle of a fetch: another one goes on, or the hint names the ttl."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.times import epoch
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import Debugger
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import Credentials, ProbeResult
from ansible_collections.incident.distroless.plugins.module_utils._debugger.terminate import named_ttl
from ansible_collections.incident.distroless.plugins.module_utils._fetch import target as fetching
from ansible_collections.incident.distroless.tests.unit.support.pods import pod, target

START = "2026-11-23T03:00:00Z"
APP = Credentials(0, 0, (), ())


def entry(name: str) -> dict[str, Any]:
    return {"name": name, "image": "busybox:1.37", "command": ["sleep", "60"], "targetContainerName": "app"}


class World:
    """A pod whose first debugger may have ended, and a second one that is had for the asking."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, state: dict[str, Any], pid: int = 7) -> None:
        self.pod = pod(ephemeralContainers=[entry("first")])
        self.pod["status"]["ephemeralContainerStatuses"] = [{"name": "first", "state": state}]
        self.asked: list[str | None] = []
        self.session = SimpleNamespace(timeout=60.0, until=math.inf, close=lambda: None)
        sight = ProbeResult(pid, APP, APP, root_readable=True)
        second = Debugger(entry("second"), {"running": {"startedAt": START}})

        def ensure(_cluster: Any, of: Any, _request: Any, _wish: Any, **_options: Any) -> Any:
            self.asked.append(of.debugger)
            return SimpleNamespace(debugger=second, sight=sight, seen=sight, reused=False, session=self.session)

        monkeypatch.setattr(fetching, "ensure", ensure)
        sight_before = ProbeResult(7, APP, APP, root_readable=True)
        first = Debugger(entry("first"), {"running": {"startedAt": START}})
        self.attached = SimpleNamespace(
            target=target(), debugger=first, sight=sight_before, seen=sight_before, reused=True, warnings=[]
        )

    def get(self, _path: str, _doing: str) -> dict[str, Any]:
        return self.pod

    def renewed(self) -> Any:
        plan: Any = SimpleNamespace(request=None, wish=None, any_serves=False)
        return fetching._renewed(self, plan, self.attached)  # type: ignore[arg-type]


ENDED = {"terminated": {"exitCode": 0, "startedAt": START}}


def test_where_the_debugger_has_ended_another_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, ENDED)
    assert world.renewed() is world.session
    assert (world.attached.debugger.name, world.attached.reused, world.asked) == ("second", False, [None])
    assert world.attached.warnings == ["debugger first ended meanwhile, as by its ttl; second went on"]


def test_one_that_still_runs_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, {"running": {"startedAt": START}})
    assert world.renewed() is None
    assert (world.attached.debugger.name, world.asked) == ("first", [])


def test_nothing_is_injected_for_a_target_that_has_ended_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, ENDED)
    world.pod["status"]["containerStatuses"][0]["state"] = {"terminated": {"exitCode": 1}}
    assert world.renewed() is None
    assert world.asked == []


def test_another_process_is_not_taken_for_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Failure, match="another one than before") as caught:
        World(monkeypatch, ENDED, pid=9).renewed()
    assert caught.value.reason == "TargetRestarted"


@pytest.mark.parametrize(
    ("reason", "later", "is_named"),
    [("ConnectionLost", 61, True), ("ConnectionLost", 30, False), ("LookBroken", 61, False)],
)
def test_a_stream_that_ends_with_the_ttl_says_so(reason: str, later: float, is_named: bool) -> None:
    running = Debugger(entry("first"), {"running": {"startedAt": START}})
    failure = named_ttl(running, epoch(START) + later, Failure(reason, "the stream broke"))
    assert ("ended after its ttl of 60 s" in failure.hint) is is_named
