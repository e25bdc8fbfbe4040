# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._core.times import epoch
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import Request, base_name, build
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import (
    Attempt,
    IdentityRequest,
    Learned,
)
from ansible_collections.incident.distroless.plugins.module_utils._debugger.mark import mark_of
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import Credentials, ProbeResult
from ansible_collections.incident.distroless.plugins.module_utils._debugger.reuse import (
    described,
    find_pending,
    find_running,
    is_wished,
    recognise,
    wished_attempts,
)
from ansible_collections.incident.distroless.plugins.module_utils._targets.model import Target
from ansible_collections.incident.distroless.tests.unit.support.pods import target

CONFINED = {
    "appArmorProfile": {"type": "RuntimeDefault"},
    "seLinuxOptions": {"level": "s0:c7,c9"},
}
REQUEST = Request("busybox:1.37", None, 3600, {}, {}, [], None, ("auto",))

APP = {"uid": 65532, "gid": 65532}
ELEVATED = Attempt("general", "elevated")
ROOT = Attempt("baseline", "image")
EQUAL = Attempt("restricted", "match", 65532, 65532)


def app(own: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Target:
    """The target whose container has that securityContext, and of whom the kubelet says who runs it."""
    return target(containers=[{"name": "app", "securityContext": own or {}}], user=user)


CASES = [
    (IdentityRequest(), app(), ROOT),
    (IdentityRequest(), app(), EQUAL),
    (IdentityRequest(), app(CONFINED), replace(EQUAL, confinement=CONFINED, learned=Learned(65532, 65532, True))),
    (
        IdentityRequest(),
        app({"capabilities": {"add": ["NET_ADMIN"]}}),
        Attempt("netadmin", "match", 0, 0, learned=Learned(0, 0, True)),
    ),
    (
        IdentityRequest(allow_elevated=True),
        app(user=APP),
        replace(ELEVATED, learned=Learned(65532, 65532, is_matchable=False)),
    ),
    (IdentityRequest(identity="elevated"), app(user=APP), ELEVATED),
]


def made(attempt: Attempt, request: Request = REQUEST) -> dict[str, Any]:
    return build(request, attempt, base_name(request, "app"), "app")


@pytest.mark.parametrize(
    ("wish", "found", "attempt"),
    CASES,
    ids=["unknown", "learned", "confined", "netadmin", "allowed", "elevated"],
)
def test_what_the_same_request_made_is_found_again_as_what_it_was(
    wish: IdentityRequest, found: Target, attempt: Attempt
) -> None:
    assert recognise(REQUEST, wish, made(attempt), found) == attempt
    assert described(made(attempt)) == attempt


NAMED = replace(REQUEST, name="dbg")


@pytest.mark.parametrize(
    ("wish", "before"),
    [
        (IdentityRequest(identity="match"), ELEVATED),
        (IdentityRequest(), ELEVATED),
        (IdentityRequest(profile="general"), Attempt("general", "match", 0, 0)),
        (IdentityRequest(identity="match"), ROOT),
        (IdentityRequest(), ROOT),
        (IdentityRequest(identity="image"), EQUAL),
        (IdentityRequest(identity="elevated"), EQUAL),
        (IdentityRequest(run_as_user=1001), Attempt("restricted", "image", 1000)),
        (IdentityRequest(run_as_user=1001), Attempt("restricted", "image", 1001, 1001)),
        (IdentityRequest(run_as_user=65532, allow_elevated=False), ELEVATED),
    ],
)
def test_a_name_alone_gives_nobody_a_debugger_of_another_identity(wish: IdentityRequest, before: Attempt) -> None:
    assert recognise(NAMED, wish, made(before, NAMED), app(user=APP)) is None


@pytest.mark.parametrize(
    ("request_", "sighted", "wished"),
    [
        (NAMED, (1000, 65532), False),
        (NAMED, (1000, 1000), True),
        (REQUEST, (1000, 65532), True),
    ],
    ids=["made for another", "as the process is", "by a derived name"],
)
def test_who_a_named_debugger_matches_must_be_the_target(
    request_: Request, sighted: tuple[int, int], *, wished: bool
) -> None:
    ours, theirs = sighted
    attempt = Attempt("restricted", "match", ours, ours, learned=Learned(ours, ours, is_matchable=True))
    assert recognise(request_, IdentityRequest(), made(attempt, request_), app(user=APP)) == attempt
    sight = ProbeResult(7, Credentials(ours, ours, (), ("SYS_PTRACE",)), Credentials(theirs, theirs, (), ()), True)
    assert is_wished(request_, IdentityRequest(), attempt, app(user=APP), sight) is wished


def changed_by_admission(manifest: dict[str, Any]) -> dict[str, Any]:
    """As a webhook leaves it that takes images from a mirror and adds a variable."""
    env = [{"name": "DD_AGENT_HOST", "value": "10.0.0.7"}, *manifest["env"]]
    return {**manifest, "image": f"mirror.example/{manifest['image']}", "env": env}


def with_debugger(manifest: dict[str, Any], state: dict[str, Any]) -> Target:
    found = app(user=APP)
    found.manifest["spec"]["ephemeralContainers"] = [manifest]
    found.manifest["status"]["ephemeralContainerStatuses"] = [{"name": manifest["name"], "state": state}]
    return found


RUNS = {"running": {"startedAt": "2026-11-23T03:00:00Z"}}


def test_what_admission_changed_is_the_same_debugger_and_is_said() -> None:
    found = with_debugger(changed_by_admission(made(EQUAL)), RUNS)
    ((attempt, debugger),) = find_running(found, REQUEST, IdentityRequest(), epoch("2026-11-23T03:00:10Z"))
    assert (attempt, debugger.mutated) == (EQUAL, ("env", "image"))


def test_another_request_under_the_same_name_is_another_debugger() -> None:
    for other in (
        replace(NAMED, image="busybox:1.36"),
        replace(NAMED, env={"A": "1"}),
        replace(NAMED, custom={"tty": True}),
    ):
        assert recognise(NAMED, IdentityRequest(), made(EQUAL, other), app(user=APP)) is None
    assert recognise(NAMED, IdentityRequest(), made(EQUAL, replace(NAMED, ttl=7)), app(user=APP)) == EQUAL


def test_what_has_our_name_and_no_mark_of_a_request_is_not_ours() -> None:
    bare = {**made(EQUAL), "env": [{"name": "INCIDENT_DISTROLESS", "value": "debugger"}]}
    assert recognise(REQUEST, IdentityRequest(), bare, app(user=APP)) is None
    assert recognise(REQUEST, IdentityRequest(), {**bare, "env": []}, app(user=APP)) is None


@pytest.mark.parametrize("state", [{}, {"waiting": {"reason": "ContainerCreating"}}])
def test_one_that_has_not_started_is_found_for_those_who_ask_for_the_same(state: dict[str, Any]) -> None:
    found = with_debugger(changed_by_admission(made(EQUAL)), state)
    pending = find_pending(found, REQUEST, EQUAL)
    assert pending is not None
    assert pending.mutated == ("env", "image")
    assert find_pending(found, replace(REQUEST, owner="mine"), EQUAL) is not None
    assert find_pending(found, REQUEST, ROOT) is None
    assert find_pending(found, replace(REQUEST, image="busybox:1.36"), EQUAL) is None
    own = build(replace(REQUEST, owner="theirs"), EQUAL, base_name(REQUEST, "app"), "app")
    assert find_pending(with_debugger(own, state), REQUEST, EQUAL) is None


@pytest.mark.parametrize("learned", [Learned(4321, 0, is_matchable=True), Learned(7, 7, is_matchable=False), None])
def test_a_mark_says_what_was_learned(learned: Learned | None) -> None:
    manifest = made(replace(EQUAL, learned=learned))
    assert (mark := mark_of(manifest)) is not None
    assert (mark.owner, mark.learned) == (None, learned)
    assert mark.request == getattr(mark_of(made(EQUAL)), "request", None)


def test_what_was_learned_once_comes_first_and_stays_with_what_it_led_to() -> None:
    ended = {"terminated": {"startedAt": "2026-11-23T03:00:00Z", "exitCode": 0}}
    found = with_debugger(
        made(Attempt("restricted", "match", 70, 70, learned=Learned(70, 70, is_matchable=True))), ended
    )
    first = wished_attempts(IdentityRequest(), found)[0]
    assert (first.identity, first.run_as_user, first.learned) == ("match", 70, Learned(70, 70, is_matchable=True))
    held = with_debugger(made(replace(ELEVATED, learned=Learned(65532, 65532, is_matchable=False))), ended)
    assert wished_attempts(IdentityRequest(allow_elevated=True), held) == [ELEVATED]
    assert wished_attempts(IdentityRequest(), held)[0] == EQUAL
    assert wished_attempts(IdentityRequest(run_as_user=9), found)[0].run_as_user == 9


def without_nothing(value: Any) -> Any:
    """As the API server has it: what is empty or false is left out."""
    if isinstance(value, dict):
        return {key: without_nothing(field) for key, field in value.items() if field not in ("", False, [], {})}
    return [without_nothing(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "custom",
    [
        {"env": [{"name": "EMPTY", "value": ""}]},
        {"tty": False, "stdin": False},
        {"workingDir": "", "envFrom": []},
        {"volumeMounts": [{"name": "data", "mountPath": "/data", "readOnly": False}]},
    ],
)
def test_what_says_nothing_and_is_left_out_by_the_api_is_no_difference(custom: dict[str, Any]) -> None:
    request, attempt = replace(REQUEST, custom=custom), Attempt("baseline", "image")
    sent = build(request, attempt, base_name(request, "app"), "app")
    kept = without_nothing(sent)
    assert kept != sent
    assert recognise(request, IdentityRequest(), kept, app()) == attempt


def test_a_uid_of_0_says_something() -> None:
    manifest = made(Attempt("restricted", "match", 0, 0))
    del manifest["securityContext"]["runAsUser"]
    assert recognise(REQUEST, IdentityRequest(), manifest, app()) != Attempt("restricted", "match", 0, 0)
