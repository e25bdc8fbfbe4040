# Copyright (c) 2026, incident.distroless maintainers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.incident.distroless.plugins.module_utils._debugger.container import Request, base_name, build
from ansible_collections.incident.distroless.plugins.module_utils._debugger.identity import Attempt, IdentityRequest
from ansible_collections.incident.distroless.plugins.module_utils._debugger.probe import Credentials, ProbeResult
from ansible_collections.incident.distroless.plugins.module_utils._debugger.reuse import described, is_wished, recognise
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
    (IdentityRequest(), app(CONFINED), replace(EQUAL, confinement=CONFINED)),
    (IdentityRequest(), app({"capabilities": {"add": ["NET_ADMIN"]}}), Attempt("netadmin", "match", 0, 0)),
    (IdentityRequest(allow_elevated=True), app(user=APP), ELEVATED),
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
    attempt = Attempt("restricted", "match", ours, ours)
    assert recognise(request_, IdentityRequest(), made(attempt, request_), app(user=APP)) == attempt
    sight = ProbeResult(7, Credentials(ours, ours, (), ("SYS_PTRACE",)), Credentials(theirs, theirs, (), ()), True)
    assert is_wished(request_, IdentityRequest(), attempt, app(user=APP), sight) is wished


def test_a_debugger_of_another_shape_is_not_taken() -> None:
    manifest = made(EQUAL)
    manifest["securityContext"]["privileged"] = True
    assert recognise(REQUEST, IdentityRequest(), manifest, app()) is None


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
