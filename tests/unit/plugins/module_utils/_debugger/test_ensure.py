# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of the API for one target's debugger; what a debugger sees of its target is made up."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.deadline import Deadline
from ansible_collections.incident.distroless.plugins.module_utils._core.errors import Failure
from ansible_collections.incident.distroless.plugins.module_utils._core.times import epoch
from ansible_collections.incident.distroless.plugins.module_utils._debugger import ensure as _debugger
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import Request, base_name, build
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import (
    Attempt,
    IdentityRequest,
    Learned,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.model import (
    Debugger,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import Credentials, ProbeResult
from ansible_collections.incident.distroless.plugins.module_utils._targets import recheck
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target
from ansible_collections.incident.distroless.tests.unit.support.pods import pod, target

REQUEST = Request("busybox:1.37", None, 3600, {}, {}, [], None, ("auto",))
START = "2026-11-23T03:00:00Z"
APP = {"uid": 65532, "gid": 65532}
ENDED = {"terminated": {"exitCode": 0}}
RUNS = {"running": {"startedAt": START}}

AUTO = IdentityRequest()
ROOT = Attempt("baseline", "image")
EQUAL = Attempt("restricted", "match", 65532, 65532)


class World:
    """An API server that adds what it is asked to, debuggers that run at once and see as much as their uid lets them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.deadline = Deadline(60)
        self.asked: list[tuple[str, str]] = []
        self.injected: list[str] = []
        self.ended: list[str] = []
        self.target = Credentials(65532, 65532, (), ())
        self._contexts: dict[str, Mapping[str, Any]] = {}
        self._before = pod()
        monkeypatch.setattr(_debugger, "inject", self._inject)
        monkeypatch.setattr(_debugger, "open_session", self._open_session)
        monkeypatch.setattr(_debugger, "probe", self._probe)
        monkeypatch.setattr(_debugger, "end_debugger", lambda session: self.ended.append(session.name))

    def target_with(
        self, *made: tuple[Mapping[str, Any], Mapping[str, Any]], debugger: str | None = None, **kwargs: Any
    ) -> Target:
        """A target whose pod has debuggers, each with its state; debugger is what an earlier result says."""
        self._before = pod(user=APP, ephemeralContainers=[manifest for manifest, _state in made], **kwargs)
        states = [{"name": manifest["name"], "state": state} for manifest, state in made]
        self._before["status"]["ephemeralContainerStatuses"] = states
        for manifest, _state in made:
            self._contexts[manifest["name"]] = manifest.get("securityContext") or {}
        whole = target(user=APP)
        return replace(whole, manifest=self._before, debugger=debugger)

    def ensure(
        self, found: Target, wish: IdentityRequest = AUTO, request: Request = REQUEST, **changes: Any
    ) -> _debugger.Attached:
        return _debugger.ensure(self, found, request, wish, **changes)  # type: ignore[arg-type]

    def request(self, found: Target, **changes: Any) -> _debugger.Attached:
        return _debugger.ensure_requested(self, found, REQUEST, IdentityRequest(), **changes)  # type: ignore[arg-type]

    def now(self) -> float:
        return epoch(START) + 10

    def get(self, _path: str, _doing: str) -> dict[str, Any]:
        return self._before

    def patch(
        self,
        _path: str,
        body: Mapping[str, Any],
        _doing: str,
        query: Sequence[tuple[str, str]] = (),
    ) -> dict[str, Any]:
        (container,) = body["spec"]["ephemeralContainers"]
        self.asked.append((container["name"], "dry run" if ("dryRun", "All") in query else "for real"))
        after = copy.deepcopy(self._before)
        after["spec"].setdefault("ephemeralContainers", []).append(dict(container))
        return after

    def _inject(self, _cluster: object, _target: Target, container: Mapping[str, Any]) -> Debugger:
        self.injected.append(container["name"])
        self._contexts[container["name"]] = container.get("securityContext") or {}
        return Debugger(container, RUNS)

    def _open_session(self, *words: Any, **_options: Any) -> Any:
        return Session(words[2])

    def _probe(self, session: Any, _target: Target) -> ProbeResult:
        context = self._contexts[session.name]
        added = tuple((context.get("capabilities") or {}).get("add") or ())
        us = Credentials(context.get("runAsUser", 0), context.get("runAsGroup", 0), (), added)
        may_read = "SYS_PTRACE" in added or (us.uid, us.gid) == (self.target.uid, self.target.gid)
        return ProbeResult(7, us, self.target, may_read)


class Session:
    """A session by the name of its debugger."""

    def __init__(self, name: str) -> None:
        self.name, self.timeout = name, 60.0

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def made(attempt: Attempt, name: str | None = None, request: Request = REQUEST) -> dict[str, Any]:
    return build(request, attempt, name or base_name(request, "app"), "app")


def test_without_a_debugger_one_is_injected_and_looked_through(world: World) -> None:
    attached = world.ensure(world.target_with())
    assert (attached.reused, attached.seen.root_readable) == (False, True)
    assert world.injected == [attached.debugger.name]


def test_check_mode_only_asks_for_the_first_that_is_missing(world: World) -> None:
    attached = world.ensure(world.target_with(), may_inject=False)
    assert (attached.reused, attached.sight, attached.session) == (False, None, None)
    assert (world.injected, world.asked) == ([], [(attached.debugger.name, "dry run")])


def test_check_mode_does_not_inject_where_a_running_debugger_cannot_read(world: World) -> None:
    found = world.target_with((made(ROOT, "rootone"), RUNS))
    attached = world.ensure(found, any_serves=True, may_inject=False)
    assert (attached.reused, attached.sight) == (False, None)
    assert (world.injected, [how for _name, how in world.asked]) == ([], ["dry run"])


def test_check_mode_does_not_inject_an_earlier_debugger_again(world: World) -> None:
    found = world.target_with((made(EQUAL, "short"), ENDED), (made(EQUAL, "long"), RUNS), debugger="short")
    attached = world.ensure(found, any_serves=True, may_inject=False)
    assert (attached.debugger.name, attached.sight) == ("short-2", None)
    assert (world.injected, world.asked) == ([], [("short-2", "dry run")])
    assert world.ensure(found, any_serves=True).debugger.name == "short-2"
    assert world.injected == ["short-2"]


@pytest.mark.parametrize("may_inject", [True, False], ids=["wait: false", "check mode"])
def test_the_debugger_of_an_earlier_result_is_kept_where_nobody_looks(world: World, *, may_inject: bool) -> None:
    general = Attempt("general", "image")
    attached = world.request(world.target_with((made(general, "gen"), RUNS), debugger="gen"), may_inject=may_inject)
    assert (attached.debugger.name, attached.reused, attached.attempt.profile) == ("gen", True, "general")
    assert world.asked == []


@pytest.mark.parametrize(("may_inject", "how"), [(True, "for real"), (False, "dry run")])
def test_one_that_has_ended_is_asked_for_again_as_it_was(world: World, *, may_inject: bool, how: str) -> None:
    general = made(Attempt("general", "image"), "gen")
    attached = world.request(world.target_with((general, ENDED), debugger="gen"), may_inject=may_inject)
    assert (attached.debugger.name, attached.reused, attached.sight) == ("gen-2", False, None)
    assert attached.debugger.manifest["securityContext"] == general["securityContext"]
    assert world.asked == [("gen-2", how)]


def test_one_that_cannot_read_is_ended_and_the_reason_is_raised(world: World) -> None:
    with pytest.raises(Failure) as caught:
        world.ensure(world.target_with(), IdentityRequest(identity="image"))
    assert (caught.value.reason, caught.value.changed) == ("PermissionDenied", True)
    assert world.ended == world.injected != []


def test_one_that_ran_before_and_cannot_read_changes_nothing(world: World) -> None:
    image = IdentityRequest(identity="image")
    with pytest.raises(Failure) as caught:
        world.ensure(world.target_with((made(ROOT), RUNS)), image)
    assert (caught.value.reason, caught.value.changed, world.injected) == ("PermissionDenied", False, [])


def test_a_look_that_fails_after_an_injection_tells_of_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_words: Any) -> None:
        raise Failure("TargetProcessAmbiguous", "two of them")

    monkeypatch.setattr(_debugger, "probe", failing)
    monkeypatch.setattr(recheck, "how_it_ended", lambda *_words: None)
    with pytest.raises(Failure) as caught:
        world.ensure(world.target_with())
    assert caught.value.changed


def test_one_of_that_name_that_matches_somebody_else_is_left_alone(world: World) -> None:
    named = replace(REQUEST, name="dbg", custom={"securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}}})
    other = made(Attempt("restricted", "match", 1000, 1000), "dbg", named)
    attached = world.ensure(world.target_with((other, RUNS)), request=named)
    assert (attached.reused, attached.attempt) == (False, EQUAL)
    assert (world.injected, world.ended) == (["dbg-2"], [])


def test_what_was_learned_before_is_found_again(world: World) -> None:
    world.target = Credentials(1000, 1000, (), ())
    matched = Attempt("restricted", "match", 1000, 1000, learned=Learned(1000, 1000, is_matchable=True))
    learned = made(matched, "dbg", replace(REQUEST, name="dbg"))
    attached = world.ensure(world.target_with((learned, RUNS)), request=replace(REQUEST, name="dbg"))
    assert (attached.reused, attached.debugger.name, world.injected) == (True, "dbg", [])


OWN = replace(REQUEST, owner="a1b2c3d4")


def made_by(request: Request, attempt: Attempt = EQUAL) -> dict[str, Any]:
    return build(request, attempt, base_name(request, "app"), "app")


@pytest.mark.parametrize("any_serves", [True, False])
@pytest.mark.parametrize("asking", [REQUEST, OWN, replace(REQUEST, owner="other")], ids=["shared", "same", "twin"])
def test_what_a_task_made_for_itself_serves_no_other_task(world: World, asking: Request, *, any_serves: bool) -> None:
    found = world.target_with((made_by(OWN), RUNS))
    attached = world.ensure(found, request=asking, any_serves=any_serves)
    assert not attached.reused
    assert world.injected == [attached.debugger.name]
    assert attached.debugger.name != made_by(OWN)["name"]


def test_a_task_of_its_own_takes_what_is_there_for_all(world: World) -> None:
    attached = world.ensure(world.target_with((made_by(REQUEST), RUNS)), request=OWN)
    assert (attached.reused, attached.debugger.name, world.injected) == (True, made_by(REQUEST)["name"], [])


def test_two_identical_tasks_ask_for_two_debuggers_and_two_shared_ones_for_the_same() -> None:
    twin = replace(REQUEST, owner="e5f6a7b8")
    assert made_by(OWN)["name"] != made_by(twin)["name"]
    assert made_by(OWN) != {**made_by(twin), "name": made_by(OWN)["name"]}
    assert made_by(REQUEST) == made_by(replace(REQUEST))


def test_twins_that_want_one_name_get_one_each(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"mine"}

    def inject(cluster: object, of: Target, container: Mapping[str, Any]) -> Debugger:
        if container["name"] in there:
            raise Failure("Conflict", "existing ephemeral containers may not be changed")
        return world._inject(cluster, of, container)

    monkeypatch.setattr(_debugger, "inject", inject)
    named = replace(OWN, name="mine")
    assert world.ensure(world.target_with(), AUTO, named).debugger.name == "mine-2"
    with pytest.raises(Failure) as caught:
        world.ensure(world.target_with(), AUTO, replace(REQUEST, name="mine"))
    assert caught.value.reason == "Conflict"


@pytest.mark.parametrize(("before", "asking"), [(OWN, REQUEST), (REQUEST, OWN), (OWN, replace(OWN, owner="again"))])
def test_a_debugger_that_is_injected_again_is_for_whom_this_task_wants_it(
    world: World, before: Request, asking: Request
) -> None:
    earlier = made_by(before)
    attached = world.ensure(world.target_with((earlier, ENDED), debugger=earlier["name"]), request=asking)
    assert attached.debugger.manifest["env"] == made_by(asking)["env"]
    assert attached.debugger.name != earlier["name"]


def test_the_targets_of_a_result_hand_a_running_debugger_on_whoever_it_was_made_for(world: World) -> None:
    name = made_by(OWN)["name"]
    attached = world.ensure(world.target_with((made_by(OWN), RUNS), debugger=name))
    assert (attached.reused, attached.debugger.name) == (True, name)


REFUSED = "Debugger d does not start: CreateContainerConfigError: container has runAsNonRoot and image will run as root"


def test_a_debugger_that_the_kubelet_refuses_as_root_is_followed_by_one_that_is_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inject(cluster: object, of: Target, container: Mapping[str, Any]) -> Debugger:
        if "securityContext" not in container:
            failure = Failure("ContainerCreateFailed", REFUSED)
            failure.changed = True
            raise failure
        return world._inject(cluster, of, container)

    monkeypatch.setattr(_debugger, "inject", inject)
    unknown = replace(world.target_with(), manifest=pod())
    attached = world.ensure(unknown)
    assert (attached.attempt, attached.seen.root_readable) == (EQUAL, True)
    assert attached.debugger.name.endswith("-2")
    waits = {"waiting": {"reason": "CreateContainerConfigError", "message": REFUSED}}
    found = world.target_with((made(ROOT), waits))
    del found.manifest["status"]["containerStatuses"][0]["user"]
    world.injected.clear()
    assert world.ensure(found).attempt == EQUAL
    assert len(world.injected) == 1
